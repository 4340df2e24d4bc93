//! Comparisons: whether a value satisfies what a verifier expects.
//!
//! The rules, everywhere the same:
//! - numbers compare by value: 1 is 1.0, and integers beyond 2^53 stay exact. Those beyond 64 bits are read
//!   as the nearest fraction: whether two that fall together are equal cannot be told, and is an error;
//! - a text is never a number: `"1"` is not 1;
//! - null equals null only; an order with null is an error, for it means that nothing was found;
//! - an expected `true` or `false` also accepts the numbers 1 and 0, because `SQLite` has no booleans. The
//!   other way round a found `true` is not an expected 1: that differs from the Python tool, where the
//!   two were the same;
//! - lists and objects are equal if all their members are, by these same rules.
//!
//! Names and aliases of the operators lie in [`operator`].

use std::cmp::Ordering;

use regex::RegexBuilder;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use thiserror::Error;

pub mod operator;

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
    /// Two numbers beyond 64 bits that are the same once rounded.
    #[error("cannot tell whether {actual} {operator} {expected}: too large to compare exactly")]
    TooLarge {
        /// The operator's name.
        operator: &'static str,
        /// The actual value, shortened.
        actual: String,
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

impl Comparison {
    /// A comparison that expects this very value.
    pub fn equals(expected: impl Into<Value>) -> Self {
        Self {
            operator: Operator::Equals,
            expected: expected.into(),
        }
    }

    /// Whether `actual` satisfies it.
    ///
    /// A null that should contain or match something does not: a text that is not there is a wrong
    /// answer, while an order with null cannot be told.
    ///
    /// # Errors
    /// [`CompareError`] where neither yes nor no is right: the verdict is then an error.
    pub fn check(&self, actual: &Value) -> Result<bool, CompareError> {
        self.check_with(actual, false)
    }

    /// [`check`](Self::check) without regard to the case of letters.
    pub fn check_ignoring_case(&self, actual: &Value) -> Result<bool, CompareError> {
        if self.operator == Operator::Matches {
            return self.check_with(actual, true);
        }
        let lowered = Self {
            operator: self.operator,
            expected: lower(&self.expected),
        };
        lowered.check_with(&lower(actual), true)
    }

    /// Whether the expected value fits the operator at all: what can be told before anything runs.
    pub fn validate(&self) -> Result<(), CompareError> {
        match self.operator {
            Operator::In => self.list("a list of values").map(|_| ()),
            Operator::Between => self.bounds().map(|_| ()),
            Operator::Matches => self.pattern(false).map(|_| ()),
            Operator::GreaterThan
            | Operator::GreaterThanOrEqual
            | Operator::LessThan
            | Operator::LessThanOrEqual => match &self.expected {
                Value::Number(_) | Value::String(_) => Ok(()),
                _ => Err(self.bad_expected("a number or a text")),
            },
            Operator::Equals | Operator::NotEquals | Operator::Contains | Operator::NotContains => Ok(()),
        }
    }

    fn check_with(&self, actual: &Value, ignore_case: bool) -> Result<bool, CompareError> {
        match self.operator {
            Operator::Equals => self.sure(equal(actual, &self.expected), actual),
            Operator::NotEquals => self
                .sure(equal(actual, &self.expected), actual)
                .map(|equal| !equal),
            Operator::GreaterThan => self.order(actual).map(Ordering::is_gt),
            Operator::GreaterThanOrEqual => self.order(actual).map(Ordering::is_ge),
            Operator::LessThan => self.order(actual).map(Ordering::is_lt),
            Operator::LessThanOrEqual => self.order(actual).map(Ordering::is_le),
            Operator::Contains => self.contained(actual),
            Operator::NotContains => self.contained(actual).map(|found| !found),
            Operator::In => {
                let list = self.list("a list of values")?;
                self.sure(any(list.iter().map(|e| equal(actual, e))), actual)
            }
            Operator::Between => {
                let (low, high) = self.bounds()?;
                let at_least = compare(actual, low).ok_or_else(|| self.unordered(actual))?;
                let at_most = compare(actual, high).ok_or_else(|| self.unordered(actual))?;
                Ok(at_least.is_ge() && at_most.is_le())
            }
            Operator::Matches => {
                let pattern = self.pattern(ignore_case)?;
                match actual {
                    Value::String(text) => Ok(pattern.is_match(text)),
                    Value::Null => Ok(false),
                    _ => Err(self.incomparable(actual)),
                }
            }
        }
    }

    fn order(&self, actual: &Value) -> Result<Ordering, CompareError> {
        self.validate()?;
        compare(actual, &self.expected).ok_or_else(|| self.unordered(actual))
    }

    fn contained(&self, actual: &Value) -> Result<bool, CompareError> {
        match (actual, &self.expected) {
            (Value::String(text), Value::String(part)) => Ok(text.contains(part.as_str())),
            (Value::Array(list), element) => self.sure(any(list.iter().map(|e| equal(e, element))), actual),
            (Value::Null, _) => Ok(false),
            _ => Err(self.incomparable(actual)),
        }
    }

    fn list(&self, needs: &'static str) -> Result<&Vec<Value>, CompareError> {
        self.expected.as_array().ok_or_else(|| self.bad_expected(needs))
    }

    fn bounds(&self) -> Result<(&Value, &Value), CompareError> {
        const NEEDS: &str = "a list [low, high] of two numbers or two texts, low first,";
        match self.list(NEEDS)?.as_slice() {
            [low, high] if compare(low, high).is_some_and(Ordering::is_le) => Ok((low, high)),
            _ => Err(self.bad_expected(NEEDS)),
        }
    }

    fn pattern(&self, ignore_case: bool) -> Result<regex::Regex, CompareError> {
        let Value::String(pattern) = &self.expected else {
            return Err(self.bad_expected("a regular expression"));
        };
        RegexBuilder::new(pattern)
            .case_insensitive(ignore_case)
            .build()
            .map_err(|error| {
                let reason = match &error {
                    // The last line says what is wrong; those before it draw the pattern.
                    regex::Error::Syntax(text) => text.lines().last().unwrap_or_default().to_owned(),
                    other => other.to_string(),
                };
                let reason = reason.strip_prefix("error: ").unwrap_or(&reason).to_owned();
                CompareError::BadPattern {
                    pattern: pattern.clone(),
                    reason,
                }
            })
    }

    fn sure(&self, answer: Option<bool>, actual: &Value) -> Result<bool, CompareError> {
        answer.ok_or_else(|| self.too_large(actual))
    }

    /// Why there is no order: numbers have one, unless it is lost in rounding.
    fn unordered(&self, actual: &Value) -> CompareError {
        let number = match &self.expected {
            Value::Array(bounds) => bounds.iter().all(Value::is_number),
            one => one.is_number(),
        };
        if actual.is_number() && number {
            self.too_large(actual)
        } else {
            self.incomparable(actual)
        }
    }

    fn too_large(&self, actual: &Value) -> CompareError {
        CompareError::TooLarge {
            operator: self.operator.name(),
            actual: shortened(actual),
            expected: shortened(&self.expected),
        }
    }

    fn incomparable(&self, actual: &Value) -> CompareError {
        CompareError::Incomparable {
            operator: self.operator.name(),
            actual: shortened(actual),
            expected: shortened(&self.expected),
        }
    }

    fn bad_expected(&self, needs: &'static str) -> CompareError {
        CompareError::BadExpected {
            operator: self.operator.name(),
            needs,
            expected: shortened(&self.expected),
        }
    }
}

/// Whether a found value equals an expected one, by the rules of this module; none if that depends on numbers
/// too large to compare exactly.
pub fn equal(actual: &Value, expected: &Value) -> Option<bool> {
    match (actual, expected) {
        (Value::Number(a), Value::Number(e)) => compare_numbers(a, e).map(Ordering::is_eq),
        (Value::Number(a), Value::Bool(e)) => {
            compare_numbers(a, &Number::from(u8::from(*e))).map(Ordering::is_eq)
        }
        (Value::Array(a), Value::Array(e)) if a.len() == e.len() => {
            all(a.iter().zip(e).map(|(a, e)| equal(a, e)))
        }
        (Value::Object(a), Value::Object(e)) if a.len() == e.len() => all(e
            .iter()
            .map(|(key, e)| a.get(key).map_or(Some(false), |a| equal(a, e)))),
        (a, e) => Some(a == e),
    }
}

/// Whether all of these answers are yes: one no decides, whatever cannot be told beside it.
pub fn all(answers: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    any(answers.into_iter().map(|answer| answer.map(|yes| !yes))).map(|no| !no)
}

/// Whether one of these answers is yes: one yes decides, whatever cannot be told beside it.
pub fn any(answers: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut found = Some(false);
    for answer in answers {
        match answer {
            Some(true) => return Some(true),
            Some(false) => {}
            None => found = None,
        }
    }
    found
}

/// The order of two numbers or of two texts (by code point); nothing else has one, and no numbers that
/// [`compare_numbers`] cannot tell.
pub(crate) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// By value and exact, also between an integer and a fraction.
///
/// A number beyond 64 bits may be a rounded integer. Rounding keeps what is smaller below what is larger or
/// makes them the same: only then is the order unknown.
fn compare_numbers(a: &Number, b: &Number) -> Option<Ordering> {
    let order = match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => return Some(a.cmp(&b)),
        (Some(a), None) => compare_integer(a, float(b)),
        (None, Some(b)) => compare_integer(b, float(a)).reverse(),
        // A JSON number is never NaN, so an order always exists.
        (None, None) => float(a).partial_cmp(&float(b)).unwrap_or(Ordering::Equal),
    };
    (order.is_ne() || !(rounded(a) || rounded(b))).then_some(order)
}

/// Whether it may have been an integer that 64 bits cannot hold.
fn rounded(number: &Number) -> bool {
    /// 2^63, beyond which a negative integer needs more than 64 bits; exact.
    const LOWEST: f64 = -9_223_372_036_854_775_808.0;
    /// 2^64, below which a positive integer needs no more than 64 bits; exact.
    const HIGHEST: f64 = 18_446_744_073_709_551_616.0;
    number.as_i128().is_none() && !(LOWEST.next_up()..HIGHEST).contains(&float(number))
}

/// `integer` lies within `i64::MIN..=u64::MAX`: a cast of it would round, a cast of the float does not.
fn compare_integer(integer: i128, float: f64) -> Ordering {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates far outside the integer's range"
    )]
    let whole = float.trunc() as i128;
    integer
        .cmp(&whole)
        .then_with(|| 0.0.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal))
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or_default()
}

/// Every text in it in lower case.
fn lower(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.to_lowercase()),
        Value::Array(list) => Value::Array(list.iter().map(lower).collect()),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), lower(v))).collect()),
        other => other.clone(),
    }
}

/// As JSON, cut after 80 characters: for messages.
pub(crate) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
