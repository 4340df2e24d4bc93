//! The counters behind every display of progress. What a trial waits for is in `wait`.

mod wait;

use std::collections::BTreeMap;
use std::time::Duration;

use bench_core::event::Awaited;
use bench_core::session::{Progress, Session, begin, fold};
use bench_core::{Event, Plan, TrialId};
use bench_runner::Earlier;
use chrono::{DateTime, Utc};

pub(crate) use wait::{Wait, pace_words};

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
    /// When providers that have refused some are asked again.
    openings: BTreeMap<String, DateTime<Utc>>,
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
            openings: BTreeMap::new(),
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
        self.openings.clear();
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

    /// The gate of a provider is one for all: none of those who wait for it is asked before.
    fn opens(&mut self, provider: &str, at: DateTime<Utc>) {
        let opens = self.openings.entry(provider.to_owned()).or_insert(at);
        *opens = at.max(*opens);
        let waits = self.running.values_mut().filter_map(|begun| begun.wait.as_mut());
        for wait in waits.filter(|wait| wait.provider() == Some(provider)) {
            wait.opens = Some(*opens);
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
        if let Some(provider) = wait.provider().map(str::to_owned) {
            if let Some(at) = wait.opening() {
                self.opens(&provider, at);
            }
            wait.opens = self.openings.get(&provider).copied();
        }
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

    /// About how much longer it takes, from the pace so far, but no less than a wait that must last; `None` before the
    /// first trial is over, while nothing moves, and where it is less than a second.
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
pub(crate) mod tests;
