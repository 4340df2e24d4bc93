//! One row per model.

use std::time::Duration;

use bench_core::session::{Session, Totals};
use bench_core::{Outcome, Usage};

use crate::table::{Column, Table};
use crate::text;

/// What each model achieved. Columns that count nothing (limit, errored, …) are there only if any model
/// has something in them.
pub fn table(session: &Session) -> Table {
    let counted: Vec<Outcome> = Outcome::ALL
        .into_iter()
        .filter(|o| matches!(o, Outcome::Passed | Outcome::Failed) || any(session, *o))
        .collect();
    let mut columns = vec![Column::text("model"), Column::figure("trials")];
    columns.extend(counted.iter().map(|outcome| Column::figure(outcome.name())));
    columns.extend([
        Column::figure("pass rate"),
        Column::figure("verifiers"),
        Column::figure("turns").dispensable(4),
        Column::figure("calls").dispensable(3),
        Column::figure("tokens").dispensable(1),
    ]);
    let paid = session
        .models
        .iter()
        .any(|model| model.cost.is_some_and(|cost| !cost.is_nothing()));
    columns.extend(paid.then(|| Column::figure("cost")));
    columns.push(Column::figure("time/trial").dispensable(2));
    let mut table = Table::new(columns);
    for model in &session.models {
        table.row(row(model, &counted, paid));
    }
    table
}

fn any(session: &Session, outcome: Outcome) -> bool {
    session.models.iter().any(|model| counter(model, outcome) > 0)
}

fn counter(totals: &Totals, outcome: Outcome) -> u32 {
    let counts = &totals.outcomes;
    match outcome {
        Outcome::Passed => counts.passed,
        Outcome::Failed => counts.failed,
        Outcome::Limit => counts.limit,
        Outcome::Errored => counts.errored,
        Outcome::Unscored => counts.unscored,
        Outcome::Cancelled => counts.cancelled,
        _ => 0,
    }
}

fn row(totals: &Totals, counted: &[Outcome], paid: bool) -> Vec<String> {
    let done = totals.outcomes.done();
    let mut cells = vec![totals.model.clone(), format!("{done}/{}", totals.trials_total)];
    cells.extend(
        counted
            .iter()
            .map(|outcome| counter(totals, *outcome).to_string()),
    );
    cells.extend([
        text::percent(totals.outcomes.pass_rate()),
        format!("{}/{}", totals.verifiers_passed, totals.verifiers_total),
        totals.turns.to_string(),
        totals.tool_calls.to_string(),
        tokens(&totals.usage),
    ]);
    cells.extend(paid.then(|| totals.cost.map_or_else(|| "—".to_owned(), |cost| cost.brief())));
    cells.push(mean_time(totals.took_ms, done));
    cells
}

/// Input and output tokens together; `—` if nobody reported any.
pub fn tokens(usage: &Usage) -> String {
    match (usage.input_tokens, usage.output_tokens) {
        (None, None) => "—".to_owned(),
        _ => text::short_number(usage.total()),
    }
}

fn mean_time(took_ms: u64, trials: u32) -> String {
    match took_ms.checked_div(u64::from(trials)) {
        None => "—".to_owned(),
        Some(ms) => text::short_duration(Duration::from_millis(ms)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use bench_core::session::{Cell, OutcomeCounts};
    use bench_core::{Cost, Usd};

    use super::*;

    pub(crate) fn totals(model: &str, passed: u32, failed: u32, errored: u32) -> Totals {
        Totals {
            model: model.into(),
            trials_total: 12,
            outcomes: OutcomeCounts {
                passed,
                failed,
                errored,
                ..OutcomeCounts::default()
            },
            verifiers_passed: passed * 3,
            verifiers_total: (passed + failed) * 3,
            turns: 40,
            tool_calls: 61,
            usage: Usage::default(),
            judge_usage: Usage::default(),
            cost: Some(Cost::default()),
            took_ms: 61_000,
        }
    }

    pub(crate) fn session(models: Vec<Totals>, cells: Vec<Cell>) -> Session {
        Session {
            databases: Vec::new(),
            format: 1,
            harness_name: "quickstart".into(),
            label: None,
            runs: 1,
            models,
            cells,
        }
    }

    #[test]
    fn only_outcomes_that_happened_have_columns() {
        let session = session(vec![totals("oracle", 12, 0, 0), totals("noop", 0, 12, 0)], vec![]);
        insta::assert_snapshot!(table(&session).render(100), @r"
        model   trials  passed  failed  pass rate  verifiers  turns  calls  tokens  time/trial
        ──────────────────────────────────────────────────────────────────────────────────────
        oracle   12/12      12       0       100%      36/36     40     61       —       5.08s
        noop     12/12       0      12       0.0%       0/36     40     61       —       5.08s
        ");
    }

    #[test]
    fn a_model_that_could_not_be_judged_has_no_rate_and_eighty_columns_suffice() {
        let mut paid = totals("anthropic:claude-sonnet-4-5", 8, 3, 1);
        paid.usage = Usage {
            input_tokens: Some(120_345),
            output_tokens: Some(4_000),
            ..Usage::default()
        };
        paid.cost = Some(Cost {
            usd: Usd::from(0.4211),
            unknown_calls: 2,
        });
        let session = session(vec![paid, totals("openai:gpt-4o", 0, 0, 12)], vec![]);
        insta::assert_snapshot!(table(&session).render(80), @r"
        model           trials  passed  failed  errored  pass rate  verifiers       cost
        ────────────────────────────────────────────────────────────────────────────────
        anthropic:clau   12/12       8       3        1      72.7%      24/33  ≥ $0.4211
        de-sonnet-4-5
        openai:gpt-4o    12/12       0       0       12          —        0/0         $0
        ");
        insta::assert_snapshot!(table(&session).render(200), @r"
        model                        trials  passed  failed  errored  pass rate  verifiers  turns  calls  tokens       cost  time/trial
        ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        anthropic:claude-sonnet-4-5   12/12       8       3        1      72.7%      24/33     40     61  124.3k  ≥ $0.4211       5.08s
        openai:gpt-4o                 12/12       0       0       12          —        0/0     40     61       —         $0       5.08s
        ");
    }
}
