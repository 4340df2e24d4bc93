//! Reading a run so that the answer is true: up to date with its journal, and never "running" without a worker.
//!
//! A run whose worker is gone gets its ending here, by whoever reads it first. Holding the lease shared keeps any
//! new worker out meanwhile, the state lock keeps other readers out, and whatever was true before both were held is
//! looked at again. What a dead worker wrote is synced before anything is stored that was read from it, so that a power
//! cut cannot take away what was told. If nothing can be written (a read-only or full disk), the answer is the same, only not kept.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::altered::Depth;
use crate::behind;
use crate::classify::{LeaseSign, Signs, Standing, classify};
use crate::damage;
use crate::durable;
use crate::error::{Result, StateError};
use crate::format::{self, FORMAT};
use crate::ids::RunId;
use crate::job::Job;
use crate::layout::RunDir;
use crate::lock::{self, LeaseProbe};
use crate::markers;
use crate::replay::Replay;
use crate::state::{CancelRequest, RunState, RunSummary};
use crate::state_file::{self, Found};
use crate::status::{CauseKind, Ending, RunStatus};
use crate::worker::Worker;

/// A run as it is, and what was wrong with its files.
pub(crate) struct Settled<J: Job> {
    pub(crate) summary: RunSummary<J>,
    pub(crate) problems: Vec<StateError>,
}

/// What a reader may do about what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// End a run whose worker is gone, and repair a damaged `state.json`; wait so long for its lock. What cannot be
    /// stored in time is told all the same.
    Settles(Duration),
    /// Change nothing on the disk. A run whose worker is gone is told as running and orphaned.
    Looks,
}

impl Reading {
    /// The usual way of settling.
    pub(crate) const SETTLES: Self = Self::Settles(lock::READER);

    /// For the next one of many runs after this one was read: somebody who keeps locks keeps a reader once, not once a
    /// run.
    pub(crate) fn after(self, problems: &[StateError]) -> Self {
        let waited = problems
            .iter()
            .any(|problem| matches!(problem, StateError::LockTimeout { .. }));
        match self {
            Self::Settles(_) if waited => Self::Settles(lock::HURRIED),
            reading => reading,
        }
    }
}

/// Reads a run, and ends it if its worker is gone.
pub(crate) fn read_run<J: Job>(
    dir: &RunDir,
    id: &RunId,
    now: DateTime<Utc>,
    reading: Reading,
) -> Result<Settled<J>> {
    dir.check_no_link()?;
    let mut problems = Vec::new();
    let mut state = read_or_rebuild(dir, reading, &mut problems)?;
    if &state.id != id {
        let reason = format!("it belongs to `{}`; was the folder renamed or copied?", state.id);
        return Err(StateError::Inconsistent {
            path: dir.state(),
            reason,
        });
    }
    if state.status.is_over() {
        problems.extend(damage::of_ended(dir, &mut state, Depth::Length));
        behind::catch_up(dir, &mut state, &mut problems);
    }
    if state.status.is_over() {
        return Ok(Settled {
            summary: summary(state, dir, Standing::Over, None),
            problems,
        });
    }
    let probe = LeaseProbe::of(&dir.lease())?;
    let heartbeat_at = heartbeat(dir);
    let standing = classify(&signs(&state, probe.sign(), heartbeat_at, now));
    match (standing, reading) {
        (Standing::Orphaned { rebooted }, Reading::Settles(patience)) => {
            let orphan = Orphan {
                rebooted,
                heartbeat_at,
            };
            state = end_orphan(patience, dir, state, &orphan, &mut problems);
        }
        _ => match catch_up(dir, &mut state, &mut problems) {
            Ok(replay) => drop(replay),
            Err(error) => problems.push(error),
        },
    }
    drop(probe); // held until here, so that no new worker could begin meanwhile
    let (standing, heartbeat_at) = if state.status.is_over() {
        (Standing::Over, None)
    } else {
        if reading != Reading::Looks {
            markers::heal(dir);
        }
        (standing, heartbeat_at)
    };
    Ok(Settled {
        summary: summary(state, dir, standing, heartbeat_at),
        problems,
    })
}

fn summary<J: Job>(
    state: RunState<J>,
    dir: &RunDir,
    standing: Standing,
    heartbeat_at: Option<DateTime<Utc>>,
) -> RunSummary<J> {
    RunSummary {
        state,
        dir: dir.path().to_owned(),
        standing,
        heartbeat_at,
    }
}

/// Reads `state.json`; where it is of no use, rebuilds it and, if possible, repairs the file.
fn read_or_rebuild<J: Job>(
    dir: &RunDir,
    reading: Reading,
    problems: &mut Vec<StateError>,
) -> Result<RunState<J>> {
    let found = match state_file::read(dir)? {
        Found::Good(state) => return Ok(*state),
        found => found,
    };
    // Rebuild before anything is locked or moved: a folder that is no run stays as it is.
    let (rebuilt, _) = Replay::<J>::rebuild_state(dir)?;
    if rebuilt.format > FORMAT {
        return Ok(rebuilt);
    }
    let path = dir.state();
    let in_memory = move |path| StateError::Rebuilt {
        path,
        reason: match found {
            Found::Bad(reason) => reason,
            Found::Good(_) | Found::Missing => "it was missing".to_owned(),
        },
        kept: None,
    };
    let Reading::Settles(patience) = reading else {
        problems.push(in_memory(path));
        return Ok(rebuilt);
    };
    let repaired = state_file::locked_within(patience, dir, |found| {
        let reason = match found {
            Found::Good(state) => return Ok((*state, None)),
            Found::Missing => ("it was missing".to_owned(), None),
            Found::Bad(reason) => (reason, Some(durable::set_aside(&dir.state())?)),
        };
        let (state, _) = Replay::rebuild_state(dir)?;
        durable::sync_written(&dir.journal())?;
        state_file::write_state(dir, &state)?;
        Ok((state, Some(reason)))
    });
    match repaired {
        Ok((state, None)) => Ok(state),
        Ok((state, Some((reason, kept)))) => {
            problems.push(StateError::Rebuilt { path, reason, kept });
            Ok(state)
        }
        Err(error @ StateError::LockTimeout { .. }) => {
            problems.extend([in_memory(path), error]);
            Ok(rebuilt)
        }
        Err(error) => {
            problems.push(StateError::Rebuilt {
                path,
                reason: error.to_string(),
                kept: None,
            });
            Ok(rebuilt)
        }
    }
}

fn signs<J: Job>(
    state: &RunState<J>,
    lease: LeaseSign,
    heartbeat_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Signs {
    let last_sign = heartbeat_at.unwrap_or(state.updated_at).max(state.updated_at);
    let worker = state.worker.as_ref();
    Signs {
        over: state.status.is_over(),
        lease,
        same_host: worker.is_some_and(Worker::is_of_this_host),
        same_boot: worker.and_then(Worker::is_of_this_boot),
        silent_for: Some(now - last_sign),
    }
}

/// When the worker last touched its lease.
fn heartbeat(dir: &RunDir) -> Option<DateTime<Utc>> {
    let modified = fs::metadata(dir.lease())
        .and_then(|lease| lease.modified())
        .ok()?;
    Some(format::to_millis(modified.into()))
}

/// Adds what the journal knows and `state.json` does not yet. A journal that is of no use is a problem to tell about,
/// not a reason to say nothing: the snapshot still stands.
///
/// # Errors
/// The journal cannot be read at this moment, for want of descriptors for example. Another reader may be able to, so
/// nothing must be stored that would stand for ever without what the journal knows.
fn catch_up<J: Job>(
    dir: &RunDir,
    state: &mut RunState<J>,
    problems: &mut Vec<StateError>,
) -> Result<Option<Replay<J>>> {
    match Replay::onto(dir, state) {
        Ok(replay) => {
            problems.extend(replay.damage(dir, state.journal));
            replay.apply_to(state);
            Ok(Some(replay))
        }
        Err(error) if may_pass(&error) => Err(error),
        Err(error) => {
            problems.push(error);
            Ok(None)
        }
    }
}

/// Whether it may go better next time. A file that is gone stays gone.
fn may_pass(error: &StateError) -> bool {
    match error {
        StateError::Io { source, .. } => source.kind() != ErrorKind::NotFound,
        StateError::NotAFile { .. } => true,
        _ => false,
    }
}

/// What was known about an orphan when it was last looked at.
struct Orphan {
    rebooted: bool,
    heartbeat_at: Option<DateTime<Utc>>,
}

/// Gives a run without a worker its ending. The caller holds the free lease.
fn end_orphan<J: Job>(
    patience: Duration,
    dir: &RunDir,
    seen: RunState<J>,
    orphan: &Orphan,
    problems: &mut Vec<StateError>,
) -> RunState<J> {
    let mut state = seen;
    let stored = state_file::locked_within(patience, dir, |found| {
        if let Found::Good(newest) = found {
            state = *newest;
        }
        if state.status.is_over() {
            behind::catch_up(dir, &mut state, &mut Vec::new());
        }
        if state.status.is_over() {
            return Ok(());
        }
        end_and_store(dir, &mut state, orphan, problems)
    });
    if let Err(error) = stored {
        tracing::warn!(run = %state.id, %error, "the run is over, but its ending could not be stored");
        problems.push(error);
        // Where not even the lock could be had, the ending is told all the same.
        if !state.status.is_over()
            && let Err(error) = end(dir, &mut state, orphan, problems)
        {
            problems.push(error);
        }
    }
    state
}

/// Ends an orphan, and stores that. The caller holds the state lock, too.
fn end_and_store<J: Job>(
    dir: &RunDir,
    state: &mut RunState<J>,
    orphan: &Orphan,
    problems: &mut Vec<StateError>,
) -> Result<()> {
    let counted = state.progress.clone();
    let replay = end(dir, state, orphan, problems)?;
    state_file::check_format(state, dir)?;
    durable::sync_written(&dir.journal())?;
    lock::make_room(&dir.lease());
    store(dir, state, replay.as_ref(), counted)?;
    markers::remove(dir);
    Ok(())
}

/// Stores a state whose `progress` was `counted` before the journal was read. Of a journal that was cut since, the
/// snapshots are the last that knows what it held: they keep it.
fn store<J: Job>(
    dir: &RunDir,
    state: &RunState<J>,
    replay: Option<&Replay<J>>,
    counted: J::Progress,
) -> Result<()> {
    match replay {
        Some(replay) if !replay.is_cut(state.journal) => state_file::write(dir, state, &replay.session),
        Some(_) => {
            let mut kept = state.clone();
            kept.progress = counted;
            state_file::write_state(dir, &kept)
        }
        None => state_file::write_state(dir, state),
    }
}

/// Makes sure that a run is over which is about to be changed: one that a reader found without a worker, and told as
/// over, may still stand there as running, because that reader could not store it. The caller holds the lease and the
/// state lock.
///
/// # Errors
/// Why it cannot be stored, a full disk say; [`StateError::StillRunning`] if a worker on another machine may be on it.
pub(crate) fn ensure_over<J: Job>(dir: &RunDir, state: &mut RunState<J>) -> Result<()> {
    if state.status.is_over() {
        behind::catch_up(dir, state, &mut Vec::new());
    }
    if state.status.is_over() {
        return Ok(());
    }
    let heartbeat_at = heartbeat(dir);
    // As others see it: nobody but us holds the lease. How long it was silent decides nothing then, so no clock is asked.
    match classify(&signs(state, LeaseSign::Free, heartbeat_at, state.updated_at)) {
        Standing::Orphaned { rebooted } => {
            let orphan = Orphan {
                rebooted,
                heartbeat_at,
            };
            end_and_store(dir, state, &orphan, &mut Vec::new())
        }
        _ => Err(StateError::StillRunning {
            run: state.id.clone(),
            worker: state.worker.clone(),
        }),
    }
}

/// Ends an orphan in memory: with the ending its worker still noted, else as was asked for, else as lost. It is ended
/// also where this fails; then without what the journal knows, and not to be stored.
fn end<J: Job>(
    dir: &RunDir,
    state: &mut RunState<J>,
    orphan: &Orphan,
    problems: &mut Vec<StateError>,
) -> Result<Option<Replay<J>>> {
    let replay = catch_up(dir, state, problems);
    if !state.status.is_over() {
        let last_known = state.updated_at.max(state.started_at);
        let mut completed_at = orphan.heartbeat_at.unwrap_or(last_known).max(last_known);
        let ending = match &state.cancel_requested {
            Some(CancelRequest { at, reason }) => {
                completed_at = completed_at.max(*at);
                Ending::Cancelled {
                    reason: reason.clone(),
                }
            }
            None => lost(state.worker.as_ref(), orphan.rebooted),
        };
        state.status = RunStatus::Over { completed_at, ending };
        state.updated_at = completed_at;
    }
    replay
}

/// Ends a run that nobody else can be expected to end, if `still` holds for what is stored when it is looked at under
/// the lock. Says whether it did. An ending that was noted in the journal comes first.
pub(crate) fn end_as<J: Job>(
    dir: &RunDir,
    ending: Ending,
    now: DateTime<Utc>,
    still: impl FnOnce(&RunState<J>) -> bool,
) -> Result<bool> {
    state_file::locked(dir, |found: Found<J>| {
        let Found::Good(mut state) = found else {
            return Ok(false);
        };
        if state.status.is_over() || !still(&state) {
            return Ok(false);
        }
        state_file::check_format(&state, dir)?;
        let counted = state.progress.clone();
        let replay = catch_up(dir, &mut state, &mut Vec::new())?;
        durable::sync_written(&dir.journal())?;
        let ours = !state.status.is_over();
        if ours {
            let completed_at = format::to_millis(now).max(state.started_at);
            state.status = RunStatus::Over { completed_at, ending };
            state.updated_at = completed_at;
        }
        store(dir, &state, replay.as_ref(), counted)?;
        markers::remove(dir);
        Ok(ours)
    })
}

fn lost(worker: Option<&Worker>, rebooted: bool) -> Ending {
    let who = worker.map_or_else(
        || "worker".to_owned(),
        |worker| format!("worker (pid {})", worker.pid),
    );
    if rebooted {
        CauseKind::Rebooted.because(format!("the machine was restarted while the {who} was running"))
    } else {
        CauseKind::WorkerLost.because(format!(
            "the {who} is gone and left no ending: killed, out of memory or crashed"
        ))
    }
}
