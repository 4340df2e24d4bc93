//! Runs the trials of a run in this process: the one path of foreground runs and of the workers behind background runs.
//!
//! A [`Stage`] is everything around a plan, set before the run exists or is taken up, so that what cannot work leaves
//! nothing behind. The duty to end the run lies in the synchronous frame around the event loop: whatever happens inside
//! (an error, a panic, a signal), the way out leads through it. A first signal, or a request written down by somebody
//! else, asks the running trials to end; a second signal stops waiting for them. Both keep what is finished.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bench_core::Plan;
use bench_runner::env::Environment;
use bench_runner::gym::default_processes;
use bench_runner::model::{Connector, ModelClient};
use bench_runner::{BenchJob, Earlier, RunEnd, Runner, RunnerBuilder, StoreJournal};
use bench_state::{ActiveRun, CancelReason, Ending, Recorder, RunId, StateError};
use chrono::Utc;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::reach::Reach;
use crate::args::run::Ui;
use crate::context::Context;
use crate::error::CliError;
use crate::progress::Show;
use crate::signals::Signals;
use crate::sink::Sink;

/// Time between two looks whether somebody asked for the end of the run.
const LOOK_EVERY: Duration = Duration::from_secs(1);
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
    /// It used up its budget.
    OverBudget(String),
    /// It broke.
    Failed(CliError),
}

/// A runtime on this thread, and the signals it listens to. From its making on signals are ours: none can end the
/// process between the creation of a run and its guard.
pub(super) struct EventLoop {
    pub(super) runtime: Runtime,
    pub(super) signals: Signals,
}

impl EventLoop {
    /// Starts it. No thread is started before something runs.
    pub(super) fn start() -> Result<Self, CliError> {
        let start = || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let inside = runtime.enter();
            let signals = Signals::listen()?;
            drop(inside);
            Ok(Self { runtime, signals })
        };
        start().map_err(|error: std::io::Error| {
            CliError::unfinished("cannot set up the event loop").because(error)
        })
    }
}

/// Those of the models that are tried, in the plan's order, and that of the judge.
pub(super) type Clients = (Vec<Arc<dyn ModelClient>>, Option<Arc<dyn ModelClient>>);

/// Everything that a run needs around its plan.
pub(super) struct Stage {
    event_loop: EventLoop,
    plan: Plan,
    environment: Environment,
    earlier: Earlier,
    models: Vec<Arc<dyn ModelClient>>,
    judge: Option<Arc<dyn ModelClient>>,
    reach: Reach,
}

impl Stage {
    /// Connects models and gyms, and starts the tracker if it is needed. Nothing is sent yet.
    pub(super) fn set(
        event_loop: EventLoop,
        plan: Plan,
        environment: Environment,
        earlier: Earlier,
        cx: &Context,
    ) -> Result<Self, CliError> {
        let (models, judge) = connect(&plan, &environment, cx)?;
        let reach = event_loop
            .runtime
            .block_on(Reach::open(&plan.gyms, processes(&plan), &environment))?;
        Ok(Self {
            event_loop,
            plan,
            environment,
            earlier,
            models,
            judge,
            reach,
        })
    }

    /// Starts showing what will happen.
    pub(super) fn show(&self, ui: Ui, json: bool, cx: &Context) -> Result<Show, CliError> {
        Show::start(&self.plan, &self.earlier, ui, json, cx)
            .map_err(|error| CliError::unfinished("cannot start the progress thread").because(error))
    }

    /// Runs every trial without a verdict, and ends the run. Errors are in [`Ran::end`].
    pub(super) fn perform(self, run: ActiveRun<BenchJob>, show: Show, err: &Sink) -> Ran {
        let EventLoop { runtime, mut signals } = self.event_loop;
        let (guard, recorder) = run.split();
        let id = guard.id().clone();
        let cancel = CancellationToken::new();
        let builder = Runner::builder(id.to_string(), self.plan).journal(StoreJournal::new(recorder.clone()));
        let builder = self.models.into_iter().fold(builder, RunnerBuilder::model);
        let builder = self.judge.into_iter().fold(builder, RunnerBuilder::judge);
        let builder = self.reach.gyms.iter().cloned().fold(builder, RunnerBuilder::gym);
        let runner = builder
            .earlier(self.earlier)
            .listener(show.listener())
            .cancel(cancel.clone())
            .environment(&self.environment)
            .build();
        let end = match runner {
            Ok(runner) => {
                let interrupted = interrupted(&mut signals, &recorder, &cancel, err);
                drive(&runtime, runner, interrupted)
            }
            Err(error) => RunEnd::Failed(error),
        };
        clean_up(&runtime, self.reach, &mut signals, err);
        runtime.shutdown_timeout(DROPPING);
        let ending = ending(&end, &recorder);
        let finished = guard.finish(ending, Utc::now());
        let reader_stuck = !show.finish();
        let end = verdict(end, finished.err());
        Ran {
            id,
            end,
            reader_stuck,
        }
    }
}

/// Trials with child processes at once.
pub(super) fn processes(plan: &Plan) -> usize {
    plan.max_processes.map_or_else(default_processes, |n| n as usize)
}

/// A client for every model, and one for the judge. Nothing is sent yet.
pub(super) fn connect(plan: &Plan, environment: &Environment, cx: &Context) -> Result<Clients, CliError> {
    let launch_dir = cx.cwd.join(&plan.launch_dir);
    let mut connector = Connector::new(environment, &launch_dir, plan.max_concurrency as usize);
    let mut connect = |spec| {
        let client = connector.connect(spec);
        client.map_err(|error| CliError::usage(error.to_string()).because(error))
    };
    let models = plan.models.iter().map(&mut connect).collect::<Result<_, _>>()?;
    let judge = plan.judge.as_ref().map(connect).transpose()?;
    Ok((models, judge))
}

/// Runs until all trials are over, or until there is no patience for them any more.
fn drive(runtime: &Runtime, runner: Runner, interrupted: impl Future<Output = ()>) -> RunEnd {
    runtime.block_on(async {
        tokio::select! {
            biased;
            end = runner.run() => end,
            () = interrupted => RunEnd::Cancelled,
        }
    })
}

/// Cancels at the first signal or request, and returns with the next signal.
async fn interrupted(
    signals: &mut Signals,
    recorder: &Recorder<BenchJob>,
    cancel: &CancellationToken,
    err: &Sink,
) {
    let rest = "waiting for running trials to stop; finished ones are kept";
    tokio::select! {
        name = signals.next() => {
            cancel.cancel();
            say(err, &format!("{name}: {rest}; once more to stop at once"));
        }
        () = asked(recorder) => {
            cancel.cancel();
            say(err, &format!("asked to end: {rest}"));
            // Who asks in writing signals as well; that is the same request.
            signals.next().await;
        }
    }
    let name = signals.next().await;
    say(err, &format!("{name}: stopping at once"));
}

/// Waits until somebody asks through the store that the run ends.
async fn asked(recorder: &Recorder<BenchJob>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // Trouble with reading the file is no request, and shows elsewhere if it lasts.
        if let Ok(Some(_)) = recorder.cancel_requested() {
            return;
        }
    }
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
fn ending(end: &RunEnd, recorder: &Recorder<BenchJob>) -> Ending {
    let request = recorder.cancel_requested().ok().flatten();
    end.ending(request.map_or(CancelReason::Interrupted, |request| request.reason))
}

/// What is told about the end. An end that could not be written down is an error of its own.
fn verdict(end: RunEnd, unwritten: Option<StateError>) -> End {
    match (end, unwritten) {
        (RunEnd::Failed(error), _) => End::Failed(CliError::unfinished("the run failed").because(error)),
        (_, Some(error)) => End::Failed(error.into()),
        (RunEnd::Completed, None) => End::Completed,
        (RunEnd::OverBudget { cause }, None) => End::OverBudget(cause),
        (_, None) => End::Cancelled,
    }
}
