//! Which past trials are like one that is planned, and what they needed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Basis, Needs, PastTrial, Source, Spread};
use crate::model::ModelSpec;
use crate::plan::PlannedScenario;
use crate::usage::Usage;

/// Of past trials that are equally alike, so many count: the newest.
pub(super) const MOST_ALIKE: usize = 200;

/// Past trials by what they can stand for.
pub(super) struct Found<'p> {
    same: BTreeMap<(&'p str, &'p str, &'p str), Vec<&'p PastTrial>>,
    changed: BTreeMap<(&'p str, &'p str), Vec<&'p PastTrial>>,
    of_model: BTreeMap<&'p str, Vec<&'p PastTrial>>,
    of_scenario: BTreeMap<(&'p str, &'p str), Vec<&'p PastTrial>>,
}

impl<'p> Found<'p> {
    pub(super) fn of(past: &'p [PastTrial]) -> Self {
        let mut found = Self {
            same: BTreeMap::new(),
            changed: BTreeMap::new(),
            of_model: BTreeMap::new(),
            of_scenario: BTreeMap::new(),
        };
        for trial in past {
            let (id, sha, model) = (&*trial.scenario_id, &*trial.sha256, &*trial.model);
            found.same.entry((id, sha, model)).or_default().push(trial);
            found.changed.entry((id, model)).or_default().push(trial);
            found.of_model.entry(model).or_default().push(trial);
            if !trial.local {
                found.of_scenario.entry((id, sha)).or_default().push(trial);
            }
        }
        found
    }

    pub(super) fn most_like(
        &self,
        scenario: &PlannedScenario,
        model: &ModelSpec,
    ) -> (Basis, Vec<&'p PastTrial>) {
        let (id, sha) = (scenario.scenario_id.as_str(), scenario.origin.sha256.as_str());
        let name = model.model.to_string();
        let others = || {
            self.of_scenario
                .get(&(id, sha))
                .filter(|_| !model.model.provider.is_local())
        };
        let tries = [
            (Basis::Same, self.same.get(&(id, sha, name.as_str()))),
            (Basis::ScenarioChanged, self.changed.get(&(id, name.as_str()))),
            (Basis::OtherScenarios, self.of_model.get(name.as_str())),
            (Basis::OtherModels, others()),
        ];
        let best = tries
            .into_iter()
            .find_map(|(basis, past)| Some((basis, past?.as_slice())));
        best.map_or((Basis::Nothing, Vec::new()), |(basis, past)| {
            (basis, past.iter().take(MOST_ALIKE).copied().collect())
        })
    }
}

pub(super) fn needs(past: &[&PastTrial], model: &ModelSpec, basis: Basis) -> Needs {
    // Who plays a file needs no tokens and no money, whatever nobody counted.
    let free = model.model.provider.is_local();
    let nothing = |known: Option<_>| known.or_else(|| free.then(Spread::default));
    let tokens = |of: fn(&Usage) -> Option<u64>| {
        nothing(spread(past.iter().filter_map(|trial| of(&trial.usage)).collect()))
    };
    let cost = |trial: &&PastTrial| model.price.as_ref()?.of_calls(&trial.usage, trial.calls);
    Needs {
        calls: spread(past.iter().map(|trial| u64::from(trial.calls)).collect()),
        input_tokens: tokens(|usage| usage.input_tokens),
        output_tokens: tokens(|usage| usage.output_tokens),
        cost_usd: match basis {
            _ if free => Some(Spread::default()),
            Basis::OtherModels | Basis::Nothing => None,
            _ => spread(past.iter().filter_map(cost).collect()),
        },
    }
}

pub(super) fn spread<T: Ord + Copy>(mut seen: Vec<T>) -> Option<Spread<T>> {
    seen.sort_unstable();
    let rank = |tenths: usize| {
        seen.get((seen.len() * tenths).div_ceil(10).saturating_sub(1))
            .copied()
    };
    Some(Spread {
        median: rank(5)?,
        p90: rank(9)?,
    })
}

pub(super) fn source(basis: Basis, trials: u32, past: &[&PastTrial]) -> Source {
    let different: BTreeSet<*const PastTrial> = past.iter().map(|trial| std::ptr::from_ref(*trial)).collect();
    let runs: BTreeSet<&str> = past.iter().map(|trial| trial.run.as_str()).collect();
    Source {
        basis,
        trials,
        past_trials: different.len(),
        runs: runs.into_iter().rev().map(str::to_owned).collect(),
    }
}
