//! One turn's requests: each is let through, paid and told by itself.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use bench_core::event::Awaited;
use bench_core::transcript::Entry;
use bench_core::{Event, ModelRef};
use futures_util::future::BoxFuture;

use super::Agent;
use super::seen::Seen;
use super::waits::Waits;
use crate::model::retry::WorkSlot;
use crate::model::{ErrorClass, ModelClient, ModelError, TurnReply, TurnRequest};
use crate::rate::Permit;
use crate::spend::{Call, Turn};
use crate::watch::Waiting;

/// The model of a trial, whose every request is watched by itself: what lies between two of them is told apart.
pub(super) struct Asking<'a> {
    agent: &'a Agent<'a>,
    seen: &'a Seen<'a>,
    paid: &'a Turn<'a>,
    waits: &'a Mutex<Waits>,
    asked: AtomicU32,
    /// How many came to nothing and are written down as that.
    lost: AtomicU32,
    /// Of those, how many have a cost that nobody knows.
    pub(super) unknown: AtomicU32,
    /// Why the run's budget has no room for another one.
    pub(super) over: OnceLock<String>,
    /// How the reply changed the pace. It is told later: between a reply that is paid and its entry in the transcript nothing
    /// is waited for that the trial's time could end.
    pub(super) pace: OnceLock<Event>,
}

impl ModelClient for Asking<'_> {
    fn model(&self) -> &ModelRef {
        self.agent.model.model()
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        Box::pin(async move {
            let agent = self.agent;
            agent.tell_waits(self.waits).await;
            if self.lost.load(Ordering::Relaxed) > 0
                && let Err(cause) = self.paid.again()
            {
                return Err(self.not_sent(cause));
            }
            let (permit, waited) = self.permit().await;
            if let Err(cause) = self.paid.goes_on() {
                return Err(self.not_sent(cause));
            }
            let limit = request.timeout.min(agent.time_left().unwrap_or_default());
            let waiting = Waiting::at_most(limit, Awaited::Reply, format!("reply of {}", self.model()));
            if self.asked.fetch_add(1, Ordering::Relaxed) > 0 || waited {
                agent.watch().goes_on(&waiting).await;
            }
            let call = agent.meter.begin(self.paid);
            let reply = agent.model.take_turn(request);
            let reply = agent.watch().busy(reply, &waiting).await;
            let changed = permit.ended(&reply);
            match &reply {
                Ok(reply) => {
                    call.answered(&reply.usage);
                    changed.and_then(|changed| self.pace.set(changed).err()); // there is but one reply
                }
                Err(error) => self.came_to_nothing(call, error, changed).await,
            }
            reply.map_err(|error| ModelError {
                should_retry: agent
                    .refused_for(&error)
                    .map_or(error.should_retry, |_| Some(false)),
                ..error
            })
        })
    }
}

impl<'a> Asking<'a> {
    /// The requests of a turn that there is room for.
    pub(super) fn new(
        agent: &'a Agent<'a>,
        seen: &'a Seen<'a>,
        paid: &'a Turn<'a>,
        waits: &'a Mutex<Waits>,
    ) -> Self {
        Self {
            agent,
            seen,
            paid,
            waits,
            asked: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            unknown: AtomicU32::new(0),
            over: OnceLock::new(),
            pace: OnceLock::new(),
        }
    }

    /// Writes down what a request that failed leaves, before the next one is sent.
    async fn came_to_nothing(&self, call: Call<'_>, error: &ModelError, changed: Option<Event>) {
        let agent = self.agent;
        if let Some(lost) = call.failed(error.maybe_paid, error.usage.as_deref().copied()) {
            let unknown = matches!(lost, Entry::Lost { cost_usd: None, .. });
            agent.keep(lost).await;
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.unknown.fetch_add(unknown.into(), Ordering::Relaxed);
        }
        if let Some(changed) = changed {
            agent.reporter.note(changed).await;
        }
        self.seen.write_down().await; // not kept through the wait: there may be many of them, and large
        agent.note_adjusted(error).await;
    }

    /// There is no room for another request. Ends the retries; what it says is told as the end of the budget.
    fn not_sent(&self, cause: String) -> ModelError {
        let error = ModelError {
            model: self.model().to_string(),
            class: ErrorClass::OutOfCredit,
            status: None,
            retry_after: None,
            maybe_paid: false,
            usage: None,
            adjusted: None,
            should_retry: None,
            message: cause.clone(),
        };
        self.over.set(cause).unwrap_or_default(); // there is but one
        error
    }

    /// Waits until the provider may be asked, without a work slot. Also whether that was told.
    async fn permit(&self) -> (Permit<'_>, bool) {
        let agent = self.agent;
        if let Some(permit) = agent.rate.try_permit() {
            return (permit, false);
        }
        let mut told = false;
        loop {
            agent.slot.release();
            let at = agent.rate.turn_at();
            let waiting = Waiting {
                kind: Awaited::RateLimit,
                what: format!("{}: {}", self.model(), agent.rate.why()),
                then: match at {
                    Some(_) => "sent",
                    None => "sent as soon as the requests before it are answered",
                },
                at,
            };
            let next = agent.rate.next_permit();
            let (permit, long) = agent.watch().idle(next, &waiting).await;
            told |= long;
            agent.slot.reacquire().await;
            // Others may have been refused while this one waited for the slot.
            if let Some(permit) = permit.if_open() {
                return (permit, told);
            }
        }
    }
}
