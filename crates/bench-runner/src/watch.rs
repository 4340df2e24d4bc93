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
        tokio::pin!(work);
        if let Ok(done) = tokio::time::timeout(LONG_WAIT, &mut work).await {
            return done;
        }
        self.tell(LONG_WAIT, waiting_for, then).await;
        work.await
    }

    /// After a wait that was told: somebody works again.
    pub(crate) async fn goes_on(self, waiting_for: &str, then: &str) {
        self.tell(Duration::ZERO, waiting_for, then).await;
    }

    async fn tell(self, waited: Duration, waiting_for: &str, then: &str) {
        let event = Event::TrialWaiting {
            trial: self.trial.clone(),
            waiting_for: waiting_for.to_owned(),
            waited_ms: millis(waited),
            then: then.to_owned(),
            idle: false,
        };
        self.reporter.note(event).await;
    }
}
