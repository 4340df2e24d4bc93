//! What tests of the dispatcher work with: a disk that waits or fails where they say, and what trials report.

use std::sync::{Arc, Mutex, mpsc};

use bench_core::{Event, Outcome, TrialId, TrialRecord, Usage};
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{Dispatcher, Reporter};
use crate::env::Secrets;
use crate::journal::{Journal, JournalError, MemoryJournal, SyncTrial};

/// What a disk is about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Transcript,
    /// Make the files of this trial durable.
    Sync(TrialId),
    Commit,
}

type Before = dyn Fn(Step) -> Result<(), JournalError> + Send + Sync;

/// A journal in memory that asks before each step.
pub(super) struct Disk {
    memory: MemoryJournal,
    before: Arc<Before>,
}

impl Disk {
    pub(super) fn new(
        memory: &MemoryJournal,
        before: impl Fn(Step) -> Result<(), JournalError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            memory: memory.clone(),
            before: Arc::new(before),
        }
    }
}

impl Journal for Disk {
    fn transcript(&mut self, trial: &TrialId, lines: &[u8]) -> Result<(), JournalError> {
        (self.before)(Step::Transcript)?;
        self.memory.transcript(trial, lines)
    }

    fn log(&mut self, trial: &TrialId, text: &str) -> Result<(), JournalError> {
        self.memory.log(trial, text)
    }

    fn finish_trial(&mut self, trial: &TrialId) -> Result<SyncTrial, JournalError> {
        let sync = self.memory.finish_trial(trial)?;
        let (before, trial) = (Arc::clone(&self.before), trial.clone());
        Ok(Box::new(move |record| {
            before(Step::Sync(trial))?;
            sync(record)
        }))
    }

    fn commit(&mut self, events: &[(Event, DateTime<Utc>)]) -> Result<(), JournalError> {
        (self.before)(Step::Commit)?;
        self.memory.commit(events)
    }

    fn tick(&mut self, now: DateTime<Utc>) -> Result<(), JournalError> {
        self.memory.tick(now)
    }
}

/// A dispatcher on a disk that says each sync and commit, and does it when it is told to, or fails.
pub(super) struct Desk {
    pub(super) reporter: Reporter,
    pub(super) dispatcher: Dispatcher,
    pub(super) memory: MemoryJournal,
    pub(super) doing: mpsc::Receiver<Step>,
    pub(super) go: mpsc::Sender<bool>,
    pub(super) stop: CancellationToken,
}

pub(super) fn desk() -> Desk {
    let (memory, stop) = (MemoryJournal::default(), CancellationToken::new());
    let ((told, doing), (go, gone)) = (mpsc::channel(), mpsc::channel());
    let gone = Mutex::new(gone);
    let disk = Disk::new(&memory, move |step| {
        if step == Step::Transcript {
            return Ok(());
        }
        told.send(step).unwrap();
        if gone.lock().unwrap().recv().unwrap() {
            Ok(())
        } else {
            Err(JournalError::new(std::io::Error::other("no")))
        }
    });
    let (reporter, dispatcher) =
        Dispatcher::start(Box::new(disk), Vec::new(), Secrets::default(), stop.clone()).unwrap();
    Desk {
        reporter,
        dispatcher,
        memory,
        doing,
        go,
        stop,
    }
}

impl Dispatcher {
    /// [`Dispatcher::finish`] from where nothing may block.
    pub(super) async fn finished(self) -> Result<(), JournalError> {
        tokio::task::spawn_blocking(|| self.finish()).await.unwrap()
    }
}

pub(super) fn trial() -> TrialId {
    "scenario~model~1".parse().unwrap()
}

pub(super) fn started() -> Event {
    Event::TrialStarted {
        trial: trial(),
        attempt: 1,
    }
}

pub(super) fn record() -> TrialRecord {
    TrialRecord {
        format: bench_core::record::FORMAT,
        trial: trial(),
        scenario_id: "scenario".into(),
        model: "model".into(),
        repetition: 1,
        attempt: 1,
        outcome: Outcome::Passed,
        cause: None,
        verdicts: Vec::new(),
        answer: None,
        turns: 1,
        tool_calls: 0,
        tool_errors: 0,
        expected_tools_missed: Vec::new(),
        drift: Vec::new(),
        timeline: None,
        usage: Usage::default(),
        retried_usage: Usage::default(),
        tried_again: bench_core::record::TriedAgain::default(),
        judge_usage: Usage::default(),
        cost: None,
        gyms: Vec::new(),
        started_at: DateTime::UNIX_EPOCH,
        completed_at: DateTime::UNIX_EPOCH,
        took_ms: 0,
    }
}
