//! What a plan will need, by what trials of earlier runs have needed. Sums only: who reads those runs is elsewhere.
//!
//! Of each scenario and model of the plan, the past trials that are most like it count ([`Basis`]): their median and their
//! 90th percentile, times the number of trials. Where there are none, nothing is known, and nothing is guessed. Costs are
//! those of the plan's prices.

use std::collections::BTreeMap;

use serde::Serialize;

use self::alike::{Found, needs, source};
use self::judging::Judging;
use self::reach::reaches;
use crate::plan::Plan;
use crate::price::Usd;
use crate::usage::Usage;

mod alike;
mod judging;
mod reach;
mod sums;

/// A trial that was run before, to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastTrial {
    /// Id of its run.
    pub run: String,
    /// Its scenario.
    pub scenario_id: String,
    /// Hash of the scenario as it was written then.
    pub sha256: String,
    /// Its model, as `provider:name`, with the settings behind it.
    pub model: String,
    /// Its model is no service: what it needs says nothing of others.
    pub local: bool,
    /// Model replies.
    pub calls: u32,
    /// Tokens of all of them.
    pub usage: Usage,
    /// What its judge was asked, if a check of it asks one.
    pub judged: Option<PastJudging>,
}

/// What judging a past trial needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PastJudging {
    /// The judge, as `provider:name`, with the settings behind it.
    pub judge: String,
    /// Its replies; none for a trial without an answer.
    pub calls: u32,
    /// Tokens of all of them.
    pub usage: Usage,
}

/// Which past trials an estimate stands on, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Basis {
    /// The same scenario with the same model.
    Same,
    /// The same, when something else was written in the scenario.
    ScenarioChanged,
    /// The same model with other scenarios.
    OtherScenarios,
    /// The same scenario with other models. Says nothing of the cost.
    OtherModels,
    /// None: nothing is known.
    Nothing,
}

impl Basis {
    /// For people, behind "trials of".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Same => "the same scenario and model",
            Self::ScenarioChanged => "the same model and an earlier version of the scenario",
            Self::OtherScenarios => "the same model with other scenarios",
            Self::OtherModels => "the same scenario with other models",
            Self::Nothing => "no past run",
        }
    }
}

/// The middle of what was seen, and what nine of ten were not above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Spread<T> {
    /// The median.
    pub median: T,
    /// The 90th percentile.
    pub p90: T,
}

/// What one trial needs. Absent is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Needs {
    /// Model replies.
    pub calls: Option<Spread<u64>>,
    /// Input tokens.
    pub input_tokens: Option<Spread<u64>>,
    /// Output tokens.
    pub output_tokens: Option<Spread<u64>>,
    /// US dollars.
    pub cost_usd: Option<Spread<Usd>>,
}

/// The trials of one scenario with one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellEstimate {
    /// The scenario.
    pub scenario_id: String,
    /// The model.
    pub model: String,
    /// Trials in the plan.
    pub trials: u32,
    /// What it stands on.
    pub basis: Basis,
    /// So many past trials.
    pub past_trials: usize,
    /// What each trial needs, its judge aside.
    pub per_trial: Needs,
    /// What judging them needs; none if no check asks a judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judging: Option<JudgingEstimate>,
}

/// Judging the trials of one scenario with one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JudgingEstimate {
    /// What it stands on, of trials with the same judge.
    pub basis: Basis,
    /// So many past trials.
    pub past_trials: usize,
    /// What judging each trial needs.
    pub per_trial: Needs,
}

/// What several trials need together, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sum<T> {
    /// Those that are known: their medians, and their 90th percentiles.
    #[serde(flatten)]
    pub known: Spread<T>,
    /// Trials of which nothing is known.
    pub unknown_trials: u32,
}

/// What several trials need together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Sums {
    /// How many they are.
    pub trials: u32,
    /// Model replies.
    pub calls: Sum<u64>,
    /// Input tokens.
    pub input_tokens: Sum<u64>,
    /// Output tokens.
    pub output_tokens: Sum<u64>,
    /// US dollars.
    pub cost_usd: Sum<Usd>,
}

/// Past trials that an estimate stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Which.
    pub basis: Basis,
    /// Trials of the plan that are estimated by them.
    pub trials: u32,
    /// Past trials; those that stand for several scenarios are counted once.
    pub past_trials: usize,
    /// Their runs, newest first.
    pub runs: Vec<String>,
}

/// All trials of one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelEstimate {
    /// The model.
    pub model: String,
    /// What its trials need together.
    #[serde(flatten)]
    pub sums: Sums,
    /// What that stands on, best first.
    pub from: Vec<Source>,
}

/// How far a budget reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// The budget, by its name in the plan: `max_cost`.
    pub budget: &'static str,
    /// How much it is, for people.
    pub most: String,
    /// It would end the run after about so many trials, if each needs its median; not at all if absent.
    pub ends_after_at_median: Option<u32>,
    /// The same if each needs its 90th percentile.
    pub ends_after_at_p90: Option<u32>,
    /// Trials of which nothing is known; they were counted as nothing.
    pub unknown_trials: u32,
}

/// What a plan will need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Per scenario and model, in the plan's order.
    pub cells: Vec<CellEstimate>,
    /// Per model, in the plan's order, its judge aside.
    pub models: Vec<ModelEstimate>,
    /// The judge; none if no check asks one. Its name is empty if the plan has none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<ModelEstimate>,
    /// All together, the judge included.
    pub total: Sums,
    /// How far each budget of the plan reaches.
    pub budgets: Vec<Reach>,
}

/// Past trials by what they stand for: the place of the model in the plan, and how like they are.
type Sources<'p> = BTreeMap<(usize, Basis), Vec<&'p PastTrial>>;

/// Estimates what a plan will need. `past` is newest first.
pub fn estimate(plan: &Plan, past: &[PastTrial]) -> Estimate {
    let found = Found::of(past);
    let judging = Judging::of(plan, past);
    let (mut cells, mut sources, mut of_judge) = (Vec::new(), Sources::new(), Sources::new());
    for scenario in &plan.scenarios {
        for (index, model) in plan.models.iter().enumerate() {
            let (basis, alike) = found.most_like(scenario, model);
            let judging = scenario.asks_judge().then(|| {
                let (estimate, alike) = judging.of_trials(scenario, model);
                of_judge.entry((0, estimate.basis)).or_default().extend(alike);
                estimate
            });
            cells.push(CellEstimate {
                scenario_id: scenario.scenario_id.clone(),
                model: model.model.to_string(),
                trials: plan.runs,
                basis,
                past_trials: alike.len(),
                per_trial: needs(&alike, model, basis),
                judging,
            });
            sources.entry((index, basis)).or_default().extend(alike);
        }
    }
    let models = plan.models.iter().enumerate().map(|(index, model)| {
        let cells = cells.iter().skip(index).step_by(plan.models.len());
        let own = cells.map(|cell| (cell.trials, cell.basis, &cell.per_trial));
        model_estimate(model.model.to_string(), &own.collect::<Vec<_>>(), &sources, index)
    });
    let models = models.collect();
    let judged = |cell: &'_ CellEstimate| {
        let judging = cell.judging.as_ref()?;
        Some((cell.trials, judging.basis, judging.per_trial))
    };
    let judged: Vec<_> = cells.iter().filter_map(judged).collect();
    let judge = (!judged.is_empty()).then(|| {
        let name = plan.judge.as_ref().map(|judge| judge.model.to_string());
        let judged: Vec<_> = judged
            .iter()
            .map(|(trials, basis, needs)| (*trials, *basis, needs))
            .collect();
        model_estimate(name.unwrap_or_default(), &judged, &of_judge, 0)
    });
    Estimate {
        models,
        judge,
        total: Sums::of(cells.iter().map(|cell| (cell.trials, cell.needs()))),
        budgets: reaches(plan, &cells),
        cells,
    }
}

/// All trials of one model, or of the judge. `own` are these: how many, by what, and what each needs.
fn model_estimate(
    model: String,
    own: &[(u32, Basis, &Needs)],
    sources: &Sources<'_>,
    index: usize,
) -> ModelEstimate {
    ModelEstimate {
        model,
        sums: Sums::of(own.iter().map(|(trials, _, needs)| (*trials, [*needs]))),
        from: sources
            .range((index, Basis::Same)..=(index, Basis::Nothing))
            .map(|((_, basis), past)| {
                let like = own.iter().filter(|(_, of, _)| of == basis);
                source(*basis, like.map(|(trials, ..)| trials).sum(), past)
            })
            .collect(),
    }
}

impl CellEstimate {
    /// What each trial needs, and what judging it needs.
    fn needs(&self) -> impl Iterator<Item = &Needs> {
        let judging = self.judging.iter().map(|judging| &judging.per_trial);
        std::iter::once(&self.per_trial).chain(judging)
    }
}

#[cfg(test)]
mod tests;
