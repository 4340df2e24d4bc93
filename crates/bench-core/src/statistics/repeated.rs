//! Scenarios that were tried more than once: would one of k tries pass, would all of them, and do tries agree.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Tally, number};

/// The chance that at least one of `k` tries passes, of a scenario that passed so many of so many: unbiased, by drawing
/// `k` of its trials without putting them back (Chen et al. 2021). None with fewer trials than `k`, or for no try at all.
pub fn pass_at(tally: Tally, k: u32) -> Option<f64> {
    Some(1.0 - all_of(tally.trials - tally.passed, tally.trials, k)?)
}

/// The chance that all of `k` tries pass (pass^k, Yao et al. 2024), unbiased in the same way.
pub fn pass_all(tally: Tally, k: u32) -> Option<f64> {
    all_of(tally.passed, tally.trials, k)
}

/// C(`good`, k) / C(`all`, k), factor by factor, so that nothing overflows.
fn all_of(good: u32, all: u32, k: u32) -> Option<f64> {
    if k == 0 || k > all {
        return None;
    }
    let factor = |i: u32| f64::from(good.saturating_sub(i)) / f64::from(all - i);
    Some((0..k).map(factor).product())
}

/// The chance that two tries of a scenario disagree, unbiased. None with fewer than two trials.
pub fn disagreement(tally: Tally) -> Option<f64> {
    let (passed, trials) = (f64::from(tally.passed), f64::from(tally.trials));
    (tally.trials > 1).then(|| 2.0 * passed * (trials - passed) / (trials * (trials - 1.0)))
}

/// A mean over those scenarios that could be asked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Average {
    /// The mean.
    pub value: f64,
    /// Scenarios it is of; the others have too few trials that count.
    pub scenarios: u32,
}

/// What `k` tries of each scenario come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Repeated {
    /// How many tries.
    pub k: u32,
    /// pass@k: at least one passes.
    pub any: Average,
    /// pass^k: all pass.
    pub all: Average,
}

/// pass@k and pass^k over scenarios; none if no scenario has `k` trials that count.
pub fn repeated(scenarios: &[Tally], k: u32) -> Option<Repeated> {
    Some(Repeated {
        k,
        any: average(scenarios.iter().filter_map(|tally| pass_at(*tally, k)))?,
        all: average(scenarios.iter().filter_map(|tally| pass_all(*tally, k)))?,
    })
}

/// How much scenarios change from one try to the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Flakiness {
    /// Scenarios with two trials or more that count.
    pub scenarios: u32,
    /// Those of them that passed at least once and did not at least once.
    pub mixed: u32,
    /// The chance that two tries of the same scenario disagree, mean over those scenarios.
    pub disagreement: f64,
}

/// Flakiness over scenarios; none if no scenario was tried twice.
pub fn flakiness(scenarios: &[Tally]) -> Option<Flakiness> {
    let disagreement = average(scenarios.iter().filter_map(|tally| disagreement(*tally)))?;
    let mixed = scenarios
        .iter()
        .filter(|tally| 0 < tally.passed && tally.passed < tally.trials)
        .count();
    Some(Flakiness {
        scenarios: disagreement.scenarios,
        mixed: u32::try_from(mixed).unwrap_or(u32::MAX),
        disagreement: disagreement.value,
    })
}

fn average(values: impl Iterator<Item = f64>) -> Option<Average> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| Average {
        value: values.iter().sum::<f64>() / number(values.len()),
        scenarios: u32::try_from(values.len()).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_too_few_trials_cannot_say_is_not_said() {
        let twice = Tally::new(1, 2);
        assert_eq!((pass_at(twice, 3), pass_all(twice, 3)), (None, None));
        assert_eq!((pass_at(twice, 0), disagreement(Tally::new(1, 1))), (None, None));
        assert_eq!(flakiness(&[Tally::new(1, 1), Tally::new(0, 0)]), None);
    }

    #[test]
    fn scenarios_that_cannot_be_asked_are_left_out_of_the_mean() {
        let scenarios = [Tally::new(1, 3), Tally::new(3, 3), Tally::new(1, 1)];
        let both = repeated(&scenarios, 2).unwrap();
        assert_eq!((both.any.scenarios, both.all.scenarios), (2, 2));
        // 1/3: one of two passes in 2 of 3 draws, both never.
        assert!((both.any.value - f64::midpoint(2.0 / 3.0, 1.0)).abs() < 1e-15);
        assert!((both.all.value - 0.5).abs() < 1e-15);
    }

    #[test]
    fn a_mixed_scenario_is_flaky_and_a_constant_one_is_not() {
        let found = flakiness(&[Tally::new(2, 4), Tally::new(4, 4), Tally::new(0, 4)]).unwrap();
        assert_eq!((found.scenarios, found.mixed), (3, 1));
        assert!((found.disagreement - (2.0 / 3.0) / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_million_trials_overflow_nothing() {
        let all = pass_all(Tally::new(999_999, 1_000_000), 500_000).unwrap();
        assert!((all - 0.5).abs() < 1e-9);
    }
}
