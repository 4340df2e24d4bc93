//! Cleaning up that outlives whoever asked for it.
//!
//! Closing a session and removing its database must happen also when the trial is cancelled, that is,
//! when the future that was busy with it is dropped. So it is done in tasks of their own; the
//! [`Cleaner`] knows them all and can be waited for at the end of a run.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// Tracks cleaning tasks. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Cleaner {
    tasks: TaskTracker,
}

impl Cleaner {
    /// A cleaner without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until everything is cleaned up, at most `bound`.
    ///
    /// Call it when all trials are over or dropped, before the runtime ends.
    ///
    /// # Errors
    /// The number of tasks that were still busy. They go on as long as the runtime lives.
    pub async fn finish(&self, bound: Duration) -> Result<(), usize> {
        self.tasks.close();
        tokio::time::timeout(bound, self.tasks.wait())
            .await
            .map_err(|_| self.tasks.len())
    }

    /// Does `work` to its end, whatever happens to the caller.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        runtime: &Handle,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn_on(work, runtime)
    }
}
