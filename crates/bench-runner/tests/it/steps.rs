//! Verifiers looked at after each tool call: what is kept of it, and that nothing else is otherwise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_core::transcript::{Entry, Line};
use bench_core::verifier::{ResponseCheck, ToolExecution};
use bench_core::{Check, Comparison, Operator, Outcome, Plan, TrialRecord, Verdict, VerifierSpec};
use bench_runner::model::TurnReply;
use bench_runner::verify::{TrialEnd, Verifier};
use bench_runner::{MemoryJournal, RunEnd, Runner};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fakes::{FakeGym, FakeModel, Misbehave, Turns, calls, plan, replies, says, scenario};

/// The sum, the answer, and at most two calls that do not fail.
fn looked_at() -> Plan {
    let mut scenario = scenario("s");
    let answer = ResponseCheck::Text {
        comparison: Comparison {
            operator: Operator::Contains,
            expected: json!("done"),
        },
        ignore_case: false,
    };
    let few = ToolExecution {
        maximum_tool_calls: Some(2),
        ..ToolExecution::default()
    };
    scenario
        .verifiers
        .push(VerifierSpec::new("says so", Check::ResponseCheck(answer)));
    scenario
        .verifiers
        .push(VerifierSpec::new("few calls", Check::ToolExecution(few)));
    let mut plan = plan(vec![scenario], 1);
    plan.verify_each_step = true;
    plan
}

async fn run(plan: Plan, turns: Turns, misbehave: Misbehave) -> (TrialRecord, Vec<Entry>) {
    let journal = MemoryJournal::default();
    let runner = Runner::builder("run", plan)
        .gym(FakeGym::new(misbehave))
        .model(FakeModel::new(turns))
        .journal(journal.clone())
        .build()
        .unwrap();
    let end = runner.run().await;
    assert!(matches!(end, RunEnd::Completed), "{end:?}");
    let memory = journal.snapshot();
    let (id, record) = memory.records.iter().next().unwrap();
    let lines = memory.transcripts[id].lines();
    let entries = lines.map(|line| serde_json::from_str::<Line>(line).unwrap().entry);
    (record.clone(), entries.collect())
}

/// To 3 at once, beyond it, a call that fails, and back to 3: in two turns.
fn there_and_back() -> Vec<TurnReply> {
    let add = |n: i64| ("add", json!({"n": n}));
    vec![calls(&[add(3), add(1)]), calls(&[("fail", json!({})), add(-1)])]
}

/// Each change in the transcript: after how many tool results it stands, its step, who, and what.
fn changes(entries: &[Entry]) -> Vec<(usize, u32, usize, String)> {
    let mut results = 0;
    let mut changes = Vec::new();
    for entry in entries {
        match entry {
            Entry::ToolResult { .. } => results += 1,
            Entry::Checked { step, changes: all } => changes.extend(all.iter().map(|change| {
                let status = serde_json::to_value(&change.status).unwrap();
                let verdict = status["verdict"].as_str().unwrap().to_owned();
                (results, *step, change.verifier, verdict)
            })),
            _ => {}
        }
    }
    changes
}

#[tokio::test]
async fn the_step_at_which_each_check_held_and_was_lost_is_kept() {
    let (record, entries) = run(looked_at(), replies(there_and_back()), Misbehave::No).await;
    assert_eq!(record.outcome, Outcome::Failed, "three calls are too many");
    let timeline = record.timeline.unwrap();
    let sum = &timeline.checks[0];
    assert_eq!(
        (sum.first_held(), sum.lost(), sum.held_from()),
        (Some(1), vec![2], Some(4))
    );
    let few = &timeline.checks[2];
    assert_eq!(
        (few.first_held(), few.lost(), few.held_from()),
        (Some(0), vec![4], None)
    );
    let answer = &timeline.checks[1];
    assert_eq!(answer.left_out.as_deref(), Some("it is about the final answer"));
    assert_eq!(timeline.last_step, record.tool_calls);
    assert_eq!(
        (timeline.all_held(), timeline.calls_after(record.tool_calls)),
        (Some(1), Some(3))
    );

    let want = [
        (0, 0, 0, "false"),
        (0, 0, 2, "true"),
        (1, 1, 0, "true"),
        (2, 2, 0, "false"),
        (4, 4, 0, "true"),
    ];
    let mut want: Vec<_> = want.map(|(r, s, v, t)| (r, s, v, t.to_owned())).into();
    want.push((4, 4, 2, "false".to_owned()));
    assert_eq!(
        changes(&entries),
        want,
        "each stands behind its step, and nothing between"
    );
    let note = entries.iter().find_map(|entry| match entry {
        Entry::Note { text } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(
        note,
        Some("looked at only at the end: `says so` (it is about the final answer)")
    );
}

#[tokio::test]
async fn the_trial_is_the_same_as_without_looking() {
    let mut trials = Vec::new();
    for each_step in [false, true] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&seen);
        let turns: Turns = Arc::new(move |request| {
            requests.lock().unwrap().push(format!("{:?}", request.messages));
            let reply = there_and_back().into_iter().nth(request.turn as usize - 1);
            let reply = reply.unwrap_or_else(|| says("done"));
            async move { Ok(reply) }.boxed()
        });
        let mut plan = looked_at();
        plan.verify_each_step = each_step;
        let (mut record, mut entries) = run(plan, turns, Misbehave::No).await;
        assert_eq!(record.timeline.take().is_some(), each_step);
        entries.retain(|entry| !matches!(entry, Entry::Checked { .. } | Entry::Note { .. }));
        let said: Vec<String> = entries.iter().map(without_times).collect();
        record.verdicts.iter_mut().for_each(|verdict| verdict.took_ms = 0);
        let facts = (
            record.outcome,
            record.verdicts,
            record.answer,
            record.turns,
            record.tool_calls,
        );
        trials.push((seen.lock().unwrap().clone(), said, facts));
    }
    assert_eq!(trials[0], trials[1]);
}

fn without_times(entry: &Entry) -> String {
    let mut value = serde_json::to_value(entry).unwrap();
    value.as_object_mut().unwrap().remove("took_ms");
    value.to_string()
}

#[tokio::test]
async fn looking_is_no_time_of_the_trial() {
    let mut plan = looked_at();
    plan.limits.max_seconds = 2.0;
    let turns = replies((0..12).map(|_| calls(&[("add", json!({"n": 1}))])).collect());
    let (record, _) = run(plan, turns, Misbehave::SlowQuery).await;
    assert_ne!(record.outcome, Outcome::Limit, "{:?}", record.cause);
    let timeline = record.timeline.unwrap();
    assert_eq!(record.tool_calls, 12);
    // The looks themselves have as much time as the trial, which is over before the last step.
    assert!(
        timeline.broken_off.is_some() && timeline.last_step < 12,
        "{timeline:?}"
    );
    assert!(timeline.took_ms >= 2000, "{timeline:?}");
}

#[tokio::test]
async fn a_look_that_fails_fails_no_trial() {
    let turns = replies(vec![calls(&[("add", json!({"n": 3}))])]);
    let mut plan = looked_at();
    plan.scenarios[0].scenario.verifiers.remove(1);
    let (record, entries) = run(plan, turns, Misbehave::FailInQuery).await;
    // That the check cannot be asked at the end either is what makes it errored.
    assert_eq!(record.outcome, Outcome::Errored);
    assert_eq!((record.tool_calls, record.answer.as_deref()), (1, Some("done")));
    let timeline = record.timeline.unwrap();
    assert_eq!(
        timeline.checks[0].changes.len(),
        1,
        "told once, not after each step: {timeline:?}"
    );
    assert_eq!(timeline.all_held(), None);
    assert_eq!(changes(&entries)[0], (0, 0, 0, "errored".to_owned()));
}

#[tokio::test]
async fn a_trial_that_breaks_keeps_the_steps_before() {
    let turns = replies(vec![calls(&[("add", json!({"n": 3}))])]);
    let (record, _) = run(looked_at(), turns, Misbehave::BreakInTool).await;
    assert_eq!(record.outcome, Outcome::Errored);
    let timeline = record.timeline.unwrap();
    assert_eq!(
        (timeline.last_step, timeline.checks[2].first_held()),
        (0, Some(0))
    );
}

/// A check that reads, asks for the end of the run, and never answers.
struct Hangs(CancellationToken);

impl Verifier for Hangs {
    fn verify<'a>(&'a self, _: &'a VerifierSpec, _: &'a TrialEnd<'a>) -> BoxFuture<'a, Verdict> {
        self.0.cancel();
        std::future::pending().boxed()
    }

    fn reads_only(&self, _: &VerifierSpec) -> bool {
        true
    }
}

#[tokio::test]
async fn cancelling_waits_for_no_look() {
    let mut plan = looked_at();
    plan.scenarios[0].scenario.verifiers[1].check = Check::Custom {
        kind: "hangs".into(),
        config: json!({}),
    };
    let (journal, cancel) = (MemoryJournal::default(), CancellationToken::new());
    let runner = Runner::builder("run", plan)
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(replies(there_and_back())))
        .verifier("hangs", Arc::new(Hangs(cancel.clone())))
        .journal(journal.clone())
        .cancel(cancel)
        .build()
        .unwrap();
    let soon = Duration::from_secs(9); // less than a look at one check may take
    let end = tokio::time::timeout(soon, runner.run()).await.unwrap();
    assert!(matches!(end, RunEnd::Cancelled), "{end:?}");
    let record = journal.snapshot().records.into_values().next().unwrap();
    assert_eq!((record.outcome, record.tool_calls), (Outcome::Cancelled, 0));
}

#[tokio::test]
async fn records_of_runs_that_do_not_look_have_nothing_of_it() {
    let mut plan = looked_at();
    plan.verify_each_step = false;
    let (record, entries) = run(plan, replies(there_and_back()), Misbehave::No).await;
    let text = serde_json::to_string(&record).unwrap();
    assert!(!text.contains("timeline"), "{text}");
    assert_eq!(
        serde_json::from_str::<TrialRecord>(&text).unwrap(),
        record,
        "as older records read"
    );
    assert_eq!(changes(&entries), []);
}
