//! The dispatcher's thread: takes reports, writes them down, answers.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bench_core::event::TrialFinished;
use bench_core::{Event, Outcome, TrialRecord};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{FileReport, Listener, Report};
use crate::journal::{Journal, JournalError, SyncTrial, TrialFiles};

/// Reports that one commit covers at most, and that may wait for their files.
const BATCH: usize = 512;
/// Lines that are written to files before it is looked again whether somebody waits for an event. A trial's first
/// line creates its file: when a hundred begin at once, all their files take 20 ms.
const SLICE: usize = 8;
/// Trials whose files are synced at the same time: a disk takes hardly longer for some than for one.
const SYNCING: usize = 8;
/// The longest pause between two ticks of the journal: those who watch a trial see what it says within this.
const TICK: Duration = Duration::from_millis(500);

/// A trial that is over.
pub(super) struct Finished {
    pub(super) record: TrialRecord,
    pub(super) replaces: Option<Outcome>,
    pub(super) written: oneshot::Sender<()>,
}

/// One whose files are durable.
struct Ended {
    event: Event,
    at: DateTime<Utc>,
    written: oneshot::Sender<()>,
}

/// The trials whose files are being synced. They come out in the order in which they ended.
type Syncing = FuturesOrdered<JoinHandle<Result<Box<Ended>, JournalError>>>;
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
    /// Take the reports in the batch.
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
            0 => syncing.next().await.map_or(Next::Over, Next::Ended),
            _ => Next::Reports,
        },
        Some(ended) = syncing.next() => Next::Ended(ended),
        () = tokio::time::sleep(TICK) => Next::Nothing,
    }
}

/// Writes, and tells who listens.
pub(super) struct Writer {
    pub(super) journal: Box<dyn Journal>,
    pub(super) listeners: Vec<Listener>,
    /// Cancelled when nothing can be written any more.
    pub(super) stop: CancellationToken,
}

impl Writer {
    /// Writes until all reporters are gone.
    pub(super) fn run(mut self, reports: mpsc::Receiver<Report>) -> Result<(), JournalError> {
        let stop = self.stop.clone().drop_guard(); // a panic, too, leaves nobody who writes down what is paid for
        self.write_all(reports)?;
        stop.disarm();
        Ok(())
    }

    fn write_all(&mut self, mut reports: mpsc::Receiver<Report>) -> Result<(), JournalError> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(SYNCING)
            .build()
            .map_err(JournalError::new)?;
        let (mut batch, mut later) = (Vec::with_capacity(BATCH), VecDeque::new());
        let mut syncing = Syncing::new();
        loop {
            // Only waiting happens inside: journals and listeners may use runtimes of their own.
            let due = runtime.block_on(async {
                let next = next(&mut reports, &mut batch, &mut syncing);
                match later.len() {
                    0 => Some(next.await),
                    1..BATCH => next.now_or_never(),
                    _ => None,
                }
            });
            match due {
                Some(Next::Reports) => self.commit_events(&mut batch, &mut later)?,
                Some(Next::Ended(first)) => self.end(first, &mut syncing)?,
                Some(Next::Over) if later.is_empty() => return Ok(()),
                Some(Next::Nothing | Next::Over) | None => {}
            }
            let slice = later.drain(..SLICE.min(later.len()));
            self.write_files(slice, &mut syncing, &runtime)?;
            self.journal.tick(Utc::now())?;
        }
    }

    /// Commits what trials wait for. What goes to files is left for later.
    fn commit_events(
        &mut self,
        batch: &mut Vec<Report>,
        later: &mut VecDeque<FileReport>,
    ) -> Result<(), JournalError> {
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        for report in batch.drain(..) {
            match report {
                Report::Event { event, written } => {
                    events.push((*event, Utc::now()));
                    waiting.extend(written);
                }
                Report::File(report) => later.push_back(report),
            }
        }
        self.commit(&events, waiting)
    }

    fn write_files(
        &mut self,
        reports: impl Iterator<Item = FileReport>,
        syncing: &mut Syncing,
        runtime: &Runtime,
    ) -> Result<(), JournalError> {
        for report in reports {
            match report {
                FileReport::Entry { trial, line, kept } => {
                    self.journal.transcript(&trial, &line)?;
                    if let Some(kept) = kept {
                        self.journal.keep_transcript(&trial)?;
                        kept.send(()).ok(); // the reporter may have been cancelled meanwhile
                    }
                }
                FileReport::Log { trial, text } => self.journal.log(&trial, &text)?,
                FileReport::Evidence { trial, record } => self.journal.evidence(&trial, &record)?,
                FileReport::Finished(report) => {
                    let sync = self.journal.finish_trial(&report.record.trial)?;
                    syncing.push_back(runtime.spawn_blocking(move || report.synced(sync)));
                }
            }
        }
        Ok(())
    }

    /// Writes down the end of the trial whose files are durable, and of all others of which that is so by now.
    fn end(&mut self, first: Synced, syncing: &mut Syncing) -> Result<(), JournalError> {
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(ended) = next {
            let ended = ended.unwrap_or_else(|panicked| Err(JournalError::new(panicked)))?;
            events.push((ended.event, ended.at));
            waiting.push(ended.written);
            next = syncing.next().now_or_never().flatten();
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
            self.listeners.retain_mut(|listener| told(listener, event, *at));
        }
        Ok(())
    }
}

/// Tells a listener, if it can be told: one that panicked is told nothing more. Who looks on may not cost what is kept.
fn told(listener: &mut Listener, event: &Event, at: DateTime<Utc>) -> bool {
    let told = catch_unwind(AssertUnwindSafe(|| listener(event, at)));
    if told.is_err() {
        tracing::error!("a listener panicked, and is told nothing more");
    }
    told.is_ok()
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
        drift: count(record.drift.len()),
        usage: record.usage,
        retried_usage: record.retried_usage,
        tried_again: record.tried_again,
        judge_usage: record.judge_usage,
        cost: record.cost,
        took_ms: record.took_ms,
        record: files.record,
        transcript: files.transcript,
    })
}

#[cfg(test)]
mod tests;
