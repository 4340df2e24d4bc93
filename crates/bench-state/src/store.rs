//! The store: a folder of runs. Creating, listing, finding and reading them.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::active::ActiveRun;
use crate::altered::Depth;
use crate::create;
use crate::damage;
use crate::error::{At, FileAction, Result, StateError};
use crate::ids::RunId;
use crate::job::Job;
use crate::layout::StoreDirs;
use crate::markers;
use crate::settle::{self, Reading};
use crate::state::RunSummary;
use crate::view::RunView;

/// A folder of runs of one kind of job. Cheap to open and to clone; holds nothing open.
pub struct RunStore<J: Job> {
    dirs: StoreDirs,
    job: PhantomData<fn() -> J>,
}

impl<J: Job> Clone for RunStore<J> {
    fn clone(&self) -> Self {
        Self {
            dirs: self.dirs.clone(),
            job: PhantomData,
        }
    }
}

/// What [`RunStore::list`] found.
pub struct Listing<J: Job> {
    /// The runs, newest first.
    pub runs: Vec<RunSummary<J>>,
    /// Runs that cannot be shown, and runs that can although something is wrong with their files.
    pub problems: Vec<Problem>,
    /// Older runs that were not looked at because of the limit.
    pub not_shown: usize,
}

/// Something wrong with one entry of the runs folder.
#[derive(Debug)]
pub struct Problem {
    /// The entry.
    pub path: PathBuf,
    /// What is wrong.
    pub error: StateError,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<J: Job> RunStore<J> {
    /// A store in `root`. Touches nothing: the folder is created with the first run, and until then the list is
    /// empty.
    ///
    /// # Errors
    /// [`StateError::Io`] if `root` exists and is not a folder, or cannot be reached.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        match fs::metadata(&root) {
            Ok(found) if !found.is_dir() => Err(ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
        .at(FileAction::Open, &root)?;
        Ok(Self {
            dirs: StoreDirs::new(root),
            job: PhantomData,
        })
    }

    /// The store's folder, as given.
    pub fn root(&self) -> &Path {
        self.dirs.root()
    }

    /// Creates a run that starts at `now` and takes it up in this process. It becomes visible complete, durable and
    /// with its lease held.
    ///
    /// # Errors
    /// [`StateError::Unstorable`] if a type of the job does not fit its place; [`StateError::NewerFormat`] if the store
    /// was written by a newer version; I/O errors. Then there is no run.
    pub fn create(&self, plan: &J::Plan, summary: J::Summary, now: DateTime<Utc>) -> Result<ActiveRun<J>> {
        create::create(&self.dirs, plan, summary, now)
    }

    /// The newest runs, up to `limit`; opens only those. Ends runs whose worker is gone (see the crate's overview);
    /// runs that are well are only read. `now` is compared with heartbeats of other machines.
    ///
    /// # Errors
    /// Only if the runs folder itself cannot be listed. What is wrong with one run is in [`Listing::problems`].
    pub fn list(&self, limit: Option<usize>, now: DateTime<Utc>) -> Result<Listing<J>> {
        self.list_as(limit, now, Reading::SETTLES)
    }

    /// The same, but changes nothing on the disk: a run whose worker is gone is told as running, its standing as
    /// orphaned. For looking before cleaning up; use [`list`](Self::list) for the truth.
    pub fn list_without_settling(&self, limit: Option<usize>, now: DateTime<Utc>) -> Result<Listing<J>> {
        self.list_as(limit, now, Reading::Looks)
    }

    /// Every run that is not over, newest first, however many newer ones there are; opens only those. Ends runs whose
    /// worker is gone, which are then not among them.
    ///
    /// Runs copied into the folder by other means are found after they were once in a [`list`](Self::list).
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn unfinished(&self, now: DateTime<Utc>) -> Result<Listing<J>> {
        if let Err(error) = markers::ensure(&self.dirs) {
            tracing::debug!(%error, "looking at every run, because it cannot be kept which ones are under way");
        }
        let mut problems = Vec::new();
        let (marked, ids) = match markers::ids(&self.dirs)? {
            Some(ids) => (true, ids),
            None => (false, self.ids(&mut problems)?),
        };
        let mut listing = self.read_all(ids, None, problems, now, Reading::SETTLES);
        listing.runs.retain(|run| {
            let over = run.state.status.is_over();
            if over && marked {
                markers::drop_stale::<J>(&self.dirs, &run.state.id);
            }
            !over
        });
        Ok(listing)
    }

    fn list_as(&self, limit: Option<usize>, now: DateTime<Utc>, reading: Reading) -> Result<Listing<J>> {
        let mut problems = Vec::new();
        let ids = self.ids(&mut problems)?;
        Ok(self.read_all(ids, limit, problems, now, reading))
    }

    fn read_all(
        &self,
        ids: Vec<RunId>,
        limit: Option<usize>,
        mut problems: Vec<Problem>,
        now: DateTime<Utc>,
        mut reading: Reading,
    ) -> Listing<J> {
        let mut ids = ids.into_iter();
        let mut runs = Vec::new();
        while runs.len() < limit.unwrap_or(usize::MAX) {
            let Some(id) = ids.next() else { break };
            let dir = self.dirs.run(&id);
            let problem = |error| Problem {
                path: dir.path().to_owned(),
                error,
            };
            match settle::read_run(&dir, &id, now, reading) {
                Ok(settled) => {
                    reading = reading.after(&settled.problems);
                    runs.push(settled.summary);
                    problems.extend(settled.problems.into_iter().map(problem));
                }
                // Removed since the folder was listed: not there is not wrong.
                Err(_) if !dir.path().exists() => markers::drop_stale::<J>(&self.dirs, &id),
                Err(error) => problems.push(problem(error)),
            }
        }
        Listing {
            runs,
            problems,
            not_shown: ids.len(),
        }
    }

    /// Reads one run, and ends it if its worker is gone.
    ///
    /// # Errors
    /// [`StateError::UnknownRun`], or what makes the run unreadable.
    pub fn read(&self, id: &RunId, now: DateTime<Utc>) -> Result<RunView<J>> {
        self.read_as(id, now, Reading::SETTLES, Depth::Length)
    }

    /// The same, and if the run is over, reads its journal from beginning to end: what it lacks is among the
    /// [problems](RunView::problems), and counters and totals are those of the lines that are there. For whoever tells
    /// what became of its items.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn inspect(&self, id: &RunId, now: DateTime<Utc>) -> Result<RunView<J>> {
        self.read_as(id, now, Reading::SETTLES, Depth::Content)
    }

    fn read_as(
        &self,
        id: &RunId,
        now: DateTime<Utc>,
        reading: Reading,
        journal: Depth,
    ) -> Result<RunView<J>> {
        let dir = self.dirs.run(id);
        let mut found = match settle::read_run(&dir, id, now, reading) {
            Err(_) if !dir.path().exists() => return Err(self.unknown(id.as_str())),
            outcome => outcome?,
        };
        if journal == Depth::Content {
            damage::look(&dir, &mut found);
        }
        Ok(RunView::new(dir, found))
    }

    /// The same, but changes nothing on the disk: see [`list_without_settling`](Self::list_without_settling).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_without_settling(&self, id: &RunId, now: DateTime<Utc>) -> Result<RunView<J>> {
        self.read_as(id, now, Reading::Looks, Depth::Length)
    }

    /// The name of every run, newest first; opens none of them.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn run_ids(&self) -> Result<Vec<RunId>> {
        self.ids(&mut Vec::new())
    }

    /// Finds a run by its id, by a prefix that fits no other (with or without `run_`), or as `latest`.
    ///
    /// # Errors
    /// [`StateError::NoRuns`], [`StateError::UnknownRun`], [`StateError::AmbiguousRun`] with what it could mean.
    pub fn resolve(&self, text: &str) -> Result<RunId> {
        let ids = self.ids(&mut Vec::new())?;
        if text == "latest" {
            return ids.into_iter().next().ok_or_else(|| StateError::NoRuns {
                root: self.dirs.runs(),
            });
        }
        let mut fitting: Vec<RunId> = ids.into_iter().filter(|id| id.has_prefix(text)).collect();
        match (fitting.len(), text) {
            (0, _) | (_, "") => Err(self.unknown(text)),
            (1, _) => Ok(fitting.swap_remove(0)),
            _ => Err(StateError::AmbiguousRun {
                prefix: text.to_owned(),
                root: self.dirs.runs(),
                candidates: fitting,
            }),
        }
    }

    pub(crate) fn dirs(&self) -> &StoreDirs {
        &self.dirs
    }

    pub(crate) fn unknown(&self, wanted: &str) -> StateError {
        StateError::UnknownRun {
            wanted: wanted.to_owned(),
            root: self.dirs.runs(),
        }
    }

    /// Every run by name, newest first. Entries that are no runs become problems, except hidden ones.
    pub(crate) fn ids(&self, problems: &mut Vec<Problem>) -> Result<Vec<RunId>> {
        self.dirs
            .run_ids(|path, error| problems.push(Problem { path, error }))
    }
}
