//! How many requests are sent to one provider, learned from what it refuses.
//!
//! It begins with as many at once as the run may make. A request that is refused because there were too many (429)
//! closes the gate for as long as the provider asks, at most a minute. From then on requests are sent one after
//! another at even distances. A refusal makes this pace slower by a fifth, once for all that were under way together;
//! answers make it faster, little at first and more with each. That is slow increase with multiplicative decrease,
//! as in TCP (Chiu and Jain, 1989; the convex growth is that of CUBIC, RFC 9438): several runs that share an account come
//! to share its rate. What was let through in the last minute bounds the pace from both sides, so that a minute in
//! which everything is refused does not leave the next one unused. Refusals without an answer between them say little of
//! the pace (the provider was down, or a budget of another kind was used up): what they took away comes back by doubling,
//! to half of what it was, as TCP begins anew (RFC 5681). So does what the very first refusal takes away where it comes after
//! a quiet time, of which the mean of a minute says nothing.
//!
//! Where an answer says that it was the last one that the limit allows for now, the gate is closed before anybody is refused.
//!
//! How many requests are under way at once follows from the pace and from how long answers take. Models of one provider
//! at one address share a [`Rate`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bench_core::{Event, ModelSpec};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::model::{ErrorClass, ModelError, TurnReply};

/// What a refusal leaves of the pace.
const CUT: f64 = 0.8;

/// The n-th answer since the pace was made slower makes it faster by n times this part.
const GROWTH: f64 = 3e-5;

/// After the first refusal little is known: as many answers count as given already.
const LEARNING: u32 = 500;

/// After a time in which nothing was answered, each answer makes the pace so many times faster …
const BACK: f64 = 2.0;

/// … until it is this part of what it was before that time.
const BACK_TO: f64 = 0.5;

/// The pace does not grow over so many times what is let through: then it bounds nothing.
const FASTEST: f64 = 2.0;

/// The pace is never below this part of what is let through.
const FLOOR: f64 = 0.97;

/// The pace is told when it has changed by this factor since it was told last.
const WORTH_TELLING: f64 = 1.2;

/// Never less than one request in a minute.
const SLOWEST: f64 = 1.0 / 60.0;

/// So many seconds are looked back at to know what is let through.
const LOOK_BACK: u32 = 60;

/// Fewer refusals say nothing of how long they last.
const SOME_REFUSALS: u32 = 3;

/// The gate is closed no longer than this at a time: then somebody tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The requests to one provider.
pub(crate) struct Rate {
    provider: String,
    free: Arc<Semaphore>,
    /// Whose turn it is to wait for the pace.
    line: tokio::sync::Mutex<()>,
    /// How many wait for a permit.
    waiting: AtomicU32,
    state: Mutex<State>,
}

struct State {
    let_through: LetThrough,
    /// Requests a second, as far as refusals and answers say; none as long as nothing was refused.
    pace: Option<f64>,
    /// Answers since it was made slower.
    answers: u32,
    /// As it was before the last refusals between which nothing was answered.
    before: f64,
    /// Something was answered since it was made slower.
    answered: bool,
    /// Since when everything was refused, and how often.
    refused_since: Option<(Instant, u32)>,
    /// As it was told last.
    told: Option<f64>,
    /// What was sent before is known to have been too much.
    cut_at: Option<Instant>,
    /// Nothing is sent before.
    open_at: Option<Instant>,
    /// That is so because the last answer was the last one for now, and nobody was refused.
    used_up: bool,
    /// When it is the turn of the next one.
    next_at: Option<Instant>,
}

/// How many requests of each of the last seconds were sent and are not refused.
struct LetThrough {
    /// When the first one was sent.
    began: Option<Instant>,
    /// The second that is counted at the back, from the first one.
    last: u64,
    seconds: VecDeque<u32>,
}

/// Somebody who waits for a permit; no longer once dropped.
struct Waits<'a>(&'a AtomicU32);

/// A request that may be under way.
pub(crate) struct Permit<'a> {
    rate: &'a Rate,
    began: Instant,
    _held: Option<OwnedSemaphorePermit>,
}

impl Rate {
    /// For requests of which at most so many are wanted at once.
    pub(crate) fn new(provider: String, at_once: u32) -> Self {
        Self {
            provider,
            free: Arc::new(Semaphore::new(at_once.max(1) as usize)),
            line: tokio::sync::Mutex::default(),
            waiting: AtomicU32::new(0),
            state: Mutex::new(State {
                let_through: LetThrough::new(),
                pace: None,
                answers: 0,
                before: 0.0,
                answered: false,
                refused_since: None,
                told: None,
                cut_at: None,
                open_at: None,
                used_up: false,
                next_at: None,
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
        let held = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let _first = self.line.try_lock().ok()?;
        self.send(Some(held)).ok()
    }

    /// Waits, in the order of asking, until a request may be sent.
    pub(crate) async fn next_permit(&self) -> Permit<'_> {
        let _waits = Waits::of(&self.waiting);
        let mut held = Arc::clone(&self.free).acquire_owned().await.ok(); // never closed
        let _first = self.line.lock().await;
        loop {
            match self.send(held) {
                Ok(permit) => return permit,
                Err((back, turn)) => {
                    held = back;
                    sleep_until(turn).await;
                }
            }
        }
    }

    /// Takes the turn that begins now; otherwise says when to ask again.
    fn send(
        &self,
        held: Option<OwnedSemaphorePermit>,
    ) -> Result<Permit<'_>, (Option<OwnedSemaphorePermit>, Instant)> {
        let (mut state, now) = (self.lock(), Instant::now());
        let turn = state.open_at.max(state.next_at).filter(|turn| *turn > now);
        if let Some(turn) = turn {
            return Err((held, turn));
        }
        let pace = state.pace_at(now);
        state.next_at = pace.map(|pace| now + Duration::from_secs_f64(1.0 / pace));
        state.let_through.add(now, 1);
        Ok(Permit {
            rate: self,
            began: now,
            _held: held,
        })
    }

    /// Why requests wait, for people. At which pace they are sent is told when it changes: here it would soon be wrong.
    pub(crate) fn why(&self) -> &'static str {
        if self.lock().used_up {
            "its rate limit is used up"
        } else {
            "it limits its rate"
        }
    }

    /// About when a request is sent that begins to wait now, behind those that wait already; none where it is soon, or
    /// as soon as others are answered.
    pub(crate) fn turn_at(&self) -> Option<Instant> {
        let before = f64::from(self.waiting.load(Ordering::Relaxed));
        let (mut state, now) = (self.lock(), Instant::now());
        let opens = state.open_at.max(state.next_at).map_or(now, |turn| turn.max(now));
        let queue = state.pace_at(now).map_or(0.0, |pace| before / pace);
        let turn = opens.checked_add(Duration::try_from_secs_f64(queue).ok()?)?;
        Some(turn).filter(|turn| *turn >= now + Duration::from_secs(1))
    }

    /// For how long every request was refused; none if one was answered, or too few were sent to say so.
    pub(crate) fn refused_for(&self) -> Option<Duration> {
        let (since, refusals) = self.lock().refused_since?;
        (refusals >= SOME_REFUSALS).then(|| since.elapsed())
    }

    /// `hold` is how long the provider says that it takes no other.
    fn answered(&self, hold: Option<Duration>) -> Option<Event> {
        let mut state = self.lock();
        state.refused_since = None;
        if let Some(hold) = hold {
            let until = Some(Instant::now() + hold.min(LONGEST_PAUSE));
            state.used_up |= until > state.open_at;
            state.open_at = state.open_at.max(until);
        } else if state.open_at.is_none_or(|open| open <= Instant::now()) {
            state.used_up = false;
        }
        let pace = state.pace?;
        let most = state.let_through.a_second(Instant::now()) * FASTEST;
        state.answers += 1;
        state.answered = true;
        let faster = pace * (1.0 + f64::from(state.answers) * GROWTH);
        let back = (pace * BACK).min(state.before * BACK_TO);
        state.pace = Some(faster.min(most.max(pace)).max(back));
        // Slower than was told only because little was sent meanwhile: nobody was refused.
        let slower = state
            .told
            .zip(state.pace_at(Instant::now()))
            .is_some_and(|(told, pace)| pace < told);
        if slower {
            return None;
        }
        self.tell(&mut state, "it answers")
    }

    fn refused(&self, began: Instant, error: &ModelError) -> Option<Event> {
        let mut state = self.lock();
        let now = Instant::now();
        state.refused_since.get_or_insert((now, 0)).1 += 1;
        let asked = error.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
        state.open_at = state.open_at.max(Some(now + asked));
        state.used_up = false;
        // It counts itself: where the very first one is refused, nothing else says how many are wanted.
        let wanted = state.let_through.a_second(now);
        let pace = state.pace_at(now).unwrap_or(wanted);
        let burst = state.let_through.in_second_of(began);
        state.let_through.add(began, -1);
        // What was under way together is refused together, and is one sign.
        if state.cut_at.is_some_and(|cut| began <= cut) {
            return None;
        }
        state.answers = if state.cut_at.is_none() { LEARNING } else { 0 };
        let first = state.cut_at.replace(now).is_none();
        if first {
            // Where it was quiet for long, the mean says too little of what was wanted just now.
            state.before = pace.max(burst);
        } else if state.answered {
            state.before = pace;
        }
        state.answered = false;
        state.pace = Some((pace * CUT).max(SLOWEST));
        state.next_at = None;
        self.tell(&mut state, &error.message)
    }

    fn tell(&self, state: &mut State, cause: &str) -> Option<Event> {
        let pace = state.pace_at(Instant::now())?;
        let was = state.told;
        let little = |was: f64| (1.0 / WORTH_TELLING..WORTH_TELLING).contains(&(pace / was));
        if was.is_some_and(little) {
            return None;
        }
        state.told = Some(pace);
        Some(Event::PaceChanged {
            provider: self.provider.clone(),
            was: was.map(a_minute),
            requests_a_minute: a_minute(pace),
            cause: cause.to_owned(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Requests a second that may be sent now; none for as many as are wanted.
    fn pace_at(&mut self, now: Instant) -> Option<f64> {
        Some(
            self.pace?
                .max(self.let_through.a_second(now) * FLOOR)
                .max(SLOWEST),
        )
    }
}

impl LetThrough {
    fn new() -> Self {
        Self {
            began: None,
            last: 0,
            seconds: VecDeque::from([0]),
        }
    }

    /// Counts one that was sent at a time, or takes it back.
    fn add(&mut self, at: Instant, change: i32) {
        self.began.get_or_insert(at);
        self.turn_to(at);
        if let Some(count) = self.second_of(at) {
            *count = count.saturating_add_signed(change);
        }
    }

    /// Requests in the second in which one was sent, which is looked back at.
    fn in_second_of(&mut self, at: Instant) -> f64 {
        self.second_of(at).map_or(0.0, |count| f64::from(*count))
    }

    fn second_of(&mut self, at: Instant) -> Option<&mut u32> {
        let ago = self.last - self.since(at).as_secs();
        self.seconds.iter_mut().nth_back(usize::try_from(ago).ok()?)
    }

    /// Requests a second on average, since the first one or in the time that is looked back at.
    fn a_second(&mut self, now: Instant) -> f64 {
        self.turn_to(now);
        let count: u32 = self.seconds.iter().sum();
        f64::from(count) / self.since(now).as_secs_f64().clamp(1.0, f64::from(LOOK_BACK))
    }

    fn turn_to(&mut self, now: Instant) {
        let second = self.since(now).as_secs();
        while self.last < second {
            self.last += 1;
            self.seconds.push_back(0);
            if self.seconds.len() > LOOK_BACK as usize {
                self.seconds.pop_front();
            }
        }
    }

    fn since(&self, now: Instant) -> Duration {
        self.began
            .map_or(Duration::ZERO, |began| now.saturating_duration_since(began))
    }
}

impl<'a> Waits<'a> {
    fn of(waiting: &'a AtomicU32) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Permit<'_> {
    /// Gives it back if the gate was closed since it was had.
    pub(crate) fn if_open(self) -> Option<Self> {
        let mut state = self.rate.lock();
        if state.open_at.is_some_and(|open| open > Instant::now()) {
            state.let_through.add(self.began, -1);
            return None;
        }
        drop(state);
        Some(self)
    }

    /// The request has ended so. Says what follows for those after it, if something does.
    pub(crate) fn ended(self, how: &Result<TurnReply, ModelError>) -> Option<Event> {
        match how {
            Ok(reply) => self.rate.answered(reply.hold),
            Err(error) if error.class == ErrorClass::RateLimit => self.rate.refused(self.began, error),
            Err(_) => None,
        }
    }
}

/// A pace for people and files.
fn a_minute(pace: f64) -> f64 {
    (pace * 600.0).round() / 10.0
}

#[cfg(test)]
mod tests;
