//! A judge in a bad world: how long it is waited for, what is sent again, and who is asked at all.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_core::transcript::{Entry, Line};
use bench_core::verifier::ResponseCheck;
use bench_core::{
    Check, Event, ModelSpec, Outcome, Plan, TrialId, TrialRecord, Usage, VerdictStatus, VerifierSpec,
};
use bench_runner::model::{ErrorClass, ModelError, RetryPolicy, TurnReply};
use bench_runner::{Journal, JournalError, MemoryJournal, RunEnd, RunError, Runner, SyncTrial};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use crate::fakes::{FakeGym, FakeModel, Misbehave, Turns, plan, replies, says, scenario};

/// Seconds in which a model answers on a busy machine, too.
const A_WHILE: f64 = 2.0;

/// A plan of one scenario whose one check asks a judge.
fn judged() -> Plan {
    let check = ResponseCheck::Judge {
        comparison_prompt: "Is it done?".into(),
        minimum_comparison_value: 7.0,
        sql_query: None,
    };
    let mut scenario = scenario("s");
    scenario.verifiers = vec![VerifierSpec::new("done", Check::ResponseCheck(check))];
    let mut plan = plan(vec![scenario], 1);
    plan.judge = Some(ModelSpec::new("compatible:judge".parse().unwrap()));
    plan.retries = 3;
    plan
}

async fn run(plan: Plan, judge: Turns) -> (TrialRecord, MemoryJournal) {
    run_with(plan, replies(vec![]), judge).await
}

async fn run_with(plan: Plan, model: Turns, judge: Turns) -> (TrialRecord, MemoryJournal) {
    let journal = MemoryJournal::default();
    let mut retry = RetryPolicy::default();
    retry.base_delay = Duration::from_millis(1);
    let runner = Runner::builder("run", plan)
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(model))
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

fn nine() -> TurnReply {
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
    plan.limits.max_seconds = A_WHILE;
    let silent: Turns = Arc::new(|_| std::future::pending().boxed());
    let (record, _) = run(plan, silent).await;
    assert_eq!((record.outcome, record.attempt), (Outcome::Errored, 1));
    let error = error_of(&record);
    assert_eq!(
        error,
        "the judge compatible:judge gave no reply: time limit reached (2 s)"
    );
    assert_eq!(
        record.cost.unwrap().unknown_calls,
        2,
        "the model's, and the judge's that nobody waited for"
    );
}

#[tokio::test]
async fn a_judge_has_its_time_also_where_that_of_its_trial_ended_within_a_wait() {
    let mut plan = judged();
    plan.limits.max_seconds = A_WHILE;
    let slow: Turns = Arc::new(|_| {
        let error = ModelError {
            model: "compatible:fake".into(),
            class: ErrorClass::Timeout,
            status: None,
            retry_after: Some(Duration::from_secs(20)),
            maybe_paid: true,
            usage: None,
            adjusted: None,
            should_retry: None,
            message: "no answer".into(),
        };
        std::future::ready(Err(error)).boxed()
    });
    let silent: Turns = Arc::new(|_| std::future::pending().boxed());
    // Somebody said something, so that there is an answer to be judged.
    let talks: Turns = Arc::new(move |request| match request.prompt {
        0 => std::future::ready(Ok(says("done"))).boxed(),
        _ => slow(request),
    });
    let again = plan.scenarios[0].scenario.prompts[0].clone();
    plan.scenarios[0].scenario.prompts.push(again);
    let run = run_with(plan, talks, silent);
    let (record, _) = tokio::time::timeout(Duration::from_secs(30), run).await.unwrap();
    assert!(
        error_of(&record).contains("gave no reply: time limit reached"),
        "{record:?}"
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
            should_retry: None,
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

fn used(tokens: u64) -> Usage {
    Usage {
        input_tokens: Some(tokens),
        output_tokens: Some(0),
        ..Usage::default()
    }
}

#[tokio::test]
async fn all_that_a_judge_used_is_counted_also_for_answers_without_a_reply() {
    let asked = AtomicU32::new(0);
    let judge: Turns = Arc::new(move |_| {
        let malformed = ModelError {
            model: "compatible:judge".into(),
            class: ErrorClass::Malformed,
            status: Some(200),
            retry_after: None,
            maybe_paid: true,
            usage: Some(Box::new(used(1000))),
            adjusted: None,
            should_retry: None,
            message: "no choice".into(),
        };
        let counted = |reply: TurnReply, tokens| TurnReply {
            usage: used(tokens),
            served_by: Some("judge-2026-11".into()),
            request_id: Some(format!("req_{tokens}")),
            ..reply
        };
        let reply = match asked.fetch_add(1, SeqCst) {
            0 => Err(malformed),
            1 => Ok(counted(says("8/10"), 100)),
            _ => Ok(counted(nine(), 10)),
        };
        std::future::ready(reply).boxed()
    });
    let (record, journal) = run(judged(), judge).await;
    assert_eq!(record.outcome, Outcome::Passed);
    assert_eq!((record.judge_usage.total(), record.usage.total()), (1110, 0));
    let transcripts = journal.snapshot().transcripts;
    let lines = transcripts.values().flat_map(|text| text.lines());
    let said: Vec<_> = lines
        .filter_map(|line| match serde_json::from_str::<Line>(line).unwrap().entry {
            Entry::JudgeReplied {
                served_by,
                request_id,
                ..
            } => Some((served_by.unwrap(), request_id.unwrap())),
            _ => None,
        })
        .collect();
    let by = |id: &str| ("judge-2026-11".to_owned(), id.to_owned());
    assert_eq!(said, [by("req_100"), by("req_10")]);
}

/// Remembers what outlives the process.
struct Keeping {
    memory: MemoryJournal,
    kept: Arc<Mutex<String>>,
}

impl Journal for Keeping {
    fn transcript(&mut self, trial: &TrialId, lines: &[u8]) -> Result<(), JournalError> {
        self.memory.transcript(trial, lines)
    }

    fn keep_transcript(&mut self, trial: &TrialId) -> Result<(), JournalError> {
        let mut memory = self.memory.snapshot();
        *self.kept.lock().unwrap() = memory.transcripts.remove(trial).unwrap_or_default();
        Ok(())
    }

    fn log(&mut self, trial: &TrialId, text: &str) -> Result<(), JournalError> {
        self.memory.log(trial, text)
    }

    fn finish_trial(&mut self, trial: &TrialId) -> Result<SyncTrial, JournalError> {
        self.memory.finish_trial(trial)
    }

    fn commit(&mut self, events: &[(Event, DateTime<Utc>)]) -> Result<(), JournalError> {
        self.memory.commit(events)
    }

    fn tick(&mut self, now: DateTime<Utc>) -> Result<(), JournalError> {
        self.memory.tick(now)
    }
}

#[tokio::test]
async fn no_judge_is_asked_before_the_question_is_kept() {
    let (kept, memory) = (Arc::new(Mutex::new(String::new())), MemoryJournal::default());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (then, known) = (Arc::clone(&asked), Arc::clone(&kept));
    let judge: Turns = Arc::new(move |_| {
        let questions = known.lock().unwrap().matches("\"judge_asked\"").count();
        let mut then = then.lock().unwrap();
        then.push(questions);
        let reply = if then.len() == 1 { says("8/10") } else { nine() };
        std::future::ready(Ok(reply)).boxed()
    });
    let journal = Keeping {
        memory: memory.clone(),
        kept,
    };
    let runner = Runner::builder("run", judged())
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(replies(vec![])))
        .judge(FakeModel::new(judge))
        .journal(journal)
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    assert_eq!(*asked.lock().unwrap(), [1, 2], "each time");
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
            should_retry: None,
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
