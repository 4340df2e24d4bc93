//! No way to the journal is open to secrets.

use bench_core::drift::Drift;
use bench_core::record::GymUse;
use bench_core::{Verdict, VerdictStatus};

use super::fixture::{record, trial};
use super::*;
use crate::journal::MemoryJournal;

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
    let note = Entry::Note { text: SECRET.into() };
    reporter.entry(&trial(), note).await;
    let record = TrialRecord {
        answer: Some(SECRET.into()),
        ..record()
    };
    assert!(reporter.finished(record, None).await);
    drop(reporter);
    dispatcher.finished().await.unwrap();
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
    dispatcher.finished().await.unwrap();
    let written = format!("{:?}", memory.snapshot());
    assert!(
        written.contains("could not be told from the secrets"),
        "{written}"
    );
    assert!(written.contains("db-1"), "{written}");
    assert!(!written.contains("canary"), "{written}");
}
