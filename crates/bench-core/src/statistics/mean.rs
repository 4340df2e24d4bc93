//! The rate of a model over its scenarios, with the scenarios as clusters.
//!
//! What is estimated is the mean of the scenarios' rates: each scenario counts the same, however many of its trials
//! have a verdict. The interval is Wilson's, with as many trials as would say as much if they were independent
//! (the modified Wilson interval of survey statistics).

use schemars::JsonSchema;
use serde::Serialize;

use super::{FEW_ON_A_SIDE, FEW_SCENARIOS, Interval, NOTHING, Tally, effective, moments, number, wilson};

/// A rate over scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Mean {
    /// Mean of the scenarios' rates.
    pub rate: f64,
    /// Covers the rate over scenarios like these. Of a single scenario: covers the rate of that scenario.
    pub interval: Interval,
    /// Standard error of the rate, with scenarios as clusters; none for a single scenario, and where all scenarios have the same
    /// rate: that they do is luck, and 0 would say that the rate is certain. The interval knows more.
    pub standard_error: Option<f64>,
    /// So many independent trials would say as much.
    pub effective_trials: f64,
    /// Scenarios with a trial that counts.
    pub scenarios: u32,
    /// Trials that count.
    pub trials: u32,
    /// There are fewer than [`FEW_SCENARIOS`] scenarios, or fewer than [`FEW_ON_A_SIDE`] on one side: the interval may
    /// miss more often than it says.
    pub few_scenarios: bool,
}

/// The rate over scenarios; those without a trial that counts are left out. None if that leaves nothing.
pub fn mean(scenarios: &[Tally]) -> Option<Mean> {
    let rates: Vec<f64> = scenarios.iter().filter_map(|tally| tally.rate()).collect();
    if rates.is_empty() {
        return None;
    }
    let count = number(rates.len());
    let (rate, variance) = moments(&rates);
    let squared_error = variance / count;
    let trials = effective(
        rate * (1.0 - rate),
        squared_error,
        rates.len(),
        independent(scenarios),
    );
    Some(Mean {
        rate,
        interval: wilson::score(rate, trials),
        standard_error: (variance > NOTHING).then(|| squared_error.sqrt()),
        effective_trials: trials,
        scenarios: u32::try_from(rates.len()).unwrap_or(u32::MAX),
        trials: scenarios
            .iter()
            .fold(0, |sum, tally| sum.saturating_add(tally.trials)),
        few_scenarios: rates.len() < FEW_SCENARIOS as usize
            || count * rate.min(1.0 - rate) < FEW_ON_A_SIDE - 1e-9,
    })
}

/// How many trials of equal weight say as much, if all are independent: a scenario with few trials weighs as much as
/// one with many, so this is scenarios × harmonic mean of their trials.
fn independent(scenarios: &[Tally]) -> f64 {
    let tried = scenarios.iter().filter(|tally| tally.trials > 0);
    let (count, inverse) = tried.fold((0.0, 0.0), |(count, inverse), tally| {
        (count + 1.0, inverse + 1.0 / f64::from(tally.trials))
    });
    count * count / inverse
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(scenarios: &[(u32, u32)]) -> Option<Mean> {
        let tallies: Vec<Tally> = scenarios.iter().map(|(p, n)| Tally::new(*p, *n)).collect();
        mean(&tallies)
    }

    #[test]
    fn scenarios_without_a_verdict_are_left_out_and_nothing_is_none() {
        assert_eq!(of(&[(0, 0)]), None);
        assert_eq!(of(&[(1, 2), (0, 0), (2, 2)]), of(&[(1, 2), (2, 2)]));
    }

    #[test]
    fn each_scenario_weighs_the_same() {
        let mean = of(&[(9, 10), (0, 1)]).unwrap();
        assert!((mean.rate - 0.45).abs() < 1e-15);
        assert_eq!(mean.trials, 11);
    }

    #[test]
    fn repetitions_of_constant_scenarios_add_nothing() {
        let once: Vec<(u32, u32)> = (0..50).map(|i| (u32::from(i % 5 == 0), 1)).collect();
        let often: Vec<(u32, u32)> = (0..50).map(|i| (20 * u32::from(i % 5 == 0), 20)).collect();
        assert_eq!(of(&once).unwrap().interval, of(&often).unwrap().interval);
    }

    #[test]
    fn a_single_scenario_is_flagged_and_its_trials_count() {
        let mean = of(&[(7, 10)]).unwrap();
        assert_eq!(mean.standard_error, None);
        for all_the_same in [&[(1, 1); 4][..], &[(0, 1); 28], &[(1, 3); 12]] {
            let mean = of(all_the_same).unwrap();
            assert_eq!(
                mean.standard_error, None,
                "nothing was seen to vary, which is not certainty"
            );
            assert!(mean.interval.low < mean.interval.high);
        }
        assert!(mean.few_scenarios);
        assert_eq!(Some(mean.interval), wilson::wilson(Tally::new(7, 10)));
    }

    #[test]
    fn a_hundred_scenarios_with_ten_on_each_side_are_enough() {
        let scenarios =
            |passed: u32, all: u32| (0..all).map(|i| (u32::from(i < passed), 1)).collect::<Vec<_>>();
        let few = |passed, all| of(&scenarios(passed, all)).unwrap().few_scenarios;
        assert!(!few(90, 100) && !few(10, 100) && !few(50, 100));
        assert!(few(91, 100) && few(9, 100) && few(50, 99) && few(0, 1000));
        assert!(!few(10, 1000));
    }

    proptest! {
        #[test]
        fn no_interval_is_of_zero_width(
            scenarios in prop::collection::vec((0_u32..6, 0_u32..6).prop_map(|(p, n)| (p.min(n), n)), 1..40),
        ) {
            if let Some(mean) = of(&scenarios) {
                prop_assert!(mean.interval.high - mean.interval.low > 1e-3);
                prop_assert!(mean.interval.covers(mean.rate));
                prop_assert!(mean.interval.low >= 0.0 && mean.interval.high <= 1.0);
            }
        }
    }
}
