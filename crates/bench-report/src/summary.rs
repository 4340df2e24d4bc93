//! One row per model, and what to know about the numbers.

use std::time::Duration;

use bench_core::plan::Selection;
use bench_core::session::{Session, Totals};
use bench_core::statistics::{self, FEW_SCENARIOS, Mean, ModelStatistics, Tally};
use bench_core::{Outcome, Usage};

use crate::table::{Column, Table};
use crate::text;

/// What each model achieved: its pass rate is the mean of its scenarios, with the range that covers it over scenarios like
/// these. Columns that count nothing (limit, errored, …) are there only if any model has something in them.
pub fn table(session: &Session) -> Table {
    let counted: Vec<Outcome> = Outcome::ALL
        .into_iter()
        .filter(|o| matches!(o, Outcome::Passed | Outcome::Failed) || any(session, *o))
        .collect();
    let mut columns = vec![Column::text("model"), Column::figure("trials")];
    columns.extend(counted.iter().map(|outcome| match outcome {
        // What is left of the trials, if need be.
        Outcome::Failed => Column::figure(outcome.name()).dispensable(1),
        _ => Column::figure(outcome.name()),
    }));
    columns.extend([
        Column::figure("pass rate (95%)"),
        Column::figure("verifiers"),
        Column::figure("turns").dispensable(5),
        Column::figure("calls").dispensable(4),
        Column::figure("tokens").dispensable(2),
    ]);
    let paid = session
        .models
        .iter()
        .any(|model| model.cost.is_some_and(|cost| !cost.is_nothing()));
    columns.extend(paid.then(|| Column::figure("cost")));
    columns.push(Column::figure("time/trial").dispensable(3));
    let mut table = Table::new(columns);
    for (model, known) in session.models.iter().zip(statistics::model::of(session)) {
        table.row(row(model, known.pass_rate.as_ref(), &counted, paid));
    }
    table
}

/// What to know about the numbers of [`table`], a line each: where they say less than it seems; first that
/// trials were `chosen` by how they had ended, if they were.
pub fn notes(session: &Session, chosen: Option<&Selection>) -> Vec<String> {
    let known = statistics::model::of(session);
    let rates: Vec<&Mean> = known
        .iter()
        .filter_map(|model| model.pass_rate.as_ref())
        .collect();
    let few = few_scenarios(&rates).into_iter();
    let own = session.models.iter().zip(&known);
    let chosen = chosen.into_iter().flat_map(Selection::notes);
    let own = own.filter_map(|(totals, known)| of_model(totals, known));
    let again = session.models.iter().filter_map(|totals| {
        let said = tried_again(totals)?;
        Some(format!(
            "{}: {said}; cost and tokens are of all attempts",
            name(totals)
        ))
    });
    chosen.chain(few).chain(own).chain(again).collect()
}

/// Whether the ranges of some model may be wrong more often than they say.
fn few_scenarios(rates: &[&Mean]) -> Option<String> {
    let fewest = rates
        .iter()
        .filter(|rate| rate.few_scenarios)
        .map(|rate| rate.scenarios)
        .min()?;
    Some(match fewest {
        1 => "few scenarios (1): the range is that of this one, and says nothing of others".to_owned(),
        2..FEW_SCENARIOS => {
            format!("few scenarios ({fewest}): ranges may miss the true rate more than 1 time in 20")
        }
        _ => "few scenarios on one side: ranges may miss the true rate more than 1 time in 20".to_owned(),
    })
}

/// What attempts took that do not count, because their trials were tried again, in the run itself or after a resume; none if
/// that is nothing. It is in no number of a trial.
pub(crate) fn tried_again(totals: &Totals) -> Option<String> {
    let (turns, calls) = (totals.tried_again_turns, totals.tried_again_tool_calls);
    let took = Duration::from_millis(totals.tried_again_ms);
    (turns > 0 || calls > 0 || !took.is_zero()).then(|| {
        let count = |n: u64, what| text::count(usize::try_from(n).unwrap_or(usize::MAX), what);
        format!(
            "attempts that were tried again took {}, {}, {} more",
            count(turns, "turn"),
            count(calls, "call"),
            text::short_duration(took)
        )
    })
}

fn name(totals: &Totals) -> String {
    let model = text::clean_line(&totals.model);
    text::shorten_middle(&model, 30).to_string()
}

/// What the row of a model does not say.
fn of_model(totals: &Totals, known: &ModelStatistics) -> Option<String> {
    let model = name(totals);
    match &known.pass_rate {
        Some(mean) => {
            let all = Tally::new(totals.outcomes.passed, totals.outcomes.scored());
            unlike_trials(mean.rate, all).map(|words| format!("{model}: the rate is {words}"))
        }
        None if totals.outcomes.done() > 0 => Some(format!("{model}: no verdict, so nothing is known of it")),
        None => None,
    }
}

/// What to say of a model's rate where it is not the share of its trials that passed, because scenarios have unequally many
/// with a verdict: `the mean of its scenarios; 5 of 8 trials passed`.
pub fn unlike_trials(rate: f64, trials: Tally) -> Option<String> {
    let Tally { passed, trials: all } = trials;
    let unlike = text::percent(Some(rate)) != text::percent(trials.rate());
    unlike.then(|| format!("the mean of its scenarios; {passed} of {all} trials passed"))
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

fn row(totals: &Totals, rate: Option<&Mean>, counted: &[Outcome], paid: bool) -> Vec<String> {
    let done = totals.outcomes.done();
    let mut cells = vec![totals.model.clone(), format!("{done}/{}", totals.trials_total)];
    cells.extend(
        counted
            .iter()
            .map(|outcome| counter(totals, *outcome).to_string()),
    );
    cells.extend([
        pass_rate(rate),
        format!("{}/{}", totals.verifiers_passed, totals.verifiers_total),
        totals.turns.to_string(),
        totals.tool_calls.to_string(),
        tokens(&totals.usage),
    ]);
    cells.extend(paid.then(|| totals.cost.map_or_else(|| "—".to_owned(), |cost| cost.brief())));
    cells.push(mean_time(totals.took_ms, done));
    cells
}

/// `72.7% (43–90)`: the mean of the scenarios' rates.
fn pass_rate(rate: Option<&Mean>) -> String {
    let range = rate.map(|rate| " ".to_owned() + &text::range(rate.interval.low, rate.interval.high));
    text::percent(rate.map(|rate| rate.rate)) + &range.unwrap_or_default()
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
            ..Totals::default()
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

    /// Cells of so many scenarios that were tried once: first those that passed, then those that failed, then the others.
    fn once_each(models: &[Totals], scenarios: u32) -> Vec<Cell> {
        let one = |model: &Totals, nth: u32| {
            let (passed, failed) = (model.outcomes.passed, model.outcomes.failed);
            let is = |held: bool| u32::from(held);
            Cell {
                scenario_id: format!("s{nth}"),
                totals: totals(
                    &model.model,
                    is(nth < passed),
                    is((passed..passed + failed).contains(&nth)),
                    is(nth >= passed + failed),
                ),
            }
        };
        let cells = (0..scenarios).flat_map(|nth| models.iter().map(move |model| one(model, nth)));
        cells.collect()
    }

    #[test]
    fn what_the_numbers_do_not_say_is_told_in_words() {
        let told = |models: Vec<Totals>, cells: Vec<Cell>| notes(&session(models, cells), None).join("\n");
        let twelve = vec![totals("oracle", 12, 0, 0), totals("down", 0, 0, 12)];
        let cells = once_each(&twelve, 12);
        insta::assert_snapshot!(told(twelve, cells), @r"
        few scenarios (12): ranges may miss the true rate more than 1 time in 20
        down: no verdict, so nothing is known of it
        ");
        let enough = vec![totals("m", 60, 40, 0)];
        let cells = once_each(&enough, 100);
        assert_eq!(told(enough, cells), "");
        let one_sided = vec![totals("m", 97, 3, 0)];
        let cells = once_each(&one_sided, 100);
        insta::assert_snapshot!(told(one_sided, cells), @"few scenarios on one side: ranges may miss the true rate more than 1 time in 20");
        let cell = |scenario: &str, totals| Cell {
            scenario_id: scenario.into(),
            totals,
        };
        let uneven = vec![cell("a", totals("m", 9, 1, 0)), cell("b", totals("m", 0, 1, 9))];
        insta::assert_snapshot!(told(vec![totals("m", 9, 2, 9)], uneven.clone()), @r"
        few scenarios (2): ranges may miss the true rate more than 1 time in 20
        m: the rate is the mean of its scenarios; 9 of 11 trials passed
        ");
        let shown = table(&session(vec![totals("m", 9, 2, 9)], uneven)).render(100);
        assert!(shown.contains(" 45.0% ("), "the mean, as everywhere: {shown}");
        let single = vec![cell("a", totals("m", 3, 1, 0))];
        insta::assert_snapshot!(told(vec![totals("m", 3, 1, 0)], single), @"few scenarios (1): the range is that of this one, and says nothing of others");
    }

    #[test]
    fn what_was_tried_again_stands_beside_numbers_that_do_not_have_it() {
        let mut model = totals("m", 60, 40, 0);
        (model.tried_again_turns, model.tried_again_tool_calls) = (14, 1);
        model.tried_again_ms = 105_000;
        let cells = once_each(std::slice::from_ref(&model), 100);
        let session = session(vec![model], cells);
        insta::assert_snapshot!(notes(&session, None).join("\n"), @"m: attempts that were tried again took 14 turns, 1 call, 1m 45s more; cost and tokens are of all attempts");
        let shown = table(&session).render(100);
        assert!(shown.contains("610ms"), "of the attempts that count: {shown}");
    }

    #[test]
    fn only_outcomes_that_happened_have_columns() {
        let models = vec![totals("oracle", 12, 0, 0), totals("noop", 0, 12, 0)];
        let cells = once_each(&models, 12);
        let session = session(models, cells);
        insta::assert_snapshot!(table(&session).render(100), @r"
        model   trials  passed  failed  pass rate (95%)  verifiers  turns  calls  tokens  time/trial
        ────────────────────────────────────────────────────────────────────────────────────────────
        oracle   12/12      12       0    100% (71–100)      36/36     40     61       —       5.08s
        noop     12/12       0      12      0.0% (0–29)       0/36     40     61       —       5.08s
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
        let models = vec![paid, totals("openai:gpt-4o", 0, 0, 12)];
        let cells = once_each(&models, 12);
        let session = session(models, cells);
        insta::assert_snapshot!(table(&session).render(80), @r"
        model             trials  passed  errored  pass rate (95%)  verifiers       cost
        ────────────────────────────────────────────────────────────────────────────────
        anthropic:claude   12/12       8        1    72.7% (38–92)      24/33  ≥ $0.4211
        -sonnet-4-5
        openai:gpt-4o      12/12       0       12                —        0/0         $0
        ");
        insta::assert_snapshot!(table(&session).render(200), @r"
        model                        trials  passed  failed  errored  pass rate (95%)  verifiers  turns  calls  tokens       cost  time/trial
        ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        anthropic:claude-sonnet-4-5   12/12       8       3        1    72.7% (38–92)      24/33     40     61  124.3k  ≥ $0.4211       5.08s
        openai:gpt-4o                 12/12       0       0       12                —        0/0     40     61       —         $0       5.08s
        ");
    }
}
