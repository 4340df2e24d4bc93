//! Comparisons: whether a value satisfies what a verifier expects.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// How an actual value is compared with the expected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operator {
    /// By value: 1 is 1.0, `"1"` is not 1.
    Equals,
    /// The opposite of `equals`.
    NotEquals,
    /// Numbers by value, texts by code point.
    GreaterThan,
    /// Numbers by value, texts by code point.
    GreaterThanOrEqual,
    /// Numbers by value, texts by code point.
    LessThan,
    /// Numbers by value, texts by code point.
    LessThanOrEqual,
    /// A text contains a text, a list contains an equal element.
    Contains,
    /// The opposite of `contains`.
    NotContains,
    /// Equal to one element of the expected list.
    In,
    /// Within `[low, high]`, both included.
    Between,
    /// The text matches a regular expression anywhere (anchor with `^` and `$`).
    Matches,
}

/// An operator with its right-hand side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// How to compare.
    pub operator: Operator,
    /// What the actual value is compared with.
    pub expected: Value,
}

/// Why two values cannot be compared: the verdict is then an error, not "false".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompareError {
    /// Such as a number with a list, or null with an order.
    #[error("cannot tell whether {actual} {operator} {expected}")]
    Incomparable {
        /// The operator's name.
        operator: &'static str,
        /// The actual value, shortened.
        actual: String,
        /// The expected value, shortened.
        expected: String,
    },
    /// The expected value does not fit the operator.
    #[error("`{operator}` needs {needs} to compare with, not {expected}")]
    BadExpected {
        /// The operator's name.
        operator: &'static str,
        /// What it needs.
        needs: &'static str,
        /// The expected value, shortened.
        expected: String,
    },
    /// The regular expression does not compile.
    #[error("the pattern `{pattern}` is not a regular expression: {reason}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What the compiler said.
        reason: String,
    },
}
