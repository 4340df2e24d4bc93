//! What judging a run again has changed: verdict by verdict, and the pass rates before and after.

use std::collections::BTreeMap;

use bench_core::event::TrialFinished;
use bench_core::session::OutcomeCounts;
use bench_core::statistics::{Interval, Tally, mean};
use bench_core::{Outcome, TrialRecord, Verdict, VerdictStatus};
use serde::Serialize;

use crate::summary::unlike_trials;
use crate::table::{Column, Table};
use crate::text;

/// A trial as it was recorded, and as it was judged again.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The model that was recorded, as `provider:name`.
    pub model: String,
    /// As it was recorded.
    pub before: Judged,
    /// As it is now.
    pub after: Judged,
}

/// How a trial ended, and what was said of it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// As the journal of its run says.
    pub outcome: Outcome,
    /// Its scenario.
    pub scenario_id: String,
    /// With its verdicts; none where there is none to rely on.
    pub record: Option<TrialRecord>,
}

impl Judged {
    /// A trial that is over, and its record, if that is still what its run wrote.
    pub fn new(end: &TrialFinished, record: Option<TrialRecord>) -> Self {
        Self {
            outcome: end.outcome,
            scenario_id: end.scenario_id.clone(),
            record,
        }
    }
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Changes {
    /// Trials whose verdicts were compared.
    pub trials: usize,
    /// Trials whose verdicts cannot be, for want of a record to rely on. Pass rates are of them, too.
    pub without_record: usize,
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

/// Passed of passed, failed and limit, as counts of trials and as a rate of scenarios.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Rate {
    /// Trials that passed.
    pub passed: u32,
    /// Trials that count.
    pub scored: u32,
    /// The mean of the scenarios' rates, as everywhere; nothing without a trial that counts.
    pub pass_rate: Option<f64>,
    /// Covers it over scenarios like these (95 %).
    pub interval: Option<Interval>,
}

/// Outcomes before and after, of each scenario.
type ByScenario<'a> = BTreeMap<&'a str, (OutcomeCounts, OutcomeCounts)>;

/// Compares.
pub fn changes(pairs: &[Pair]) -> Changes {
    let mut changes = Changes::default();
    let mut counts: Vec<(&str, ByScenario<'_>)> = Vec::new();
    for pair in pairs {
        match (&pair.before.record, &pair.after.record) {
            (Some(before), Some(after)) => compare(&pair.model, before, after, &mut changes),
            _ => changes.without_record += 1,
        }
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
fn compare(model: &str, recorded: &TrialRecord, judged: &TrialRecord, changes: &mut Changes) {
    changes.trials += 1;
    let (before, after) = (by_name(&recorded.verdicts), by_name(&judged.verdicts));
    let gone = by_place(&recorded.verdicts).filter(|key| !after.contains_key(key));
    for key in by_place(&judged.verdicts).chain(gone) {
        changes.verdicts += 1;
        let (then, now) = (before.get(&key).copied(), after.get(&key).copied());
        if then != now {
            changes.changed.push(Changed {
                trial: judged.trial.to_string(),
                scenario_id: judged.scenario_id.clone(),
                model: model.to_owned(),
                repetition: judged.repetition,
                verifier: key.0.to_owned(),
                before: then,
                after: now,
                drifted: !judged.drift.is_empty(),
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
    let mean = mean(&tallies);
    Rate {
        passed: all.passed,
        scored: all.trials,
        pass_rate: mean.map(|mean| mean.rate),
        interval: mean.map(|mean| mean.interval),
    }
}

/// How much has changed, in a line.
pub fn summary(changes: &Changes) -> String {
    let verdicts = text::count(changes.verdicts, "verdict");
    let trials = text::count(changes.trials, "trial");
    let without = match changes.without_record {
        0 => String::new(),
        n => format!(
            "; the record of {} is missing or was changed",
            text::count(n, "further trial")
        ),
    };
    match changes.changed.len() {
        0 => format!("no verdict has changed ({verdicts} of {trials}{without})"),
        n => format!("{n} of {verdicts} changed ({trials}{without})"),
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

/// What to know about the numbers of [`rates`], a line per model whose rates are not what passed of its trials.
pub fn notes(changes: &Changes) -> Vec<String> {
    let unlike = |rate: &Rate| {
        let trials = Tally::new(rate.passed, rate.scored);
        rate.pass_rate
            .is_some_and(|mean| unlike_trials(mean, trials).is_some())
    };
    let noted = changes.models.iter();
    let noted = noted.filter(|rates| unlike(&rates.before) || unlike(&rates.after));
    noted
        .map(|rates| {
            format!(
                "{}: the rates are the means of its scenarios",
                text::clean_line(&rates.model)
            )
        })
        .collect()
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

    fn judged(outcome: &str, verdicts: &[(&str, &str)]) -> Judged {
        let record = record(outcome, verdicts);
        Judged {
            outcome: record.outcome,
            scenario_id: record.scenario_id.clone(),
            record: Some(record),
        }
    }

    /// What the journal says counts; nothing is said of verdicts that nobody knows.
    #[test]
    fn a_record_that_is_gone_hides_verdicts_but_no_outcome() {
        let both = Pair {
            model: "m".into(),
            before: judged("passed", &[("v", "true")]),
            after: judged("passed", &[("v", "true")]),
        };
        let mut half = both.clone();
        half.before.record = None;
        let changes = changes(&[both, half]);
        assert_eq!(
            (changes.trials, changes.without_record, changes.verdicts),
            (1, 1, 1)
        );
        assert_eq!(
            (changes.models[0].before.passed, changes.models[0].after.passed),
            (2, 2)
        );
        insta::assert_snapshot!(summary(&changes), @"no verdict has changed (1 verdict of 1 trial; the record of 1 further trial is missing or was changed)");
    }

    /// As in every other table: each scenario counts the same, however many of its trials have a verdict.
    #[test]
    fn rates_are_the_means_of_the_scenarios() {
        let pair = |scenario: &str, after: &str| {
            let mut pair = Pair {
                model: "m".into(),
                before: judged("passed", &[]),
                after: judged(after, &[]),
            };
            pair.before.scenario_id = scenario.into();
            pair
        };
        let mut pairs = vec![pair("a", "passed"); 3];
        pairs.push(pair("b", "failed"));
        let changes = changes(&pairs);
        insta::assert_snapshot!(rates(&changes).render(100), @r"
        model  passed before  pass rate (95%)  passed now  pass rate (95%)
        ──────────────────────────────────────────────────────────────────
        m                4/4     100% (1–100)         3/4    50.0% (0–100)
        ");
        assert_eq!(notes(&changes), ["m: the rates are the means of its scenarios"]);
        assert_eq!(notes(&super::changes(&pairs[2..])), [""; 0]);
    }

    #[test]
    fn verifiers_of_one_name_are_told_apart_by_their_order() {
        let pair = Pair {
            model: "openai:gpt-5".into(),
            before: judged("passed", &[("same", "true"), ("same", "true"), ("gone", "false")]),
            after: judged(
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
        let mut after = judged("failed", &[("v", "false")]);
        after.record.as_mut().unwrap().drift =
            serde_json::from_value(json!([{"turn": 1, "what": "w"}])).unwrap();
        let pair = Pair {
            model: "m".into(),
            before: judged("passed", &[("v", "true")]),
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
