//! What can be read but is a mistake all the same.
//!
//! | part | what it needs to know |
//! |---|---|
//! | [`lint`] | the scenario alone |
//! | [`constant_queries`] | what a database without tables can answer |
//! | [`unknown_tools`], [`unknown_expected`] | the tools that gyms offer |
//! | [`tried`], [`tried_in_part`] | what models that cost nothing made of the scenario |
//! | `secrets` | the text of the file |
//!
//! An [`Error`](crate::Severity::Error) of [`lint`] means that a scenario can never pass as it is written: a
//! [`PlanBuilder`](crate::PlanBuilder) refuses it, so that no model is paid for it. Everything else is a warning.

use std::collections::BTreeSet;
use std::ptr;

use crate::harness::{Scenario, Solution};
use crate::problem::Problem;
use crate::suggest::quoted_list;
use crate::verifier::{Check, ToolExecution, VerifierSpec};

mod calls;
pub(crate) mod secrets;
mod sql;
mod tools;
mod tried;
mod verifiers;

pub use sql::{complaint as complaint_of_query, constant_queries};
pub use tools::{Offer, unknown_expected, unknown_tools};
pub use tried::{came_to_nothing, tried, tried_in_part};

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
        self.verifiers();
        self.never_true();
        self.always_true();
        self.queries();
        self.tools();
        self.required_and_forbidden();
        self.call_counts();
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

    /// The same, because of one verifier.
    fn hopeless_at(&mut self, verifier: &VerifierSpec, message: String, hint: &str) {
        let place = self.scenario.place_of(verifier);
        self.problems.push(Problem::error(place, message).hint(hint));
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

    /// Verifiers that ask what an earlier one asks, and those that no state makes true together with an earlier one.
    fn verifiers(&mut self) {
        let scenario = self.scenario;
        for (n, verifier) in scenario.verifiers.iter().enumerate() {
            let earlier = &scenario.verifiers[..n];
            if let Some(first) = verifiers::same_as(verifier, earlier) {
                let [first, second] = self.called([first, verifier]);
                let message = format!("the verifiers {first} and {second} ask the same");
                let problem = Problem::warning(scenario.place_of(verifier), message);
                let hint = "remove one: it counts twice in the verifier totals";
                self.problems.push(problem.hint(hint));
            } else if let Some((other, expected)) = verifiers::contradicted_by(verifier, earlier) {
                let [first, second] = self.called([other, verifier]);
                let message =
                    format!("the verifiers {first} and {second} ask the same and expect {expected}");
                let hint = "both cannot be true: verifiers are judged at the end of the scenario";
                self.hopeless_at(verifier, message, hint);
            }
        }
    }

    /// The names of two verifiers of the scenario, with their numbers where both are called the same.
    fn called(&self, both: [&VerifierSpec; 2]) -> [String; 2] {
        let [one, other] = both;
        let alike = one.name == other.name && !ptr::eq(one, other);
        both.map(|verifier| {
            let mut all = self.scenario.verifiers.iter();
            match all.position(|own| ptr::eq(own, verifier)).filter(|_| alike) {
                Some(n) => format!("`{}` (number {})", verifier.name, n + 1),
                None => format!("`{}`", verifier.name),
            }
        })
    }

    /// Verifiers that no value makes true.
    fn never_true(&mut self) {
        let scenario = self.scenario;
        for verifier in scenario.verifiers.iter().filter(|v| verifiers::never_true(v)) {
            let message = format!("the verifier `{}` expects one of an empty list", verifier.name);
            self.hopeless_at(
                verifier,
                message,
                "no value is in it: write down those that will do",
            );
        }
    }

    /// Verifiers that every answer makes true.
    fn always_true(&mut self) {
        let scenario = self.scenario;
        for verifier in scenario.verifiers.iter().filter(|v| verifiers::always_true(v)) {
            let message = format!("the verifier `{}` is true of every answer", verifier.name);
            let problem = Problem::warning(scenario.place_of(verifier), message);
            self.problems
                .push(problem.hint("it demands nothing: say what the answer must hold"));
        }
    }

    fn queries(&mut self) {
        for (verifier, query) in sql::queries(self.scenario) {
            if let Some(complaint) = sql::complaint(query) {
                let message = format!("the query of the verifier `{}` {complaint}", verifier.name);
                let problem = Problem::warning(self.scenario.place_of(verifier), message);
                let hint = "a verifier reads: write one SELECT or WITH … SELECT statement";
                self.problems.push(problem.hint(hint));
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
        let reveal = match (&scenario.allowed_tools, scenario.restricted_tools.as_slice()) {
            (None, _) => "take them out of `restricted_tools`",
            (Some(_), []) => "add those that a gym offers to `allowed_tools`",
            (Some(_), _) => {
                "take them out of `restricted_tools`, and add those that a gym offers to `allowed_tools`"
            }
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
            self.odd(message, reveal);
        }
        let required: BTreeSet<&str> = tool_checks(scenario)
            .flat_map(|(_, check)| required_tools(check))
            .collect();
        if required.iter().any(hidden) {
            let message = format!(
                "tools that a verifier requires are hidden from the model: {}",
                names(required)
            );
            self.hopeless(message, reveal);
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
}

fn solutions(scenario: &Scenario) -> impl Iterator<Item = &Solution> {
    scenario.solution.iter().chain(
        scenario
            .prompts
            .iter()
            .filter_map(|prompt| prompt.solution.as_ref()),
    )
}

/// The checks of tool calls, each with the verifier that it belongs to.
fn tool_checks(scenario: &Scenario) -> impl Iterator<Item = (&VerifierSpec, &ToolExecution)> {
    scenario
        .verifiers
        .iter()
        .filter_map(|verifier| match &verifier.check {
            Check::ToolExecution(check) => Some((verifier, check)),
            _ => None,
        })
}

fn required_tools(check: &ToolExecution) -> impl Iterator<Item = &str> {
    let named = check.required.iter().chain(&check.ordered).map(String::as_str);
    named.chain(check.calls.iter().map(|call| call.tool.as_str()))
}
