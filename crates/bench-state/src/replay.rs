//! Folding journal lines into progress and session, from the last snapshots or from the beginning.
//!
//! The snapshots `state.json` and `session.json` say up to where they have taken in the journal. Where both name
//! the same place, only the lines after it are folded; in every other case (one is missing, damaged, or was written
//! a moment before the other) everything is folded again from the plan, which always gives the right answer.

use std::fs;

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;

use crate::damage;
use crate::durable;
use crate::error::{At, FileAction, Result, StateError};
use crate::format::{self, StoreNote};
use crate::ids::RunId;
use crate::items::ItemRef;
use crate::job::Job;
use crate::journal::Checkpoint;
use crate::journal::line::{Line, Said};
use crate::journal::reader::{JournalReader, JournalReport};
use crate::layout::RunDir;
use crate::state::RunState;
use crate::status::{Ending, RunStatus};
use crate::worker::Worker;

/// What the journal adds up to.
pub(crate) struct Replay<J: Job> {
    pub(crate) progress: J::Progress,
    pub(crate) session: J::Session,
    /// Up to where it has been read.
    pub(crate) journal: Checkpoint,
    /// Time of the last line read here.
    pub(crate) last_at: Option<DateTime<Utc>>,
    /// The ending noted for the current generation, if it was.
    pub(crate) ending: Option<(Ending, DateTime<Utc>)>,
    pub(crate) report: JournalReport,
    /// The last generation of which there is a line; 0 if none was read.
    pub(crate) generation: u32,
    /// The first and the last worker's note among the lines read.
    begun: Option<Begun<J>>,
    /// The plan that the run was created with, as its first note names it; only when read from the beginning.
    pub(crate) plan: Option<Box<ItemRef>>,
}

struct Begun<J: Job> {
    format: u32,
    id: RunId,
    started_at: DateTime<Utc>,
    generation: u32,
    summary: J::Summary,
    worker: Worker,
    /// Its sequence number.
    seq: u64,
}

impl<J: Job> Replay<J> {
    /// Brings the snapshots up to date with the journal.
    pub(crate) fn onto(dir: &RunDir, state: &RunState<J>) -> Result<Self> {
        Self::onto_until(dir, state, u64::MAX)
    }

    /// The same, as if the journal ended at `end`, in bytes.
    pub(crate) fn onto_until(dir: &RunDir, state: &RunState<J>, end: u64) -> Result<Self> {
        match Self::continued(dir, state, end)? {
            Some(replay) => Ok(replay),
            None => Self::from_scratch_until(dir, end),
        }
    }

    /// Folds the whole journal, starting from the plan.
    pub(crate) fn from_scratch(dir: &RunDir) -> Result<Self> {
        Self::from_scratch_until(dir, u64::MAX)
    }

    /// The same, as if the journal ended at `end`, in bytes.
    pub(crate) fn from_scratch_until(dir: &RunDir, end: u64) -> Result<Self> {
        let plan: J::Plan = read_json(&dir.plan())?;
        let (progress, session) = J::begin(&plan);
        let mut replay = Self::at(progress, session, Checkpoint::default());
        replay.read(dir, end)?;
        Ok(replay)
    }

    /// The quick way; `None` if the snapshots do not fit each other or the journal.
    fn continued(dir: &RunDir, state: &RunState<J>, end: u64) -> Result<Option<Self>> {
        let Ok(Some(bytes)) = durable::read(&dir.session(), durable::LIMIT) else {
            return Ok(None);
        };
        let Ok((session, mark)) = format::decode_session(&bytes) else {
            return Ok(None);
        };
        if mark.journal != state.journal || mark.run_id != state.id {
            return Ok(None);
        }
        if !fs::metadata(dir.journal()).is_ok_and(|found| found.len() >= state.journal.bytes) {
            return Ok(None);
        }
        let mut replay = Self::at(state.progress.clone(), session, state.journal);
        replay.read(dir, end)?;
        // Anything odd is looked at with full context.
        Ok(replay.report.faults.is_empty().then_some(replay))
    }

    fn at(progress: J::Progress, session: J::Session, journal: Checkpoint) -> Self {
        Self {
            progress,
            session,
            journal,
            last_at: None,
            ending: None,
            report: JournalReport::default(),
            generation: 0,
            begun: None,
            plan: None,
        }
    }

    fn read(&mut self, dir: &RunDir, end: u64) -> Result<()> {
        let path = dir.journal();
        let mut reader = JournalReader::<J::Event, _>::open_until(&path, self.journal, end)?;
        while let Some(line) = reader.next_line().at(FileAction::Read, &path)? {
            self.take_in(line);
        }
        self.journal = reader.valid();
        self.report = reader.report();
        Ok(())
    }

    fn take_in(&mut self, line: Line<J::Event>) {
        self.last_at = self.last_at.max(Some(line.at));
        self.generation = self.generation.max(line.generation);
        match line.said {
            Said::Event(event) => J::fold(&mut self.progress, &mut self.session, &event, line.at),
            Said::Store(StoreNote::Begun {
                format,
                run_id,
                summary,
                worker,
                plan,
            }) => {
                self.plan = self.plan.take().or(plan);
                self.ending = None;
                let Ok(summary) = serde_json::from_value(summary) else {
                    return;
                };
                let started_at = self.begun.as_ref().map_or(line.at, |first| first.started_at);
                let generation = line.generation;
                self.begun = Some(Begun {
                    format,
                    id: run_id,
                    started_at,
                    generation,
                    summary,
                    worker,
                    seq: line.seq,
                });
            }
            Said::Store(StoreNote::Adopted { worker }) => {
                if let Some(begun) = &mut self.begun {
                    begun.worker = worker;
                }
            }
            Said::Store(note) => self.ending = note.ending().map(|ending| (ending, line.at)),
            Said::Unknown => {}
        }
    }

    /// Damage to tell about, if there is any. So far it was recorded at least.
    pub(crate) fn damage(&self, dir: &RunDir, recorded: Checkpoint) -> Option<StateError> {
        damage::told(dir, &self.report, self.journal, recorded)
    }

    /// Whether the journal ends before what was recorded of it.
    pub(crate) fn is_cut(&self, recorded: Checkpoint) -> bool {
        self.journal.seq < recorded.seq
    }

    /// Writes what was folded into `state`. A noted ending is one: the run is over from that line on. How far the journal
    /// went is never taken back, so that one that was cut is told for ever.
    pub(crate) fn apply_to(&self, state: &mut RunState<J>) {
        state.progress = self.progress.clone();
        if !self.is_cut(state.journal) {
            state.journal = self.journal;
        }
        state.updated_at = self.last_at.unwrap_or(state.updated_at).max(state.updated_at);
        if let (RunStatus::Running, Some((ending, at))) = (&state.status, &self.ending) {
            state.status = RunStatus::Over {
                completed_at: *at,
                ending: ending.clone(),
            };
        }
    }

    /// The same for the state of a run that is over. It stays as it ended, unless a later worker took it up: then it is
    /// that one's ending which holds, or it is running. A worker that died before it recorded anything changed nothing.
    pub(crate) fn apply_after_end(&self, state: &mut RunState<J>) {
        if let Some(begun) = &self.begun
            && begun.generation > state.generation
        {
            if begun.seq == self.journal.seq {
                return;
            }
            state.generation = begun.generation;
            state.worker = Some(begun.worker.clone());
            state.cancel_requested = None;
            state.status = RunStatus::Running;
        }
        self.apply_to(state);
    }

    /// The state that a lost `state.json` must have held, up to date. How far the journal went, `session.json` knows too.
    ///
    /// # Errors
    /// [`StateError::Inconsistent`] if the journal has lost its first line too.
    pub(crate) fn rebuild_state(dir: &RunDir) -> Result<(RunState<J>, Self)> {
        let mut replay = Self::from_scratch(dir)?;
        let begun = replay.begun.take().ok_or_else(|| StateError::Inconsistent {
            path: dir.journal(),
            reason: "the line that tells how the run began is missing or not readable".to_owned(),
        })?;
        let mut state = RunState {
            id: begun.id,
            status: RunStatus::Running,
            started_at: begun.started_at,
            progress: replay.progress.clone(),
            summary: begun.summary,
            worker: Some(begun.worker),
            generation: begun.generation,
            updated_at: begun.started_at,
            cancel_requested: None,
            journal: replay.journal,
            format: begun.format,
        };
        state.journal = recorded(dir, &state);
        replay.apply_to(&mut state);
        Ok((state, replay))
    }
}

/// Up to where the journal of this run was recorded: `session.json` may know more than `state.json`.
pub(crate) fn recorded<J: Job>(dir: &RunDir, state: &RunState<J>) -> Checkpoint {
    let bytes = durable::read(&dir.session(), durable::LIMIT).ok().flatten();
    let session = bytes.and_then(|bytes| format::decode_session::<IgnoredAny>(&bytes).ok());
    match session {
        Some((_, mark)) if mark.run_id == state.id && mark.journal.seq > state.journal.seq => mark.journal,
        _ => state.journal,
    }
}

/// Refuses a plan that is gone, or was changed after the run was created: what the journal says is about another one.
/// Reads the journal only up to the first note that names the plan, which is its first line unless the run is of an earlier
/// version.
pub(crate) fn check_plan(dir: &RunDir) -> Result<()> {
    let path = dir.plan();
    let content = durable::read(&path, durable::LIMIT)?.ok_or_else(|| durable::missing(&path))?;
    match named_plan(dir)? {
        Some(plan) if *plan != ItemRef::of(&content) => Err(StateError::PlanChanged { path }),
        _ => Ok(()),
    }
}

/// The plan that the run was created with, as the journal names it.
fn named_plan(dir: &RunDir) -> Result<Option<Box<ItemRef>>> {
    let path = dir.journal();
    let mut reader = JournalReader::<IgnoredAny>::open(&path, Checkpoint::default())?;
    while let Some(line) = reader.next_line().at(FileAction::Read, &path)? {
        if let Said::Store(StoreNote::Begun { plan: Some(plan), .. }) = line.said {
            return Ok(Some(plan));
        }
    }
    Ok(None)
}

/// Reads a file that holds one of the job's types.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Result<T> {
    let bytes = durable::read(path, durable::LIMIT)?.ok_or_else(|| durable::missing(path))?;
    serde_json::from_slice(&bytes).map_err(|source| StateError::Malformed {
        path: path.to_owned(),
        source,
    })
}
