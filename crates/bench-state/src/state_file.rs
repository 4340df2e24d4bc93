//! Reading and replacing `state.json` and `session.json`.
//!
//! Reading needs no lock, because files are replaced in one step. Every change is a read, a decision and a write
//! inside the state lock, so that nobody's change is lost and nobody ends a run twice.

use std::time::Duration;

use crate::durable;
use crate::error::{Result, StateError};
use crate::format::{self, FORMAT, SessionMark, Unreadable};
use crate::ids::RunId;
use crate::job::Job;
use crate::layout::RunDir;
use crate::lock;
use crate::state::RunState;
use crate::status::RunStatus;

/// What was found where `state.json` should be.
pub(crate) enum Found<J: Job> {
    Good(Box<RunState<J>>),
    Missing,
    /// There, but of no use; the reason is for people.
    Bad(String),
}

/// Reads `state.json`.
///
/// # Errors
/// [`StateError::NewerFormat`] if it is so new that it makes no sense here: such a file is not damaged.
pub(crate) fn read<J: Job>(dir: &RunDir) -> Result<Found<J>> {
    let path = dir.state();
    let bytes = match durable::read(&path, durable::STATE_LIMIT) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Found::Missing),
        Err(error @ (StateError::NotAFile { .. } | StateError::TooLarge { .. })) => {
            return Ok(Found::Bad(error.to_string()));
        }
        Err(error) => return Err(error),
    };
    match format::decode_state(&bytes) {
        Ok(state) => Ok(Found::Good(Box::new(state))),
        Err(Unreadable::Newer(found)) => Err(StateError::NewerFormat {
            path,
            found,
            known: FORMAT,
        }),
        Err(Unreadable::Malformed(error)) => Ok(Found::Bad(error.to_string())),
        Err(Unreadable::Inconsistent(reason)) => Ok(Found::Bad(reason)),
    }
}

/// Does `work` with the present `state.json`, while nobody else can change it.
pub(crate) fn locked<J: Job, T>(dir: &RunDir, work: impl FnOnce(Found<J>) -> Result<T>) -> Result<T> {
    locked_within(lock::PATIENCE, dir, work)
}

/// The same, waiting for the lock for as long as is said.
pub(crate) fn locked_within<J: Job, T>(
    patience: Duration,
    dir: &RunDir,
    work: impl FnOnce(Found<J>) -> Result<T>,
) -> Result<T> {
    lock::with_state_lock(&dir.state_lock(), patience, || work(read(dir)?))
}

/// Refuses unless the state found is one that generation `ours` of run `id` may replace. A missing or damaged one is:
/// its owner knows everything that stood in it.
pub(crate) fn check_ours<J: Job>(found: &Found<J>, dir: &RunDir, id: &RunId, ours: u32) -> Result<()> {
    let Found::Good(state) = found else { return Ok(()) };
    check_format(state, dir)?;
    if state.generation != ours {
        return Err(StateError::Superseded {
            run: id.clone(),
            ours,
            current: state.generation,
        });
    }
    check_running(state)
}

/// Refuses a run that is over.
pub(crate) fn check_running<J: Job>(state: &RunState<J>) -> Result<()> {
    match state.status {
        RunStatus::Running => Ok(()),
        RunStatus::Over { completed_at, .. } => Err(StateError::AlreadyOver {
            run: state.id.clone(),
            completed_at,
        }),
    }
}

/// Replaces the snapshots of a run that generation `ours` works on, with `session` or leaving that one as it is. What
/// others may have written there meanwhile, a request to cancel, is taken over into `state`.
pub(crate) fn replace_ours<J: Job>(
    patience: Duration,
    dir: &RunDir,
    ours: u32,
    state: &mut RunState<J>,
    session: Option<&J::Session>,
) -> Result<()> {
    locked_within(patience, dir, |found: Found<J>| {
        check_ours(&found, dir, &state.id, ours)?;
        match found {
            Found::Good(stored) => state.cancel_requested = stored.cancel_requested,
            Found::Bad(reason) => {
                let kept = durable::set_aside(&dir.state())?;
                tracing::warn!(run = %state.id, reason, kept = %kept.display(), "state.json was damaged");
            }
            Found::Missing => {}
        }
        match session {
            Some(session) => write(dir, state, session),
            None => write_state(dir, state),
        }
    })
}

/// Refuses to write over a newer version's file.
pub(crate) fn check_format<J: Job>(state: &RunState<J>, dir: &RunDir) -> Result<()> {
    if state.format > FORMAT {
        return Err(StateError::NewerFormat {
            path: dir.state(),
            found: state.format,
            known: FORMAT,
        });
    }
    Ok(())
}

/// Replaces both snapshots. The session goes first, so that a run that is over has its final session; the one folder
/// sync is for both names, and a pair that does not fit after a power cut is noticed and read from the journal instead.
pub(crate) fn write<J: Job>(dir: &RunDir, state: &RunState<J>, session: &J::Session) -> Result<()> {
    let mark = SessionMark {
        format: FORMAT,
        run_id: state.id.clone(),
        journal: state.journal,
    };
    durable::place(&dir.session(), &format::encode_session(session, &mark)?)?;
    write_state(dir, state)
}

/// Replaces `state.json` alone.
pub(crate) fn write_state<J: Job>(dir: &RunDir, state: &RunState<J>) -> Result<()> {
    durable::replace(&dir.state(), &format::encode_state(state)?)
}
