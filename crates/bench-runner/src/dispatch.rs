//! The dispatcher: the one place where a run is written down and told to listeners.
//!
//! Trials only report. A thread of its own takes their reports in order, in batches: events become durable (the
//! commit point), then the reporters are answered and the listeners told. The end of a trial is such an event
//! once the trial's files are durable; waiting for those is left to a few more threads, so that trials that end
//! hold up none that begin. So nothing that a listener has seen can be lost, and writing never holds up a model
//! or a tool.

mod writer;

use std::borrow::Cow;
use std::sync::Arc;
use std::thread::JoinHandle;

use bench_core::transcript::{Entry, Line};
use bench_core::{Event, Outcome, TrialId, TrialRecord};
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::env::Secrets;
use crate::evidence::{Members, Place};
use crate::gym::ReportEvent;
use crate::journal::{Journal, JournalError};
use crate::model::exchange::Exchange;
use crate::process::LineLog;
use writer::{Finished, Writer};

/// Reports that may wait to be written before reporters have to wait too.
const QUEUE: usize = 4096;

/// KiB of exchanges that may wait to be compressed before trials have to wait too.
const SEEN: usize = 64 * 1024;

/// Something that became durable, as listeners see it.
pub type Listener = Box<dyn FnMut(&Event, DateTime<Utc>) + Send>;

enum Report {
    Event {
        event: Box<Event>,
        written: Option<oneshot::Sender<()>>,
    },
    File(FileReport),
}

/// What goes to files of its trial. Those of one trial are written in the order in which they were reported.
enum FileReport {
    Entry {
        trial: TrialId,
        line: Vec<u8>,
        /// Told once the system has it, so that it outlives this process.
        kept: Option<oneshot::Sender<()>>,
    },
    Log {
        trial: TrialId,
        text: String,
    },
    Evidence {
        trial: TrialId,
        record: Vec<u8>,
    },
    Finished(Box<Finished>),
}

/// Reports to the dispatcher. Clones report to the same one.
#[derive(Clone)]
pub struct Reporter {
    queue: mpsc::Sender<Report>,
    evidence: mpsc::UnboundedSender<Seen>,
    room: Arc<Semaphore>,
    secrets: Secrets,
}

/// What went over the wire, as a trial saw it.
struct Seen {
    trial: TrialId,
    exchange: Exchange,
    place: Place,
    /// Given back when it is compressed.
    _room: OwnedSemaphorePermit,
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
        let (evidence, seen) = mpsc::unbounded_channel();
        compress(seen, queue.clone(), secrets.clone())?;
        let reporter = Reporter {
            queue,
            evidence,
            room: Arc::new(Semaphore::new(SEEN)),
            secrets,
        };
        Ok((reporter, Self { thread }))
    }

    /// Waits until every report is written; all reporters must be gone. Blocking.
    pub(crate) fn finish(self) -> Result<(), JournalError> {
        let panicked = || JournalError::new(std::io::Error::other("the dispatcher panicked"));
        self.thread.join().map_err(|_| panicked())?
    }
}

/// Starts the thread that takes secrets out of evidence and compresses it, so that neither the trials nor who writes
/// spend time on that. It ends with the last reporter, and the dispatcher after it.
fn compress(
    mut seen: mpsc::UnboundedReceiver<Seen>,
    queue: mpsc::Sender<Report>,
    secrets: Secrets,
) -> std::io::Result<()> {
    let compress = move || {
        let mut members = Members::new();
        while let Some(Seen {
            trial,
            exchange,
            place,
            _room,
        }) = seen.blocking_recv()
        {
            let Ok(record) = members.of(exchange, place, &secrets) else {
                tracing::error!(%trial, "a record of the evidence could not be compressed");
                continue;
            };
            let report = FileReport::Evidence { trial, record };
            if queue.blocking_send(Report::File(report)).is_err() {
                return; // the journal has failed: the run is being stopped
            }
        }
    };
    let thread = std::thread::Builder::new()
        .name("evidence".into())
        .spawn(compress)?;
    drop(thread); // the dispatcher cannot end before it
    Ok(())
}

impl Reporter {
    /// Reports an event and waits until it is durable. `false` if it will never be.
    pub async fn event(&self, event: Event) -> bool {
        let (written, wait) = oneshot::channel();
        self.send(event, Some(written)).await && wait.await.is_ok()
    }

    /// Reports an event without waiting for the disk.
    pub async fn note(&self, event: Event) {
        self.send(event, None).await; // failed: the run is being stopped
    }

    async fn send(&self, event: Event, written: Option<oneshot::Sender<()>>) -> bool {
        let Ok(event) = self.secrets.redacted(event) else {
            tracing::error!("an event is not written down: it cannot be told from the secrets in it");
            return false;
        };
        let event = Box::new(event);
        self.queue.send(Report::Event { event, written }).await.is_ok()
    }

    /// Adds an entry to the transcript of a trial.
    pub async fn entry(&self, trial: &TrialId, entry: Entry) {
        self.entry_at(Utc::now(), trial, entry).await;
    }

    /// The same for something that was so at an earlier time.
    pub(crate) async fn entry_at(&self, at: DateTime<Utc>, trial: &TrialId, entry: Entry) {
        self.add_entry(at, trial, entry, None).await;
    }

    /// The same, and waits until the entry outlives this process. It may still be lost with the machine's power.
    pub async fn entry_kept(&self, trial: &TrialId, entry: Entry) {
        let (kept, wait) = oneshot::channel();
        self.add_entry(Utc::now(), trial, entry, Some(kept)).await;
        drop(wait.await); // the journal has failed: the run is being stopped
    }

    async fn add_entry(
        &self,
        at: DateTime<Utc>,
        trial: &TrialId,
        entry: Entry,
        kept: Option<oneshot::Sender<()>>,
    ) {
        let left_out = || Entry::Note {
            text: "[left out: it could not be told from the secrets in it]".into(),
        };
        let line = self.secrets.redacted_json(&Line { at, entry });
        let line = line.or_else(|| {
            serde_json::to_string(&Line {
                at,
                entry: left_out(),
            })
            .ok()
        });
        let Some(line) = line else { return };
        let mut line = line.into_bytes();
        line.push(b'\n');
        let trial = trial.clone();
        let report = FileReport::Entry { trial, line, kept };
        drop(self.queue.send(Report::File(report)).await); // the journal has failed: the run is being stopped
    }

    /// Adds to the evidence of a trial. Waits only where much is waiting to be compressed.
    pub(crate) async fn evidence(&self, trial: &TrialId, exchange: Exchange, place: Place) {
        let room = Arc::clone(&self.room)
            .acquire_many_owned(room_of(&exchange))
            .await;
        self.seen(trial, exchange, place, room.ok()); // never closed
    }

    /// The same from where nothing can be waited for. Lost where much is waiting to be compressed.
    pub(crate) fn last_evidence(&self, trial: &TrialId, exchange: Exchange, place: Place) {
        let room = Arc::clone(&self.room).try_acquire_many_owned(room_of(&exchange));
        self.seen(trial, exchange, place, room.ok());
    }

    fn seen(&self, trial: &TrialId, exchange: Exchange, place: Place, room: Option<OwnedSemaphorePermit>) {
        let Some(room) = room else { return };
        let seen = Seen {
            trial: trial.clone(),
            exchange,
            place,
            _room: room,
        };
        drop(self.evidence.send(seen)); // the run is being stopped
    }

    /// A text as it would be written down.
    pub(crate) fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.secrets.redact(text)
    }

    /// A value as it would be written down.
    pub(crate) fn redact_value(&self, value: &Value) -> Value {
        let clean = self.secrets.redacted(value.clone());
        clean.unwrap_or_else(|value| value)
    }

    /// Adds a line to the log of a trial. Never waits: under a flood, lines are lost.
    pub fn log(&self, trial: &TrialId, line: &str) {
        let at = Utc::now().format("%H:%M:%S%.3f");
        let text = format!("{at} {}\n", self.secrets.redact(line));
        let trial = trial.clone();
        let report = FileReport::Log { trial, text };
        drop(self.queue.try_send(Report::File(report)));
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
        let record = self
            .secrets
            .redacted(record)
            .unwrap_or_else(|record| TrialRecord {
                outcome: Outcome::Errored,
                cause: Some("what it left could not be told from the secrets in it".into()),
                answer: None,
                verdicts: Vec::new(),
                expected_tools_missed: Vec::new(),
                drift: Vec::new(),
                timeline: None,
                gyms: self.secrets.redacted(record.gyms).unwrap_or_default(),
                ..record
            });
        let report = FileReport::Finished(Box::new(Finished {
            record,
            replaces,
            written,
        }));
        self.queue.send(Report::File(report)).await.is_ok() && wait.await.is_ok()
    }
}

/// How much room an exchange takes while it waits, in KiB, at most all of it.
fn room_of(exchange: &Exchange) -> u32 {
    let size = (exchange.request.len() + exchange.body.len()) / 1024 + 1;
    u32::try_from(size.min(SEEN)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
