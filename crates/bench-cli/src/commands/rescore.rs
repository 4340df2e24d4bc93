//! `bench-cli rescore`: plays what was done in a run into a fresh world, and judges it again.
//!
//! What comes of it is a run of its own, which names the one that it judges; [`changes`] compares the two, for `rescore`
//! itself and for everybody who looks at the new run later.

use std::collections::BTreeMap;
use std::path::Path;

use bench_core::event::TrialFinished;
use bench_core::{ModelSpec, Plan, TrialId, TrialRecord};
use bench_report::rescore::{Changes, Judged, Pair};
use bench_runner::env::Environment;
use bench_runner::gym::check_seeds;
use bench_runner::{BenchJob, Recording, load_harness, trial_record};
use bench_state::RunView;

use super::resume::{environment_without_keys, over, plan_now};
use super::run::{recorded, warn};
use super::start::{self, How, Start};
use crate::args::rescore::RescoreArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::named_models::{self, JUDGE};
use crate::prices::Prices;

/// Judges a run again.
pub(super) fn cmd(args: &RescoreArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let (id, view) = over(&args.run, cx)?;
    let results = cx.results_dir();
    let recording = Recording::open(&results, id.as_str()).map_err(|error| recorded::refused(error, cx))?;
    let mut plan = plan_now(&view)?;
    plan.budget = args.budget.budget().or(plan.budget);
    plan.verify_each_step |= args.verify_each_step;
    if !args.harness.is_empty() {
        let (judged, warnings) = plan.judged_by(load_harness(&args.harness, &cx.cwd)?)?;
        warn(&warnings, cx);
        plan = judged;
    }
    let mut plan = played(plan, &recording, &results);
    if plan.trials().is_empty() || plan.only_trials.is_empty() {
        return Err(CliError::usage(format!(
            "run `{id}` has no trial of these scenarios to judge again"
        )));
    }
    check_seeds(&plan.gyms)?;
    let environment = environment_without_keys(&args.env_file, &mut plan, cx)?;
    let (plan, warnings) = plan.judged_with(judge(args, &environment, cx)?)?;
    warn(&warnings, cx);
    let how = How {
        background: args.background,
        ui: args.progress.ui,
        json: args.json,
    };
    start::start(Start::anew(plan, environment), how, cx)
}

/// The judge that was asked for instead of the one that the run had.
fn judge(args: &RescoreArgs, environment: &Environment, cx: &Context) -> Result<Option<ModelSpec>, CliError> {
    let Some(name) = &args.judge_model else {
        return Ok(None);
    };
    let file = named_models::find(args.models_file.as_deref(), &args.harness, cx)?;
    let prices = Prices::read(args.prices.as_deref(), environment, cx)?;
    let mut specs = named_models::specs(&[(JUDGE, name.as_str())], &file, &prices, environment, cx)?;
    Ok(specs.pop())
}

/// The plan, with models that play the recorded ones.
fn played(plan: Plan, recording: &Recording, results: &Path) -> Plan {
    let names: Vec<String> = plan.models.iter().map(|spec| spec.model.to_string()).collect();
    let scenarios: Vec<String> = plan.scenarios.iter().map(|s| s.scenario_id.clone()).collect();
    let models = names
        .iter()
        .map(|model| recorded::spec(recording, model, results));
    let models = models.collect();
    plan.rescore_of(recording.run().to_string(), models, |trial| {
        let (model, scenario) = (&names[trial.model], &scenarios[trial.scenario]);
        recording.ended(model, scenario, trial.repetition).is_some()
    })
}

/// What has changed since the run that this one judges again, as far as its trials have `ended`; None if it judges no other.
/// Records of either that cannot be relied on are `problems`.
pub(super) fn changes(
    view: &RunView<BenchJob>,
    plan: &Plan,
    ended: &BTreeMap<TrialId, TrialFinished>,
    problems: &mut Vec<String>,
) -> Option<Result<Changes, String>> {
    let run = plan.rescores.as_deref()?;
    let compared = recording(plan, run).map(|recording| {
        let pairs = pairs(view, plan, &recording, ended, problems);
        bench_report::rescore::changes(&pairs)
    });
    Some(compared.map_err(|error| format!("cannot tell what has changed since `{run}`: {error}")))
}

/// The run that is judged again.
fn recording(plan: &Plan, run: &str) -> Result<Recording, String> {
    let results = plan.models.iter().find_map(|spec| spec.recorded_in.as_deref());
    let results = Path::new(results.ok_or("its plan does not say where that lies")?);
    Recording::open(results, run).map_err(|error| {
        let causes = crate::error::sources(&error);
        std::iter::once(error.to_string())
            .chain(causes)
            .collect::<Vec<_>>()
            .join(": ")
    })
}

/// The trials that are over, each with the one that it plays. How they ended the journals say; the verdicts are in records.
fn pairs(
    view: &RunView<BenchJob>,
    plan: &Plan,
    recording: &Recording,
    ended: &BTreeMap<TrialId, TrialFinished>,
    problems: &mut Vec<String>,
) -> Vec<Pair> {
    let mut tell = |record: Result<TrialRecord, String>| {
        let told = record.map_err(|problem| {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        });
        told.ok()
    };
    let mut pairs = Vec::new();
    for trial in plan.trials() {
        let name = &plan.models[trial.model].model.name;
        let model = name.split_once('/').map_or("", |(_, model)| model);
        let scenario = plan.scenarios[trial.scenario].scenario_id.as_str();
        let before = recording.ended(model, scenario, trial.repetition);
        let (Some(before), Some(after)) = (before, ended.get(&trial.id)) else {
            continue;
        };
        pairs.push(Pair {
            model: model.to_owned(),
            before: Judged::new(before, tell(recording.record(before))),
            after: Judged::new(after, tell(trial_record(view, after))),
        });
    }
    pairs
}
