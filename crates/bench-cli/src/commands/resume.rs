//! `bench-cli resume` and `retry`: from the plan of a run that is over, never from its harness files.

use std::collections::{BTreeMap, BTreeSet};

use bench_core::plan::{Chosen, Selection};
use bench_core::transcript::Line;
use bench_core::{Event, Gate, Outcome, Plan, PlanChanges, TrialId};
use bench_report::text::count;
use bench_runner::env::Environment;
use bench_runner::gym::check_seeds;
use bench_runner::{BenchJob, Earlier};
use bench_state::{RunId, RunView, StateError};

use super::start::{self, How, Start};
use super::{evidence, gate, sweep};
use crate::args::EnvFileAgainArgs;
use crate::args::life::{HowArgs, ResumeArgs, RetryArgs};
use crate::context::Context;
use crate::environment::{self, EnvFile};
use crate::error::CliError;
use crate::exit::Exit;

/// What to do where chosen trials say too little.
pub(super) const REPEAT: &str =
    "`run` the harness again in full; `resume` tries trials without a verdict again in their own run";

/// Continues a run: every trial without a verdict is run.
pub(super) fn resume(args: &ResumeArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let (id, view) = over(&args.run, cx)?;
    view.check_original()?;
    let mut plan = plan_now(&view)?;
    check_gate(&args.how, plan.selection().as_ref())?;
    let earlier = earlier(&view)?;
    if nothing_open(&plan, &earlier) && view.summary().state.status.word() == "completed" {
        start::tell(
            &format!("nothing to do: every trial of run `{id}` has a verdict"),
            cx,
        );
        let page = super::page::Page::read(&view)?;
        let gate = args.how.score.over(page.gate);
        return start::finish(super::execute::End::Completed, &page, &gate, args.how.json, cx);
    }
    check_seeds(&plan.gyms)?;
    let changes = changes(&args.how, &plan);
    for change in changes.in_words(&plan) {
        start::tell(&format!("from now on: {change}"), cx);
    }
    changes.apply(&mut plan);
    let environment = environment_again(&args.how, &mut plan, cx)?;
    let start = Start {
        plan,
        changes,
        environment,
        earlier,
        run: Some(id),
    };
    start::start(start, how(&args.how), cx)
}

/// Tries the trials of a run that did not pass again, as a run of their own.
pub(super) fn retry(args: &RetryArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let (id, view) = over(&args.run, cx)?;
    let wanted = |outcome: Outcome| match outcome {
        Outcome::Failed | Outcome::Limit => args.failed || !args.errored,
        Outcome::Errored => args.errored || !args.failed,
        Outcome::Passed | Outcome::Unscored => false,
        _ => !args.errored && !args.failed,
    };
    let earlier = earlier(&view)?;
    let ends: BTreeMap<&TrialId, Outcome> = earlier.finished().map(|end| (&end.trial, end.outcome)).collect();
    for problem in evidence::problems_before_deciding(&view, earlier.finished())? {
        evidence::warning(&problem, &mut cx.err)?;
    }
    let plan = plan_now(&view)?;
    let trials = plan.trials().into_iter().map(|trial| trial.id);
    // What never ended did not pass, and has no outcome that could be asked for.
    let (ended, open): (Vec<_>, Vec<_>) = trials.partition(|trial| ends.contains_key(trial));
    let mut chosen: BTreeSet<TrialId> = ended.into_iter().filter(|trial| wanted(ends[trial])).collect();
    if !args.errored && !args.failed {
        chosen.extend(open.iter().cloned());
    }
    if chosen.is_empty() {
        return Err(nothing_to_retry(&view, open.len(), cx));
    }
    let how_ended = match (args.failed, args.errored) {
        (true, false) => Chosen::Failed,
        (false, true) => Chosen::Errored,
        _ => Chosen::NotPassed,
    };
    let mut plan = plan.retry_of(id.to_string(), how_ended, chosen.into_iter().collect());
    let retry = plan.selection();
    check_gate(&args.how, retry.as_ref())?;
    check_seeds(&plan.gyms)?;
    changes(&args.how, &plan).apply(&mut plan);
    let environment = environment_again(&args.how, &mut plan, cx)?;
    start::start(Start::anew(plan, environment), how(&args.how), cx)
}

/// What is asked of a rate that is none is refused before anything is paid.
fn check_gate(args: &HowArgs, retry: Option<&Selection>) -> Result<(), CliError> {
    match (retry, args.score.fail_under) {
        (Some(retry), Some(_)) => Err(CliError::usage(gate::no_rate(retry)).hint(REPEAT)),
        _ => Ok(()),
    }
}

fn nothing_to_retry(view: &RunView<BenchJob>, open: usize, cx: &Context) -> CliError {
    let id = view.id();
    // With damaged files nobody knows what ended, and `resume` refuses.
    let hint = if open > 0 && view.problems().is_empty() {
        let resume = cx.command(&format!("resume {id}"));
        format!("`{resume}` runs the {} that never ended", count(open, "trial"))
    } else {
        format!(
            "`{}` shows how its trials ended",
            cx.command(&format!("show {id}"))
        )
    };
    CliError::usage(format!("run `{id}` has no such trial to be tried again")).hint(hint)
}

/// A run that is over, with the plan that it was created with; tells what is wrong with its files.
pub(super) fn over(wanted: &str, cx: &mut Context) -> Result<(RunId, RunView<BenchJob>), CliError> {
    let store = cx.store()?;
    let id = store.resolve(wanted)?;
    let view = store.inspect(&id, cx.now)?;
    sweep::leftovers(&store, cx);
    view.check_plan()?;
    evidence::warn(&view, &mut cx.err)?;
    let state = &view.summary().state;
    if state.status.is_over() {
        return Ok((id, view));
    }
    let worker = state.worker.clone();
    Err(CliError::from(StateError::StillRunning {
        run: id.clone(),
        worker,
    })
    .hint(format!(
        "`{}` watches it; `{}` ends it",
        cx.command(&format!("attach {id}")),
        cx.command(&format!("kill {id}"))
    )))
}

/// The plan of a run as it holds now: as written, with what earlier resumes changed.
pub(super) fn plan_now(view: &RunView<BenchJob>) -> Result<Plan, CliError> {
    let mut changes = Vec::new();
    for recorded in view.events()? {
        if let event @ Event::PlanChanged(_) = recorded?.event {
            changes.push(event);
        }
    }
    Ok(view.plan()?.changed_by(&changes))
}

/// What was typed that differs from what holds already.
fn changes(args: &HowArgs, plan: &Plan) -> PlanChanges {
    let budgets = &args.budgets;
    let gate: Gate = args.score.over(plan.gate);
    let said = PlanChanges {
        limits: budgets.limits(),
        max_concurrency: budgets.max_concurrency,
        max_processes: budgets.max_processes,
        retries: budgets.retries,
        budget: args.budget.budget(),
        gate: (gate != plan.gate).then_some(gate),
    };
    if said.in_words(plan).is_empty() {
        PlanChanges::default()
    } else {
        said
    }
}

/// What the journal of a run says about its earlier workers.
pub(super) fn earlier(view: &RunView<BenchJob>) -> Result<Earlier, CliError> {
    let events = view
        .events()?
        .map(|recorded| recorded.map(|recorded| recorded.event));
    let mut earlier = Earlier::of(events.collect::<Result<Vec<_>, StateError>>()?);
    count_interrupted(view, &mut earlier)?;
    Ok(earlier)
}

/// Finds what trials cost that a dead worker left without an end: their transcripts say it.
fn count_interrupted(view: &RunView<BenchJob>, earlier: &mut Earlier) -> Result<(), CliError> {
    let interrupted: BTreeSet<TrialId> = earlier.interrupted().cloned().collect();
    if interrupted.is_empty() {
        return Ok(());
    }
    let plan = view.plan()?;
    for trial in plan.trials() {
        if !interrupted.contains(&trial.id) {
            continue;
        }
        let lines = view.item_log::<Line>(&trial.id.as_str().parse()?)?;
        // What cannot be read was not paid for less; the call under way stands for it.
        let entries = lines.into_iter().flatten().map_while(Result::ok);
        let entries = entries.map(|line| line.entry);
        let model = plan.models[trial.model].model.to_string();
        earlier.count_interrupted(&trial.id, &model, plan.paid(&trial), entries);
    }
    Ok(())
}

/// Whether every trial of the plan has a verdict.
fn nothing_open(plan: &Plan, earlier: &Earlier) -> bool {
    let verdicts = earlier
        .finished()
        .filter(|finished| finished.outcome.is_verdict());
    let done: BTreeSet<&TrialId> = verdicts.map(|finished| &finished.trial).collect();
    plan.trials().iter().all(|trial| done.contains(&trial.id))
}

/// The variables of now, with those of the env file that was typed, else of the one that the run was started with. What
/// was typed is in the plan from then on.
fn environment_again(args: &HowArgs, plan: &mut Plan, cx: &Context) -> Result<Environment, CliError> {
    let env_file = env_file_again(&args.env_file, plan, cx);
    environment::read(env_file.as_ref(), &plan.secret_names, cx).map_err(|error| match env_file {
        Some(file) if !file.found && args.env_file.typed().is_silent() => {
            error.hint("`--env-file FILE` reads another one, `--no-env-file` none")
        }
        _ => error,
    })
}

/// The same where no model is asked, and so no secret is missed before a gym asks for it.
pub(super) fn environment_without_keys(
    args: &EnvFileAgainArgs,
    plan: &mut Plan,
    cx: &Context,
) -> Result<Environment, CliError> {
    let env_file = env_file_again(args, plan, cx);
    environment::read_without_check(env_file.as_ref(), &plan.secret_names, cx)
}

fn env_file_again(args: &EnvFileAgainArgs, plan: &mut Plan, cx: &Context) -> Option<EnvFile> {
    let typed = args.typed();
    let file = EnvFile::of_plan(&typed, plan, cx);
    if !typed.is_silent() {
        plan.env_file = file.as_ref().map(|file| file.path.to_string_lossy().into_owned());
        plan.env_file_found = false;
    }
    file
}

fn how(args: &HowArgs) -> How {
    How {
        background: args.background,
        ui: args.progress.ui,
        json: args.json,
    }
}
