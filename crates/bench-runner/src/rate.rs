//! How many requests may be under way to one provider at once, learned from what it refuses.
//!
//! It begins with as many as the run may make. A request that is refused because there were too many (429) makes it
//! fewer by a fifth, once for all that were under way together, and closes the gate for as long as the provider asks,
//! at most a minute; requests that are answered open it again, one more after four rounds of them. That is additive
//! increase with multiplicative decrease, as in TCP (Chiu and Jain, 1989): several runs that share an account come to
//! share its rate. Models of one provider at one address share a [`Rate`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bench_core::{Event, ModelSpec};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::model::{ErrorClass, ModelError, TurnReply};

/// What a refusal leaves of the requests at once.
const CUT: f64 = 0.8;

/// Rounds of answered requests until one more may be under way.
const ROUNDS: f64 = 4.0;

/// The gate is closed no longer than this at a time: then somebody tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The requests to one provider.
pub(crate) struct Rate {
    provider: String,
    most: f64,
    free: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    /// How many may be under way; the whole part counts.
    limit: f64,
    /// Permits that are not given back when their requests end.
    too_many: usize,
    /// What was sent before is known to have been too much.
    cut_at: Option<Instant>,
    /// Nothing is sent before.
    open_at: Option<Instant>,
}

/// A request that may be under way.
pub(crate) struct Permit<'a> {
    rate: &'a Rate,
    began: Instant,
    held: Option<OwnedSemaphorePermit>,
}

impl Rate {
    /// For requests of which at most so many are wanted at once.
    pub(crate) fn new(provider: String, at_once: u32) -> Self {
        let most = at_once.max(1);
        Self {
            provider,
            most: f64::from(most),
            free: Arc::new(Semaphore::new(most as usize)),
            state: Mutex::new(State {
                limit: f64::from(most),
                too_many: 0,
                cut_at: None,
                open_at: None,
            }),
        }
    }

    /// One for each model, in their order; the same one for models of one provider at one address.
    pub(crate) fn of_models(models: &[ModelSpec], at_once: u32) -> Vec<Arc<Self>> {
        let same =
            |a: &ModelSpec, b: &ModelSpec| (a.model.provider, &a.base_url) == (b.model.provider, &b.base_url);
        let mut rates: Vec<Arc<Self>> = Vec::with_capacity(models.len());
        for spec in models {
            let other = models.iter().zip(&rates).find(|(other, _)| same(other, spec));
            let rate = other.map(|(_, rate)| Arc::clone(rate));
            let new = || Arc::new(Self::new(spec.model.provider.to_string(), at_once));
            rates.push(rate.unwrap_or_else(new));
        }
        rates
    }

    /// A permit, if a request may be sent right now.
    pub(crate) fn try_permit(&self) -> Option<Permit<'_>> {
        if self.closed_until().is_some() {
            return None;
        }
        let held = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(self.permit(Some(held)))
    }

    /// Waits, in the order of asking, until a request may be sent.
    pub(crate) async fn next_permit(&self) -> Permit<'_> {
        let held = Arc::clone(&self.free).acquire_owned().await.ok(); // never closed
        // It may be closed again meanwhile.
        while let Some(open) = self.closed_until() {
            sleep_until(open).await;
        }
        self.permit(held)
    }

    fn permit(&self, held: Option<OwnedSemaphorePermit>) -> Permit<'_> {
        Permit {
            rate: self,
            began: Instant::now(),
            held,
        }
    }

    fn closed_until(&self) -> Option<Instant> {
        self.lock().open_at.filter(|open| *open > Instant::now())
    }

    fn answered(&self) -> Option<Event> {
        let mut state = self.lock();
        let before = whole(state.limit);
        state.limit = (state.limit + 1.0 / (ROUNDS * state.limit)).min(self.most);
        let now = whole(state.limit);
        if now == before {
            return None;
        }
        match state.too_many.checked_sub(1) {
            Some(fewer) => state.too_many = fewer,
            None => self.free.add_permits(1),
        }
        Some(self.changed(before, now, "it answers"))
    }

    fn refused(&self, began: Instant, error: &ModelError) -> Option<Event> {
        let mut state = self.lock();
        let now = Instant::now();
        let asked = error.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
        state.open_at = state.open_at.max(Some(now + asked));
        // What was under way together is refused together, and is one sign.
        if state.cut_at.is_some_and(|cut| began <= cut) {
            return None;
        }
        state.cut_at = Some(now);
        let before = whole(state.limit);
        state.limit = (state.limit * CUT).max(1.0);
        let limit = whole(state.limit);
        let fewer = (before - limit) as usize;
        state.too_many += fewer - self.free.forget_permits(fewer);
        (fewer > 0).then(|| self.changed(before, limit, &error.message))
    }

    fn changed(&self, was: u32, limit: u32, cause: &str) -> Event {
        Event::ConcurrencyChanged {
            provider: self.provider.clone(),
            was,
            requests_at_once: limit,
            cause: cause.to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The request has ended so. Says what follows for those after it, if something does.
    pub(crate) fn ended(self, how: &Result<TurnReply, ModelError>) -> Option<Event> {
        match how {
            Ok(_) => self.rate.answered(),
            Err(error) if error.class == ErrorClass::RateLimit => self.rate.refused(self.began, error),
            Err(_) => None,
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.rate.lock();
        if let (Some(fewer), Some(held)) = (state.too_many.checked_sub(1), self.held.take()) {
            state.too_many = fewer;
            held.forget();
        }
    }
}

/// The whole part of a limit.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and a u32"
)]
fn whole(limit: f64) -> u32 {
    limit as u32
}

#[cfg(test)]
mod tests {
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
            message: "slow down".into(),
        }
    }

    fn limit(event: Option<Event>) -> Option<u32> {
        match event? {
            Event::ConcurrencyChanged { requests_at_once, .. } => Some(requests_at_once),
            other => panic!("{other:?}"),
        }
    }

    fn rate(at_once: u32) -> Rate {
        Rate::new("openai".into(), at_once)
    }

    /// How many requests may be sent right now.
    fn room(rate: &Rate) -> usize {
        std::iter::from_fn(|| rate.try_permit()).collect::<Vec<_>>().len()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_under_way_together_and_is_refused_counts_once() {
        let rate = rate(10);
        let permits: Vec<_> = (0..10).map(|_| rate.try_permit().unwrap()).collect();
        assert!(rate.try_permit().is_none());
        sleep(Duration::from_millis(1)).await;
        let told: Vec<_> = permits
            .into_iter()
            .map(|permit| limit(permit.ended(&Err(refusal(None)))))
            .collect();
        assert_eq!(told[0], Some(8));
        assert!(told[1..].iter().all(Option::is_none), "{told:?}");
        assert_eq!(room(&rate), 8, "two of the ten are gone for good");
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
    async fn answers_bring_back_one_after_another_up_to_what_was_wanted() {
        let rate = rate(5);
        for _ in 0..20 {
            let permit = rate.next_permit().await;
            sleep(Duration::from_millis(1)).await;
            permit.ended(&Err(refusal(None)));
        }
        assert_eq!(room(&rate), 1, "never none");
        let mut answers = 0;
        let mut told = Vec::new();
        while told.last() != Some(&5) {
            let permit = rate.try_permit().unwrap();
            told.extend(limit(permit.ended(&Ok(TurnReply::default()))));
            answers += 1;
        }
        assert_eq!(told, [2, 3, 4, 5]);
        assert!(
            (40..60).contains(&answers),
            "four rounds of 1, 2, 3 and 4: {answers}"
        );
        assert_eq!(room(&rate), 5);
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
        assert_eq!(
            std::iter::from_fn(|| rate.try_permit()).collect::<Vec<_>>().len(),
            2
        );
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

    /// A provider that lets so many requests through each second, and refuses the others.
    struct Bucket {
        per_second: f64,
        takes: Duration,
        left: Mutex<(f64, Instant)>,
        requests: AtomicU32,
    }

    impl Bucket {
        async fn ask(&self, retry_after: Option<Duration>) -> Result<TurnReply, ModelError> {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let admitted = {
                let mut left = self.left.lock().unwrap();
                let filled = left.0 + left.1.elapsed().as_secs_f64() * self.per_second;
                *left = (filled.min(self.per_second), Instant::now());
                let admitted = left.0 >= 1.0;
                left.0 -= f64::from(u8::from(admitted));
                admitted
            };
            if admitted {
                sleep(self.takes).await;
                return Ok(TurnReply::default());
            }
            sleep(Duration::from_millis(2)).await;
            Err(refusal(retry_after))
        }
    }

    /// 200 trials of 6 requests each, at a provider that lets 50 a second through: seconds and requests.
    async fn play(takes: Duration, retry_after: Option<Duration>) -> (f64, u32) {
        let bucket = Bucket {
            per_second: 50.0,
            takes,
            left: Mutex::new((50.0, Instant::now())),
            requests: AtomicU32::new(0),
        };
        let (rate, slots) = (rate(100), Slots::new(100));
        let start = Instant::now();
        let trials = (0..200).map(|_| async {
            let _slot = slots.next().await;
            for _ in 0..6 {
                loop {
                    let permit = rate.next_permit().await;
                    let reply = bucket.ask(retry_after).await;
                    permit.ended(&reply);
                    match reply {
                        Ok(_) => break,
                        Err(error) => sleep(error.retry_after.unwrap_or(Duration::from_millis(500))).await,
                    }
                }
            }
        });
        join_all(trials).await;
        (
            start.elapsed().as_secs_f64(),
            bucket.requests.load(Ordering::Relaxed),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_limits_its_rate_is_used_up_without_a_storm() {
        let ideal = (1200.0 - 50.0) / 50.0;
        let second = Some(Duration::from_secs(1));
        for (takes_ms, retry_after) in [
            (2, second),
            (50, second),
            (200, second),
            (1000, second),
            (200, None),
        ] {
            let (took, requests) = play(Duration::from_millis(takes_ms), retry_after).await;
            eprintln!(
                "{takes_ms} ms, {retry_after:?}: {:.2} x ideal, {requests} requests",
                took / ideal
            );
        }
    }
}
