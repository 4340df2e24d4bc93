//! What a trial used up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokens as the provider reported them, summed. What was not reported stays unknown, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Usage {
    /// All input tokens, those read from or written to a cache included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// All output tokens, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// The part of the input that came from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// The part of the input that was written to a cache, where that has a price of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// The part of the output that was reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// Whether nobody counted anything.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// Input and output together, as far as known; at most the largest number.
    pub fn total(&self) -> u64 {
        let (input, output) = (self.input_tokens.unwrap_or(0), self.output_tokens.unwrap_or(0));
        input.saturating_add(output)
    }
}

impl std::ops::AddAssign for Usage {
    /// A sum that is too large stays at the largest number: providers may say anything.
    fn add_assign(&mut self, other: Self) {
        let add = |a: &mut Option<u64>, b: Option<u64>| {
            *a = match (*a, b) {
                (None, b) => b,
                (a, None) => a,
                (Some(a), Some(b)) => Some(a.saturating_add(b)),
            };
        };
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.output_tokens, other.output_tokens);
        add(&mut self.cached_tokens, other.cached_tokens);
        add(&mut self.cache_write_tokens, other.cache_write_tokens);
        add(&mut self.reasoning_tokens, other.reasoning_tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stay_at_the_largest_number() {
        let most = Usage {
            input_tokens: Some(u64::MAX),
            output_tokens: Some(u64::MAX),
            cached_tokens: Some(u64::MAX),
            cache_write_tokens: Some(u64::MAX),
            reasoning_tokens: Some(u64::MAX),
        };
        let mut sum = most;
        sum += most;
        assert_eq!((sum, sum.total()), (most, u64::MAX));
    }
}
