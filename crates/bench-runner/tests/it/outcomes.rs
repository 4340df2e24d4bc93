//! What a trial's outcome is in good worlds and bad ones.

use bench_core::{Outcome, TrialRecord};
use bench_runner::{MemoryJournal, RunEnd, Runner};
use futures_util::FutureExt;
use serde_json::json;

use crate::fakes::{FakeGym, FakeModel, Misbehave, Turns, calls, plan, replies, says, scenario};

/// Runs one trial and returns its record and transcript.
async fn try_once(
    turns: Turns,
    misbehave: Misbehave,
    change: impl FnOnce(&mut bench_core::Plan),
) -> (TrialRecord, String) {
    let mut plan = plan(vec![scenario("s")], 1);
    change(&mut plan);
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
    (
        record.clone(),
        memory.transcripts.get(id).cloned().unwrap_or_default(),
    )
}

#[tokio::test]
async fn a_verdict_decides() {
    let add = |n: i64| replies(vec![calls(&[("add", json!({"n": n}))])]);
    for (turns, want) in [(add(3), Outcome::Passed), (add(2), Outcome::Failed)] {
        let (record, _) = try_once(turns, Misbehave::No, |_| {}).await;
        assert_eq!(record.outcome, want);
        assert_eq!(
            (record.turns, record.tool_calls, record.answer.as_deref()),
            (2, 1, Some("done"))
        );
    }
}

#[tokio::test]
async fn without_a_verifier_nothing_is_passed() {
    let (record, _) = try_once(replies(vec![]), Misbehave::No, |p| {
        p.scenarios[0].scenario.verifiers.clear();
    })
    .await;
    assert_eq!(record.outcome, Outcome::Unscored);
}

#[tokio::test]
async fn without_a_model_reply_nothing_is_passed() {
    let (record, _) = try_once(replies(vec![]), Misbehave::No, |p| {
        p.scenarios[0].scenario.prompts.clear();
        let bench_core::Check::DatabaseState { comparison, .. } =
            &mut p.scenarios[0].scenario.verifiers[0].check
        else {
            unreachable!()
        };
        comparison.expected = json!(0);
    })
    .await;
    assert_eq!(record.outcome, Outcome::Errored);
    assert!(record.cause.unwrap().contains("never asked"));
}

#[tokio::test]
async fn what_the_gym_breaks_is_errored_not_failed() {
    for (misbehave, says) in [
        (Misbehave::RefuseToOpen, "connection refused"),
        (Misbehave::BreakInTool, "stream ended"),
        (Misbehave::PanicInTool, "out of cheese"),
        (Misbehave::FailInQuery, "no such table"),
    ] {
        let turns = replies(vec![calls(&[("add", json!({"n": 3}))])]);
        let (record, _) = try_once(turns, misbehave, |_| {}).await;
        assert_eq!(record.outcome, Outcome::Errored);
        let cause = record.cause.unwrap();
        assert!(cause.contains(says), "{cause}");
    }
}

#[tokio::test]
async fn mistakes_of_the_model_are_told_to_it() {
    let turns = replies(vec![calls(&[
        ("nonsense", json!({})),
        ("add", json!("not an object")),
        ("fail", json!({})),
        ("add", json!({"n": 3})),
    ])]);
    let (record, transcript) = try_once(turns, Misbehave::No, |_| {}).await;
    assert_eq!(record.outcome, Outcome::Passed);
    assert_eq!((record.tool_calls, record.tool_errors), (4, 3));
    assert!(
        transcript.contains("There is no tool `nonsense`. Available tools: add, fail."),
        "{transcript}"
    );
    assert!(transcript.contains("must be one JSON object"), "{transcript}");
}

#[tokio::test]
async fn restricted_tools_are_hidden_and_refused() {
    let turns: Turns = std::sync::Arc::new(|request| {
        let names: Vec<&str> = request.tools.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["fail"], "hidden");
        let reply = if request.turn == 1 {
            calls(&[("add", json!({"n": 3}))])
        } else {
            says("done")
        };
        async move { Ok(reply) }.boxed()
    });
    let (record, transcript) = try_once(turns, Misbehave::No, |p| {
        p.scenarios[0].scenario.restricted_tools = vec!["add".into()];
    })
    .await;
    assert_eq!(record.outcome, Outcome::Failed, "the sum stayed 0");
    assert!(transcript.contains("The tool `add` is not allowed here."));
}

#[tokio::test]
async fn limits_end_a_trial_that_does_not_end_itself() {
    let endless: Turns = std::sync::Arc::new(|_| {
        async { Ok(calls(&[("add", json!({"n": 1})), ("add", json!({"n": 0}))])) }.boxed()
    });
    let (record, _) = try_once(endless.clone(), Misbehave::No, |p| {
        p.scenarios[0].scenario.limits.max_turns = Some(3);
    })
    .await;
    assert_eq!((record.outcome, record.turns), (Outcome::Limit, 3));
    assert!(
        record.verdicts[0].is_true(),
        "its verifiers still run and are shown"
    );

    let (record, _) = try_once(endless, Misbehave::No, |p| {
        p.scenarios[0].scenario.limits.max_tool_calls = Some(5);
    })
    .await;
    assert_eq!(
        (record.outcome, record.tool_calls),
        (Outcome::Limit, 4),
        "a turn over the limit is refused whole"
    );
}

#[tokio::test]
async fn a_gym_that_ignores_its_deadline_is_given_up() {
    let turns = replies(vec![calls(&[("add", json!({"n": 3}))])]);
    let (record, transcript) = try_once(turns, Misbehave::HangInTool, |p| {
        (p.limits.tool_timeout_seconds, p.limits.tool_timeout_max_seconds) = (0.05, 0.05);
    })
    .await;
    assert_eq!(record.outcome, Outcome::Errored);
    assert_eq!((record.tool_calls, record.tool_errors), (1, 1), "it was made");
    let cause = record.cause.unwrap();
    assert!(cause.contains("did not answer"));
    let noted = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["text"].as_str() == Some(&cause)
    };
    assert!(transcript.lines().any(noted), "{transcript}");
}

#[tokio::test]
async fn time_runs_out_for_a_model_that_never_answers() {
    let silent: Turns = std::sync::Arc::new(|request| {
        let (timeout, model) = (request.timeout, "compatible:fake".to_owned());
        async move {
            tokio::time::sleep(timeout).await;
            Err(bench_runner::model::ModelError {
                model,
                class: bench_runner::model::ErrorClass::BadRequest,
                status: None,
                retry_after: None,
                maybe_paid: false,
                usage: None,
                adjusted: None,
                should_retry: None,
                message: "no answer".into(),
            })
        }
        .boxed()
    });
    let (record, _) = try_once(silent, Misbehave::No, |p| p.limits.model_timeout_seconds = 0.05).await;
    assert_eq!(record.outcome, Outcome::Errored);
    assert!(record.cause.unwrap().contains("no answer"));
}

#[tokio::test]
async fn two_gyms_may_offer_tools_of_one_name() {
    let turns: Turns = std::sync::Arc::new(|request| {
        let names: Vec<&str> = request.tools.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["add", "fail", "wiki__add", "wiki__fail"]);
        let calls = || calls(&[("add", json!({"n": 3})), ("wiki__add", json!({"n": 4}))]);
        let reply = if request.turn == 1 { calls() } else { says("done") };
        async move { Ok(reply) }.boxed()
    });
    let mut plan = plan(vec![scenario("s")], 1);
    plan.scenarios[0].gym_keys.push("wiki".into());
    let mut second = plan.scenarios[0].scenario.verifiers[0].clone();
    second.gym = Some("wiki".into());
    let bench_core::Check::DatabaseState { comparison, .. } = &mut second.check else {
        unreachable!()
    };
    comparison.expected = json!(4);
    plan.scenarios[0].scenario.verifiers.push(second);
    let journal = MemoryJournal::default();
    let runner = Runner::builder("run", plan)
        .gym(FakeGym::new(Misbehave::No))
        .gym(FakeGym::named("wiki", Misbehave::No))
        .model(FakeModel::new(turns))
        .journal(journal.clone())
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    let records = journal.snapshot().records;
    let record = records.values().next().unwrap();
    assert_eq!(record.outcome, Outcome::Passed, "{:?}", record.verdicts);
}
