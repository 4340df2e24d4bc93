//! Where a run is written down: the seam between the dispatcher and the disk.
//!
//! The dispatcher alone calls a [`Journal`], from its own thread, so an implementation may block; only the files of
//! finished trials are synced elsewhere, several trials at a time. The one for real runs is [`crate::StoreJournal`]; [`MemoryJournal`] keeps everything in memory, for
//! programs that want the verdicts and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bench_core::record::FileRef;
use bench_core::{Event, TrialId, TrialRecord};
use chrono::{DateTime, Utc};
use thiserror::Error;

/// Makes the files of one finished trial durable, and says what they are. May block, and may be called from any thread.
pub type SyncTrial = Box<dyn FnOnce(&TrialRecord) -> Result<TrialFiles, JournalError> + Send>;

/// Writes a run down. Called from one thread; may block.
pub trait Journal: Send {
    /// Appends whole lines to the trial's transcript. Need not be durable before
    /// [`Journal::finish_trial`].
    fn transcript(&mut self, trial: &TrialId, lines: &[u8]) -> Result<(), JournalError>;

    /// Makes what the trial's transcript holds outlive this process: hands it to the system, if it lies in a buffer.
    fn keep_transcript(&mut self, _trial: &TrialId) -> Result<(), JournalError> {
        Ok(())
    }

    /// Appends to the trial's log for people. Need not be durable.
    fn log(&mut self, trial: &TrialId, text: &str) -> Result<(), JournalError>;

    /// Appends to the evidence of the trial's model requests: one whole record, compressed. Need not be durable, and
    /// may come after the trial is finished. Without an implementation none is kept.
    fn evidence(&mut self, _trial: &TrialId, _record: &[u8]) -> Result<(), JournalError> {
        Ok(())
    }

    /// Closes the transcript and the log of a trial that is finished. What is returned makes its files durable.
    fn finish_trial(&mut self, trial: &TrialId) -> Result<SyncTrial, JournalError>;

    /// Appends events, in this order, and returns when they are durable: the commit point.
    fn commit(&mut self, events: &[(Event, DateTime<Utc>)]) -> Result<(), JournalError>;

    /// Called after each batch and at least every two seconds: time for snapshots and heartbeats.
    fn tick(&mut self, now: DateTime<Utc>) -> Result<(), JournalError>;
}

/// The durable files of a finished trial.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrialFiles {
    /// `trials/<id>.json`.
    pub record: FileRef,
    /// `trials/<id>.jsonl`.
    pub transcript: FileRef,
}

/// Why something could not be written down. The run ends: what cannot be kept must not be paid for.
#[derive(Debug, Clone, Error)]
#[error("the run cannot be written down")]
pub struct JournalError {
    /// What went wrong, with the path.
    #[source]
    pub source: Arc<dyn std::error::Error + Send + Sync>,
}

impl JournalError {
    /// Wraps what went wrong.
    pub fn new(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            source: Arc::new(source),
        }
    }
}

/// A journal in memory. Clones share what was written.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    shared: Arc<Mutex<Memory>>,
}

/// What a [`MemoryJournal`] holds.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// All events, in order.
    pub events: Vec<(Event, DateTime<Utc>)>,
    /// Records of finished trials.
    pub records: BTreeMap<TrialId, TrialRecord>,
    /// Transcripts, as JSON lines.
    pub transcripts: BTreeMap<TrialId, String>,
    /// Logs.
    pub logs: BTreeMap<TrialId, String>,
    /// Evidence, for [`crate::evidence::Records`].
    pub evidence: BTreeMap<TrialId, Vec<u8>>,
}

impl MemoryJournal {
    /// A copy of what was written so far.
    pub fn snapshot(&self) -> Memory {
        self.with(|memory| memory.clone())
    }

    fn with<T>(&self, f: impl FnOnce(&mut Memory) -> T) -> T {
        f(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Journal for MemoryJournal {
    fn transcript(&mut self, trial: &TrialId, lines: &[u8]) -> Result<(), JournalError> {
        let text = String::from_utf8_lossy(lines);
        self.with(|memory| {
            memory
                .transcripts
                .entry(trial.clone())
                .or_default()
                .push_str(&text);
        });
        Ok(())
    }

    fn log(&mut self, trial: &TrialId, text: &str) -> Result<(), JournalError> {
        self.with(|memory| memory.logs.entry(trial.clone()).or_default().push_str(text));
        Ok(())
    }

    fn evidence(&mut self, trial: &TrialId, record: &[u8]) -> Result<(), JournalError> {
        self.with(|memory| {
            let evidence = memory.evidence.entry(trial.clone()).or_default();
            evidence.extend_from_slice(record);
        });
        Ok(())
    }

    fn finish_trial(&mut self, _trial: &TrialId) -> Result<SyncTrial, JournalError> {
        let journal = self.clone();
        Ok(Box::new(move |record| {
            journal.with(|memory| memory.records.insert(record.trial.clone(), record.clone()));
            Ok(TrialFiles::default())
        }))
    }

    fn commit(&mut self, events: &[(Event, DateTime<Utc>)]) -> Result<(), JournalError> {
        self.with(|memory| memory.events.extend_from_slice(events));
        Ok(())
    }

    fn tick(&mut self, _now: DateTime<Utc>) -> Result<(), JournalError> {
        Ok(())
    }
}
