//! The record of a finished trial: `trials/<id>.json`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drift::Drift;
use crate::id::TrialId;
use crate::outcome::{Outcome, Verdict};
use crate::price::Cost;
use crate::steps::Timeline;
use crate::usage::Usage;

/// Version of this form.
pub const FORMAT: u32 = 1;

/// Everything about a finished trial but its transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Version of this form, now 1.
    pub format: u32,
    /// The trial.
    pub trial: TrialId,
    /// Its scenario.
    pub scenario_id: String,
    /// Its model, as `provider:name`.
    pub model: String,
    /// From 1.
    pub repetition: u32,
    /// The attempt that counts, from 1; 0 if none was made, because its model had been given up.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where the outcome alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What each verifier said, in the scenario's order.
    pub verdicts: Vec<Verdict>,
    /// The final answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Model replies.
    pub turns: u32,
    /// Tool calls, failed ones included.
    pub tool_calls: u32,
    /// Tool calls that failed.
    pub tool_errors: u32,
    /// Expected tools that were not called: reported, never scored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_tools_missed: Vec<String>,
    /// Where a replay went otherwise than its recording.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// What its verifiers said step by step; none where a run did not look at them each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
    /// Tokens of the attempt that counts; those of the recording for a replay, which pays none.
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
    /// What all attempts cost together, judges included; none in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The gyms it acted on.
    #[serde(default)]
    pub gyms: Vec<GymUse>,
    /// When the attempt that counts began.
    pub started_at: DateTime<Utc>,
    /// When its outcome was known.
    pub completed_at: DateTime<Utc>,
    /// Wall-clock milliseconds between the two, by a clock that never jumps.
    pub took_ms: u64,
}

/// What attempts took that do not count, because their trial was tried again. Their tokens and their cost were paid, and are
/// told with those of the attempt that counts; these are not, because they say nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TriedAgain {
    /// Model replies.
    pub turns: u32,
    /// Tool calls.
    pub tool_calls: u32,
    /// Wall-clock milliseconds.
    pub took_ms: u64,
}

impl TriedAgain {
    /// Nothing was tried again, or came so far that it took anything.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Adds an attempt that does not count.
    pub fn add(&mut self, attempt: &TrialRecord) {
        self.turns = self.turns.saturating_add(attempt.turns);
        self.tool_calls = self.tool_calls.saturating_add(attempt.tool_calls);
        self.took_ms = self.took_ms.saturating_add(attempt.took_ms);
    }
}

/// A gym as one trial used it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GymUse {
    /// Key of the gym.
    pub gym: String,
    /// MCP protocol version that was spoken, such as `2025-11-25`.
    pub protocol: String,
    /// Value of the `x-database-id` header, for gyms that have databases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_id: Option<String>,
}

/// A file of the run folder, by length and content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileRef {
    /// Bytes.
    pub len: u64,
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
}
