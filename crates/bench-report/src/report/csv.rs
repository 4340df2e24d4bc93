//! Trials as rows of a table that any spreadsheet and any data frame reads.
//!
//! A spreadsheet runs a cell that begins like a formula. Texts of others that do so get a leading `'`, which
//! spreadsheets take as "this is text".

use std::io::{self, Write};

use serde::Serialize;

use super::{Report, Trial};
use crate::text;

/// One row. What is not known is empty.
#[derive(Serialize)]
struct Row<'a> {
    run_id: &'a str,
    trial: &'a str,
    scenario_id: String,
    model: String,
    repetition: u32,
    attempt: u32,
    outcome: &'static str,
    /// 1 or 0; empty for trials outside the pass rate.
    passed: Option<u8>,
    cause: String,
    verifiers_passed: u32,
    verifiers_total: u32,
    turns: u32,
    tool_calls: u32,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cost_usd: Option<f64>,
    calls_of_unknown_cost: Option<u32>,
    completed_at: String,
    took_ms: u64,
    tried_again_turns: u32,
    tried_again_tool_calls: u32,
    tried_again_ms: u64,
}

/// Writes a heading and a row for each trial that is over.
///
/// # Errors
/// `out` cannot be written.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut table = ::csv::WriterBuilder::new().has_headers(false).from_writer(out);
    table.write_record(HEADING).map_err(io::Error::from)?;
    for trial in &report.trials {
        table.serialize(row(report, trial)).map_err(io::Error::from)?;
    }
    table.flush()
}

/// The columns, in the order of [`Row`]. Written even where there is no row.
const HEADING: [&str; 22] = [
    "run_id",
    "trial",
    "scenario_id",
    "model",
    "repetition",
    "attempt",
    "outcome",
    "passed",
    "cause",
    "verifiers_passed",
    "verifiers_total",
    "turns",
    "tool_calls",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "calls_of_unknown_cost",
    "completed_at",
    "took_ms",
    "tried_again_turns",
    "tried_again_tool_calls",
    "tried_again_ms",
];

fn row<'a>(report: &'a Report, trial: &'a Trial) -> Row<'a> {
    let again = trial.tried_again.unwrap_or_default();
    Row {
        run_id: &report.run.run_id,
        trial: trial.trial.as_str(),
        scenario_id: harmless(&trial.scenario_id),
        model: harmless(&trial.model),
        repetition: trial.repetition,
        attempt: trial.attempt,
        outcome: trial.outcome.name(),
        passed: trial
            .outcome
            .is_scored()
            .then(|| u8::from(trial.outcome == bench_core::Outcome::Passed)),
        cause: harmless(trial.cause.as_deref().unwrap_or_default()),
        verifiers_passed: trial.verifiers_passed,
        verifiers_total: trial.verifiers_total,
        turns: trial.turns,
        tool_calls: trial.tool_calls,
        input_tokens: trial.usage.input_tokens,
        output_tokens: trial.usage.output_tokens,
        cost_usd: trial.cost.map(|cost| f64::from(cost.usd)),
        calls_of_unknown_cost: trial.cost.map(|cost| cost.unknown_calls),
        completed_at: trial
            .completed_at
            .to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        took_ms: trial.took_ms,
        tried_again_turns: again.turns,
        tried_again_tool_calls: again.tool_calls,
        tried_again_ms: again.took_ms,
    }
}

/// The text in one line, and no formula. Spaces before a formula do not hide it from every spreadsheet.
fn harmless(text: &str) -> String {
    let line = text::clean_line(text);
    let formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    if line.trim_start().starts_with(formula) {
        format!("'{line}")
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{Fixture, report_of};

    fn rows(rename: impl Fn(&str) -> String) -> Vec<::csv::StringRecord> {
        let mut out = Vec::new();
        write(&report_of(&Fixture::saying(&[]), rename), &mut out).unwrap();
        let mut table = ::csv::Reader::from_reader(out.as_slice());
        assert_eq!(
            table.headers().unwrap(),
            &::csv::StringRecord::from(HEADING.to_vec())
        );
        table.records().map(Result::unwrap).collect()
    }

    #[test]
    fn a_row_for_each_trial() {
        let rows = rows(str::to_owned);
        assert_eq!(rows.len(), 16);
        let cells = |outcome: &str| {
            let row = rows.iter().find(|row| &row[6] == outcome).unwrap();
            (row[7].to_owned(), row[8].to_owned())
        };
        assert_eq!(cells("passed"), ("1".into(), String::new()));
        assert_eq!(cells("limit"), ("0".into(), "limit it was".into()));
        assert_eq!(cells("errored"), (String::new(), "errored it was".into()));
    }

    #[test]
    fn what_was_tried_again_has_columns_of_its_own() {
        let mut report = report_of(&Fixture::saying(&[]), str::to_owned);
        report.trials[0].tried_again = Some(bench_core::record::TriedAgain {
            turns: 3,
            tool_calls: 2,
            took_ms: 50_000,
        });
        let mut out = Vec::new();
        write(&report, &mut out).unwrap();
        let mut table = ::csv::Reader::from_reader(out.as_slice());
        let rows: Vec<_> = table.records().map(Result::unwrap).collect();
        let shown = |row: usize| rows[row].iter().skip(18).collect::<Vec<_>>().join(" ");
        assert_eq!(
            (shown(0).as_str(), shown(1).as_str()),
            ("1500 3 2 50000", "1500 0 0 0")
        );
    }

    #[test]
    fn no_cell_is_a_formula_and_no_text_breaks_a_row() {
        for attack in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "  =1",
            "\r\n=cmd|' /C calc'!A1",
            "\",\"=1",
            "＝1",
        ] {
            for row in rows(|name| format!("{attack}{name}")) {
                assert_eq!(row.len(), HEADING.len());
                for cell in &row {
                    let first = cell.trim_start().chars().next().unwrap_or(' ');
                    assert!(!"=+-@＝".contains(first), "{attack:?} became {cell:?}");
                    assert!(!cell.contains(['\n', '\r', '\t']), "{cell:?}");
                }
            }
        }
    }
}
