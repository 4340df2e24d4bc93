//! Two models on the same scenarios. Hard scenarios are hard for both, so the difference scenario by scenario says more
//! than two rates side by side.

use serde::Serialize;

use super::power::{self, Needed};
use super::tango::{self, Discordance};
use super::test::{self, Method, Test};
use super::{FEW_SCENARIOS, Interval, SIGNIFICANCE, Tally, bootstrap, effective, holm, moments, number};

/// Where no difference was seen, what it takes to find one of this size is told.
const WORTH_FINDING: f64 = 0.05;
/// A smaller difference than this is none.
const NO_DIFFERENCE: f64 = 0.005;
/// Fewer scenarios that differ than this, and the comparison is flagged.
const FEW_THAT_DIFFER: u32 = 10;

/// One scenario, tried with two models; both have a trial that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    before: Tally,
    after: Tally,
}

/// Whether the second is better than the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It passes more often, and chance does not explain it.
    Better,
    /// It passes less often, and chance does not explain it.
    Worse,
    /// Chance explains what was seen; that does not make the two equal.
    Inconclusive,
}

/// What is known of the second model against the first, over the scenarios that both have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Scenarios in which both have a trial that counts.
    pub scenarios: u32,
    /// Rate of the first: mean over those scenarios.
    pub before: f64,
    /// Rate of the second.
    pub after: f64,
    /// `after − before`.
    pub difference: f64,
    /// Covers the difference over scenarios like these.
    pub interval: Interval,
    /// Whether two equal models would differ so much.
    pub test: Test,
    /// Its p-value among all comparisons that are looked at together.
    pub p_adjusted: f64,
    /// Better or worse only if `p_adjusted` is at most 5 % and the interval leaves out zero.
    pub verdict: Verdict,
    /// Comparisons that are looked at together, this one included: the more, the stricter all of them are.
    pub comparisons: usize,
    /// The two must differ in at least so many scenarios for any verdict.
    pub least_that_differ: u32,
    /// The smallest true difference that would be found four times out of five; there is none above one:
    /// [`Comparison::findable`].
    pub detectable: f64,
    /// What it takes to tell; only if the verdict is inconclusive.
    pub needed: Option<Needed>,
    /// Fewer than [`FEW_SCENARIOS`] scenarios, or fewer than 10 in which the two differ.
    pub few_scenarios: bool,
}

impl Pair {
    /// None if either has no trial that counts.
    pub fn new(before: Tally, after: Tally) -> Option<Self> {
        (before.trials > 0 && after.trials > 0).then_some(Self { before, after })
    }

    /// Rates of both.
    fn rates(&self) -> (f64, f64) {
        let rate = |tally: Tally| f64::from(tally.passed) / f64::from(tally.trials);
        (rate(self.before), rate(self.after))
    }

    pub(super) fn difference(&self) -> f64 {
        let (before, after) = self.rates();
        after - before
    }

    /// How much the difference varies from try to try, unbiased; none if either was tried only once.
    pub(super) fn variance_within(&self) -> Option<f64> {
        let (before, after) = self.rates();
        let of = |rate: f64, trials: u32| (trials > 1).then(|| rate * (1.0 - rate) / f64::from(trials - 1));
        Some(of(before, self.before.trials)? + of(after, self.after.trials)?)
    }

    /// One over the trials of either, mean of both.
    pub(super) fn inverse_trials(&self) -> f64 {
        f64::midpoint(
            1.0 / f64::from(self.before.trials),
            1.0 / f64::from(self.after.trials),
        )
    }

    /// One over the trials of either that may be believed to be independent. Of unequal numbers the smaller counts, once:
    /// few tries that happen to agree hide how much they vary, and many of the other model do not make up for that.
    fn inverse_believed(&self) -> f64 {
        let fewer = self.before.trials.min(self.after.trials);
        let unequal = self.before.trials != self.after.trials;
        f64::from(1 + u32::from(unequal)) / f64::from(fewer)
    }
}

/// Compares, for a single look. None without a scenario. For several comparisons at once, [`together`].
pub fn compare(pairs: &[Pair]) -> Option<Comparison> {
    if pairs.is_empty() {
        return None;
    }
    let differences: Vec<f64> = pairs.iter().map(Pair::difference).collect();
    let count = number(pairs.len());
    let mean = |of: fn((f64, f64)) -> f64| pairs.iter().map(|pair| of(pair.rates())).sum::<f64>() / count;
    let test = flips(pairs);
    let interval = interval(pairs, &differences);
    let mut comparison = Comparison {
        scenarios: u32::try_from(pairs.len()).unwrap_or(u32::MAX),
        before: mean(|(before, _)| before),
        after: mean(|(_, after)| after),
        difference: moments(&differences).0,
        interval,
        p_adjusted: test.p_value,
        verdict: Verdict::Inconclusive,
        comparisons: 1,
        least_that_differ: 0,
        detectable: 0.0,
        needed: None,
        few_scenarios: pairs.len() < FEW_SCENARIOS as usize || test.gained + test.lost < FEW_THAT_DIFFER,
        test,
    };
    comparison.decide(pairs);
    Some(comparison)
}

/// Compares several at once: what counts as a difference is stricter the more there are.
/// Each has a verdict at 5 % for all of them together ([`holm()`]); in the order given.
pub fn together(comparisons: &[&[Pair]]) -> Vec<Option<Comparison>> {
    let mut all: Vec<Option<Comparison>> = comparisons.iter().map(|pairs| compare(pairs)).collect();
    let p_values: Vec<f64> = all.iter().flatten().map(|one| one.test.p_value).collect();
    let mut adjusted = holm(&p_values).into_iter();
    for (one, pairs) in all.iter_mut().zip(comparisons) {
        if let (Some(one), Some(p)) = (one, adjusted.next()) {
            one.p_adjusted = p;
            one.comparisons = p_values.len();
            one.decide(pairs);
        }
    }
    all
}

/// The interval of the difference by the paired cluster bootstrap, with a fixed seed: to set beside the one that decides.
/// With few scenarios it is too narrow, and where all differ by the same, it has no width. None without a scenario.
pub fn bootstrap(pairs: &[Pair]) -> Option<Interval> {
    let differences: Vec<f64> = pairs.iter().map(Pair::difference).collect();
    bootstrap::mean(&differences)
}

impl Comparison {
    /// What would be found four times out of five; none where no difference, however large, would be: with so few
    /// scenarios, or so wide an interval.
    pub fn findable(&self) -> Option<f64> {
        let enough = self.scenarios >= self.least_that_differ && self.detectable < 1.0;
        enough.then_some(self.detectable)
    }

    /// Sets verdict and what is needed, from what else is known.
    fn decide(&mut self, pairs: &[Pair]) {
        self.least_that_differ = power::least_that_differ(self.comparisons);
        self.detectable = power::detectable(self.interval, self.comparisons);
        let chance = self.p_adjusted > SIGNIFICANCE || self.interval.covers(0.0);
        self.verdict = match (chance, self.difference > 0.0) {
            (true, _) => Verdict::Inconclusive,
            (false, true) => Verdict::Better,
            (false, false) => Verdict::Worse,
        };
        let seen = self.difference.abs();
        let wanted = if seen < NO_DIFFERENCE { WORTH_FINDING } else { seen };
        let seen = power::Seen {
            pairs,
            detectable: self.detectable,
            differ: self.test.gained + self.test.lost,
            comparisons: self.comparisons,
        };
        self.needed = chance.then(|| power::needed(seen, wanted));
    }
}

/// Tango's interval, of as many pairs as would say as much if all were independent.
fn interval(pairs: &[Pair], differences: &[f64]) -> Interval {
    let count = number(pairs.len());
    let (difference, variance) = moments(differences);
    let share = |of: fn((f64, f64)) -> f64| pairs.iter().map(|pair| of(pair.rates())).sum::<f64>() / count;
    let gained = share(|(before, after)| after * (1.0 - before));
    let lost = share(|(before, after)| before * (1.0 - after));
    let independent = count * count / pairs.iter().map(Pair::inverse_believed).sum::<f64>();
    let spread = gained + lost - difference * difference;
    tango::interval(Discordance {
        gained,
        lost,
        pairs: effective(spread, variance / count, pairs.len(), independent),
    })
}

/// The sign-flip test of the scenarios' differences, made whole by the least common multiple of all numbers of trials.
fn flips(pairs: &[Pair]) -> Test {
    /// A larger multiple is not needed: differences are rounded to this part of one.
    const FINEST: u64 = 1_000_000_000;
    let trials = pairs
        .iter()
        .flat_map(|pair| [pair.before.trials, pair.after.trials]);
    let multiple = trials.map(u64::from).try_fold(1, |all, n| {
        least_common_multiple(all, n).filter(|all| *all <= FINEST)
    });
    let part = |tally: Tally, all: u64| i128::from(tally.passed) * i128::from(all) / i128::from(tally.trials);
    let difference =
        |pair: &Pair, all| i64::try_from(part(pair.after, all) - part(pair.before, all)).unwrap_or(0);
    let whole: Vec<i64> = pairs
        .iter()
        .map(|pair| difference(pair, multiple.unwrap_or(FINEST)))
        .collect();
    let slack = if multiple.is_none() {
        2 * whole.len() as u64
    } else {
        0
    };
    let mut test = test::flips(&whole, slack);
    if test.method == Method::McNemar && multiple != Some(1) {
        test.method = Method::SignFlips;
    }
    test
}

fn least_common_multiple(a: u64, b: u64) -> Option<u64> {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    (a / x).checked_mul(b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::Repetitions;

    /// `(passed before, passed after)` of `trials`, and how many scenarios are so.
    fn pairs(trials: u32, rows: &[(u32, u32, usize)]) -> Vec<Pair> {
        let one = |before, after| Pair::new(Tally::new(before, trials), Tally::new(after, trials)).unwrap();
        let each = rows
            .iter()
            .map(|(before, after, times)| vec![one(*before, *after); *times]);
        each.flatten().collect()
    }

    fn of(trials: u32, rows: &[(u32, u32, usize)]) -> Comparison {
        compare(&pairs(trials, rows)).unwrap()
    }

    #[test]
    fn a_scenario_without_a_verdict_is_no_pair() {
        assert_eq!(Pair::new(Tally::new(0, 0), Tally::new(1, 1)), None);
        assert_eq!(compare(&[]), None);
    }

    #[test]
    fn a_plain_difference_is_told_in_both_directions() {
        let better = of(5, &[(2, 4, 60), (3, 3, 40), (4, 3, 20)]);
        assert_eq!(better.verdict, Verdict::Better);
        assert_eq!(better.needed, None);
        let worse = of(5, &[(4, 2, 60), (3, 3, 40), (3, 4, 20)]);
        assert_eq!(worse.verdict, Verdict::Worse);
        assert!((better.difference + worse.difference).abs() < 1e-12);
    }

    #[test]
    fn the_test_is_called_by_what_was_computed() {
        let method = |trials, rows: &[(u32, u32, usize)]| of(trials, rows).test.method;
        assert_eq!(method(1, &[(0, 1, 8), (1, 1, 4)]), Method::McNemar);
        assert_eq!(
            method(2, &[(0, 2, 8), (2, 2, 4)]),
            Method::SignFlips,
            "all differ by the same"
        );
        assert_eq!(
            method(2, &[(0, 1, 8), (2, 2, 4)]),
            Method::SignFlips,
            "by one of two"
        );
    }

    #[test]
    fn where_nothing_would_be_found_nothing_is_called_detectable() {
        assert_eq!(
            of(10, &[(0, 10, 5)]).findable(),
            None,
            "five scenarios tell nothing"
        );
        assert_eq!(of(1, &[(0, 1, 3), (1, 0, 3)]).findable(), None);
        let enough = of(5, &[(2, 4, 60), (3, 3, 40)]);
        assert_eq!(enough.findable(), Some(enough.detectable));
    }

    #[test]
    fn five_scenarios_cannot_tell_and_more_repetitions_do_not_help() {
        let comparison = of(10, &[(0, 10, 5)]);
        assert_eq!(comparison.verdict, Verdict::Inconclusive);
        let needed = comparison.needed.unwrap();
        assert_eq!(needed.repetitions, Repetitions::NeverSuffice);
        assert!(needed.scenarios >= 6);
    }

    #[test]
    fn where_only_tries_vary_more_repetitions_suffice() {
        let needed = of(4, &[(2, 2, 40), (1, 2, 12), (3, 3, 20), (2, 1, 8)])
            .needed
            .unwrap();
        assert!(
            matches!(needed.repetitions, Repetitions::Suffice(n) if n > 4),
            "{needed:?}"
        );
        assert!(needed.scenarios > 80);
    }

    #[test]
    fn where_scenarios_differ_only_more_scenarios_help() {
        let needed = of(4, &[(0, 4, 22), (4, 0, 18), (4, 4, 40)]).needed.unwrap();
        assert_eq!(needed.repetitions, Repetitions::NeverSuffice);
        assert!(needed.scenarios > 80);
    }

    #[test]
    fn single_repetitions_do_not_say_what_more_of_them_would_do() {
        let comparison = of(1, &[(0, 1, 12), (1, 0, 8), (1, 1, 80)]);
        assert_eq!(comparison.test.method, Method::McNemar);
        assert_eq!(comparison.needed.unwrap().repetitions, Repetitions::Unknown);
    }

    #[test]
    fn no_difference_at_all_still_has_a_width_and_says_what_would_find_five_points() {
        let comparison = of(3, &[(3, 3, 12), (0, 0, 4)]);
        assert!(comparison.interval.low < -0.05 && comparison.interval.high > 0.05);
        assert!((comparison.needed.unwrap().difference - 0.05).abs() < 1e-12);
        assert!((comparison.test.p_value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn looking_at_many_makes_it_stricter() {
        let single = pairs(1, &[(0, 1, 15), (1, 0, 4), (1, 1, 90)]);
        let p = compare(&single).unwrap().test.p_value;
        assert!(p < 0.05 && compare(&single).unwrap().verdict == Verdict::Better);
        let same = pairs(1, &[(0, 1, 5), (1, 0, 5), (1, 1, 90)]);
        let all = together(&[&single, &same, &[], &same]);
        let first = all[0].as_ref().unwrap();
        assert!((first.p_adjusted - 3.0 * p).abs() < 1e-12);
        let alone = compare(&single).unwrap();
        assert!(first.detectable > 1.15 * alone.detectable, "{first:?}");
        assert_eq!((alone.comparisons, alone.least_that_differ), (1, 6));
        assert_eq!((first.comparisons, first.least_that_differ), (3, 7));
        let needed = |one: &Comparison| one.needed.unwrap().scenarios;
        let inconclusive = compare(&same).unwrap();
        assert!(needed(all[1].as_ref().unwrap()) > needed(&inconclusive));
        assert_eq!(first.verdict, Verdict::Inconclusive);
        assert!(all[2].is_none() && first.needed.is_some());
    }

    #[test]
    fn numbers_of_trials_without_a_small_multiple_are_tested_by_drawing() {
        let primes = [7, 11, 13, 17, 19, 23, 29, 31, 37, 41];
        let pair = |n: &u32| Pair::new(Tally::new(1, *n), Tally::new(n - 1, *n)).unwrap();
        let found = compare(&primes.iter().map(pair).collect::<Vec<_>>()).unwrap();
        assert_eq!(found.test.method, Method::SampledSignFlips);
        // All ten in one direction: 2 / 2^10, give or take what drawing does.
        assert!(found.test.p_value < 0.005, "{:?}", found.test);
        assert_eq!(found.verdict, Verdict::Better);
    }

    proptest! {
        #[test]
        fn a_comparison_is_sane_and_its_mirror_says_the_opposite(
            rows in prop::collection::vec((0_u32..5, 1_u32..5, 0_u32..5, 1_u32..5), 1..25),
        ) {
            let pair = |(a, n, b, m): &(u32, u32, u32, u32)| (Tally::new(*a, *n), Tally::new(*b, *m));
            let there: Vec<Pair> = rows.iter().map(pair).filter_map(|(a, b)| Pair::new(a, b)).collect();
            let back: Vec<Pair> = rows.iter().map(pair).filter_map(|(a, b)| Pair::new(b, a)).collect();
            let (there, back) = (compare(&there).unwrap(), compare(&back).unwrap());
            prop_assert!(there.interval.high - there.interval.low > 1e-3);
            prop_assert!(there.interval.low <= there.difference && there.difference <= there.interval.high);
            prop_assert!((there.interval.low + back.interval.high).abs() < 1e-9);
            prop_assert!((there.test.p_value - back.test.p_value).abs() < 1e-12);
            prop_assert_eq!(there.needed.is_some(), there.verdict == Verdict::Inconclusive);
        }
    }
}
