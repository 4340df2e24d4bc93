//! Looking for what is not as it should be, and putting it right: two steps, with a person's decision in between.
//!
//! The plan looks at every run and changes nothing. Applying it looks again at each row under the locks, so an old plan
//! does no harm: what has got well meanwhile stays as it is. Times are those of the plan.

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use crate::classify::{LeaseSign, Standing};
use crate::create;
use crate::damage;
use crate::error::Result;
use crate::ids::RunId;
use crate::job::Job;
use crate::legacy::{self, LegacyFault, LegacyRow};
use crate::lock::LeaseProbe;
use crate::replay;
use crate::settle::{self, Reading};
use crate::state::{CancelRequest, RunState, RunSummary};
use crate::state_file::{self, Found};
use crate::status::{CauseKind, Ending};
use crate::store::{Problem, RunStore};
use crate::sweep;

/// What a clean-up found.
pub struct CleanupPlan<J: Job> {
    /// When it was made; becomes the end of runs that it ends.
    pub made_at: DateTime<Utc>,
    /// Silence from which a run is overdue, unknown, or stale.
    pub threshold: TimeDelta,
    /// Runs that are not as they should be: ours newest first, then those of the old tool.
    pub rows: Vec<CleanupRow<J>>,
    /// Files and folders that crashes left behind.
    pub leftovers: Vec<PathBuf>,
    /// What could not be looked at.
    pub problems: Vec<Problem>,
}

/// A run that is not as it should be.
pub struct CleanupRow<J: Job> {
    /// The run.
    pub subject: Subject<J>,
    /// What is wrong with it.
    pub why: Why,
    /// What applying the plan does about it.
    pub action: Action,
}

/// A run in a [`CleanupRow`].
pub enum Subject<J: Job> {
    /// One of ours, as it is.
    Run(Box<RunSummary<J>>),
    /// One of ours that cannot be read; the plan's problems say why.
    Unreadable {
        /// Its name.
        id: RunId,
        /// Its folder.
        dir: PathBuf,
    },
    /// One of the old tool's.
    Legacy(LegacyRow),
}

impl<J: Job> CleanupRow<J> {
    /// The name of the run.
    pub fn id(&self) -> &str {
        match &self.subject {
            Subject::Run(run) => run.state.id.as_str(),
            Subject::Unreadable { id, .. } => id.as_str(),
            Subject::Legacy(row) => &row.id,
        }
    }

    /// When it began, if that can be told.
    pub fn started_at(&self) -> Option<DateTime<Utc>> {
        match &self.subject {
            Subject::Run(run) => Some(run.state.started_at),
            Subject::Unreadable { .. } => None,
            Subject::Legacy(row) => row.started_at,
        }
    }
}

/// What is wrong with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Its worker is gone and left no ending. Certain, at any age.
    Orphaned,
    /// Its worker lives, but nothing was recorded for longer than the threshold.
    Overdue,
    /// Its worker is on another machine and was silent for longer than the threshold.
    Unknown,
    /// Its files are damaged (ours), or it failed without an end (the old tool's).
    Broken,
    /// A run of the old tool that was running, and silent for longer than the threshold.
    Stale,
}

impl Why {
    /// The word for tables and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Orphaned => "orphaned",
            Self::Overdue => "overdue",
            Self::Unknown => "unknown",
            Self::Broken => "broken",
            Self::Stale => "stale",
        }
    }
}

/// What [`RunStore::apply`] does about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ends it.
    Settle,
    /// Rebuilds its `state.json`.
    Repair,
    /// Nothing: it is for a person to decide.
    Leave,
}

/// What [`RunStore::apply`] did.
#[derive(Debug, Default)]
pub struct Applied {
    /// Names of the runs that were ended or repaired.
    pub settled: Vec<String>,
    /// Leftovers that were deleted.
    pub removed: Vec<PathBuf>,
    /// What could not be done.
    pub problems: Vec<Problem>,
}

impl<J: Job> RunStore<J> {
    /// Looks at every run for what is not as it should be, and for what crashes left behind. Changes nothing on the
    /// disk. Opens every run, so it takes its time in a large store.
    ///
    /// # Errors
    /// Only if the runs cannot be listed.
    pub fn plan_cleanup(&self, now: DateTime<Utc>, threshold: TimeDelta) -> Result<CleanupPlan<J>> {
        let mut plan = CleanupPlan {
            made_at: now,
            threshold,
            rows: Vec::new(),
            leftovers: sweep::find(self.dirs(), now)?,
            problems: Vec::new(),
        };
        for id in self.ids(&mut plan.problems)? {
            self.examine(id, &mut plan);
        }
        let legacy = self.legacy()?;
        plan.problems.extend(legacy.problems);
        plan.rows.extend(legacy.rows.into_iter().filter_map(|row| {
            let why = match row.fault(now, threshold)? {
                LegacyFault::Stale => Why::Stale,
                LegacyFault::Broken => Why::Broken,
            };
            Some(CleanupRow {
                subject: Subject::Legacy(row),
                why,
                action: Action::Settle,
            })
        }));
        Ok(plan)
    }

    /// Looks at one of our runs.
    fn examine(&self, id: RunId, plan: &mut CleanupPlan<J>) {
        let dir = self.dirs().run(&id);
        let problem = |error| Problem {
            path: dir.path().to_owned(),
            error,
        };
        let mut settled = match settle::read_run(&dir, &id, plan.made_at, Reading::Looks) {
            Ok(settled) => settled,
            Err(_) if !dir.path().exists() => return,
            Err(error) => {
                plan.problems.push(problem(error));
                let dir = dir.path().to_owned();
                plan.rows.push(CleanupRow {
                    subject: Subject::Unreadable { id, dir },
                    why: Why::Broken,
                    action: Action::Leave,
                });
                return;
            }
        };
        damage::look(&dir, &mut settled);
        if settled.problems.is_empty() {
            // A plan that is gone: the run can be shown, but neither resumed nor tried again.
            settled.problems.extend(replay::check_plan(&dir).err());
        }
        let damaged = !settled.problems.is_empty();
        let rebuilt = settled
            .problems
            .iter()
            .any(|problem| matches!(problem, crate::StateError::Rebuilt { .. }));
        plan.problems.extend(settled.problems.into_iter().map(problem));
        let verdict = match diagnose(&settled.summary, plan.made_at, plan.threshold) {
            None if rebuilt => Some((Why::Broken, Action::Repair)),
            None if damaged => Some((Why::Broken, Action::Leave)),
            verdict => verdict,
        };
        plan.rows.extend(verdict.map(|(why, action)| CleanupRow {
            subject: Subject::Run(Box::new(settled.summary)),
            why,
            action,
        }));
    }

    /// Does what a plan says, and deletes the leftovers. Rows that have changed since are left as they are.
    ///
    /// # Errors
    /// [`StateError::NewerFormat`](crate::StateError::NewerFormat) if the store was written by a newer version. What else
    /// could not be done is in [`Applied::problems`], and calling again is safe.
    pub fn apply(&self, plan: &CleanupPlan<J>) -> Result<Applied> {
        create::check_writable(self.dirs())?;
        let mut applied = Applied::default();
        for row in plan.rows.iter().filter(|row| row.action != Action::Leave) {
            match self.settle_row(row, plan) {
                Ok(true) => applied.settled.push(row.id().to_owned()),
                Ok(false) => {}
                Err(error) => applied.problems.push(Problem {
                    path: row.path().to_owned(),
                    error,
                }),
            }
        }
        for path in &plan.leftovers {
            match sweep::remove(self.dirs(), path, plan.made_at) {
                Ok(true) => applied.removed.push(path.clone()),
                Ok(false) => {}
                Err(error) => applied.problems.push(Problem {
                    path: path.clone(),
                    error,
                }),
            }
        }
        Ok(applied)
    }

    /// Does what one row says, if it is still true; says whether something was done.
    fn settle_row(&self, row: &CleanupRow<J>, plan: &CleanupPlan<J>) -> Result<bool> {
        let run = match &row.subject {
            Subject::Legacy(legacy) => {
                return legacy::settle(self.root(), legacy, plan.made_at, plan.threshold);
            }
            Subject::Unreadable { .. } => return Ok(false),
            Subject::Run(run) => run,
        };
        if row.why == Why::Unknown {
            return self.give_up(run, plan);
        }
        // Reading is what ends an orphan and what repairs a state; whether that was stored is another matter.
        let dir = self.dirs().run(&run.state.id);
        let settled = settle::read_run::<J>(&dir, &run.state.id, plan.made_at, Reading::SETTLES)?;
        let stored = match state_file::read::<J>(&dir)? {
            Found::Good(state) if row.action == Action::Repair => state.id == run.state.id,
            Found::Good(state) => state.status.is_over() && state.generation == run.state.generation,
            Found::Missing | Found::Bad(_) => false,
        };
        match settled.problems.into_iter().next() {
            Some(problem) if !stored => Err(problem),
            _ => Ok(stored),
        }
    }

    /// Ends a run whose worker on another machine is silent for longer than the threshold, if it still is.
    fn give_up(&self, run: &RunSummary<J>, plan: &CleanupPlan<J>) -> Result<bool> {
        let dir = self.dirs().run(&run.state.id);
        let present = settle::read_run::<J>(&dir, &run.state.id, plan.made_at, Reading::Looks)?.summary;
        // Kept until the end is written: a worker here cannot begin meanwhile.
        let lease = LeaseProbe::of(&dir.lease())?;
        let unknown = present.trouble(plan.made_at, plan.threshold) == Some(Why::Unknown);
        if lease.sign() == LeaseSign::Held || !unknown {
            return Ok(false);
        }
        let generation = run.state.generation;
        let same = |state: &RunState<J>| state.generation == generation;
        let ended = settle::end_as(&dir, given_up(&present), plan.made_at, same);
        drop(lease);
        ended
    }
}

impl<J: Job> CleanupRow<J> {
    fn path(&self) -> &Path {
        match &self.subject {
            Subject::Run(run) => &run.dir,
            Subject::Unreadable { dir, .. } => dir,
            Subject::Legacy(row) => &row.path,
        }
    }
}

impl<J: Job> RunSummary<J> {
    /// What is wrong with the run, if something is: as the plan of a clean-up would say, for lists and monitors. After
    /// a reading that settles, no run is orphaned.
    pub fn trouble(&self, now: DateTime<Utc>, threshold: TimeDelta) -> Option<Why> {
        diagnose(self, now, threshold).map(|(why, _)| why)
    }
}

/// What is wrong with a run that can be read.
fn diagnose<J: Job>(run: &RunSummary<J>, now: DateTime<Utc>, threshold: TimeDelta) -> Option<(Why, Action)> {
    let quiet_for = now - run.state.updated_at;
    match run.standing {
        Standing::Orphaned { .. } => Some((Why::Orphaned, Action::Settle)),
        Standing::Alive if quiet_for > threshold => Some((Why::Overdue, Action::Leave)),
        Standing::Unknown { silent_for } if silent_for.unwrap_or(quiet_for) > threshold => {
            Some((Why::Unknown, Action::Settle))
        }
        Standing::Over | Standing::Alive | Standing::Unknown { .. } => None,
    }
}

/// How a run ends whose worker is given up: as was asked for, if it was.
fn given_up<J: Job>(run: &RunSummary<J>) -> Ending {
    if let Some(CancelRequest { reason, .. }) = &run.state.cancel_requested {
        let reason = reason.clone();
        return Ending::Cancelled { reason };
    }
    let worker = run.state.worker.as_ref();
    let host = worker.map_or("an unknown machine", |worker| worker.host.as_str());
    let last_sign = run
        .heartbeat_at
        .unwrap_or(run.state.updated_at)
        .max(run.state.updated_at);
    CauseKind::Unreachable.because(format!(
        "the worker on `{host}` gave no sign of life since {last_sign}; the run was given up by a clean-up"
    ))
}
