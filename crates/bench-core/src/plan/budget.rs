//! What a whole run may use up. Reaching it ends the run; a resume with more goes on.

use serde::{Deserialize, Serialize};

use crate::price::Usd;

/// The budget of a run. What is absent is not bounded.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// US dollars for model calls, of all workers of the run together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Usd>,
    /// Input and output tokens, of all workers of the run together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens_total: Option<u64>,
    /// Wall-clock seconds of each worker of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration_seconds: Option<f64>,
}

impl Budget {
    /// Whether nothing is bounded.
    pub fn is_unbounded(&self) -> bool {
        *self == Self::default()
    }

    /// This budget, and where it is silent the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            max_cost: self.max_cost.or(other.max_cost),
            max_tokens_total: self.max_tokens_total.or(other.max_tokens_total),
            max_duration_seconds: self.max_duration_seconds.or(other.max_duration_seconds),
        }
    }
}
