//! Continuing a run that is over: the one way out of it.
//!
//! The lease is taken before anything is changed, so that there is one continuer at most and no reader takes the run
//! for dead in between. Then the journal: its torn end is cut, and a note begins the next generation. Replacing
//! `state.json` is what makes the run running again: a crash before that leaves it over, as it was.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::active::ActiveRun;
use crate::create;
use crate::error::{Result, StateError};
use crate::format::{self, FORMAT, StoreNote};
use crate::ids::RunId;
use crate::job::Job;
use crate::journal::line;
use crate::journal::writer::JournalWriter;
use crate::layout::RunDir;
use crate::lock::Lease;
use crate::markers;
use crate::platform;
use crate::recorder::Shared;
use crate::replay::{self, Replay};
use crate::settle;
use crate::state::RunState;
use crate::state_file::{self, Found};
use crate::status::RunStatus;
use crate::store::RunStore;
use crate::view::RunView;

impl<J: Job> RunStore<J> {
    /// Takes up a run that is over, in this process; everything recorded so far is kept and counts. `started_at` stays,
    /// `generation` grows by one, and a request to cancel is forgotten. The run is running again when this returns.
    ///
    /// A run whose worker is gone is ended first, as reading it does.
    ///
    /// # Errors
    /// [`StateError::StillRunning`] if a worker is on it, or may be; [`StateError::NotResumable`] if the journal is
    /// damaged in its middle (a torn end is not damage); [`StateError::PlanChanged`] if `plan.json` is no longer what the
    /// run was created with; [`StateError::LockTimeout`] if others look at the run without
    /// end; [`StateError::UnknownRun`], [`StateError::NewerFormat`], I/O errors. Then the run is over as before.
    pub fn resume(&self, id: &RunId, now: DateTime<Utc>) -> Result<ActiveRun<J>> {
        let dir = self.dirs().run(id);
        let now = format::to_millis(now);
        check_over(&self.read(id, now)?.summary().state)?;
        create::prepare(self.dirs())?;
        markers::ensure(self.dirs())?;
        // Another one may be quicker, and is seen as soon as the run is running again.
        let lease = Lease::take(&dir.lease(), || check_free::<J>(&dir));
        let taken = lease.and_then(|lease| Ok((reopen::<J>(&dir, &lease, now)?, lease)));
        match taken {
            Ok((shared, lease)) => {
                lease.touch(&dir.lease())?;
                ActiveRun::begin(shared, lease)
            }
            // Removed while we were at it.
            Err(_) if !dir.path().exists() => Err(self.unknown(id.as_str())),
            Err(error) => Err(error),
        }
    }
}

impl<J: Job> RunView<J> {
    /// Refuses what [`RunStore::resume`] would refuse of a run that is over, as far as its files tell, without touching it.
    /// To be asked of one that was [inspected](RunStore::inspect): others know less of their journal.
    ///
    /// # Errors
    /// [`StateError::PlanChanged`], [`StateError::Copied`], [`StateError::NewerFormat`], [`StateError::NotResumable`], and
    /// those of reading plan and journal.
    pub fn check_resumable(&self) -> Result<()> {
        self.check_plan()?;
        self.check_original()?;
        let state = &self.summary().state;
        state_file::check_format(state, self.run_dir())?;
        let mut problems = self.problems().iter();
        let refused = problems.find_map(|problem| not_resumable(&state.id, problem));
        refused.map_or(Ok(()), Err)
    }
}

/// Refuses to wait for a lease that a worker holds. Whoever else holds it lets go in a moment.
pub(crate) fn check_free<J: Job>(dir: &RunDir) -> Result<()> {
    match state_file::read::<J>(dir)? {
        Found::Good(state) => check_over(&state),
        Found::Missing | Found::Bad(_) => Ok(()),
    }
}

fn check_over<J: Job>(state: &RunState<J>) -> Result<()> {
    match state.status {
        RunStatus::Over { .. } => Ok(()),
        RunStatus::Running => Err(StateError::StillRunning {
            run: state.id.clone(),
            worker: state.worker.clone(),
        }),
    }
}

/// Begins the next generation. The caller holds the lease.
fn reopen<J: Job>(dir: &RunDir, lease: &Lease, now: DateTime<Utc>) -> Result<Arc<Shared<J>>> {
    state_file::locked(dir, |found: Found<J>| {
        let Found::Good(mut state) = found else {
            return Err(StateError::Inconsistent {
                path: dir.state(),
                reason: "it was damaged a moment ago; try again".to_owned(),
            });
        };
        state_file::check_format(&state, dir)?;
        settle::ensure_over(dir, &mut state)?;
        lease.reserve(&dir.lease())?;
        let replay = Replay::<J>::from_scratch(dir)?;
        replay::check_plan(dir)?;
        let mut journal = open_journal(dir, &state, &replay)?;
        let worker = platform::this_worker();
        let begun = StoreNote::Begun {
            format: FORMAT,
            run_id: state.id.clone(),
            summary: format::to_value("summary", &state.summary)?,
            worker: worker.clone(),
            plan: replay.plan.clone(),
        };
        state.generation = state.generation.max(replay.generation) + 1;
        journal.append(state.generation, [(now, line::note_members(&begun)?)])?;
        state.status = RunStatus::Running;
        state.cancel_requested = None;
        state.progress = replay.progress;
        state.worker = Some(worker);
        state.updated_at = now;
        state.journal = journal.end();
        markers::put(dir)?;
        state_file::write(dir, &state, &replay.session)?;
        Ok(Shared::new(dir.clone(), journal, *state, replay.session))
    })
}

/// Opens the journal behind its last line, if all of it can be relied on.
pub(crate) fn open_journal<J: Job>(
    dir: &RunDir,
    state: &RunState<J>,
    replay: &Replay<J>,
) -> Result<JournalWriter> {
    let path = dir.journal();
    let damage = replay.damage(dir, replay::recorded(dir, state));
    if let Some(refused) = damage.and_then(|damage| not_resumable(&state.id, &damage)) {
        return Err(refused);
    }
    JournalWriter::open_after(&path, replay.journal, &replay.report)
}

/// Why a run whose journal is damaged like this cannot be continued.
fn not_resumable(run: &RunId, damage: &StateError) -> Option<StateError> {
    let StateError::JournalDamaged {
        path,
        faults,
        line,
        reason,
    } = damage
    else {
        return None;
    };
    Some(StateError::NotResumable {
        run: run.clone(),
        path: path.clone(),
        faults: *faults,
        line: *line,
        reason: reason.clone(),
    })
}
