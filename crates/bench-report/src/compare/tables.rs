//! Tables of a comparison: who is compared, what came of it, where the two differ.
//!
//! Sides are called by letters, so that no table has a run's id in each row. No table wraps: long names lose their middle.

use bench_core::statistics::Interval;

use super::words::verdict;
use super::{Compared, Side};
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

/// `+8.3`, `−2.0`: hundredths, with their sign; nothing has none.
fn points(share: f64) -> String {
    let sign = match share {
        loss if loss <= -0.0005 => "−",
        gain if gain >= 0.0005 => "+",
        _ => "",
    };
    format!("{sign}{:.1}", 100.0 * share.abs())
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
    use super::super::tests::{a_little_better, both, of_five};
    use super::super::words::words;
    use super::*;

    #[test]
    fn who_is_compared_what_came_of_it_and_where_they_differ() {
        let (all, outcome) = a_little_better();
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
        insta::assert_snapshot!(scenarios(one, 2, 80).render(80), @r"
        scenario    A    B  change
        ──────────────────────────
        k         5/5  4/5   −20.0
        f         3/5  5/5   +40.0
        d         4/5  5/5   +20.0
        ");
        assert_eq!(not_shown(one, 2), 3);
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
