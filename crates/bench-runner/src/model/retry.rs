//! Whether a failed request is sent again, and when.
//!
//! A request whose tools were refused and have been adjusted ([`ModelError::adjusted`]) goes again at once. Else only
//! transient failures are tried again ([`ModelError::is_transient`]: by their type, where the provider says nothing of it
//! itself), with delays that grow exponentially and are drawn at random below that (full jitter), or as long as the provider
//! asks for. Waits are bounded in number and in sum, are shown to the caller, and hold no [`WorkSlot`].

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use futures_util::future::{BoxFuture, FutureExt};

use super::{ErrorClass, ModelClient, ModelError, TurnReply, TurnRequest};

/// When requests are sent again.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Upper bound of the first delay; doubles each time.
    pub base_delay: Duration,
    /// No drawn delay is longer. A provider may ask for more.
    pub max_delay: Duration,
    /// Requests after the first.
    pub max_retries: u32,
    /// Requests after the first that failed with [`ErrorClass::Malformed`] or [`ErrorClass::Unreachable`]: waiting
    /// seldom mends those.
    pub max_doubtful: u32,
    /// Sum of all delays of one turn. What would exceed it is not waited for.
    pub max_total_delay: Duration,
    /// How long a provider may refuse everything for its rate limit until the model is given up: far longer than the limit of
    /// a minute or of an hour, for a run should outlive a bad night. That of a day is not waited for.
    pub max_refusal: Duration,
}

impl Default for RetryPolicy {
    /// 1 s doubling to 60 s, up to 8 retries (2 where the address may be wrong: malformed answers, nobody there), at most 10 minutes of waiting; 2 hours of
    /// nothing but refusals.
    fn default() -> Self {
        Self {
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            max_retries: 8,
            max_doubtful: 2,
            max_total_delay: Duration::from_secs(600),
            max_refusal: Duration::from_secs(2 * 3600),
        }
    }
}

impl RetryPolicy {
    /// Never sends a request twice.
    pub fn never() -> Self {
        Self {
            max_retries: 0,
            ..Self::default()
        }
    }

    /// The drawn delays, one per retry.
    fn delays(&self) -> impl Iterator<Item = Duration> + Send + Sync + Unpin + use<> {
        ExponentialBuilder::new()
            .with_min_delay(self.base_delay)
            .with_max_delay(self.max_delay)
            .with_factor(2.0)
            .with_max_times(self.max_retries as usize)
            .build()
            .map(|bound| bound.mul_f64(fastrand::f64()))
    }
}

/// The right to work, given back while a retry waits, so that waiting trials do not keep others out.
pub trait WorkSlot: Send + Sync {
    /// Gives the slot back. Called before a wait.
    fn release(&self);

    /// Waits for a slot. Called after a wait, before the next request.
    fn reacquire(&self) -> BoxFuture<'_, ()>;
}

/// No slot: as many may work as want to.
impl WorkSlot for () {
    fn release(&self) {}

    fn reacquire(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// A wait that begins now, before a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait<'a> {
    /// What kind of failure it is.
    pub class: ErrorClass,
    /// Which retry comes after the wait, from 1.
    pub attempt: u32,
    /// How long it will be; then a work slot may have to be waited for.
    pub delay: Duration,
    /// What happened, without secrets.
    pub cause: &'a str,
}

/// Takes a turn, and takes it again after transient failures as the policy says.
///
/// The slot is held on entry and on return, and not in between while a wait lasts. Dropping the future
/// abandons request and wait.
///
/// # Errors
/// The last failure, with the number of requests in its message if there were several.
pub async fn take_turn_with_retries(
    client: &dyn ModelClient,
    request: &TurnRequest<'_>,
    policy: &RetryPolicy,
    slot: &dyn WorkSlot,
    on_wait: &(dyn Fn(Wait<'_>) + Sync),
) -> Result<TurnReply, ModelError> {
    let sent = AtomicU32::new(0);
    let mut spent = Spent::default();
    let attempt = || async {
        let mut before = sent.fetch_add(1, Ordering::Relaxed);
        if before > 0 {
            slot.reacquire().await;
        }
        loop {
            let attempt = before + 1;
            let reply = client.take_turn(&TurnRequest { attempt, ..*request }).await;
            // Refused for what the next request will not hold: no trouble of the provider's, so no retry. That ends, since
            // each time something is left out that was there.
            if reply.as_ref().err().is_none_or(|error| error.adjusted.is_none()) {
                return reply;
            }
            before = sent.fetch_add(1, Ordering::Relaxed);
        }
    };
    let outcome = attempt
        .retry(policy.delays())
        .when(ModelError::is_transient)
        .adjust(|error: &ModelError, drawn| spent.next_delay(policy, error, drawn?))
        .notify(|error: &ModelError, delay| {
            slot.release();
            let attempt = sent.load(Ordering::Relaxed);
            on_wait(Wait {
                class: error.class,
                attempt,
                delay,
                cause: &error.message,
            });
        })
        .await;
    outcome.map_err(|error| match sent.into_inner() {
        1 => error,
        requests => {
            let message = format!("{}; gave up after {requests} requests", error.message);
            ModelError { message, ..error }
        }
    })
}

/// What the retries of one turn have used up.
#[derive(Default)]
struct Spent {
    waited: Duration,
    doubtful: u32,
}

impl Spent {
    /// How long to wait now; none to give up.
    fn next_delay(&mut self, policy: &RetryPolicy, error: &ModelError, drawn: Duration) -> Option<Duration> {
        if matches!(error.class, ErrorClass::Malformed | ErrorClass::Unreachable) {
            self.doubtful += 1;
            if self.doubtful > policy.max_doubtful {
                return None;
            }
        }
        // Up to a tenth more than asked for, so that trials that were told the same do not all come back
        // in the same instant. Where there were too many requests, no time at all says nothing: mostly it is a date by a
        // clock that is behind ours.
        let asked = error
            .retry_after
            .filter(|after| !after.is_zero() || error.class != ErrorClass::RateLimit)
            .map(|after| after.saturating_add(after.mul_f64(fastrand::f64() / 10.0)));
        let delay = asked.unwrap_or(drawn);
        self.waited = self.waited.saturating_add(delay);
        (self.waited <= policy.max_total_delay).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bench_core::{ModelRef, Provider};
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::super::fixture::{Talk, scenario};
    use super::*;
    use crate::slots::Slots;

    /// Fails as its list says, then answers. Counts its requests.
    struct Flaky {
        model: ModelRef,
        failures: Mutex<std::vec::IntoIter<ModelError>>,
        requests: AtomicU32,
        slots: Option<Arc<Slots>>,
    }

    impl Flaky {
        fn new(failures: Vec<ModelError>) -> Self {
            let model = ModelRef::new(Provider::Compatible, "flaky");
            let failures = Mutex::new(failures.into_iter());
            Self {
                model,
                failures,
                requests: AtomicU32::new(0),
                slots: None,
            }
        }
    }

    impl ModelClient for Flaky {
        fn model(&self) -> &ModelRef {
            &self.model
        }

        fn take_turn<'a>(&'a self, _: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
            self.requests.fetch_add(1, Ordering::Relaxed);
            if let Some(slots) = &self.slots {
                assert_eq!(slots.free(), 0, "a request holds the slot");
            }
            let failure = self.failures.lock().unwrap().next();
            std::future::ready(failure.map_or_else(|| Ok(TurnReply::default()), Err)).boxed()
        }
    }

    fn failure(class: ErrorClass, retry_after: Option<u64>) -> ModelError {
        let retry_after = retry_after.map(Duration::from_secs);
        ModelError {
            model: "m".into(),
            class,
            status: None,
            retry_after,
            maybe_paid: false,
            usage: None,
            adjusted: None,
            should_retry: None,
            message: "it broke".into(),
        }
    }

    type Waits = Vec<(ErrorClass, u32, Duration)>;

    async fn run(
        client: &Flaky,
        policy: &RetryPolicy,
        slot: &dyn WorkSlot,
    ) -> (Result<TurnReply, ModelError>, Waits, Duration) {
        let waits = Mutex::new(Waits::new());
        let start = Instant::now();
        let note = |wait: Wait<'_>| {
            assert_eq!(wait.cause, "it broke");
            waits.lock().unwrap().push((wait.class, wait.attempt, wait.delay));
        };
        let scenario = scenario(json!([{"text": "1"}]), Value::Null);
        let retried = Retried {
            client,
            policy,
            slot,
            note: &note,
        };
        let outcome = Talk::new(&retried, &scenario).ask().await;
        (outcome, waits.into_inner().unwrap(), start.elapsed())
    }

    /// So that a `Talk` can make the request.
    struct Retried<'a> {
        client: &'a Flaky,
        policy: &'a RetryPolicy,
        slot: &'a dyn WorkSlot,
        note: &'a (dyn Fn(Wait<'_>) + Sync),
    }

    impl ModelClient for Retried<'_> {
        fn model(&self) -> &ModelRef {
            self.client.model()
        }

        fn take_turn<'a>(
            &'a self,
            request: &'a TurnRequest<'a>,
        ) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
            Box::pin(take_turn_with_retries(
                self.client,
                request,
                self.policy,
                self.slot,
                self.note,
            ))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn transient_failures_are_waited_out_with_growing_bounds() {
        fastrand::seed(7);
        let classes = [
            ErrorClass::Overloaded,
            ErrorClass::Network,
            ErrorClass::Timeout,
            ErrorClass::RateLimit,
        ];
        let client = Flaky::new(
            classes
                .iter()
                .cycle()
                .take(8)
                .map(|class| failure(*class, None))
                .collect(),
        );
        let (outcome, waits, took) = run(&client, &RetryPolicy::default(), &()).await;
        outcome.unwrap();
        assert_eq!(client.requests.load(Ordering::Relaxed), 9);
        for (index, (class, attempt, delay)) in waits.iter().enumerate() {
            assert_eq!((*class, *attempt as usize), (classes[index % 4], index + 1));
            let bound = Duration::from_secs(1 << index.min(6)).min(Duration::from_secs(60));
            assert!(*delay <= bound, "{index}: {delay:?}");
        }
        let drawn: Duration = waits.iter().map(|wait| wait.2).sum();
        assert!(
            took >= drawn && took < drawn + Duration::from_millis(20),
            "{took:?} {drawn:?}"
        );
        assert!(
            drawn > Duration::from_secs(10) && drawn < Duration::from_secs(170),
            "drawn at random below bounds of 183 s in all: {drawn:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_after_the_last_retry_and_says_so() {
        let client = Flaky::new(vec![failure(ErrorClass::Overloaded, None); 50]);
        let (outcome, waits, _) = run(&client, &RetryPolicy::default(), &()).await;
        assert_eq!(waits.len(), 8);
        assert_eq!(outcome.unwrap_err().message, "it broke; gave up after 9 requests");
    }

    #[tokio::test(start_paused = true)]
    async fn final_failures_are_never_tried_again() {
        for class in [
            ErrorClass::Auth,
            ErrorClass::OutOfCredit,
            ErrorClass::BadRequest,
            ErrorClass::ContextTooLong,
            ErrorClass::NoScript,
        ] {
            let client = Flaky::new(vec![failure(class, Some(1)); 2]);
            let (outcome, waits, took) = run(&client, &RetryPolicy::default(), &()).await;
            assert_eq!(outcome.unwrap_err(), failure(class, Some(1)), "as it came");
            assert_eq!((waits.len(), took), (0, Duration::ZERO));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_a_wrong_address_is_asked_twice_more() {
        for class in [ErrorClass::Malformed, ErrorClass::Unreachable] {
            let client = Flaky::new(vec![failure(class, None); 50]);
            run(&client, &RetryPolicy::default(), &()).await.0.unwrap_err();
            assert_eq!(client.requests.load(Ordering::Relaxed), 3);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_obeyed_but_not_beyond_the_budget() {
        let client = Flaky::new(vec![failure(ErrorClass::RateLimit, Some(90))]);
        let (outcome, _, took) = run(&client, &RetryPolicy::default(), &()).await;
        outcome.unwrap();
        assert!(
            took >= Duration::from_secs(90) && took <= Duration::from_millis(99_100),
            "{took:?}"
        );

        let client = Flaky::new(vec![failure(ErrorClass::RateLimit, Some(400)); 50]);
        let (outcome, waits, _) = run(&client, &RetryPolicy::default(), &()).await;
        outcome.unwrap_err();
        assert_eq!(waits.len(), 1, "two would be over ten minutes");

        let client = Flaky::new(vec![failure(ErrorClass::RateLimit, Some(u64::MAX))]);
        let (outcome, waits, _) = run(&client, &RetryPolicy::default(), &()).await;
        outcome.unwrap_err();
        assert_eq!(waits, []);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_no_wait_is_not_asked_eight_times_at_once() {
        fastrand::seed(7);
        let client = Flaky::new(vec![failure(ErrorClass::RateLimit, Some(0)); 8]);
        let (outcome, _, took) = run(&client, &RetryPolicy::default(), &()).await;
        outcome.unwrap();
        assert!(took > Duration::from_secs(10), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_holds_no_slot() {
        let slots = Arc::new(Slots::new(1));
        let mut client = Flaky::new(vec![failure(ErrorClass::RateLimit, Some(10))]);
        client.slots = Some(Arc::clone(&slots));
        let slot = slots.next().await;
        let start = Instant::now();
        let policy = RetryPolicy::default();
        let waiting = run(&client, &policy, &slot);
        let other = async {
            let other = slots.next().await;
            assert_eq!(
                start.elapsed(),
                Duration::ZERO,
                "the slot is free as soon as the wait begins"
            );
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(other);
        };
        let both = futures_util::future::join(waiting, other);
        let both = tokio::time::timeout(Duration::from_secs(600), both).await;
        let ((outcome, _, took), ()) = both.expect("neither keeps the other out for ever");
        outcome.unwrap();
        assert!(took >= Duration::from_secs(60), "it waits for the slot: {took:?}");
        assert_eq!(slots.free(), 0, "held on return");
        drop(slot);
        assert_eq!(slots.free(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_leaves_the_slot_free() {
        let slots = Slots::new(1);
        let client = Flaky::new(vec![failure(ErrorClass::RateLimit, Some(10))]);
        let slot = slots.next().await;
        let policy = RetryPolicy::default();
        let cut = tokio::time::timeout(Duration::from_secs(1), run(&client, &policy, &slot)).await;
        assert!(cut.is_err());
        assert_eq!(slots.free(), 1);
    }
}
