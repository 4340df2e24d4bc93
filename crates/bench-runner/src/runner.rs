//! The runner: a plan in, trials in parallel, everything reported, an end that is always told.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bench_core::event::TrialFinished;
use bench_core::lint::{Offer, unknown_tools};
use bench_core::record::FORMAT;
use bench_core::{Cost, Event, Outcome, Plan, Problems, Trial, TrialRecord, Usage};
use chrono::Utc;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::dispatch::{Dispatcher, Listener, Reporter};
use crate::earlier::Earlier;
use crate::env::Environment;
use crate::gym::Gym;
use crate::journal::{Journal, JournalError, MemoryJournal};
use crate::judging::{Judge, Seat};
use crate::ledger::Ledger;
use crate::model::ModelClient;
use crate::model::retry::{RetryPolicy, WorkSlot};
use crate::preflight::{Offered, preflight};
use crate::process;
use crate::rate::Rate;
use crate::slots::{Slots, TrialSlot};
use crate::spend::Meter;
use crate::trial::{Attempt, Next};
use crate::verify::{self, Verifier};

/// Gyms that may be opened at once.
const OPENING: usize = 32;

/// Runs one plan. Made with [`Runner::builder`].
pub struct Runner {
    work: Arc<Work>,
    journal: Box<dyn Journal>,
    listeners: Vec<Listener>,
    cancel: CancellationToken,
    earlier: Earlier,
}

/// What all trials share.
struct Work {
    run_id: String,
    plan: Plan,
    gyms: BTreeMap<String, Arc<dyn Gym>>,
    models: Vec<Arc<dyn ModelClient>>,
    judge: Option<Judge>,
    verifiers: BTreeMap<String, Arc<dyn Verifier>>,
    retry: RetryPolicy,
    env: Environment,
    opening: Semaphore,
    ledger: Ledger,
    /// For each model: how many requests its provider takes at once.
    rates: Vec<Arc<Rate>>,
    /// For each model: why it was given up.
    given_up: Vec<OnceLock<String>>,
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

/// Collects what a run needs.
pub struct RunnerBuilder {
    run_id: String,
    plan: Plan,
    gyms: BTreeMap<String, Arc<dyn Gym>>,
    models: BTreeMap<String, Arc<dyn ModelClient>>,
    judge: Option<Arc<dyn ModelClient>>,
    verifiers: BTreeMap<String, Arc<dyn Verifier>>,
    journal: Box<dyn Journal>,
    listeners: Vec<Listener>,
    cancel: CancellationToken,
    env: Environment,
    retry: RetryPolicy,
    earlier: Earlier,
}

impl Runner {
    /// Starts collecting what a run of `plan` needs. `run_id` reaches child processes as `BENCH_RUN_ID`:
    /// what still bears it at the end is ended, so no two runs of this process may have the same.
    pub fn builder(run_id: impl Into<String>, plan: Plan) -> RunnerBuilder {
        RunnerBuilder {
            run_id: run_id.into(),
            plan,
            gyms: BTreeMap::new(),
            models: BTreeMap::new(),
            judge: None,
            verifiers: BTreeMap::new(),
            journal: Box::new(MemoryJournal::default()),
            listeners: Vec::new(),
            cancel: CancellationToken::new(),
            env: Environment::default(),
            retry: RetryPolicy::default(),
            earlier: Earlier::default(),
        }
    }
}

impl RunnerBuilder {
    /// A gym of the plan, found by its key.
    #[must_use]
    pub fn gym(mut self, gym: Arc<dyn Gym>) -> Self {
        self.gyms.insert(gym.spec().key.clone(), gym);
        self
    }

    /// A client for a model of the plan, found by `provider:name`.
    #[must_use]
    pub fn model(mut self, client: Arc<dyn ModelClient>) -> Self {
        self.models.insert(client.model().to_string(), client);
        self
    }

    /// The client of the plan's judge, for checks that ask one.
    #[must_use]
    pub fn judge(mut self, client: Arc<dyn ModelClient>) -> Self {
        self.judge = Some(client);
        self
    }

    /// A verifier for checks of this kind ([`bench_core::Check::Custom`]).
    #[must_use]
    pub fn verifier(mut self, kind: impl Into<String>, verifier: Arc<dyn Verifier>) -> Self {
        self.verifiers.insert(kind.into(), verifier);
        self
    }

    /// Where the run is written down; in memory without it.
    #[must_use]
    pub fn journal(mut self, journal: impl Journal + 'static) -> Self {
        self.journal = Box::new(journal);
        self
    }

    /// Told of every event once it is durable, from the dispatcher's thread. Must be quick.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Ends the run early: running trials are cancelled, their gyms closed, finished ones kept.
    #[must_use]
    pub fn cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The environment: its secrets are taken out of everything that is written, and child processes
    /// get PATH, HOME, LANG, TMPDIR and USER of it. Without it they get nothing.
    #[must_use]
    pub fn environment(mut self, env: &Environment) -> Self {
        self.env = env.clone();
        self
    }

    /// When failed model requests are sent again.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// What earlier workers of this run left: trials with a verdict are not run again, databases that nobody removed
    /// are removed first.
    #[must_use]
    pub fn earlier(mut self, earlier: Earlier) -> Self {
        self.earlier = earlier;
        self
    }

    /// Trials that ended elsewhere: those with a verdict are not run again.
    #[must_use]
    pub fn finished(mut self, finished: impl IntoIterator<Item = TrialFinished>) -> Self {
        for trial in finished {
            self.earlier.insert(trial);
        }
        self
    }

    /// Checks that everything the plan names is there.
    pub fn build(self) -> Result<Runner, RunError> {
        let missing = |what: String| RunError::Missing { what };
        let mut models = Vec::new();
        for spec in &self.plan.models {
            let client = self.models.get(&spec.model.to_string());
            models.push(Arc::clone(
                client.ok_or_else(|| missing(format!("the model `{}`", spec.model)))?,
            ));
        }
        let keys = self.plan.scenarios.iter().flat_map(|s| &s.gym_keys);
        if let Some(key) = keys.into_iter().find(|key| !self.gyms.contains_key(*key)) {
            return Err(missing(format!("the gym `{key}`")));
        }
        for url in verify::addresses(&self.plan) {
            self.env.secrets().add_credentials_of(&url);
        }
        let asked: Vec<_> = self.plan.asked().cloned().collect();
        let mut rates = Rate::of_models(&asked, self.plan.max_concurrency);
        let judge = if self.plan.scenarios.iter().any(|s| s.asks_judge()) {
            let spec = self.plan.judge.clone().zip(rates.pop());
            let no_judge = || missing("a judge: a check asks one".to_owned());
            let ((spec, rate), client) = spec.zip(self.judge).ok_or_else(no_judge)?;
            Some(Judge::new(spec, client, rate))
        } else {
            None
        };
        let work = Work {
            given_up: models.iter().map(|_| OnceLock::new()).collect(),
            rates,
            judge,
            ledger: Ledger::new(self.plan.budget, &self.earlier.used(&self.plan)),
            run_id: self.run_id,
            plan: self.plan,
            gyms: self.gyms,
            models,
            verifiers: self.verifiers,
            retry: self.retry,
            env: self.env,
            opening: Semaphore::new(OPENING),
        };
        Ok(Runner {
            work: Arc::new(work),
            journal: self.journal,
            listeners: self.listeners,
            cancel: self.cancel,
            earlier: self.earlier,
        })
    }
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

impl Work {
    /// All attempts at one trial. The last one counts.
    async fn run_trial(
        &self,
        trial: Trial,
        slot: TrialSlot,
        replaces: Option<Outcome>,
        reporter: &Reporter,
        stop: &CancellationToken,
    ) {
        let judge = self
            .judge
            .as_ref()
            .filter(|_| self.plan.scenarios[trial.scenario].asks_judge());
        let model = self.given_up[trial.model].get().map(String::as_str);
        if let Some(cause) = model.or_else(|| judge?.given_up()) {
            let record = self.errored(&trial, 0, format!("not tried: {cause}"));
            slot.release();
            reporter.finished(record, replaces).await;
            return;
        }
        let seat = judge.map(|judge| Seat::new(judge, self.plan.models.len(), &self.ledger));
        let (mut cost, mut retried_usage) = (Cost::default(), Usage::default());
        for number in 1.. {
            let meter = Meter::new(&self.plan.models[trial.model], trial.model, &self.ledger);
            let attempt = self.attempt(&trial, number, &slot, (&meter, seat.as_ref()), reporter, stop);
            let caught = AssertUnwindSafe(attempt).catch_unwind().await;
            let panicked = |panic: Box<dyn Any + Send>| {
                let record = TrialRecord {
                    usage: meter.replied(),
                    ..self.errored(&trial, number, said_by(&*panic))
                };
                (record, Next::Attempt)
            };
            let (mut record, next) = caught.unwrap_or_else(panicked);
            cost += meter.cost();
            retried_usage += meter.lost();
            (record.cost, record.retried_usage) = (Some(cost), retried_usage);
            if let Some(seat) = &seat {
                let mut all = cost;
                all += seat.meter.cost();
                (record.cost, record.judge_usage) = (Some(all), seat.used());
            }
            let errored = record.outcome == Outcome::Errored;
            if errored && next == Next::OtherModel {
                self.give_up_model(&record, trial.model, reporter).await;
            }
            let again =
                errored && next == Next::Attempt && number <= self.plan.retries && !stop.is_cancelled();
            if !again {
                slot.release(); // from here on it waits for the disk only: the next trial may begin
                reporter.finished(record, replaces).await;
                return;
            }
            retried_usage += record.usage;
            let cause = record.cause.unwrap_or_default();
            reporter
                .note(Event::TrialRetried {
                    trial: trial.id.clone(),
                    attempt: number,
                    cause,
                })
                .await;
        }
    }

    async fn attempt(
        &self,
        trial: &Trial,
        number: u32,
        slot: &TrialSlot,
        (meter, seat): (&Meter<'_>, Option<&Seat<'_>>),
        reporter: &Reporter,
        cancel: &CancellationToken,
    ) -> (TrialRecord, Next) {
        let scenario = &self.plan.scenarios[trial.scenario];
        let gyms: Vec<_> = scenario
            .gym_keys
            .iter()
            .filter_map(|key| self.gyms.get(key))
            .cloned()
            .collect();
        let attempt = Attempt {
            run_id: &self.run_id,
            trial,
            number,
            scenario,
            model: &self.plan.models[trial.model],
            client: self.models[trial.model].as_ref(),
            gyms: &gyms,
            verifiers: &self.verifiers,
            env: &self.env,
            limits: &self.plan.limits_of(scenario),
            retry: &self.retry,
            evidence: self.plan.evidence,
            verify_each_step: self.plan.verify_each_step,
            rate: &self.rates[trial.model],
            reporter,
            slot,
            meter,
            seat,
            opening: &self.opening,
            cancel,
        };
        attempt.run().await
    }

    /// No further trial of this model is begun: each would cost time, and end the same way.
    async fn give_up_model(&self, record: &TrialRecord, model: usize, reporter: &Reporter) {
        let cause = record.cause.clone().unwrap_or_default();
        if self.given_up[model].set(cause.clone()).is_ok() {
            let model = record.model.clone();
            reporter.note(Event::ModelGivenUp { model, cause }).await;
        }
    }

    /// The record of a trial that came to nothing.
    fn errored(&self, trial: &Trial, attempt: u32, cause: String) -> TrialRecord {
        let now = Utc::now();
        TrialRecord {
            format: FORMAT,
            trial: trial.id.clone(),
            scenario_id: self.plan.scenarios[trial.scenario].scenario_id.clone(),
            model: self.plan.models[trial.model].model.to_string(),
            repetition: trial.repetition,
            attempt,
            outcome: Outcome::Errored,
            cause: Some(cause),
            verdicts: Vec::new(),
            answer: None,
            turns: 0,
            tool_calls: 0,
            tool_errors: 0,
            expected_tools_missed: Vec::new(),
            drift: Vec::new(),
            timeline: None,
            usage: Usage::default(),
            retried_usage: Usage::default(),
            judge_usage: Usage::default(),
            cost: Some(Cost::default()),
            gyms: Vec::new(),
            started_at: now,
            completed_at: now,
            took_ms: 0,
        }
    }
}

/// A panic in a trial is that trial's error, not the run's.
fn said_by(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the trial panicked: {}", said.unwrap_or("no message"))
}
