//! Progress and totals: what the events of a run add up to.

use std::collections::BTreeMap;
use std::mem;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Event, TrialFinished};
use crate::id::TrialId;
use crate::model::ModelRef;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::price::Cost;
use crate::record::TriedAgain;
use crate::usage::Usage;

mod older;
mod rows;

pub use rows::Row;

/// Version of `session.json`.
pub const FORMAT: u32 = 1;

/// The counters in `state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Trials in the plan.
    pub trials_total: u32,
    /// Trials that are over.
    pub trials_done: u32,
    /// … of those, by outcome.
    #[serde(flatten)]
    pub outcomes: OutcomeCounts,
    /// Verifiers that were true, of trials that ended passed, failed or limit.
    pub verifiers_passed: u32,
    /// Verifiers of trials that ended passed, failed or limit.
    pub verifiers_total: u32,
    /// Verifiers of all trials of the plan.
    pub verifiers_planned: u32,
}

/// Trials by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OutcomeCounts {
    /// See [`Outcome::Passed`].
    pub passed: u32,
    /// See [`Outcome::Failed`].
    pub failed: u32,
    /// See [`Outcome::Limit`].
    pub limit: u32,
    /// See [`Outcome::Errored`].
    pub errored: u32,
    /// See [`Outcome::Unscored`].
    pub unscored: u32,
    /// See [`Outcome::Cancelled`].
    pub cancelled: u32,
}

impl OutcomeCounts {
    /// Forgets ends without a verdict: those trials are tried again.
    fn begin_again(&mut self) {
        for outcome in Outcome::ALL {
            if !outcome.is_verdict() {
                *self.counter(outcome) = 0;
            }
        }
    }

    fn counter(&mut self, outcome: Outcome) -> &mut u32 {
        match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Failed => &mut self.failed,
            Outcome::Limit => &mut self.limit,
            Outcome::Errored => &mut self.errored,
            Outcome::Unscored => &mut self.unscored,
            Outcome::Cancelled => &mut self.cancelled,
        }
    }

    /// Passed, failed and limit: the denominator of the pass rate.
    pub fn scored(&self) -> u32 {
        self.passed + self.failed + self.limit
    }

    /// Trials that are over.
    pub fn done(&self) -> u32 {
        self.scored() + self.errored + self.unscored + self.cancelled
    }

    /// Whether trials are over and nothing is known of any: all of them errored or were cancelled.
    pub fn none_judged(&self) -> bool {
        self.done() > 0 && self.scored() + self.unscored == 0
    }

    /// Passed of passed, failed and limit; `None` without any of them. A share of trials: the pass rate of a model is the mean
    /// of its scenarios, see [`crate::statistics::model`].
    pub fn pass_rate(&self) -> Option<f64> {
        let scored = self.scored();
        (scored > 0).then(|| f64::from(self.passed) / f64::from(scored))
    }
}

/// `session.json`: the manifest of a run, with totals per scenario and model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Version of this form, now 1.
    pub format: u32,
    /// Name of the harness.
    pub harness_name: String,
    /// What the user called the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Repetitions of each scenario with each model.
    pub runs: u32,
    /// One row per model, in the plan's order.
    pub models: Vec<Totals>,
    /// One cell per scenario and model that the run has trials of, scenario by scenario in the plan's order: see
    /// [`Session::rows`].
    pub cells: Vec<Cell>,
    /// Databases that were named and, as far as is known, not removed. While the run goes on: those in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<Database>,
}

/// A database of a trial, in a gym.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Database {
    /// The trial it was made for.
    pub trial: TrialId,
    /// Key of the gym.
    pub gym: String,
    /// Value of the `x-database-id` header.
    pub database_id: String,
}

/// What the trials of one model, or of one cell, add up to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Totals {
    /// The model, as `provider:name`.
    pub model: String,
    /// Trials in the plan.
    pub trials_total: u32,
    /// Trials by outcome.
    #[serde(flatten)]
    pub outcomes: OutcomeCounts,
    /// Verifiers that were true, of trials that ended passed, failed or limit.
    pub verifiers_passed: u32,
    /// Verifiers of trials that ended passed, failed or limit.
    pub verifiers_total: u32,
    /// Model replies of the trials that are over, in the attempt that counts.
    pub turns: u64,
    /// Tool calls of them.
    pub tool_calls: u64,
    /// Tokens of all attempts.
    pub usage: Usage,
    /// Tokens of judges, which are not in `usage`.
    #[serde(skip_serializing_if = "Usage::is_unknown")]
    pub judge_usage: Usage,
    /// What all attempts cost together, judges included; none in files of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Wall-clock milliseconds of the trials that are over, of the attempt that counts, together.
    pub took_ms: u64,
    /// … of those, milliseconds of trials that a resume tries again: errored and cancelled ones. An unscored one is not
    /// among them, because its end stands.
    #[serde(skip_serializing_if = "is_nothing")]
    pub without_verdict_ms: u64,
    /// … and of `turns`.
    #[serde(skip_serializing_if = "is_nothing")]
    pub without_verdict_turns: u64,
    /// … and of `tool_calls`.
    #[serde(skip_serializing_if = "is_nothing")]
    pub without_verdict_tool_calls: u64,
    /// Milliseconds of attempts that were tried again, by the same worker or after a resume; not in `took_ms`.
    #[serde(skip_serializing_if = "is_nothing")]
    pub tried_again_ms: u64,
    /// Model replies of them; not in `turns`, though what they cost is in `usage` and `cost`.
    #[serde(skip_serializing_if = "is_nothing")]
    pub tried_again_turns: u64,
    /// Tool calls of them; not in `tool_calls`.
    #[serde(skip_serializing_if = "is_nothing")]
    pub tried_again_tool_calls: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_nothing(n: &u64) -> bool {
    *n == 0
}

/// Adds, as far as there is room.
fn raise(sum: &mut u64, by: u64) {
    *sum = sum.saturating_add(by);
}

/// Takes what was of trials without a verdict out of a sum, and keeps it apart.
fn set_apart(sum: &mut u64, without_verdict: &mut u64, tried_again: &mut u64) {
    let those = mem::take(without_verdict);
    *sum = sum.saturating_sub(those);
    raise(tried_again, those);
}

/// The trials of one scenario with one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The scenario.
    pub scenario_id: String,
    /// What its trials add up to.
    #[serde(flatten)]
    pub totals: Totals,
}

impl Session {
    /// What all models cost together; none if that was not written down.
    pub fn cost(&self) -> Option<Cost> {
        let mut sum = Cost::default();
        for model in &self.models {
            sum += model.cost?;
        }
        Some(sum)
    }
}

impl Totals {
    fn add(&mut self, trial: &TrialFinished) {
        *self.outcomes.counter(trial.outcome) += 1;
        if trial.outcome.is_scored() {
            self.verifiers_passed = self.verifiers_passed.saturating_add(trial.verifiers_passed);
            self.verifiers_total = self.verifiers_total.saturating_add(trial.verifiers_total);
        }
        let (turns, tool_calls) = (u64::from(trial.turns), u64::from(trial.tool_calls));
        raise(&mut self.turns, turns);
        raise(&mut self.tool_calls, tool_calls);
        raise(&mut self.took_ms, trial.took_ms);
        self.try_again(trial.tried_again);
        if !trial.outcome.is_verdict() {
            raise(&mut self.without_verdict_turns, turns);
            raise(&mut self.without_verdict_tool_calls, tool_calls);
            raise(&mut self.without_verdict_ms, trial.took_ms);
        }
        let mut usage = trial.usage;
        usage += trial.retried_usage;
        self.spend(
            usage,
            trial.judge_usage,
            trial.cost.unwrap_or_else(|| uncounted(trial)),
        );
    }

    /// Forgets ends without a verdict, and their time, turns and calls with them: those trials are tried again.
    fn begin_again(&mut self) {
        self.outcomes.begin_again();
        set_apart(
            &mut self.took_ms,
            &mut self.without_verdict_ms,
            &mut self.tried_again_ms,
        );
        set_apart(
            &mut self.turns,
            &mut self.without_verdict_turns,
            &mut self.tried_again_turns,
        );
        set_apart(
            &mut self.tool_calls,
            &mut self.without_verdict_tool_calls,
            &mut self.tried_again_tool_calls,
        );
    }

    /// Keeps apart what attempts took that do not count.
    fn try_again(&mut self, lost: TriedAgain) {
        raise(&mut self.tried_again_turns, u64::from(lost.turns));
        raise(&mut self.tried_again_tool_calls, u64::from(lost.tool_calls));
        raise(&mut self.tried_again_ms, lost.took_ms);
    }

    /// Adds what was used up, whatever came of it.
    fn spend(&mut self, usage: Usage, judges: Usage, cost: Cost) {
        self.usage += usage;
        self.judge_usage += judges;
        if let Some(sum) = &mut self.cost {
            *sum += cost;
        }
    }
}

/// The cost of a trial that an older version wrote down: nobody knows what its calls cost, if they cost anything.
fn uncounted(trial: &TrialFinished) -> Cost {
    let model = trial.model.parse::<ModelRef>();
    let free = model.is_ok_and(|model| model.provider.is_local());
    Cost::unknown(if free { 0 } else { trial.turns })
}

/// Progress and session before anything has happened: all totals of the plan are known.
pub fn begin(plan: &Plan) -> (Progress, Session) {
    let mut planned: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    for trial in plan.trials() {
        *planned.entry((trial.scenario, trial.model)).or_default() += 1;
    }
    let row = |model: usize, trials_total| Totals {
        model: plan.models[model].model.to_string(),
        trials_total,
        cost: Some(Cost::default()),
        ..Totals::default()
    };
    let of_model = |model| planned.iter().filter(move |((_, m), _)| *m == model);
    let models = (0..plan.models.len()).map(|m| row(m, of_model(m).map(|(_, n)| n).sum()));
    let cells = planned.iter().map(|((s, m), n)| Cell {
        scenario_id: plan.scenarios[*s].scenario_id.clone(),
        totals: row(*m, *n),
    });
    let session = Session {
        format: FORMAT,
        harness_name: plan.harness_name.clone(),
        label: plan.label.clone(),
        runs: plan.runs,
        models: models.collect(),
        cells: cells.collect(),
        databases: Vec::new(),
    };
    let progress = Progress {
        trials_total: plan.trial_count(),
        verifiers_planned: plan.verifiers_planned(),
        ..Progress::default()
    };
    (progress, session)
}

/// Adds one event. When a runner begins again, all trials without a verdict are open again, because it tries all of
/// them; the tokens of their earlier ends stay, for they were spent, their time, turns and calls are kept apart, and their verifiers were
/// never counted.
pub fn fold(progress: &mut Progress, session: &mut Session, event: &Event) {
    let trial = match event {
        Event::TrialFinished(trial) => trial,
        Event::RunStarted { .. } => {
            let rows = session
                .models
                .iter_mut()
                .chain(session.cells.iter_mut().map(|c| &mut c.totals));
            rows.for_each(Totals::begin_again);
            progress.outcomes.begin_again();
            progress.trials_done = progress.outcomes.done();
            return;
        }
        Event::TrialInterrupted(lost) => {
            let of_model = session.models.iter_mut().filter(|t| t.model == lost.model);
            let cell = |c: &&mut Cell| c.scenario_id == lost.scenario_id && c.totals.model == lost.model;
            let of_cell = session.cells.iter_mut().filter(cell).map(|c| &mut c.totals);
            of_model.chain(of_cell).for_each(|totals| {
                totals.try_again(TriedAgain {
                    turns: lost.turns,
                    tool_calls: lost.tool_calls,
                    took_ms: lost.took_ms,
                });
                totals.spend(lost.usage, lost.judge_usage, lost.cost);
            });
            return;
        }
        Event::DatabaseNamed { .. } | Event::DatabaseRemoved { .. } => {
            return fold_database(&mut session.databases, event);
        }
        _ => return,
    };
    *progress.outcomes.counter(trial.outcome) += 1;
    progress.trials_done = progress.outcomes.done();
    if trial.outcome.is_scored() {
        progress.verifiers_passed = progress.verifiers_passed.saturating_add(trial.verifiers_passed);
        progress.verifiers_total = progress.verifiers_total.saturating_add(trial.verifiers_total);
    }
    session
        .models
        .iter_mut()
        .filter(|t| t.model == trial.model)
        .for_each(|t| t.add(trial));
    let cell = |c: &&mut Cell| c.scenario_id == trial.scenario_id && c.totals.model == trial.model;
    session
        .cells
        .iter_mut()
        .filter(cell)
        .for_each(|c| c.totals.add(trial));
}

/// Adds what an event says about a database to those that are left.
pub fn fold_database(left: &mut Vec<Database>, event: &Event) {
    match event {
        Event::DatabaseNamed {
            trial,
            gym,
            database_id,
        } => {
            let database = Database {
                trial: trial.clone(),
                gym: gym.clone(),
                database_id: database_id.clone(),
            };
            if !left.contains(&database) {
                left.push(database);
            }
        }
        Event::DatabaseRemoved {
            gym,
            database_id,
            problem: None,
            ..
        } => left.retain(|database| database.gym != *gym || database.database_id != *database_id),
        _ => {}
    }
}
