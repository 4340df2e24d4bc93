//! Events: what a run reports, as facts in the past tense. The journal holds them, one a line.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::id::TrialId;
use crate::outcome::Outcome;
use crate::plan::PlanChanges;
use crate::price::Cost;
use crate::record::{FileRef, TriedAgain};
use crate::usage::Usage;

/// Something that happened in a run. Times come from the journal line that holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "the large ones are the usual ones, and events are boxed where they wait"
)]
pub enum Event {
    /// The runner began, or began again after a resume.
    RunStarted {
        /// Trials in the plan.
        trials: u32,
        /// Of those, already finished by an earlier generation.
        already_finished: u32,
    },
    /// A resume changed what holds for the run from here on. `plan.json` stays as it was.
    PlanChanged(PlanChanges),
    /// A gym was reached and its tools were listed, once before the first trial.
    GymReached {
        /// Key of the gym.
        gym: String,
        /// MCP protocol version that both sides agreed on, such as `2025-11-25`.
        protocol: String,
        /// The server's own name and version.
        server: String,
        /// Tools it offers.
        tools: u32,
        /// How requests will reach it; none over stdio.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connections: Option<Connections>,
        /// Wall-clock milliseconds.
        took_ms: u64,
    },
    /// A trial left the queue.
    TrialStarted {
        /// The trial.
        trial: TrialId,
        /// From 1; grows only after infrastructure errors.
        attempt: u32,
    },
    /// A database is about to be created: whoever finds this without [`Event::DatabaseRemoved`]
    /// removes it.
    DatabaseNamed {
        /// The trial.
        trial: TrialId,
        /// Key of the gym.
        gym: String,
        /// Value of the `x-database-id` header.
        database_id: String,
    },
    /// A database is gone, or its gym knows no removal.
    DatabaseRemoved {
        /// The trial.
        trial: TrialId,
        /// Key of the gym.
        gym: String,
        /// Value of the `x-database-id` header.
        database_id: String,
        /// Why it may still be there, if it may.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// A trial has been waiting for over a second, or is about to, for something named.
    TrialWaiting {
        /// The trial.
        trial: TrialId,
        /// For what kind of thing. Journals of older versions do not say.
        #[serde(default)]
        kind: Awaited,
        /// For what, for people: `openai:gpt-4o: it limits its rate`, `tool create_issue of tracker`, ….
        waiting_for: String,
        /// Milliseconds it has waited when this was written.
        waited_ms: u64,
        /// What follows by itself, for people: `given up`, `sent again`, …. In journals of older versions with the time.
        then: String,
        /// In how many milliseconds from when this was written, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        then_in_ms: Option<u64>,
        /// Nobody works for it meanwhile: it waits for its turn, not for a model or a tool that is at it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        idle: bool,
    },
    /// An attempt ended in an infrastructure error and the trial is tried again.
    TrialRetried {
        /// The trial.
        trial: TrialId,
        /// The attempt that ended.
        attempt: u32,
        /// Why.
        cause: String,
    },
    /// A model refused us in a way that no further request changes (a wrong key, no credit): its trials that have not
    /// begun end as errored with [`TrialFinished::attempt`] 0.
    ModelGivenUp {
        /// The model, as `provider:name`.
        model: String,
        /// What it said.
        cause: String,
    },
    /// A provider is sent more or fewer requests than before, one after another at even distances.
    PaceChanged {
        /// The provider's name.
        provider: String,
        /// Requests in a minute until now; none while there was no bound but how many may be under way at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<f64>,
        /// Requests in a minute from here on, and so as many at once as are begun while one is answered.
        requests_a_minute: f64,
        /// Why: what it said when it refused, or that it answers.
        cause: String,
    },
    /// A provider refused schemas of tools: from here on they are sent to this model without the keywords that it refuses
    /// there. Nothing is put in.
    ToolSchemasAdjusted {
        /// The model, as `provider:name`.
        model: String,
        /// What is left out from here on, and was not before.
        changes: Vec<ToolChange>,
        /// What it said.
        cause: String,
    },
    /// A trial had no end when the run's worker died. Written by the next worker, from the trial's transcript, so that
    /// what was paid is counted; the trial is tried again.
    TrialInterrupted(TrialInterrupted),
    /// A trial is over, and its files are on disk.
    TrialFinished(TrialFinished),
}

/// What kind of thing a trial waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Awaited {
    /// A model's reply.
    Reply,
    /// A tool's answer.
    Tool,
    /// A gym that opens.
    Gym,
    /// The trial's verifiers.
    Verifiers,
    /// A provider that takes no more requests for now.
    RateLimit,
    /// A further request to a model, after one that failed otherwise.
    Retry,
    /// Room in the budget of the run.
    Budget,
    /// Its turn, where only so many trials may use something at once.
    Turn,
    /// Something that older versions did not tell, or newer ones tell.
    #[default]
    #[serde(other)]
    Other,
}

impl Awaited {
    /// Whether it is usually quick, so that one that takes long is stuck. Replies of models are slow by nature.
    pub fn is_usually_quick(self) -> bool {
        matches!(self, Self::Tool | Self::Gym | Self::Verifiers)
    }
}

/// What the schema of a tool is sent without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolChange {
    /// The tool, as the model knows it.
    pub tool: String,
    /// Where each keyword stood: JSON pointers into the schema of its arguments, such as `/properties/key/pattern`.
    pub removed: Vec<String>,
}

/// For people: `create_issue: /properties/key/pattern, /anyOf`.
impl Display for ToolChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.tool, self.removed.join(", "))
    }
}

/// What an attempt without an end used up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialInterrupted {
    /// The trial.
    pub trial: TrialId,
    /// Its scenario.
    pub scenario_id: String,
    /// Its model, as `provider:name`.
    pub model: String,
    /// Model replies in its transcript.
    pub turns: u32,
    /// Tool calls there that were answered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tool_calls: u32,
    /// Milliseconds of those replies and calls.
    #[serde(default, skip_serializing_if = "is_no_time")]
    pub took_ms: u64,
    /// Tokens of the replies.
    #[serde(default)]
    pub usage: Usage,
    /// Tokens of judges.
    #[serde(default, skip_serializing_if = "Usage::is_unknown")]
    pub judge_usage: Usage,
    /// What both cost, with a call of unknown cost where one may have been under way.
    pub cost: Cost,
}

/// The small facts of a finished trial: enough for every total.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialFinished {
    /// The trial.
    pub trial: TrialId,
    /// Its scenario.
    pub scenario_id: String,
    /// Its model, as `provider:name`.
    pub model: String,
    /// From 1.
    pub repetition: u32,
    /// The attempt that counts; 0 if none was made, because its model had been given up.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// What the same trial had ended in before a resume tried it again; that end counts no more since the runner
    /// began again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Outcome>,
    /// Why, in one line, where the outcome alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Verifiers that were true.
    pub verifiers_passed: u32,
    /// Verifiers of the scenario.
    pub verifiers_total: u32,
    /// Model replies.
    pub turns: u32,
    /// Tool calls.
    pub tool_calls: u32,
    /// How often a replay went otherwise than its recording.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub drift: u32,
    /// Tokens of the attempt that counts.
    #[serde(default)]
    pub usage: Usage,
    /// Tokens of the attempts before it.
    #[serde(default, skip_serializing_if = "Usage::is_unknown")]
    pub retried_usage: Usage,
    /// What else the attempts before it took; not in `turns`, `tool_calls` and `took_ms`.
    #[serde(default, skip_serializing_if = "TriedAgain::is_nothing")]
    pub tried_again: TriedAgain,
    /// Tokens of judges, in all attempts; in neither of the two above.
    #[serde(default, skip_serializing_if = "Usage::is_unknown")]
    pub judge_usage: Usage,
    /// What all attempts cost together, judges included; none in journals of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Wall-clock milliseconds of the attempt that counts.
    pub took_ms: u64,
    /// `trials/<id>.json`.
    pub record: FileRef,
    /// `trials/<id>.jsonl`.
    pub transcript: FileRef,
}

/// How requests reach a server over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Connections {
    /// Over connections that are kept alive, and shared by the trials.
    KeptAlive,
    /// Over a new one each: on a connection that was kept alive, the server answered late or not at all.
    PerRequest,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_no_time(ms: &u64) -> bool {
    *ms == 0
}

impl Event {
    /// The trial it is about, if it is about one.
    pub fn trial(&self) -> Option<&TrialId> {
        match self {
            Self::RunStarted { .. }
            | Self::PlanChanged(_)
            | Self::GymReached { .. }
            | Self::ModelGivenUp { .. }
            | Self::PaceChanged { .. }
            | Self::ToolSchemasAdjusted { .. } => None,
            Self::TrialStarted { trial, .. }
            | Self::DatabaseNamed { trial, .. }
            | Self::DatabaseRemoved { trial, .. }
            | Self::TrialWaiting { trial, .. }
            | Self::TrialRetried { trial, .. } => Some(trial),
            Self::TrialInterrupted(interrupted) => Some(&interrupted.trial),
            Self::TrialFinished(finished) => Some(&finished.trial),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_line_is_flat_and_named() {
        let event = Event::TrialStarted {
            trial: "a~oracle~1".parse().unwrap(),
            attempt: 1,
        };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(
            line,
            r#"{"event":"trial_started","trial":"a~oracle~1","attempt":1}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    #[test]
    fn waits_of_older_and_newer_versions_are_read() {
        let older = r#""trial":"a~oracle~1","waiting_for":"reply of x","waited_ms":1000,"then":"given up after 60 s""#;
        let read = |kind: &str| {
            let line = format!(r#"{{"event":"trial_waiting",{kind}{older}}}"#);
            match serde_json::from_str(&line).unwrap() {
                Event::TrialWaiting { kind, then_in_ms, .. } => (kind, then_in_ms),
                event => panic!("{event:?}"),
            }
        };
        assert_eq!(read(""), (Awaited::Other, None));
        assert_eq!(read(r#""kind":"moonrise","#), (Awaited::Other, None));
        assert_eq!(
            read(r#""kind":"rate_limit","then_in_ms":5,"#),
            (Awaited::RateLimit, Some(5))
        );
    }
}
