//! A comparison as text: who is compared, what came of it, what it means, where the two differ.
//!
//! Sides are called by letters, so that no table has a run's id in each row. Lines are made for 80 columns; tables never
//! wrap, long names lose their middle.

use bench_core::statistics::{Comparison, FEW_SCENARIOS, Interval, Needed, Repetitions, Verdict};

use super::{Compared, Refusal, Side};
use crate::table::{Column, Table};
use crate::text;

/// The most columns of a model's name where there is little room, and of a scenario's.
const SHORT: usize = 27;

/// What tables call a side: `A`, `B`, …, `Z`, `AA`, ….
pub fn letter(place: usize) -> String {
    let last = char::from(b'A' + u8::try_from(place % 26).unwrap_or(0));
    match place / 26 {
        0 => last.to_string(),
        rest => format!("{}{last}", letter(rest - 1)),
    }
}

/// Who is compared: one row per side. The run has no column if there is only one.
pub fn sides(all: &[Side], width: usize) -> Table {
    let several = all.iter().any(|side| side.run != all[0].run);
    let longest = if width < 100 { SHORT } else { usize::MAX };
    let mut columns = vec![Column::word("")];
    columns.extend(several.then(|| Column::word("run")));
    columns.extend([
        Column::word("model"),
        Column::figure("scenarios").dispensable(1),
        Column::figure("trials").dispensable(2),
        Column::figure("pass rate (95%)"),
        Column::figure("no verdict").dispensable(3),
    ]);
    let mut table = Table::new(columns);
    for (place, side) in all.iter().enumerate() {
        let counts = &side.outcomes;
        let mut cells = vec![letter(place)];
        cells.extend(several.then(|| side.run.clone()));
        cells.extend([
            text::shorten_middle(&text::clean_line(&side.model), longest).into_owned(),
            side.pass_rate.map_or(0, |rate| rate.scenarios).to_string(),
            format!("{}/{}", counts.done(), side.trials_total),
            rate(side),
            counts.done().saturating_sub(counts.scored()).to_string(),
        ]);
        table.row(cells);
    }
    table
}

/// `72.7% (43–90)`: the mean of the scenarios' rates.
fn rate(side: &Side) -> String {
    side.pass_rate.map_or_else(
        || "—".to_owned(),
        |mean| {
            let range = text::range(mean.interval.low, mean.interval.high);
            format!("{} {range}", text::percent(Some(mean.rate)))
        },
    )
}

/// What came of it: one row per comparison.
pub fn table(all: &[Compared]) -> Table {
    let mut table = Table::new([
        Column::word("compared"),
        Column::figure("scenarios"),
        Column::figure("pass rate").dispensable(1),
        Column::figure("difference (95%)"),
        Column::figure("p").dispensable(2),
        Column::word("verdict"),
    ]);
    for one in all {
        let found = &one.comparison;
        let rates = (
            text::percent(Some(found.before)),
            text::percent(Some(found.after)),
        );
        table.row([
            format!("{} vs {}", letter(one.candidate), letter(one.baseline)),
            found.scenarios.to_string(),
            format!("{} → {}", rates.0, rates.1),
            format!("{} ({})", points(found.difference), span(found.interval)),
            p_value(found.p_adjusted),
            verdict(found.verdict).to_owned(),
        ]);
    }
    table
}

/// Where the two differ: at most `most` scenarios in which the candidate lost, and as many in which it gained.
pub fn scenarios(one: &Compared, most: usize, width: usize) -> Table {
    let mut table = Table::new([Column::word("scenario")]);
    table.add_column(&letter(one.baseline), Column::figure(""));
    table.add_column(&letter(one.candidate), Column::figure(""));
    table.add_column("change", Column::figure(""));
    let longest = width.saturating_sub(32).max(SHORT);
    let (lost, gained) = one
        .changed
        .split_at(one.changed.partition_point(|row| row.difference < 0.0));
    let shown = lost.iter().take(most).chain(gained.iter().take(most));
    for row in shown {
        table.row([
            text::shorten_middle(&text::clean_line(&row.scenario_id), longest).into_owned(),
            format!("{}/{}", row.before.passed, row.before.trials),
            format!("{}/{}", row.after.passed, row.after.trials),
            points(row.difference),
        ]);
    }
    table
}

/// How many scenarios changed that [`scenarios`] does not show.
pub fn not_shown(one: &Compared, most: usize) -> usize {
    let lost = one.changed.partition_point(|row| row.difference < 0.0);
    lost.saturating_sub(most) + (one.changed.len() - lost).saturating_sub(most)
}

/// What it means, a line each: what can be told, what it takes to tell more, and what was left out.
pub fn words(one: &Compared, sides: &[Side]) -> Vec<String> {
    let found = &one.comparison;
    let mut lines = match &found.needed {
        None => vec![told(found)],
        Some(needed) => cannot_tell(one, needed),
    };
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
    lines.extend(left_out(one));
    let (least, most) = one.repetitions;
    if least != most {
        lines.push(format!(
            "unequal repetitions ({least} to {most}): no more is believed than the fewest say"
        ));
    }
    for place in [one.baseline, one.candidate] {
        lines.extend(sides.get(place).and_then(|side| about(side, &letter(place))));
    }
    lines
}

/// The verdict as a sentence.
fn told(found: &Comparison) -> String {
    let often = if found.verdict == Verdict::Better {
        "more"
    } else {
        "less"
    };
    let together = match found.comparisons {
        1 => String::new(),
        n => format!(" (of {n} comparisons together)"),
    };
    format!(
        "passes {often} often, by {} points; chance does not explain it{together}",
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

/// What is not compared, and why.
fn left_out(one: &Compared) -> Vec<String> {
    let only = |place| format!("only in {}", letter(place));
    let all = [
        (&one.not_comparable, "asked or judged otherwise".to_owned()),
        (&one.no_verdict, "no verdict on both sides".to_owned()),
        (&one.only_baseline, only(one.baseline)),
        (&one.only_candidate, only(one.candidate)),
    ];
    let all = all.into_iter().filter(|(scenarios, _)| !scenarios.is_empty());
    all.map(|(scenarios, why)| format!("{} left out: {why}", text::count(scenarios.len(), "scenario")))
        .collect()
}

/// What to know about a side.
fn about(side: &Side, letter: &str) -> Option<String> {
    if side.partial {
        let (done, total) = (side.outcomes.done(), side.trials_total);
        let status = text::clean_line(&side.status);
        return Some(format!(
            "{letter} is partial: {status}, {done} of {total} trials are over"
        ));
    }
    side.older_tool.then(|| {
        format!("{letter} does not say what was asked: scenarios of one name are taken for the same")
    })
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
            "`show` tells why trials have none; `resume` tries them again",
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

/// `+8.3`, `−2.0`: hundredths, with their sign; nothing has none.
fn points(share: f64) -> String {
    let sign = match share {
        loss if loss <= -0.0005 => "−",
        gain if gain >= 0.0005 => "+",
        _ => "",
    };
    format!("{sign}{:.1}", 100.0 * share.abs())
}

/// Hundredths without a sign.
fn plain(share: f64) -> String {
    format!("{:.1}", 100.0 * share.abs())
}

/// `−2.0 to +18.9`.
fn span(interval: Interval) -> String {
    format!("{} to {}", points(interval.low), points(interval.high))
}

fn p_value(p: f64) -> String {
    if p < 0.001 {
        "<0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{both, of_five, side};
    use super::*;

    #[test]
    fn what_cannot_be_told_is_said_with_what_it_takes() {
        let before = of_five(
            "run_20260101_030405_0badcafe",
            [5, 5, 5, 4, 4, 3, 2, 2, 1, 0, 5, 3],
        );
        let after = of_five(
            "run_20260102_030405_0badcafe",
            [5, 5, 5, 5, 4, 5, 2, 3, 2, 0, 4, 4],
        );
        let (all, outcome) = both(before, after);
        let one = &outcome.comparisons[0];
        insta::assert_snapshot!(sides(&all, 80).render(80), @r"
           run                           model  scenarios  trials  pass rate (95%)
        ──────────────────────────────────────────────────────────────────────────
        A  run_20260101_030405_0badcafe  m             12   60/60    65.0% (42–82)
        B  run_20260102_030405_0badcafe  m             12   60/60    73.3% (50–88)
        ");
        insta::assert_snapshot!(table(&outcome.comparisons).render(100), @r"
        compared  scenarios      pass rate      difference (95%)      p  verdict
        ─────────────────────────────────────────────────────────────────────────────
        B vs A           12  65.0% → 73.3%  +8.3 (−2.0 to +18.9)  0.188  inconclusive
        ");
        insta::assert_snapshot!(words(one, &all).join("\n"), @r"
        cannot tell yet: chance may explain the 8.3 points
        only 14.9 points or more would be found, 4 times out of 5
        8.3 points take 39 scenarios or 17 repetitions: 135 more trials of each
        few scenarios (12): the range is wider than it had to be
        12 scenarios: 1 worse, 5 better, 6 the same
        ");
        insta::assert_snapshot!(scenarios(one, 2, 80).render(80), @r"
        scenario    A    B  change
        ──────────────────────────
        k         5/5  4/5   −20.0
        f         3/5  5/5   +40.0
        d         4/5  5/5   +20.0
        ");
        assert_eq!(not_shown(one, 2), 3);
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
        ");
    }

    /// With the longest ids of runs and models that are common.
    #[test]
    fn no_table_is_wider_than_eighty_columns_or_wraps() {
        let mut before = of_five(
            "run_20260101_030405_0badcafe",
            [5, 5, 5, 4, 4, 3, 2, 2, 1, 0, 5, 3],
        );
        before.model = "openrouter:meta-llama/llama-4-maverick-17b-128e-instruct?effort=high".into();
        let mut after = of_five(
            "run_20260102_030405_0badcafe",
            [0, 5, 5, 5, 4, 5, 2, 3, 2, 0, 4, 4],
        );
        after.model = "anthropic:claude-sonnet-4-5".into();
        let (all, outcome) = both(before, after);
        for width in [80, 200] {
            let one = &outcome.comparisons[0];
            for (table, lines) in [
                (sides(&all, width), 4),
                (table(&outcome.comparisons), 3),
                (scenarios(one, 9, width), 2 + one.changed.len()),
            ] {
                let text = table.render(width);
                assert_eq!(text.lines().count(), lines, "{text}");
                assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            }
            assert!(words(one, &all).iter().all(|line| line.chars().count() < 80));
        }
    }

    #[test]
    fn letters_go_on_after_z() {
        assert_eq!(
            [0, 1, 25, 26, 27, 52, 701, 702].map(letter).join(" "),
            "A B Z AA AB BA ZZ AAA"
        );
    }
}
