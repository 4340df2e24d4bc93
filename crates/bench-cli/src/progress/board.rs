//! The counters behind every display of progress.

use std::collections::BTreeMap;
use std::time::Duration;

use bench_core::event::Awaited;
use bench_core::session::{Progress, Session, begin, fold};
use bench_core::{Event, Plan, TrialId};
use bench_report::text;
use bench_runner::Earlier;
use chrono::{DateTime, TimeDelta, Utc};

/// How long what a trial said just before its wait was told may take to its transcript.
const WRITTEN_WITHIN: TimeDelta = TimeDelta::milliseconds(800);

/// What is so long past its time was given more of it.
const LATE: TimeDelta = TimeDelta::seconds(2);

/// A wait that has lasted so long is taken to last until what is announced follows.
const LASTS: Duration = Duration::from_secs(30);

/// What is known of a run under way.
pub(crate) struct Board {
    pub(crate) progress: Progress,
    pub(crate) session: Session,
    /// Trials that have begun and not ended.
    running: BTreeMap<TrialId, Begun>,
    /// Trials that may be at work at once.
    slots: usize,
    /// Further attempts of an errored trial.
    retries: u32,
    /// The part of the run that this worker does, for its pace.
    part: Part,
    /// Requests in a minute to providers that have refused some.
    pub(crate) paces: BTreeMap<String, f64>,
}

/// What one worker of a run has to do, and has done.
#[derive(Default)]
struct Part {
    /// When the first trial began.
    started: Option<DateTime<Utc>>,
    trials: u32,
    done: u32,
}

/// A trial that has begun.
struct Begun {
    attempt: u32,
    wait: Option<Wait>,
}

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
    pace: Option<String>,
    /// The attempt that follows if this one comes to nothing, and how many there are at most.
    next_attempt: Option<(u32, u32)>,
    /// What its trial said before it was told is written by then.
    quiet_from: DateTime<Utc>,
}

impl Wait {
    /// The wait that an event tells of.
    fn of(event: &Event, at: DateTime<Utc>) -> Option<Self> {
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
    fn provider(&self) -> Option<&str> {
        let (provider, _) = self.reason.split_once(':')?;
        (self.kind == Awaited::RateLimit).then_some(provider)
    }

    /// When it ends, if it has to last so long.
    fn surely_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
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
        let Some(left) = self.then_at.map(|at| at - now) else {
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

impl Board {
    /// A board that knows what earlier workers of the run have finished.
    pub(crate) fn new(plan: &Plan, earlier: &Earlier) -> Self {
        let (progress, session) = begin(plan);
        let mut board = Self {
            progress,
            session,
            running: BTreeMap::new(),
            slots: plan.max_concurrency as usize,
            retries: plan.retries,
            part: Part::default(),
            paces: BTreeMap::new(),
        };
        for finished in earlier.finished() {
            let event = Event::TrialFinished(finished.clone());
            fold(&mut board.progress, &mut board.session, &event);
        }
        // What has no verdict is run again, and counts as done no longer.
        let already_finished = board.progress.trials_done;
        let event = Event::RunStarted {
            trials: plan.trial_count(),
            already_finished,
        };
        fold(&mut board.progress, &mut board.session, &event);
        board.begin_part();
        board
    }

    /// A worker begins: all trials without a verdict are its part.
    fn begin_part(&mut self) {
        let Progress {
            trials_total,
            trials_done,
            ..
        } = self.progress;
        self.running.clear();
        self.paces.clear();
        self.part = Part {
            trials: trials_total.saturating_sub(trials_done),
            ..Part::default()
        };
    }

    pub(crate) fn event(&mut self, event: &Event, at: DateTime<Utc>) {
        fold(&mut self.progress, &mut self.session, event);
        match event {
            Event::RunStarted { .. } => self.begin_part(),
            Event::PaceChanged {
                provider,
                requests_a_minute,
                ..
            } => self.pace_changed(provider, *requests_a_minute),
            Event::TrialStarted { trial, attempt } => {
                self.part.started.get_or_insert(at);
                self.begun(trial, *attempt);
            }
            Event::TrialRetried { trial, attempt, .. } => self.begun(trial, attempt.saturating_add(1)),
            Event::TrialWaiting { trial, .. } => self.waits(trial, event, at),
            Event::TrialFinished(finished) => {
                self.running.remove(&finished.trial);
                self.part.done += 1;
            }
            event => {
                if let Some(begun) = event.trial().and_then(|trial| self.running.get_mut(trial)) {
                    begun.wait = None;
                }
            }
        }
    }

    fn begun(&mut self, trial: &TrialId, attempt: u32) {
        self.running.insert(trial.clone(), Begun { attempt, wait: None });
    }

    /// A pace is the provider's: whoever waits for it waits for the one told last.
    fn pace_changed(&mut self, provider: &str, pace: f64) {
        self.paces.insert(provider.to_owned(), pace);
        let waits = self.running.values_mut().filter_map(|begun| begun.wait.as_mut());
        for wait in waits.filter(|wait| wait.provider() == Some(provider)) {
            wait.pace = Some(pace_words(pace));
        }
    }

    fn waits(&mut self, trial: &TrialId, event: &Event, at: DateTime<Utc>) {
        let begun = self.running.get(trial).map_or(1, |begun| begun.attempt);
        let Some(mut wait) = Wait::of(event, at) else {
            return;
        };
        wait.pace = wait
            .provider()
            .and_then(|provider| self.paces.get(provider).copied().map(pace_words));
        // What takes too long is no verdict.
        let may_be_tried_again = matches!(wait.kind, Awaited::Tool | Awaited::Gym) && begun <= self.retries;
        wait.next_attempt = may_be_tried_again.then(|| (begun + 1, self.retries + 1));
        let (attempt, wait) = (begun, Some(wait));
        self.running.insert(trial.clone(), Begun { attempt, wait });
    }

    /// Something was added to the transcript of a trial: if that came after its wait began, the wait is over.
    pub(crate) fn spoke(&mut self, trial: &TrialId, at: DateTime<Utc>) {
        if let Some(begun) = self.running.get_mut(trial) {
            begun.wait.take_if(|wait| at > wait.quiet_from);
        }
    }

    /// `8 running, 22 waiting`: trials that work, and trials that only wait for their turn.
    pub(crate) fn under_way(&self) -> String {
        let (busy, idle) = self.busy_and_idle();
        let running = format!("{busy} running");
        match idle {
            0 => running,
            _ => format!("{running}, {idle} waiting"),
        }
    }

    /// Trials at work, and trials that wait for their turn: one that has just begun may wait without having told so yet.
    pub(crate) fn busy_and_idle(&self) -> (usize, usize) {
        let all = self.running.len();
        let busy = (all - self.idle()).min(self.slots);
        (busy, all - busy)
    }

    /// Trials that may be at work at once.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    fn idle(&self) -> usize {
        let waits = self.running.values().filter_map(|begun| begun.wait.as_ref());
        waits.filter(|wait| wait.idle).count()
    }

    /// Trials under way, and what they wait for.
    pub(crate) fn trials(&self) -> impl Iterator<Item = (&TrialId, Option<&Wait>)> {
        self.running
            .iter()
            .map(|(trial, begun)| (trial, begun.wait.as_ref()))
    }

    /// The wait that lasts longest, and how many more there are.
    pub(crate) fn longest(&self) -> Option<(&TrialId, &Wait, usize)> {
        let waits = || self.trials().filter_map(|(trial, wait)| Some((trial, wait?)));
        let (trial, wait) = waits().min_by_key(|(_, wait)| wait.since)?;
        Some((trial, wait, waits().count() - 1))
    }

    /// The wait that lasts longest, in words, and how many more there are.
    pub(crate) fn longest_wait(&self, now: DateTime<Utc>) -> Option<String> {
        let (trial, wait, more) = self.longest()?;
        let more = match more {
            0 => String::new(),
            n => format!(", and {n} more"),
        };
        Some(format!("{} ({trial}{more})", wait.told_as("longest wait", now)))
    }

    /// About how much longer it takes, from the pace so far, but no less than a wait that must last; `None` before the first trial is over, while nothing moves,
    /// and where it is less than a second.
    pub(crate) fn time_left(&self, now: DateTime<Utc>) -> Option<Duration> {
        let done = Some(self.part.done).filter(|&n| n > 0)?;
        let left = self.part.trials.saturating_sub(done);
        if left > 0 && !self.running.is_empty() && self.idle() == self.running.len() {
            return None;
        }
        let elapsed = (now - self.part.started?).to_std().ok()?;
        let by_pace = elapsed.mul_f64(f64::from(left) / f64::from(done));
        let waits = self.running.values().filter_map(|begun| begun.wait.as_ref());
        let until = waits.filter_map(|wait| wait.surely_until(now)).max();
        let at_least = until.and_then(|until| (until - now).to_std().ok());
        let left = by_pace.max(at_least.unwrap_or_default());
        Some(left).filter(|left| *left >= Duration::from_secs(1))
    }

    /// `12/24 trials, 10 passed, 1 errored, 3 running`.
    pub(crate) fn line(&self) -> String {
        let counts = &self.progress.outcomes;
        let mut parts = vec![
            format!(
                "{}/{} trials",
                self.progress.trials_done, self.progress.trials_total
            ),
            format!("{} passed", counts.passed),
        ];
        let odd = [
            (counts.errored, "errored"),
            (counts.limit, "at a limit"),
            (counts.unscored, "unscored"),
        ];
        parts.extend(
            odd.into_iter()
                .filter(|(n, _)| *n > 0)
                .map(|(n, word)| format!("{n} {word}")),
        );
        parts.push(self.under_way());
        parts.join(", ")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bench_core::event::TrialFinished;
    use bench_core::{GymChoice, Harness, ModelSpec, Outcome, Source, Usage};

    use super::*;

    /// Two scenarios, `a` and `b`, with `oracle` and `noop`.
    pub(crate) fn plan() -> Plan {
        let scenario =
            |id: &str| format!(r#"{{"scenario_id": "{id}", "prompts": [{{"prompt_text": "Go."}}]}}"#);
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
}
