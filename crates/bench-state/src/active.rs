//! A run under way in this process: the armed guard, and the handle to record with.
//!
//! The guard belongs into the synchronous frame that outlives everything else: `main`, or the function that starts
//! the async runtime and the dispatcher thread. The recorder goes to whoever writes. If that frame is left in any way
//! without [`CompletionGuard::finish`], the guard ends the run as failed; if not even the guard runs (`kill -9`, out of
//! memory, abort), the kernel frees the lease and the next reader ends it.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::heartbeat::Heartbeat;
use crate::ids::RunId;
use crate::job::Job;
use crate::lock::Lease;
use crate::recorder::{Finished, Recorder, Shared};
use crate::status::{CauseKind, Ending};

/// A run that this process works on. It is its own [`Recorder`], plus the duty to end the run.
///
/// Keep it whole in simple programs; [`split`](Self::split) it where one thread writes and another one waits.
#[must_use = "dropping it ends the run as failed"]
pub struct ActiveRun<J: Job> {
    guard: CompletionGuard<J>,
    recorder: Recorder<J>,
}

impl<J: Job> ActiveRun<J> {
    /// Takes up the duty. From here on, every way out ends the run.
    pub(crate) fn begin(shared: Arc<Shared<J>>, lease: Lease) -> Result<Self> {
        let recorder = Recorder::new(Arc::clone(&shared));
        let mut guard = CompletionGuard {
            shared,
            owed: true,
            heartbeat: None,
            lease: Some(lease),
        };
        guard.heartbeat = Some(Heartbeat::start(&guard.shared.dir.lease())?);
        Ok(Self { guard, recorder })
    }

    /// Parts the duty to end the run from the means to record it. The guard stays in the frame that outlives all
    /// threads; recorders may be cloned and sent anywhere, and record nothing more once the guard is gone.
    pub fn split(self) -> (CompletionGuard<J>, Recorder<J>) {
        (self.guard, self.recorder)
    }

    pub(crate) fn guard(&self) -> &CompletionGuard<J> {
        &self.guard
    }

    /// Ends the run; see [`CompletionGuard::finish`].
    pub fn finish(self, ending: Ending, now: DateTime<Utc>) -> Result<Finished<J>> {
        self.guard.finish(ending, now)
    }
}

impl<J: Job> Deref for ActiveRun<J> {
    type Target = Recorder<J>;

    fn deref(&self) -> &Recorder<J> {
        &self.recorder
    }
}

/// The duty to end a run. Holds the lease: while it lives, no reader takes the run for dead.
#[must_use = "dropping it ends the run as failed"]
pub struct CompletionGuard<J: Job> {
    shared: Arc<Shared<J>>,
    owed: bool,
    heartbeat: Option<Heartbeat>,
    /// Dropped last: only then may others judge the run. Empty only after it was handed over.
    lease: Option<Lease>,
}

impl<J: Job> CompletionGuard<J> {
    /// The run's name.
    pub fn id(&self) -> &RunId {
        &self.shared.id
    }

    /// The run's folder.
    pub fn dir(&self) -> &Path {
        self.shared.dir.path()
    }

    /// Gives the duty away: stops recording here, and hands out the lease that the next holder needs.
    pub(crate) fn hand_over(mut self) -> (Arc<Shared<J>>, Option<Lease>) {
        self.owed = false;
        self.shared.hand_over();
        (Arc::clone(&self.shared), self.lease.take())
    }

    /// Ends the run, durably and once and for all, with everything recorded so far. Recorders that still exist get
    /// [`AlreadyOver`](crate::StateError::AlreadyOver) from here on.
    ///
    /// # Errors
    /// [`AlreadyOver`](crate::StateError::AlreadyOver) or [`Superseded`](crate::StateError::Superseded) if the run was
    /// settled by somebody else: their ending stands. I/O errors if `state.json` could not be written, and
    /// [`LockTimeout`](crate::StateError::LockTimeout) if somebody keeps its lock for more than 30 s: then the next
    /// reader ends the run (as said here, if the journal could be written), because the lease is free when this returns.
    pub fn finish(mut self, ending: Ending, now: DateTime<Utc>) -> Result<Finished<J>> {
        self.owed = false;
        self.shared.end(ending, now)
    }
}

impl<J: Job> Drop for CompletionGuard<J> {
    /// The spare way out; [`finish`](Self::finish) is the proper one. Uses the system clock, having nobody to ask.
    fn drop(&mut self) {
        if !self.owed {
            return;
        }
        let ending = if thread::panicking() {
            CauseKind::Panicked.because("the worker panicked")
        } else if self.shared.saw_panic() {
            CauseKind::Panicked.because("a thread of the worker panicked")
        } else {
            CauseKind::StoppedWithoutReporting
                .because("the worker stopped without reporting how the run ended")
        };
        // Serializing is the job's code: should it panic, that must not become an abort here.
        let ended = catch_unwind(AssertUnwindSafe(|| self.shared.end(ending, Utc::now())));
        let run = self.id();
        match ended {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::error!(%run, %error, "run has no ending yet; the next reader will see that its lease is free");
            }
            Err(_panic) => tracing::error!(%run, "run has no ending yet: writing it panicked"),
        }
    }
}
