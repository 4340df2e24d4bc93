//! The paired cluster bootstrap: scenarios are drawn anew, with all their repetitions, and the middle 95 % of the means
//! are kept (Efron 1979, percentile method). Shown beside the interval that decides: with few scenarios it is too narrow.

use super::{CONFIDENCE, Interval, number};

/// How many benchmarks are drawn.
const DRAWS: usize = 10_000;
/// Where the draws begin.
const SEED: u64 = 0x0b00_757a;

/// Where the mean of `values` lies; none without a value.
pub(super) fn mean(values: &[f64]) -> Option<Interval> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let count = values.len();
    if count == 0 {
        return None;
    }
    let mut means: Vec<f64> = (0..DRAWS)
        .map(|_| (0..count).map(|_| values[random.usize(..count)]).sum::<f64>() / number(count))
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let outside = (1.0 - CONFIDENCE) / 2.0;
    Some(Interval {
        low: quantile(&means, outside),
        high: quantile(&means, 1.0 - outside),
    })
}

/// Of sorted values, between two of them in proportion.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list of 10,000"
)]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * number(sorted.len().saturating_sub(1));
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - place.floor()) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_sample_gives_the_normal_interval() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 3) - 1.0).collect();
        let (mean_of, variance) = super::super::moments(&values);
        let found = mean(&values).unwrap();
        let reach = 1.96 * (variance / 400.0).sqrt();
        assert!((found.low - mean_of + reach).abs() < 0.05 * reach, "{found:?}");
        assert!((found.high - mean_of - reach).abs() < 0.05 * reach, "{found:?}");
    }

    #[test]
    fn quantiles_lie_between_values() {
        let values = [0.0, 1.0, 2.0, 3.0, 10.0];
        assert_eq!((quantile(&values, 0.0), quantile(&values, 1.0)), (0.0, 10.0));
        assert!((quantile(&values, 0.9) - 7.2).abs() < 1e-12);
    }

    #[test]
    fn the_draws_are_the_same_for_everybody() {
        let found = mean(&[-0.91, 0.13, 0.037, 0.511, 0.97, 0.843, 0.219, 0.1003]).unwrap();
        insta::assert_snapshot!(format!("{:.12} {:.12}", found.low, found.high), @"-0.163475000000 0.590200000000");
        assert_eq!(mean(&[]), None);
    }
}
