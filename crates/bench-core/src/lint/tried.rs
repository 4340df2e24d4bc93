//! What two models that cost nothing show of a scenario: `noop`, which does nothing, and `oracle`, which plays the
//! solution.
//!
//! Doing nothing must not pass, the solution must. What a verifier says after `noop` it says before the first step of
//! any model: one that is true then demands nothing, unless it is a guard of what must not change. Each cause is told
//! once: a verifier of which something is known already is not told again for what follows from it.

use serde_json::Value;

use crate::compare::shortened;
use crate::harness::Scenario;
use crate::outcome::{Outcome, Verdict, VerdictStatus};
use crate::problem::{Place, Problem, Severity};
use crate::record::TrialRecord;
use crate::verifier::{Check, VerifierSpec};

/// What trials of `noop` and `oracle` say against the scenario that they were of.
///
/// `known` is what is known against it without them.
pub fn tried(
    scenario: &Scenario,
    noop: Option<&TrialRecord>,
    oracle: Option<&TrialRecord>,
    known: &[Problem],
) -> Vec<Problem> {
    let mut looker = Looker {
        scenario,
        known,
        problems: Vec::new(),
    };
    let noop = noop.filter(|record| came_to_nothing(record).is_none());
    looker.unexecuted(noop, oracle);
    if let Some(noop) = noop {
        looker.nothing_done(noop);
    }
    if let Some(oracle) = oracle {
        looker.solved(oracle);
    }
    looker.problems
}

/// What the trial of `noop` says of the state before the first step: verifiers that are true then, and those that give
/// no verdict. For a scenario without the parts that something else is wrong with, whose outcome therefore says nothing.
pub fn tried_in_part(scenario: &Scenario, noop: &TrialRecord, known: &[Problem]) -> Vec<Problem> {
    let mut looker = Looker {
        scenario,
        known,
        problems: Vec::new(),
    };
    if came_to_nothing(noop).is_none() {
        looker.without_verdict(noop, false);
        looker.state_before(noop);
    }
    looker.problems
}

/// Why a trial has not looked at its scenario at all: no verifier was asked, so nothing can be said by it.
pub fn came_to_nothing(record: &TrialRecord) -> Option<&str> {
    let ended = matches!(record.outcome, Outcome::Errored | Outcome::Cancelled);
    (ended && record.verdicts.is_empty()).then(|| record.cause.as_deref().unwrap_or("it was not tried"))
}

struct Looker<'a> {
    scenario: &'a Scenario,
    known: &'a [Problem],
    problems: Vec<Problem>,
}

impl<'a> Looker<'a> {
    /// Verifiers that give no verdict: after the solution, else after nothing.
    fn unexecuted(&mut self, noop: Option<&TrialRecord>, oracle: Option<&TrialRecord>) {
        let solved = oracle.filter(|record| !record.verdicts.is_empty());
        let Some(record) = solved.or(noop) else { return };
        self.without_verdict(record, solved.is_some());
        // Only the state before the first step lacks what is looked at: then doing nothing is not even counted.
        let Some(noop) = noop.filter(|noop| noop.outcome == Outcome::Errored) else {
            return;
        };
        if let Some((verifier, error)) = self.first_errored(noop) {
            let message = format!(
                "a model that does nothing is not counted: the verifier `{}` gives no verdict then: {error}",
                verifier.name
            );
            let problem = Problem::warning(self.scenario.place_of(verifier), message);
            let hint = "make it false: such as coalesce(…, 0) in SQL, or a further verifier that is";
            self.problems.push(problem.hint(hint));
        }
    }

    /// Says which verifiers give no verdict. That the gym refuses a query is worse than what the query itself lets expect.
    fn without_verdict(&mut self, record: &TrialRecord, solved: bool) {
        let of_verifiers = self.scenario.verifiers.iter().zip(&record.verdicts);
        for (verifier, verdict) in of_verifiers {
            let VerdictStatus::Errored { error, permanent } = &verdict.status else {
                continue;
            };
            let too_early = !solved && may_come(verifier, error, *permanent);
            if !too_early && !self.is_hopeless(verifier) {
                let message = format!("the verifier `{}` gives no verdict: {error}", verifier.name);
                let hint = if *permanent {
                    "trials with it are errored, whatever a model does"
                } else {
                    "check again: if it stays so, trials with it are errored"
                };
                self.error(self.scenario.place_of(verifier), message, hint);
            }
        }
    }

    fn first_errored<'r>(&self, record: &'r TrialRecord) -> Option<(&'a VerifierSpec, &'r str)> {
        let of_verifiers = self.scenario.verifiers.iter().zip(&record.verdicts);
        of_verifiers
            .filter(|(verifier, _)| !self.is_known(verifier))
            .find_map(|(verifier, verdict)| match &verdict.status {
                VerdictStatus::Errored { error, .. } => Some((verifier, error.as_str())),
                _ => None,
            })
    }

    fn nothing_done(&mut self, noop: &TrialRecord) {
        if noop.outcome == Outcome::Passed {
            if self
                .scenario
                .verifiers
                .iter()
                .any(|verifier| self.is_known(verifier))
            {
                return; // probably because of that
            }
            let hint = "at least one verifier has to be false before the first step";
            return self.error(self.scenario.place(), "doing nothing passes it".to_owned(), hint);
        }
        self.state_before(noop);
    }

    fn state_before(&mut self, noop: &TrialRecord) {
        if self.scenario.prompts.is_empty() {
            return; // nobody acts
        }
        for (verifier, verdict) in self.scenario.verifiers.iter().zip(&noop.verdicts) {
            let name = &verifier.name;
            let (message, hint) = match (verifier.guard, &verdict.status) {
                (false, VerdictStatus::True) if verifier.check.looks_at_state() => (
                    format!("the verifier `{name}` is true before the first step"),
                    "ask for what has to change; for what must not change, write `\"guard\": true`",
                ),
                (true, VerdictStatus::False) => (
                    format!(
                        "the verifier `{name}` is a guard, and false before the first step: {}",
                        found(verdict)
                    ),
                    "a guard protects what is so already; take `guard` away, or mend the check",
                ),
                _ => continue,
            };
            if !self.is_known(verifier) {
                let problem = Problem::warning(self.scenario.place_of(verifier), message);
                self.problems.push(problem.hint(hint));
            }
        }
    }

    fn solved(&mut self, oracle: &TrialRecord) {
        const HINT: &str =
            "`bench-cli run … --model oracle`, then `show latest --trial …`, tells what happened";
        if let Some(cause) = came_to_nothing(oracle) {
            let message = format!("its own solution cannot be played: {cause}");
            return self.error(self.scenario.place(), message, HINT);
        }
        match oracle.outcome {
            Outcome::Limit => {
                let cause = oracle.cause.as_deref().unwrap_or("a limit is reached");
                let message = format!("its own solution does not pass it: {cause}");
                self.error(self.scenario.place(), message, "raise the limit");
            }
            Outcome::Failed => {
                let of_verifiers = self.scenario.verifiers.iter().zip(&oracle.verdicts);
                let wrong: Vec<_> = of_verifiers
                    .filter(|(verifier, verdict)| {
                        verdict.status == VerdictStatus::False && !self.is_known(verifier)
                    })
                    .collect();
                let Some((verifier, verdict)) = wrong.first() else {
                    return;
                };
                let more = match wrong.len() - 1 {
                    0 => String::new(),
                    1 => ", and another verifier is false".to_owned(),
                    more => format!(", and {more} more verifiers are false"),
                };
                let message = format!(
                    "its own solution does not pass it: the verifier `{}`: {}{more}",
                    verifier.name,
                    found(verdict)
                );
                self.error(self.scenario.place_of(verifier), message, HINT);
            }
            _ => {}
        }
    }

    fn error(&mut self, place: Place, message: String, hint: &str) {
        self.problems.push(Problem::error(place, message).hint(hint));
    }

    /// Whether something was said of this very verifier.
    fn is_known(&self, verifier: &VerifierSpec) -> bool {
        self.said(verifier).next().is_some()
    }

    /// Whether it is known that it keeps the scenario from passing.
    fn is_hopeless(&self, verifier: &VerifierSpec) -> bool {
        self.said(verifier)
            .any(|problem| problem.severity == Severity::Error)
    }

    fn said(&self, verifier: &VerifierSpec) -> impl Iterator<Item = &Problem> {
        let place = self.scenario.place_of(verifier);
        let said = self.known.iter().chain(&self.problems);
        said.filter(move |problem| !place.file.is_empty() && problem.place == place)
    }
}

/// Whether a verifier that gives no verdict before the first step may give one later: there is nothing yet that a tool
/// could read, or no value that has an order.
fn may_come(verifier: &VerifierSpec, error: &str, permanent: bool) -> bool {
    match &verifier.check {
        Check::ToolResult { .. } if !permanent => true,
        Check::DatabaseState { comparison, .. } | Check::ToolResult { comparison, .. } => {
            let of_nothing = comparison.check(&Value::Null).err();
            of_nothing.is_some_and(|of_nothing| of_nothing.to_string() == error)
        }
        _ => false,
    }
}

/// What was expected and what was found: `equals 2, found 1`.
fn found(verdict: &Verdict) -> String {
    format!(
        "{} {}, found {}",
        verdict.comparison,
        shortened(&verdict.expected),
        shortened(&verdict.actual)
    )
}

#[cfg(test)]
mod tests;
