//! The dispatcher: the one place where a run is written down and told to listeners.
//!
//! Trials only report. A thread of its own takes their reports in order, in batches: events become durable (the
//! commit point), then the reporters are answered and the listeners told. The end of a trial is such an event
//! once the trial's files are durable; waiting for those is left to a few more threads, so that trials that end
//! hold up none that begin. So nothing that a listener has seen can be lost, and writing never holds up a model
//! or a tool.

use std::borrow::Cow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bench_core::event::TrialFinished;
use bench_core::transcript::{Entry, Line};
use bench_core::{Event, Outcome, TrialId, TrialRecord};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::env::Secrets;
use crate::gym::ReportEvent;
use crate::journal::{Journal, JournalError, SyncTrial, TrialFiles};
use crate::process::LineLog;

/// Reports that may wait to be written before reporters have to wait too.
const QUEUE: usize = 4096;
/// Reports that one commit covers at most.
const BATCH: usize = 512;
/// Trials whose files are synced at the same time: a disk takes hardly longer for some than for one.
const SYNCING: usize = 8;
/// The longest pause between two ticks of the journal.
const TICK: Duration = Duration::from_secs(2);

/// Something that became durable, as listeners see it.
pub type Listener = Box<dyn FnMut(&Event, DateTime<Utc>) + Send>;

enum Report {
    Event {
        event: Box<Event>,
        written: Option<oneshot::Sender<()>>,
    },
    Entry {
        trial: TrialId,
        line: Vec<u8>,
    },
    Log {
        trial: TrialId,
        text: String,
    },
    Finished(Box<Finished>),
}

/// A trial that is over.
struct Finished {
    record: TrialRecord,
    replaces: Option<Outcome>,
    written: oneshot::Sender<()>,
}

/// One whose files are durable.
struct Ended {
    event: Event,
    at: DateTime<Utc>,
    written: oneshot::Sender<()>,
}

/// The trials whose files are being synced.
type Syncing = JoinSet<Result<Box<Ended>, JournalError>>;
/// What came of one of them.
type Synced = Result<Result<Box<Ended>, JournalError>, JoinError>;

impl Finished {
    /// Makes its files durable. Blocking.
    fn synced(self, sync: SyncTrial) -> Result<Box<Ended>, JournalError> {
        let files = sync(&self.record)?;
        Ok(Box::new(Ended {
            at: self.record.completed_at,
            event: finished(self.record, self.replaces, files),
            written: self.written,
        }))
    }
}

/// What the dispatcher has to do next.
enum Next {
    /// Write the reports in the batch.
    Reports,
    /// Write the end of a trial.
    Ended(Synced),
    /// Nothing for a while.
    Nothing,
    /// Nothing any more.
    Over,
}

/// Waits for something to do.
async fn next(reports: &mut mpsc::Receiver<Report>, batch: &mut Vec<Report>, syncing: &mut Syncing) -> Next {
    tokio::select! {
        received = reports.recv_many(batch, BATCH) => match received {
            // All reporters are gone.
            0 => syncing.join_next().await.map_or(Next::Over, Next::Ended),
            _ => Next::Reports,
        },
        Some(ended) = syncing.join_next() => Next::Ended(ended),
        () = tokio::time::sleep(TICK) => Next::Nothing,
    }
}

/// Reports to the dispatcher. Clones report to the same one.
#[derive(Clone)]
pub struct Reporter {
    queue: mpsc::Sender<Report>,
    secrets: Secrets,
}

/// The running dispatcher.
pub(crate) struct Dispatcher {
    thread: JoinHandle<Result<(), JournalError>>,
}

impl Dispatcher {
    /// Starts the thread. `stop` is cancelled when the journal fails: no further work may be paid for.
    pub(crate) fn start(
        journal: Box<dyn Journal>,
        listeners: Vec<Listener>,
        secrets: Secrets,
        stop: CancellationToken,
    ) -> std::io::Result<(Reporter, Self)> {
        let (queue, reports) = mpsc::channel(QUEUE);
        let writer = Writer {
            journal,
            listeners,
            stop,
        };
        let thread = std::thread::Builder::new()
            .name("dispatcher".into())
            .spawn(move || writer.run(reports))?;
        Ok((Reporter { queue, secrets }, Self { thread }))
    }

    /// Waits until every report is written; all reporters must be gone. Blocking.
    pub(crate) fn finish(self) -> Result<(), JournalError> {
        let panicked = || JournalError::new(std::io::Error::other("the dispatcher panicked"));
        self.thread.join().map_err(|_| panicked())?
    }
}

impl Reporter {
    /// Reports an event and waits until it is durable. `false` if it will never be.
    pub async fn event(&self, event: Event) -> bool {
        let (written, wait) = oneshot::channel();
        let report = Report::Event {
            event: Box::new(self.redacted(event)),
            written: Some(written),
        };
        self.queue.send(report).await.is_ok() && wait.await.is_ok()
    }

    /// Reports an event without waiting for the disk.
    pub async fn note(&self, event: Event) {
        drop(
            self.queue
                .send(Report::Event {
                    event: Box::new(self.redacted(event)),
                    written: None,
                })
                .await,
        ); // failed: the run is being stopped
    }

    /// Adds an entry to the transcript of a trial.
    pub async fn entry(&self, trial: &TrialId, entry: Entry) {
        let line = Line {
            at: Utc::now(),
            entry,
        };
        let Ok(text) = serde_json::to_string(&line) else {
            return;
        };
        let mut line = self.secrets.redact(&text).into_owned().into_bytes();
        line.push(b'\n');
        let report = Report::Entry {
            trial: trial.clone(),
            line,
        };
        drop(self.queue.send(report).await); // the journal has failed: the run is being stopped
    }

    /// Adds a line to the log of a trial. Never waits: under a flood, lines are lost.
    pub fn log(&self, trial: &TrialId, line: &str) {
        let at = Utc::now().format("%H:%M:%S%.3f");
        let text = format!("{at} {}\n", self.secrets.redact(line));
        drop(self.queue.try_send(Report::Log {
            trial: trial.clone(),
            text,
        }));
    }

    /// How gyms journal what they are about to create, and what is gone.
    pub(crate) fn for_gyms(&self) -> ReportEvent {
        let reporter = self.clone();
        Arc::new(move |event| {
            let reporter = reporter.clone();
            Box::pin(async move {
                if matches!(event, Event::DatabaseRemoved { .. }) {
                    reporter.note(event).await; // should it be lost, what is gone is removed once more
                } else {
                    reporter.event(event).await;
                }
            })
        })
    }

    /// How gyms and verifiers write to the log of a trial.
    pub(crate) fn for_log(&self, trial: &TrialId) -> LineLog {
        let (reporter, trial) = (self.clone(), trial.clone());
        Arc::new(move |line| reporter.log(&trial, line))
    }

    /// Reports the end of a trial and waits until it is durable. `false` if it will never be.
    pub async fn finished(&self, record: TrialRecord, replaces: Option<Outcome>) -> bool {
        let (written, wait) = oneshot::channel();
        let report = Report::Finished(Box::new(Finished {
            record: self.redacted(record),
            replaces,
            written,
        }));
        self.queue.send(report).await.is_ok() && wait.await.is_ok()
    }

    /// The value with every secret in its texts replaced.
    fn redacted<T: Serialize + DeserializeOwned>(&self, value: T) -> T {
        let text = serde_json::to_string(&value).unwrap_or_default();
        match self.secrets.redact(&text) {
            Cow::Owned(clean) => serde_json::from_str(&clean).unwrap_or(value),
            Cow::Borrowed(_) => value,
        }
    }
}

struct Writer {
    journal: Box<dyn Journal>,
    listeners: Vec<Listener>,
    stop: CancellationToken,
}

impl Writer {
    fn run(mut self, reports: mpsc::Receiver<Report>) -> Result<(), JournalError> {
        let result = self.write_all(reports);
        if result.is_err() {
            self.stop.cancel();
        }
        result
    }

    fn write_all(&mut self, mut reports: mpsc::Receiver<Report>) -> Result<(), JournalError> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(SYNCING)
            .build()
            .map_err(JournalError::new)?;
        let mut batch = Vec::with_capacity(BATCH);
        let mut syncing = JoinSet::new();
        loop {
            // Only waiting happens inside: journals and listeners may use runtimes of their own.
            match runtime.block_on(next(&mut reports, &mut batch, &mut syncing)) {
                Next::Reports => self.write(batch.drain(..), &mut syncing, &runtime)?,
                Next::Ended(first) => self.end(first, &mut syncing)?,
                Next::Nothing => {}
                Next::Over => return Ok(()),
            }
            self.journal.tick(Utc::now())?;
        }
    }

    fn write(
        &mut self,
        batch: impl Iterator<Item = Report>,
        syncing: &mut Syncing,
        runtime: &Runtime,
    ) -> Result<(), JournalError> {
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        for report in batch {
            match report {
                Report::Entry { trial, line } => self.journal.transcript(&trial, &line)?,
                Report::Log { trial, text } => self.journal.log(&trial, &text)?,
                Report::Event { event, written } => {
                    events.push((*event, Utc::now()));
                    waiting.extend(written);
                }
                Report::Finished(report) => {
                    let sync = self.journal.finish_trial(&report.record.trial)?;
                    syncing.spawn_blocking_on(move || report.synced(sync), runtime.handle());
                }
            }
        }
        self.commit(&events, waiting)
    }

    /// Writes down the end of the trial whose files are durable, and of all others of which that is so by now.
    fn end(&mut self, first: Synced, syncing: &mut Syncing) -> Result<(), JournalError> {
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(ended) = next {
            let ended = ended.unwrap_or_else(|panicked| Err(JournalError::new(panicked)))?;
            events.push((ended.event, ended.at));
            waiting.push(ended.written);
            next = syncing.try_join_next();
        }
        self.commit(&events, waiting)
    }

    /// Makes events durable, then tells who waits for it and who listens.
    fn commit(
        &mut self,
        events: &[(Event, DateTime<Utc>)],
        waiting: Vec<oneshot::Sender<()>>,
    ) -> Result<(), JournalError> {
        if events.is_empty() {
            return Ok(());
        }
        self.journal.commit(events)?;
        for written in waiting {
            written.send(()).ok(); // the reporter may have been cancelled meanwhile
        }
        for (event, at) in events {
            self.listeners
                .iter_mut()
                .for_each(|listener| listener(event, *at));
        }
        Ok(())
    }
}

/// What the journal says of a finished trial.
fn finished(record: TrialRecord, replaces: Option<Outcome>, files: TrialFiles) -> Event {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Event::TrialFinished(TrialFinished {
        verifiers_passed: count(record.verdicts.iter().filter(|v| v.is_true()).count()),
        verifiers_total: count(record.verdicts.len()),
        trial: record.trial,
        scenario_id: record.scenario_id,
        model: record.model,
        repetition: record.repetition,
        attempt: record.attempt,
        outcome: record.outcome,
        replaces,
        cause: record.cause,
        turns: record.turns,
        tool_calls: record.tool_calls,
        usage: record.usage,
        took_ms: record.took_ms,
        record: files.record,
        transcript: files.transcript,
    })
}
