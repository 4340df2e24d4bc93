//! What ends a trial that does not end by itself.

use serde::{Deserialize, Serialize};

use crate::price::Usd;

/// The limits of one trial. Reaching one gives the outcome `limit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Model replies.
    pub max_turns: u32,
    /// Tool calls, over all prompts; a turn that would exceed it is refused whole.
    pub max_tool_calls: u32,
    /// Wall-clock time of the trial, in seconds, without waits for a rate limit.
    pub max_seconds: f64,
    /// Input and output tokens together, as the provider counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// US dollars for model calls, of each attempt anew. Needs a model with a price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Usd>,
    /// Time for one tool call, in seconds; a progress notification starts it anew.
    pub tool_timeout_seconds: f64,
    /// Time for one tool call whatever it reports, in seconds.
    pub tool_timeout_max_seconds: f64,
    /// Time for one model request, in seconds.
    pub model_timeout_seconds: f64,
    /// The most bytes of one tool result that reach the model; the rest is cut from the middle.
    pub tool_result_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_turns: 200,
            max_tool_calls: 1000,
            max_seconds: 30.0 * 60.0,
            max_tokens: None,
            max_cost: None,
            tool_timeout_seconds: 60.0,
            tool_timeout_max_seconds: 600.0,
            model_timeout_seconds: 600.0,
            tool_result_bytes: 64 * 1024,
        }
    }
}

/// What a scenario or a command line says of the limits; the rest comes from below.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct LimitOverrides {
    /// Model replies in one trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// Tool calls in one trial, over all prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tool_calls: Option<u32>,
    /// Wall-clock seconds of one trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_seconds: Option<f64>,
    /// Input and output tokens of one trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// US dollars for the model calls of one trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub max_cost: Option<Usd>,
    /// Seconds for one tool call, counted anew at each progress notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_timeout_seconds: Option<f64>,
    /// Seconds for one model request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_timeout_seconds: Option<f64>,
    /// Bytes of one tool result that reach the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_result_bytes: Option<usize>,
}

impl LimitOverrides {
    /// Whether nothing is overridden.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `base` with everything replaced that is said here.
    pub fn over(&self, base: &Limits) -> Limits {
        let tool = self.tool_timeout_seconds.unwrap_or(base.tool_timeout_seconds);
        Limits {
            max_turns: self.max_turns.unwrap_or(base.max_turns),
            max_tool_calls: self.max_tool_calls.unwrap_or(base.max_tool_calls),
            max_seconds: self.max_seconds.unwrap_or(base.max_seconds),
            max_tokens: self.max_tokens.or(base.max_tokens),
            max_cost: self.max_cost.or(base.max_cost),
            tool_timeout_seconds: tool,
            tool_timeout_max_seconds: base.tool_timeout_max_seconds.max(tool),
            model_timeout_seconds: self.model_timeout_seconds.unwrap_or(base.model_timeout_seconds),
            tool_result_bytes: self.tool_result_bytes.unwrap_or(base.tool_result_bytes),
        }
    }
}
