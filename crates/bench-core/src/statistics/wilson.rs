//! The score interval of a rate (Wilson 1927): never outside 0..1, never of zero width, and close to its promise from
//! a handful of trials on (Brown, Cai and `DasGupta` 2001).

use super::{Interval, Tally, quantile};

/// The interval of a plain rate: of one scenario, where the trials are the sample. None without a trial.
pub fn wilson(tally: Tally) -> Option<Interval> {
    let rate = tally.rate()?;
    Some(score(rate, f64::from(tally.trials)))
}

/// The same for any rate and any positive number of trials, which need not be whole.
pub(super) fn score(rate: f64, trials: f64) -> Interval {
    let z = quantile::z();
    let per_trial = z * z / trials;
    let centre = rate + per_trial / 2.0;
    let reach = (per_trial * (rate * (1.0 - rate) + per_trial / 4.0)).sqrt();
    // At 0 and at 1 that end is exact; rounding must not take the rate out of its own interval.
    Interval {
        low: ((centre - reach) / (1.0 + per_trial)).clamp(0.0, rate),
        high: ((centre + reach) / (1.0 + per_trial)).clamp(rate, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_tried_has_no_interval() {
        assert_eq!(wilson(Tally::new(0, 0)), None);
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_rate_has_a_width_and_stays_in_range(trials in 1_u32..5_000_000, share in 0.0..=1.0_f64) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
            let tally = Tally::new((f64::from(trials) * share).round() as u32, trials);
            let interval = wilson(tally).unwrap();
            prop_assert!(interval.low < interval.high);
            prop_assert!(interval.covers(tally.rate().unwrap()));
            prop_assert!(interval.low >= 0.0 && interval.high <= 1.0);
        }
    }
}
