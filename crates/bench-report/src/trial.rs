//! One trial: how it ended, and what each verifier said.

use std::fmt::Write;
use std::time::Duration;

use bench_core::record::GymUse;
use bench_core::{TrialRecord, Verdict, VerdictStatus};
use serde_json::Value;

use crate::drift;
use crate::steps;
use crate::summary::tokens;
use crate::table::{Column, Table};
use crate::text;

/// Longest value in a verdict table, in characters; the record has all of it.
const LONGEST: usize = 200;
/// Differences from a recording that are shown.
const MOST_DRIFT: usize = 8;

/// The facts of a trial, a line each, ending with a newline.
pub fn facts(record: &TrialRecord) -> String {
    let started = record.started_at.format("%Y-%m-%d %H:%M:%S UTC");
    let mut facts = vec![
        ("trial", record.trial.to_string()),
        ("scenario", record.scenario_id.clone()),
        ("model", record.model.clone()),
        ("outcome", record.outcome.name().to_owned()),
    ];
    facts.extend(record.cause.iter().map(|cause| ("cause", cause.clone())));
    if record.attempt > 1 {
        facts.push(("attempt", record.attempt.to_string()));
    }
    let time = text::short_duration(Duration::from_millis(record.took_ms));
    facts.push(("time", format!("{time} from {started}")));
    facts.push(("talk", talk(record)));
    facts.push(("tokens", tokens(&record.usage)));
    if !record.judge_usage.is_unknown() {
        facts.push((
            "judge",
            format!(
                "{}, in the cost but not in the tokens",
                tokens(&record.judge_usage)
            ),
        ));
    }
    let paid = record.cost.filter(|cost| !cost.is_nothing());
    facts.extend(paid.map(|cost| ("cost", cost.to_string())));
    facts.extend(record.gyms.iter().map(|used| ("gym", gym(used))));
    if !record.expected_tools_missed.is_empty() {
        let missed = record.expected_tools_missed.join(", ");
        facts.push(("not called", format!("{missed} (expected, not scored)")));
    }
    let shown = record.drift.iter().take(MOST_DRIFT);
    facts.extend(shown.map(|drift| ("drift", drift::line(drift))));
    if let Some(hidden @ 1..) = record.drift.len().checked_sub(MOST_DRIFT) {
        facts.push(("", text::count(hidden, "further difference")));
    }
    let lines = facts
        .iter()
        .map(|(name, value)| format!("{name:<11} {}\n", text::clean_line(value)));
    lines.collect::<Vec<_>>().concat()
}

fn talk(record: &TrialRecord) -> String {
    let turns = text::count(record.turns as usize, "turn");
    let calls = text::count(record.tool_calls as usize, "tool call");
    match record.tool_errors {
        0 => format!("{turns}, {calls}"),
        failed => format!("{turns}, {calls} ({failed} failed)"),
    }
}

fn gym(used: &GymUse) -> String {
    match &used.database_id {
        Some(id) => format!("{} (MCP {}, database {id})", used.gym, used.protocol),
        None => format!("{} (MCP {})", used.gym, used.protocol),
    }
}

/// One row per verifier; with the step from which each held, where they were looked at after each tool call.
pub fn verdicts(record: &TrialRecord) -> Table {
    let mut columns = vec![
        Column::text("verifier"),
        Column::word("verdict"),
        Column::word("type").dispensable(1),
        Column::text("comparison"),
        Column::text("expected"),
        Column::text("actual"),
    ];
    if record.timeline.is_some() {
        columns.insert(2, Column::word("held from"));
    }
    let mut table = Table::new(columns);
    for (place, verdict) in record.verdicts.iter().enumerate() {
        let (sign, actual) = match &verdict.status {
            VerdictStatus::True => ("✓ true", value(&verdict.actual)),
            VerdictStatus::False => ("✗ false", value(&verdict.actual)),
            VerdictStatus::Errored { error, .. } => ("! errored", cell(error)),
            _ => ("? unknown", value(&verdict.actual)),
        };
        let mut cells = vec![
            cell(&verdict.verifier),
            sign.to_owned(),
            verdict.verifier_type.clone(),
            cell(&verdict.comparison),
            value(&verdict.expected),
            actual,
        ];
        if let Some(timeline) = &record.timeline {
            let held = timeline.checks.get(place).map(steps::brief);
            cells.insert(2, held.unwrap_or_default());
        }
        table.row(cells);
    }
    table
}

/// What judges said, a paragraph for each verdict that one was asked for.
pub fn judgements(verdicts: &[Verdict]) -> String {
    let mut out = String::new();
    for (verdict, judge) in verdicts.iter().filter_map(|v| Some((v, v.judge.as_ref()?))) {
        let score = judge
            .score
            .map_or_else(|| "no score".to_owned(), |score| format!("{score} of 10"));
        let paid = if judge.cost.is_nothing() {
            String::new()
        } else {
            format!(", {}", judge.cost)
        };
        // Writing to a String cannot fail.
        writeln!(
            out,
            "{}: {score} from {} ({}, {} tokens{paid})",
            cell(&verdict.verifier),
            text::clean_line(&judge.model),
            if judge.replies == 1 {
                "1 reply".to_owned()
            } else {
                format!("{} replies", judge.replies)
            },
            tokens(&judge.usage),
        )
        .unwrap_or_default();
        for line in text::clean(judge.reasoning.trim()).lines() {
            writeln!(out, "  {line}").unwrap_or_default();
        }
    }
    out
}

fn value(value: &Value) -> String {
    cell(&value.to_string())
}

fn cell(content: &str) -> String {
    text::shorten(&text::clean_line(content), LONGEST).into_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use bench_core::{Outcome, Usage};

    use super::*;

    /// A record of another trial.
    pub(crate) fn record_of(trial: &bench_core::TrialId) -> TrialRecord {
        TrialRecord {
            trial: trial.clone(),
            ..record()
        }
    }

    fn record() -> TrialRecord {
        let verdict = |name: &str, status, actual| Verdict {
            verifier: name.into(),
            verifier_type: "database_state".into(),
            gym: None,
            status,
            comparison: "equals".into(),
            expected: Value::from(1),
            actual,
            asked: "SELECT 1".into(),
            took_ms: 1,
            judge: None,
        };
        TrialRecord {
            format: 1,
            trial: "create-bug~noop~1".parse().unwrap(),
            scenario_id: "create-bug".into(),
            model: "noop".into(),
            repetition: 1,
            attempt: 2,
            outcome: Outcome::Failed,
            cause: Some("first line\nsecond".into()),
            verdicts: vec![
                verdict("exists", VerdictStatus::True, Value::from(1)),
                verdict(
                    "assigned to Sarah",
                    VerdictStatus::False,
                    Value::from("\u{1b}[2Jnobody"),
                ),
                verdict(
                    "labelled",
                    VerdictStatus::Errored {
                        error: "no such table: labl".into(),
                        permanent: false,
                    },
                    Value::Null,
                ),
            ],
            answer: Some("done".into()),
            turns: 1,
            tool_calls: 3,
            tool_errors: 1,
            expected_tools_missed: vec!["create_issue".into()],
            drift: Vec::new(),
            timeline: None,
            usage: Usage::default(),
            retried_usage: Usage::default(),
            tried_again: bench_core::record::TriedAgain::default(),
            judge_usage: Usage::default(),
            cost: None,
            gyms: vec![GymUse {
                gym: "tracker".into(),
                protocol: "2026-07-28".into(),
                database_id: Some("4be1".into()),
            }],
            started_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            completed_at: "2026-01-02T03:04:07Z".parse().unwrap(),
            took_ms: 2_000,
        }
    }

    #[test]
    fn facts_of_a_trial() {
        insta::assert_snapshot!(facts(&record()), @r"
        trial       create-bug~noop~1
        scenario    create-bug
        model       noop
        outcome     failed
        cause       first line⏎second
        attempt     2
        time        2.00s from 2026-01-02 03:04:05 UTC
        talk        1 turn, 3 tool calls (1 failed)
        tokens      —
        gym         tracker (MCP 2026-07-28, database 4be1)
        not called  create_issue (expected, not scored)
        ");
    }

    #[test]
    fn verdicts_say_what_was_expected_and_found() {
        insta::assert_snapshot!(verdicts(&record()).render(100), @r#"
        verifier           verdict    type            comparison  expected  actual
        ───────────────────────────────────────────────────────────────────────────────────────
        exists             ✓ true     database_state  equals      1         1
        assigned to Sarah  ✗ false    database_state  equals      1         "\u001b[2Jnobody"
        labelled           ! errored  database_state  equals      1         no such table: labl
        "#);
    }

    #[test]
    fn verdicts_say_from_which_step_they_held_where_somebody_looked() {
        let mut record = record();
        record.timeline = Some(steps::tests::timeline());
        insta::assert_snapshot!(verdicts(&record).render(100), @r#"
        verifier           verdict    held from       comparison  expected  actual
        ───────────────────────────────────────────────────────────────────────────────────────
        exists             ✓ true     step 2          equals      1         1
        assigned to Sarah  ✗ false    lost (first 1)  equals      1         "\u001b[2Jnobody"
        labelled           ! errored  —               equals      1         no such table: labl
        "#);
    }
}
