//! Whether a failed request is sent again, and when.
//!
//! Only typed transient failures are tried again ([`super::ErrorClass::is_transient`]), with delays that
//! grow exponentially and are drawn at random below that (full jitter), or as long as the provider asks
//! for. Waits are bounded in number and in sum, are shown to the caller, and hold no [`WorkSlot`].

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    /// Requests after the first whose answer was [`ErrorClass::Malformed`]: waiting seldom mends it.
    pub max_malformed: u32,
    /// Sum of all delays of one turn. What would exceed it is not waited for.
    pub max_total_delay: Duration,
}

impl Default for RetryPolicy {
    /// 1 s doubling to 60 s, up to 8 retries (2 after malformed answers), at most 10 minutes of waiting.
    fn default() -> Self {
        Self {
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            max_retries: 8,
            max_malformed: 2,
            max_total_delay: Duration::from_secs(600),
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

/// A slot that is a permit of a semaphore. Dropping it gives the permit back.
#[derive(Debug)]
pub struct SemaphoreSlot {
    semaphore: Arc<Semaphore>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl SemaphoreSlot {
    /// Waits for a permit. A closed semaphore no longer limits anything.
    pub async fn acquire(semaphore: Arc<Semaphore>) -> Self {
        let slot = Self {
            semaphore,
            permit: Mutex::new(None),
        };
        slot.reacquire().await;
        slot
    }

    fn set(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

impl WorkSlot for SemaphoreSlot {
    fn release(&self) {
        self.set(None);
    }

    fn reacquire(&self) -> BoxFuture<'_, ()> {
        async { self.set(Arc::clone(&self.semaphore).acquire_owned().await.ok()) }.boxed()
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
        if sent.fetch_add(1, Ordering::Relaxed) > 0 {
            slot.reacquire().await;
        }
        client.take_turn(request).await
    };
    let outcome = attempt
        .retry(policy.delays())
        .when(|error: &ModelError| error.class.is_transient())
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
    malformed: u32,
}

impl Spent {
    /// How long to wait now; none to give up.
    fn next_delay(&mut self, policy: &RetryPolicy, error: &ModelError, drawn: Duration) -> Option<Duration> {
        if error.class == ErrorClass::Malformed {
            self.malformed += 1;
            if self.malformed > policy.max_malformed {
                return None;
            }
        }
        // Up to a tenth more than asked for, so that trials that were told the same do not all come back
        // in the same instant.
        let asked = error
            .retry_after
            .map(|after| after.saturating_add(after.mul_f64(fastrand::f64() / 10.0)));
        let delay = asked.unwrap_or(drawn);
        self.waited = self.waited.saturating_add(delay);
        (self.waited <= policy.max_total_delay).then_some(delay)
    }
}
