//! Two models, or two runs of one, side by side: by how much they differ, whether that can be told, and where.
//!
//! A [`Side`] is one model of one run. [`compare`] pairs sides scenario by scenario: only those that both tried, in the
//! same words and judged by the same checks, and that both have a verdict in. What it says in text is in [`tables`]
//! and [`words`]; the sums are in [`bench_core::statistics::paired`].

use std::collections::{BTreeMap, BTreeSet};

use bench_core::plan::{Change, Difference};
use bench_core::session::{OutcomeCounts, Session};
use bench_core::statistics::paired::{self, Pair};
use bench_core::statistics::{self, Comparison, Interval, Mean, Repetitions, Tally};
use serde::Serialize;

pub mod tables;
#[cfg(test)]
mod tests;
pub mod words;

/// One model of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Id of the run.
    pub run: String,
    /// The model in it, as `provider:name`.
    pub model: String,
    /// Where the run stands, in the word of lists.
    pub status: String,
    /// The run has not come to its end by itself: it is under way, or was cut short.
    pub partial: bool,
    /// It is a result of the older tool.
    pub older_tool: bool,
    /// Nobody knows what was asked and how it was judged: the older tool did not say, or the plan cannot be read.
    pub plan_unknown: bool,
    /// Trials of the model in the plan.
    pub trials_total: u32,
    /// How those ended that are over.
    #[serde(flatten)]
    pub outcomes: OutcomeCounts,
    /// Its trials ran with different limits, because a resume said them anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixed: Option<Mixed>,
    /// How often it passes over all its scenarios; none without a verdict.
    pub pass_rate: Option<Mean>,
    /// Passed of those with a verdict, of each scenario of the plan.
    #[serde(skip)]
    scenarios: BTreeMap<String, Tally>,
}

/// That some trials of a side ran with other limits than the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mixed {
    /// Trials with a verdict that ended before all of the changes.
    pub before: u32,
    /// Trials with a verdict.
    pub trials: u32,
    /// What was changed, in the order in which it was.
    pub changes: Vec<Change>,
}

/// Where a side comes from.
#[derive(Debug, Clone)]
pub struct Origin<'a> {
    /// Id of the run.
    pub run: &'a str,
    /// Where it stands.
    pub status: &'a str,
    /// See [`Side::partial`].
    pub partial: bool,
    /// See [`Side::older_tool`].
    pub older_tool: bool,
    /// See [`Side::plan_unknown`].
    pub plan_unknown: bool,
    /// See [`Side::mixed`].
    pub mixed: Option<Mixed>,
}

impl Side {
    /// What the totals of a run say of one of its models; none if it is not in them.
    pub fn of(origin: &Origin<'_>, session: &Session, model: &str) -> Option<Self> {
        let totals = session.models.iter().find(|totals| totals.model == model)?;
        let cells = session.cells.iter().filter(|cell| cell.totals.model == model);
        let tally = |counts: &OutcomeCounts| Tally::new(counts.passed, counts.scored());
        let scenarios = cells.map(|cell| (cell.scenario_id.clone(), tally(&cell.totals.outcomes)));
        Some(Self {
            run: origin.run.to_owned(),
            model: model.to_owned(),
            status: origin.status.to_owned(),
            partial: origin.partial,
            older_tool: origin.older_tool,
            plan_unknown: origin.plan_unknown,
            mixed: origin.mixed.clone(),
            trials_total: totals.trials_total,
            outcomes: totals.outcomes,
            pass_rate: statistics::mean(&statistics::model::tallies(session, model)),
            scenarios: scenarios.collect(),
        })
    }
}

/// Two sides to compare, by their places in a list.
#[derive(Debug, Clone, Default)]
pub struct Couple {
    /// What the other is compared with.
    pub baseline: usize,
    /// The other.
    pub candidate: usize,
    /// Scenarios that the two were asked or judged otherwise in: left out.
    pub not_comparable: BTreeSet<String>,
    /// What else is not the same.
    pub differences: Vec<Difference>,
}

/// What came of comparing two sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Place of the one that the other is compared with, in the list of sides.
    pub baseline: usize,
    /// Place of the other: everything is said of it.
    pub candidate: usize,
    /// Rates (`before` of the baseline, `after` of the candidate), difference, test, verdict, what is needed.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// The interval of the difference by the paired cluster bootstrap; it decides nothing.
    pub bootstrap: Option<Interval>,
    /// So many more trials of each side would tell, the cheaper way; only if the verdict is inconclusive.
    pub more_trials: Option<u64>,
    /// Trials with a verdict in the scenarios that are compared, of the side that has fewer.
    pub trials: u32,
    /// Repetitions with a verdict of each of them: least and most, of both sides.
    pub repetitions: (u32, u32),
    /// Scenarios in which the two differ: first those in which the candidate lost, then those in which it gained, the
    /// largest difference first.
    pub changed: Vec<Changed>,
    /// Scenarios that only the baseline has.
    pub only_baseline: Vec<String>,
    /// Scenarios that only the candidate has.
    pub only_candidate: Vec<String>,
    /// Scenarios that both have, but not both with a verdict.
    pub no_verdict: Vec<String>,
    /// Scenarios that were asked or judged otherwise.
    pub not_comparable: Vec<String>,
    /// What else is not the same.
    pub differences: Vec<Difference>,
}

/// A scenario in which two sides differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// The scenario.
    pub scenario_id: String,
    /// Passed of trials with a verdict, of the baseline.
    pub before: Tally,
    /// The same of the candidate.
    pub after: Tally,
    /// Rate after − rate before.
    pub difference: f64,
}

/// Two sides that cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Place in the list of sides.
    pub baseline: usize,
    /// Place in the list of sides.
    pub candidate: usize,
    /// Why.
    pub why: Refusal,
}

/// Why two sides cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// They have no scenario of the same name.
    NoCommonScenario,
    /// All scenarios of the same name were asked or judged otherwise.
    AllChanged,
    /// No scenario that is left has a verdict on both sides.
    NoVerdict,
}

/// What came of all couples.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Outcome {
    /// Those that could be compared, in the order given.
    pub comparisons: Vec<Compared>,
    /// Those that could not.
    pub refused: Vec<Refused>,
}

/// Compares; verdicts hold for all of them together. A couple whose places are not in the list is passed over.
pub fn compare(sides: &[Side], couples: Vec<Couple>) -> Outcome {
    let known = |couple: &Couple| couple.baseline.max(couple.candidate) < sides.len();
    let couples: Vec<Couple> = couples.into_iter().filter(known).collect();
    let matched = couples.iter().map(|couple| Matched::of(sides, couple));
    let matched: Vec<Matched> = matched.collect();
    let slices: Vec<&[Pair]> = matched.iter().map(|one| one.pairs.as_slice()).collect();
    let mut outcome = Outcome::default();
    let found = paired::together(&slices);
    for ((couple, found), matched) in couples.into_iter().zip(found).zip(&matched) {
        match found {
            Some(comparison) => outcome.comparisons.push(matched.compared(couple, comparison)),
            None => outcome.refused.push(Refused {
                baseline: couple.baseline,
                candidate: couple.candidate,
                why: matched.refusal(),
            }),
        }
    }
    outcome
}

/// The scenarios of two sides, told apart by whether they can be compared.
#[derive(Debug, Default)]
struct Matched {
    pairs: Vec<Pair>,
    /// Of the pairs, in their order.
    rows: Vec<(String, Tally, Tally)>,
    only_baseline: Vec<String>,
    only_candidate: Vec<String>,
    no_verdict: Vec<String>,
    not_comparable: Vec<String>,
}

impl Matched {
    fn of(sides: &[Side], couple: &Couple) -> Self {
        let (ours, theirs) = (
            &sides[couple.baseline].scenarios,
            &sides[couple.candidate].scenarios,
        );
        let mut matched = Self {
            only_candidate: theirs
                .keys()
                .filter(|id| !ours.contains_key(*id))
                .cloned()
                .collect(),
            ..Self::default()
        };
        for (id, before) in ours {
            let place = match theirs.get(id) {
                None => &mut matched.only_baseline,
                Some(_) if couple.not_comparable.contains(id) => &mut matched.not_comparable,
                Some(after) => match Pair::new(*before, *after) {
                    Some(pair) => {
                        matched.pairs.push(pair);
                        matched.rows.push((id.clone(), *before, *after));
                        continue;
                    }
                    None => &mut matched.no_verdict,
                },
            };
            place.push(id.clone());
        }
        matched
    }

    fn refusal(&self) -> Refusal {
        match (self.no_verdict.is_empty(), self.not_comparable.is_empty()) {
            (false, _) => Refusal::NoVerdict,
            (true, false) => Refusal::AllChanged,
            (true, true) => Refusal::NoCommonScenario,
        }
    }

    fn compared(&self, couple: Couple, comparison: Comparison) -> Compared {
        let sum =
            |of: fn(&(String, Tally, Tally)) -> u32| self.rows.iter().map(of).fold(0, u32::saturating_add);
        let trials = || {
            self.rows
                .iter()
                .flat_map(|(_, before, after)| [before.trials, after.trials])
        };
        Compared {
            baseline: couple.baseline,
            candidate: couple.candidate,
            bootstrap: paired::bootstrap(&self.pairs),
            more_trials: self.more_trials(&comparison),
            comparison,
            trials: sum(|(_, before, _)| before.trials).min(sum(|(_, _, after)| after.trials)),
            repetitions: (trials().min().unwrap_or(0), trials().max().unwrap_or(0)),
            changed: self.changed(),
            only_baseline: self.only_baseline.clone(),
            only_candidate: self.only_candidate.clone(),
            no_verdict: self.no_verdict.clone(),
            not_comparable: self.not_comparable.clone(),
            differences: couple.differences,
        }
    }

    /// By more scenarios with as many repetitions as now, or by more repetitions: whichever takes fewer trials.
    fn more_trials(&self, comparison: &Comparison) -> Option<u64> {
        let needed = comparison.needed?;
        let now = self.pairs.len() as u64;
        let each = |of: fn(&(String, Tally, Tally)) -> u32| self.rows.iter().map(of).map(u64::from);
        let fewer = each(|row| row.1.trials)
            .sum::<u64>()
            .min(each(|row| row.2.trials).sum());
        let by_scenarios = needed
            .scenarios
            .saturating_sub(now)
            .saturating_mul(fewer.div_ceil(now.max(1)));
        let Repetitions::Suffice(n) = needed.repetitions else {
            return Some(by_scenarios);
        };
        let missing = each(|row| row.1.trials.min(row.2.trials)).map(|trials| n.saturating_sub(trials));
        Some(by_scenarios.min(missing.fold(0, u64::saturating_add)))
    }

    fn changed(&self) -> Vec<Changed> {
        /// A smaller difference than this is rounding.
        const NOTHING: f64 = 1e-9;
        let rate = |tally: Tally| tally.rate().unwrap_or(0.0);
        let rows = self.rows.iter().map(|(id, before, after)| Changed {
            scenario_id: id.clone(),
            before: *before,
            after: *after,
            difference: rate(*after) - rate(*before),
        });
        let mut changed: Vec<Changed> = rows.filter(|row| row.difference.abs() > NOTHING).collect();
        changed.sort_by(|a, b| {
            // What differs by no more than rounding stays in the order of names.
            let size = |row: &Changed| (row.difference.abs() / NOTHING).round();
            let largest_first = size(b).total_cmp(&size(a));
            (a.difference > 0.0)
                .cmp(&(b.difference > 0.0))
                .then(largest_first)
        });
        changed
    }
}
