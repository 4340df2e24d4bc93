//! `bench-cli attach` and `logs --follow`: a run as it goes on, until it is over or nobody watches any more.
//!
//! Watching changes nothing: Ctrl-C ends the watching, not the run.

use std::io::Write;
use std::time::{Duration, Instant};

use bench_report::text;
use bench_runner::{BenchJob, Earlier, OVER_BUDGET};
use bench_state::{Ending, Follow, Followed, ItemId, LogLines, LogSource, RunId, RunStatus};
use chrono::Utc;

use super::execute::{End, EventLoop};
use super::page::Page;
use super::{start, sweep};
use crate::args::life::{AttachArgs, AttachUi};
use crate::args::run::Ui;
use crate::context::Context;
use crate::dashboard;
use crate::error::CliError;
use crate::exit::Exit;
use crate::progress::Show;
use crate::render::paint::{FAINT, paint};

/// How long to wait for something to happen before looking for Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(100);

/// Why watching ended.
enum Watched {
    /// The run is over, and everything was shown.
    Over,
    /// A signal.
    Detached,
}

/// Shows logs and progress from the beginning to the end, then the results; ends as `run` would.
pub(super) fn attach(args: &AttachArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    let id = store.resolve(&args.run)?;
    let view = store.read(&id, Utc::now())?;
    let over = view.summary().state.status.is_over();
    if args.ui == Some(AttachUi::Tui) {
        return in_the_view(&id, over, args, cx);
    }
    if args.ui.is_none() && !args.json && !over && dashboard::can_run(cx) {
        let view = cx.command(&format!("attach {id} --ui tui"));
        start::tell(&format!("`{view}` shows it on the whole screen"), cx);
    }
    let ui = if args.json { Ui::Quiet } else { Ui::Plain };
    // Everything that happened is told again, so nothing is known before.
    let show = Show::start(&view.plan()?, &Earlier::default(), ui, args.json, cx)
        .map_err(|error| CliError::unfinished("cannot start the progress thread").because(error))?;
    let mut follow = store.follow(&id, Utc::now())?;
    if !args.json {
        follow = follow.with_logs(store.tail_logs(&id, None));
    }
    let mut listener = show.listener();
    let watched = watch(&mut follow, cx, |what, cx| match what {
        Followed::Event(recorded) => {
            listener(&recorded.event, recorded.at);
            Ok(())
        }
        Followed::Log(LogLines {
            source: LogSource::Item(trial),
            text,
        }) => write_lines(&trial, &text, cx),
        // What the worker says is the progress that is shown anyway.
        _ => Ok(()),
    })?;
    drop(listener);
    show.finish();
    match watched {
        Watched::Detached => {
            detached(&id, cx);
            Ok(Exit::Success)
        }
        Watched::Over => {
            start::tell("", cx);
            results(&id, args, cx)
        }
    }
}

/// Shows the dashboard's view of a run until it is over, then the results; the same ends as without it.
fn in_the_view(id: &RunId, over: bool, args: &AttachArgs, cx: &mut Context) -> Result<Exit, CliError> {
    if let Some(why) = dashboard::lacks(cx) {
        return Err(
            CliError::usage(format!("`--ui tui` needs a terminal; {why}")).hint("leave `--ui tui` out")
        );
    }
    if over || dashboard::attached(id.clone(), cx)? {
        return results(id, args, cx);
    }
    detached(id, cx);
    Ok(Exit::Success)
}

/// The results of a run that is over.
fn results(id: &RunId, args: &AttachArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    sweep::leftovers(&store, cx);
    let page = Page::read(&store.inspect(id, Utc::now())?)?;
    let gate = args.score.over(page.gate);
    start::finish(end_of(page.run_status()), &page, &gate, args.json, cx)
}

/// Shows what is added to logs, from their beginning.
pub(super) fn follow_logs(id: &RunId, only: Option<ItemId>, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    let logs = store.tail_logs(id, only.map(LogSource::Item));
    let mut follow = store.follow(id, Utc::now())?.only_new()?.with_logs(logs);
    let watched = watch(&mut follow, cx, |what, cx| match what {
        Followed::Log(LogLines {
            source: LogSource::Item(trial),
            text,
        }) => write_lines(&trial, &text, cx),
        _ => Ok(()),
    })?;
    if let Watched::Detached = watched {
        detached(id, cx);
    }
    Ok(Exit::Success)
}

/// Takes in what happens until the run is over or a signal comes.
fn watch(
    follow: &mut Follow<BenchJob>,
    cx: &mut Context,
    mut show: impl FnMut(Followed<BenchJob>, &mut Context) -> Result<(), CliError>,
) -> Result<Watched, CliError> {
    let EventLoop { runtime, mut signals } = EventLoop::start()?;
    let mut looked = Instant::now();
    loop {
        match follow.next_within(PATIENCE)? {
            Followed::Over(_) => return Ok(Watched::Over),
            Followed::Quiet => cx.out.flush()?,
            what => show(what, cx)?,
        }
        if looked.elapsed() >= PATIENCE {
            looked = Instant::now();
            let signal = async { tokio::time::timeout(Duration::from_millis(1), signals.next()).await };
            if runtime.block_on(signal).is_ok() {
                return Ok(Watched::Detached);
            }
        }
    }
}

fn write_lines(trial: &ItemId, text: &str, cx: &mut Context) -> Result<(), CliError> {
    let prefix = paint(FAINT, &format!("{trial} |"));
    for line in text.lines() {
        writeln!(cx.out, "{prefix} {}", text::clean(line))?;
    }
    Ok(())
}

fn detached(id: &RunId, cx: &mut Context) {
    start::tell(
        &format!(
            "detached; the run goes on: `{}` comes back",
            cx.command(&format!("attach {id}"))
        ),
        cx,
    );
}

/// How a run ended, from its files.
pub(super) fn end_of(status: &RunStatus) -> End {
    match status.ending() {
        Some(Ending::Completed) => End::Completed,
        Some(Ending::Cancelled { reason }) if reason.code() == OVER_BUDGET => {
            End::OverBudget("the budget of the run is used up".to_owned())
        }
        Some(Ending::Cancelled { .. }) => End::Cancelled,
        Some(Ending::Failed { cause }) => {
            let why = format!("the run failed ({}): {}", cause.kind.code(), cause.message);
            End::Failed(CliError::unfinished(why))
        }
        None => End::Failed(CliError::unfinished("the run is not over")),
    }
}
