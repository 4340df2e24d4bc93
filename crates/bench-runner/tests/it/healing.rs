//! What is tried again after an error, what is not, and whose time waiting is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bench_core::transcript::{Entry, Line};
use bench_core::{Event, Outcome, Plan};
use bench_runner::model::{ErrorClass, ModelError, RetryPolicy};
use bench_runner::{MemoryJournal, RunEnd, Runner};
use futures_util::FutureExt;
use serde_json::json;
use tokio::sync::watch;

use crate::fakes::{FakeGym, FakeModel, Misbehave, Turns, calls, plan, replies, says, scenario};

fn failure(class: ErrorClass, retry_after: Option<Duration>) -> ModelError {
    ModelError {
        model: "compatible:fake".into(),
        class,
        status: None,
        retry_after,
        maybe_paid: false,
        usage: None,
        adjusted: None,
        should_retry: None,
        message: format!("{class:?}"),
    }
}

fn always(class: ErrorClass) -> Turns {
    Arc::new(move |_| async move { Err(failure(class, None)) }.boxed())
}

async fn run(plan: Plan, turns: Turns, misbehave: Misbehave, retry: RetryPolicy) -> MemoryJournal {
    let journal = MemoryJournal::default();
    let runner = Runner::builder("run", plan)
        .gym(FakeGym::new(misbehave))
        .model(FakeModel::new(turns))
        .journal(journal.clone())
        .retry(retry)
        .build()
        .unwrap();
    let end = runner.run().await;
    assert!(matches!(end, RunEnd::Completed), "{end:?}");
    journal
}

/// Attempts at one trial that may be tried three times.
async fn attempts(turns: Turns, misbehave: Misbehave) -> u32 {
    let mut plan = plan(vec![scenario("s")], 1);
    plan.retries = 2;
    let memory = run(plan, turns, misbehave, RetryPolicy::never()).await.snapshot();
    let record = memory.records.values().next().unwrap();
    assert_eq!(record.outcome, Outcome::Errored);
    record.attempt
}

#[tokio::test]
async fn only_what_may_heal_is_tried_again() {
    let add = || replies(vec![calls(&[("add", json!({"n": 3}))])]);
    assert_eq!(attempts(add(), Misbehave::BreakInTool).await, 3);
    assert_eq!(
        attempts(add(), Misbehave::FailInQuery).await,
        1,
        "the query will not be right"
    );
    for (class, want) in [
        (ErrorClass::Overloaded, 3),
        (ErrorClass::Network, 3),
        (ErrorClass::Timeout, 3),
        (ErrorClass::Unreachable, 1),
        (ErrorClass::BadRequest, 1),
        (ErrorClass::ContextTooLong, 1),
        (ErrorClass::NoScript, 1),
        (ErrorClass::Auth, 1),
    ] {
        assert_eq!(attempts(always(class), Misbehave::No).await, want, "{class:?}");
    }
}

/// Turns, calls and time of a trial are of the attempt that counts; what the others took is told beside it.
#[tokio::test]
async fn what_was_tried_again_is_told_apart() {
    let asked = Arc::new(AtomicU32::new(0));
    let turns: Turns = Arc::new(move |_| {
        let nth = asked.fetch_add(1, Ordering::SeqCst);
        async move {
            if nth == 1 {
                tokio::time::pause();
                tokio::time::advance(Duration::from_secs(5)).await;
                tokio::time::resume();
                return Err(failure(ErrorClass::Network, None));
            }
            Ok(match nth {
                0 | 2 => calls(&[("add", json!({"n": 3}))]),
                _ => says("done"),
            })
        }
        .boxed()
    });
    let mut plan = plan(vec![scenario("s")], 1);
    plan.retries = 1;
    let memory = run(plan, turns, Misbehave::No, RetryPolicy::never())
        .await
        .snapshot();
    let record = memory.records.values().next().unwrap();
    assert_eq!((record.outcome, record.attempt), (Outcome::Passed, 2));
    assert_eq!((record.turns, record.tool_calls), (2, 1));
    let again = record.tried_again;
    assert_eq!((again.turns, again.tool_calls), (1, 1));
    assert!(again.took_ms >= 5_000, "{}", again.took_ms);
    let ends = memory.events.iter().filter_map(|(event, _)| match event {
        Event::TrialFinished(end) => Some(end.tried_again),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [again], "the totals are made of this");
}

#[tokio::test]
async fn a_check_that_cannot_work_is_not_paid_for_twice() {
    let mut plan = plan(vec![scenario("s")], 1);
    plan.retries = 2;
    plan.scenarios[0].scenario.verifiers[0].check = bench_core::Check::Custom {
        kind: "nobody".into(),
        config: json!({}),
    };
    let memory = run(plan, replies(vec![]), Misbehave::No, RetryPolicy::never())
        .await
        .snapshot();
    let record = memory.records.values().next().unwrap();
    assert_eq!(
        (record.outcome, record.attempt),
        (Outcome::Errored, 1),
        "{record:?}"
    );
}

#[tokio::test]
async fn a_model_with_a_wrong_key_is_asked_once_and_then_no_more() {
    for class in [ErrorClass::Auth, ErrorClass::OutOfCredit] {
        let mut plan = plan(vec![scenario("a"), scenario("b")], 3);
        (plan.retries, plan.max_concurrency) = (2, 1);
        let memory = run(plan, always(class), Misbehave::No, RetryPolicy::default())
            .await
            .snapshot();
        let count = |fits: fn(&Event) -> bool| memory.events.iter().filter(|(event, _)| fits(event)).count();
        assert_eq!(count(|e| matches!(e, Event::TrialStarted { .. })), 1);
        assert_eq!(count(|e| matches!(e, Event::ModelGivenUp { .. })), 1, "said once");
        assert_eq!(memory.records.len(), 6);
        let not_tried = memory.records.values().filter(|record| record.attempt == 0);
        let causes: Vec<_> = not_tried.map(|r| (r.outcome, r.cause.clone().unwrap())).collect();
        let want = format!("not tried: compatible:fake: {class:?}");
        assert_eq!(causes, vec![(Outcome::Errored, want); 5]);
    }
}

#[tokio::test]
async fn a_provider_that_lets_nothing_through_is_not_asked_for_days() {
    /// So many are answered, before everything is refused.
    const GOOD: u32 = 40;
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let turns: Turns = Arc::new(move |_| {
        let good = count.fetch_add(1, Ordering::SeqCst) < GOOD;
        let limited = failure(ErrorClass::RateLimit, Some(Duration::from_millis(1)));
        async move { if good { Ok(says("done")) } else { Err(limited) } }.boxed()
    });
    let mut plan = plan(vec![scenario("s")], GOOD + 30);
    (plan.retries, plan.max_concurrency) = (2, 2);
    let mut retry = RetryPolicy::default();
    retry.max_refusal = Duration::from_millis(10);
    let run = run(plan, turns, Misbehave::No, retry);
    let memory = tokio::time::timeout(PATIENCE, run).await.unwrap().snapshot();
    let given_up = |(event, _): &&_| matches!(event, Event::ModelGivenUp { .. });
    assert_eq!(memory.events.iter().filter(given_up).count(), 1);
    let errored: Vec<_> = memory
        .records
        .values()
        .filter_map(|r| r.cause.as_deref())
        .collect();
    assert_eq!(errored.len(), 30);
    let says = |words: &str| errored.iter().filter(|cause| cause.contains(words)).count();
    assert_eq!(
        says("its provider has refused everything for 0 min"),
        30,
        "{errored:?}"
    );
    assert!(says("not tried: ") > 15, "{errored:?}");
    let refused = asked.load(Ordering::SeqCst) - GOOD;
    assert!(refused < 30, "{refused} requests of 30 trials");
}

/// Fails once in this way, then answers.
fn once(class: ErrorClass, retry_after: Option<Duration>) -> Turns {
    let failed = AtomicBool::new(false);
    Arc::new(move |_| {
        let first = !failed.swap(true, Ordering::Relaxed);
        async move {
            if first {
                Err(failure(class, retry_after))
            } else {
                Ok(says("done"))
            }
        }
        .boxed()
    })
}

#[tokio::test]
async fn only_waits_for_a_rate_limit_are_not_the_trials_time() {
    let waited = async |class| {
        let mut plan = plan(vec![scenario("s")], 1);
        plan.limits.max_seconds = A_WHILE;
        let turns = once(class, Some(Duration::from_secs_f64(A_WHILE + 0.5)));
        let journal = run(plan, turns, Misbehave::No, RetryPolicy::default()).await;
        journal.snapshot().records.into_values().next().unwrap()
    };
    let (limited, lost) = tokio::join!(waited(ErrorClass::RateLimit), waited(ErrorClass::Network));
    assert_eq!(limited.outcome, Outcome::Failed, "{limited:?}");
    assert_eq!(lost.outcome, Outcome::Errored, "{lost:?}");
    let says = "Network; time limit reached (2 s) before it healed";
    assert!(lost.cause.as_deref().unwrap().contains(says), "{lost:?}");
}

/// Longer than any of these runs takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Seconds in which a model is asked and answers on a busy machine, too.
const A_WHILE: f64 = 2.0;

#[tokio::test]
async fn who_runs_out_of_time_while_it_waits_is_tried_again_with_a_work_slot() {
    let (at_once, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (now, peak, failed) = (at_once, Arc::clone(&most), AtomicBool::new(false));
    let turns: Turns = Arc::new(move |request| {
        let slow = request.scenario.scenario_id == "slow";
        if !slow && !failed.swap(true, Ordering::SeqCst) {
            let wait = Duration::from_secs(20);
            return async move { Err(failure(ErrorClass::Network, Some(wait))) }.boxed();
        }
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // The other one began before it, so it runs out of time meanwhile.
            let takes = if slow { A_WHILE + 0.5 } else { 0.001 };
            tokio::time::sleep(Duration::from_secs_f64(takes)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(says("done"))
        }
        .boxed()
    });
    let mut plan = plan(vec![scenario("fails"), scenario("slow")], 1);
    (plan.max_concurrency, plan.retries) = (1, 1);
    plan.scenarios[0].scenario.limits.max_seconds = Some(A_WHILE);
    let memory = run(plan, turns, Misbehave::No, RetryPolicy::default())
        .await
        .snapshot();
    assert!(
        memory
            .records
            .values()
            .all(|record| record.outcome == Outcome::Failed),
        "{memory:?}"
    );
    assert_eq!(most.load(Ordering::SeqCst), 1, "there is one slot");
}

#[tokio::test]
async fn the_time_of_a_trial_runs_in_each_attempt() {
    let failed = AtomicBool::new(false);
    let turns: Turns = Arc::new(move |_| {
        if failed.swap(true, Ordering::SeqCst) {
            return std::future::pending().boxed();
        }
        async { Err(failure(ErrorClass::Network, Some(Duration::from_secs(20)))) }.boxed()
    });
    let mut plan = plan(vec![scenario("s")], 1);
    (plan.retries, plan.limits.max_seconds) = (1, A_WHILE);
    let run = run(plan, turns, Misbehave::No, RetryPolicy::default());
    let memory = tokio::time::timeout(PATIENCE, run).await.unwrap().snapshot();
    let record = memory.records.values().next().unwrap();
    assert_eq!(
        (record.attempt, record.outcome),
        (2, Outcome::Limit),
        "{record:?}"
    );
}

#[tokio::test]
async fn waits_stand_in_the_transcript_where_and_when_they_began() {
    let asked = AtomicU32::new(0);
    let turns: Turns = Arc::new(move |_| {
        let nth = asked.fetch_add(1, Ordering::SeqCst);
        let lost = ModelError {
            maybe_paid: true,
            ..failure(ErrorClass::Network, Some(Duration::from_millis(200)))
        };
        async move { if nth < 2 { Err(lost) } else { Ok(says("done")) } }.boxed()
    });
    let plan = plan(vec![scenario("s")], 1);
    let memory = run(plan, turns, Misbehave::No, RetryPolicy::default())
        .await
        .snapshot();
    let lines = memory.transcripts.values().flat_map(|text| text.lines());
    let lines: Vec<Line> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_turn: Vec<&Line> = lines
        .iter()
        .filter(|line| {
            matches!(
                line.entry,
                Entry::Lost { .. } | Entry::Note { .. } | Entry::Assistant { .. }
            )
        })
        .collect();
    let [
        Entry::Lost { .. },
        Entry::Note { .. },
        Entry::Lost { .. },
        Entry::Note { .. },
        Entry::Assistant { .. },
    ] = of_turn.iter().map(|line| &line.entry).collect::<Vec<_>>()[..]
    else {
        panic!("{of_turn:?}")
    };
    assert!(lines.is_sorted_by_key(|line| line.at), "{lines:?}");
    for note in [1, 3] {
        let waited = (of_turn[note + 1].at - of_turn[note].at).num_milliseconds();
        assert!(
            waited >= 190,
            "{waited} ms from the beginning of the wait to its end"
        );
    }
}

#[tokio::test]
async fn what_the_provider_says_of_asking_again_counts() {
    for (class, should_retry, requests, attempts) in [
        (ErrorClass::RateLimit, Some(false), 1, 1),
        (ErrorClass::Overloaded, Some(false), 1, 1),
        (ErrorClass::BadRequest, Some(true), 3, 1),
        (ErrorClass::Overloaded, None, 6, 2),
    ] {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let turns: Turns = Arc::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            let error = ModelError {
                should_retry,
                ..failure(class, Some(Duration::from_millis(1)))
            };
            async move { Err(error) }.boxed()
        });
        let mut plan = plan(vec![scenario("s")], 1);
        plan.retries = 1;
        let mut retry = RetryPolicy::default();
        retry.max_retries = 2;
        let memory = run(plan, turns, Misbehave::No, retry).await.snapshot();
        let record = memory.records.values().next().unwrap();
        assert_eq!(record.outcome, Outcome::Errored);
        let came_to = (asked.load(Ordering::SeqCst), record.attempt);
        assert_eq!(came_to, (requests, attempts), "{class:?} {should_retry:?}");
    }
}

#[tokio::test]
async fn a_provider_that_limits_its_rate_is_asked_more_slowly_and_every_trial_gets_its_turn() {
    /// So many may be at it at once; the others are refused.
    const ROOM: u32 = 10;
    let at_once = Arc::new(AtomicU32::new(0));
    // The first ones are answered when there are too many of them, however slowly they come.
    let full = Arc::new(watch::Sender::new(false));
    let turns: Turns = Arc::new(move |_| {
        let (at_once, full) = (Arc::clone(&at_once), Arc::clone(&full));
        async move {
            let others = at_once.fetch_add(1, Ordering::SeqCst);
            if others >= ROOM {
                full.send_replace(true);
            }
            full.subscribe().wait_for(|full| *full).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            at_once.fetch_sub(1, Ordering::SeqCst);
            if others < ROOM {
                return Ok(says("done"));
            }
            Err(failure(ErrorClass::RateLimit, Some(Duration::from_millis(20))))
        }
        .boxed()
    });
    let mut plan = plan(vec![scenario("s")], 60);
    plan.max_concurrency = 20;
    let memory = run(plan, turns, Misbehave::No, RetryPolicy::default())
        .await
        .snapshot();
    let verdicts = memory
        .records
        .values()
        .filter(|record| record.outcome.is_verdict());
    assert_eq!(verdicts.count(), 60, "nothing errored");
    let adapted: Vec<(Option<f64>, f64)> = memory
        .events
        .iter()
        .filter_map(|(event, _)| match event {
            Event::PaceChanged {
                was,
                requests_a_minute,
                ..
            } => Some((*was, *requests_a_minute)),
            _ => None,
        })
        .collect();
    assert_eq!(adapted.first().unwrap().0, None, "there was no bound before");
    assert!(
        adapted.windows(2).all(|two| Some(two[0].1) == two[1].0),
        "no step is left out: {adapted:?}"
    );
}
