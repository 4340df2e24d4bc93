//! In which order things become durable, who is told when, and what happens once nothing can be written any more.

use std::sync::{Arc, Mutex, mpsc as blocking};

use super::*;
use crate::dispatch::Dispatcher;
use crate::dispatch::fixture::{Disk, Step, desk, record, started, trial};
use crate::env::Secrets;
use crate::journal::MemoryJournal;

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
    assert_eq!(desk.doing.recv().unwrap(), Step::Commit);
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
    assert_eq!(desk.doing.recv().unwrap(), Step::Sync(trial()));
    // While the files are being synced, another trial begins.
    let reporter = desk.reporter.clone();
    let begin = tokio::spawn(async move { reporter.event(started()).await });
    assert_eq!(desk.doing.recv().unwrap(), Step::Commit);
    desk.go.send(true).unwrap(); // whichever takes it, the other one waits for the next
    desk.go.send(true).unwrap();
    assert_eq!(desk.doing.recv().unwrap(), Step::Commit);
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

#[test]
fn what_trials_wait_for_does_not_wait_for_files_of_others() {
    const LINES: usize = 100;
    let written = Arc::new(Mutex::new(Vec::new()));
    let ((began, begun), (report, reported)) = (blocking::channel(), blocking::channel());
    // The first line waits until the event was reported.
    let (order, reported) = (Arc::clone(&written), Mutex::new(Some(reported)));
    let disk = Disk::new(&MemoryJournal::default(), move |step| {
        if let Some(reported) = reported.lock().unwrap().take() {
            began.send(()).unwrap();
            reported.recv().unwrap();
        }
        order.lock().unwrap().push(step);
        Ok(())
    });
    let writer = Writer {
        journal: Box::new(disk),
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
    let commit = written.iter().position(|step| *step == Step::Commit);
    assert!(commit.is_some_and(|lines| lines < LINES / 2), "{written:?}");
    assert_eq!(written.len(), LINES + 1);
}

#[tokio::test]
async fn trials_are_written_down_in_the_order_in_which_they_ended() {
    let memory = MemoryJournal::default();
    let (done, others) = blocking::channel();
    // The first trial's files take longer than those of the other one.
    let others = Mutex::new(others);
    let disk = Disk::new(&memory, move |step| {
        match step {
            Step::Sync(trial) if trial.as_str() == "first~m~1" => others.lock().unwrap().recv().unwrap(),
            Step::Sync(_) => done.send(()).unwrap(),
            _ => {}
        }
        Ok(())
    });
    let (reporter, dispatcher) = Dispatcher::start(
        Box::new(disk),
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
    dispatcher.finished().await.unwrap();
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
    desk.dispatcher.finished().await.unwrap();
    assert_eq!(desk.memory.snapshot().events.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_panics_costs_nothing_that_is_kept() {
    let memory = MemoryJournal::default();
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
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
    dispatcher.finished().await.unwrap();
    assert_eq!((memory.snapshot().events.len(), *seen.lock().unwrap()), (2, 2));
    assert!(!stop.is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_paid_for_once_the_journal_has_panicked() {
    let stop = CancellationToken::new();
    let disk = Disk::new(&MemoryJournal::default(), |step| {
        assert_ne!(step, Step::Commit, "out of ink");
        Ok(())
    });
    let (reporter, dispatcher) =
        Dispatcher::start(Box::new(disk), Vec::new(), Secrets::default(), stop.clone()).unwrap();
    assert!(!reporter.event(started()).await);
    let stopped = tokio::time::timeout(Duration::from_mins(1), stop.cancelled()).await;
    assert!(stopped.is_ok(), "the run goes on, and nobody writes it down");
    drop(reporter);
    assert!(dispatcher.finished().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_written_end_the_run() {
    let desk = desk();
    desk.go.send(false).unwrap();
    assert!(!desk.reporter.finished(record(), None).await);
    desk.stop.cancelled().await;
    drop(desk.reporter);
    assert!(desk.dispatcher.finished().await.is_err());
    assert!(desk.memory.snapshot().events.is_empty());
}
