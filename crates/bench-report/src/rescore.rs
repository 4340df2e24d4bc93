//! What judging a run again has changed: verdict by verdict, and the pass rates before and after.

use std::collections::BTreeMap;

use bench_core::session::OutcomeCounts;
use bench_core::statistics::{Interval, Tally, mean};
use bench_core::{Outcome, TrialRecord, Verdict, VerdictStatus};
use serde::Serialize;

use crate::table::{Column, Table};
use crate::text;

/// A trial as it was recorded, and as it was judged again.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The model that was recorded, as `provider:name`.
    pub model: String,
    /// As it was recorded.
    pub before: TrialRecord,
    /// As it is now.
    pub after: TrialRecord,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Changes {
    /// Trials that were compared.
    pub trials: usize,
    /// Verdicts that were compared, of either side.
    pub verdicts: usize,
    /// Those that are not what they were, in the order of the trials.
    pub changed: Vec<Changed>,
    /// Pass rates, in the order in which the models come first.
    pub models: Vec<Rates>,
}

/// A verdict that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The new trial.
    pub trial: String,
    /// Its scenario.
    pub scenario_id: String,
    /// The model that was recorded.
    pub model: String,
    /// From 1.
    pub repetition: u32,
    /// Name of the verifier.
    pub verifier: String,
    /// `true`, `false` or `errored`; nothing if it was not asked.
    pub before: Option<&'static str>,
    /// The same now.
    pub after: Option<&'static str>,
    /// The world was not as recorded in this trial, so the verifier may not be what changed.
    pub drifted: bool,
}

/// The pass rate of a model, over the trials that were compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Rates {
    /// The model that was recorded.
    pub model: String,
    /// As it was recorded.
    pub before: Rate,
    /// As it is now.
    pub after: Rate,
}

/// Passed of passed, failed and limit.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Rate {
    /// Trials that passed.
    pub passed: u32,
    /// Trials that count.
    pub scored: u32,
    /// Nothing without a trial that counts.
    pub pass_rate: Option<f64>,
    /// Covers the rate over scenarios like these (95 %), as everywhere: the mean of the scenarios' rates.
    pub interval: Option<Interval>,
}

/// Outcomes before and after, of each scenario.
type ByScenario<'a> = BTreeMap<&'a str, (OutcomeCounts, OutcomeCounts)>;

/// Compares.
pub fn changes(pairs: &[Pair]) -> Changes {
    let mut changes = Changes {
        trials: pairs.len(),
        ..Changes::default()
    };
    let mut counts: Vec<(&str, ByScenario<'_>)> = Vec::new();
    for pair in pairs {
        compare(pair, &mut changes);
        let known = counts.iter().position(|(model, _)| *model == pair.model);
        let index = known.unwrap_or_else(|| {
            counts.push((&pair.model, ByScenario::new()));
            counts.len() - 1
        });
        if let Some((_, scenarios)) = counts.get_mut(index) {
            let (before, after) = scenarios.entry(&pair.before.scenario_id).or_default();
            count(before, pair.before.outcome);
            count(after, pair.after.outcome);
        }
    }
    let rates = counts.into_iter().map(|(model, scenarios)| Rates {
        model: model.to_owned(),
        before: rate(scenarios.values().map(|(before, _)| before)),
        after: rate(scenarios.values().map(|(_, after)| after)),
    });
    changes.models = rates.collect();
    changes
}

/// Verifiers are told apart by their names, and those of one name by their order.
fn compare(pair: &Pair, changes: &mut Changes) {
    let (before, after) = (by_name(&pair.before.verdicts), by_name(&pair.after.verdicts));
    let gone = by_place(&pair.before.verdicts).filter(|key| !after.contains_key(key));
    for key in by_place(&pair.after.verdicts).chain(gone) {
        changes.verdicts += 1;
        let (then, now) = (before.get(&key).copied(), after.get(&key).copied());
        if then != now {
            changes.changed.push(Changed {
                trial: pair.after.trial.to_string(),
                scenario_id: pair.after.scenario_id.clone(),
                model: pair.model.clone(),
                repetition: pair.after.repetition,
                verifier: key.0.to_owned(),
                before: then,
                after: now,
                drifted: !pair.after.drift.is_empty(),
            });
        }
    }
}

/// A verifier of a trial: its name, and the how manieth of that name it is.
type Key<'a> = (&'a str, usize);

fn by_place(verdicts: &[Verdict]) -> impl Iterator<Item = Key<'_>> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    verdicts.iter().map(move |verdict| {
        let nth = seen.entry(&verdict.verifier).or_default();
        *nth += 1;
        (verdict.verifier.as_str(), *nth)
    })
}

fn by_name(verdicts: &[Verdict]) -> BTreeMap<Key<'_>, &'static str> {
    by_place(verdicts)
        .zip(verdicts.iter().map(|verdict| word(&verdict.status)))
        .collect()
}

fn word(status: &VerdictStatus) -> &'static str {
    match status {
        VerdictStatus::True => "true",
        VerdictStatus::False => "false",
        _ => "errored",
    }
}

fn count(counts: &mut OutcomeCounts, outcome: Outcome) {
    match outcome {
        Outcome::Passed => counts.passed += 1,
        Outcome::Failed => counts.failed += 1,
        Outcome::Limit => counts.limit += 1,
        Outcome::Errored => counts.errored += 1,
        Outcome::Unscored => counts.unscored += 1,
        _ => counts.cancelled += 1,
    }
}

fn rate<'a>(scenarios: impl Iterator<Item = &'a OutcomeCounts>) -> Rate {
    let tallies = scenarios.map(|counts| Tally::new(counts.passed, counts.scored()));
    let tallies: Vec<Tally> = tallies.collect();
    let all = Tally::new(
        tallies.iter().map(|tally| tally.passed).sum(),
        tallies.iter().map(|tally| tally.trials).sum(),
    );
    Rate {
        passed: all.passed,
        scored: all.trials,
        pass_rate: all.rate(),
        interval: mean(&tallies).map(|mean| mean.interval),
    }
}

/// How much has changed, in a line.
pub fn summary(changes: &Changes) -> String {
    let verdicts = text::count(changes.verdicts, "verdict");
    let trials = text::count(changes.trials, "trial");
    match changes.changed.len() {
        0 => format!("no verdict has changed ({verdicts} of {trials})"),
        n => format!("{n} of {verdicts} changed ({trials})"),
    }
}

/// One row for each verdict that has changed, at most `most`.
pub fn verdicts(changes: &Changes, most: usize) -> Table {
    let mut table = Table::new([
        Column::text("scenario"),
        Column::text("model").dispensable(1),
        Column::figure("run").dispensable(2),
        Column::text("verifier"),
        Column::word("before"),
        Column::word("now"),
    ]);
    for changed in changes.changed.iter().take(most) {
        let drifted = if changed.drifted { " (not as recorded)" } else { "" };
        table.row([
            text::clean_line(&changed.scenario_id),
            text::clean_line(&changed.model),
            changed.repetition.to_string(),
            text::clean_line(&changed.verifier),
            sign(changed.before).to_owned(),
            format!("{}{drifted}", sign(changed.after)),
        ]);
    }
    table
}

/// One row per model.
pub fn rates(changes: &Changes) -> Table {
    let mut table = Table::new([
        Column::text("model"),
        Column::figure("passed before"),
        Column::figure("pass rate (95%)"),
        Column::figure("passed now"),
        Column::figure("pass rate (95%)"),
    ]);
    for rates in &changes.models {
        let cells = [&rates.before, &rates.after].into_iter().flat_map(|rate| {
            let count = format!("{}/{}", rate.passed, rate.scored);
            let range = rate
                .interval
                .map(|of| " ".to_owned() + &text::range(of.low, of.high));
            [count, text::percent(rate.pass_rate) + &range.unwrap_or_default()]
        });
        table.row(std::iter::once(text::clean_line(&rates.model)).chain(cells));
    }
    table
}

fn sign(verdict: Option<&str>) -> &'static str {
    match verdict {
        Some("true") => "✓ true",
        Some("false") => "✗ false",
        Some(_) => "! errored",
        None => "—",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(outcome: &str, verdicts: &[(&str, &str)]) -> TrialRecord {
        let verdict = |(name, word): &(&str, &str)| json!({"verifier": name, "verifier_type": "t", "verdict": word, "error": "e"});
        let verdicts: Vec<Value> = verdicts.iter().map(verdict).collect();
        serde_json::from_value(json!({
            "format": 1, "trial": "s~m~1", "scenario_id": "s", "model": "m", "repetition": 1, "attempt": 1,
            "outcome": outcome, "verdicts": verdicts, "turns": 1, "tool_calls": 0, "tool_errors": 0,
            "started_at": "2026-01-02T03:04:05Z", "completed_at": "2026-01-02T03:04:05Z", "took_ms": 1,
        }))
        .unwrap()
    }

    #[test]
    fn verifiers_of_one_name_are_told_apart_by_their_order() {
        let pair = Pair {
            model: "openai:gpt-5".into(),
            before: record("passed", &[("same", "true"), ("same", "true"), ("gone", "false")]),
            after: record(
                "failed",
                &[("same", "true"), ("same", "false"), ("new", "errored")],
            ),
        };
        let changes = changes(&[pair]);
        assert_eq!((changes.trials, changes.verdicts), (1, 4));
        insta::assert_snapshot!(summary(&changes), @"3 of 4 verdicts changed (1 trial)");
        insta::assert_snapshot!(verdicts(&changes, 9).render(100), @r"
        scenario  model         run  verifier  before   now
        ─────────────────────────────────────────────────────────
        s         openai:gpt-5    1  same      ✓ true   ✗ false
        s         openai:gpt-5    1  new       —        ! errored
        s         openai:gpt-5    1  gone      ✗ false  —
        ");
        insta::assert_snapshot!(rates(&changes).render(100), @r"
        model         passed before  pass rate (95%)  passed now  pass rate (95%)
        ─────────────────────────────────────────────────────────────────────────
        openai:gpt-5            1/1    100% (21–100)         0/1      0.0% (0–79)
        ");
    }

    #[test]
    fn a_changed_world_is_told_beside_the_verdict() {
        let mut after = record("failed", &[("v", "false")]);
        after.drift = serde_json::from_value(json!([{"turn": 1, "what": "w"}])).unwrap();
        let pair = Pair {
            model: "m".into(),
            before: record("passed", &[("v", "true")]),
            after,
        };
        let changes = changes(&[pair]);
        assert!(changes.changed[0].drifted);
        assert!(
            verdicts(&changes, 9)
                .render(100)
                .contains("✗ false (not as recorded)")
        );
    }
}
