//! What can be read but is a mistake all the same, as far as that can be told without a gym.
//!
//! An [`Error`](crate::Severity::Error) here means that a scenario can never pass as it is written: a
//! [`PlanBuilder`](crate::PlanBuilder) refuses it, so that no model is paid for it. Everything else is a warning.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::compare::{Operator, equal, shortened};
use crate::harness::{Scenario, Solution};
use crate::problem::Problem;
use crate::suggest::quoted_list;
use crate::verifier::{Check, ResponseCheck, ToolExecution, VerifierSpec};

pub(crate) mod secrets;
mod sql;
mod tools;

pub use tools::{Offer, unknown_tools};

/// Looks at a scenario.
pub fn lint(scenario: &Scenario) -> Vec<Problem> {
    let mut problems = Vec::new();
    Linter {
        scenario,
        problems: &mut problems,
    }
    .all();
    problems
}

/// Notes what is odd in one scenario.
struct Linter<'s> {
    scenario: &'s Scenario,
    problems: &'s mut Vec<Problem>,
}

impl Linter<'_> {
    fn all(&mut self) {
        self.prompts();
        self.repeated_verifiers();
        self.contradictions();
        self.queries();
        self.tools();
        self.required_and_forbidden();
        self.limits();
    }

    fn odd(&mut self, message: String, hint: &str) {
        self.problems
            .push(Problem::warning(self.scenario.place(), message).hint(hint));
    }

    /// It can never pass.
    fn hopeless(&mut self, message: String, hint: &str) {
        self.problems
            .push(Problem::error(self.scenario.place(), message).hint(hint));
    }

    fn prompts(&mut self) {
        if self.scenario.verifiers.is_empty() && !self.scenario.prompts.is_empty() {
            let hint = "a trial without a verifier is `unscored`, never passed";
            self.odd("it has no verifier".to_owned(), hint);
        }
        for (n, prompt) in self.scenario.prompts.iter().enumerate() {
            if prompt.text.trim().is_empty() {
                self.odd(
                    format!("prompt {} has no text", n + 1),
                    "most providers refuse an empty message",
                );
            }
        }
    }

    fn repeated_verifiers(&mut self) {
        for (n, verifier) in self.scenario.verifiers.iter().enumerate() {
            let same = |other: &VerifierSpec| other.gym == verifier.gym && other.check == verifier.check;
            if let Some(first) = self.scenario.verifiers.iter().take(n).find(|other| same(other)) {
                let message = format!(
                    "the verifiers `{}` and `{}` ask the same",
                    first.name, verifier.name
                );
                self.odd(message, "remove one: it counts twice in the verifier totals");
            }
        }
    }

    /// Verifiers that expect one value to equal two.
    fn contradictions(&mut self) {
        for (n, verifier) in self.scenario.verifiers.iter().enumerate() {
            let Some((key, expected)) = asked(verifier) else {
                continue;
            };
            for other in self
                .scenario
                .verifiers
                .iter()
                .take(n)
                .filter(|other| other.gym == verifier.gym)
            {
                let Some((other_key, other_expected)) = asked(other) else {
                    continue;
                };
                // What cannot be told is no contradiction.
                let agree = equal(&expected, &other_expected) != Some(false)
                    || equal(&other_expected, &expected) != Some(false);
                if key == other_key && !agree {
                    let message = format!(
                        "the verifiers `{}` and `{}` ask the same and expect {} and {}",
                        other.name,
                        verifier.name,
                        shortened(&other_expected),
                        shortened(&expected)
                    );
                    self.hopeless(
                        message,
                        "both cannot be true: verifiers are judged at the end of the scenario",
                    );
                }
            }
        }
    }

    fn queries(&mut self) {
        for verifier in &self.scenario.verifiers {
            let (Check::DatabaseState { query, .. }
            | Check::ResponseCheck(ResponseCheck::Judge {
                sql_query: Some(query),
                ..
            })) = &verifier.check
            else {
                continue;
            };
            if let Some(complaint) = sql::complaint(query) {
                let message = format!("the query of the verifier `{}` {complaint}", verifier.name);
                self.odd(
                    message,
                    "a verifier reads: write one SELECT or WITH … SELECT statement",
                );
            }
        }
    }

    fn tools(&mut self) {
        let scenario = self.scenario;
        let hidden = |tool: &&str| {
            let allowed = scenario.allowed_tools.as_ref();
            scenario.restricted_tools.iter().any(|t| t == tool)
                || allowed.is_some_and(|allowed| !allowed.iter().any(|t| t == tool))
        };
        let names = |tools: BTreeSet<&str>| quoted_list(tools.into_iter().filter(|tool| hidden(tool)));
        let prompts = scenario.prompts.iter();
        let expected = prompts
            .flat_map(|p| &p.expected_tools)
            .chain(&scenario.expected_tools);
        let expected: BTreeSet<&str> = expected.map(String::as_str).collect();
        if expected.iter().any(hidden) {
            let message = format!(
                "tools that are expected are hidden from the model: {}",
                names(expected)
            );
            self.odd(
                message,
                "take them out of `restricted_tools`, or add them to `allowed_tools`",
            );
        }
        let required: BTreeSet<&str> = tool_checks(scenario).flat_map(required_tools).collect();
        if required.iter().any(hidden) {
            let message = format!(
                "tools that a verifier requires are hidden from the model: {}",
                names(required)
            );
            self.hopeless(
                message,
                "take them out of `restricted_tools`, or add them to `allowed_tools`",
            );
        }
        let played: BTreeSet<&str> = solutions(scenario)
            .flat_map(|s| &s.calls)
            .map(|call| call.tool.as_str())
            .collect();
        if played.iter().any(hidden) {
            let message = format!(
                "the solution calls tools that are hidden from the model: {}",
                names(played)
            );
            self.hopeless(message, "`oracle` is refused them like any other model");
        }
    }

    fn required_and_forbidden(&mut self) {
        for check in tool_checks(self.scenario) {
            let both: Vec<&str> = required_tools(check)
                .filter(|tool| check.forbidden.iter().any(|forbidden| forbidden == tool))
                .collect();
            if !both.is_empty() {
                let message = format!("a verifier both requires and forbids {}", quoted_list(both));
                self.hopeless(message, "keep one of the two");
            }
        }
    }

    fn limits(&mut self) {
        let limits = &self.scenario.limits;
        let turns = limits.max_turns.map(|turns| turns as usize);
        let prompts = self.scenario.prompts.len();
        if turns.is_some_and(|turns| turns < prompts) {
            let message = format!(
                "`max_turns` is {} for {prompts} prompts",
                turns.unwrap_or_default()
            );
            self.hopeless(message, "each prompt needs at least one reply");
        }
        let Some(calls) = limits.max_tool_calls else {
            return;
        };
        let needed = tool_checks(self.scenario)
            .map(needed_calls)
            .max()
            .unwrap_or_default();
        if u64::from(calls) < needed {
            let message = format!("`max_tool_calls` is {calls}, but a verifier needs at least {needed}");
            self.hopeless(message, "raise the limit");
        }
        let played = solutions(self.scenario)
            .map(|solution| solution.calls.len())
            .sum::<usize>();
        if (calls as usize) < played {
            let message = format!("`max_tool_calls` is {calls}, but the solution makes {played}");
            self.hopeless(message, "raise the limit");
        }
    }
}

/// What a verifier compares, as a text that two share if they compare the same, and the one value that
/// it must equal; `None` for any other comparison.
fn asked(verifier: &VerifierSpec) -> Option<(String, Value)> {
    match &verifier.check {
        Check::DatabaseState { query, comparison } if comparison.operator == Operator::Equals => {
            Some((normalised(query), comparison.expected.clone()))
        }
        Check::ToolResult {
            tool,
            arguments,
            select,
            comparison,
        } if comparison.operator == Operator::Equals => {
            let key = format!("{tool} {} {select:?}", Value::Object(arguments.clone()));
            Some((key, comparison.expected.clone()))
        }
        Check::ResponseCheck(ResponseCheck::Text {
            comparison,
            ignore_case,
        }) if comparison.operator == Operator::Equals => {
            Some((format!("answer {ignore_case}"), comparison.expected.clone()))
        }
        _ => None,
    }
}

fn solutions(scenario: &Scenario) -> impl Iterator<Item = &Solution> {
    scenario.solution.iter().chain(
        scenario
            .prompts
            .iter()
            .filter_map(|prompt| prompt.solution.as_ref()),
    )
}

fn tool_checks(scenario: &Scenario) -> impl Iterator<Item = &ToolExecution> {
    scenario
        .verifiers
        .iter()
        .filter_map(|verifier| match &verifier.check {
            Check::ToolExecution(check) => Some(check),
            _ => None,
        })
}

fn required_tools(check: &ToolExecution) -> impl Iterator<Item = &str> {
    let named = check.required.iter().chain(&check.ordered).map(String::as_str);
    named.chain(check.calls.iter().map(|call| call.tool.as_str()))
}

/// The fewest calls with which a check can be true.
fn needed_calls(check: &ToolExecution) -> u64 {
    let minimum = check.minimum_tool_calls.map_or(0, u64::from);
    let different = required_tools(check)
        .collect::<BTreeSet<_>>()
        .len()
        .max(check.ordered.len());
    minimum.max(different as u64)
}

/// The query without differences that do not matter.
fn normalised(query: &str) -> String {
    query
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .trim_end_matches([';', ' '])
        .to_owned()
}
