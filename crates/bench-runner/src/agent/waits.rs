//! The waits between two requests of a turn: reported at once, and kept for the transcript.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bench_core::event::Awaited;
use bench_core::transcript::Entry;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::Agent;
use crate::model::retry::Wait;
use crate::model::{ErrorClass, ModelError};
use crate::watch::{LONG_WAIT, Waiting};

/// The waits of one turn.
#[derive(Default)]
pub(super) struct Waits {
    /// For the transcript, each with the time at which it began.
    told: Vec<(DateTime<Utc>, String)>,
    /// The failure that the last wait is for, unless the model is only slow, or we are asked to be.
    pub(super) trouble: Option<(ErrorClass, String)>,
}

impl Agent<'_> {
    /// Writes the waits so far into the transcript.
    pub(super) async fn tell_waits(&self, waits: &Mutex<Waits>) {
        let told = std::mem::take(&mut waits.lock().unwrap_or_else(PoisonError::into_inner).told);
        for (at, text) in told {
            self.reporter.entry_at(at, self.trial, Entry::Note { text }).await;
        }
    }

    /// Called before each wait for a retry. Reported at once, and kept for the transcript.
    pub(super) fn note_wait(&self, wait: Wait<'_>, waits: &Mutex<Waits>) {
        // Only being asked to slow down is nobody's time.
        if wait.class != ErrorClass::RateLimit {
            self.slot.count(wait.delay);
        }
        // A model that takes too long is slow; everything else is no fault of it.
        let trouble = !matches!(wait.class, ErrorClass::RateLimit | ErrorClass::Timeout);
        let text = format!("{}; sent again in {:.1} s", wait.cause, wait.delay.as_secs_f64());
        self.reporter.log(self.trial, &text);
        if wait.delay >= LONG_WAIT {
            let waiting = Waiting {
                kind: match wait.class {
                    ErrorClass::RateLimit => Awaited::RateLimit,
                    _ => Awaited::Retry,
                },
                what: format!("{}: {}", self.model.model(), wait.cause),
                then: "sent again",
                at: Instant::now().checked_add(wait.delay),
            };
            let event = waiting.event(self.trial, Duration::ZERO, true);
            let reporter = self.reporter.clone();
            drop(tokio::spawn(async move { reporter.note(event).await }));
        }
        let mut waits = waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.trouble = trouble.then(|| (wait.class, wait.cause.to_owned()));
        waits.told.push((Utc::now(), text));
    }

    /// The trial's time ran out in the middle of a failure: that is no limit the model ran into.
    pub(super) fn never_healed(&self, (class, cause): (ErrorClass, String)) -> ModelError {
        ModelError {
            model: self.model.model().to_string(),
            class,
            status: None,
            retry_after: None,
            maybe_paid: false, // its requests were counted one by one
            usage: None,
            adjusted: None,
            should_retry: None,
            message: format!("{cause}; {} before it healed", self.time_limit()),
        }
    }
}
