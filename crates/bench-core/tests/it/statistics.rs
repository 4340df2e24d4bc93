//! Statistics against `SciPy` and `statsmodels`: `tests/reference/statistics.py` made the values, and tells which versions.

use bench_core::statistics::paired::{self, Pair};
use bench_core::statistics::repeated::{disagreement, flakiness, pass_all, pass_at, repeated};
use bench_core::statistics::wilson::wilson;
use bench_core::statistics::{Needed, Repetitions, Tally, compare, holm, mcnemar, mean};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// All values are compared to this.
const CLOSE: f64 = 1e-9;

fn parts<T: DeserializeOwned>(part: &str) -> Vec<T> {
    let text = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/reference/statistics.json"
    ));
    let mut values: Value = serde_json::from_str(text).unwrap();
    serde_json::from_value(values[part].take()).unwrap()
}

fn rows<T: DeserializeOwned>(part: &str) -> Vec<T> {
    let rows: Vec<T> = parts(part);
    assert!(rows.len() > 4, "only {} cases of {part}", rows.len());
    rows
}

#[track_caller]
fn same(what: &str, ours: f64, theirs: f64) {
    assert!(
        (ours - theirs).abs() <= CLOSE,
        "{what}: {ours} here, {theirs} there"
    );
}

#[derive(Deserialize)]
struct Rate {
    passed: u32,
    trials: u32,
    low: f64,
    high: f64,
}

#[test]
fn wilson_is_that_of_statsmodels() {
    for row in rows::<Rate>("wilson") {
        let case = format!("{} of {}", row.passed, row.trials);
        let ours = wilson(Tally::new(row.passed, row.trials)).unwrap();
        same(&case, ours.low, row.low);
        same(&case, ours.high, row.high);
    }
}

#[derive(Deserialize)]
struct Tries {
    passed: u32,
    trials: u32,
    k: u32,
    any: f64,
    all: f64,
    disagree: Option<f64>,
}

#[test]
fn tries_are_what_counting_all_sets_of_them_gives() {
    for row in rows::<Tries>("repeated") {
        let (tally, case) = (
            Tally::new(row.passed, row.trials),
            format!("{} of {}, k {}", row.passed, row.trials, row.k),
        );
        same(&case, pass_at(tally, row.k).unwrap(), row.any);
        same(&case, pass_all(tally, row.k).unwrap(), row.all);
        assert_eq!(disagreement(tally).is_some(), row.disagree.is_some(), "{case}");
        same(
            &case,
            disagreement(tally).unwrap_or(0.0),
            row.disagree.unwrap_or(0.0),
        );
    }
}

#[derive(Deserialize)]
struct Clustered {
    scenarios: Vec<(u32, u32)>,
    rate: f64,
    standard_error: f64,
    effective_trials: f64,
    low: f64,
    high: f64,
}

#[test]
fn a_rate_over_scenarios_is_a_regression_with_clustered_errors() {
    for (index, row) in rows::<Clustered>("means").into_iter().enumerate() {
        let tallies: Vec<Tally> = row.scenarios.iter().map(|(p, n)| Tally::new(*p, *n)).collect();
        let (ours, case) = (mean(&tallies).unwrap(), format!("case {index}"));
        same(&case, ours.rate, row.rate);
        // Where no scenario differs from another, the regression says 0, and we say that it is not known.
        assert_eq!(ours.standard_error.is_none(), row.standard_error < 1e-9, "{case}");
        same(&case, ours.standard_error.unwrap_or(0.0), row.standard_error);
        let relative = ours.effective_trials / row.effective_trials;
        same(&case, relative, 1.0);
        same(&case, ours.interval.low, row.low);
        same(&case, ours.interval.high, row.high);
    }
}

/// Passed and trials, before and after.
type Both = ((u32, u32), (u32, u32));

#[derive(Deserialize)]
struct Paired {
    pairs: Vec<Both>,
    before: f64,
    after: f64,
    difference: f64,
    low: f64,
    high: f64,
    p_value: f64,
    gained: u32,
    lost: u32,
    detectable: f64,
    needed: Wanted,
    verdict: Value,
    mcnemar: Option<f64>,
    bootstrap: Option<(f64, f64)>,
}

#[derive(Deserialize)]
struct Wanted {
    difference: f64,
    scenarios: u64,
    repetitions: Value,
}

#[track_caller]
fn same_needed(case: &str, ours: Option<Needed>, theirs: &Wanted, verdict: &Value) {
    assert_eq!(ours.is_some(), verdict == "inconclusive", "{case}");
    if let Some(ours) = ours {
        same(case, ours.difference, theirs.difference);
        assert_eq!(ours.scenarios, theirs.scenarios, "{case}");
        assert_eq!(
            serde_json::to_value(ours.repetitions).unwrap(),
            theirs.repetitions,
            "{case}"
        );
    }
}

fn pairs(rows: &[Both]) -> Vec<Pair> {
    let pair = |((a, n), (b, m)): &Both| Pair::new(Tally::new(*a, *n), Tally::new(*b, *m));
    rows.iter().map(|row| pair(row).unwrap()).collect()
}

#[test]
fn comparisons_are_those_of_scipy() {
    for (index, row) in rows::<Paired>("pairs").into_iter().enumerate() {
        let (ours, case) = (compare(&pairs(&row.pairs)).unwrap(), format!("case {index}"));
        same(&case, ours.before, row.before);
        same(&case, ours.after, row.after);
        same(&case, ours.difference, row.difference);
        same(&case, ours.interval.low, row.low);
        same(&case, ours.interval.high, row.high);
        same(&case, ours.test.p_value, row.p_value);
        assert_eq!(
            (ours.test.gained, ours.test.lost),
            (row.gained, row.lost),
            "{case}"
        );
        same(&case, ours.detectable, row.detectable);
        assert_eq!(serde_json::to_value(ours.verdict).unwrap(), row.verdict, "{case}");
        same_needed(&case, ours.needed, &row.needed, &row.verdict);
        if let Some(p_value) = row.mcnemar {
            same(&case, ours.test.p_value, p_value);
        }
        if let Some((low, high)) = row.bootstrap {
            // Both are drawn, and few scenarios have only few means, which lie a step apart.
            let step = if row.pairs.len() < 50 { 0.1 } else { 0.03 };
            let drawn = paired::bootstrap(&pairs(&row.pairs)).unwrap();
            let most = step * (high - low);
            assert!((drawn.low - low).abs() <= most, "{case}: {drawn:?}, {low}");
            assert!((drawn.high - high).abs() <= most, "{case}: {drawn:?}, {high}");
        }
    }
}

#[derive(Deserialize)]
struct Tosses {
    gained: u32,
    lost: u32,
    p_value: f64,
}

#[test]
fn the_exact_test_of_mcnemar_is_that_of_statsmodels() {
    for row in rows::<Tosses>("mcnemar") {
        let case = format!("{} and {}", row.gained, row.lost);
        same(&case, mcnemar(row.gained, row.lost), row.p_value);
    }
}

#[derive(Deserialize)]
struct Many {
    p_values: Vec<f64>,
    adjusted: Vec<f64>,
}

#[test]
fn many_comparisons_are_adjusted_as_by_statsmodels() {
    for row in rows::<Many>("holm") {
        for (ours, theirs) in holm(&row.p_values).into_iter().zip(row.adjusted) {
            same("holm", ours, theirs);
        }
    }
}

#[test]
fn comparing_together_is_comparing_each_and_adjusting() {
    let all: Vec<Vec<Pair>> = rows::<Paired>("pairs")
        .iter()
        .map(|row| pairs(&row.pairs))
        .collect();
    let slices: Vec<&[Pair]> = all.iter().map(Vec::as_slice).collect();
    let together: Vec<_> = paired::together(&slices).into_iter().flatten().collect();
    let p_values: Vec<f64> = together.iter().map(|one| one.test.p_value).collect();
    for ((one, alone), adjusted) in together.iter().zip(&all).zip(holm(&p_values)) {
        same("adjusted", one.p_adjusted, adjusted);
        assert_eq!(one.interval, compare(alone).unwrap().interval);
    }
}

#[derive(Deserialize)]
struct Group {
    cases: Vec<usize>,
    found: Vec<InGroup>,
}

#[derive(Deserialize)]
struct InGroup {
    p_adjusted: f64,
    detectable: f64,
    needed: Wanted,
    verdict: Value,
}

/// What is looked at together is stricter, and needs more: verdicts, what would be found, and what it takes.
#[test]
fn several_comparisons_are_as_strict_as_those_of_statsmodels() {
    let all = rows::<Paired>("pairs");
    let groups: Vec<Group> = parts("together");
    let mut verdicts = std::collections::BTreeSet::new();
    for group in &groups {
        let chosen: Vec<Vec<Pair>> = group.cases.iter().map(|case| pairs(&all[*case].pairs)).collect();
        let slices: Vec<&[Pair]> = chosen.iter().map(Vec::as_slice).collect();
        for ((ours, row), case) in paired::together(&slices)
            .into_iter()
            .zip(&group.found)
            .zip(&group.cases)
        {
            let (ours, case) = (ours.unwrap(), format!("case {case} of {}", group.cases.len()));
            same(&case, ours.p_adjusted, row.p_adjusted);
            same(&case, ours.detectable, row.detectable);
            assert_eq!(serde_json::to_value(ours.verdict).unwrap(), row.verdict, "{case}");
            same_needed(&case, ours.needed, &row.needed, &row.verdict);
            verdicts.insert(row.verdict.to_string());
        }
    }
    assert!(groups.len() > 2 && verdicts.len() > 1, "{verdicts:?}");
}

/// The worked example of `docs/statistics.md`: what is computed here must stand there.
#[test]
fn the_worked_example_of_the_documentation_is_true() {
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/statistics.md"));
    let (a, b) = (
        [5, 5, 5, 4, 4, 3, 2, 2, 1, 0, 5, 3].map(|passed| Tally::new(passed, 5)),
        [5, 5, 5, 5, 4, 5, 2, 3, 2, 0, 4, 4].map(|passed| Tally::new(passed, 5)),
    );
    let pairs: Vec<Pair> = a.iter().zip(b).filter_map(|(a, b)| Pair::new(*a, b)).collect();
    let (of_a, of_b, both) = (mean(&a).unwrap(), mean(&b).unwrap(), compare(&pairs).unwrap());
    let one = wilson(a[5]).unwrap();
    let tries = repeated(&a, 3).unwrap();
    let flaky = flakiness(&a).unwrap();
    let drawn = paired::bootstrap(&pairs).unwrap();
    let percent = |value: f64| format!("{:.1}", 100.0 * value);
    let range = |low: f64, high: f64| format!("{} to {}", percent(low), percent(high));
    let said = [
        format!("3 of 5 is 60.0 %, {}", range(one.low, one.high)),
        format!("A passes {} %", percent(of_a.rate)),
        format!("standard error is {}", percent(of_a.standard_error.unwrap())),
        format!("{:.1} independent trials", of_a.effective_trials),
        format!("A: {}", range(of_a.interval.low, of_a.interval.high)),
        format!("B: {}", range(of_b.interval.low, of_b.interval.high)),
        format!("pass@3 is {} %", percent(tries.any.value)),
        format!("pass^3 is {} %", percent(tries.all.value)),
        format!("{} of {} scenarios are mixed", flaky.mixed, flaky.scenarios),
        format!("disagree {} %", percent(flaky.disagreement)),
        format!("difference is {} points", percent(both.difference)),
        format!("points, {}", range(both.interval.low, both.interval.high)),
        format!("bootstrap says {}", range(drawn.low, drawn.high)),
        format!("p = {:.4}", both.test.p_value),
        format!("{} scenarios gained, {} lost", both.test.gained, both.test.lost),
        format!("{} points would be found", percent(both.detectable)),
        format!(
            "verdict is {}",
            serde_json::to_value(both.verdict).unwrap().as_str().unwrap()
        ),
    ];
    let Some(Needed {
        scenarios,
        repetitions: Repetitions::Suffice(repetitions),
        ..
    }) = both.needed
    else {
        panic!("{:?}", both.needed);
    };
    let said = said.into_iter().chain([
        format!("{scenarios} scenarios with 5 repetitions"),
        format!("{repetitions} repetitions of these 12"),
    ]);
    let said: Vec<String> = said.collect();
    let missing: Vec<&String> = said
        .iter()
        .filter(|said| !document.contains(said.as_str()))
        .collect();
    assert!(missing.is_empty(), "docs/statistics.md does not say {missing:#?}");
    assert!(of_a.few_scenarios && both.few_scenarios);
}
