//! What a trial under way waits for, in words: what follows by itself comes first, for a line that is cut off.

use std::time::Duration;

use bench_core::Event;
use bench_core::event::Awaited;
use bench_report::text;
use chrono::{DateTime, TimeDelta, Utc};

/// How long what a trial said just before its wait was told may take to its transcript.
const WRITTEN_WITHIN: TimeDelta = TimeDelta::milliseconds(800);

/// What is so long past its time was given more of it.
const LATE: TimeDelta = TimeDelta::seconds(2);

/// A wait that has lasted so long is taken to last until what is announced follows.
const LASTS: Duration = Duration::from_secs(30);

/// What a trial under way waits for. Its texts are safe for a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    /// For what kind of thing.
    pub(crate) kind: Awaited,
    /// For what, as it was told.
    pub(crate) reason: String,
    /// Since when.
    pub(crate) since: DateTime<Utc>,
    /// What follows by itself.
    pub(crate) then: String,
    /// When that is, if it is known.
    pub(crate) then_at: Option<DateTime<Utc>>,
    /// Nobody works for it meanwhile.
    pub(crate) idle: bool,
    /// Requests in a minute to the provider whose rate it waits for, as told last: the same for all that wait for it.
    pub(super) pace: Option<String>,
    /// When that provider is asked again, as told last: the same for all that wait for it.
    pub(super) opens: Option<DateTime<Utc>>,
    /// The attempt that follows if this one comes to nothing, and how many there are at most.
    pub(super) next_attempt: Option<(u32, u32)>,
    /// What its trial said before it was told is written by then.
    pub(super) quiet_from: DateTime<Utc>,
}

impl Wait {
    /// The wait that an event tells of.
    pub(super) fn of(event: &Event, at: DateTime<Utc>) -> Option<Self> {
        let Event::TrialWaiting {
            kind,
            waiting_for,
            waited_ms,
            then,
            then_in_ms,
            idle,
            ..
        } = event
        else {
            return None;
        };
        Some(Self {
            kind: *kind,
            reason: text::clean_line(waiting_for),
            since: at.checked_sub_signed(milliseconds(*waited_ms)).unwrap_or(at),
            then: text::clean_line(then),
            then_at: then_in_ms.and_then(|left| at.checked_add_signed(milliseconds(left))),
            idle: *idle,
            pace: None,
            opens: None,
            next_attempt: None,
            quiet_from: at + WRITTEN_WITHIN,
        })
    }

    /// How long it has lasted.
    pub(crate) fn waited(&self, now: DateTime<Utc>) -> Duration {
        (now - self.since).to_std().unwrap_or_default()
    }

    /// `given up in 42s · tool search of jira · waits 18s`: what follows comes first, for a line that is cut off.
    pub(crate) fn words(&self, now: DateTime<Utc>) -> String {
        self.told_as("waits", now)
    }

    /// The same with other words than `waits` before how long it has lasted.
    pub(crate) fn told_as(&self, waits: &str, now: DateTime<Utc>) -> String {
        let waited = text::whole_seconds(self.waited(now));
        let mut parts = vec![self.follows(now)];
        parts.extend(self.why().map(str::to_owned));
        parts.extend(self.pace.as_ref().map(|pace| format!("{pace} requests/min")));
        parts.push(self.reason.clone());
        parts.push(format!("{waits} {waited}"));
        parts.join(" · ")
    }

    /// The cause in two words, where what it waits for does not begin with it.
    fn why(&self) -> Option<&'static str> {
        let refused = self.reason.contains("429");
        (self.kind == Awaited::RateLimit).then_some(if refused { "429 rate limit" } else { "rate limit" })
    }

    /// The provider whose rate it waits for: what it waits for begins with the model, as `provider:name`.
    pub(super) fn provider(&self) -> Option<&str> {
        let (provider, _) = self.reason.split_once(':')?;
        (self.kind == Awaited::RateLimit).then_some(provider)
    }

    /// When its provider is asked again, if this is the request that was refused last.
    pub(super) fn opening(&self) -> Option<DateTime<Utc>> {
        self.then_at.filter(|_| self.then == "sent again")
    }

    /// When it ends, if it has to last so long.
    pub(super) fn surely_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.then_at.filter(|_| self.idle || self.waited(now) >= LASTS)
    }

    /// What follows by itself: `given up in 42s, then tried again (2 of 2)`.
    fn follows(&self, now: DateTime<Utc>) -> String {
        let next = self.follows_next(now);
        match self.next_attempt {
            Some((attempt, all)) => format!("{next}, then tried again ({attempt} of {all})"),
            None => next,
        }
    }

    fn follows_next(&self, now: DateTime<Utc>) -> String {
        let sent = ["sent again", "sent"]
            .iter()
            .find_map(|sent| self.then.strip_prefix(sent));
        let then = sent.map_or_else(|| self.then.clone(), |when| format!("next request{when}"));
        // Who has waited as long as was thought waits on until the provider is asked again.
        let over = self.then_at.is_none_or(|at| at <= now);
        let opens = self.opens.filter(|opens| over && *opens > now);
        let Some(left) = opens.or(self.then_at).map(|at| at - now) else {
            return then;
        };
        match (left.to_std(), self.kind) {
            (Ok(left), _) => format!("{then} in {}", text::whole_seconds(left)),
            // Each sign of progress gives it its time anew.
            (Err(_), Awaited::Tool) if -left > LATE => format!("{then} when it reports no more progress"),
            (Err(_), Awaited::RateLimit) => format!("{then} as soon as it is its turn"),
            (Err(_), _) => format!("{then} now"),
        }
    }
}

/// Requests a minute, for people: `48`, `1.5`.
pub(crate) fn pace_words(pace: f64) -> String {
    if pace < 9.95 && pace.fract() != 0.0 {
        format!("{pace:.1}")
    } else {
        format!("{pace:.0}")
    }
}

fn milliseconds(n: u64) -> TimeDelta {
    i64::try_from(n)
        .ok()
        .and_then(TimeDelta::try_milliseconds)
        .unwrap_or(TimeDelta::MAX)
}
