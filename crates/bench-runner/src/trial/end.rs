//! How an attempt ends: its outcome, what is worth trying after it, and its record.

use std::time::Duration;

use bench_core::outcome::judge;
use bench_core::record::{FORMAT, GymUse, TriedAgain};
use bench_core::{Outcome, TrialRecord, Usage, Verdict, VerdictStatus};
use chrono::{DateTime, Utc};

use super::Attempt;
use crate::agent::{Broken, Said};
use crate::durations::millis;

/// How an attempt ended, before it is written down.
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) cause: Option<String>,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) said: Said,
    pub(super) gyms: Vec<GymUse>,
    pub(super) next: Next,
}

/// What is worth trying after an attempt that errored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The same again.
    Attempt,
    /// Other trials: this one would end the same way, on the model's bill.
    OtherTrial,
    /// Other models: this one refuses everything.
    OtherModel,
}

impl End {
    pub(super) fn errored(cause: String) -> Self {
        Self {
            outcome: Outcome::Errored,
            cause: Some(cause),
            verdicts: Vec::new(),
            said: Said::default(),
            gyms: Vec::new(),
            next: Next::Attempt,
        }
    }

    pub(super) fn cancelled(said: Said) -> Self {
        Self {
            outcome: Outcome::Cancelled,
            said,
            ..Self::errored("the run was cancelled".into())
        }
    }

    pub(super) fn judged(said: Said, verdicts: Vec<Verdict>) -> Self {
        let outcome = judge(said.conversation(), said.turns, &verdicts);
        let cause = match outcome {
            Outcome::Limit => said.limit.clone(),
            Outcome::Errored => first_error(&verdicts),
            _ => None,
        };
        // A judge was asked as often as makes sense; a further attempt would pay the model again.
        let passing = |v: &Verdict| {
            v.judge.is_none() && matches!(v.status, VerdictStatus::Errored { permanent: false, .. })
        };
        let healable = verdicts.iter().all(|v| v.is_true() || passing(v)) && said.turns > 0;
        Self {
            outcome,
            cause,
            verdicts,
            said,
            gyms: Vec::new(),
            next: if healable { Next::Attempt } else { Next::OtherTrial },
        }
    }
}

impl Attempt<'_> {
    pub(super) fn record(&self, end: End, started_at: DateTime<Utc>, took: Duration) -> TrialRecord {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let missed = |tool: &&String| !end.said.calls.iter().any(|c| c.call.name == **tool);
        let prompts = self.scenario.prompts.iter().flat_map(|p| &p.expected_tools);
        let mut expected: Vec<&String> = self.scenario.expected_tools.iter().chain(prompts).collect();
        expected.dedup();
        TrialRecord {
            format: FORMAT,
            trial: self.trial.id.clone(),
            scenario_id: self.scenario.scenario_id.clone(),
            model: self.model.model.to_string(),
            repetition: self.trial.repetition,
            attempt: self.number,
            outcome: end.outcome,
            cause: end.cause,
            verdicts: end.verdicts,
            answer: end.said.answer.clone(),
            turns: end.said.turns,
            tool_calls: count(end.said.calls.len()),
            tool_errors: count(end.said.calls.iter().filter(|c| c.failed).count()),
            expected_tools_missed: expected.into_iter().filter(missed).cloned().collect(),
            drift: end.said.drift,
            timeline: end.said.timeline,
            usage: end.said.usage,
            retried_usage: Usage::default(),
            tried_again: TriedAgain::default(),
            judge_usage: Usage::default(), // counted over all attempts too
            cost: None,                    // counted over all attempts, by whoever makes them
            gyms: end.gyms,
            started_at,
            completed_at: Utc::now().max(started_at),
            took_ms: millis(took),
        }
    }
}

/// What is worth trying after a conversation that broke.
pub(super) fn next_after(broken: &Broken) -> Next {
    match broken {
        Broken::Model(error) if error.class.concerns_all_requests() => Next::OtherModel,
        Broken::Refused { .. } => Next::OtherModel,
        Broken::Model(error) if error.may_heal() => Next::Attempt,
        Broken::Gym(error) if error.may_heal() => Next::Attempt,
        Broken::Model(_) | Broken::Gym(_) | Broken::Budget(_) | Broken::Unkept(_) => Next::OtherTrial,
    }
}

fn first_error(verdicts: &[Verdict]) -> Option<String> {
    let error = verdicts.iter().find_map(|v| match &v.status {
        VerdictStatus::Errored { error, .. } => Some(format!("verifier `{}`: {error}", v.verifier)),
        _ => None,
    });
    error.or_else(|| Some("the model was never asked: nothing to judge".into()))
}
