//! The gate by itself, and against a provider that limits its rate.

mod played;

use std::sync::atomic::{AtomicU32, Ordering};

use bench_core::ModelRef;
use futures_util::future::join_all;
use tokio::time::{Duration, sleep};

use super::*;
use crate::slots::Slots;

fn refusal(retry_after: Option<Duration>) -> ModelError {
    ModelError {
        model: "m".into(),
        class: ErrorClass::RateLimit,
        status: Some(429),
        retry_after,
        maybe_paid: false,
        usage: None,
        adjusted: None,
        should_retry: None,
        message: "slow down".into(),
    }
}

fn rate(at_once: u32) -> Rate {
    Rate::new("openai".into(), at_once)
}

/// How many requests may be sent right now.
fn room(rate: &Rate) -> usize {
    std::iter::from_fn(|| rate.try_permit()).collect::<Vec<_>>().len()
}

/// Requests a minute, where they are told.
fn told(event: Option<Event>) -> Option<f64> {
    match event? {
        Event::PaceChanged {
            requests_a_minute, ..
        } => Some(requests_a_minute),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_request_that_is_refused_does_not_hold_the_next_one_for_a_minute() {
    let rate = rate(1);
    rate.next_permit().await.ended(&Err(refusal(None)));
    let start = Instant::now();
    rate.next_permit().await.ended(&Ok(TurnReply::default()));
    drop(rate.next_permit().await);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_together_and_is_refused_counts_once() {
    let rate = rate(10);
    let permits: Vec<_> = (0..10).map(|_| rate.try_permit().unwrap()).collect();
    assert!(rate.try_permit().is_none());
    sleep(Duration::from_millis(1)).await;
    let told: Vec<_> = permits
        .into_iter()
        .map(|permit| told(permit.ended(&Err(refusal(None)))))
        .collect();
    assert_eq!(
        told[0],
        Some(523.8),
        "as many may still be let through: 60 * 9 * 0.97"
    );
    assert!(told[1..].iter().all(Option::is_none), "{told:?}");
    let pace = rate.lock().pace.unwrap();
    assert!(
        (pace - 10.0 * CUT).abs() < 1e-9,
        "one cut of what was wanted: {pace}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_gate_is_closed_as_long_as_is_asked_but_not_for_hours() {
    let rate = rate(4);
    for (asked, closed) in [(7, 7), (3600, 60)] {
        let permit = rate.next_permit().await;
        sleep(Duration::from_millis(1)).await;
        drop(permit.ended(&Err(refusal(Some(Duration::from_secs(asked))))));
        let start = Instant::now();
        assert!(rate.try_permit().is_none());
        drop(rate.next_permit().await);
        assert_eq!(start.elapsed().as_secs(), closed);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_that_a_limit_allows_closes_the_gate_before_anybody_is_refused() {
    let rate = rate(4);
    let last = |seconds| {
        Ok(TurnReply {
            hold: Some(Duration::from_secs(seconds)),
            ..TurnReply::default()
        })
    };
    let start = Instant::now();
    for (hold, closed) in [(7, 7), (3, 10), (3600, 70)] {
        let event = rate.next_permit().await.ended(&last(hold));
        assert!(event.is_none(), "the pace stays: {event:?}");
        assert_eq!(rate.why(), "its rate limit is used up");
        assert!(rate.try_permit().is_none());
        drop(rate.next_permit().await);
        assert_eq!(start.elapsed().as_secs(), closed);
    }
    let permit = rate.next_permit().await;
    drop(permit.ended(&Ok(TurnReply::default())));
    assert_eq!((room(&rate), rate.why()), (4, "it limits its rate"));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_for_how_long() {
    let rate = rate(4);
    let left = |rate: &Rate| rate.turn_at().map(|at| (at - Instant::now()).as_secs());
    assert_eq!(left(&rate), None, "nobody was refused");
    let slow = refusal(Some(Duration::from_secs(20)));
    drop(rate.next_permit().await.ended(&Err(slow)));
    assert_eq!(left(&rate), Some(20), "it asked for that");
    rate.lock().pace = Some(0.1);
    sleep(Duration::from_secs(60)).await; // until what was let through is forgotten
    drop(rate.next_permit().await); // its turn
    assert_eq!(left(&rate), Some(10));
    let mut waiting = [(); 3].map(|()| Box::pin(rate.next_permit()));
    for wait in &mut waiting {
        assert!(futures_util::poll!(wait.as_mut()).is_pending());
    }
    assert_eq!(left(&rate), Some(40));
    drop(waiting);
    assert_eq!(left(&rate), Some(10), "they are gone");
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_waited_while_the_gate_was_closed_is_given_back() {
    let rate = rate(4);
    let [early, refused] = [rate.next_permit().await, rate.next_permit().await];
    drop(refused.ended(&Err(refusal(Some(Duration::from_secs(7))))));
    assert!(early.if_open().is_none());
    let start = Instant::now();
    let late = rate.next_permit().await;
    assert_eq!(start.elapsed().as_secs(), 7);
    assert!(late.if_open().is_some());
    let sent: u32 = rate.lock().let_through.seconds.iter().sum();
    assert_eq!(sent, 1, "what was given back was not sent");
}

#[tokio::test(start_paused = true)]
async fn one_refusal_after_a_quiet_time_does_not_slow_down_the_next_hour() {
    let rate = rate(8);
    drop(rate.next_permit().await.ended(&Ok(TurnReply::default())));
    sleep(Duration::from_secs(200)).await; // everybody waits for a tool
    drop(rate.next_permit().await.ended(&Err(refusal(None))));
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < Duration::from_secs(300) {
        let permit = rate.next_permit().await;
        sleep(Duration::from_millis(20)).await;
        drop(permit.ended(&Ok(TurnReply::default())));
        count += 1;
    }
    assert!(count > 100, "{count} in five minutes");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_pace_is_served_in_order_and_nobody_passes() {
    let rate = rate(4);
    for _ in 0..2 {
        drop(rate.next_permit().await.ended(&Err(refusal(None))));
    }
    let order = Mutex::new(Vec::new());
    let wait = async |n: u32| {
        let permit = rate.next_permit().await;
        order.lock().unwrap().push((n, Instant::now()));
        sleep(Duration::from_millis(500)).await;
        drop(permit);
    };
    let other = async {
        tokio::task::yield_now().await;
        assert!(rate.try_permit().is_none(), "others wait");
    };
    futures_util::join!(wait(1), wait(2), wait(3), other);
    let order = order.into_inner().unwrap();
    assert_eq!(order.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 3]);
    let gaps: Vec<f64> = order
        .windows(2)
        .map(|two| (two[1].1 - two[0].1).as_secs_f64())
        .collect();
    assert!(
        (gaps[0] / gaps[1] - 1.0).abs() < 0.2 && gaps[0] > 0.4,
        "even: {gaps:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn answers_bring_back_the_pace_slowly_and_then_fast() {
    let rate = rate(5);
    let mut told_to_be = Vec::new();
    for _ in 0..20 {
        let permit = rate.next_permit().await;
        sleep(Duration::from_millis(1)).await;
        told_to_be.extend(told(permit.ended(&Err(refusal(None)))));
    }
    let fifths = told_to_be
        .windows(2)
        .all(|two| (two[1] / two[0] - CUT).abs() < 0.02);
    assert!(
        fifths && told_to_be.first() == Some(&48.0) && told_to_be.len() > 5,
        "{told_to_be:?}"
    );
    let slow = told_to_be.len();
    for _ in 0..1000 {
        let permit = rate.next_permit().await;
        told_to_be.extend(told(permit.ended(&Ok(TurnReply::default()))));
    }
    let faster = &told_to_be[slow..];
    let leaps = faster.windows(2).filter(|two| two[1] > 2.0 * two[0]).count();
    assert!(leaps == 0 && faster.last() > Some(&100.0), "{faster:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_a_quiet_time_is_no_news_of_a_slower_pace() {
    let rate = rate(20);
    for _ in 0..600 {
        rate.next_permit().await.ended(&Ok(TurnReply::default()));
        sleep(Duration::from_millis(100)).await;
    }
    for _ in 0..12 {
        sleep(Duration::from_secs(1)).await;
        drop(rate.next_permit().await.ended(&Err(refusal(None))));
    }
    sleep(Duration::from_secs(300)).await;
    let (told_before, now) = {
        let mut state = rate.lock();
        (state.told.unwrap(), state.pace_at(Instant::now()).unwrap())
    };
    assert!(
        now < told_before / WORTH_TELLING,
        "{now} is not slower than {told_before}"
    );
    let after = told(rate.next_permit().await.ended(&Ok(TurnReply::default())));
    assert_eq!(after, None, "told before: {told_before}");
}

#[tokio::test(start_paused = true)]
async fn minutes_in_which_everything_is_refused_are_made_good_in_minutes() {
    let rate = rate(8);
    let answered = async |seconds| {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < Duration::from_secs(seconds) {
            let permit = rate.next_permit().await;
            sleep(Duration::from_millis(20)).await;
            drop(permit.ended(&Ok(TurnReply::default())));
            count += 1;
        }
        count
    };
    answered(60).await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(300) {
        let permit = rate.next_permit().await;
        sleep(Duration::from_millis(2)).await;
        drop(permit.ended(&Err(refusal(None))));
    }
    assert!(rate.lock().pace.unwrap() < 0.05, "far down");
    answered(180).await;
    let after = answered(60).await;
    assert!(after > 1000, "{after} in the fourth minute");
}

#[tokio::test(start_paused = true)]
async fn only_refusals_without_an_answer_between_them_are_refusals_of_everything() {
    let rate = rate(4);
    let refuse = async || drop(rate.next_permit().await.ended(&Err(refusal(None))));
    for _ in 1..SOME_REFUSALS {
        refuse().await;
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(rate.refused_for(), None, "too few to say so");
    }
    refuse().await;
    assert_eq!(rate.refused_for().unwrap().as_secs() / 3600, 2);
    drop(rate.next_permit().await.ended(&Ok(TurnReply::default())));
    assert_eq!(rate.refused_for(), None);
}

#[tokio::test]
async fn other_failures_and_requests_that_are_given_up_change_nothing() {
    let rate = rate(2);
    drop(rate.next_permit().await);
    let broken = ModelError {
        class: ErrorClass::Network,
        ..refusal(None)
    };
    assert!(rate.next_permit().await.ended(&Err(broken)).is_none());
    assert!(
        rate.next_permit()
            .await
            .ended(&Ok(TurnReply::default()))
            .is_none()
    );
    assert_eq!(room(&rate), 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_last_minute_counts_as_let_through() {
    let mut counted = LetThrough::new();
    assert!(counted.a_second(Instant::now()) < 1e-9);
    sleep(Duration::from_secs(1000)).await; // only then the first one is sent
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    for second in 0..100 {
        for _ in 0..3 {
            counted.add(after(second), 1);
        }
    }
    counted.add(after(99), -1);
    counted.add(after(1), -1); // long forgotten
    let rate = counted.a_second(after(99));
    assert!((rate - 179.0 / 60.0).abs() < 1e-9, "{rate}");
    assert!(counted.a_second(after(1000)) < 1e-9);
}

#[test]
fn models_at_one_address_share_a_rate() {
    let spec = |model: &str, base_url: Option<&str>| ModelSpec {
        slug: "m".into(),
        base_url: base_url.map(Into::into),
        ..ModelSpec::new(model.parse::<ModelRef>().unwrap())
    };
    let models = [
        spec("openai:a", None),
        spec("openai:b", None),
        spec("openai:a", Some("http://127.0.0.1:1")),
        spec("xai:a", None),
    ];
    let rates = Rate::of_models(&models, 1);
    let same = |a: usize, b: usize| Arc::ptr_eq(&rates[a], &rates[b]);
    assert!(same(0, 1) && !same(0, 2) && !same(0, 3));
}
