//! How many trials may have child processes at once.
//!
//! A trial takes one slot for all its stdio servers together: with a slot per server, trials that need
//! two could each hold one and wait for ever for the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bench_core::TrialId;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// Trials with child processes at once where nobody says how many: two per processor of this machine.
pub fn default_processes() -> usize {
    2 * std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get)
}

/// A trial's slot; free again when the last of its clones is dropped.
#[derive(Clone)]
pub(crate) struct Slot {
    _shared: Arc<OnceCell<OwnedSemaphorePermit>>,
}

/// The slots of a run. Clones share them.
#[derive(Clone)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<BTreeMap<TrialId, Weak<OnceCell<OwnedSemaphorePermit>>>>>,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            taken: Arc::default(),
        }
    }

    /// The trial's slot: the one it has, or the next free one, first come, first served.
    ///
    /// Has no deadline of its own: trials end, and give theirs back.
    pub(crate) async fn take(&self, trial: &TrialId) -> Slot {
        let shared = self.cell_of(trial);
        let wait = || async { Arc::clone(&self.free).acquire_owned().await };
        // An error would mean that the semaphore was closed; nobody does that.
        if let Err(error) = shared.get_or_try_init(wait).await {
            tracing::error!(%error, "no slots any more");
        }
        Slot { _shared: shared }
    }

    fn cell_of(&self, trial: &TrialId) -> Arc<OnceCell<OwnedSemaphorePermit>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, cell| cell.strong_count() > 0);
        if let Some(cell) = taken.get(trial).and_then(Weak::upgrade) {
            return cell;
        }
        let cell = Arc::new(OnceCell::new());
        taken.insert(trial.clone(), Arc::downgrade(&cell));
        cell
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_trial_shares_its_slot_and_others_wait_for_it() {
        let slots = Slots::new(1);
        let [a, b]: [TrialId; 2] = ["a~x~1".parse().unwrap(), "b~x~1".parse().unwrap()];
        let first = slots.take(&a).await;
        let second = slots
            .take(&a)
            .now_or_never()
            .expect("the same trial needs no other slot");
        let mut other = Box::pin(slots.take(&b));
        assert!((&mut other).now_or_never().is_none());
        drop(first);
        assert!(
            (&mut other).now_or_never().is_none(),
            "the trial still has a server"
        );
        drop(second);
        let _other = other.await;
        assert!(slots.take(&a).now_or_never().is_none(), "given back for real");
    }
}
