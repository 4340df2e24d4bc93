//! A judge in a bad world: how long it is waited for, what is sent again, and who is asked at all.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_core::transcript::{Entry, Line};
use bench_core::verifier::ResponseCheck;
use bench_core::{Check, ModelSpec, Outcome, Plan, TrialRecord, VerdictStatus, VerifierSpec};
use bench_runner::model::{ErrorClass, ModelError, RetryPolicy};
use bench_runner::{MemoryJournal, RunEnd, RunError, Runner};
use futures_util::FutureExt;

use crate::fakes::{FakeGym, FakeModel, Misbehave, Turns, plan, replies, says, scenario};

/// A plan of one scenario whose one check asks a judge.
fn judged() -> Plan {
    let check = ResponseCheck::Judge {
        comparison_prompt: "Is it done?".into(),
        minimum_comparison_value: 7.0,
        sql_query: None,
    };
    let mut scenario = scenario("s");
    scenario.verifiers = vec![VerifierSpec {
        name: "done".into(),
        description: None,
        gym: None,
        prompt: None,
        check: Check::ResponseCheck(check),
    }];
    let mut plan = plan(vec![scenario], 1);
    plan.judge = Some(ModelSpec::new("compatible:judge".parse().unwrap()));
    plan.retries = 3;
    plan
}

async fn run(plan: Plan, judge: Turns) -> (TrialRecord, MemoryJournal) {
    let journal = MemoryJournal::default();
    let mut retry = RetryPolicy::default();
    retry.base_delay = Duration::from_millis(1);
    let runner = Runner::builder("run", plan)
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(replies(vec![])))
        .judge(FakeModel::new(judge))
        .journal(journal.clone())
        .retry(retry)
        .build()
        .unwrap();
    let end = runner.run().await;
    assert!(matches!(end, RunEnd::Completed), "{end:?}");
    let record = journal.snapshot().records.values().next().unwrap().clone();
    (record, journal)
}

fn nine() -> bench_runner::model::TurnReply {
    says(r#"{"reasoning": "yes", "score": 9}"#)
}

fn error_of(record: &TrialRecord) -> &str {
    match &record.verdicts[0].status {
        VerdictStatus::Errored { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_plan_that_needs_a_judge_is_not_run_without_its_client() {
    let built = Runner::builder("run", judged())
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(replies(vec![])))
        .build();
    assert!(matches!(built, Err(RunError::Missing { .. })));
}

#[tokio::test]
async fn a_judge_that_never_answers_is_given_up_when_its_time_is_over() {
    let mut plan = judged();
    plan.limits.max_seconds = 0.3;
    let silent: Turns = Arc::new(|_| std::future::pending().boxed());
    let (record, _) = run(plan, silent).await;
    assert_eq!((record.outcome, record.attempt), (Outcome::Errored, 1));
    let error = error_of(&record);
    assert_eq!(
        error,
        "the judge compatible:judge gave no reply: time limit reached (0.3 s)"
    );
    assert_eq!(
        record.cost.unwrap().unknown_calls,
        2,
        "the model's, and the judge's that nobody waited for"
    );
}

#[tokio::test]
async fn a_judge_is_sent_a_request_again_as_any_model_is_and_offered_no_tools() {
    let (asked, seen) = (Arc::new(AtomicU32::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (count, tools) = (Arc::clone(&asked), Arc::clone(&seen));
    let judge: Turns = Arc::new(move |request| {
        let nth = count.fetch_add(1, SeqCst);
        tools
            .lock()
            .unwrap()
            .push((request.tools.len(), request.messages.len()));
        let limited = ModelError {
            model: "compatible:judge".into(),
            class: ErrorClass::RateLimit,
            status: Some(429),
            retry_after: None,
            maybe_paid: false,
            usage: None,
            adjusted: None,
            message: "slow down".into(),
        };
        async move { if nth < 2 { Err(limited) } else { Ok(nine()) } }.boxed()
    });
    let (record, journal) = run(judged(), judge).await;
    assert_eq!((record.outcome, asked.load(SeqCst)), (Outcome::Passed, 3));
    assert_eq!(*seen.lock().unwrap(), [(0, 1); 3]);
    assert_eq!(record.turns, 1, "the judge's replies are not the model's turns");
    let transcripts = journal.snapshot().transcripts;
    let lines = transcripts.values().flat_map(|text| text.lines());
    let entries: Vec<Entry> = lines
        .map(|line| serde_json::from_str::<Line>(line).unwrap().entry)
        .collect();
    let notes = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Note { .. }))
        .count();
    assert_eq!(notes, 2, "each wait is told: {entries:?}");
    let said = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::JudgeReplied { .. }))
        .count();
    assert_eq!(said, 1);
}

#[tokio::test]
async fn nobody_tries_a_model_again_for_the_judge() {
    let broken: Turns = Arc::new(|_| {
        let error = ModelError {
            model: "compatible:judge".into(),
            class: ErrorClass::Overloaded,
            status: Some(503),
            retry_after: None,
            maybe_paid: false,
            usage: None,
            adjusted: None,
            message: "busy".into(),
        };
        async move { Err(error) }.boxed()
    });
    let (record, _) = run(judged(), broken).await;
    assert_eq!(
        (record.outcome, record.attempt, record.turns),
        (Outcome::Errored, 1, 1)
    );
    let error = error_of(&record);
    assert!(
        error.starts_with("the judge compatible:judge: busy; gave up after"),
        "{error}"
    );
    assert_eq!(record.cost.unwrap().unknown_calls, 1, "a refusal costs nothing");
}
