//! One run, opened for reading: live or dead, the same way.

use std::fs;
use std::io::{BufReader, ErrorKind, Take};
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::altered::{self, Altered, Depth};
use crate::damage;
use crate::durable;
use crate::error::{At, FileAction, Result, StateError};
use crate::format;
use crate::ids::{ItemId, RunId};
use crate::items::{ItemLines, ItemRef};
use crate::job::Job;
use crate::journal::Checkpoint;
use crate::journal::line::{Line, Said};
use crate::journal::reader::{JournalReader, JournalReport};
use crate::layout::RunDir;
use crate::replay::{self, Replay, read_json};
use crate::settle::Settled;
use crate::state::RunSummary;

/// A run as it was when it was read; its files are opened as they are asked for. Of a run that goes on, summary, session and
/// events tell of the same part of the journal: that which was there when it was read.
pub struct RunView<J: Job> {
    dir: RunDir,
    summary: RunSummary<J>,
    problems: Vec<StateError>,
}

impl<J: Job> RunView<J> {
    pub(crate) fn new(dir: RunDir, settled: Settled<J>) -> Self {
        Self {
            dir,
            summary: settled.summary,
            problems: settled.problems,
        }
    }

    /// The run's name.
    pub fn id(&self) -> &RunId {
        &self.summary.state.id
    }

    /// The run's folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn run_dir(&self) -> &RunDir {
        &self.dir
    }

    /// Where the run stands.
    pub fn summary(&self) -> &RunSummary<J> {
        &self.summary
    }

    /// What was wrong with the run's files, although it could be read.
    pub fn problems(&self) -> &[StateError] {
        &self.problems
    }

    /// Names the real trouble where a file is missing because the whole run was removed since it was read.
    fn found<T>(&self, outcome: Result<T>) -> Result<T> {
        match outcome {
            Err(_) if !self.dir.path().exists() => Err(StateError::UnknownRun {
                wanted: self.id().as_str().to_owned(),
                root: self.dir.path().parent().unwrap_or(self.dir.path()).to_owned(),
            }),
            outcome => outcome,
        }
    }

    /// The input.
    pub fn plan(&self) -> Result<J::Plan> {
        self.found(read_json(&self.dir.plan()))
    }

    /// Refuses a plan that is gone or not the one the run was created with. Runs of earlier versions do not know theirs.
    ///
    /// # Errors
    /// [`StateError::PlanChanged`], and those of reading plan and journal.
    pub fn check_plan(&self) -> Result<()> {
        self.found(replay::check_plan(&self.dir))
    }

    /// What became of an item's record since it was written as `written`, if something did.
    ///
    /// # Errors
    /// I/O errors other than that it is missing.
    pub fn altered_item(&self, id: &ItemId, written: &ItemRef, depth: Depth) -> Result<Option<Altered>> {
        altered::since(self.dir.item(id), written, depth)
    }

    /// The same for an item's log.
    ///
    /// # Errors
    /// I/O errors other than that it is missing.
    pub fn altered_item_log(&self, id: &ItemId, written: &ItemRef, depth: Depth) -> Result<Option<Altered>> {
        altered::since(self.dir.item_log(id), written, depth)
    }

    /// The results: final if the run is over, else with the events that its [summary](Self::summary) counts. Of a journal
    /// that is damaged, as the [problems](Self::problems) then say, those of the lines that are left.
    pub fn session(&self) -> Result<J::Session> {
        if damage::is_known(&self.problems)
            && let Ok(replay) = Replay::<J>::from_scratch_until(&self.dir, self.end())
        {
            return Ok(replay.session);
        }
        if self.summary.state.status.is_over()
            && let Ok(Some(bytes)) = durable::read(&self.dir.session(), durable::LIMIT)
            && let Ok((session, mark)) = format::decode_session(&bytes)
            && mark.journal == self.summary.state.journal
        {
            return Ok(session);
        }
        let replay = Replay::<J>::onto_until(&self.dir, &self.summary.state, self.end());
        Ok(self.found(replay)?.session)
    }

    /// Up to where the journal is read, in bytes. Nobody adds to that of a run that is over, and where it was damaged since
    /// its lines are elsewhere.
    fn end(&self) -> u64 {
        let state = &self.summary.state;
        if state.status.is_over() {
            u64::MAX
        } else {
            state.journal.bytes
        }
    }

    /// The journal from its beginning; of a run that goes on, the events that its [summary](Self::summary) counts.
    pub fn events(&self) -> Result<Events<J::Event>> {
        let reader = JournalReader::open_until(&self.dir.journal(), Checkpoint::default(), self.end());
        let reader = self.found(reader)?;
        Ok(Events {
            reader,
            dir: self.dir.clone(),
        })
    }

    /// The record of an item; `None` if there is none (yet).
    pub fn item(&self, id: &ItemId) -> Result<Option<J::Item>> {
        let path = self.dir.item(id);
        let Some(content) = durable::read(&path, durable::LIMIT)? else {
            return Ok(None);
        };
        serde_json::from_slice(&content)
            .map(Some)
            .map_err(|source| StateError::Malformed { path, source })
    }

    /// Every item that has a record, by name.
    pub fn items(&self) -> Result<Vec<ItemId>> {
        let folder = self.dir.items();
        let mut ids = Vec::new();
        for entry in self.found(fs::read_dir(&folder).at(FileAction::List, &folder))? {
            let name = entry.at(FileAction::List, &folder)?.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.strip_suffix(".json")?.parse().ok());
            ids.extend(id);
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// The lines of an item's log, each as `T`; `None` if there is none (yet).
    pub fn item_log<T>(&self, id: &ItemId) -> Result<Option<ItemLines<T>>> {
        ItemLines::open(self.dir.item_log(id))
    }

    /// When something was last added to an item's log; `None` if there is none (yet).
    ///
    /// # Errors
    /// I/O errors other than that it is missing.
    pub fn item_log_written(&self, id: &ItemId) -> Result<Option<DateTime<Utc>>> {
        let path = self.dir.item_log(id);
        match fs::metadata(&path).and_then(|found| found.modified()) {
            Ok(at) => Ok(Some(at.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at(FileAction::Open, &path),
        }
    }

    /// A further file of an item; `None` if there is none (yet).
    pub fn item_file(&self, id: &ItemId, suffix: &str) -> Result<Option<fs::File>> {
        durable::open_to_read(&self.dir.item_file(id, suffix))
    }

    /// An item's log for people; `None` if there is none (yet).
    pub fn text_log(&self, id: &ItemId) -> Result<Option<BufReader<fs::File>>> {
        Ok(durable::open_to_read(&self.dir.text_log(id))?.map(BufReader::new))
    }
}

/// An event of the job as the journal holds it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Recorded<E> {
    /// Its number; dense from 1, the store's own lines included.
    pub seq: u64,
    /// When it happened, according to who recorded it.
    pub at: DateTime<Utc>,
    /// Which worker recorded it: 1, and one more for each resume.
    pub generation: u32,
    /// The event.
    pub event: E,
}

impl<E> Recorded<E> {
    /// `None` for the store's own lines and for those that nobody here understands.
    pub(crate) fn from_line(line: Line<E>) -> Option<Self> {
        let Said::Event(event) = line.said else {
            return None;
        };
        Some(Self {
            seq: line.seq,
            at: line.at,
            generation: line.generation,
            event,
        })
    }
}

/// Reads the job's events from a journal, in order. Damaged lines are skipped and reported; lines that this version
/// of the job does not understand are skipped.
pub struct Events<E> {
    reader: JournalReader<E, Take<BufReader<fs::File>>>,
    dir: RunDir,
}

impl<E: serde::de::DeserializeOwned> Events<E> {
    /// What is wrong with the part read so far. Ask at the end.
    pub fn report(&self) -> JournalReport {
        self.reader.report()
    }
}

impl<E: serde::de::DeserializeOwned> Iterator for Events<E> {
    type Item = Result<Recorded<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next_line().at(FileAction::Read, &self.dir.journal()) {
                Err(error) => return Some(Err(error)),
                Ok(None) => return None,
                Ok(Some(line)) => {
                    if let Some(recorded) = Recorded::from_line(line) {
                        return Some(Ok(recorded));
                    }
                }
            }
        }
    }
}
