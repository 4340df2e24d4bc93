//! Looks at a trial's checks between its steps, for `--verify-each-step`: when each first held, and when it was lost again.
//!
//! What is seen here decides nothing: verdicts are found at the end, as without it. And it must change nothing, so only
//! checks that read are looked at; a check that takes too long, or panics, is left out from there on, and so are all of
//! them once the looks together took as long as a trial may. Why a check is left out stands in its [`Track`].

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bench_core::lint::complaint_of_query;
use bench_core::steps::{Checked, Timeline, Track};
use bench_core::verifier::ResponseCheck;
use bench_core::{Check, VerdictStatus, VerifierSpec};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

use super::{CallRecord, TrialEnd, Verifier, verify};
use crate::durations::millis;
use crate::model::ToolSpec;

/// How long one check may take each time: far less than at the end, where it counts.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a check says, or why it cannot be followed any more.
type Answer = Result<VerdictStatus, String>;

/// Looks at the checks of one attempt at a trial.
pub(crate) struct Steps<'a> {
    /// What they may look at, but for the calls so far.
    pub(crate) world: TrialEnd<'a>,
    /// Those that the embedding program brings.
    pub(crate) custom: &'a BTreeMap<String, Arc<dyn Verifier>>,
    /// How long all looks together may take.
    pub(crate) most: Duration,
}

impl Steps<'_> {
    /// A timeline before the first look: which checks are left out, and why.
    pub(crate) fn timeline(&self) -> Timeline {
        let track = |spec: &VerifierSpec| Track {
            verifier: spec.name.clone(),
            changes: Vec::new(),
            left_out: self.unfit(spec),
        };
        Timeline {
            checks: self.world.scenario.verifiers.iter().map(track).collect(),
            ..Timeline::default()
        }
    }

    /// Looks at every check that is followed, one after another, and returns what is not as it was. Dropped half way, it
    /// has seen nothing: a step is in the timeline with all its checks, or not at all.
    pub(crate) async fn look(&self, timeline: &mut Timeline, calls: &[CallRecord]) -> Vec<Checked> {
        let spent = Duration::from_millis(timeline.took_ms);
        let left = self.most.saturating_sub(spent);
        if timeline.broken_off.is_some() {
            return Vec::new();
        }
        let began = Instant::now();
        let asked = timeout(left, self.ask_all(timeline, calls)).await;
        timeline.took_ms = millis(spent.saturating_add(began.elapsed()));
        let Ok(answers) = asked else {
            let seconds = self.most.as_secs_f64();
            timeline.broken_off = Some(format!("the looks took {seconds} s, as long as the trial may"));
            return Vec::new();
        };
        let step = u32::try_from(calls.len()).unwrap_or(u32::MAX);
        timeline.last_step = step;
        let mut changes = Vec::new();
        for (verifier, answer) in answers {
            let Some(track) = timeline.checks.get_mut(verifier) else {
                continue;
            };
            match answer {
                Ok(status) if track.note(step, &status) => changes.push(Checked {
                    verifier,
                    name: track.verifier.clone(),
                    status,
                }),
                Ok(_) => {}
                Err(why) => track.left_out = Some(format!("{why} after step {step}")),
            }
        }
        changes
    }

    /// What each check that is followed says now, by its place.
    async fn ask_all(&self, timeline: &Timeline, calls: &[CallRecord]) -> Vec<(usize, Answer)> {
        let world = TrialEnd {
            calls,
            log: Arc::clone(&self.world.log),
            ..self.world
        };
        let specs = self.world.scenario.verifiers.iter().zip(&timeline.checks);
        let mut answers = Vec::new();
        for (verifier, (spec, track)) in specs.enumerate() {
            if track.left_out.is_none() {
                answers.push((verifier, self.ask(spec, &world).await));
            }
        }
        answers
    }

    /// What a check says now, or why it cannot be followed any more.
    async fn ask(&self, spec: &VerifierSpec, world: &TrialEnd<'_>) -> Answer {
        let asked = timeout(PATIENCE, verify(spec, world, self.custom));
        match AssertUnwindSafe(asked).catch_unwind().await {
            Ok(Ok(verdict)) => {
                let verdict = verdict.shortened(|text| world.env.secrets().redact(text));
                Ok(verdict.status)
            }
            Ok(Err(_)) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            Err(_) => Err("it panicked".to_owned()),
        }
    }

    /// Why a check is looked at only at the end, if that is so.
    fn unfit(&self, spec: &VerifierSpec) -> Option<String> {
        match &spec.check {
            Check::DatabaseState { query, .. } => {
                complaint_of_query(query).map(|complaint| format!("its query {complaint}"))
            }
            Check::ToolExecution(_) | Check::Http { .. } => None, // GET only reads
            Check::ToolResult { tool, .. } => {
                let is_it = |offered: &ToolSpec| offered.name == *tool && offered.reads_only;
                let reads = self
                    .world
                    .gym(spec)
                    .is_ok_and(|gym| gym.tools().iter().any(is_it));
                (!reads).then(|| format!("its server does not say that `{tool}` only reads"))
            }
            Check::ResponseCheck(ResponseCheck::Judge { .. }) => Some("it asks a judge".to_owned()),
            Check::ResponseCheck(_) => Some("it is about the final answer".to_owned()),
            Check::Command(_) => Some("it runs a program".to_owned()),
            Check::Custom { kind, .. } => {
                let reads = self
                    .custom
                    .get(kind)
                    .is_some_and(|custom| custom.reads_only(spec));
                (!reads).then(|| "it does not say that it only reads".to_owned())
            }
            _ => Some("this version does not know whether it only reads".to_owned()),
        }
    }
}

/// Which checks are not followed, for the transcript.
pub(crate) fn left_out(timeline: &Timeline) -> Option<String> {
    let why = |track: &Track| Some(format!("`{}` ({})", track.verifier, track.left_out.as_ref()?));
    let left_out: Vec<String> = timeline.checks.iter().filter_map(why).collect();
    (!left_out.is_empty()).then(|| format!("looked at only at the end: {}", left_out.join(", ")))
}

#[cfg(test)]
mod tests;
