//! From a plan to a run under way: here, with everything shown, or in the background.

use std::io::Write;

use bench_core::{Event, Gate, ModelSpec, Plan, PlanChanges, Transport};
use bench_report::text::count;
use bench_runner::env::Environment;
use bench_runner::{BenchJob, Earlier, RunSummary};
use bench_state::{ActiveRun, RunId};
use chrono::Utc;
use serde_json::json;

use super::background;
use super::execute::{End, EventLoop, Ran, Stage, processes};
use super::page::Page;
use crate::args::run::Ui;
use crate::context::Context;
use crate::dashboard;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint::{self, CODE, FAINT};

/// What is to be run.
pub(super) struct Start {
    /// The plan as it holds from now on.
    pub(super) plan: Plan,
    /// What is different in it from what the run to be continued has had so far; to be journaled.
    pub(super) changes: PlanChanges,
    pub(super) environment: Environment,
    /// What earlier workers of the run have done.
    pub(super) earlier: Earlier,
    /// The run to be continued; without it a new one is made.
    pub(super) run: Option<RunId>,
}

/// Where it is run, and what is shown.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub(super) background: bool,
    pub(super) ui: Ui,
    pub(super) json: bool,
}

impl Start {
    /// A new run.
    pub(super) fn anew(plan: Plan, environment: Environment) -> Self {
        Self {
            plan,
            changes: PlanChanges::default(),
            environment,
            earlier: Earlier::default(),
            run: None,
        }
    }
}

/// Makes the run, or takes the one to be continued up and journals what changes.
pub(super) fn take_up(
    run: Option<&RunId>,
    plan: &Plan,
    changes: &PlanChanges,
    cx: &Context,
) -> Result<ActiveRun<BenchJob>, CliError> {
    let store = cx.store()?;
    let Some(id) = run else {
        return Ok(store.create(plan, RunSummary::of(plan), Utc::now())?);
    };
    let run = store.resume(id, Utc::now())?;
    if *changes != PlanChanges::default() {
        run.record(Event::PlanChanged(changes.clone()), Utc::now())?;
    }
    Ok(run)
}

/// Runs, and shows what came out of it; in the background, shows how to watch.
pub(super) fn start(start: Start, how: How, cx: &mut Context) -> Result<Exit, CliError> {
    check_view(how, cx)?;
    check_prices(&start.plan)?;
    if let Some(line) = few_processes(&start.plan) {
        tell(&line, cx);
    }
    if how.background {
        return background::launch(&start, how, cx);
    }
    let ran = here(start, how, cx)?;
    let page = Page::read(&cx.store()?.inspect(&ran.id, Utc::now())?)?;
    if ran.reader_stuck {
        return Ok(page.exit(&ran.end, &page.gate).0);
    }
    finish(ran.end, &page, &page.gate, how.json, cx)
}

/// A view needs a terminal, and a run that goes on here.
fn check_view(how: How, cx: &Context) -> Result<(), CliError> {
    if how.ui != Ui::Tui {
        return Ok(());
    }
    let instead = "leave `--ui tui` out";
    if how.background {
        return Err(
            CliError::usage("`--ui tui` shows a run that goes on here, not in the background").hint(format!(
                "{instead}; `{}` shows it then",
                cx.command("view latest")
            )),
        );
    }
    if how.json {
        return Err(CliError::usage("`--ui tui` and `--json` both want stdout").hint(instead));
    }
    match dashboard::lacks(cx) {
        None => Ok(()),
        Some(why) => Err(CliError::usage(format!("`--ui tui` needs a terminal; {why}")).hint(instead)),
    }
}

/// Limits in dollars hold nobody whose price is unknown.
pub(super) fn check_prices(plan: &Plan) -> Result<(), CliError> {
    let unpriced = |spec: &&ModelSpec| spec.price.is_none() && !spec.model.provider.is_local();
    let name = |spec: &ModelSpec| format!("`{}`", spec.model);
    let mut names: Vec<String> = plan.models.iter().filter(unpriced).map(name).collect();
    if plan.budget.max_cost.is_some() {
        // The limit of a trial is its model's alone.
        let judge = plan.judge.iter().filter(unpriced);
        names.extend(judge.map(|spec| format!("the judge {}", name(spec))));
    }
    let Some((limit, instead)) = cost_limit(plan).filter(|_| !names.is_empty()) else {
        return Ok(());
    };
    Err(CliError::usage(format!(
        "{limit} cannot be kept: nobody knows the price of {}",
        names.join(" and ")
    ))
    .hint("start the run with `--prices FILE`, or with a `price` in models.json")
    .hint(format!("{instead} needs no price")))
}

/// The first limit in dollars, as it was given, and what could be given instead.
fn cost_limit(plan: &Plan) -> Option<(String, &'static str)> {
    if plan.budget.max_cost.is_some() {
        return Some(("`--max-cost`".to_owned(), "`--max-tokens-total`"));
    }
    if plan.limits.max_cost.is_some() {
        return Some(("`--max-trial-cost`".to_owned(), "`--max-tokens`"));
    }
    let scenario = plan.scenarios.iter().find(|s| s.limits.max_cost.is_some())?;
    let limit = format!("`limits.max_cost` of the scenario `{}`", scenario.scenario_id);
    Some((limit, "`limits.max_tokens`"))
}

/// Says that fewer trials run at once than asked for, and why.
fn few_processes(plan: &Plan) -> Option<String> {
    let over_stdio = plan
        .gyms
        .iter()
        .any(|gym| matches!(gym.transport, Transport::Stdio { .. }));
    let wanted = plan.max_concurrency.min(plan.trial_count()) as usize;
    let processes = processes(plan);
    let why = if plan.max_processes.is_none() {
        " (two per processor)"
    } else {
        ""
    };
    (over_stdio && processes < wanted).then(|| {
        let trials = count(processes, "trial");
        format!("gyms over stdio: {trials} at once{why}; `--max-processes` changes that")
    })
}

/// Errors before the run exists, or is taken up, leave everything as it was; later ones are in [`Ran::end`].
fn here(start: Start, how: How, cx: &mut Context) -> Result<Ran, CliError> {
    let event_loop = EventLoop::start()?;
    let plan = start.plan.clone();
    let done = start
        .earlier
        .finished()
        .filter(|end| end.outcome.is_verdict())
        .count();
    let open = plan
        .trial_count()
        .saturating_sub(u32::try_from(done).unwrap_or(u32::MAX));
    let stage = Stage::set(event_loop, start.plan, start.environment, start.earlier, cx)?;
    let mut show = stage.show(how.ui, how.json, cx)?;
    let run = take_up(start.run.as_ref(), &plan, &start.changes, cx)?;
    announce(&run, plan.trial_count(), open, how.json, cx);
    if how.ui == Ui::Tui {
        show.open_view(run.id(), cx);
    }
    Ok(stage.perform(run, show, &cx.err))
}

fn announce(run: &ActiveRun<BenchJob>, trials: u32, open: u32, json: bool, cx: &mut Context) {
    if json {
        let line = json!({"event": "run_created", "run_id": run.id(), "dir": run.dir(), "trials": trials});
        let told = bench_report::json::line(&line).and_then(|line| writeln!(cx.out, "{line}"));
        told.unwrap_or_default(); // nobody reads; the run goes on all the same
    } else {
        let folder = cx.shown(run.dir());
        let mut trials = count(trials as usize, "trial");
        if count(open as usize, "trial") != trials {
            trials = format!("{open} of {trials} to run");
        }
        tell(&format!("{}: {trials}, {folder}", run.id()), cx);
    }
}

/// Shows the results of a run that is over, where everything is, what to type next, and why the exit code is not 0.
pub(super) fn finish(
    end: End,
    page: &Page,
    gate: &Gate,
    json: bool,
    cx: &mut Context,
) -> Result<Exit, CliError> {
    show(page, json, cx)?;
    let (exit, misses) = page.exit(&end, gate);
    let folder = cx.shown(page.dir());
    tell(
        &format!("\n{} · {}", page.status(), paint::paint(FAINT, &folder)),
        cx,
    );
    let id = page.id();
    let mut next = vec![cx.command(&format!("show {id}"))];
    next.extend(
        page.worth_a_look()
            .map(|trial| cx.command(&format!("show {id} --trial {trial}"))),
    );
    if !matches!(end, End::Completed) && page.resume_may_help() {
        next.push(cx.command(&format!("resume {id}")));
    }
    for command in next {
        tell(&format!("  {}", paint::paint(CODE, &command)), cx);
    }
    for miss in misses {
        tell(&format!("{} {miss}", paint::signs("✗")), cx);
    }
    match end {
        End::Failed(error) => Err(error),
        End::OverBudget(cause) => {
            tell(
                &format!(
                    "{} {cause}; `resume` with a new budget (`--max-cost`, `--max-tokens-total`, `--max-duration`) goes on",
                    paint::signs("✗")
                ),
                cx,
            );
            Ok(exit)
        }
        End::Completed | End::Cancelled => Ok(exit),
    }
}

fn show(page: &Page, json: bool, cx: &mut Context) -> Result<(), CliError> {
    let written = if json {
        let mut document = serde_json::to_value(page.document()).unwrap_or_default();
        document["event"] = json!("run_over");
        bench_report::json::line(&document).and_then(|line| writeln!(cx.out, "{line}"))
    } else {
        write!(cx.out, "{}", page.results(cx.out_look.width))
    };
    match written.map_err(CliError::from) {
        // The run is over and safe; its exit code matters more than a reader who left.
        Err(error) if error.exit() == Exit::Success => Ok(()),
        written => written,
    }
}

/// Talk that must not end a run when nobody listens.
pub(super) fn tell(line: &str, cx: &mut Context) {
    writeln!(cx.err, "{line}").unwrap_or_default();
}
