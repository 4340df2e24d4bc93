//! `bench-cli list`: the runs there are.

use std::collections::BTreeSet;
use std::io::Write;

use bench_core::Plan;
use bench_core::plan::Selection;
use bench_report::runs::{self, RunRow};
use bench_report::text;
use bench_runner::BenchJob;
use bench_state::{CleanupRow, Ending, LegacyRow, Listing, Problem, RunSummary, Standing, Why, Worker};
use serde_json::{Value, json};

use super::{older, sweep, write_json};
use crate::args::runs::{ListArgs, StatusFilter};
use crate::context::Context;
use crate::error::{CliError, sources};
use crate::exit::Exit;
use crate::render::paint;

/// Runs that broke whose cause is told.
const MOST_CAUSES: usize = 3;
/// The most characters of a cause.
const LONGEST_CAUSE: usize = 200;

/// Lists runs, newest first.
pub(super) fn cmd(args: &ListArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let mut legacy = legacy(cx)?;
    if let Some(wanted) = args.status {
        legacy.retain(|row| older::row(row).status == wanted.word());
    }
    let mut listing = match args.status {
        None => read(args.limit, cx)?,
        // A filter has to look at all of them; without one, only those that are shown are opened.
        Some(_) => read(0, cx)?,
    };
    if let Some(wanted) = args.status {
        keep(&mut listing, wanted, args, cx)?;
    }
    let room = if args.limit == 0 { usize::MAX } else { args.limit };
    legacy.truncate(room.saturating_sub(listing.runs.len()));
    if args.json {
        write_json(&document(&listing, &legacy), cx)?;
    } else {
        write_table(&listing, &legacy, args, cx)?;
        write_rest(&listing, cx)?;
    }
    if args.exit_code && !(listing.runs.is_empty() && legacy.is_empty()) {
        return Ok(Exit::Gate);
    }
    Ok(Exit::Success)
}

/// The newest runs; all of them if `limit` is 0. What dead workers left behind is ended.
pub(super) fn read(limit: usize, cx: &Context) -> Result<Listing<BenchJob>, CliError> {
    let store = cx.store()?;
    let listing = store.list((limit > 0).then_some(limit), cx.now)?;
    sweep::leftovers(&store, cx);
    Ok(listing)
}

/// Results of the older tool in the same folder.
pub(super) fn legacy(cx: &Context) -> Result<Vec<LegacyRow>, CliError> {
    let mut found = cx.store()?.legacy()?;
    for problem in found.problems.drain(..) {
        tracing::debug!(%problem, "a result of the older tool cannot be read");
    }
    Ok(found.rows)
}

/// Keeps runs that stand there.
fn keep(
    listing: &mut Listing<BenchJob>,
    wanted: StatusFilter,
    args: &ListArgs,
    cx: &Context,
) -> Result<(), CliError> {
    if wanted == StatusFilter::Overdue {
        let plan = cx.store()?.plan_cleanup(cx.now, args.stale.threshold())?;
        let late = |row: &&CleanupRow<BenchJob>| matches!(row.why, Why::Overdue | Why::Unknown);
        let late: BTreeSet<&str> = plan.rows.iter().filter(late).map(CleanupRow::id).collect();
        listing.runs.retain(|run| late.contains(run.state.id.as_str()));
    } else {
        listing
            .runs
            .retain(|run| run.state.status.word() == wanted.word());
    }
    let most = if args.limit == 0 { usize::MAX } else { args.limit };
    listing.not_shown = listing.runs.len().saturating_sub(most);
    listing.runs.truncate(most);
    Ok(())
}

fn document(listing: &Listing<BenchJob>, legacy: &[LegacyRow]) -> Value {
    json!({
        "runs": listing.runs,
        "older_tool": legacy,
        "not_shown": listing.not_shown,
        "problems": listing.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

/// Says that there are none, and where was looked.
pub(super) fn write_none(status: Option<StatusFilter>, cx: &mut Context) -> Result<(), CliError> {
    let which = status
        .map(|status| format!("{} ", status.word()))
        .unwrap_or_default();
    writeln!(cx.err, "no {which}runs in {}", cx.shown(&cx.results_dir()))?;
    Ok(())
}

fn write_table(
    listing: &Listing<BenchJob>,
    legacy: &[LegacyRow],
    args: &ListArgs,
    cx: &mut Context,
) -> Result<(), CliError> {
    let rows: Vec<RunRow> = listing
        .runs
        .iter()
        .map(row)
        .chain(legacy.iter().map(older::row))
        .collect();
    if rows.is_empty() {
        write_none(args.status, cx)?;
    } else {
        let table = runs::table(&rows, cx.times(), cx.now).render(cx.out_look.width);
        write!(cx.out, "{}", paint::table(&table))?;
    }
    write_causes(&listing.runs, cx)
}

/// Why the newest runs that broke did so, and where more is told.
pub(super) fn write_causes(runs: &[RunSummary<BenchJob>], cx: &mut Context) -> Result<(), CliError> {
    let broken = runs.iter().filter_map(|run| match run.state.status.ending()? {
        Ending::Failed { cause } => Some((&run.state.id, cause)),
        _ => None,
    });
    for (id, cause) in broken.take(MOST_CAUSES) {
        let why = text::clean_line(&format!("{}: {}", cause.kind.code(), cause.message));
        let show = cx.command(&format!("show {id}"));
        writeln!(
            cx.err,
            "{} {}; `{show}`",
            paint::signs("✗"),
            text::shorten(&why, LONGEST_CAUSE)
        )?;
    }
    Ok(())
}

/// What is not in the list, and why.
pub(super) fn write_rest(listing: &Listing<BenchJob>, cx: &mut Context) -> Result<(), CliError> {
    if listing.not_shown > 0 {
        writeln!(
            cx.err,
            "{} not shown; `--limit 0` shows all",
            text::count(listing.not_shown, "older run")
        )?;
    }
    write_problems(&listing.problems, cx)
}

/// What is wrong with single runs, for programs.
pub(super) fn problem(problem: &Problem) -> Value {
    json!({"path": problem.path, "error": problem.to_string(), "because": sources(&problem.error)})
}

/// What is wrong with single runs, a line each.
pub(super) fn write_problems(problems: &[Problem], cx: &mut Context) -> Result<(), CliError> {
    for problem in problems {
        let because: String = sources(&problem.error)
            .iter()
            .flat_map(|cause| [": ", cause])
            .collect();
        writeln!(
            cx.err,
            "{} {}",
            paint::paint(paint::ODD, "!"),
            text::clean_line(&format!("{problem}{because}"))
        )?;
    }
    Ok(())
}

/// The worker of a run that goes on, if it is stopped: by SIGSTOP, Ctrl-Z or a debugger.
pub(super) fn stopped_worker(run: &RunSummary<BenchJob>) -> Option<&Worker> {
    let alive = matches!(run.standing, Standing::Alive);
    run.state
        .worker
        .as_ref()
        .filter(|worker| alive && worker.is_stopped())
}

/// Whether trials of a run were chosen by how they had ended in another one. Its plan knows it, and so does its summary,
/// but for runs of before that was written there.
pub(super) fn retry(run: &RunSummary<BenchJob>, plan: Option<&Plan>) -> Option<Selection> {
    let planned = plan.and_then(Plan::selection);
    planned.or_else(|| run.state.summary.retry.clone())
}

/// What a run is called, in lists: one of chosen trials is none like others, and says so first.
fn called(summary: &bench_runner::RunSummary) -> String {
    let name = &summary.harness_name;
    let label = summary.label.as_ref().map(|label| format!(" ({label})"));
    let retry = if summary.retry.is_some() { "retry: " } else { "" };
    format!("{retry}{name}{}", label.unwrap_or_default())
}

/// A run in a list.
pub(crate) fn row(run: &RunSummary<BenchJob>) -> RunRow {
    let state = &run.state;
    let status = match run.standing {
        Standing::Unknown { .. } => "unknown",
        _ if stopped_worker(run).is_some() => "stopped",
        _ => state.status.word(),
    };
    RunRow {
        run_id: state.id.to_string(),
        status: status.to_owned(),
        started_at: state.started_at,
        completed_at: state.status.completed_at(),
        progress: state.progress.clone(),
        harness: called(&state.summary),
        models: state.summary.model_summary.clone(),
    }
}
