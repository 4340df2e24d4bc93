//! Scenarios on their real gyms, with the two models that cost nothing.
//!
//! First every gym is reached once and the tools that scenarios name are looked for. Then `noop` tries every scenario
//! whose gyms answer, and `oracle` those with a solution; of a scenario with errors, `noop` tries a [part](InPart). What that says against a scenario is told by
//! [`bench_core::lint`]. Nothing is written down: databases, folders and processes are gone at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use bench_core::lint::{Offer, came_to_nothing, tried, tried_in_part, unknown_expected, unknown_tools};
use bench_core::plan::PlannedScenario;
use bench_core::{Outcome, Plan, Problem, Provider, Trial, TrialRecord};
use bench_report::text;
use bench_runner::env::Environment;
use bench_runner::gym::GymError;
use bench_runner::{MemoryJournal, Offered, RunEnd, Runner, RunnerBuilder, offered_tools};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::part::InPart;
use crate::commands::execute::{self, Clients, EventLoop};
use crate::commands::reach::Reach;
use crate::commands::start::tell;
use crate::context::Context;
use crate::error::CliError;

/// How long trials may take to stop after a signal; a further signal waits for none.
const STOPPING: Duration = Duration::from_secs(10);
/// How long tasks that did not end by themselves may take to be dropped.
const DROPPING: Duration = Duration::from_secs(2);

/// What trying has shown.
#[derive(Default)]
pub(super) struct Tried {
    /// Scenarios that `noop` has tried to the end, and that a verifier was asked about.
    pub(super) noop: usize,
    /// Scenarios that `oracle` has.
    pub(super) oracle: usize,
    pub(super) problems: Vec<Problem>,
    /// What should have been looked at and could not, and why.
    pub(super) missed: Vec<String>,
}

impl Tried {
    /// What a harness without a fault has stood, to follow its praise; empty if nothing was tried.
    pub(super) fn words(&self) -> String {
        match (self.noop, self.oracle) {
            (0, _) => String::new(),
            (noop, 0) => format!("; noop passes none of {noop}, no solution is written down"),
            (noop, oracle) => format!("; noop passes none of {noop}, oracle all of {oracle}"),
        }
    }
}

/// Tries the scenarios of a plan for `noop` and `oracle`. `known` is what is known against them already; `in_part` gets
/// those with tools that are not there.
pub(super) fn all(
    plan: Plan,
    environment: &Environment,
    known: &[Problem],
    in_part: &mut InPart,
    cx: &mut Context,
) -> Result<Tried, CliError> {
    let clients = execute::connect(&plan, environment, cx)?;
    let EventLoop { runtime, mut signals } = EventLoop::start()?;
    let done = runtime.block_on(async {
        let reach = Reach::open(&plan.gyms, execute::processes(&plan), environment).await?;
        let cancel = CancellationToken::new();
        let done = {
            let scenarios = Scenarios { plan, known, in_part };
            let mut trying = pin!(try_all(scenarios, clients, &reach, environment, &cancel, cx));
            tokio::select! {
                done = &mut trying => done,
                name = signals.next() => {
                    cancel.cancel();
                    tokio::select! {
                        _ = timeout(STOPPING, trying) => {}
                        _ = signals.next() => {}
                    }
                    Err(CliError::interrupted(name))
                }
            }
        };
        if let Some(left) = reach.close().await {
            writeln!(cx.err.clone(), "{left}").unwrap_or_default(); // nobody there to be told
        }
        done
    });
    runtime.shutdown_timeout(DROPPING);
    done
}

/// What there is to try.
struct Scenarios<'a> {
    plan: Plan,
    known: &'a [Problem],
    in_part: &'a mut InPart,
}

async fn try_all(
    scenarios: Scenarios<'_>,
    clients: Clients,
    reach: &Reach,
    environment: &Environment,
    cancel: &CancellationToken,
    cx: &mut Context,
) -> Result<Tried, CliError> {
    let Scenarios {
        mut plan,
        known,
        in_part,
    } = scenarios;
    // Children bear it; no other process may take them for its own.
    let run_id = format!("check-{}", std::process::id());
    let reached = offered_tools(&reach.gyms, &run_id, environment).await;
    let (offered, failures) = reached.map_err(failed)?;
    let mut seen = Tried::default();
    let left_out = seen.look_at_tools(&mut plan, &offered, &failures, in_part);
    plan.only_trials = trials(&plan, &left_out).map(|trial| trial.id).collect();
    if plan.only_trials.is_empty() {
        return Ok(seen); // without a name in it, the list would mean all
    }
    let count = text::count(plan.only_trials.len(), "trial");
    tell(&format!("{count} of noop and oracle, which cost nothing"), cx);
    let records = run(run_id, plan.clone(), clients, reach, environment, cancel).await?;
    let known: Vec<Problem> = known.iter().chain(&seen.problems).cloned().collect();
    for (index, scenario) in plan.scenarios.iter().enumerate() {
        if !left_out.contains(&index) {
            seen.look_at_trials(scenario, &records, &known, in_part.contains(scenario));
        }
    }
    Ok(seen)
}

/// The trials of a plan but for those of some scenarios, and for those of `oracle` where there is no solution to play.
fn trials(plan: &Plan, left_out: &BTreeSet<usize>) -> impl Iterator<Item = Trial> {
    let playable = move |trial: &Trial| {
        let oracle = plan.models[trial.model].model.provider == Provider::Oracle;
        !oracle || plan.scenarios[trial.scenario].has_solution()
    };
    plan.trials()
        .into_iter()
        .filter(move |trial| !left_out.contains(&trial.scenario) && playable(trial))
}

/// Runs the trials. Records are found by scenario and model.
async fn run(
    run_id: String,
    plan: Plan,
    (models, _): Clients,
    reach: &Reach,
    environment: &Environment,
    cancel: &CancellationToken,
) -> Result<BTreeMap<(String, String), TrialRecord>, CliError> {
    let journal = MemoryJournal::default();
    let builder = Runner::builder(run_id, plan).journal(journal.clone());
    let builder = models.into_iter().fold(builder, RunnerBuilder::model);
    let builder = reach.gyms.iter().cloned().fold(builder, RunnerBuilder::gym);
    let runner = builder
        .environment(environment)
        .cancel(cancel.clone())
        .build()
        .map_err(failed)?;
    if let RunEnd::Failed(error) = runner.run().await {
        return Err(failed(error));
    }
    let records = journal.snapshot().records.into_values();
    Ok(records
        .map(|record| ((record.scenario_id.clone(), record.model.clone()), record))
        .collect())
}

fn failed(error: bench_runner::RunError) -> CliError {
    CliError::unfinished("the scenarios could not be tried").because(error)
}

impl Tried {
    /// Notes gyms that do not answer, and tools that are not there. Returns the scenarios that cannot be tried.
    fn look_at_tools(
        &mut self,
        plan: &mut Plan,
        offered: &Offered,
        failures: &[GymError],
        in_part: &mut InPart,
    ) -> BTreeSet<usize> {
        let mut left_out = BTreeSet::new();
        let mut away = 0;
        let all_gyms = plan.gyms.clone();
        for (index, scenario) in plan.scenarios.iter_mut().enumerate() {
            let of_key = |key: &String| all_gyms.iter().find(|gym| gym.key == *key);
            let gyms: Vec<_> = scenario.gym_keys.iter().filter_map(of_key).collect();
            if !gyms.iter().all(|gym| offered.reached(gym)) {
                away += 1;
                left_out.insert(index);
                continue;
            }
            let offers: Vec<Offer<'_>> = gyms
                .iter()
                .map(|gym| Offer {
                    gym: &gym.name,
                    tools: offered.by(gym),
                })
                .collect();
            let written = in_part.written(scenario);
            let mut unknown = unknown_tools(written, &offers);
            unknown.extend(unknown_expected(written, &offers));
            in_part.take_out_errors(&mut scenario.scenario, &unknown);
            self.problems.extend(unknown);
            if in_part.contains(scenario) && scenario.verifiers.is_empty() {
                left_out.insert(index);
            }
        }
        if away > 0 {
            let reasons: Vec<String> = failures.iter().map(ToString::to_string).collect();
            self.missed.push(format!(
                "{}, whose gyms cannot be reached: {}",
                text::count(away, "scenario"),
                reasons.join("; ")
            ));
        }
        left_out
    }

    /// Notes what the trials of a scenario say against it.
    fn look_at_trials(
        &mut self,
        scenario: &PlannedScenario,
        records: &BTreeMap<(String, String), TrialRecord>,
        known: &[Problem],
        in_part: bool,
    ) {
        let of = |model: Provider| records.get(&(scenario.scenario_id.clone(), model.to_string()));
        let (noop, oracle) = (of(Provider::Noop), of(Provider::Oracle));
        let untold = match noop {
            Some(record) => came_to_nothing(record),
            None => Some("it was not tried"),
        };
        if let Some(cause) = untold {
            self.missed
                .push(format!("the scenario `{}`: {cause}", scenario.scenario_id));
            return;
        }
        if let (true, Some(noop)) = (in_part, noop) {
            return self.problems.extend(tried_in_part(scenario, noop, known));
        }
        let scored = |record: &TrialRecord| record.outcome != Outcome::Unscored;
        self.noop += usize::from(noop.is_some_and(scored));
        self.oracle += usize::from(oracle.is_some_and(scored));
        self.problems.extend(tried(scenario, noop, oracle, known));
    }
}
