//! `bench-cli logs`: what the gyms and the runner logged per trial.

use std::io::{BufRead, Write};

use bench_report::text;
use bench_runner::{BenchJob, PREFLIGHT};
use bench_state::{Ending, ItemId, RunView};

use super::page::worker_log;
use super::show::find_trial;
use super::{attach, sweep};
use crate::args::runs::LogsArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint::{STRONG, paint};

/// Shows the logs of all trials in the plan's order, or of one.
pub(super) fn cmd(args: &LogsArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    let view = store.read(&store.resolve(&args.run)?, cx.now)?;
    sweep::leftovers(&store, cx);
    if args.follow {
        let only = args.trial.as_ref().map(|wanted| find_trial(&view, wanted));
        return attach::follow_logs(view.id(), only.transpose()?, cx);
    }
    if let Some(wanted) = &args.trial {
        let id = find_trial(&view, wanted)?;
        if !write_log(&view, &id, false, cx)? {
            writeln!(cx.err, "trial `{id}` has no log")?;
        }
        return Ok(Exit::Success);
    }
    // Gyms that did not start have said why before the first trial.
    let mut any = write_log(&view, &PREFLIGHT.parse()?, true, cx)?;
    for trial in view.plan()?.trials() {
        any |= write_log(&view, &trial.id.as_str().parse()?, true, cx)?;
    }
    if !any {
        writeln!(cx.err, "no trial of run `{}` has a log", view.id())?;
    }
    broke(&view, cx)?;
    Ok(Exit::Success)
}

/// Why the run itself broke, if it did: the logs of its trials do not say it.
fn broke(view: &RunView<BenchJob>, cx: &mut Context) -> Result<(), CliError> {
    let summary = view.summary();
    let Some(Ending::Failed { cause }) = summary.state.status.ending() else {
        return Ok(());
    };
    let cause = text::clean_line(&cause.message);
    writeln!(cx.err, "the run failed: {cause}")?;
    if let Some(log) = worker_log(summary) {
        writeln!(cx.err, "what its worker said: {}", cx.shown(&log))?;
    }
    Ok(())
}

/// Whether there was one.
fn write_log(
    view: &RunView<BenchJob>,
    id: &ItemId,
    titled: bool,
    cx: &mut Context,
) -> Result<bool, CliError> {
    let Some(mut log) = view.text_log(id)? else {
        return Ok(false);
    };
    if titled {
        writeln!(cx.out, "{}", paint(STRONG, &format!("==> {id} <==")))?;
    }
    let unreadable =
        |error| CliError::unfinished(format!("cannot read the log of trial `{id}`")).because(error);
    let mut line = Vec::new();
    while log.read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
        writeln!(
            cx.out,
            "{}",
            text::clean(String::from_utf8_lossy(&line).trim_end())
        )?;
        line.clear();
    }
    Ok(true)
}
