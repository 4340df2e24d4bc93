//! What can be tried of a scenario that something is wrong with: its queries and the other checks of the state, as it is
//! before the first step. So faults that lie behind another one are told at once, and not by the next check.

use std::collections::BTreeMap;

use bench_core::limits::LimitOverrides;
use bench_core::lint::lint;
use bench_core::{Problem, Scenario, Severity};
use bench_report::text;

/// Most scenarios that are named.
const MOST_NAMED: usize = 5;

/// The scenarios that are tried in part, as they were written, by their ids.
#[derive(Default)]
pub(super) struct InPart(BTreeMap<String, Scenario>);

impl InPart {
    pub(super) fn contains(&self, scenario: &Scenario) -> bool {
        self.0.contains_key(&scenario.scenario_id)
    }

    /// The scenario as it was written.
    pub(super) fn written<'a>(&'a self, scenario: &'a Scenario) -> &'a Scenario {
        self.0.get(&scenario.scenario_id).unwrap_or(scenario)
    }

    /// Leaves of a scenario that errors were found in only what can be tried all the same.
    pub(super) fn take_out_errors(&mut self, scenario: &mut Scenario, problems: &[Problem]) {
        let is_wrong = |problem: &&Problem| {
            problem.severity == Severity::Error
                && problem.place.scenario.as_ref() == Some(&scenario.scenario_id)
        };
        let wrong: Vec<&Problem> = problems.iter().filter(is_wrong).collect();
        if wrong.is_empty() {
            return;
        }
        let written = scenario.clone();
        scenario.verifiers.retain(|verifier| {
            let place = written.place_of(verifier);
            verifier.check.looks_at_state() && !wrong.iter().any(|problem| problem.place == place)
        });
        scenario.solution = None;
        for prompt in &mut scenario.prompts {
            prompt.solution = None;
            prompt.expected_tools.clear();
        }
        scenario.expected_tools.clear();
        scenario.restricted_tools.clear();
        scenario.allowed_tools = None;
        scenario.limits = LimitOverrides::default();
        self.0.entry(written.scenario_id.clone()).or_insert(written);
    }

    /// What is left out because of the errors.
    pub(super) fn left_out(&self) -> Option<String> {
        let names: Vec<String> = self
            .0
            .keys()
            .take(MOST_NAMED)
            .map(|id| format!("`{id}`"))
            .collect();
        let more = if self.0.len() > MOST_NAMED { ", …" } else { "" };
        (!names.is_empty()).then(|| {
            format!(
                "{} ({}{more}) but for tools and the state before the first step: mend the errors first",
                text::count(self.0.len(), "scenario"),
                names.join(", ")
            )
        })
    }
}

/// Whether what is left of a scenario can be planned.
pub(super) fn can_be_planned(scenario: &Scenario) -> bool {
    lint(scenario)
        .iter()
        .all(|problem| problem.severity != Severity::Error)
}
