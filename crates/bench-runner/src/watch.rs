//! Waits of a trial for somebody who works for it, told once they last: for what, and what happens by itself.

use std::future::Future;
use std::time::Duration;

use bench_core::event::Awaited;
use bench_core::{Event, TrialId};
use tokio::time::Instant;

use crate::dispatch::Reporter;
use crate::durations::millis;

/// A wait longer than this is an event.
pub(crate) const LONG_WAIT: Duration = Duration::from_secs(1);

/// What a trial waits for, and what follows by itself.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) kind: Awaited,
    /// For what, for people.
    pub(crate) what: String,
    /// What follows by itself.
    pub(crate) then: &'static str,
    /// When that is, if it is known.
    pub(crate) at: Option<Instant>,
}

impl Waiting {
    /// For something that is given up if it takes longer than this from now.
    pub(crate) fn at_most(limit: Duration, kind: Awaited, what: String) -> Self {
        Self {
            kind,
            what,
            then: "given up",
            at: Instant::now().checked_add(limit),
        }
    }

    /// The event that tells of it.
    pub(crate) fn event(&self, trial: &TrialId, waited: Duration, idle: bool) -> Event {
        let left = self.at.map(|at| at.saturating_duration_since(Instant::now()));
        Event::TrialWaiting {
            trial: trial.clone(),
            kind: self.kind,
            waiting_for: self.what.clone(),
            waited_ms: millis(waited),
            then: self.then.to_owned(),
            then_in_ms: left.map(millis),
            idle,
        }
    }
}

/// Who tells, and of which trial.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) reporter: &'a Reporter,
    pub(crate) trial: &'a TrialId,
}

impl Watch<'_> {
    /// Waits for somebody who works: a model, a tool, a check.
    pub(crate) async fn busy<T>(self, work: impl Future<Output = T>, waiting: &Waiting) -> T {
        self.told(work, waiting, false).await.0
    }

    /// Waits for its turn. Also whether that was told.
    pub(crate) async fn idle<T>(self, turn: impl Future<Output = T>, waiting: &Waiting) -> (T, bool) {
        self.told(turn, waiting, true).await
    }

    /// After a wait that was told: somebody works again.
    pub(crate) async fn goes_on(self, waiting: &Waiting) {
        self.tell(Duration::ZERO, waiting, false).await;
    }

    async fn told<T>(self, work: impl Future<Output = T>, waiting: &Waiting, idle: bool) -> (T, bool) {
        tokio::pin!(work);
        if let Ok(done) = tokio::time::timeout(LONG_WAIT, &mut work).await {
            return (done, false);
        }
        self.tell(LONG_WAIT, waiting, idle).await;
        (work.await, true)
    }

    async fn tell(self, waited: Duration, waiting: &Waiting, idle: bool) {
        self.reporter.note(waiting.event(self.trial, waited, idle)).await;
    }
}
