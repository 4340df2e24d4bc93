//! `bench-cli cleanup`: what is not as it should be, and with `--no-dry-run` something done about it.

mod left;

use std::io::Write;

use bench_report::table::{Column, Table};
use bench_report::text::{clean_line, count, shorten};
use bench_runner::BenchJob;
use bench_state::{Action, Applied, CleanupPlan, CleanupRow, Subject, Why};
use serde_json::{Value, json};

use self::left::{Left, Removed};
use super::{REPEAT, kill, list, sweep, write_json};
use crate::args::upkeep::CleanupArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint;

/// Shows what is wrong; by default nothing else, and nothing is changed on the disk.
pub(super) fn cmd(args: &CleanupArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    let plan = store.plan_cleanup(cx.now, args.stale.threshold())?;
    let left = left::find(&store, cx)?;
    if !args.json {
        write_plan(&plan, &left, cx)?;
    }
    if !args.no_dry_run {
        if args.json {
            write_json(&document(&plan, &left, args, None), cx)?;
        } else if !plan.rows.is_empty() || !plan.leftovers.is_empty() || !left.is_empty() {
            writeln!(cx.err, "nothing changed; {REPEAT} to apply")?;
        }
        return Ok(Exit::Success);
    }
    let mut applied = store.apply(&plan)?;
    if args.kill_overdue {
        applied.settled.extend(end_overdue(&plan, cx)?);
    }
    sweep::leftovers(&store, cx);
    let removed = left::remove(&left, &store, cx)?;
    if args.json {
        write_json(&document(&plan, &left, args, Some((&applied, &removed))), cx)?;
    } else {
        write_applied(&applied, &removed, cx)?;
    }
    let whole = applied.problems.is_empty() && removed.problems.is_empty();
    Ok(if whole { Exit::Success } else { Exit::Unfinished })
}

/// Ends runs whose workers live but do nothing.
fn end_overdue(plan: &CleanupPlan<BenchJob>, cx: &Context) -> Result<Vec<String>, CliError> {
    let overdue = plan.rows.iter().filter(|row| row.why == Why::Overdue);
    let runs = overdue.filter_map(|row| match &row.subject {
        Subject::Run(run) => Some(run.state.id.clone()),
        _ => None,
    });
    let killed = kill::end_all(&cx.store()?, runs.collect(), kill::GRACE)?;
    Ok(killed.into_iter().map(|killed| killed.run.to_string()).collect())
}

fn write_plan(plan: &CleanupPlan<BenchJob>, left: &[Left], cx: &mut Context) -> Result<(), CliError> {
    if plan.rows.is_empty() {
        writeln!(cx.err, "every run is as it should be")?;
    } else {
        let table = table(plan, cx).render(cx.out_look.width);
        write!(cx.out, "{}", paint::table(&table))?;
    }
    if !left.is_empty() {
        let title = paint::paint(paint::STRONG, "Left behind by runs that are over:");
        let table = left::table(left).render(cx.out_look.width);
        write!(cx.out, "\n{title}\n{}", paint::table(&table))?;
    }
    if !plan.leftovers.is_empty() {
        writeln!(
            cx.err,
            "{} of crashed commands",
            count(plan.leftovers.len(), "leftover file")
        )?;
    }
    list::write_problems(&plan.problems, cx)
}

fn table(plan: &CleanupPlan<BenchJob>, cx: &Context) -> Table {
    let mut table = Table::new([
        Column::word("run"),
        Column::word("started"),
        Column::word("progress"),
        Column::text("models").dispensable(1),
        Column::word("why"),
        Column::word("what is done"),
    ]);
    for row in &plan.rows {
        let started = row.started_at().map(|at| cx.times().text(at));
        let (progress, models) = progress_and_models(row);
        table.row([
            clean_line(row.id()),
            started.unwrap_or_else(|| "—".to_owned()),
            progress,
            shorten(&clean_line(&models), 60).into_owned(),
            row.why.word().to_owned(),
            action(row).to_owned(),
        ]);
    }
    table
}

fn progress_and_models(row: &CleanupRow<BenchJob>) -> (String, String) {
    match &row.subject {
        Subject::Run(run) => {
            let progress = &run.state.progress;
            let trials = format!("({}/{})", progress.trials_done, progress.trials_total);
            (trials, run.state.summary.model_summary.clone())
        }
        Subject::Unreadable { .. } => ("—".to_owned(), "—".to_owned()),
        Subject::Legacy(row) => {
            let models = row.model_summary.clone().unwrap_or_else(|| "—".to_owned());
            (format!("{}/{}", row.passed, row.total), models)
        }
    }
}

fn action(row: &CleanupRow<BenchJob>) -> &'static str {
    match row.action {
        Action::Settle => "settled",
        Action::Repair => "repaired",
        Action::Leave => "left alone",
    }
}

fn write_applied(applied: &Applied, removed: &Removed, cx: &mut Context) -> Result<(), CliError> {
    let mut done = vec![
        format!("{} settled", count(applied.settled.len(), "run")),
        format!("{} removed", count(applied.removed.len(), "leftover file")),
    ];
    if removed.databases > 0 {
        done.push(format!("{} removed", count(removed.databases, "database")));
    }
    writeln!(cx.err, "{}", done.join(", "))?;
    for problem in &removed.problems {
        let problem = clean_line(problem);
        writeln!(cx.err, "{} {problem}", paint::paint(paint::ODD, "!"))?;
    }
    list::write_problems(&applied.problems, cx)
}

fn document(
    plan: &CleanupPlan<BenchJob>,
    left: &[Left],
    args: &CleanupArgs,
    done: Option<(&Applied, &Removed)>,
) -> Value {
    let (applied, removed) = done.unzip();
    let rows = plan.rows.iter().map(|row| {
        let (progress, models) = progress_and_models(row);
        json!({
            "run_id": row.id(), "started_at": row.started_at(), "progress": progress, "model_summary": models,
            "why": row.why.word(), "action": action(row),
        })
    });
    let problems = plan
        .problems
        .iter()
        .chain(applied.iter().flat_map(|applied| &applied.problems))
        .map(list::problem);
    let stay = removed.iter().flat_map(|removed| &removed.problems);
    let stay = stay.map(|problem| json!({"error": problem}));
    json!({
        "dry_run": !args.no_dry_run,
        "rows": rows.collect::<Vec<_>>(),
        "leftovers": plan.leftovers,
        "left_behind": left::document(left),
        "settled": applied.map(|applied| &applied.settled),
        "removed": applied.map(|applied| &applied.removed),
        "databases_removed": removed.map(|removed| removed.databases),
        "problems": problems.chain(stay).collect::<Vec<_>>(),
    })
}
