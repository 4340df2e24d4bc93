//! The runner: a plan in, trials in parallel, everything reported, an end that is always told.
//!
//! What a run needs is collected by [`RunnerBuilder`]; `work` is what its trials share, and all attempts at one of them.
//! One attempt is the subject of [`crate::trial`].

mod builder;
mod work;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bench_core::lint::{Offer, unknown_tools};
use bench_core::transcript::Entry;
use bench_core::{Event, Problems, Trial};
use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::dispatch::{Dispatcher, Listener, Reporter};
use crate::earlier::Earlier;
use crate::journal::{Journal, JournalError};
use crate::preflight::{Offered, preflight};
use crate::process;
use crate::slots::Slots;
pub use builder::RunnerBuilder;
use work::Work;

/// Runs one plan. Made with [`Runner::builder`].
pub struct Runner {
    work: Arc<Work>,
    journal: Box<dyn Journal>,
    listeners: Vec<Listener>,
    cancel: CancellationToken,
    earlier: Earlier,
}

/// How a run ended, as far as the runner can tell.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunEnd {
    /// Every trial of the plan is over.
    Completed,
    /// The cancel token was triggered. Finished trials are kept, the others stay to be resumed.
    Cancelled,
    /// The run's budget was used up. Finished trials are kept, the others stay to be resumed with a higher one.
    OverBudget {
        /// What was used up, and how much of it there was.
        cause: String,
    },
    /// The run itself broke: a gym could not be reached before the first trial, or nothing can be
    /// written any more.
    Failed(RunError),
}

/// Why a run broke.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// Something that the plan names was not given to the builder.
    #[error("the plan needs {what}, which was not given to the runner")]
    Missing {
        /// What.
        what: String,
    },
    /// Gyms could not be reached before the first trial.
    #[error("not all gyms can be reached:\n{}", problems.join("\n"))]
    Gyms {
        /// One sentence per gym.
        problems: Vec<String>,
    },
    /// Scenarios need tools that their gyms turned out not to offer. No trial was begun.
    #[error("the harness names tools that its gyms do not offer:\n{problems}")]
    Tools {
        /// Each with its scenario, and where that is written.
        problems: Problems,
    },
    /// The dispatcher thread could not be started.
    #[error("cannot start the dispatcher thread")]
    Thread(#[source] std::io::Error),
    /// Nothing can be written any more.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Runner {
    /// Runs every trial without a verdict and returns when all of it is written down.
    ///
    /// Boxed, so that all that a run consists of is compiled here and not again in each program.
    pub fn run(self) -> BoxFuture<'static, RunEnd> {
        Box::pin(self.run_to_its_end())
    }

    async fn run_to_its_end(self) -> RunEnd {
        let stop = self.cancel.child_token();
        let secrets = self.work.env.secrets().clone();
        let started = Dispatcher::start(self.journal, self.listeners, secrets, stop.clone());
        let (reporter, dispatcher) = match started {
            Ok(started) => started,
            Err(error) => return RunEnd::Failed(RunError::Thread(error)),
        };
        let tried = tokio::select! {
            biased;
            tried = run_all(&self.work, &self.earlier, &reporter, &stop) => tried,
            never = out_of_time(&self.work, &stop) => match never {},
        };
        let run_id = self.work.run_id.clone();
        drop(tokio::task::spawn_blocking(move || process::end_of_run(&run_id)).await); // the run has its end all the same
        drop(reporter);
        let written = tokio::task::spawn_blocking(|| dispatcher.finish()).await;
        let panicked = |error| JournalError::new(std::io::Error::other(error));
        match (written.unwrap_or_else(|error| Err(panicked(error))), tried) {
            (Err(error), _) => RunEnd::Failed(error.into()),
            (Ok(()), Err(error)) => RunEnd::Failed(error),
            (Ok(()), Ok(())) if self.cancel.is_cancelled() => RunEnd::Cancelled,
            (Ok(()), Ok(())) => match self.work.ledger.over() {
                Some(cause) => RunEnd::OverBudget {
                    cause: cause.to_owned(),
                },
                None => RunEnd::Completed,
            },
        }
    }
}

/// When the run's time is over, ends what is under way. Never returns: the run ends once its trials have.
async fn out_of_time(work: &Work, stop: &CancellationToken) -> Infallible {
    if let Some(most) = work.plan.budget.max_duration_seconds
        && let Ok(time) = Duration::try_from_secs_f64(most)
    {
        tokio::time::sleep(time).await;
        work.ledger.end(format!("the time of the run is over: {most} s"));
        stop.cancel();
    }
    std::future::pending().await
}

/// Stands in a transcript where a worker ended in the middle of a trial.
const CUT_OFF: &str = "the worker ended here, before the trial was over; what follows is from after a resume";

async fn run_all(
    work: &Arc<Work>,
    earlier: &Earlier,
    reporter: &Reporter,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let mut trials = work.plan.trials();
    trials.retain(|t| earlier.end_of(&t.id).is_none_or(|f| !f.outcome.is_verdict()));
    let already = work.plan.trial_count() - u32::try_from(trials.len()).unwrap_or(u32::MAX);
    reporter
        .note(Event::RunStarted {
            trials: work.plan.trial_count(),
            already_finished: already,
        })
        .await;
    for event in earlier.interrupted_in(&work.plan) {
        reporter.event(event).await;
    }
    earlier.remove_databases(&work.gyms, reporter).await;
    reach_gyms(work, &trials, reporter, stop).await?;
    let slots = Slots::new(work.plan.max_concurrency as usize);
    let mut running = JoinSet::new();
    for trial in trials {
        let slot = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            slot = slots.next() => slot,
        };
        if work.ledger.over().is_some() {
            break;
        }
        if earlier.is_interrupted(&trial.id) {
            let text = CUT_OFF.to_owned();
            reporter.entry(&trial.id, Entry::Note { text }).await;
        }
        let replaces = earlier.end_of(&trial.id).map(|f| f.outcome);
        let (work, reporter, stop) = (Arc::clone(work), reporter.clone(), stop.clone());
        running.spawn(async move { work.run_trial(trial, slot, replaces, &reporter, &stop).await });
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
    Ok(())
}

/// Reaches the gyms that the trials need, once, before the first of them.
async fn reach_gyms(
    work: &Work,
    trials: &[Trial],
    reporter: &Reporter,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let needed = |key: &str| {
        trials
            .iter()
            .any(|t| work.plan.scenarios[t.scenario].gym_keys.iter().any(|k| k == key))
    };
    let gyms: Vec<_> = work
        .gyms
        .values()
        .filter(|gym| needed(&gym.spec().key))
        .cloned()
        .collect();
    let reached = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        reached = preflight(&gyms, &work.run_id, reporter) => reached,
    };
    match reached {
        Ok(offered) => check_tools(work, trials, &offered),
        Err(errors) => Err(RunError::Gyms {
            problems: errors.iter().map(ToString::to_string).collect(),
        }),
    }
}

/// Compares the tools that the scenarios of these trials name with those that their gyms offer.
fn check_tools(work: &Work, trials: &[Trial], offered: &Offered) -> Result<(), RunError> {
    let scenarios: BTreeSet<usize> = trials.iter().map(|trial| trial.scenario).collect();
    let of_scenario = |index: usize| {
        let scenario = &work.plan.scenarios[index];
        let gyms = scenario.gym_keys.iter().filter_map(|key| work.gyms.get(key));
        let offers: Vec<Offer<'_>> = gyms
            .map(|gym| Offer {
                gym: &gym.spec().name,
                tools: offered.by(gym.spec()),
            })
            .collect();
        unknown_tools(scenario, &offers)
    };
    let problems: Vec<_> = scenarios.into_iter().flat_map(of_scenario).collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(RunError::Tools {
            problems: Problems(problems),
        })
    }
}
