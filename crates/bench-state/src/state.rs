//! What is known about a run: `RunState`, as its files say, and `RunSummary`, with the present added to it.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};

use crate::classify::Standing;
use crate::format;
use crate::ids::RunId;
use crate::job::Job;
use crate::journal::Checkpoint;
use crate::status::{CancelReason, RunStatus};
use crate::worker::Worker;

/// A wish that a run should end, written down for its worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: CancelReason,
}

/// Where a run stands according to its files.
pub struct RunState<J: Job> {
    /// Its name.
    pub id: RunId,
    /// Running, or over with its end.
    pub status: RunStatus,
    /// When the run was created. A resume does not change it.
    pub started_at: DateTime<Utc>,
    /// The job's counters.
    pub progress: J::Progress,
    /// The job's small facts.
    pub summary: J::Summary,
    /// The process that works or last worked on it; `None` only if a file was made by hand.
    pub worker: Option<Worker>,
    /// 1, and one more for each resume.
    pub generation: u32,
    /// Time of the last change.
    pub updated_at: DateTime<Utc>,
    /// The first request to end this generation, if there was one.
    pub cancel_requested: Option<CancelRequest>,
    /// Up to where `progress` has taken in the journal.
    pub(crate) journal: Checkpoint,
    /// Format of the file it was read from.
    pub(crate) format: u32,
}

impl<J: Job> Clone for RunState<J> {
    fn clone(&self) -> Self {
        Self {
            id: self.id.clone(),
            status: self.status.clone(),
            started_at: self.started_at,
            progress: self.progress.clone(),
            summary: self.summary.clone(),
            worker: self.worker.clone(),
            generation: self.generation,
            updated_at: self.updated_at,
            cancel_requested: self.cancel_requested.clone(),
            journal: self.journal,
            format: self.format,
        }
    }
}

/// A run as a reader sees it now. Serializes as `state.json` plus `dir`, `standing` and `heartbeat_at`.
pub struct RunSummary<J: Job> {
    /// What its files say, the newest journal lines included.
    pub state: RunState<J>,
    /// The run's folder.
    pub dir: PathBuf,
    /// What the signs of life say: over, alive, or unknown. Never orphaned, because reading settles that, except where
    /// the reader promised to change nothing ([`RunStore::list_without_settling`](crate::RunStore::list_without_settling)).
    pub standing: Standing,
    /// Last sign of life of a worker; `None` if the run is over or there is none.
    pub heartbeat_at: Option<DateTime<Utc>>,
}

impl<J: Job> Clone for RunSummary<J> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            dir: self.dir.clone(),
            standing: self.standing,
            heartbeat_at: self.heartbeat_at,
        }
    }
}

impl<J: Job> Serialize for RunSummary<J> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = format::state_members(&self.state).map_err(S::Error::custom)?;
        let standing = match self.standing {
            Standing::Over => "over",
            Standing::Alive => "alive",
            Standing::Orphaned { .. } => "orphaned",
            Standing::Unknown { .. } => "unknown",
        };
        members.insert("dir".to_owned(), self.dir.to_string_lossy().into());
        members.insert("standing".to_owned(), standing.into());
        members.insert(
            "heartbeat_at".to_owned(),
            self.heartbeat_at.map(format::stamp::text).into(),
        );
        members.serialize(serializer)
    }
}
