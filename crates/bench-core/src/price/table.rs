//! Price tables: the built-in one, and files of the same form that go before it (`--prices`).
//!
//! ```json
//! {"prices": [{"model": "openai:gpt-5", "input": 1.25, "cached_input": 0.125, "output": 10,
//!              "source": "https://…", "date": "2026-11-22"}]}
//! ```
//!
//! A row holds for a model of exactly that name, and for its dated versions (`…-20250929`, `…-2025-08-07`). Nothing is
//! guessed beyond that: a model without a row has no price.

use super::{LongRates, Price, Rates};
use crate::harness::Source;
use crate::json::read::{At, Fields, Log};
use crate::json::{Document, Syntax};
use crate::model::{ModelRef, Provider};
use crate::problem::{Problem, Problems};

/// The built-in table. Every row says where it comes from, and when that was read.
const BUILT_IN: &str = include_str!("prices.json");

/// Prices of models.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PriceTable {
    rows: Vec<Row>,
    /// What was odd but did not stop the reading.
    pub warnings: Vec<Problem>,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    provider: Provider,
    name: String,
    price: Price,
}

impl PriceTable {
    /// The built-in table.
    ///
    /// # Errors
    /// None that a build with passing tests has.
    pub fn built_in() -> Result<Self, Problems> {
        Self::read(&Source::new("prices.json", BUILT_IN))
    }

    /// Reads a table.
    ///
    /// # Errors
    /// All problems of the file, if any of them stops the work.
    pub fn read(source: &Source) -> Result<Self, Problems> {
        let document = Document::parse(&source.shown, &source.text, Syntax::WithComments)?;
        let log = Log::default();
        let at = At::root(&document, &log);
        let mut table = Self::default();
        if at.has("prices") {
            table.read_rows(&at, &source.shown);
        } else {
            at.error_with(
                "there is no `prices` in it: this is no price table",
                "write {\"prices\": [{\"model\": \"openai:gpt-5\", \"input\": 1.25, \"output\": 10}]}",
            );
        }
        log.sort_after(0);
        let (mut table, warnings) = Problems(log.into_problems()).or_value(table)?;
        table.warnings = warnings;
        Ok(table)
    }

    /// The price of a model.
    pub fn price(&self, model: &ModelRef) -> Option<&Price> {
        let name = model.name.strip_prefix("models/").unwrap_or(&model.name);
        let row = |name: &str| {
            let mut rows = self.rows.iter();
            rows.find(|row| row.provider == model.provider && row.name == name)
        };
        row(name).or_else(|| row(undated(name)?)).map(|row| &row.price)
    }

    /// This table, and where it is silent the other.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.rows.extend(other.rows);
        self.warnings.extend(other.warnings);
        self
    }

    fn read_rows(&mut self, at: &At<'_>, file: &str) {
        let Some(mut fields) = at.fields() else { return };
        let rows = fields.any("prices").and_then(|at| at.items());
        for at in rows.unwrap_or_default() {
            if let Some(row) = read_row(&at, file) {
                let known = |other: &Row| (other.provider, &other.name) == (row.provider, &row.name);
                if self.rows.iter().any(known) {
                    at.error_with("this model has a price already", "remove one of the rows");
                }
                self.rows.push(row);
            }
        }
        fields.ignore(&["$schema"]);
        fields.finish();
    }
}

fn read_row(at: &At<'_>, file: &str) -> Option<Row> {
    let mut fields = at.fields()?;
    let model = match fields.some("model") {
        None => {
            fields.missing("model");
            None
        }
        Some(at) => read_model(&at),
    };
    let price = read_price(&mut fields, file);
    fields.finish();
    let model = model?;
    Some(Row {
        provider: model.provider,
        name: model.name,
        price: price?,
    })
}

fn read_model(at: &At<'_>) -> Option<ModelRef> {
    let text: String = at.read()?;
    match text.parse::<ModelRef>() {
        Ok(model) if model.provider.is_local() => {
            at.error("this model costs nothing");
            None
        }
        Ok(model) => Some(model),
        Err(bad) => {
            at.error(bad.to_string());
            None
        }
    }
}

/// Reads the members of a price. `file` is its source where it names none.
pub(crate) fn read_price(fields: &mut Fields<'_>, file: &str) -> Option<Price> {
    let rates = read_rates(fields);
    let long = fields.some("long").map(|at| {
        let mut fields = at.fields()?;
        let above = fields.get("above_input_tokens");
        if above.is_none() && !at.has("above_input_tokens") {
            fields.missing("above_input_tokens");
        }
        let rates = read_rates(&mut fields);
        fields.finish();
        Some(LongRates {
            above_input_tokens: above?,
            rates: rates?,
        })
    });
    let source = fields.get("source").unwrap_or_else(|| file.to_owned());
    let date = fields.get("date");
    Some(Price {
        rates: rates?,
        long: long.flatten(),
        source,
        date,
    })
}

fn read_rates(fields: &mut Fields<'_>) -> Option<Rates> {
    let input = amount(fields, "input", true);
    let cached_input = amount(fields, "cached_input", false);
    let cache_write = amount(fields, "cache_write", false);
    let output = amount(fields, "output", true);
    Some(Rates {
        input: input?,
        cached_input,
        cache_write,
        output: output?,
    })
}

/// Dollars per million tokens.
fn amount(fields: &mut Fields<'_>, name: &'static str, needed: bool) -> Option<f64> {
    let Some(at) = fields.some(name) else {
        if needed {
            fields.missing(name);
        }
        return None;
    };
    let amount: f64 = at.read()?;
    if !(0.0..=1e6).contains(&amount) {
        at.error_with(
            format!("`{name}` is no price"),
            "write US dollars per million tokens, such as 1.25",
        );
        return None;
    }
    Some(amount)
}

/// A name without the date of its version: `…-20250929`, `…-2025-08-07`.
fn undated(name: &str) -> Option<&str> {
    let cut = |pattern: &[usize]| {
        let mut rest = name;
        for digits in pattern.iter().rev() {
            let (head, tail) = rest.rsplit_once('-')?;
            let is_date = tail.len() == *digits && tail.bytes().all(|b| b.is_ascii_digit());
            rest = is_date.then_some(head)?;
        }
        Some(rest)
    };
    cut(&[8]).or_else(|| cut(&[4, 2, 2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> ModelRef {
        text.parse().unwrap()
    }

    #[test]
    fn every_built_in_row_says_where_it_comes_from() {
        let table = PriceTable::built_in().unwrap();
        assert!(
            table.rows.len() > 30 && table.warnings.is_empty(),
            "{:?}",
            table.warnings
        );
        for row in &table.rows {
            let price = &row.price;
            assert!(
                price.source.starts_with("https://"),
                "{}: {}",
                row.name,
                price.source
            );
            assert_eq!(price.date.as_deref().map(str::len), Some(10), "{}", row.name);
            let Rates {
                input,
                cached_input,
                output,
                ..
            } = price.rates;
            assert!(cached_input.unwrap() < input && input < output, "{}", row.name);
        }
    }

    #[test]
    fn a_row_holds_for_its_model_and_its_dated_versions_alone() {
        let table = PriceTable::built_in().unwrap();
        let input = |text: &str| table.price(&model(text)).map(|price| price.rates.input);
        for (text, want) in [
            ("openai:gpt-5", Some(1.25)),
            ("openai:gpt-5?effort=high", Some(1.25)),
            ("openai:gpt-5-2025-08-07", Some(1.25)),
            ("claude-sonnet-4-5-20250929", Some(3.0)),
            ("google:models/gemini-2.5-pro", Some(1.25)),
            ("openai:gpt-5-pro", None),
            ("openai:gpt-5-2025", None),
            ("openai:gpt-99", None),
            ("compatible:gpt-5", None),
            ("openrouter:openai/gpt-5", None),
            ("oracle", None),
        ] {
            assert_eq!(input(text), want, "{text}");
        }
    }

    #[test]
    fn own_prices_go_before_the_built_in_ones() {
        let own = r#"{"prices": [{"model": "openai:gpt-5", "input": 9, "output": 9}]}"#;
        let own = PriceTable::read(&Source::new("/p/mine.json", own).shown_as("mine.json")).unwrap();
        let table = own.or(PriceTable::built_in().unwrap());
        let price = table.price(&model("gpt-5")).unwrap();
        assert_eq!((price.rates.input, price.source.as_str()), (9.0, "mine.json"));
        assert_eq!(
            table.price(&model("gpt-4o")).map(|price| price.rates.input),
            Some(2.5)
        );
    }

    #[test]
    fn every_problem_of_a_table_is_named() {
        let text = r#"{"prices": [
  {"model": "oracle", "input": 1, "output": 1},
  {"model": "opnai:x", "inptu": 1, "output": -1},
  {"model": "openai:x", "input": "1", "output": 1, "long": {"input": 2, "output": 2}},
  {"model": "openai:y", "input": 1, "output": 1},
  {"model": "openai:y", "input": 1, "output": 1}
]}"#;
        let problems = PriceTable::read(&Source::new("p.json", text)).unwrap_err();
        insta::assert_snapshot!(problems, @r"
        p.json:2:13 at /prices/0/model: this model costs nothing
        p.json:3:3 at /prices/1: `input` is missing (hint: is it misspelt as `inptu`?)
        p.json:3:13 at /prices/1/model: unknown provider `opnai`; did you mean `openai:x`?
        p.json:3:24 at /prices/1/inptu: unknown field `inptu` is ignored (hint: did you mean `input`?)
        p.json:3:46 at /prices/1/output: `output` is no price (hint: write US dollars per million tokens, such as 1.25)
        p.json:4:34 at /prices/2/input: `input` must be a number, not a string
        p.json:4:60 at /prices/2/long: `above_input_tokens` is missing
        p.json:6:3 at /prices/4: this model has a price already (hint: remove one of the rows)
        ");
    }
}
