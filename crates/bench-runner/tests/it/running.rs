//! Runs as a whole: order, parallelism, cancelling, retries, a journal that fails.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bench_core::verifier::{CommandCheck, Selector};
use bench_core::{Check, Event, Outcome, TrialId, TrialRecord, Verdict, VerifierSpec};
use bench_runner::env::Environment;
use bench_runner::gym::Gym;
use bench_runner::verify::{TrialEnd, Verifier};
use bench_runner::{
    Earlier, Journal, JournalError, MemoryJournal, RunEnd, RunError, Runner, SyncTrial, TrialFiles,
    offered_tools,
};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::fakes::{FakeGym, FakeModel, Misbehave, Turns, calls, plan, replies, says, scenario};

fn solve() -> Turns {
    replies(vec![calls(&[("add", json!({"n": 3}))])])
}

#[test]
fn credentials_in_the_address_of_a_check_are_secrets_before_anything_is_asked() {
    let mut plan = plan(vec![scenario("s")], 1);
    plan.scenarios[0].scenario.verifiers[0].check = Check::Http {
        url: "http://me:hunter2hunter2@127.0.0.1:1/stats".into(),
        status: 200,
        select: Selector::default(),
        comparison: None,
    };
    let env = Environment::new([], &[]);
    let runner = Runner::builder("run", plan)
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(solve()))
        .environment(&env)
        .build();
    assert!(runner.is_ok());
    let repeated = "bWU6aHVudGVyMmh1bnRlcjI= hunter2hunter2";
    assert_eq!(env.secrets().redact(repeated), "[secret] [secret]");
}

#[tokio::test]
async fn trials_run_at_once_up_to_the_limit_and_leave_nothing_open() {
    let gym = FakeGym::new(Misbehave::No);
    let journal = MemoryJournal::default();
    let plan = plan((0..10).map(|n| scenario(&format!("s{n}"))).collect(), 5);
    let runner = Runner::builder("run", plan)
        .gym(gym.clone())
        .model(FakeModel::new(Arc::new(|request| {
            let reply = if request.turn == 1 {
                calls(&[("add", json!({"n": 3}))])
            } else {
                says("done")
            };
            async move {
                tokio::task::yield_now().await;
                Ok(reply)
            }
            .boxed()
        })))
        .journal(journal.clone())
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    assert_eq!(journal.snapshot().records.len(), 50);
    assert!(
        journal
            .snapshot()
            .records
            .values()
            .all(|r| r.outcome == Outcome::Passed)
    );
    assert_eq!(gym.opened.load(SeqCst), 51, "one more for the preflight");
    assert_eq!(gym.open_now.load(SeqCst), 0);
    let most = gym.most_open.load(SeqCst);
    assert!((2..=4).contains(&most), "{most} at once");
}

#[tokio::test]
async fn every_listener_hears_of_what_is_durable_in_order() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let journal = MemoryJournal::default();
    let (ears, durable) = (Arc::clone(&heard), journal.clone());
    let runner = Runner::builder("run", plan(vec![scenario("a"), scenario("b")], 2))
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(solve()))
        .journal(journal.clone())
        .listener(Box::new(move |event, _at| {
            assert!(
                durable.snapshot().events.iter().any(|(e, _)| e == event),
                "told before it was written"
            );
            ears.lock().unwrap().push(event.clone());
        }))
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    let written: Vec<Event> = journal
        .snapshot()
        .events
        .into_iter()
        .map(|(event, _)| event)
        .collect();
    assert_eq!(*heard.lock().unwrap(), written);
    assert_eq!(
        written[0],
        Event::RunStarted {
            trials: 4,
            already_finished: 0
        }
    );
}

#[tokio::test]
async fn cancelling_keeps_finished_trials_and_closes_every_gym() {
    let gym = FakeGym::new(Misbehave::No);
    let journal = MemoryJournal::default();
    let cancel = CancellationToken::new();
    let trigger = cancel.clone();
    let finished = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&finished);
    let model: Turns = Arc::new(|request| {
        let stuck = request.repetition == 2;
        let reply = if request.turn == 1 {
            calls(&[("add", json!({"n": 3}))])
        } else {
            says("done")
        };
        async move {
            if stuck {
                std::future::pending::<()>().await;
            }
            Ok(reply)
        }
        .boxed()
    });
    let runner = Runner::builder("run", plan(vec![scenario("a"), scenario("b")], 20))
        .gym(gym.clone())
        .model(FakeModel::new(model))
        .journal(journal.clone())
        .cancel(cancel)
        .listener(Box::new(move |event, _| {
            if matches!(event, Event::TrialFinished(_)) && counter.fetch_add(1, SeqCst) == 1 {
                trigger.cancel();
            }
        }))
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Cancelled));
    let records = journal.snapshot().records;
    let count = |outcome| {
        records
            .values()
            .filter(|r: &&TrialRecord| r.outcome == outcome)
            .count()
    };
    assert!(count(Outcome::Passed) >= 2, "finished ones are kept");
    assert!(
        count(Outcome::Cancelled) >= 1 && records.len() < 40,
        "others are cancelled or stay pending"
    );
    assert_eq!(gym.open_now.load(SeqCst), 0);
}

/// A verifier that asks for the end of the run, and never answers.
struct Stubborn(CancellationToken);

impl Verifier for Stubborn {
    fn verify<'a>(&'a self, _: &'a VerifierSpec, _: &'a TrialEnd<'a>) -> BoxFuture<'a, Verdict> {
        self.0.cancel();
        std::future::pending().boxed()
    }
}

#[tokio::test]
async fn cancelling_waits_for_no_verifier() {
    let mut endless = scenario("endless");
    endless.verifiers[0].check = Check::Custom {
        kind: "stubborn".into(),
        config: json!({}),
    };
    let (journal, cancel) = (MemoryJournal::default(), CancellationToken::new());
    let gym = FakeGym::new(Misbehave::No);
    let runner = Runner::builder("run", plan(vec![endless], 1))
        .gym(gym.clone())
        .model(FakeModel::new(solve()))
        .verifier("stubborn", Arc::new(Stubborn(cancel.clone())))
        .journal(journal.clone())
        .cancel(cancel)
        .build()
        .unwrap();
    let soon = std::time::Duration::from_secs(30); // far less than a verifier may take
    let end = tokio::time::timeout(soon, runner.run()).await.unwrap();
    assert!(matches!(end, RunEnd::Cancelled));
    let memory = journal.snapshot();
    assert_eq!(
        memory.records.values().next().unwrap().outcome,
        Outcome::Cancelled
    );
    assert_eq!(gym.open_now.load(SeqCst), 0);
}

#[tokio::test]
async fn gyms_that_are_open_when_the_next_one_fails_are_closed() {
    let (good, bad) = (
        FakeGym::new(Misbehave::No),
        FakeGym::named("bad", Misbehave::RefuseToOpen),
    );
    let mut plan = plan(vec![scenario("a")], 1);
    plan.scenarios[0].gym_keys.push("bad".into());
    plan.gyms.push(bad.spec().clone());
    let journal = MemoryJournal::default();
    let runner = Runner::builder("run", plan)
        .gym(good.clone())
        .gym(bad)
        .model(FakeModel::new(solve()))
        .journal(journal.clone())
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    let memory = journal.snapshot();
    assert_eq!(memory.records.values().next().unwrap().outcome, Outcome::Errored);
    assert_eq!((good.opened.load(SeqCst), good.closed.load(SeqCst)), (2, 2));
}

#[tokio::test]
async fn an_errored_trial_is_tried_again_and_only_the_last_attempt_counts() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&attempts);
    let model: Turns = Arc::new(move |request| {
        assert!(
            seen.fetch_add(1, SeqCst) > 0 || request.turn == 1,
            "the first attempt panics at once"
        );
        let reply = if request.turn == 1 {
            calls(&[("add", json!({"n": 3}))])
        } else {
            says("done")
        };
        let first = seen.load(SeqCst) == 1;
        async move {
            assert!(!first, "boom");
            Ok(reply)
        }
        .boxed()
    });
    let mut plan = plan(vec![scenario("a")], 1);
    plan.retries = 1;
    let journal = MemoryJournal::default();
    let runner = Runner::builder("run", plan)
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(model))
        .journal(journal.clone())
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    let memory = journal.snapshot();
    let record = memory.records.values().next().unwrap();
    assert_eq!((record.outcome, record.attempt), (Outcome::Passed, 2));
    let retried = |(event, _): &&(Event, DateTime<Utc>)| matches!(event, Event::TrialRetried { attempt: 1, cause, .. } if cause.contains("boom"));
    assert_eq!(memory.events.iter().filter(retried).count(), 1);
}

/// A journal whose disk is full after some commits.
struct FullDisk {
    left: usize,
}

impl Journal for FullDisk {
    fn transcript(&mut self, _: &TrialId, _: &[u8]) -> Result<(), JournalError> {
        Ok(())
    }

    fn log(&mut self, _: &TrialId, _: &str) -> Result<(), JournalError> {
        Ok(())
    }

    fn finish_trial(&mut self, _: &TrialId) -> Result<SyncTrial, JournalError> {
        Ok(Box::new(|_| Ok(TrialFiles::default())))
    }

    fn commit(&mut self, _: &[(Event, DateTime<Utc>)]) -> Result<(), JournalError> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                return Err(JournalError::new(std::io::Error::from(
                    std::io::ErrorKind::StorageFull,
                )));
            }
        }
        Ok(())
    }

    fn tick(&mut self, _: DateTime<Utc>) -> Result<(), JournalError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_run_that_cannot_be_written_down_stops_paying() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let gym = FakeGym::new(Misbehave::No);
    let model: Turns = Arc::new(move |_| {
        counter.fetch_add(1, SeqCst);
        async {
            tokio::task::yield_now().await;
            Ok(says("done"))
        }
        .boxed()
    });
    let runner = Runner::builder("run", plan(vec![scenario("a")], 1000))
        .gym(gym.clone())
        .model(FakeModel::new(model))
        .journal(FullDisk { left: 10 })
        .build()
        .unwrap();
    let end = runner.run().await;
    assert!(matches!(end, RunEnd::Failed(RunError::Journal(_))), "{end:?}");
    assert!(
        asked.load(SeqCst) < 100,
        "{} requests were paid for",
        asked.load(SeqCst)
    );
    assert_eq!(gym.open_now.load(SeqCst), 0);
}

#[tokio::test]
async fn databases_of_a_dead_worker_are_removed_before_anything_else() {
    let run = async |earlier, gym: &Arc<FakeGym>| {
        let journal = MemoryJournal::default();
        let runner = Runner::builder("run", plan(vec![scenario("a")], 1))
            .gym(gym.clone())
            .model(FakeModel::new(solve()))
            .journal(journal.clone())
            .earlier(earlier)
            .build()
            .unwrap();
        assert!(matches!(runner.run().await, RunEnd::Completed));
        let events = journal.snapshot().events.into_iter();
        events.map(|(event, _)| event).collect::<Vec<_>>()
    };
    let gym = FakeGym::new(Misbehave::No);
    // This gym names its databases and never says that they are gone.
    let left = run(Earlier::default(), &gym).await;
    assert_eq!(gym.removed.lock().unwrap().len(), 0);
    let events = run(Earlier::of(left), &gym).await;
    assert_eq!(
        *gym.removed.lock().unwrap(),
        ["db", "db"],
        "of the preflight and of the trial"
    );
    assert!(matches!(events[0], Event::RunStarted { .. }));
    for event in &events[1..3] {
        assert!(
            matches!(event, Event::DatabaseRemoved { problem: None, .. }),
            "{event:?}"
        );
    }
}

#[tokio::test]
async fn a_transcript_says_where_the_worker_before_ended() {
    let begun = |trial: &str| Event::TrialStarted {
        trial: trial.parse().unwrap(),
        attempt: 1,
    };
    let journal = MemoryJournal::default();
    let runner = Runner::builder("run", plan(vec![scenario("a"), scenario("b")], 1))
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(solve()))
        .journal(journal.clone())
        .earlier(Earlier::of([begun("a~fake~1")]))
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    let transcripts = journal.snapshot().transcripts;
    let first = |trial: &str| {
        transcripts[&trial.parse::<TrialId>().unwrap()]
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(
        first("a~fake~1").contains("the worker ended here"),
        "{}",
        first("a~fake~1")
    );
    assert!(first("b~fake~1").contains("attempt"), "{}", first("b~fake~1"));
}

#[tokio::test]
async fn a_resumed_run_tries_only_what_has_no_verdict() {
    let run = async |finished| {
        let journal = MemoryJournal::default();
        let runner = Runner::builder("run", plan(vec![scenario("a"), scenario("b")], 2))
            .gym(FakeGym::new(Misbehave::No))
            .model(FakeModel::new(solve()))
            .journal(journal.clone())
            .finished(finished)
            .build()
            .unwrap();
        assert!(matches!(runner.run().await, RunEnd::Completed));
        let events = journal.snapshot().events.into_iter().map(|(event, _)| event);
        events
            .filter_map(|e| {
                if let Event::TrialFinished(f) = e {
                    Some(f)
                } else {
                    None
                }
            })
            .collect::<Vec<_>>()
    };
    let mut first = run(vec![]).await;
    assert_eq!(first.len(), 4);
    first.retain(|f| f.trial.as_str() != "a~fake~2");
    first[0].outcome = Outcome::Errored;
    let again = run(first.clone()).await;
    let ids: Vec<_> = again.iter().map(|f| (f.trial.as_str(), f.replaces)).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(ids.contains(&(first[0].trial.as_str(), Some(Outcome::Errored))));
    assert!(ids.contains(&("a~fake~2", None)));
}

#[tokio::test]
async fn no_secret_reaches_the_journal_and_a_check_gets_only_what_it_names() {
    let pairs = [
        ("PATH", "/usr/bin:/bin"),
        ("API_KEY", "sk-canary-123456"),
        ("GREETING", "hello"),
    ];
    let env = Environment::new(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())), &[]);
    let mut leaky = scenario("leaky");
    leaky.verifiers.clear();
    let mut checked = scenario("checked");
    checked.verifiers[0].check = Check::Command(CommandCheck {
        command: "sh".into(),
        args: vec![
            "-c".into(),
            "test \"$SAID\" = hello-there && test -z \"$API_KEY\"".into(),
        ],
        cwd: None,
        env: [("SAID".to_owned(), "${GREETING}-there".to_owned())].into(),
        exit_code: 0,
        stdout: None,
        timeout_seconds: 60.0,
    });
    let mut plan = plan(vec![leaky, checked], 1);
    plan.retries = 1;
    let model: Turns = Arc::new(|request| {
        assert!(
            request.scenario.scenario_id != "leaky",
            "the key is sk-canary-123456"
        );
        async { Ok(says("I was told sk-canary-123456")) }.boxed()
    });
    let journal = MemoryJournal::default();
    let runner = Runner::builder("run-with-a-check", plan)
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(model))
        .journal(journal.clone())
        .environment(&env)
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    let memory = journal.snapshot();
    let checked = &memory.records[&"checked~fake~1".parse().unwrap()];
    assert_eq!(checked.outcome, Outcome::Passed, "{:?}", checked.verdicts);
    let all = format!("{memory:?}");
    assert!(
        all.contains("I was told [secret]") && all.contains("the key is [secret]"),
        "{all}"
    );
    assert!(!all.contains("sk-canary"), "{all}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_hid_from_its_trial_is_ended_with_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pid");
    let hide = "BENCH_TRIAL_ID=another setsid sh -c 'echo $$ > \"$PID_FILE\"; exec sleep 600' &
        until [ -s \"$PID_FILE\" ]; do sleep 0.01; done";
    let mut hiding = scenario("hiding");
    hiding.verifiers[0].check = Check::Command(CommandCheck {
        command: "sh".into(),
        args: vec!["-c".into(), hide.into()],
        cwd: None,
        env: [("PID_FILE".to_owned(), path.display().to_string())].into(),
        exit_code: 0,
        stdout: None,
        timeout_seconds: 30.0,
    });
    let env = Environment::new([("PATH".to_owned(), std::env::var("PATH").unwrap())], &[]);
    let journal = MemoryJournal::default();
    let run = format!("run-hiding-{}", std::process::id());
    let runner = Runner::builder(run, plan(vec![hiding], 1))
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(solve()))
        .journal(journal.clone())
        .environment(&env)
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    let record = &journal.snapshot().records[&"hiding~fake~1".parse().unwrap()];
    assert_eq!(record.outcome, Outcome::Passed, "{:?}", record.verdicts);
    let pid = std::fs::read_to_string(path).unwrap();
    let alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| !rest.starts_with(" Z"))
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while alive() {
        assert!(std::time::Instant::now() < deadline, "it lives on");
        tokio::task::yield_now().await;
    }
}

/// Its transcripts lie in a buffer until they are to be kept.
struct Buffered {
    memory: MemoryJournal,
    written: String,
    kept: Arc<Mutex<String>>,
}

impl Journal for Buffered {
    fn transcript(&mut self, trial: &TrialId, lines: &[u8]) -> Result<(), JournalError> {
        self.written.push_str(&String::from_utf8_lossy(lines));
        self.memory.transcript(trial, lines)
    }

    fn keep_transcript(&mut self, _: &TrialId) -> Result<(), JournalError> {
        self.kept
            .lock()
            .unwrap()
            .push_str(&std::mem::take(&mut self.written));
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
async fn no_request_is_sent_before_its_trial_outlives_the_worker() {
    let kept = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&kept);
    let turns: Turns = Arc::new(move |request| {
        let seen = seen.lock().unwrap().clone();
        let has = |kind: &str| seen.contains(&format!("\"type\":\"{kind}\""));
        let known = has("attempt") && has("user") && (request.turn == 1 || has("assistant"));
        let reply = match (known, request.turn) {
            (false, _) => says("nobody would know that this was asked"),
            (true, 1) => calls(&[("add", json!({"n": 3}))]),
            (true, _) => says("done"),
        };
        async move { Ok(reply) }.boxed()
    });
    let memory = MemoryJournal::default();
    let runner = Runner::builder("run", plan(vec![scenario("s")], 1))
        .gym(FakeGym::new(Misbehave::No))
        .model(FakeModel::new(turns))
        .journal(Buffered {
            memory: memory.clone(),
            written: String::new(),
            kept,
        })
        .build()
        .unwrap();
    assert!(matches!(runner.run().await, RunEnd::Completed));
    let memory = memory.snapshot();
    let record = memory.records.values().next().unwrap();
    assert_eq!(record.answer.as_deref(), Some("done"));
}

#[tokio::test]
async fn tools_are_told_without_a_run_and_who_is_away_too() {
    let (good, away) = (
        FakeGym::named("good", Misbehave::No),
        FakeGym::named("away", Misbehave::Away),
    );
    let gyms: Vec<Arc<dyn Gym>> = vec![good.clone(), away.clone()];
    let (offered, failures) = offered_tools(&gyms, "look", &Environment::default())
        .await
        .unwrap();
    assert_eq!(offered.by(good.spec()), ["add", "fail"]);
    assert!(offered.reached(good.spec()) && !offered.reached(away.spec()));
    assert!(offered.by(away.spec()).is_empty());
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!((good.open_now.load(SeqCst), good.closed.load(SeqCst)), (0, 1));
}
