//! Runs a plan in this process.
//!
//! The duty to end the run lies in the synchronous frame around the event loop: whatever happens inside (an error, a
//! panic, a signal), the way out leads through it. A first signal asks the running trials to end; a second one stops
//! waiting for them. Both keep what is finished.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bench_core::Plan;
use bench_runner::env::Environment;
use bench_runner::model::{Connector, ModelClient};
use bench_runner::{BenchJob, RunEnd, RunError, RunSummary, Runner, RunnerBuilder, StoreJournal};
use bench_state::{ActiveRun, CancelReason, Ending, RunId, StateError};
use chrono::Utc;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::request::Request;
use super::tell;
use crate::args::run::OutputArgs;
use crate::commands::reach::Reach;
use crate::context::Context;
use crate::error::CliError;
use crate::progress::Show;
use crate::signals::Signals;
use crate::sink::Sink;

/// How long tasks that did not end by themselves may take to be dropped.
const DROPPING: Duration = Duration::from_secs(2);

/// A run that is over.
pub(super) struct Ran {
    /// Its name.
    pub(super) id: RunId,
    /// How it ended.
    pub(super) end: End,
    /// A terminal or pipe that does not read holds up the output: write nothing more.
    pub(super) reader_stuck: bool,
}

/// How a run ended.
pub(super) enum End {
    /// All trials are over.
    Completed,
    /// A signal ended it.
    Cancelled,
    /// It broke.
    Failed(CliError),
}

/// Runs the plan. Errors before the run exists leave nothing behind; later ones are in [`Ran::end`].
pub(super) fn execute(request: Request, output: &OutputArgs, cx: &mut Context) -> Result<Ran, CliError> {
    let Request {
        plan, environment, ..
    } = request;
    // From here on signals are ours: none can end the process between the creation of the run and its guard.
    let (runtime, mut signals) =
        event_loop().map_err(|error| CliError::unfinished("cannot set up the event loop").because(error))?;
    let reach = runtime.block_on(Reach::open(&plan.gyms, &environment))?;
    let models = connect(&plan, &environment, cx)?;
    let show = Show::start(&plan, output.ui, output.json, cx)
        .map_err(|error| CliError::unfinished("cannot start the progress thread").because(error))?;
    let run = cx.store()?.create(&plan, RunSummary::of(&plan), Utc::now())?;
    announce(&run, &plan, output.json, cx);

    let (guard, recorder) = run.split();
    let id = guard.id().clone();
    let cancel = CancellationToken::new();
    let builder = Runner::builder(id.to_string(), plan).journal(StoreJournal::new(recorder));
    let builder = models.into_iter().fold(builder, RunnerBuilder::model);
    let builder = reach.gyms.iter().cloned().fold(builder, RunnerBuilder::gym);
    let runner = builder
        .listener(show.listener())
        .cancel(cancel.clone())
        .environment(&environment)
        .build();
    let end = match runner {
        Ok(runner) => drive(&runtime, runner, &mut signals, &cancel, &cx.err),
        Err(error) => RunEnd::Failed(error),
    };
    clean_up(&runtime, reach, &mut signals, &cx.err);
    runtime.shutdown_timeout(DROPPING);
    let finished = guard.finish(ending(&end), Utc::now());
    let reader_stuck = !show.finish();
    let end = verdict(end, finished.err());
    Ok(Ran {
        id,
        end,
        reader_stuck,
    })
}

/// A runtime on this thread, and the signals it listens to.
fn event_loop() -> std::io::Result<(Runtime, Signals)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let inside = runtime.enter();
    let signals = Signals::listen()?;
    drop(inside);
    Ok((runtime, signals))
}

/// A client for every model. Nothing is sent yet.
fn connect(
    plan: &Plan,
    environment: &Environment,
    cx: &Context,
) -> Result<Vec<Arc<dyn ModelClient>>, CliError> {
    let mut connector = Connector::new(environment, &cx.cwd, plan.max_concurrency as usize);
    let clients = plan.models.iter().map(|spec| connector.connect(spec));
    clients
        .collect::<Result<_, _>>()
        .map_err(|error| CliError::usage(error.to_string()).because(error))
}

fn announce(run: &ActiveRun<BenchJob>, plan: &Plan, json: bool, cx: &mut Context) {
    let trials = plan.trial_count();
    if json {
        let line = json!({"event": "run_created", "run_id": run.id(), "dir": run.dir(), "trials": trials});
        writeln!(cx.out, "{line}").unwrap_or_default(); // nobody reads; the run goes on all the same
    } else {
        let folder = cx.shown(run.dir());
        tell(&format!("{}: {trials} trials, {folder}", run.id()), cx);
    }
}

/// Runs until all trials are over, or a second signal comes.
fn drive(
    runtime: &Runtime,
    runner: Runner,
    signals: &mut Signals,
    cancel: &CancellationToken,
    err: &Sink,
) -> RunEnd {
    let interrupted = async {
        let name = signals.next().await;
        cancel.cancel();
        say(
            err,
            &format!(
                "{name}: waiting for running trials to stop; finished ones are kept; once more to stop at once"
            ),
        );
        let name = signals.next().await;
        say(err, &format!("{name}: stopping at once"));
    };
    runtime.block_on(async {
        tokio::select! {
            biased;
            end = runner.run() => end,
            () = interrupted => RunEnd::Cancelled,
        }
    })
}

/// Lets gyms remove databases and processes, unless a further signal has no patience for that.
fn clean_up(runtime: &Runtime, reach: Reach, signals: &mut Signals, err: &Sink) {
    runtime.block_on(async {
        tokio::select! {
            left = reach.close() => {
                if let Some(left) = left {
                    say(err, &left);
                }
            }
            name = signals.next() => say(err, &format!("{name}: leaving without waiting for gyms to clean up")),
        }
    });
}

/// Talk that goes on without a listener.
fn say(err: &Sink, line: &str) {
    writeln!(err.clone(), "{line}").unwrap_or_default();
}

/// What is written down about the end.
fn ending(end: &RunEnd) -> Ending {
    match end {
        RunEnd::Completed => Ending::Completed,
        RunEnd::Cancelled => Ending::Cancelled {
            reason: CancelReason::Interrupted,
        },
        RunEnd::Failed(error) => Ending::failed(with_causes(error)),
        _ => Ending::failed("the runner ended in a way that this version does not know"),
    }
}

/// What is told about the end. An end that could not be written down is an error of its own.
fn verdict(end: RunEnd, unwritten: Option<StateError>) -> End {
    match (end, unwritten) {
        (RunEnd::Failed(error), _) => End::Failed(CliError::unfinished("the run failed").because(error)),
        (_, Some(error)) => End::Failed(error.into()),
        (RunEnd::Completed, None) => End::Completed,
        (_, None) => End::Cancelled,
    }
}

fn with_causes(error: &RunError) -> String {
    let causes = crate::error::sources(error);
    std::iter::once(error.to_string())
        .chain(causes)
        .collect::<Vec<_>>()
        .join(": ")
}
