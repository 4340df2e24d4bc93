//! All that is said of each model of a session.

use schemars::JsonSchema;
use serde::Serialize;

use super::repeated::{self, Flakiness, Repeated};
use super::{Mean, Tally, mean};
use crate::price::Cost;
use crate::session::{Session, Totals};

/// pass@k and pass^k are told up to this k.
const MOST_TRIES: u32 = 10;

/// What is known of a model.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ModelStatistics {
    /// The model, as `provider:name`.
    pub model: String,
    /// How often it passes; none without a trial that counts.
    pub pass_rate: Option<Mean>,
    /// How often its verifiers are true; each scenario counts the same.
    pub verifier_rate: Option<Mean>,
    /// pass@k and pass^k, for k from 1 to the repetitions there are, 10 at most.
    pub repeated: Vec<Repeated>,
    /// Whether repetitions agree; none if no scenario was tried twice.
    pub flakiness: Option<Flakiness>,
    /// What a pass takes; none if nothing passed.
    pub per_pass: Option<PerPass>,
}

/// What everything that was used up comes to for each trial that passed, failures and errors included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct PerPass {
    /// Model replies.
    pub turns: f64,
    /// Tool calls.
    pub tool_calls: f64,
    /// Input and output tokens; none if nobody reported any.
    pub tokens: Option<f64>,
    /// Wall-clock milliseconds.
    pub took_ms: f64,
    /// US dollars that are known of; none if no cost was written down.
    pub usd: Option<f64>,
    /// The dollars are only a lower bound: some calls are of unknown cost.
    pub usd_is_a_lower_bound: bool,
}

/// One for each model, in the session's order.
pub fn of(session: &Session) -> Vec<ModelStatistics> {
    session
        .models
        .iter()
        .map(|totals| of_model(session, totals))
        .collect()
}

fn of_model(session: &Session, totals: &Totals) -> ModelStatistics {
    let tallies = tallies(session, &totals.model);
    let cells = cells(session, &totals.model);
    let verdicts: Vec<Tally> = cells
        .map(|(_, cell)| Tally::new(cell.verifiers_passed, cell.verifiers_total))
        .collect();
    let most = tallies
        .iter()
        .map(|tally| tally.trials)
        .max()
        .unwrap_or(0)
        .min(MOST_TRIES);
    ModelStatistics {
        model: totals.model.clone(),
        pass_rate: mean(&tallies),
        verifier_rate: mean(&verdicts),
        repeated: (1..=most)
            .filter_map(|k| repeated::repeated(&tallies, k))
            .collect(),
        flakiness: repeated::flakiness(&tallies),
        per_pass: per_pass(totals),
    }
}

/// Passed of the trials that count, of one model: one for each scenario, in the session's order.
pub fn tallies(session: &Session, model: &str) -> Vec<Tally> {
    cells(session, model)
        .map(|(_, cell)| Tally::new(cell.outcomes.passed, cell.outcomes.scored()))
        .collect()
}

fn cells<'a>(session: &'a Session, model: &'a str) -> impl Iterator<Item = (&'a str, &'a Totals)> {
    let cells = session
        .cells
        .iter()
        .map(|cell| (cell.scenario_id.as_str(), &cell.totals));
    cells.filter(move |(_, totals)| totals.model == model)
}

fn per_pass(totals: &Totals) -> Option<PerPass> {
    let passed = totals.outcomes.passed;
    let share = |sum: u64| number(sum) / f64::from(passed);
    let counted = totals.usage.input_tokens.is_some() || totals.usage.output_tokens.is_some();
    (passed > 0).then(|| PerPass {
        turns: share(totals.turns.saturating_add(totals.tried_again_turns)),
        tool_calls: share(totals.tool_calls.saturating_add(totals.tried_again_tool_calls)),
        tokens: counted.then(|| share(totals.usage.total())),
        took_ms: share(totals.took_ms.saturating_add(totals.tried_again_ms)),
        usd: totals.cost.map(|cost| f64::from(cost.usd) / f64::from(passed)),
        usd_is_a_lower_bound: totals.cost.is_some_and(|cost: Cost| cost.unknown_calls > 0),
    })
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and a mean beyond")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::Usd;
    use crate::session::{Cell, OutcomeCounts};
    use crate::usage::Usage;

    fn totals(model: &str, passed: u32, failed: u32, errored: u32) -> Totals {
        Totals {
            model: model.into(),
            outcomes: OutcomeCounts {
                passed,
                failed,
                errored,
                ..OutcomeCounts::default()
            },
            verifiers_passed: 2 * passed + failed,
            verifiers_total: 2 * (passed + failed),
            ..Totals::default()
        }
    }

    fn session(cells: &[(&str, u32, u32, u32)]) -> Session {
        let cell = |(scenario, passed, failed, errored): &(&str, u32, u32, u32)| Cell {
            scenario_id: (*scenario).into(),
            totals: totals("m", *passed, *failed, *errored),
        };
        let sum = |of: fn(&(&str, u32, u32, u32)) -> u32| cells.iter().map(of).sum();
        Session {
            format: 1,
            harness_name: "h".into(),
            label: None,
            runs: 3,
            models: vec![
                totals("m", sum(|c| c.1), sum(|c| c.2), sum(|c| c.3)),
                totals("other", 0, 0, 1),
            ],
            cells: cells.iter().map(cell).collect(),
            databases: vec![],
        }
    }

    #[test]
    fn errored_trials_are_in_no_rate_and_scenarios_weigh_the_same() {
        let all = of(&session(&[("a", 3, 0, 0), ("b", 0, 1, 2), ("c", 0, 0, 3)]));
        let rate = all[0].pass_rate.unwrap();
        assert!((rate.rate - 0.5).abs() < 1e-15);
        assert_eq!((rate.scenarios, rate.trials), (2, 4));
        assert!((all[0].verifier_rate.unwrap().rate - 0.75).abs() < 1e-15);
        assert_eq!(
            (all[1].pass_rate, all[1].flakiness, all[1].per_pass),
            (None, None, None)
        );
    }

    #[test]
    fn tries_are_told_up_to_the_most_there_are() {
        let all = of(&session(&[("a", 2, 1, 0), ("b", 1, 1, 1)]));
        let scenarios: Vec<(u32, u32)> = all[0]
            .repeated
            .iter()
            .map(|tries| (tries.k, tries.any.scenarios))
            .collect();
        assert_eq!(scenarios, [(1, 2), (2, 2), (3, 1)]);
    }

    #[test]
    fn a_pass_costs_what_failures_and_errors_cost_too() {
        let mut session = session(&[("a", 2, 1, 1)]);
        (session.models[0].turns, session.models[0].tried_again_turns) = (15, 5);
        (session.models[0].took_ms, session.models[0].tried_again_ms) = (600, 400);
        session.models[0].usage = Usage {
            input_tokens: Some(900),
            output_tokens: Some(100),
            ..Usage::default()
        };
        session.models[0].cost = Some(Cost {
            usd: Usd::from(0.5),
            unknown_calls: 1,
        });
        let per_pass = of(&session)[0].per_pass.unwrap();
        assert_eq!((per_pass.turns, per_pass.tokens), (10.0, Some(500.0)));
        // What was tried again took its time, too.
        assert_eq!((per_pass.took_ms, per_pass.tool_calls), (500.0, 0.0));
        assert_eq!((per_pass.usd, per_pass.usd_is_a_lower_bound), (Some(0.25), true));
    }
}
