//! Work slots: how many trials work at once, and how a trial that only waits gives its slot away.
//!
//! A trial that waits for a provider holds no work slot, so that others go on; but it still holds its
//! gyms, so the number of trials in flight, working and waiting, is bounded too. Whatever else a trial waits for that
//! another trial may have, room in a gym or in the budget, it waits for [aside](TrialSlot::aside): the other one may be
//! waiting for the slot.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::model::retry::WorkSlot;

/// Trials in flight for each that may work.
const IN_FLIGHT_PER_SLOT: usize = 4;

/// The slots of a run.
pub(crate) struct Slots {
    working: Arc<Semaphore>,
    in_flight: Arc<Semaphore>,
}

/// A trial's place in flight, and its work slot while it has one.
pub(crate) struct TrialSlot {
    working: Arc<Semaphore>,
    held: Mutex<Held>,
    _in_flight: Option<OwnedSemaphorePermit>,
}

#[derive(Default)]
struct Held {
    permit: Option<OwnedSemaphorePermit>,
    /// Since when it has been given away.
    away_since: Option<Instant>,
    /// How long it was given away before that.
    away: Duration,
    /// Of all that, what counts as the trial's time nevertheless.
    counted: Duration,
    /// How long it worked on what is not the trial's own.
    spared: Duration,
}

impl Slots {
    /// `at_once` trials may work at the same time.
    pub(crate) fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self {
            working: Arc::new(Semaphore::new(at_once)),
            in_flight: Arc::new(Semaphore::new(at_once.saturating_mul(IN_FLIGHT_PER_SLOT))),
        }
    }

    /// Work slots that nobody holds.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.working.available_permits()
    }

    /// Waits for a place and a work slot. Called by one task, so a trial that comes back from a wait
    /// is behind at most one new trial.
    pub(crate) async fn next(&self) -> TrialSlot {
        let in_flight = Arc::clone(&self.in_flight).acquire_owned().await.ok(); // never closed
        let permit = Arc::clone(&self.working).acquire_owned().await.ok();
        let held = Mutex::new(Held {
            permit,
            ..Held::default()
        });
        TrialSlot {
            working: Arc::clone(&self.working),
            held,
            _in_flight: in_flight,
        }
    }
}

impl TrialSlot {
    /// How long the trial has been without a slot so far, or worked on what is not its own: time that no limit of the
    /// trial counts.
    pub(crate) fn away(&self) -> Duration {
        let held = self.lock();
        let away = held.away + held.away_since.map(|since| since.elapsed()).unwrap_or_default();
        away.saturating_sub(held.counted).saturating_add(held.spared)
    }

    /// So much of the time that has passed since was not the trial's own, although it had its slot.
    pub(crate) fn spare(&self, time: Duration) {
        let mut held = self.lock();
        held.spared = held.spared.saturating_add(time);
    }

    /// Makes so much of the wait that begins now count as the trial's time.
    pub(crate) fn count(&self, delay: Duration) {
        let mut held = self.lock();
        held.counted = held.counted.saturating_add(delay);
    }

    /// Waits for a slot if the trial is without one: a wait that somebody gave up half way leaves it so.
    pub(crate) async fn hold(&self) {
        let away = self.lock().away_since.is_some();
        if away {
            self.reacquire().await;
        }
    }

    /// Waits for something without a slot, if it is not there at once: who has it may be waiting for a slot.
    pub(crate) async fn aside<T>(&self, wait: impl Future<Output = T>) -> T {
        tokio::pin!(wait);
        if let Poll::Ready(done) = futures_util::poll!(wait.as_mut()) {
            return done;
        }
        self.release();
        let done = wait.await;
        self.reacquire().await;
        done
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WorkSlot for TrialSlot {
    fn release(&self) {
        let mut held = self.lock();
        held.permit = None;
        held.away_since.get_or_insert_with(Instant::now);
    }

    fn reacquire(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let permit = Arc::clone(&self.working).acquire_owned().await.ok();
            let mut held = self.lock();
            held.permit = permit;
            let away = held
                .away_since
                .take()
                .map(|since| since.elapsed())
                .unwrap_or_default();
            held.away += away;
            held.counted = held.counted.min(held.away); // the wait that counts may have been given up
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiting_trial_lets_another_work_but_not_without_bound() {
        let slots = Slots::new(1);
        let mut waiting = Vec::new();
        for _ in 0..IN_FLIGHT_PER_SLOT {
            let slot = slots.next().await;
            slot.release();
            waiting.push(slot);
        }
        assert!(slots.next().now_or_never().is_none(), "in flight is bounded");
        drop(waiting.pop());
        let working = slots.next().await;
        assert!(
            waiting[0].reacquire().now_or_never().is_none(),
            "the one work slot is taken"
        );
        drop(working);
        waiting[0].reacquire().await;
        let away = waiting[0].away();
        assert!(
            away > Duration::ZERO && waiting[0].away() == away,
            "time away stands still while working"
        );
        waiting[0].count(away / 2);
        assert_eq!(waiting[0].away(), away.saturating_sub(away / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_was_given_up_counts_no_longer_than_it_lasted() {
        let slot = Slots::new(1).next().await;
        let wait = async |seconds| {
            slot.release();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            slot.hold().await;
        };
        slot.count(Duration::from_secs(20));
        wait(1).await;
        assert_eq!(slot.away(), Duration::ZERO);
        wait(5).await;
        assert_eq!(slot.away(), Duration::from_secs(5));
        slot.hold().await; // it has one
    }

    #[tokio::test(start_paused = true)]
    async fn spared_time_is_no_room_for_a_wait_that_was_given_up() {
        let slot = Slots::new(1).next().await;
        slot.spare(Duration::from_secs(100));
        assert_eq!(slot.away(), Duration::from_secs(100));
        slot.count(Duration::from_secs(20));
        slot.release();
        tokio::time::sleep(Duration::from_secs(1)).await;
        slot.hold().await;
        assert_eq!(
            slot.away(),
            Duration::from_secs(100),
            "the second it waited counts, and no more"
        );
    }

    use futures_util::FutureExt;
}
