//! The score interval of a difference between paired rates (Tango 1998). Like Wilson's for one rate, it asks of each
//! possible difference whether the data would surprise there, instead of measuring the error at the one that was seen:
//! so it has a width even where no pair differs.

use super::{Interval, quantile};

/// Shares of all pairs, and how many pairs those are; need not be whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Discordance {
    /// Passed after, not before.
    pub(super) gained: f64,
    /// Passed before, not after.
    pub(super) lost: f64,
    /// Pairs that say as much.
    pub(super) pairs: f64,
}

/// The interval of `gained − lost`.
pub(super) fn interval(seen: Discordance) -> Interval {
    let z = quantile::z();
    let difference = seen.gained - seen.lost;
    Interval {
        low: crossing(-1.0, difference, |d| score(seen, d) > z),
        high: crossing(difference, 1.0, |d| score(seen, d) >= -z),
    }
}

/// How many standard errors the data lie above a true difference of `d`.
fn score(seen: Discordance, d: f64) -> f64 {
    let distance = seen.gained - seen.lost - d;
    let variance = (2.0 * lost_given(seen, d) + d * (1.0 - d)) / seen.pairs;
    match (distance, variance > 0.0) {
        (0.0, _) => 0.0,
        (_, true) => distance / variance.sqrt(),
        (_, false) => distance.signum() * f64::INFINITY,
    }
}

/// The likeliest share of pairs that are lost, if the true difference is `d`: root of
/// `2x² + bx + c = 0`, in the form that keeps its digits.
fn lost_given(seen: Discordance, d: f64) -> f64 {
    let b = (2.0 - seen.gained + seen.lost) * d - seen.gained - seen.lost;
    let c = -seen.lost * d * (1.0 - d);
    let root = (b * b - 8.0 * c).max(0.0).sqrt();
    let share = if b > 0.0 {
        -2.0 * c / (b + root)
    } else {
        (root - b) / 4.0
    };
    // Neither share can be negative.
    share.max(0.0).max(-d)
}

/// Where `above` stops to hold between `low` and `high`, to the last digit.
fn crossing(mut low: f64, mut high: f64, above: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if above(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(gained: f64, lost: f64, pairs: f64) -> Interval {
        interval(Discordance {
            gained: gained / pairs,
            lost: lost / pairs,
            pairs,
        })
    }

    #[test]
    fn published_examples() {
        // Fagerland, Lydersen and Laake (2014), airway hyper-responsiveness: 1 and 7 of 21.
        let airways = of(1.0, 7.0, 21.0);
        assert!(
            (airways.low + 0.517).abs() < 5e-4 && (airways.high + 0.026).abs() < 5e-4,
            "{airways:?}"
        );
    }

    #[test]
    fn limits_are_those_found_from_the_likelihood_itself() {
        for row in crate::statistics::reference("tango") {
            let number = |name: &str| row[name].as_f64().unwrap();
            let ours = of(number("gained"), number("lost"), number("pairs"));
            assert!((ours.low - number("low")).abs() < 1e-9, "{row} {ours:?}");
            assert!((ours.high - number("high")).abs() < 1e-9, "{row} {ours:?}");
        }
    }

    #[test]
    fn no_pair_that_differs_leaves_what_wilson_leaves_of_none() {
        let z = quantile::z();
        let none = of(0.0, 0.0, 12.0);
        let reach = z * z / (12.0 + z * z);
        assert!((none.high - reach).abs() < 1e-12 && (none.low + reach).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn an_interval_has_a_width_and_holds_the_difference(
            gained in 0.0..=1.0_f64, rest in 0.0..=1.0_f64, pairs in 0.05..100_000.0_f64,
        ) {
            let lost: f64 = (1.0 - gained) * rest;
            let seen = Discordance { gained, lost, pairs };
            let found = interval(seen);
            prop_assert!(found.high > found.low);
            prop_assert!(found.low >= -1.0 && found.high <= 1.0);
            prop_assert!(found.low <= gained - lost + 1e-12 && found.high >= gained - lost - 1e-12);
            let mirrored = interval(Discordance { gained: lost, lost: gained, pairs });
            prop_assert!((mirrored.low + found.high).abs() < 1e-9);
        }
    }
}
