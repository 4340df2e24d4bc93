//! Which trials of a run ended before a resume said limits anew: then the run is not one setting.

use std::collections::BTreeMap;

use bench_core::event::TrialFinished;
use bench_core::plan::{Change, Difference};
use bench_core::{Plan, PlanChanges, TrialId};
use bench_report::compare::Mixed;

/// What was said anew about what a trial may do, and how much of it when each trial ended.
#[derive(Debug, Default)]
pub(super) struct Settings {
    changes: Vec<Change>,
    said: BTreeMap<TrialId, usize>,
}

impl Settings {
    /// A resume changes this plan.
    pub(super) fn changed(&mut self, said: &PlanChanges, plan: &Plan) {
        let changes = said.in_words(plan).into_iter();
        self.changes.extend(changes.filter(Change::is_of_trials));
    }

    /// A trial ends with what holds now.
    pub(super) fn ended(&mut self, trial: &TrialId) {
        self.said.insert(trial.clone(), self.changes.len());
    }

    /// Whether trials of a model that count ended before a change and after it.
    pub(super) fn mixed<'e>(
        &self,
        ends: impl Iterator<Item = &'e TrialFinished>,
        model: &str,
    ) -> Option<Mixed> {
        let counted = ends.filter(|end| end.model == model && end.outcome.is_scored());
        let said: Vec<usize> = counted
            .filter_map(|end| self.said.get(&end.trial).copied())
            .collect();
        let (first, last) = (*said.iter().min()?, *said.iter().max()?);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (first < last).then(|| Mixed {
            before: count(said.iter().filter(|said| **said == first).count()),
            trials: count(said.len()),
            changes: self.changes[first..last].to_vec(),
        })
    }
}

/// What a mixed side had of what is not the same: `200, then 2`. Nothing where that did not change within it.
pub(super) fn one_after_the_other(mixed: Option<&Mixed>, difference: &Difference) -> Option<String> {
    let name = match (difference.what, difference.name.as_str()) {
        ("limits", "max_cost") => "max_trial_cost",
        ("limits", name) => name,
        ("retries", _) => "retries",
        _ => return None,
    };
    let mut changes = mixed?.changes.iter().filter(|change| change.what == name);
    let first = changes.next()?;
    let rest = changes.map(|change| format!(", then {}", change.to));
    Some(format!(
        "{}, then {}{}",
        first.from,
        first.to,
        rest.collect::<String>()
    ))
}

#[cfg(test)]
mod tests {
    use bench_core::plan::GymChoice;
    use bench_core::{Harness, ModelSpec, Scenario};
    use serde_json::json;

    use super::*;

    fn plan() -> Plan {
        let harness = Harness {
            scenarios: vec![Scenario::default()],
            ..Harness::default()
        };
        let model = ModelSpec::new("noop".parse().unwrap());
        let builder = Plan::builder(harness).model(model).gyms(GymChoice::tracker());
        builder.build().unwrap().0
    }

    fn said(text: serde_json::Value) -> PlanChanges {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn what_a_trial_may_do_changes_a_setting_and_what_a_run_may_use_does_not() {
        let mut settings = Settings::default();
        let plan = plan();
        settings.changed(
            &said(json!({"max_concurrency": 2, "gate": {"fail_under": 0.5}})),
            &plan,
        );
        assert_eq!(settings.changes, []);
        settings.changed(&said(json!({"limits": {"max_turns": 2}, "retries": 9})), &plan);
        let told: Vec<String> = settings.changes.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["max_turns 200 → 2", "retries 1 → 9"]);
        let mixed = Mixed {
            before: 1,
            trials: 2,
            changes: settings.changes,
        };
        let turns = Difference::new("limits", "max_turns", Some("200".into()), Some("2".into()));
        let told = one_after_the_other(Some(&mixed), &turns);
        assert_eq!(told.as_deref(), Some("200, then 2"));
        let other = Difference::new("limits", "max_seconds", None, None);
        assert_eq!(one_after_the_other(Some(&mixed), &other), None);
        assert_eq!(one_after_the_other(None, &turns), None);
    }
}
