//! What a comparison means, in sentences for lines of 80 columns.

use bench_core::statistics::{Comparison, FEW_SCENARIOS, Needed, Repetitions, Verdict};

use super::tables::letter;
use super::{Compared, Refusal, Side};
use crate::text;

/// What it means, a line each: what can be told, what it takes to tell more, and what was left out.
pub fn words(one: &Compared, sides: &[Side]) -> Vec<String> {
    let found = &one.comparison;
    let mut lines: Vec<String> = [one.baseline, one.candidate]
        .into_iter()
        .filter_map(|place| Some(not_one_setting(sides.get(place)?, &letter(place))))
        .flatten()
        .collect();
    if nothing_passed(found) {
        lines.push(NOTHING_PASSED.to_owned());
    }
    lines.extend(match &found.needed {
        None => vec![told(found)],
        Some(needed) => cannot_tell(one, needed),
    });
    if found.comparisons > 1 {
        let n = found.comparisons;
        lines.push(format!(
            "{n} comparisons are looked at together, so each is judged more strictly"
        ));
        lines.push("p and verdict allow for that, the range does not: it may leave out zero".to_owned());
    }
    if found.few_scenarios {
        lines.push(if found.scenarios < FEW_SCENARIOS {
            format!(
                "few scenarios ({}): the range is wider than it had to be",
                found.scenarios
            )
        } else {
            "few scenarios in which the two differ: the range is wider than it had to be".to_owned()
        });
    }
    let same = (found.scenarios as usize).saturating_sub(one.changed.len());
    let (lost, gained) = (found.test.lost, found.test.gained);
    lines.push(format!(
        "{}: {lost} worse, {gained} better, {same} the same",
        text::count(found.scenarios as usize, "scenario")
    ));
    let left_out = left_out(one).into_iter();
    lines.extend(left_out.map(|(n, why)| format!("{} left out: {why}", text::count(n, "scenario"))));
    let (least, most) = one.repetitions;
    if least != most {
        lines.push(format!(
            "unequal repetitions ({least} to {most}): no more is believed than the fewest say"
        ));
    }
    for place in [one.baseline, one.candidate] {
        lines.extend(
            sides
                .get(place)
                .map(|side| about(side, &letter(place)))
                .unwrap_or_default(),
        );
    }
    lines
}

/// What to look at where neither passed anything: then two say nothing of each other.
const NOTHING_PASSED: &str = "nothing passed on either side: are gyms reached, keys right, checks sound?";

/// Whether neither side passed anything. That is rarely what two models can do.
pub fn nothing_passed(found: &Comparison) -> bool {
    found.before <= 0.0 && found.after <= 0.0
}

/// That a side's trials ran with different limits, because a resume said them anew; and which.
fn not_one_setting(side: &Side, letter: &str) -> Vec<String> {
    /// Characters of a line.
    const LONGEST: usize = 76;
    let Some(mixed) = &side.mixed else {
        return Vec::new();
    };
    let (before, all) = (mixed.before, mixed.trials);
    let changes: Vec<String> = mixed.changes.iter().map(ToString::to_string).collect();
    vec![
        format!("{letter} is not one setting: a resume changed limits after {before} of {all} trials:"),
        text::shorten(&changes.join(", "), LONGEST).into_owned(),
    ]
}

/// The verdict as a sentence.
fn told(found: &Comparison) -> String {
    let often = if found.verdict == Verdict::Better {
        "more"
    } else {
        "less"
    };
    format!(
        "passes {often} often, by {} points; chance does not explain it",
        plain(found.difference)
    )
}

/// Why there is no verdict, and what it takes to have one.
fn cannot_tell(one: &Compared, needed: &Needed) -> Vec<String> {
    let found = &one.comparison;
    let none_seen = needed.difference > found.difference.abs() + 1e-9;
    let seen = if none_seen {
        "cannot tell: no difference is seen, which does not make them equal".to_owned()
    } else {
        let seen = plain(found.difference);
        format!("cannot tell yet: chance may explain the {seen} points")
    };
    let more = number(one.more_trials.unwrap_or_default());
    let find = format!(
        "{}{} points take{} {}: {more} more trials of each",
        if none_seen { "finding " } else { "" },
        plain(needed.difference),
        if none_seen { "s" } else { "" },
        by(needed)
    );
    let repetitions = match needed.repetitions {
        Repetitions::NeverSuffice => Some("more repetitions of these scenarios alone never will"),
        Repetitions::Unknown if one.repetitions.0 > 1 => {
            Some("whether more repetitions would do is not known: nothing varies between them yet")
        }
        Repetitions::Unknown => Some("whether more repetitions would do, two of each scenario could say"),
        _ => None,
    };
    let lines = [
        Some(seen),
        limit(found),
        Some(find),
        repetitions.map(str::to_owned),
    ];
    lines.into_iter().flatten().collect()
}

/// What these data could tell. Nothing is said of that where more than that is seen, and luck was against it.
fn limit(found: &Comparison) -> Option<String> {
    let least = found.least_that_differ;
    if found.scenarios < least {
        return Some(format!(
            "with fewer than {least} scenarios no difference can be told, however large"
        ));
    }
    if found.detectable >= 1.0 {
        return Some("no difference, however large, would be found 4 times out of 5".to_owned());
    }
    let points = plain(found.detectable);
    (found.detectable > found.difference.abs())
        .then(|| format!("only {points} points or more would be found, 4 times out of 5"))
}

/// `39 scenarios or 17 repetitions`, in all.
fn by(needed: &Needed) -> String {
    let scenarios = format!("{} scenarios", number(needed.scenarios));
    match needed.repetitions {
        Repetitions::Suffice(n) => format!("{scenarios} or {} repetitions", number(n)),
        _ => scenarios,
    }
}

/// `1347`, `12.3k`.
fn number(n: u64) -> String {
    if n < 10_000 {
        n.to_string()
    } else {
        text::short_number(n)
    }
}

/// How many scenarios are not compared, and why, for each reason.
pub fn left_out(one: &Compared) -> Vec<(usize, String)> {
    let only = |place| format!("only in {}", letter(place));
    let all = [
        (&one.not_comparable, "asked or judged otherwise".to_owned()),
        (&one.no_verdict, "a side has no verdict there".to_owned()),
        (&one.only_baseline, only(one.baseline)),
        (&one.only_candidate, only(one.candidate)),
    ];
    let all = all.into_iter().filter(|(scenarios, _)| !scenarios.is_empty());
    all.map(|(scenarios, why)| (scenarios.len(), why)).collect()
}

/// What to know about a side.
fn about(side: &Side, letter: &str) -> Vec<String> {
    let partial = side.partial.then(|| {
        let (done, total) = (side.outcomes.done(), side.trials_total);
        let status = text::clean_line(&side.status);
        format!("{letter} is partial: {status}, {done} of {total} trials are over")
    });
    let unknown = side.plan_unknown.then(|| {
        format!("{letter} does not say what was asked: scenarios of one name are taken for the same")
    });
    partial.into_iter().chain(unknown).collect()
}

/// Why two sides cannot be compared, and what to do about it.
pub fn refusal(why: Refusal) -> (&'static str, &'static str) {
    match why {
        Refusal::NoCommonScenario => (
            "they have no scenario in common",
            "compare runs of the same harness",
        ),
        Refusal::AllChanged => (
            "every common scenario was asked or judged otherwise",
            "`rescore` judges an older run with the verifiers of today; other prompts need a new run",
        ),
        Refusal::NoVerdict => (
            "no scenario has a verdict on both sides",
            "`show` tells why trials have none, and what runs them again",
        ),
    }
}

/// The word for it.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        _ => "inconclusive",
    }
}

/// Hundredths without a sign.
fn plain(share: f64) -> String {
    format!("{:.1}", 100.0 * share.abs())
}

#[cfg(test)]
mod tests {
    use bench_core::plan::Change;

    use super::super::tests::{a_little_better, both, of_five, side};
    use super::super::{Couple, Mixed, compare};
    use super::*;

    #[test]
    fn what_cannot_be_told_is_said_with_what_it_takes() {
        let (all, outcome) = a_little_better();
        let one = &outcome.comparisons[0];
        insta::assert_snapshot!(words(one, &all).join("\n"), @r"
        cannot tell yet: chance may explain the 8.3 points
        only 14.9 points or more would be found, 4 times out of 5
        8.3 points take 39 scenarios or 17 repetitions: 135 more trials of each
        few scenarios (12): the range is wider than it had to be
        12 scenarios: 1 worse, 5 better, 6 the same
        ");
    }

    #[test]
    fn a_plain_difference_is_told_in_a_sentence() {
        let (all, outcome) = both(of_five("old", [5; 12]), of_five("new", [1; 12]));
        insta::assert_snapshot!(words(&outcome.comparisons[0], &all).join("\n"), @r"
        passes less often, by 80.0 points; chance does not explain it
        few scenarios (12): the range is wider than it had to be
        12 scenarios: 12 worse, 0 better, 0 the same
        ");
    }

    #[test]
    fn where_data_cannot_answer_it_is_said_in_words() {
        let (all, outcome) = both(side("old", &[("a", 3, 0, 0)]), side("new", &[("a", 0, 1, 2)]));
        insta::assert_snapshot!(words(&outcome.comparisons[0], &all).join("\n"), @r"
        cannot tell yet: chance may explain the 100.0 points
        with fewer than 6 scenarios no difference can be told, however large
        100.0 points take 6 scenarios: 5 more trials of each
        more repetitions of these scenarios alone never will
        few scenarios (1): the range is wider than it had to be
        1 scenario: 1 worse, 0 better, 0 the same
        unequal repetitions (1 to 3): no more is believed than the fewest say
        ");
        let same = [
            ("a", 1, 0, 0),
            ("b", 1, 0, 0),
            ("c", 0, 1, 0),
            ("d", 0, 1, 0),
            ("e", 0, 1, 0),
            ("f", 1, 0, 0),
        ];
        let mut old = side("old", &same);
        (old.partial, old.status, old.trials_total) = (true, "running".into(), 40);
        old.plan_unknown = true;
        let (all, outcome) = both(old, side("new", &[&same[..], &[("z", 1, 0, 0)]].concat()));
        insta::assert_snapshot!(words(&outcome.comparisons[0], &all).join("\n"), @r"
        cannot tell: no difference is seen, which does not make them equal
        only 74.9 points or more would be found, 4 times out of 5
        finding 5.0 points takes 1347 scenarios: 1341 more trials of each
        whether more repetitions would do, two of each scenario could say
        few scenarios (6): the range is wider than it had to be
        6 scenarios: 0 worse, 0 better, 6 the same
        1 scenario left out: only in B
        A is partial: running, 6 of 40 trials are over
        A does not say what was asked: scenarios of one name are taken for the same
        ");
    }

    /// What is adjusted for several comparisons, and what is not.
    #[test]
    fn ranges_of_several_comparisons_are_not_adjusted_and_say_so() {
        let sides = vec![
            of_five("a", [5; 12]),
            of_five("b", [1; 12]),
            of_five("c", [5, 5, 5, 4, 4, 3, 2, 2, 1, 0, 5, 3]),
        ];
        let couples = [1, 2].map(|candidate| Couple {
            candidate,
            ..Couple::default()
        });
        let several = compare(&sides, couples.into());
        let not_adjusted = "p and verdict allow for that, the range does not: it may leave out zero";
        for one in &several.comparisons {
            assert!(words(one, &sides).iter().any(|line| line == not_adjusted));
        }
        let (sides, alone) = both(sides[0].clone(), sides[1].clone());
        assert!(
            !words(&alone.comparisons[0], &sides)
                .iter()
                .any(|line| line == not_adjusted)
        );
    }

    #[test]
    fn what_makes_a_verdict_worth_less_is_told_before_it() {
        let mut after = of_five("new", [0; 12]);
        let changes = [
            ("max_turns", "200", "2"),
            ("max_tool_calls", "100", "7"),
            ("retries", "1", "9"),
        ];
        after.mixed = Some(Mixed {
            before: 24,
            trials: 60,
            changes: changes
                .map(|(what, from, to)| Change {
                    what,
                    from: from.into(),
                    to: to.into(),
                })
                .into(),
        });
        let (all, outcome) = both(of_five("old", [0; 12]), after);
        let words = words(&outcome.comparisons[0], &all);
        assert!(words.iter().all(|line| line.chars().count() < 80), "{words:?}");
        insta::assert_snapshot!(words[..3].join("\n"), @r"
        B is not one setting: a resume changed limits after 24 of 60 trials:
        max_turns 200 → 2, max_tool_calls 100 → 7, retries 1 → 9
        nothing passed on either side: are gyms reached, keys right, checks sound?
        ");
    }

    #[test]
    fn what_repetitions_would_do_is_told_by_repetitions() {
        let words_of = |rows: [(&str, u32, u32, u32); 6]| {
            let (all, outcome) = both(side("old", &rows), side("new", &rows));
            words(&outcome.comparisons[0], &all).join("\n")
        };
        let names = ["a", "b", "c", "d", "e", "f"];
        assert!(words_of(names.map(|name| (name, 1, 0, 0))).contains("two of each scenario could say"));
        assert!(words_of(names.map(|name| (name, 2, 0, 0))).contains("nothing varies between them yet"));
    }
}
