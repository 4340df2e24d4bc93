//! What judging will need, by past trials that the same judge judged.

use super::alike::{MOST_ALIKE, spread};
use super::{Basis, JudgingEstimate, Needs, PastJudging, PastTrial, Spread};
use crate::model::ModelSpec;
use crate::plan::{Plan, PlannedScenario};
use crate::usage::Usage;

/// The judge of a plan, and what it judged before.
pub(super) struct Judging<'p> {
    judge: Option<&'p ModelSpec>,
    past: Vec<(&'p PastTrial, &'p PastJudging)>,
}

impl<'p> Judging<'p> {
    pub(super) fn of(plan: &'p Plan, past: &'p [PastTrial]) -> Self {
        let judge = plan.judge.as_ref();
        let name = judge.map(|judge| judge.model.to_string());
        let judged = |trial: &'p PastTrial| {
            let judged = trial.judged.as_ref()?;
            (Some(&judged.judge) == name.as_ref()).then_some((trial, judged))
        };
        Self {
            judge,
            past: past.iter().filter_map(judged).collect(),
        }
    }

    /// What a trial needs, and the past trials that say so. Those of other scenarios do not: they ask something else.
    pub(super) fn of_trials(
        &self,
        scenario: &PlannedScenario,
        model: &ModelSpec,
    ) -> (JudgingEstimate, Vec<&'p PastTrial>) {
        let name = model.model.to_string();
        let basis_of = |trial: &PastTrial| {
            let is_same = trial.sha256 == scenario.origin.sha256;
            match trial.model == name {
                _ if trial.scenario_id != scenario.scenario_id => None,
                true if is_same => Some(Basis::Same),
                true => Some(Basis::ScenarioChanged),
                false => (is_same && !trial.local).then_some(Basis::OtherModels),
            }
        };
        let bases: Vec<_> = self.past.iter().map(|(trial, _)| basis_of(trial)).collect();
        let basis = bases.iter().flatten().min().copied();
        let alike = self
            .past
            .iter()
            .zip(&bases)
            .filter(|(_, of)| basis.is_some() && **of == basis);
        let (trials, judged): (Vec<_>, Vec<_>) = alike.map(|(past, _)| *past).take(MOST_ALIKE).unzip();
        let estimate = JudgingEstimate {
            basis: basis.unwrap_or(Basis::Nothing),
            past_trials: trials.len(),
            per_trial: self.needs(&judged),
        };
        (estimate, trials)
    }

    fn needs(&self, past: &[&PastJudging]) -> Needs {
        let free = self.judge.is_some_and(|judge| judge.model.provider.is_local());
        let price = self.judge.and_then(|judge| judge.price.as_ref());
        // Who was not asked used nothing, whatever nobody counted.
        let tokens = |of: fn(&Usage) -> Option<u64>| {
            let of = |judged: &&PastJudging| match judged.calls {
                0 => Some(0),
                _ => of(&judged.usage),
            };
            let known = spread(past.iter().filter_map(of).collect());
            known.or_else(|| free.then(Spread::default))
        };
        let cost = |judged: &&PastJudging| match judged.calls {
            0 => price.map(|_| crate::price::Usd::default()),
            calls => price?.of_calls(&judged.usage, calls),
        };
        Needs {
            calls: spread(past.iter().map(|judged| u64::from(judged.calls)).collect()),
            input_tokens: tokens(|usage| usage.input_tokens),
            output_tokens: tokens(|usage| usage.output_tokens),
            cost_usd: if free {
                Some(Spread::default())
            } else {
                spread(past.iter().filter_map(cost).collect())
            },
        }
    }
}
