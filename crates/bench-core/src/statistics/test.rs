//! Could two equal models differ so much by chance? The test of a verdict: it holds with any number of scenarios.
//!
//! If two models are the same, each scenario's difference could as well have had the other sign. So the sum that was
//! seen is compared with the sums of all ways to choose the signs. With one repetition a scenario differs by one or not
//! at all, and this is the exact test of `McNemar` (1947).

use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF};

/// Sums are counted out exactly up to this many steps; beyond, signs are drawn.
const MOST_STEPS: u64 = 50_000_000;
/// And only up to this many different sums, each of which takes 8 bytes.
const MOST_SUMS: u64 = 2_000_000;
/// How often signs are drawn.
const DRAWS: u32 = 20_000;
/// Where the draws begin.
const SEED: u64 = 0x5197_f11b;

/// How a p-value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// Exact test of `McNemar`: single repetitions of all scenarios, with which each differs by one or not at all.
    McNemar,
    /// All ways to choose signs.
    SignFlips,
    /// 20,000 drawn ways to choose signs, with a fixed seed: too many to count them out.
    SampledSignFlips,
}

/// The chance to see a difference at least as large, in either direction, between two equal models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Test {
    /// How it was found.
    pub method: Method,
    /// From 0 to 1.
    pub p_value: f64,
    /// Scenarios in which the second did better.
    pub gained: u32,
    /// Scenarios in which the second did worse.
    pub lost: u32,
}

/// The exact test of `McNemar`, two-sided: of `gained + lost` pairs that differ, each is a toss of a coin.
pub fn mcnemar(gained: u32, lost: u32) -> f64 {
    let differ = u64::from(gained) + u64::from(lost);
    let fewer = u64::from(gained.min(lost));
    Binomial::new(0.5, differ).map_or(1.0, |tosses| (2.0 * tosses.cdf(fewer)).min(1.0))
}

/// The sign-flip test of whole differences: those of the scenarios' rates, times what makes all of them whole.
pub fn sign_flips(differences: &[i64]) -> Test {
    flips(differences, 0)
}

/// The same; with `slack`, differences are rounded, and sums so near to each other are equal.
pub(super) fn flips(differences: &[i64], slack: u64) -> Test {
    let sizes: Vec<u64> = differences
        .iter()
        .map(|d| d.unsigned_abs())
        .filter(|d| *d > 0)
        .collect();
    let count = |sign: i64| differences.iter().filter(|d| d.signum() == sign).count();
    let gained_by = differences
        .iter()
        .filter(|d| **d > 0)
        .map(|d| d.unsigned_abs())
        .sum::<u64>();
    let total: u64 = sizes.iter().sum();
    let further = gained_by.max(total - gained_by).saturating_sub(slack);
    let steps = total.saturating_mul(sizes.len() as u64);
    let (method, p_value) = if steps <= MOST_STEPS && total <= MOST_SUMS && slack == 0 {
        let single = sizes.iter().all(|size| *size == 1);
        let method = if single {
            Method::McNemar
        } else {
            Method::SignFlips
        };
        (method, counted(&sizes, total, further))
    } else {
        (Method::SampledSignFlips, drawn(&sizes, total, further))
    };
    Test {
        method,
        p_value,
        gained: u32::try_from(count(1)).unwrap_or(u32::MAX),
        lost: u32::try_from(count(-1)).unwrap_or(u32::MAX),
    }
}

/// Twice the chance that a random choice of `sizes` sums up to `further` or more.
fn counted(sizes: &[u64], total: u64, further: u64) -> f64 {
    // The chance of each sum: one more scenario moves half of it up by its size.
    let Ok(length) = usize::try_from(total + 1) else {
        return 1.0;
    };
    let mut chances = vec![0.0_f64; length];
    chances[0] = 1.0;
    let mut reached = 0;
    for size in sizes.iter().filter_map(|size| usize::try_from(*size).ok()) {
        reached += size;
        for sum in (0..=reached).rev() {
            let moved = if sum >= size { chances[sum - size] } else { 0.0 };
            chances[sum] = f64::midpoint(chances[sum], moved);
        }
    }
    let tail: f64 = usize::try_from(further).map_or(0.0, |at| chances[at..].iter().rev().sum());
    (2.0 * tail).min(1.0)
}

/// The same by drawing; what was seen counts as a draw of its own (Phipson and Smyth 2010), so it is never 0.
fn drawn(sizes: &[u64], total: u64, further: u64) -> f64 {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut as_far: u32 = 1;
    for _ in 0..DRAWS {
        let sum: u64 = sizes.iter().filter(|_| random.bool()).sum();
        as_far += u32::from(sum.max(total - sum) >= further);
    }
    f64::from(as_far) / f64::from(DRAWS + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_repetitions_are_mcnemar() {
        for (gained, lost) in [(0, 0), (1, 0), (5, 15), (7, 1), (6, 0), (40, 61), (3, 3)] {
            let mut differences = vec![1; gained];
            differences.extend(vec![-1; lost]);
            differences.extend([0, 0]);
            let found = sign_flips(&differences);
            let (gained, lost) = (u32::try_from(gained).unwrap(), u32::try_from(lost).unwrap());
            assert_eq!(
                (found.method, found.gained, found.lost),
                (Method::McNemar, gained, lost)
            );
            assert!(
                (found.p_value - mcnemar(gained, lost)).abs() < 1e-12,
                "{gained} {lost}"
            );
        }
    }

    #[test]
    fn five_scenarios_never_suffice_and_six_may() {
        assert!(sign_flips(&[10; 5]).p_value > 0.05);
        assert!((sign_flips(&[10; 6]).p_value - 2.0 / 64.0).abs() < 1e-15);
    }

    #[test]
    fn drawing_comes_near_counting_and_is_the_same_each_time() {
        let sizes: Vec<u64> = (1..40).collect();
        let total: u64 = sizes.iter().sum();
        for further in [total / 2 + 40, total / 2 + 120, total] {
            let (exact, sampled) = (counted(&sizes, total, further), drawn(&sizes, total, further));
            assert!((exact - sampled).abs() < 0.012, "{exact} {sampled}");
            assert!(sampled > 0.0);
        }
        let again = || drawn(&sizes, total, total / 2 + 40).to_bits();
        assert_eq!(again(), again());
    }

    #[test]
    fn what_cannot_be_counted_out_is_drawn() {
        let large: Vec<i64> = (0..300_i64).map(|i| 5_040 + i).collect();
        let found = sign_flips(&large);
        assert_eq!(found.method, Method::SampledSignFlips);
        assert!(found.p_value < 1e-4);
        // Few scenarios, but of many different sums: 400 MB to count them out.
        let wide = sign_flips(&[50_000_000]);
        assert_eq!(wide.method, Method::SampledSignFlips);
        assert!(wide.p_value > 0.99, "{wide:?}");
    }
}
