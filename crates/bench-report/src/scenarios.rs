//! Scenarios × models: where did which model not pass?

use bench_core::session::{Cell, OutcomeCounts, Row, Session, Totals};

use crate::table::{Column, Table};

/// Stands where a run has no trial of a model in a scenario.
pub(crate) const NOT_THERE: &str = "—";

/// One row per scenario of which a trial is over that did not pass; empty if there is none.
pub fn not_passed(session: &Session) -> Table {
    let missed = |counts: &OutcomeCounts| counts.done() - counts.cancelled > counts.passed;
    grid(session, |row| {
        let mut cells = row.cells.iter().flatten();
        cells.any(|cell| missed(&cell.totals.outcomes))
    })
}

/// One row per scenario.
pub fn all(session: &Session) -> Table {
    grid(session, |_| true)
}

/// How many scenarios the session has.
pub fn count(session: &Session) -> usize {
    session.rows().len()
}

fn grid(session: &Session, shown: impl Fn(&Row<'_>) -> bool) -> Table {
    let mut table = Table::new([Column::text("scenario")]);
    for model in &session.models {
        table.add_column(&model.model, Column::text(""));
    }
    for row in session.rows().iter().filter(|row| shown(row)) {
        let cells = row.cells.iter();
        let cells = cells.map(|cell| cell.map_or_else(|| NOT_THERE.to_owned(), cell_text));
        table.row(std::iter::once(row.scenario_id.to_owned()).chain(cells));
    }
    table
}

/// A sign and words: colour is never the only difference. The rate is as in [`brief`]: `◐ 1/2 passed, 1 errored`.
pub(crate) fn cell_text(cell: &Cell) -> String {
    let (counts, planned) = (&cell.totals.outcomes, cell.totals.trials_total);
    if planned == 1 {
        let word = words(counts).first().map_or("not run", |(word, _)| word);
        return format!("{} {word}", sign(counts));
    }
    let open = planned.saturating_sub(counts.done());
    let said = |word: &str| matches!(word, "passed" | "failed");
    let rest = words(counts).into_iter().filter(|(word, _)| !said(word));
    let rest = rest.chain((open > 0).then_some(("not run", open)));
    let rate = rate(counts).map(|rate| format!("{rate} passed"));
    let parts = rate
        .into_iter()
        .chain(rest.map(|(word, n)| format!("{n} {word}")));
    format!("{} {}", sign(counts), parts.collect::<Vec<_>>().join(", "))
}

/// The same in a few signs: `✓ 3/3`, `◐ 1/2 !1`, `✗ 0/2`, `…3`.
pub(crate) fn brief(totals: &Totals) -> String {
    let counts = &totals.outcomes;
    let rated = rate(counts).map(|rate| format!("{} {rate}", sign(counts)));
    let apart = [
        ('!', counts.errored),
        ('·', counts.unscored),
        ('⊘', counts.cancelled),
        ('…', totals.trials_total.saturating_sub(counts.done())),
    ];
    let apart = apart.into_iter().filter(|(_, n)| *n > 0);
    let apart = apart.map(|(sign, n)| format!("{sign}{n}"));
    rated.into_iter().chain(apart).collect::<Vec<_>>().join(" ")
}

/// Passed of those with a verdict; none without any. What has none is in no rate, and told apart.
fn rate(counts: &OutcomeCounts) -> Option<String> {
    (counts.scored() > 0).then(|| format!("{}/{}", counts.passed, counts.scored()))
}

fn words(counts: &OutcomeCounts) -> Vec<(&'static str, u32)> {
    let all = [
        ("passed", counts.passed),
        ("failed", counts.failed),
        ("limit", counts.limit),
        ("errored", counts.errored),
        ("unscored", counts.unscored),
        ("cancelled", counts.cancelled),
    ];
    all.into_iter().filter(|(_, n)| *n > 0).collect()
}

/// ✓ all of those with a verdict passed, ◐ some, ✗ none; ! only errors, · none of it.
fn sign(counts: &OutcomeCounts) -> char {
    match counts.passed {
        _ if counts.scored() == 0 && counts.errored > 0 => '!',
        _ if counts.scored() == 0 => '·',
        0 => '✗',
        passed if passed == counts.scored() => '✓',
        _ => '◐',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::{session, totals};

    fn cell(scenario: &str, model: &str, planned: u32, outcomes: OutcomeCounts) -> Cell {
        let totals = Totals {
            trials_total: planned,
            outcomes,
            ..totals(model, 0, 0, 0)
        };
        Cell {
            scenario_id: scenario.into(),
            totals,
        }
    }

    fn counts(passed: u32, failed: u32, errored: u32) -> OutcomeCounts {
        OutcomeCounts {
            passed,
            failed,
            errored,
            ..OutcomeCounts::default()
        }
    }

    #[test]
    fn only_scenarios_that_somebody_tried_and_did_not_pass_are_shown() {
        let cells = vec![
            cell("create-bug", "oracle", 1, counts(1, 0, 0)),
            cell("create-bug", "noop", 1, counts(0, 1, 0)),
            cell("read-only", "oracle", 1, counts(1, 0, 0)),
            cell("read-only", "noop", 1, counts(1, 0, 0)),
            cell("cut-short", "oracle", 1, counts(0, 0, 0)),
            cell("cut-short", "noop", 1, counts(0, 0, 1)),
            cell("never-begun", "oracle", 1, counts(0, 0, 0)),
            cell("never-begun", "noop", 1, counts(0, 0, 0)),
        ];
        let session = session(vec![totals("oracle", 3, 0, 0), totals("noop", 1, 1, 1)], cells);
        assert_eq!(count(&session), 4);
        insta::assert_snapshot!(not_passed(&session).render(80), @r"
        scenario    oracle     noop
        ─────────────────────────────────
        create-bug  ✓ passed   ✗ failed
        cut-short   · not run  ! errored
        ");
    }

    /// As a run has them that tries again what failed: `one` failed in one scenario, `two` in all.
    #[test]
    fn a_model_that_was_not_tried_in_a_scenario_moves_no_verdict_of_another() {
        let cells = vec![
            cell("assign", "two", 1, counts(0, 1, 0)),
            cell("close", "two", 1, counts(0, 1, 0)),
            cell("label", "one", 1, counts(1, 0, 0)),
            cell("label", "two", 1, counts(0, 1, 0)),
        ];
        let session = session(vec![totals("one", 1, 0, 0), totals("two", 0, 3, 0)], cells);
        assert_eq!(count(&session), 3);
        insta::assert_snapshot!(not_passed(&session).render(80), @r"
        scenario  one       two
        ─────────────────────────────
        assign    —         ✗ failed
        close     —         ✗ failed
        label     ✓ passed  ✗ failed
        ");
    }

    #[test]
    fn repetitions_are_counted() {
        let cells = vec![
            cell("a", "oracle", 3, counts(3, 0, 0)),
            cell("b", "oracle", 3, counts(1, 1, 1)),
            cell("c", "oracle", 3, counts(0, 0, 1)),
            cell("d", "oracle", 3, counts(2, 0, 1)),
            cell("e", "oracle", 3, counts(0, 2, 0)),
        ];
        let session = session(vec![totals("oracle", 0, 0, 0)], cells);
        insta::assert_snapshot!(all(&session).render(80), @r"
        scenario  oracle
        ─────────────────────────────────
        a         ✓ 3/3 passed
        b         ◐ 1/2 passed, 1 errored
        c         ! 1 errored, 2 not run
        d         ✓ 2/2 passed, 1 errored
        e         ✗ 0/2 passed, 1 not run
        ");
        let briefs: Vec<String> = session.cells.iter().map(|cell| brief(&cell.totals)).collect();
        assert_eq!(
            briefs,
            ["✓ 3/3", "◐ 1/2 !1", "!1 …2", "✓ 2/2 !1", "✗ 0/2 …1"],
            "the same rates"
        );
    }

    #[test]
    fn a_session_without_models_has_no_rows() {
        assert!(all(&session(vec![], vec![])).is_empty());
        assert_eq!(count(&session(vec![], vec![])), 0);
    }
}
