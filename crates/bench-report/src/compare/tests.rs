//! Which scenarios are compared, and what comes of it.

use bench_core::session::Cell;
use bench_core::statistics::Verdict;

use super::*;
use crate::summary::tests::{session, totals};

/// A side of scenarios that passed, failed and errored so often.
pub(crate) fn side(run: &str, rows: &[(&str, u32, u32, u32)]) -> Side {
    let cell = |(scenario, passed, failed, errored): &(&str, u32, u32, u32)| Cell {
        scenario_id: (*scenario).into(),
        totals: totals("m", *passed, *failed, *errored),
    };
    let sum = |of: fn(&(&str, u32, u32, u32)) -> u32| rows.iter().map(of).sum();
    let mut all = totals("m", sum(|row| row.1), sum(|row| row.2), sum(|row| row.3));
    all.trials_total = all.outcomes.done();
    let session = session(vec![all], rows.iter().map(cell).collect());
    let origin = Origin {
        run,
        status: "completed",
        partial: false,
        older_tool: false,
        plan_unknown: false,
        mixed: None,
    };
    Side::of(&origin, &session, "m").unwrap()
}

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// Twelve scenarios that passed so often of five.
pub(crate) fn of_five(run: &str, passed: [u32; 12]) -> Side {
    let rows: Vec<_> = NAMES
        .iter()
        .zip(passed)
        .map(|(name, n)| (*name, n, 5 - n, 0))
        .collect();
    side(run, &rows)
}

/// The second with the first.
pub(crate) fn both(baseline: Side, candidate: Side) -> (Vec<Side>, Outcome) {
    let sides = vec![baseline, candidate];
    let couple = Couple {
        candidate: 1,
        not_comparable: BTreeSet::from(["reworded".to_owned()]),
        ..Couple::default()
    };
    let outcome = compare(&sides, vec![couple]);
    (sides, outcome)
}

/// A run that passed a little more often than the one before it.
pub(crate) fn a_little_better() -> (Vec<Side>, Outcome) {
    let before = of_five(
        "run_20260101_030405_0badcafe",
        [5, 5, 5, 4, 4, 3, 2, 2, 1, 0, 5, 3],
    );
    let after = of_five(
        "run_20260102_030405_0badcafe",
        [5, 5, 5, 5, 4, 5, 2, 3, 2, 0, 4, 4],
    );
    both(before, after)
}

#[test]
fn only_scenarios_with_a_verdict_on_both_sides_are_compared() {
    let before = side(
        "old",
        &[
            ("a", 1, 0, 0),
            ("b", 0, 1, 0),
            ("down", 0, 0, 3),
            ("reworded", 1, 0, 0),
        ],
    );
    let after = side(
        "new",
        &[
            ("a", 1, 0, 0),
            ("c", 1, 0, 0),
            ("down", 1, 0, 0),
            ("reworded", 0, 1, 0),
        ],
    );
    let (_, outcome) = both(before, after);
    let one = &outcome.comparisons[0];
    assert_eq!((one.comparison.scenarios, one.trials), (1, 1));
    assert_eq!(
        (&one.only_baseline[..], &one.only_candidate[..]),
        (&["b".to_owned()][..], &["c".to_owned()][..])
    );
    assert_eq!(
        (&one.no_verdict[..], &one.not_comparable[..]),
        (&["down".to_owned()][..], &["reworded".to_owned()][..])
    );
    assert!(one.changed.is_empty());
}

#[test]
fn what_cannot_be_compared_is_refused_with_the_reason() {
    let why = |before: &[(&str, u32, u32, u32)], after: &[(&str, u32, u32, u32)]| {
        let (_, outcome) = both(side("old", before), side("new", after));
        assert!(outcome.comparisons.is_empty());
        outcome.refused[0].why
    };
    assert_eq!(
        why(&[("a", 1, 0, 0)], &[("b", 1, 0, 0)]),
        Refusal::NoCommonScenario
    );
    assert_eq!(
        why(&[("reworded", 1, 0, 0)], &[("reworded", 1, 0, 0)]),
        Refusal::AllChanged
    );
    assert_eq!(why(&[("a", 1, 0, 0)], &[("a", 0, 0, 4)]), Refusal::NoVerdict);
}

/// Pairs are by name: the other way round, by place, the two would differ in each scenario.
#[test]
fn scenarios_are_paired_by_name_and_not_by_place() {
    let rows = [
        ("a", 4, 0, 0),
        ("b", 0, 4, 0),
        ("c", 4, 0, 0),
        ("d", 0, 4, 0),
        ("e", 4, 0, 0),
        ("f", 0, 4, 0),
    ];
    let mut turned = rows;
    turned.reverse();
    let (_, outcome) = both(side("old", &rows), side("new", &turned));
    let one = &outcome.comparisons[0];
    assert_eq!((one.comparison.test.gained, one.comparison.test.lost), (0, 0));
    assert!(one.changed.is_empty());
}

#[test]
fn losses_come_first_and_what_is_missing_is_told_in_trials() {
    let before = of_five("old", [5, 5, 5, 4, 4, 3, 2, 2, 1, 0, 5, 3]);
    let after = of_five("new", [5, 5, 5, 5, 4, 5, 2, 3, 2, 0, 4, 4]);
    let (_, outcome) = both(before, after);
    let one = &outcome.comparisons[0];
    let changed: Vec<&str> = one.changed.iter().map(|row| row.scenario_id.as_str()).collect();
    assert_eq!(
        (changed.first(), changed.last(), changed.len()),
        (Some(&"k"), Some(&"l"), 6)
    );
    assert_eq!(one.comparison.verdict, Verdict::Inconclusive);
    // 39 scenarios are 27 × 5 more trials, 17 repetitions of 12 scenarios 12 × 12.
    assert_eq!(one.more_trials, Some(135));
    assert_eq!(one.repetitions, (5, 5));
}
