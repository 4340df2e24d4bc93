//! What all trials of a run share, and all attempts at one of them.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use bench_core::record::{FORMAT, TriedAgain};
use bench_core::{Cost, Event, Outcome, Plan, Trial, TrialRecord, Usage};
use chrono::Utc;
use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::dispatch::Reporter;
use crate::env::Environment;
use crate::gym::Gym;
use crate::judging::{Judge, Seat};
use crate::ledger::Ledger;
use crate::model::ModelClient;
use crate::model::retry::{RetryPolicy, WorkSlot};
use crate::rate::Rate;
use crate::slots::TrialSlot;
use crate::spend::Meter;
use crate::trial::{Attempt, Next};
use crate::verify::Verifier;

/// Gyms that may be opened at once.
pub(super) const OPENING: usize = 32;

/// What all trials share.
pub(super) struct Work {
    pub(super) run_id: String,
    pub(super) plan: Plan,
    pub(super) gyms: BTreeMap<String, Arc<dyn Gym>>,
    pub(super) models: Vec<Arc<dyn ModelClient>>,
    pub(super) judge: Option<Judge>,
    pub(super) verifiers: BTreeMap<String, Arc<dyn Verifier>>,
    pub(super) retry: RetryPolicy,
    pub(super) env: Environment,
    pub(super) opening: Semaphore,
    pub(super) ledger: Ledger,
    /// For each model: how many requests its provider takes at once.
    pub(super) rates: Vec<Arc<Rate>>,
    /// For each model: why it was given up.
    pub(super) given_up: Vec<OnceLock<String>>,
}

/// What all attempts at a trial used up.
#[derive(Default)]
struct Bill {
    cost: Cost,
    retried_usage: Usage,
    tried_again: TriedAgain,
}

impl Bill {
    /// The attempt is tried again: it does not count, but it was paid, and took its time.
    fn try_again(&mut self, attempt: &TrialRecord) {
        self.retried_usage += attempt.usage;
        self.tried_again.add(attempt);
    }

    /// Adds an attempt, and says in its record what all of them came to.
    fn add(&mut self, meter: &Meter<'_>, seat: Option<&Seat<'_>>, record: &mut TrialRecord) {
        self.cost += meter.cost();
        self.retried_usage += meter.lost();
        (record.cost, record.retried_usage) = (Some(self.cost), self.retried_usage);
        record.tried_again = self.tried_again;
        if let Some(seat) = seat {
            let mut all = self.cost;
            all += seat.meter.cost();
            (record.cost, record.judge_usage) = (Some(all), seat.used());
        }
    }
}

impl Work {
    /// All attempts at one trial. The last one counts.
    pub(super) async fn run_trial(
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
        let mut bill = Bill::default();
        for number in 1.. {
            let meter = Meter::new(&self.plan.models[trial.model], trial.model, &self.ledger);
            let attempt = self.attempt(&trial, number, &slot, (&meter, seat.as_ref()), reporter, stop);
            let caught = AssertUnwindSafe(attempt).catch_unwind().await;
            let (mut record, next) = caught.unwrap_or_else(|panic| {
                let errored = self.errored(&trial, number, said_by(&*panic));
                let usage = meter.replied();
                (TrialRecord { usage, ..errored }, Next::Attempt)
            });
            bill.add(&meter, seat.as_ref(), &mut record);
            let errored = record.outcome == Outcome::Errored;
            if errored && next == Next::OtherModel {
                self.give_up_model(&record, trial.model, reporter).await;
            }
            let again = errored && next == Next::Attempt && number <= self.plan.retries;
            if !again || stop.is_cancelled() {
                slot.release(); // from here on it waits for the disk only: the next trial may begin
                reporter.finished(record, replaces).await;
                return;
            }
            bill.try_again(&record);
            let retried = Event::TrialRetried {
                trial: trial.id.clone(),
                attempt: number,
                cause: record.cause.unwrap_or_default(),
            };
            reporter.note(retried).await;
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
            tried_again: TriedAgain::default(),
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
