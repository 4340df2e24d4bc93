//! What went over the wire for a turn, on its way into the trial's evidence.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use bench_core::evidence::Keep;

use super::Agent;
use crate::evidence::Place;
use crate::model::exchange::{Ended, Exchange, Witness};

/// What went over the wire for one turn, until it is written down: mostly one exchange, for what failed is written down
/// before the next one.
pub(super) struct Seen<'a> {
    pub(super) agent: &'a Agent<'a>,
    pub(super) place: Place,
    pub(super) exchanges: Mutex<Vec<Exchange>>,
}

impl Seen<'_> {
    fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.exchanges.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn write_down(&self) {
        for exchange in self.take() {
            self.agent
                .reporter
                .evidence(self.agent.trial, exchange, self.place.clone())
                .await;
        }
    }
}

impl Drop for Seen<'_> {
    /// Something is left only where the turn was given up half way.
    fn drop(&mut self) {
        for exchange in self.take() {
            self.agent
                .reporter
                .last_evidence(self.agent.trial, exchange, self.place.clone());
        }
    }
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Witness for Seen<'_> {
    fn saw(&self, exchange: Exchange) {
        if self.agent.evidence == Keep::Errors && exchange.ended == Ended::Replied {
            return;
        }
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(exchange);
    }
}
