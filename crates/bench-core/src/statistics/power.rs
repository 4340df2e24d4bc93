//! What a comparison can see, and what it would take to see more.
//!
//! From the interval that was found: its half width is z standard errors, and a difference is found four times out of
//! five if it is 2.80 of them. More scenarios make the error smaller without end. More repetitions only take away what
//! the same scenario varies from try to try; what differs between scenarios stays.

use serde::Serialize;

use super::paired::Pair;
use super::{Interval, SIGNIFICANCE, moments, number, quantile};

/// With fewer scenarios that differ than this, chance explains anything: 2 / 2⁵ is more than 5 %, so it takes 6 for one
/// comparison, and more where several are looked at together.
pub(super) fn least_that_differ(comparisons: usize) -> u32 {
    let ways = 2.0 * number(comparisons.max(1)) / SIGNIFICANCE;
    (1..64)
        .find(|n| 2.0_f64.powi(*n) >= ways)
        .map_or(64, i32::unsigned_abs)
}

/// The smallest true difference that would be found four times out of five, among so many comparisons.
pub(super) fn detectable(interval: Interval, comparisons: usize) -> f64 {
    interval.half_width() * quantile::z_with_power(comparisons) / quantile::z()
}

/// What would find a difference four times out of five.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Needed {
    /// The difference that would be found: the one that was seen, or 5 points where none was.
    pub difference: f64,
    /// Scenarios in all, with as many repetitions as now.
    pub scenarios: u64,
    /// Repetitions in all of each scenario with each model, with the scenarios there are.
    pub repetitions: Repetitions,
}

/// Whether more repetitions alone would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Repetitions {
    /// So many for each scenario and model.
    Suffice(u64),
    /// No number of them: the scenarios differ too much from each other, or are too few.
    NeverSuffice,
    /// The data do not say: no scenario has two trials of each model, or nothing varies yet.
    Unknown,
}

/// What was seen, and among how many comparisons.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// The scenarios.
    pub(super) pairs: &'a [Pair],
    /// The smallest difference that would be found now.
    pub(super) detectable: f64,
    /// Scenarios in which the two differ.
    pub(super) differ: u32,
    /// Comparisons that are looked at together.
    pub(super) comparisons: usize,
}

/// What it takes to find `difference`, from what was seen.
pub(super) fn needed(seen: Seen<'_>, difference: f64) -> Needed {
    let least = least_that_differ(seen.comparisons);
    let ratio = (seen.detectable / difference).powi(2);
    let factor = if seen.differ < least {
        ratio.max(f64::from(least) / f64::from(seen.differ.max(1)))
    } else {
        ratio
    };
    let now = seen.pairs.len();
    let scenarios = whole(number(now) * factor).max(now as u64 + 1);
    Needed {
        difference,
        scenarios: scenarios.max(u64::from(least)),
        repetitions: repetitions(seen.pairs, ratio, least),
    }
}

fn repetitions(pairs: &[Pair], ratio: f64, least: u32) -> Repetitions {
    if pairs.len() < least as usize {
        return Repetitions::NeverSuffice;
    }
    let Some(within) = share_within(pairs) else {
        return Repetitions::Unknown;
    };
    let (between, target) = (1.0 - within, 1.0 / ratio);
    if target <= between {
        return Repetitions::NeverSuffice;
    }
    let now = repetitions_now(pairs);
    Repetitions::Suffice(whole(now * within / (target - between)).max(whole(now) + 1))
}

/// The share of the variance between scenarios' differences that is only try-to-try variation: from 0 to 1.
fn share_within(pairs: &[Pair]) -> Option<f64> {
    let differences: Vec<f64> = pairs.iter().map(Pair::difference).collect();
    let (_, variance) = moments(&differences);
    let each: Vec<f64> = pairs.iter().filter_map(Pair::variance_within).collect();
    if each.len() * 2 <= pairs.len() || variance <= 1e-14 {
        return None;
    }
    let (within, _) = moments(&each);
    Some((within / variance).min(1.0))
}

/// Harmonic mean of the numbers of trials, over scenarios and both models.
fn repetitions_now(pairs: &[Pair]) -> f64 {
    number(pairs.len()) / pairs.iter().map(Pair::inverse_trials).sum::<f64>()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates; all of them are positive"
)]
fn whole(value: f64) -> u64 {
    // What is whole but for rounding is not rounded up.
    (value - 1e-9).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_are_compared_the_more_must_differ() {
        let least = [0, 1, 2, 3, 6, 7, 12, 13].map(least_that_differ);
        assert_eq!(least, [6, 6, 7, 7, 8, 9, 9, 10]);
        for comparisons in 1..200 {
            let least = least_that_differ(comparisons);
            let chance = |n: u32| number(comparisons) * 2.0 / f64::from(2_u32.pow(n));
            assert!(chance(least) <= SIGNIFICANCE && chance(least - 1) > SIGNIFICANCE);
        }
    }
}
