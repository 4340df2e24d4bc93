//! What results say, and how sure they are: rates with intervals, comparisons with a verdict.
//!
//! A model is asked to solve *scenarios*, each one or more times. Repetitions of a scenario are alike, so they are
//! a cluster: a hundred repetitions of one scenario say much about it and little about the next. Whatever is said
//! here of a model as a whole treats the scenarios as the sample.
//!
//! | part | what it holds |
//! |---|---|
//! | [`Tally`], [`Interval`] | passed of how many; a range that covers the truth 19 times out of 20 |
//! | [`wilson`] | the interval of a plain rate |
//! | [`repeated`] | pass@k, pass^k, flakiness of scenarios that were tried more than once |
//! | [`mean()`] | the rate of a model over its scenarios, with scenarios as clusters |
//! | [`paired`] | two models on the same scenarios: difference, interval, test, verdict, what is still needed |
//! | [`holm()`] | many comparisons at once |
//! | [`model`] | all of it for each model of a [`Session`](crate::session::Session) |
//!
//! Errored, unscored and cancelled trials are in no tally; `limit` counts as not passed. Everything is a pure function:
//! where numbers are drawn at random, the seed is fixed. Formulas, sources and measured coverage are in
//! `docs/statistics.md`; the tests compare with `SciPy` and `statsmodels`.

use schemars::JsonSchema;
use serde::Serialize;

mod bootstrap;
pub mod holm;
pub mod mean;
pub mod model;
pub mod paired;
mod power;
mod quantile;
pub mod repeated;
mod tango;
mod test;
pub mod wilson;

pub use holm::holm;
pub use mean::{Mean, mean};
pub use model::ModelStatistics;
pub use paired::{Comparison, Pair, Verdict, compare};
pub use power::{Needed, Repetitions};
pub use test::{Method, Test, mcnemar, sign_flips};

/// The share of intervals that cover the truth.
pub const CONFIDENCE: f64 = 0.95;
/// The chance to call two equal models different that is accepted.
pub const SIGNIFICANCE: f64 = 0.05;
/// With fewer scenarios than this, intervals are flagged.
pub const FEW_SCENARIOS: u32 = 100;
/// With fewer scenarios than this on either side (passed, not passed), intervals are flagged.
pub const FEW_ON_A_SIDE: f64 = 10.0;

/// How often something held, of those trials that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// How often it held; at most `trials`.
    pub passed: u32,
    /// Trials that count.
    pub trials: u32,
}

impl Tally {
    /// Passed of trials; more than all is all.
    pub fn new(passed: u32, trials: u32) -> Self {
        Self {
            passed: passed.min(trials),
            trials,
        }
    }

    /// The share that passed; none without a trial.
    pub fn rate(self) -> Option<f64> {
        (self.trials > 0).then(|| f64::from(self.passed) / f64::from(self.trials))
    }
}

/// A range that covers the true value in [`CONFIDENCE`] of all benchmarks like this one. Never of zero width.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether a value lies in it; its ends do.
    pub fn covers(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Half of its width.
    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "no benchmark has 2^53 scenarios")]
fn number(count: usize) -> f64 {
    count as f64
}

/// Mean and sample variance (divided by n − 1; 0 for a single value).
fn moments(values: &[f64]) -> (f64, f64) {
    let n = number(values.len());
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, 0.0);
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (n - 1.0))
}

/// Below this, differences are those of rounding.
const NOTHING: f64 = 1e-14;

/// How many independent trials would say as much: `spread / variance`, where `spread` is the variance of one trial and
/// `variance` the squared standard error that was seen.
///
/// Without any variance nothing is known of repetitions, and the scenarios alone count. A variance below half of what
/// independent trials have is luck and is not believed. Few clusters know their variance badly: Korn and Graubard's
/// (z/t)² makes up for it.
fn effective(spread: f64, variance: f64, scenarios: usize, independent: f64) -> f64 {
    let clusters = number(scenarios);
    let Some(t) = quantile::t(scenarios.saturating_sub(1)) else {
        return independent;
    };
    let seen = if variance > NOTHING && spread > NOTHING {
        (spread / variance).min(2.0 * independent)
    } else {
        clusters
    };
    seen * (quantile::z() / t).powi(2)
}

/// Values that `SciPy` and `statsmodels` gave (`tests/reference/statistics.py`); the public ones are compared in `tests/it`.
#[cfg(test)]
fn reference(part: &str) -> Vec<serde_json::Value> {
    let text = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/reference/statistics.json"
    ));
    let mut values: serde_json::Value = serde_json::from_str(text).unwrap();
    serde_json::from_value(values[part].take()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_a_trial() {
        assert_eq!(Tally::new(0, 0).rate(), None);
        assert_eq!(Tally::new(9, 4).rate(), Some(1.0));
    }

    #[test]
    fn equal_rates_count_as_scenarios_whatever_rounding_says() {
        let thirds = vec![1.0 / 3.0; 30];
        let (_, variance) = moments(&thirds);
        let with_rounding = effective(2.0 / 9.0, variance / 30.0, 30, 90.0);
        assert!((with_rounding - effective(2.0 / 9.0, 0.0, 30, 90.0)).abs() < 1e-9);
        assert!(with_rounding < 30.0);
    }
}
