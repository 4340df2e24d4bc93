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
        judge_usage: record.judge_usage,
        cost: record.cost,
        took_ms: record.took_ms,
        record: files.record,
        transcript: files.transcript,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as blocking;

    use bench_core::drift::Drift;
    use bench_core::record::GymUse;
    use bench_core::{Outcome, TrialId, Usage, Verdict, VerdictStatus};
    use serde_json::Value;

    use super::*;
    use crate::dispatch::{Dispatcher, Reporter};
    use crate::env::Secrets;
    use crate::journal::MemoryJournal;

    /// A disk that takes its time: says what it is about to do, and does it when it is told to.
    struct SlowDisk {
        memory: MemoryJournal,
        doing: blocking::Sender<&'static str>,
        go: std::sync::Arc<std::sync::Mutex<blocking::Receiver<bool>>>,
    }

    impl SlowDisk {
        fn wait(&self, what: &'static str) -> Result<(), JournalError> {
            wait(&self.doing, &self.go, what)
        }
    }

    fn wait(
        doing: &blocking::Sender<&'static str>,
        go: &std::sync::Mutex<blocking::Receiver<bool>>,
        what: &'static str,
    ) -> Result<(), JournalError> {
        doing.send(what).unwrap();
        if go.lock().unwrap().recv().unwrap() {
            Ok(())
        } else {
            Err(JournalError::new(std::io::Error::other("no")))
        }
    }

    impl Journal for SlowDisk {
        fn transcript(&mut self, _: &TrialId, _: &[u8]) -> Result<(), JournalError> {
            Ok(())
        }

        fn log(&mut self, _: &TrialId, _: &str) -> Result<(), JournalError> {
            Ok(())
        }

        fn finish_trial(&mut self, trial: &TrialId) -> Result<SyncTrial, JournalError> {
            let sync = self.memory.finish_trial(trial)?;
            let (doing, go) = (self.doing.clone(), std::sync::Arc::clone(&self.go));
            Ok(Box::new(move |record| {
                wait(&doing, &go, "sync")?;
                sync(record)
            }))
        }

        fn commit(&mut self, events: &[(Event, DateTime<Utc>)]) -> Result<(), JournalError> {
            self.wait("commit")?;
            self.memory.commit(events)
        }

        fn tick(&mut self, _: DateTime<Utc>) -> Result<(), JournalError> {
            Ok(())
        }
    }

    /// A dispatcher on a slow disk.
    struct Desk {
        reporter: Reporter,
        dispatcher: Dispatcher,
        memory: MemoryJournal,
        doing: blocking::Receiver<&'static str>,
        go: blocking::Sender<bool>,
        stop: CancellationToken,
    }

    fn desk() -> Desk {
        let (memory, stop) = (MemoryJournal::default(), CancellationToken::new());
        let ((told, doing), (go, gone)) = (blocking::channel(), blocking::channel());
        let disk = SlowDisk {
            memory: memory.clone(),
            doing: told,
            go: std::sync::Arc::new(std::sync::Mutex::new(gone)),
        };
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

    fn trial() -> TrialId {
        "scenario~model~1".parse().unwrap()
    }

    fn started() -> Event {
        Event::TrialStarted {
            trial: trial(),
            attempt: 1,
        }
    }

    fn record() -> TrialRecord {
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
            judge_usage: Usage::default(),
            cost: None,
            gyms: Vec::new(),
            started_at: DateTime::UNIX_EPOCH,
            completed_at: DateTime::UNIX_EPOCH,
            took_ms: 0,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_is_answered_before_it_is_durable() {
        let desk = desk();
        // What a gym says before it creates a database.
        let report = desk.reporter.for_gyms();
        let named = Event::DatabaseNamed {
            trial: trial(),
            gym: "tracker".into(),
            database_id: "db".into(),
        };
        let answer = tokio::spawn(async move { report(named).await });
        assert_eq!(desk.doing.recv().unwrap(), "commit");
        tokio::time::sleep(Duration::from_millis(20)).await; // an answer sent too early would be there
        assert!(!answer.is_finished());
        desk.go.send(true).unwrap();
        answer.await.unwrap();
        assert_eq!(desk.memory.snapshot().events.len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_end_of_a_trial_follows_its_files_and_holds_up_no_event() {
        let desk = desk();
        let reporter = desk.reporter.clone();
        let end = tokio::spawn(async move { reporter.finished(record(), None).await });
        assert_eq!(desk.doing.recv().unwrap(), "sync");
        // While the files are being synced, another trial begins.
        let reporter = desk.reporter.clone();
        let begin = tokio::spawn(async move { reporter.event(started()).await });
        assert_eq!(desk.doing.recv().unwrap(), "commit");
        desk.go.send(true).unwrap(); // whichever takes it, the other one waits for the next
        desk.go.send(true).unwrap();
        assert_eq!(desk.doing.recv().unwrap(), "commit");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!end.is_finished());
        desk.go.send(true).unwrap();
        assert!(end.await.unwrap() && begin.await.unwrap());
        let memory = desk.memory.snapshot();
        assert!(matches!(
            memory.events.as_slice(),
            [(Event::TrialStarted { .. }, _), (Event::TrialFinished(_), _)]
        ));
        assert!(memory.records.contains_key(&trial()));
    }

    /// Keeps the order in which it was written to. The first line waits until the event was reported.
    struct InOrder {
        written: std::sync::Arc<std::sync::Mutex<Vec<&'static str>>>,
        began: blocking::Sender<()>,
        reported: Option<blocking::Receiver<()>>,
    }

    impl Journal for InOrder {
        fn transcript(&mut self, _: &TrialId, _: &[u8]) -> Result<(), JournalError> {
            if let Some(reported) = self.reported.take() {
                self.began.send(()).unwrap();
                reported.recv().unwrap();
            }
            self.written.lock().unwrap().push("transcript");
            Ok(())
        }

        fn log(&mut self, _: &TrialId, _: &str) -> Result<(), JournalError> {
            Ok(())
        }

        fn finish_trial(&mut self, _: &TrialId) -> Result<SyncTrial, JournalError> {
            Err(JournalError::new(std::io::Error::other("no trial ends here")))
        }

        fn commit(&mut self, _: &[(Event, DateTime<Utc>)]) -> Result<(), JournalError> {
            self.written.lock().unwrap().push("commit");
            Ok(())
        }

        fn tick(&mut self, _: DateTime<Utc>) -> Result<(), JournalError> {
            Ok(())
        }
    }

    #[test]
    fn what_trials_wait_for_does_not_wait_for_files_of_others() {
        const LINES: usize = 100;
        let written = std::sync::Arc::default();
        let ((began, begun), (report, reported)) = (blocking::channel(), blocking::channel());
        let writer = Writer {
            journal: Box::new(InOrder {
                written: std::sync::Arc::clone(&written),
                began,
                reported: Some(reported),
            }),
            listeners: Vec::new(),
            stop: CancellationToken::new(),
        };
        let (queue, reports) = mpsc::channel(LINES + 1);
        for _ in 0..LINES {
            let (trial, line) = (trial(), b"{}".to_vec());
            let entry = Report::File(FileReport::Entry {
                trial,
                line,
                kept: None,
            });
            queue.try_send(entry).ok().unwrap();
        }
        let thread = std::thread::spawn(move || writer.run(reports));
        begun.recv().unwrap();
        let (answer, answered) = oneshot::channel();
        let event = Report::Event {
            event: Box::new(started()),
            written: Some(answer),
        };
        queue.try_send(event).ok().unwrap();
        report.send(()).unwrap();
        answered.blocking_recv().unwrap();
        drop(queue);
        thread.join().unwrap().unwrap();
        let written = written.lock().unwrap();
        let commit = written.iter().position(|what| *what == "commit");
        assert!(commit.is_some_and(|lines| lines < LINES / 2), "{written:?}");
        assert_eq!(written.len(), LINES + 1);
    }

    /// The first trial's files take longer than those of all others.
    struct SlowFirst {
        memory: MemoryJournal,
        others: Option<blocking::Receiver<()>>,
        done: blocking::Sender<()>,
    }

    impl Journal for SlowFirst {
        fn transcript(&mut self, _: &TrialId, _: &[u8]) -> Result<(), JournalError> {
            Ok(())
        }

        fn log(&mut self, _: &TrialId, _: &str) -> Result<(), JournalError> {
            Ok(())
        }

        fn finish_trial(&mut self, trial: &TrialId) -> Result<SyncTrial, JournalError> {
            let sync = self.memory.finish_trial(trial)?;
            let (others, done) = (self.others.take(), self.done.clone());
            Ok(Box::new(move |record| {
                match others {
                    Some(others) => others.recv().unwrap(),
                    None => done.send(()).unwrap(),
                }
                sync(record)
            }))
        }

        fn commit(&mut self, events: &[(Event, DateTime<Utc>)]) -> Result<(), JournalError> {
            self.memory.commit(events)
        }

        fn tick(&mut self, _: DateTime<Utc>) -> Result<(), JournalError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn trials_are_written_down_in_the_order_in_which_they_ended() {
        let memory = MemoryJournal::default();
        let (done, others) = blocking::channel();
        let journal = SlowFirst {
            memory: memory.clone(),
            others: Some(others),
            done,
        };
        let (reporter, dispatcher) = Dispatcher::start(
            Box::new(journal),
            Vec::new(),
            Secrets::default(),
            CancellationToken::new(),
        )
        .unwrap();
        let end = |name: &str| TrialRecord {
            trial: name.parse().unwrap(),
            ..record()
        };
        let (first, second) = tokio::join!(
            reporter.finished(end("first~m~1"), None),
            reporter.finished(end("second~m~1"), None)
        );
        assert!(first && second);
        drop(reporter);
        let finished = tokio::task::spawn_blocking(|| dispatcher.finish()).await;
        finished.unwrap().unwrap();
        let order: Vec<String> = memory
            .snapshot()
            .events
            .into_iter()
            .filter_map(|(event, _)| match event {
                Event::TrialFinished(finished) => Some(finished.trial.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(order, ["first~m~1", "second~m~1"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_reported_last_is_written_too() {
        let desk = desk();
        let end = desk.reporter.finished(record(), None);
        // The reporter goes away while the files are being synced.
        assert!(
            tokio::time::timeout(Duration::from_millis(20), end)
                .await
                .is_err()
        );
        drop(desk.reporter);
        desk.go.send(true).unwrap();
        desk.go.send(true).unwrap();
        let dispatcher = desk.dispatcher;
        tokio::task::spawn_blocking(|| dispatcher.finish())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(desk.memory.snapshot().events.len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_way_to_the_journal_is_open_to_secrets() {
        const SECRET: &str = "sk-canary-123456";
        let (memory, secrets) = (MemoryJournal::default(), Secrets::default());
        secrets.add(SECRET);
        let journal = Box::new(memory.clone());
        let (reporter, dispatcher) =
            Dispatcher::start(journal, Vec::new(), secrets, CancellationToken::new()).unwrap();
        let retried = || Event::TrialRetried {
            trial: trial(),
            attempt: 1,
            cause: SECRET.into(),
        };
        assert!(reporter.event(retried()).await);
        reporter.note(retried()).await;
        reporter.for_gyms()(retried()).await;
        reporter.log(&trial(), SECRET);
        reporter.for_log(&trial())(SECRET);
        let note = bench_core::transcript::Entry::Note { text: SECRET.into() };
        reporter.entry(&trial(), note).await;
        let record = TrialRecord {
            answer: Some(SECRET.into()),
            ..record()
        };
        assert!(reporter.finished(record, None).await);
        drop(reporter);
        let finished = tokio::task::spawn_blocking(|| dispatcher.finish()).await;
        finished.unwrap().unwrap();
        let written = format!("{:?}", memory.snapshot());
        assert!(!written.contains("canary"), "{written}");
        assert_eq!(written.matches("[secret]").count(), 7, "{written}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_a_record_that_cannot_be_cleaned_nothing_is_kept_that_may_hold_a_secret() {
        const SECRET: &str = "sk-canary-123456";
        let (memory, secrets) = (MemoryJournal::default(), Secrets::default());
        secrets.add(SECRET);
        let journal = Box::new(memory.clone());
        let (reporter, dispatcher) =
            Dispatcher::start(journal, Vec::new(), secrets, CancellationToken::new()).unwrap();
        // Deeper than JSON is read.
        let deep = (0..200).fold(Value::from(SECRET), |inner, _| Value::from(vec![inner]));
        let verdict = Verdict {
            verifier: "deep".into(),
            verifier_type: "tool_result".into(),
            gym: None,
            status: VerdictStatus::True,
            comparison: String::new(),
            expected: Value::Null,
            actual: deep,
            asked: String::new(),
            took_ms: 0,
            judge: None,
        };
        let record = TrialRecord {
            verdicts: vec![verdict],
            answer: Some(SECRET.into()),
            expected_tools_missed: vec![SECRET.into()],
            drift: vec![Drift {
                turn: 1,
                tool: SECRET.into(),
                what: SECRET.into(),
            }],
            gyms: vec![GymUse {
                gym: "g".into(),
                protocol: SECRET.into(),
                database_id: Some("db-1".into()),
            }],
            ..record()
        };
        assert!(reporter.finished(record, None).await);
        drop(reporter);
        let finished = tokio::task::spawn_blocking(|| dispatcher.finish()).await;
        finished.unwrap().unwrap();
        let written = format!("{:?}", memory.snapshot());
        assert!(
            written.contains("could not be told from the secrets"),
            "{written}"
        );
        assert!(written.contains("db-1"), "{written}");
        assert!(!written.contains("canary"), "{written}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_listener_that_panics_costs_nothing_that_is_kept() {
        let memory = MemoryJournal::default();
        let seen = std::sync::Arc::new(std::sync::Mutex::new(0));
        let count = std::sync::Arc::clone(&seen);
        let listeners: Vec<Listener> = vec![
            Box::new(|_, _| panic!("out of colours")),
            Box::new(move |_, _| *count.lock().unwrap() += 1),
        ];
        let stop = CancellationToken::new();
        let (reporter, dispatcher) = Dispatcher::start(
            Box::new(memory.clone()),
            listeners,
            Secrets::default(),
            stop.clone(),
        )
        .unwrap();
        assert!(reporter.event(started()).await && reporter.event(started()).await);
        drop(reporter);
        let finished = tokio::task::spawn_blocking(|| dispatcher.finish()).await;
        finished.unwrap().unwrap();
        assert_eq!((memory.snapshot().events.len(), *seen.lock().unwrap()), (2, 2));
        assert!(!stop.is_cancelled());
    }

    /// Panics where it is asked to write.
    struct Panics;

    impl Journal for Panics {
        fn transcript(&mut self, _: &TrialId, _: &[u8]) -> Result<(), JournalError> {
            Ok(())
        }

        fn log(&mut self, _: &TrialId, _: &str) -> Result<(), JournalError> {
            Ok(())
        }

        fn finish_trial(&mut self, _: &TrialId) -> Result<SyncTrial, JournalError> {
            Err(JournalError::new(std::io::Error::other("no trial ends here")))
        }

        fn commit(&mut self, _: &[(Event, DateTime<Utc>)]) -> Result<(), JournalError> {
            panic!("out of ink")
        }

        fn tick(&mut self, _: DateTime<Utc>) -> Result<(), JournalError> {
            Ok(())
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_paid_for_once_the_journal_has_panicked() {
        let stop = CancellationToken::new();
        let (reporter, dispatcher) =
            Dispatcher::start(Box::new(Panics), Vec::new(), Secrets::default(), stop.clone()).unwrap();
        assert!(!reporter.event(started()).await);
        let stopped = tokio::time::timeout(Duration::from_secs(10), stop.cancelled()).await;
        assert!(stopped.is_ok(), "the run goes on, and nobody writes it down");
        drop(reporter);
        let finished = tokio::task::spawn_blocking(|| dispatcher.finish()).await;
        assert!(finished.unwrap().is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn files_that_cannot_be_written_end_the_run() {
        let desk = desk();
        desk.go.send(false).unwrap();
        assert!(!desk.reporter.finished(record(), None).await);
        desk.stop.cancelled().await;
        drop(desk.reporter);
        let dispatcher = desk.dispatcher;
        let result = tokio::task::spawn_blocking(|| dispatcher.finish()).await.unwrap();
        assert!(result.is_err());
        assert!(desk.memory.snapshot().events.is_empty());
    }
}
