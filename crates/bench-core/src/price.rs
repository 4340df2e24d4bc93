//! What model calls cost: prices per million tokens, US dollars, and sums that say what they do not know.
//!
//! | part | what it is |
//! |---|---|
//! | [`Usd`] | an amount, exact to a millionth of a millionth of a dollar: sums have no rounding |
//! | [`Price`] | what a model's tokens cost, and who says so |
//! | [`Cost`] | what is known of a cost, and how many calls it is not known of |
//! | [`table`] | the built-in price table, and files of the same form |
//!
//! An unknown price is unknown, never 0; so is a call whose tokens nobody counted.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::usage::Usage;

pub mod table;

/// Millionths of millionths of a dollar in a dollar.
const PICO: f64 = 1e12;
/// The same in a millionth of a dollar: a price per million tokens, times this, is one per token.
const PICO_PER_MILLION: f64 = 1e6;

/// US dollars. Never negative; a sum that is too large stays at the largest.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(from = "f64", into = "f64")]
pub struct Usd(u64);

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// What is left after `other` is taken away; nothing if that is more.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, n: u32) -> Self {
        Self(self.0.saturating_mul(n.into()))
    }
}

impl From<f64> for Usd {
    /// Rounded to the nearest millionth of a millionth. What is no amount is nothing.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and what is below zero is nothing"
    )]
    fn from(dollars: f64) -> Self {
        Self((dollars * PICO).round() as u64)
    }
}

impl From<Usd> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 9000 dollars")]
    fn from(amount: Usd) -> Self {
        amount.0 as Self / PICO
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Usd {
    /// `$12.34`, `$0.0123`, `$0.0000042`: cents from a dollar on, below that at least two digits that say something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = f64::from(*self);
        if self.0 == 0 {
            return f.write_str("$0");
        }
        let mut digits = if dollars >= 1.0 { 2 } else { 4 };
        let mut least = 0.001;
        while dollars < least && digits < 12 {
            digits += 1;
            least /= 10.0;
        }
        write!(f, "${dollars:.digits$}")
    }
}

/// What the tokens of a model cost, in US dollars per million, and who says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Input and output.
    #[serde(flatten)]
    pub rates: Rates,
    /// Other rates for requests with a long input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongRates>,
    /// Where the price stands: an address, or a file.
    pub source: String,
    /// The day on which it stood there, as `2026-11-22`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Input that neither came from a cache nor was written to one.
    pub input: f64,
    /// Input from a cache; as other input without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Input that was written to a cache; as other input without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// Output, reasoning included.
    pub output: f64,
}

/// The rates of requests with a long input: for all tokens of such a request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LongRates {
    /// They hold for requests with more input tokens than that.
    pub above_input_tokens: u64,
    /// The rates.
    #[serde(flatten)]
    pub rates: Rates,
}

impl Price {
    /// What a request cost; `None` if its tokens were not counted.
    pub fn of(&self, usage: &Usage) -> Option<Usd> {
        self.of_calls(usage, 1)
    }

    /// What so many requests cost together; `None` if their tokens were not counted. Whether they have a long input is
    /// told by their mean.
    pub fn of_calls(&self, usage: &Usage, calls: u32) -> Option<Usd> {
        let (input, output) = (usage.input_tokens?, usage.output_tokens?);
        let rates = match &self.long {
            Some(long) if input / u64::from(calls.max(1)) > long.above_input_tokens => &long.rates,
            _ => &self.rates,
        };
        // A provider that counts more from the cache than there was is not believed.
        let cached = usage.cached_tokens.unwrap_or(0).min(input);
        let written = usage.cache_write_tokens.unwrap_or(0).min(input - cached);
        let cost = per_token(rates.input) * u128::from(input - cached - written)
            + per_token(rates.cached_input.unwrap_or(rates.input)) * u128::from(cached)
            + per_token(rates.cache_write.unwrap_or(rates.input)) * u128::from(written)
            + per_token(rates.output) * u128::from(output);
        Some(Usd(u64::try_from(cost).unwrap_or(u64::MAX)))
    }
}

/// Millionths of millionths of a dollar for one token.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates, and what is below zero is nothing"
)]
fn per_token(dollars_per_million: f64) -> u128 {
    (dollars_per_million * PICO_PER_MILLION).round() as u128
}

/// What calls cost, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cost {
    /// The calls whose cost is known, together.
    pub usd: Usd,
    /// Calls whose cost is not known: without a price, without a count of tokens, or cut off before they were answered.
    pub unknown_calls: u32,
}

impl Cost {
    /// Calls of unknown cost.
    pub fn unknown(calls: u32) -> Self {
        Self {
            usd: Usd::ZERO,
            unknown_calls: calls,
        }
    }

    /// One call.
    pub fn of_call(usd: Option<Usd>) -> Self {
        match usd {
            Some(usd) => Self {
                usd,
                unknown_calls: 0,
            },
            None => Self::unknown(1),
        }
    }

    /// What was added to an earlier sum.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            usd: self.usd.saturating_sub(earlier.usd),
            unknown_calls: self.unknown_calls.saturating_sub(earlier.unknown_calls),
        }
    }

    /// Whether nothing was paid and nothing is unknown.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// In a few characters: `$1.20`, `≥ $1.20`, `unknown`.
    pub fn brief(&self) -> String {
        match (self.usd, self.unknown_calls) {
            (usd, 0) => usd.to_string(),
            (Usd::ZERO, _) => "unknown".to_owned(),
            (usd, _) => format!("≥ {usd}"),
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.usd += other.usd;
        self.unknown_calls = self.unknown_calls.saturating_add(other.unknown_calls);
    }
}

impl fmt::Display for Cost {
    /// `$1.20`, `≥ $1.20 + 2 calls of unknown cost`, `unknown (2 calls)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = if self.unknown_calls == 1 { "call" } else { "calls" };
        match (self.usd, self.unknown_calls) {
            (usd, 0) => usd.fmt(f),
            (Usd::ZERO, n) => write!(f, "unknown ({n} {calls})"),
            (usd, n) => write!(f, "≥ {usd} + {n} {calls} of unknown cost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(input: f64, cached_input: Option<f64>, cache_write: Option<f64>, output: f64) -> Price {
        Price {
            rates: Rates {
                input,
                cached_input,
                cache_write,
                output,
            },
            long: None,
            source: "test".into(),
            date: None,
        }
    }

    fn usage(input: u64, cached: u64, written: u64, output: u64) -> Usage {
        Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            cached_tokens: Some(cached),
            cache_write_tokens: Some(written),
            ..Usage::default()
        }
    }

    #[test]
    fn every_kind_of_token_has_its_rate() {
        let all = price(3.0, Some(0.3), Some(3.75), 15.0);
        // 1000 × 3 + 500 × 0.3 + 200 × 3.75 + 100 × 15 = 3000 + 150 + 750 + 1500 millionths
        assert_eq!(all.of(&usage(1700, 500, 200, 100)), Some(Usd::from(0.0054)));
        let plain = price(3.0, None, None, 15.0);
        assert_eq!(
            plain.of(&usage(1700, 500, 200, 100)),
            Some(Usd::from(0.0066)),
            "never too little"
        );
        assert_eq!(
            all.of(&usage(10, 50, 50, 0)),
            Some(Usd::from(0.000_003)),
            "no more than there was"
        );
        assert_eq!(
            price(0.0375, None, None, 0.15).of(&usage(1, 0, 0, 0)),
            Some(Usd::from(0.000_000_037_5))
        );
    }

    #[test]
    fn long_inputs_have_rates_of_their_own() {
        let long = LongRates {
            above_input_tokens: 200,
            rates: price(2.5, None, None, 15.0).rates,
        };
        let price = Price {
            long: Some(long),
            ..price(1.25, None, None, 10.0)
        };
        assert_eq!(price.of(&usage(200, 0, 0, 1)), Some(Usd::from(0.000_26)));
        assert_eq!(price.of(&usage(201, 0, 0, 1)), Some(Usd::from(0.000_517_5)));
        let text = serde_json::to_string(&price).unwrap();
        assert_eq!(serde_json::from_str::<Price>(&text).unwrap(), price, "{text}");
    }

    #[test]
    fn uncounted_tokens_have_no_cost_instead_of_none() {
        let price = price(3.0, None, None, 15.0);
        let half = Usage {
            input_tokens: Some(5),
            ..Usage::default()
        };
        assert_eq!(price.of(&half), None);
        assert_eq!(price.of(&Usage::default()), None);
        let mut cost = Cost::of_call(price.of(&half));
        cost += Cost::of_call(Some(Usd::from(1.2)));
        cost += Cost::of_call(None);
        assert_eq!(cost.to_string(), "≥ $1.20 + 2 calls of unknown cost");
        assert_eq!(
            (cost.brief(), Cost::unknown(1).brief()),
            ("≥ $1.20".into(), "unknown".into())
        );
        assert_eq!(Cost::unknown(1).to_string(), "unknown (1 call)");
        assert_eq!(Cost::default().to_string(), "$0");
    }

    #[test]
    fn sums_are_exact_and_survive_json() {
        let dime: Usd = std::iter::repeat_n(Usd::from(0.1), 30).sum();
        assert_eq!(dime, Usd::from(3.0));
        let amount = Usd::from(1_234.567_890_123_456);
        let text = serde_json::to_string(&amount).unwrap();
        assert_eq!(serde_json::from_str::<Usd>(&text).unwrap(), amount, "{text}");
        assert_eq!(Usd::from(f64::NAN), Usd::ZERO);
        assert_eq!(Usd::from(-1.0), Usd::ZERO);
        assert_eq!(Usd(u64::MAX) + Usd(1), Usd(u64::MAX));
        assert_eq!(Usd::from(1.0).saturating_sub(Usd::from(2.0)), Usd::ZERO);
    }

    #[test]
    fn amounts_are_shown_with_digits_that_say_something() {
        let shown = |dollars: f64| Usd::from(dollars).to_string();
        for (dollars, want) in [
            (1234.5, "$1234.50"),
            (1.0, "$1.00"),
            (0.5, "$0.5000"),
            (0.0123, "$0.0123"),
            (0.000_42, "$0.00042"),
            (0.000_004_2, "$0.0000042"),
            (0.0, "$0"),
        ] {
            assert_eq!(shown(dollars), want);
        }
    }
}
