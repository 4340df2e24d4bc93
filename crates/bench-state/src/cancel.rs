//! Asking a run to end, and waiting until it has.
//!
//! A request is written into `state.json`, where the worker looks for it ([`Recorder::cancel_requested`]) and where it
//! stays true when the worker dies instead of obeying: such a run ends as cancelled, not as lost. A signal is the
//! quicker way for a worker of this machine, and no replacement: it says nothing about why.
//!
//! [`Recorder::cancel_requested`]: crate::Recorder::cancel_requested

use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::classify::LeaseSign;
use crate::error::{At, FileAction, Result, StateError};
use crate::format;
use crate::ids::RunId;
use crate::job::Job;
use crate::layout::RunDir;
use crate::lock::{self, LeaseProbe};
use crate::platform::process::{self, Signal};
use crate::platform::{self, FileVersion};
use crate::state::{CancelRequest, RunSummary};
use crate::state_file::{self, Found};
use crate::status::CancelReason;
use crate::store::RunStore;

/// First and longest pause between two looks at a run that somebody waits for.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// What came of asking a run to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The request that stands.
    pub request: CancelRequest,
    /// Somebody asked before, so that the worker knows already; a signal would be a further request.
    pub repeated: bool,
}

impl<J: Job> RunStore<J> {
    /// Writes down that the run should end. Its worker sees it with its next look; if the worker dies first, the run
    /// ends as cancelled all the same. Of several requests the first one stands.
    ///
    /// # Errors
    /// [`StateError::AlreadyOver`] if there is nothing to end; [`StateError::UnknownRun`]; I/O and lock errors.
    pub fn request_cancel(&self, id: &RunId, reason: CancelReason, now: DateTime<Utc>) -> Result<Requested> {
        let dir = self.dirs().run(id);
        // Whoever died before the request was lost, not cancelled.
        let view = self.read(id, now)?;
        state_file::check_running(&view.summary().state)?;
        state_file::locked_within(lock::REQUEST, &dir, |found: Found<J>| {
            let Found::Good(mut state) = found else {
                return Err(StateError::Inconsistent {
                    path: dir.state(),
                    reason: "it changed while it was read; try again".to_owned(),
                });
            };
            state_file::check_running(&state)?;
            state_file::check_format(&state, &dir)?;
            if let Some(request) = state.cancel_requested {
                return Ok(Requested {
                    request,
                    repeated: true,
                });
            }
            let request = CancelRequest {
                at: format::to_millis(now),
                reason,
            };
            state.cancel_requested = Some(request.clone());
            state_file::write_state(&dir, &state)?;
            Ok(Requested {
                request,
                repeated: false,
            })
        })
    }

    /// Sends a signal to the worker, if it is alive and of this machine; says whether it was sent. The process is
    /// pinned before its identity is checked, so that no other one can ever be hit.
    ///
    /// Not sent is no error: the worker may have ended a moment ago, or live elsewhere.
    ///
    /// # Errors
    /// [`StateError::UnknownRun`]; [`StateError::Unsupported`] on systems where processes cannot be pinned;
    /// [`StateError::Io`] if the worker is somebody else's.
    pub fn signal(&self, id: &RunId, signal: Signal) -> Result<bool> {
        let dir = self.dirs().run(id);
        let state = match state_file::read::<J>(&dir)? {
            Found::Good(state) => state,
            _ if !dir.path().exists() => return Err(self.unknown(id.as_str())),
            Found::Missing | Found::Bad(_) => return Ok(false),
        };
        let held = LeaseProbe::of(&dir.lease())?.sign() == LeaseSign::Held;
        let Some(worker) = state.worker.filter(|_| held && !state.status.is_over()) else {
            return Ok(false);
        };
        match process::signal(&worker, signal) {
            Err(error) if error.kind() == ErrorKind::Unsupported => Err(StateError::Unsupported {
                what: "signalling a worker",
            }),
            outcome => outcome.at(FileAction::Signal, dir.path()),
        }
    }

    /// Waits until the run is over and its worker gone from it, up to `timeout`; `None` if it still is not. `now` is
    /// the time at the call.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn wait_over(
        &self,
        id: &RunId,
        timeout: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<RunSummary<J>>> {
        let dir = self.dirs().run(id);
        let started = Instant::now();
        let (mut pause, longest) = PAUSES;
        let mut seen = None;
        loop {
            // A held lease and an unchanged file have nothing new to say, and cost next to nothing to look at.
            let version = platform::version_of(&dir.state()).at(FileAction::Open, &dir.state())?;
            let held = LeaseProbe::of(&dir.lease())?.sign() == LeaseSign::Held;
            if !held || seen.is_none() || version != seen {
                let view = self.read(id, now + started.elapsed())?;
                if view.summary().state.status.is_over() && !held {
                    return Ok(Some(view.summary().clone()));
                }
                seen = version;
            }
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(longest);
        }
    }
}

/// A worker's look at the requests to end its run: reads `state.json` only when it is not the one it knows.
#[derive(Debug, Default)]
pub(crate) struct CancelWatch(Mutex<(Option<FileVersion>, Option<CancelRequest>)>);

impl CancelWatch {
    pub(crate) fn look<J: Job>(&self, dir: &RunDir) -> Result<Option<CancelRequest>> {
        let path = dir.state();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = platform::version_of(&path).at(FileAction::Open, &path)?;
        if version.is_some() && version != known.0 {
            if let Found::Good(state) = state_file::read::<J>(dir)? {
                known.1 = known.1.take().or(state.cancel_requested);
            }
            known.0 = version;
        }
        Ok(known.1.clone())
    }
}
