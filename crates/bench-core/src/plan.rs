//! The plan: everything a worker needs to know, fixed before the first trial. `plan.json` on disk.
//!
//! A plan is made by a [`PlanBuilder`], which rejects what cannot run before anything does.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::evidence::Keep;
use crate::gym::GymSpec;
use crate::harness::{Scenario, SourceRef};
use crate::id::{SlugBook, TrialId, trial_id};
use crate::limits::Limits;
use crate::model::ModelSpec;

mod budget;
mod builder;
mod changes;
mod difference;
mod gyms;
mod judge;
mod rescore;
mod selection;

pub use budget::Budget;
pub use builder::PlanBuilder;
pub use changes::{Change, Gate, PlanChanges};
pub use difference::Difference;
pub use gyms::{GymChoice, GymOverride};
pub use judge::Paid;
pub use selection::{Chosen, Selection};

/// Version of `plan.json`.
pub const FORMAT: u32 = 1;

/// The immutable input of a run. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this form, now 1.
    pub format: u32,
    /// What lists and tables call the harness.
    pub harness_name: String,
    /// What the user called the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The files it came from, absolute, with their hashes.
    pub sources: Vec<SourceRef>,
    /// In the harness's order, filters applied. Each names its gyms by key in `gyms_of`.
    pub scenarios: Vec<PlannedScenario>,
    /// In the command line's order.
    pub models: Vec<ModelSpec>,
    /// Who judges answers; only where a scenario has a check that asks a judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<ModelSpec>,
    /// Repetitions of each scenario with each model.
    pub runs: u32,
    /// All gyms that any scenario acts on.
    pub gyms: Vec<GymSpec>,
    /// How each gym was chosen, by its key, for people.
    #[serde(default)]
    pub gyms_chosen: BTreeMap<String, String>,
    /// Limits of each trial, before a scenario's own.
    pub limits: Limits,
    /// Trials at once.
    pub max_concurrency: u32,
    /// Trials with child processes (servers over stdio) at once; without it, two per processor of the machine that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_processes: Option<u32>,
    /// Further attempts of an errored trial.
    pub retries: u32,
    /// Of which requests to models evidence is kept.
    #[serde(default, skip_serializing_if = "Keep::is_default")]
    pub evidence: Keep,
    /// Whether the verifiers are looked at after each tool call, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verify_each_step: bool,
    /// What the whole run may use up.
    #[serde(default, skip_serializing_if = "Budget::is_unbounded")]
    pub budget: Budget,
    /// What the results have to be.
    #[serde(default, skip_serializing_if = "Gate::asks_nothing")]
    pub gate: Gate,
    /// Absolute path of the folder the run was launched from; also the worker's.
    pub launch_dir: String,
    /// Absolute path of the file of variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_file: Option<String>,
    /// That file was not named with `--env-file`, but found: a run goes on without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub env_file_found: bool,
    /// Variables whose values are secret whatever their names (`--secret`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_names: Vec<String>,
    /// The run whose trials are tried again here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries_of: Option<String>,
    /// How those trials had ended; absent in plans of before it was written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Chosen>,
    /// The run whose recording is played and judged again here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescores: Option<String>,
    /// Only these trials; all of the matrix if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_trials: Vec<TrialId>,
}

/// A scenario with the gyms it acts on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedScenario {
    /// Slug of the scenario in trial ids; differs from every other scenario's of the plan.
    pub slug: String,
    /// Keys of its gyms.
    pub gym_keys: Vec<String>,
    /// The scenario as written.
    #[serde(flatten)]
    pub scenario: Scenario,
}

impl std::ops::Deref for PlannedScenario {
    type Target = Scenario;

    fn deref(&self) -> &Scenario {
        &self.scenario
    }
}

/// One cell of the matrix: a scenario, a model, a repetition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Stable across resume.
    pub id: TrialId,
    /// Index into [`Plan::scenarios`].
    pub scenario: usize,
    /// Index into [`Plan::models`].
    pub model: usize,
    /// From 1.
    pub repetition: u32,
}

impl Plan {
    /// All trials in the order in which they start: one full repetition before the next, and within it
    /// scenario by scenario, so that a run cut short still compares models.
    pub fn trials(&self) -> Vec<Trial> {
        let mut trials = self.matrix();
        if !self.only_trials.is_empty() {
            let only: BTreeSet<&TrialId> = self.only_trials.iter().collect();
            trials.retain(|trial| only.contains(&trial.id));
        }
        trials
    }

    fn matrix(&self) -> Vec<Trial> {
        let cells = self.scenarios.len() * self.models.len();
        let mut trials = Vec::with_capacity(cells * self.runs as usize);
        for repetition in 1..=self.runs {
            for (scenario, s) in self.scenarios.iter().enumerate() {
                for (model, m) in self.models.iter().enumerate() {
                    let id = trial_id(&s.slug, &m.slug, repetition);
                    trials.push(Trial {
                        id,
                        scenario,
                        model,
                        repetition,
                    });
                }
            }
        }
        trials
    }

    /// Scenarios × models × runs, or the number of trials that were chosen.
    pub fn trial_count(&self) -> u32 {
        if !self.only_trials.is_empty() {
            return count(self.trials().len());
        }
        count(self.scenarios.len() * self.models.len()).saturating_mul(self.runs)
    }

    /// Verifiers of all trials together.
    pub fn verifiers_planned(&self) -> u32 {
        if !self.only_trials.is_empty() {
            let per_trial = |trial: &Trial| self.scenarios[trial.scenario].verifiers.len();
            return count(self.trials().iter().map(per_trial).sum());
        }
        let verifiers = self.scenarios.iter().map(|s| s.verifiers.len());
        count(verifiers.sum::<usize>() * self.models.len()).saturating_mul(self.runs)
    }

    /// The same plan for only these of its trials, as a retry of `run`, where they had ended so. Trial ids stay as they
    /// are; scenarios, models and gyms that no trial needs are left out.
    #[must_use]
    pub fn retry_of(mut self, run: impl Into<String>, chosen: Chosen, trials: Vec<TrialId>) -> Self {
        self.retries_of = Some(run.into());
        self.chosen = Some(chosen);
        self.only(trials)
    }

    /// Only these trials, and what they need.
    fn only(mut self, trials: Vec<TrialId>) -> Self {
        self.only_trials = trials;
        let kept = self.trials();
        let scenarios: BTreeSet<usize> = kept.iter().map(|trial| trial.scenario).collect();
        let models: BTreeSet<usize> = kept.iter().map(|trial| trial.model).collect();
        retain_indexed(&mut self.scenarios, &scenarios);
        retain_indexed(&mut self.models, &models);
        let used: BTreeSet<&String> = self.scenarios.iter().flat_map(|s| &s.gym_keys).collect();
        self.gyms.retain(|gym| used.contains(&gym.key));
        if !self.scenarios.iter().any(|s| s.asks_judge()) {
            self.judge = None;
        }
        self
    }

    /// The gym of a key.
    pub fn gym(&self, key: &str) -> Option<&GymSpec> {
        self.gyms.iter().find(|g| g.key == key)
    }

    /// The limits of one scenario's trials.
    pub fn limits_of(&self, scenario: &Scenario) -> Limits {
        scenario.limits.over(&self.limits)
    }

    /// The models in one line: `oracle, noop`.
    pub fn model_summary(&self) -> String {
        let names: Vec<String> = self.models.iter().map(|m| m.model.to_string()).collect();
        names.join(", ")
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn retain_indexed<T>(items: &mut Vec<T>, kept: &BTreeSet<usize>) {
    let mut index = 0..;
    items.retain(|_| index.next().is_some_and(|i| kept.contains(&i)));
}

/// Slugs for the scenarios of a plan (at most 60 bytes each).
pub(crate) fn scenario_slugs() -> SlugBook {
    SlugBook::new(60)
}

/// Slugs for the models of a plan (at most 45 bytes each).
pub(crate) fn model_slugs() -> SlugBook {
    SlugBook::new(45)
}
