//! What models used up, as Inspect counts it: per model, judges under their own names.

use std::collections::BTreeMap;

use bench_core::{Usage, Usd};
use serde_json::{Map, Value, json};

use super::{known, model_name};

/// Tokens and dollars. Dollars that are not all known are not told: a sum of some would look like the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spent {
    pub(super) usage: Usage,
    pub(super) usd: Option<Usd>,
}

impl Spent {
    fn add(&mut self, other: Self) {
        self.usage += other.usage;
        self.usd = self.usd.zip(other.usd).map(|(a, b)| a + b);
    }

    /// As Inspect writes it; none if nobody counted tokens.
    pub(super) fn value(&self) -> Option<Value> {
        let usage = &self.usage;
        let members = json!({
            "input_tokens": usage.input_tokens.unwrap_or(0),
            "output_tokens": usage.output_tokens.unwrap_or(0),
            "total_tokens": usage.total(),
            "input_tokens_cache_write": usage.cache_write_tokens,
            "input_tokens_cache_read": usage.cached_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "total_cost": self.usd.map(f64::from),
        });
        (!usage.is_unknown()).then(|| super::lean(members))
    }
}

/// What several models used up, by their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bill(BTreeMap<String, Spent>);

impl Bill {
    pub(super) fn add(&mut self, model: &str, spent: Spent) {
        self.0
            .entry(model.to_owned())
            .and_modify(|sum| sum.add(spent))
            .or_insert(spent);
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        for (model, spent) in &other.0 {
            self.add(model, *spent);
        }
    }

    /// The dollars that are known of, of all models together.
    pub(super) fn known_usd(&self) -> Usd {
        self.0.values().filter_map(|spent| spent.usd).sum()
    }

    /// A member per model that was counted.
    pub(super) fn value(&self) -> Value {
        let members = self.0.iter().map(|(model, spent)| {
            let value = spent.value().unwrap_or(Value::Null);
            (model_name(model), value)
        });
        Value::Object(known(members.collect::<Map<_, _>>()))
    }

    /// All of it under the role `judge`; nothing if nobody judged.
    pub(super) fn as_judge(&self) -> Value {
        let sum = self.0.values().copied().reduce(|mut sum, spent| {
            sum.add(spent);
            sum
        });
        super::lean(json!({"judge": sum.and_then(|sum| sum.value())}))
    }
}
