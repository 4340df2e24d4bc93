//! The heartbeat: a small thread that touches the lease file, for readers on other machines.
//!
//! It shows that the process lives, not that its work moves on, so it asks nobody: a worker that waits an hour for a
//! reply is alive. The thread is owned by the run's guard and ends with it, at once.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::classify::HEARTBEAT_SECONDS;
use crate::error::{At, FileAction, Result};
use crate::{durable, platform};

/// Beats until it is dropped.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    /// Nothing is ever sent: closing it is the signal.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Starts beating on `lease`, first in 15 s (creating the lease was the first beat).
    pub(crate) fn start(lease: &Path) -> Result<Self> {
        Self::every(Duration::from_secs(HEARTBEAT_SECONDS), lease)
    }

    fn every(interval: Duration, lease: &Path) -> Result<Self> {
        // A descriptor of its own: it shares no lock with the lease's, so closing it frees nothing.
        let file = durable::open(platform::without_waiting().write(true), lease)?;
        let (stop, stopped) = mpsc::channel::<()>();
        let beat = move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = platform::touch(&file) {
                    tracing::warn!(%error, "heartbeat not written");
                }
            }
        };
        let thread = thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(beat)
            .at(FileAction::Watch, lease)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the heartbeat thread had panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Instant, SystemTime};

    use super::*;

    #[test]
    fn beats_until_dropped_and_stops_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let lease = folder.path().join("lease.lock");
        let file = File::create(&lease).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let heartbeat = Heartbeat::every(Duration::from_millis(1), &lease).unwrap();
        let patience = Instant::now();
        while fs::metadata(&lease).unwrap().modified().unwrap() == SystemTime::UNIX_EPOCH {
            assert!(patience.elapsed() < Duration::from_mins(1), "no beat came");
            thread::yield_now();
        }
        drop(heartbeat);
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        drop(Heartbeat::every(Duration::from_hours(1), &lease).unwrap());
        assert!(
            patience.elapsed() < Duration::from_mins(30),
            "dropping waited for the next beat"
        );
        assert_eq!(
            fs::metadata(&lease).unwrap().modified().unwrap(),
            SystemTime::UNIX_EPOCH
        );
    }
}
