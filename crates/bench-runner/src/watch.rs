//! Waits of a trial for somebody who works for it, told once they last: for what, and what happens by itself.

use std::future::Future;
use std::time::Duration;

use bench_core::{Event, TrialId};

use crate::agent::millis;
use crate::dispatch::Reporter;

/// A wait longer than this is an event.
pub(crate) const LONG_WAIT: Duration = Duration::from_secs(1);

/// Who tells, and of which trial.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) reporter: &'a Reporter,
    pub(crate) trial: &'a TrialId,
}

impl Watch<'_> {
    /// Waits for somebody who works: a model, a tool, a check.
    pub(crate) async fn busy<T>(self, work: impl Future<Output = T>, waiting_for: &str, then: &str) -> T {
        self.told(work, waiting_for, then, false).await.0
    }

    /// Waits for its turn. Also whether that was told.
    pub(crate) async fn idle<T>(
        self,
        turn: impl Future<Output = T>,
        waiting_for: &str,
        then: &str,
    ) -> (T, bool) {
        self.told(turn, waiting_for, then, true).await
    }

    /// After a wait that was told: somebody works again.
    pub(crate) async fn goes_on(self, waiting_for: &str, then: &str) {
        self.tell(Duration::ZERO, waiting_for, then, false).await;
    }

    async fn told<T>(
        self,
        work: impl Future<Output = T>,
        waiting_for: &str,
        then: &str,
        idle: bool,
    ) -> (T, bool) {
        tokio::pin!(work);
        if let Ok(done) = tokio::time::timeout(LONG_WAIT, &mut work).await {
            return (done, false);
        }
        self.tell(LONG_WAIT, waiting_for, then, idle).await;
        (work.await, true)
    }

    async fn tell(self, waited: Duration, waiting_for: &str, then: &str, idle: bool) {
        let event = Event::TrialWaiting {
            trial: self.trial.clone(),
            waiting_for: waiting_for.to_owned(),
            waited_ms: millis(waited),
            then: then.to_owned(),
            idle,
        };
        self.reporter.note(event).await;
    }
}
