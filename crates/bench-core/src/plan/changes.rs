//! What may be said anew about a run that goes on: budgets, and what its results have to be. Never what is tried.
//!
//! The plan itself stays as it was written. Changes are events in the run's journal; [`Plan::changed_by`] gives the
//! plan that holds now.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Budget, Plan};
use crate::event::Event;
use crate::limits::{LimitOverrides, Limits};

/// The share of a model's trials that must have a verdict where a pass rate is asked for and nothing else is said.
const MIN_VERDICTS: f64 = 0.9;

/// What the results of a run have to be for it to count as a success. By default nothing is asked.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gate {
    /// The least pass rate of each model, the mean of its scenarios, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_under: Option<f64>,
    /// The least share of each model's trials that have a verdict, from 0 to 1. With `fail_under` it is 0.9 where nothing
    /// is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_verdicts: Option<f64>,
    /// No trial may have errored.
    pub strict: bool,
}

impl Gate {
    /// Whether anything is asked of the results.
    pub fn asks_nothing(&self) -> bool {
        self.fail_under.is_none() && self.min_verdicts.is_none() && !self.strict
    }

    /// The least share of trials with a verdict that is asked for; none where nothing is asked of rates or verdicts.
    pub fn verdicts(&self) -> Option<f64> {
        self.min_verdicts
            .or_else(|| self.fail_under.map(|_| MIN_VERDICTS))
    }
}

/// What a resume says anew. Absent members stay as they are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanChanges {
    /// Limits of each trial; a scenario's own still win.
    #[serde(skip_serializing_if = "LimitOverrides::is_empty")]
    pub limits: LimitOverrides,
    /// Trials at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// Trials with child processes at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_processes: Option<u32>,
    /// Further attempts of an errored trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// What the whole run may use up, what it has used so far included.
    #[serde(skip_serializing_if = "Budget::is_unbounded")]
    pub budget: Budget,
    /// What the results have to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
}

/// One thing that was said anew, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// What, by the name of its member: `max_turns`.
    pub what: &'static str,
    /// As it was.
    pub from: String,
    /// As it is from now on.
    pub to: String,
}

impl Change {
    /// Whether it is about what a trial may do, so that trials before it and after it ran in different settings.
    pub fn is_of_trials(&self) -> bool {
        let of_the_run = [
            "max_concurrency",
            "max_processes",
            "max_cost",
            "max_tokens_total",
            "max_duration_seconds",
            "fail_under",
            "min_verdicts",
            "strict",
        ];
        !of_the_run.contains(&self.what)
    }
}

impl fmt::Display for Change {
    /// `max_turns 200 → 400`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.what, self.from, self.to)
    }
}

impl PlanChanges {
    /// What is really different in this plan, in the order of the members. Empty if nothing is.
    pub fn in_words(&self, plan: &Plan) -> Vec<Change> {
        let mut changed = plan.clone();
        self.apply(&mut changed);
        let (before, after) = (facts(plan), facts(&changed));
        before
            .into_iter()
            .zip(after)
            .filter(|(before, after)| before != after)
            .map(|((what, from), (_, to))| Change { what, from, to })
            .collect()
    }

    /// Writes them into a plan.
    pub fn apply(&self, plan: &mut Plan) {
        plan.limits = self.limits.over(&plan.limits);
        plan.max_concurrency = self.max_concurrency.unwrap_or(plan.max_concurrency);
        plan.max_processes = self.max_processes.or(plan.max_processes);
        plan.retries = self.retries.unwrap_or(plan.retries);
        plan.budget = self.budget.or(plan.budget);
        plan.gate = self.gate.unwrap_or(plan.gate);
    }
}

impl Plan {
    /// The plan as it holds after these events of its run.
    #[must_use]
    pub fn changed_by<'e>(mut self, events: impl IntoIterator<Item = &'e Event>) -> Self {
        for event in events {
            if let Event::PlanChanged(changes) = event {
                changes.apply(&mut self);
            }
        }
        self
    }
}

/// Everything that can be said anew, as text.
fn facts(plan: &Plan) -> Vec<(&'static str, String)> {
    let Limits {
        max_turns,
        max_tool_calls,
        max_seconds,
        max_tokens,
        max_cost,
        tool_timeout_seconds,
        model_timeout_seconds,
        tool_result_bytes,
        ..
    } = &plan.limits;
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    vec![
        ("max_turns", max_turns.to_string()),
        ("max_tool_calls", max_tool_calls.to_string()),
        ("max_seconds", max_seconds.to_string()),
        ("max_tokens", or_none(max_tokens.map(|n| n.to_string()))),
        ("max_trial_cost", or_none(max_cost.map(|n| n.to_string()))),
        ("tool_timeout_seconds", tool_timeout_seconds.to_string()),
        ("model_timeout_seconds", model_timeout_seconds.to_string()),
        ("tool_result_bytes", tool_result_bytes.to_string()),
        ("max_concurrency", plan.max_concurrency.to_string()),
        (
            "max_processes",
            or_none(plan.max_processes.map(|n| n.to_string())),
        ),
        ("retries", plan.retries.to_string()),
        ("max_cost", or_none(plan.budget.max_cost.map(|n| n.to_string()))),
        (
            "max_tokens_total",
            or_none(plan.budget.max_tokens_total.map(|n| n.to_string())),
        ),
        (
            "max_duration_seconds",
            or_none(plan.budget.max_duration_seconds.map(|n| n.to_string())),
        ),
        (
            "fail_under",
            or_none(plan.gate.fail_under.map(|rate| rate.to_string())),
        ),
        (
            "min_verdicts",
            or_none(plan.gate.min_verdicts.map(|share| share.to_string())),
        ),
        ("strict", plan.gate.strict.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{Harness, Scenario};
    use crate::model::ModelSpec;
    use crate::plan::GymChoice;

    fn plan() -> Plan {
        let harness = Harness {
            scenarios: vec![Scenario::default()],
            ..Harness::default()
        };
        let model = ModelSpec::new("noop".parse().unwrap());
        let builder = Plan::builder(harness).model(model).gyms(GymChoice::tracker());
        builder.build().unwrap().0
    }

    #[test]
    fn only_what_is_really_different_is_a_change() {
        let said = PlanChanges {
            limits: LimitOverrides {
                max_turns: Some(7),
                max_seconds: Some(1800.0),
                ..LimitOverrides::default()
            },
            max_concurrency: Some(8),
            max_processes: None,
            retries: Some(3),
            budget: Budget {
                max_cost: Some(5.0.into()),
                ..Budget::default()
            },
            gate: Some(Gate {
                fail_under: Some(0.5),
                ..Gate::default()
            }),
        };
        let told: Vec<String> = said.in_words(&plan()).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "max_turns 200 → 7",
                "retries 1 → 3",
                "max_cost none → $5.00",
                "fail_under none → 0.5"
            ],
            "1800 s and 8 at once are what holds already"
        );
        assert!(PlanChanges::default().in_words(&plan()).is_empty());
    }

    #[test]
    fn later_changes_stand_on_earlier_ones_and_survive_the_journal() {
        let change = |max_turns, retries| {
            let limits = LimitOverrides {
                max_turns,
                ..LimitOverrides::default()
            };
            let event = Event::PlanChanged(PlanChanges {
                limits,
                retries,
                ..PlanChanges::default()
            });
            let line = serde_json::to_string(&event).unwrap();
            serde_json::from_str::<Event>(&line).unwrap()
        };
        let events = [
            change(Some(7), None),
            change(None, Some(0)),
            change(Some(9), None),
        ];
        let now = plan().changed_by(&events);
        assert_eq!((now.limits.max_turns, now.retries), (9, 0));
        assert_eq!(now.limits.max_tool_calls, plan().limits.max_tool_calls);
        assert_eq!(now.scenarios, plan().scenarios, "what is tried stays");
    }
}
