//! Removing old runs: out of sight in one step, then deleted where nobody looks.
//!
//! A run is moved into the trash while its lease and its state lock are held, so that nobody can be working on it,
//! resuming it or reading it half. A crash after that leaves a folder in the trash, which the next pruning or clean-up
//! deletes.

use chrono::{DateTime, TimeDelta, Utc};

use crate::create;
use crate::durable;
use crate::error::{Result, StateError};
use crate::ids::RunId;
use crate::job::Job;
use crate::layout::{RunDir, StoreDirs};
use crate::lock::Lease;
use crate::markers;
use crate::settle::{self, Reading};
use crate::state::RunState;
use crate::state_file::{self, Found};
use crate::store::{Problem, RunStore};
use crate::sweep;

/// What [`RunStore::prune`] or [`RunStore::remove`] did, or would do.
#[derive(Debug, Default)]
pub struct Pruned {
    /// The runs removed: newest first, or in the order in which they were named.
    pub runs: Vec<RunId>,
    /// Runs that could not be judged or removed, which therefore stay.
    pub problems: Vec<Problem>,
}

impl<J: Job> RunStore<J> {
    /// Removes the runs that ended more than `older_than` before `now`, but none of the newest `keep` and never one
    /// that is not over. With `dry_run` it changes nothing on the disk, and says what it would remove.
    ///
    /// # Errors
    /// [`StateError::NewerFormat`] if the store was written by a newer version; I/O errors if the runs cannot be listed.
    /// What is wrong with one run is in [`Pruned::problems`].
    pub fn prune(
        &self,
        older_than: TimeDelta,
        keep: usize,
        dry_run: bool,
        now: DateTime<Utc>,
    ) -> Result<Pruned> {
        let old = |state: &RunState<J>| {
            state
                .status
                .completed_at()
                .is_some_and(|end| now - end > older_than)
        };
        let ids = || Ok(self.ids(&mut Vec::new())?.into_iter().skip(keep).collect());
        self.remove_those(ids, old, |_| None, dry_run, now)
    }

    /// Removes these runs, whatever their age; one that is not over stays, and is among the problems as
    /// [`StateError::StillRunning`]. With `dry_run` it changes nothing on the disk, and says what it would remove.
    ///
    /// # Errors
    /// [`StateError::NewerFormat`] if the store was written by a newer version. What is wrong with one run is in
    /// [`Pruned::problems`].
    pub fn remove(&self, runs: &[RunId], dry_run: bool, now: DateTime<Utc>) -> Result<Pruned> {
        let still_running = |state: RunState<J>| {
            Some(StateError::StillRunning {
                run: state.id,
                worker: state.worker,
            })
        };
        let over = |state: &RunState<J>| state.status.is_over();
        self.remove_those(|| Ok(runs.to_vec()), over, still_running, dry_run, now)
    }

    /// Removes those of the runs that are `wanted`; `stays` says what is wrong with one that is not, if anything is.
    fn remove_those(
        &self,
        runs: impl FnOnce() -> Result<Vec<RunId>>,
        wanted: impl Fn(&RunState<J>) -> bool,
        stays: impl Fn(RunState<J>) -> Option<StateError>,
        dry_run: bool,
        now: DateTime<Utc>,
    ) -> Result<Pruned> {
        let reading = if dry_run { Reading::Looks } else { Reading::SETTLES };
        if !dry_run {
            create::check_writable(self.dirs())?;
        }
        let mut pruned = Pruned::default();
        for id in runs()? {
            let dir = self.dirs().run(&id);
            let removed = settle::read_run::<J>(&dir, &id, now, reading).and_then(|settled| {
                let state = settled.summary.state;
                let removed = wanted(&state) && (dry_run || remove(self.dirs(), &dir, &id, &wanted)?);
                Ok(if removed { None } else { Some(state) })
            });
            let problem = match removed {
                Ok(None) => {
                    pruned.runs.push(id);
                    continue;
                }
                Ok(Some(state)) => stays(state),
                Err(error) => Some(error),
            };
            // Somebody else may have removed it meanwhile.
            if let Some(error) = problem.filter(|_| dir.path().exists()) {
                let path = dir.path().to_owned();
                pruned.problems.push(Problem { path, error });
            }
        }
        if !dry_run {
            self.empty_trash(now, &mut pruned.problems);
        }
        Ok(pruned)
    }

    /// Deletes what lies in the trash: from this pruning, and from one that did not get to its end.
    pub(crate) fn empty_trash(&self, now: DateTime<Utc>, problems: &mut Vec<Problem>) {
        let trash = self.dirs().trash();
        let entries = std::fs::read_dir(&trash).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if let Err(error) = sweep::remove(self.dirs(), &path, now) {
                problems.push(Problem { path, error });
            }
        }
    }
}

/// Moves a run into the trash, if it is `old` still when nobody can change it; says whether it did.
fn remove<J: Job>(
    store: &StoreDirs,
    dir: &RunDir,
    id: &RunId,
    old: impl Fn(&RunState<J>) -> bool,
) -> Result<bool> {
    let Some(_lease) = Lease::try_take(&dir.lease())? else {
        return Ok(false);
    };
    let moved = state_file::locked(dir, |found: Found<J>| {
        let Found::Good(state) = found else {
            return Ok(false);
        };
        if !old(&state) {
            return Ok(false);
        }
        state_file::check_format(&state, dir)?;
        let place = store.trash().join(id.as_str());
        durable::ensure_folder(&store.trash(), store.root())?;
        durable::remove_folder(&place)?;
        durable::discard_folder(dir.path(), &place)?;
        Ok(true)
    })?;
    if moved {
        markers::remove(dir);
    }
    Ok(moved)
}
