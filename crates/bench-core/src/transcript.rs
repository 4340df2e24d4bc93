//! Transcripts: everything said in a trial, one entry a line in `trials/<id>.jsonl`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::outcome::Verdict;
use crate::price::Usd;
use crate::steps::Checked;
use crate::usage::Usage;

/// One line of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When it was said.
    pub at: DateTime<Utc>,
    /// What was said.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What was said in a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Entry {
    /// An attempt began; what stands above belongs to an earlier one.
    Attempt {
        /// From 1.
        attempt: u32,
    },
    /// The system prompt.
    System {
        /// Its text.
        text: String,
    },
    /// A prompt.
    User {
        /// Which one, from 0.
        prompt: usize,
        /// Its text.
        text: String,
    },
    /// A model reply.
    Assistant {
        /// From 1, over all prompts.
        turn: u32,
        /// What it said, empty if it only called tools.
        #[serde(default)]
        text: String,
        /// Its reasoning, as far as the provider shows it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reasoning: String,
        /// The tools it called.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
        /// Why it stopped, in the provider's word.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        stop_reason: String,
        /// The version of the model that answered, where the provider says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        served_by: Option<String>,
        /// The provider's id of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        /// Tokens of this reply.
        #[serde(default)]
        usage: Usage,
        /// What this reply cost; none where that is not known, and for models that cost nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_usd: Option<Usd>,
        /// Requests before it, for the same turn, that came to nothing and may have been paid. Each has its own [`Entry::Lost`].
        #[serde(default, skip_serializing_if = "is_none")]
        unknown_calls: u32,
        /// Wall-clock milliseconds of the request that succeeded.
        took_ms: u64,
        /// Of those, until the first piece of the turn came; unknown for a reply that came whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_token_ms: Option<u64>,
        /// The assistant's turn as the provider sent it.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        raw: Value,
    },
    /// A request came to nothing, and may have to be paid. Stands before the next request, so that it outlives this process.
    Lost {
        /// Its tokens, where the answer counts them all the same.
        #[serde(default, skip_serializing_if = "Usage::is_unknown")]
        usage: Usage,
        /// What it cost, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_usd: Option<Usd>,
    },
    /// What a tool answered.
    ToolResult {
        /// The reply that called it.
        turn: u32,
        /// Id of the call.
        call_id: String,
        /// Name of the tool.
        tool: String,
        /// Gym that offers it; empty for a tool that nobody offers.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        gym: String,
        /// Whether it failed: a tool error, an unknown tool, bad arguments, a deadline.
        is_error: bool,
        /// The text, whole.
        text: String,
        /// Structured content, where the server sent it.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        structured: Value,
        /// Bytes that the model did not see because the result was over the limit.
        #[serde(default, skip_serializing_if = "is_zero")]
        cut_bytes: usize,
        /// Wall-clock milliseconds.
        took_ms: u64,
    },
    /// What verifiers say after a step, where that is something else than before; only in runs that look at them each
    /// time.
    Checked {
        /// The tool call, from 1 over all prompts; 0 before the first one.
        step: u32,
        /// Those that changed.
        changes: Vec<Checked>,
    },
    /// A judge is about to be asked, after the conversation.
    JudgeAsked {
        /// Which of the scenario's verifiers asks, from 0.
        verifier: usize,
        /// Its name.
        name: String,
        /// The judge, as `provider:name`.
        model: String,
        /// What it is told.
        text: String,
    },
    /// What a judge replied.
    JudgeReplied {
        /// Which of the scenario's verifiers asked, from 0.
        verifier: usize,
        /// What it said.
        #[serde(default)]
        text: String,
        /// Its reasoning, as far as the provider shows it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reasoning: String,
        /// Why it stopped, in the provider's word.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        stop_reason: String,
        /// The model version that answered, where the provider says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        served_by: Option<String>,
        /// The provider's id of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        /// Tokens of this reply.
        #[serde(default)]
        usage: Usage,
        /// What this reply cost; none where that is not known, and for judges that cost nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_usd: Option<Usd>,
        /// Requests before it that broke off and may have been paid.
        #[serde(default, skip_serializing_if = "is_none")]
        unknown_calls: u32,
        /// Wall-clock milliseconds of the request that succeeded.
        took_ms: u64,
    },
    /// What a verifier said.
    Verdict(Verdict),
    /// Something the runner did that explains what follows: a wait, a retry, a limit.
    Note {
        /// What.
        text: String,
    },
}

/// A tool call of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Its arguments; a text if the model did not write valid JSON.
    pub arguments: Value,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_none(n: &u32) -> bool {
    *n == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(n: &usize) -> bool {
    *n == 0
}
