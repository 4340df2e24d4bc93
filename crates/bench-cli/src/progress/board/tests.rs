//! The counters, event by event.

use bench_core::event::TrialFinished;
use bench_core::{GymChoice, Harness, ModelSpec, Outcome, Source, Usage};
use chrono::TimeDelta;

use super::*;

/// Two scenarios, `a` and `b`, with `oracle` and `noop`.
pub(crate) fn plan() -> Plan {
    let scenario = |id: &str| format!(r#"{{"scenario_id": "{id}", "prompts": [{{"prompt_text": "Go."}}]}}"#);
    let text = format!(r#"{{"scenarios": [{}, {}]}}"#, scenario("a"), scenario("b"));
    let nothing = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let harness = Harness::from_sources("h", &[Source::new("/h.json", text)], &nothing).unwrap();
    let models = ["oracle", "noop"].map(|name| ModelSpec::new(name.parse().unwrap()));
    Plan::builder(harness)
        .models(models)
        .gyms(GymChoice::tracker())
        .build()
        .unwrap()
        .0
}

pub(crate) fn at(seconds: u32) -> DateTime<Utc> {
    format!("2026-01-02T03:{:02}:{:02}Z", seconds / 60, seconds % 60)
        .parse()
        .unwrap()
}

pub(crate) fn started(trial: &str) -> Event {
    Event::TrialStarted {
        trial: trial.parse().unwrap(),
        attempt: 1,
    }
}

pub(crate) fn finished(trial: &str, outcome: Outcome, cause: Option<&str>) -> Event {
    let mut parts = trial.split('~');
    Event::TrialFinished(TrialFinished {
        trial: trial.parse().unwrap(),
        scenario_id: parts.next().unwrap().into(),
        model: parts.next().unwrap().into(),
        repetition: 1,
        attempt: 1,
        outcome,
        replaces: None,
        cause: cause.map(Into::into),
        verifiers_passed: 2,
        verifiers_total: 3,
        turns: 1,
        tool_calls: 0,
        drift: 0,
        usage: Usage::default(),
        retried_usage: Usage::default(),
        tried_again: bench_core::record::TriedAgain::default(),
        judge_usage: Usage::default(),
        cost: None,
        took_ms: 1_200,
        record: bench_core::record::FileRef::default(),
        transcript: bench_core::record::FileRef::default(),
    })
}

pub(crate) fn waiting(trial: &str, waited_ms: u64) -> Event {
    Event::TrialWaiting {
        trial: trial.parse().unwrap(),
        kind: Awaited::RateLimit,
        waiting_for: "model gpt-4o: rate \x1b[2Jlimited".into(),
        waited_ms,
        then: "sent again".into(),
        then_in_ms: Some(12_000),
        idle: true,
    }
}

#[test]
fn the_longest_wait_is_named_until_the_trial_goes_on() {
    let mut board = Board::new(&plan(), &Earlier::default());
    for trial in ["a~oracle~1", "b~oracle~1"] {
        board.event(&started(trial), at(0));
    }
    assert_eq!(board.longest_wait(at(1)), None);
    board.event(&waiting("a~oracle~1", 1_000), at(2));
    board.event(&waiting("b~oracle~1", 4_000), at(5));
    let want = "next request in 8s · rate limit · model gpt-4o: rate ␛[2Jlimited · longest wait 5s \
                (a~oracle~1, and 1 more)";
    assert_eq!(board.longest_wait(at(6)).as_deref(), Some(want));
    board.event(&finished("a~oracle~1", Outcome::Passed, None), at(7));
    board.event(&finished("b~oracle~1", Outcome::Errored, None), at(7));
    assert_eq!(board.longest_wait(at(8)), None);
    assert_eq!(board.line(), "2/4 trials, 1 passed, 1 errored, 0 running");
    assert_eq!(board.time_left(at(10)), Some(Duration::from_secs(10)));
}

#[test]
fn what_a_trial_says_ends_its_wait_unless_it_was_said_before() {
    let mut board = Board::new(&plan(), &Earlier::default());
    let trial: TrialId = "a~oracle~1".parse().unwrap();
    let waits = |board: &Board| board.trials().any(|(_, wait)| wait.is_some());
    board.event(&started("a~oracle~1"), at(0));
    // It waits since second 9.
    board.event(&waiting("a~oracle~1", 1_000), at(10));
    board.spoke(&trial, at(9));
    assert!(waits(&board), "that was its last word before");
    board.spoke(&trial, at(10) + TimeDelta::milliseconds(700));
    assert!(waits(&board), "it may take so long to its transcript");
    board.spoke(&trial, at(11));
    assert!(!waits(&board));
}

fn pace(requests_a_minute: f64) -> Event {
    Event::PaceChanged {
        provider: "openai".into(),
        was: None,
        requests_a_minute,
        cause: "429".into(),
    }
}

/// A wait for something, known since a second, that ends a minute after it began.
fn waits_for(trial: &str, kind: Awaited, waiting_for: &str) -> Event {
    let idle = kind == Awaited::RateLimit;
    Event::TrialWaiting {
        trial: trial.parse().unwrap(),
        kind,
        waiting_for: waiting_for.into(),
        waited_ms: 1_000,
        then: if idle { "sent" } else { "given up" }.into(),
        then_in_ms: Some(59_000),
        idle,
    }
}

#[test]
fn all_that_wait_for_a_provider_tell_the_pace_that_it_has_now() {
    let mut board = Board::new(&plan(), &Earlier::default());
    let told = |board: &Board| {
        let words = board.trials().filter_map(|(_, wait)| Some(wait?.words(at(10))));
        words
            .map(|words| words.split(" · ").nth(2).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    board.event(&pace(48.0), at(0));
    for (trial, changed) in [("a~oracle~1", 38.2), ("b~oracle~1", 9.5)] {
        board.event(&started(trial), at(1));
        board.event(
            &waits_for(trial, Awaited::RateLimit, "openai:m: it limits its rate"),
            at(2),
        );
        board.event(&pace(changed), at(3));
    }
    assert_eq!(told(&board), ["9.5 requests/min"; 2]);
    board.event(&started("a~noop~1"), at(4));
    board.event(&waits_for("a~noop~1", Awaited::RateLimit, "gemini:m: 429"), at(5));
    assert!(
        told(&board).contains(&"gemini:m: 429".to_owned()),
        "nothing is known of its pace"
    );
}

#[test]
fn who_waits_longer_than_was_thought_is_told_when_its_provider_is_asked_again() {
    let mut board = Board::new(&plan(), &Earlier::default());
    let next = |board: &Board, seconds| {
        let wait = board
            .trials()
            .find_map(|(trial, wait)| wait.filter(|_| trial.as_str() == "a~oracle~1"));
        wait.unwrap()
            .words(at(seconds))
            .split(" · ")
            .next()
            .unwrap()
            .to_owned()
    };
    board.event(&started("a~oracle~1"), at(0));
    board.event(
        &waits_for("a~oracle~1", Awaited::RateLimit, "openai:m: it limits its rate"),
        at(1),
    );
    assert_eq!(next(&board, 50), "next request in 10s", "by its own estimate");
    assert_eq!(next(&board, 65), "next request as soon as it is its turn");
    board.event(&started("b~oracle~1"), at(60));
    let mut refused = waits_for("b~oracle~1", Awaited::RateLimit, "openai:m: status 429");
    if let Event::TrialWaiting { then, then_in_ms, .. } = &mut refused {
        (*then, *then_in_ms) = ("sent again".into(), Some(40_000));
    }
    board.event(&refused, at(62));
    assert_eq!(
        next(&board, 65),
        "next request in 37s",
        "when the provider is asked again"
    );
}

#[test]
fn no_more_are_at_work_than_may_be() {
    let mut plan = plan();
    plan.max_concurrency = 1;
    let mut board = Board::new(&plan, &Earlier::default());
    for trial in ["a~oracle~1", "b~oracle~1", "a~noop~1"] {
        board.event(&started(trial), at(0));
    }
    assert_eq!(board.under_way(), "1 running, 2 waiting");
    board.event(&finished("a~oracle~1", Outcome::Passed, None), at(1));
    board.event(&finished("b~oracle~1", Outcome::Passed, None), at(1));
    assert_eq!(board.under_way(), "1 running");
}

#[test]
fn what_takes_too_long_is_tried_again_as_long_as_there_are_attempts() {
    let mut plan = plan();
    plan.retries = 1;
    let mut board = Board::new(&plan, &Earlier::default());
    let hangs = waits_for("a~oracle~1", Awaited::Tool, "tool hang of bad");
    board.event(&started("a~oracle~1"), at(0));
    board.event(&hangs, at(1));
    let words = |board: &Board| board.longest().unwrap().1.words(at(18));
    let want = "given up in 42s, then tried again (2 of 2) · tool hang of bad · waits 18s";
    assert_eq!(words(&board), want);
    let retried = Event::TrialRetried {
        trial: "a~oracle~1".parse().unwrap(),
        attempt: 1,
        cause: "tool `hang` did not answer".into(),
    };
    board.event(&retried, at(1));
    assert!(board.longest().is_none(), "it is tried again");
    board.event(&hangs, at(1));
    assert_eq!(words(&board), "given up in 42s · tool hang of bad · waits 18s");
}

#[test]
fn it_takes_no_less_than_a_wait_that_must_last() {
    let mut board = Board::new(&plan(), &Earlier::default());
    for trial in ["a~oracle~1", "b~oracle~1", "a~noop~1"] {
        board.event(&started(trial), at(0));
    }
    board.event(&finished("a~oracle~1", Outcome::Passed, None), at(1));
    board.event(&waits_for("b~oracle~1", Awaited::Tool, "tool hang of bad"), at(1));
    assert_eq!(
        board.time_left(at(2)),
        Some(Duration::from_secs(6)),
        "it may answer yet"
    );
    board.event(&waits_for("a~noop~1", Awaited::RateLimit, "openai:m: 429"), at(2));
    assert_eq!(board.time_left(at(2)), Some(Duration::from_secs(59)));
    board.event(&finished("a~noop~1", Outcome::Passed, None), at(2));
    assert_eq!(
        board.time_left(at(31)),
        Some(Duration::from_secs(31)),
        "by the pace"
    );
    board.event(&finished("a~oracle~1", Outcome::Passed, None), at(31));
    board.event(&finished("a~noop~1", Outcome::Passed, None), at(31));
    let left = board.time_left(at(31)).unwrap();
    assert_eq!(
        left,
        Duration::from_secs(29),
        "the tool hangs until it is given up"
    );
}

#[test]
fn the_pace_of_a_provider_is_told_until_the_run_begins_again() {
    let mut board = Board::new(&plan(), &Earlier::default());
    for (was, requests_a_minute) in [(None, 50.0), (Some(50.0), 40.0)] {
        let changed = Event::PaceChanged {
            provider: "openai".into(),
            was,
            requests_a_minute,
            cause: "429".into(),
        };
        board.event(&changed, at(0));
    }
    assert_eq!(board.paces, BTreeMap::from([("openai".to_owned(), 40.0)]));
    let again = Event::RunStarted {
        trials: 4,
        already_finished: 0,
    };
    board.event(&again, at(2));
    assert!(board.paces.is_empty());
}

#[test]
fn a_resumed_run_counts_what_it_has_still_to_do() {
    let (cancelled, passed) = (Outcome::Cancelled, Outcome::Passed);
    let first = [
        finished("a~oracle~1", passed, None),
        finished("b~oracle~1", cancelled, None),
        finished("a~noop~1", Outcome::Errored, None),
    ];
    let again = |trial: &str| {
        let Event::TrialFinished(mut end) = finished(trial, passed, None) else {
            unreachable!()
        };
        end.replaces = Some(cancelled);
        Event::TrialFinished(end)
    };
    let resumed = Event::RunStarted {
        trials: 4,
        already_finished: 1,
    };
    // From what earlier workers left, and told again from the beginning: the same.
    let from_earlier = Board::new(&plan(), &Earlier::of(first.clone()));
    let mut told_again = Board::new(&plan(), &Earlier::default());
    for event in &first {
        told_again.event(event, at(0));
    }
    for mut board in [from_earlier, told_again] {
        board.event(&resumed, at(10));
        assert_eq!(board.line(), "1/4 trials, 1 passed, 0 running");
        for (trial, second) in [("b~oracle~1", 10), ("a~noop~1", 12)] {
            board.event(&started(trial), at(second));
        }
        board.event(&again("b~oracle~1"), at(14));
        assert_eq!(board.line(), "2/4 trials, 2 passed, 1 running");
        assert_eq!(
            board.time_left(at(14)),
            Some(Duration::from_secs(8)),
            "2 of 3 in the pace of 1 in 4 s"
        );
        board.event(&waiting("a~noop~1", 0), at(15));
        assert_eq!(board.under_way(), "0 running, 1 waiting");
        assert_eq!(board.time_left(at(15)), None, "nothing moves");
    }
}

#[test]
fn nothing_is_promised_before_the_first_trial_is_over() {
    let mut board = Board::new(&plan(), &Earlier::default());
    board.event(
        &Event::RunStarted {
            trials: 4,
            already_finished: 2,
        },
        at(0),
    );
    board.event(&started("a~oracle~1"), at(0));
    assert_eq!(board.time_left(at(9)), None);
    board.event(&finished("a~oracle~1", Outcome::Passed, None), at(0));
    assert_eq!(board.time_left(at(0)), None, "the first took no time at all");
    assert!(board.time_left(at(2)).is_some());
}
