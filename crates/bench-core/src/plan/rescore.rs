//! Judging once more what was done in a run: the same trials, played from the recording, with other verifiers.

use std::collections::BTreeMap;

use super::gyms::check_verifier;
use super::{Plan, Trial, model_slugs};
use crate::gym::GymSpec;
use crate::harness::{Harness, Scenario};
use crate::id::trial_id;
use crate::lint::lint;
use crate::model::ModelSpec;
use crate::problem::{Place, Problem, Problems};

impl Plan {
    /// The plan with the verifiers of a harness: everything else stays as it was recorded. Scenarios that the harness
    /// does not hold are left out, and told as warnings; those that only the harness holds were never recorded, and are
    /// passed over.
    ///
    /// # Errors
    /// Everything that keeps it from being judged, at once: other prompts than the recorded ones, verifiers that ask a
    /// gym which the scenario had not, checks that can never be true, or no scenario in common.
    pub fn judged_by(mut self, harness: Harness) -> Result<(Self, Vec<Problem>), Problems> {
        let mut problems = Problems(harness.warnings);
        let mut new: BTreeMap<String, Scenario> = BTreeMap::new();
        for scenario in harness.scenarios {
            new.insert(scenario.scenario_id.clone(), scenario);
        }
        problems.0.retain(|problem| {
            let ids = self.scenarios.iter().map(|scenario| &scenario.scenario_id);
            problem
                .place
                .scenario
                .as_ref()
                .is_none_or(|of| ids.clone().any(|id| id == of))
        });
        let gyms = &self.gyms;
        let mut left_out = Vec::new();
        self.scenarios.retain_mut(|planned| {
            let Some(scenario) = new.remove(&planned.scenario_id) else {
                left_out.push(planned.scenario_id.clone());
                return false;
            };
            let gyms: Vec<GymSpec> = gyms
                .iter()
                .filter(|gym| planned.gym_keys.contains(&gym.key))
                .cloned()
                .collect();
            judge_with(&mut planned.scenario, scenario, &gyms, &mut problems);
            true
        });
        if self.scenarios.is_empty() {
            let message = format!(
                "the harness `{}` holds none of the recorded scenarios",
                harness.name
            );
            problems.push(Problem::error(Place::default(), message));
        } else {
            problems.0.extend(left_out.into_iter().map(|id| {
                let message =
                    format!("the harness does not hold the recorded scenario `{id}`, which is left out");
                Problem::warning(Place::default(), message)
            }));
        }
        self.harness_name = harness.name;
        self.sources = harness.sources;
        problems.or_value(self)
    }

    /// The trials of `run`, whose plan this is, to be played from its recording and judged again. `models` play its
    /// models, one each in the same order; trials that were never `recorded` are left out. What was judged
    /// of a [selection](Plan::selection) stays one.
    #[must_use]
    pub fn rescore_of(
        mut self,
        run: impl Into<String>,
        models: Vec<ModelSpec>,
        recorded: impl Fn(&Trial) -> bool,
    ) -> Self {
        let trials: Vec<Trial> = self.trials().into_iter().filter(recorded).collect();
        let mut slugs = model_slugs();
        self.models = models;
        for spec in &mut self.models {
            spec.slug = slugs.slug(&spec.model.to_string());
        }
        let id = |trial: &Trial| {
            let (scenario, model) = (&self.scenarios[trial.scenario], &self.models[trial.model]);
            trial_id(&scenario.slug, &model.slug, trial.repetition)
        };
        let chosen = trials.iter().map(id).collect();
        self.only_trials = Vec::new();
        self.rescores = Some(run.into());
        self.only(chosen)
    }
}

/// Puts the verifiers of one scenario into the place of another's, if they are about the same.
fn judge_with(recorded: &mut Scenario, new: Scenario, gyms: &[GymSpec], problems: &mut Problems) {
    let texts = |scenario: &Scenario| {
        scenario
            .prompts
            .iter()
            .map(|p| p.text.clone())
            .collect::<Vec<_>>()
    };
    if texts(recorded) != texts(&new) {
        let message = "its prompts are not the recorded ones, so what was done is no answer to them";
        let hint = "put the prompts back, or try the scenario anew with `run`";
        problems.push(Problem::error(new.place(), message).hint(hint));
    }
    for verifier in &new.verifiers {
        check_verifier(&new, verifier, gyms, problems);
    }
    problems.0.extend(lint(&new));
    recorded.verifiers = new.verifiers;
    recorded.expected_tools = new.expected_tools;
    // Commands of verifiers run where the file lies.
    recorded.origin = new.origin;
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{GymChoice, Source};

    fn harness(name: &str, text: &str) -> Harness {
        let no_files = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        Harness::from_sources(name, &[Source::new(format!("/{name}.json"), text)], &no_files).unwrap()
    }

    fn scenario(id: &str, prompt: &str, verifier: &str) -> String {
        format!(
            r#"{{"scenario_id": "{id}", "prompts": [{{"prompt_text": "{prompt}", "verifier": {{{verifier}
            "verifier_type": "response_check", "validation_config": {{"contains": "x"}}}}}}]}}"#
        )
    }

    fn file(scenarios: &[String]) -> String {
        format!(r#"{{"scenarios": [{}]}}"#, scenarios.join(", "))
    }

    fn recorded() -> Plan {
        let text = file(&[scenario("a", "Go.", ""), scenario("b", "Go.", "")]);
        let builder = Plan::builder(harness("old", &text)).gyms(GymChoice::tracker());
        let models = ["noop", "openai:gpt-4o"].map(|model| ModelSpec::new(model.parse().unwrap()));
        builder.models(models).runs(2).build().unwrap().0
    }

    #[test]
    fn verifiers_come_from_the_harness_and_everything_else_stays() {
        let new = file(&[
            scenario("b", "Go.", r#""name": "mended","#),
            scenario("c", "New.", ""),
        ]);
        let (plan, warnings) = recorded().judged_by(harness("new", &new)).unwrap();
        let ids: Vec<_> = plan.scenarios.iter().map(|s| s.scenario_id.as_str()).collect();
        assert_eq!((ids, plan.runs), (vec!["b"], 2));
        assert_eq!(plan.scenarios[0].verifiers[0].name, "mended");
        assert_eq!(plan.scenarios[0].origin.file, "/new.json");
        let said: Vec<_> = warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(
            said,
            ["the harness does not hold the recorded scenario `a`, which is left out"]
        );
    }

    #[test]
    fn what_cannot_be_judged_is_refused_all_at_once() {
        let new = file(&[
            scenario("a", "Stop.", ""),
            scenario("b", "Go.", r#""gym_name": "elsewhere","#),
        ]);
        let problems = recorded().judged_by(harness("new", &new)).unwrap_err();
        let said: Vec<_> = problems
            .0
            .iter()
            .map(|problem| problem.message.as_str())
            .collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].contains("its prompts are not the recorded ones"),
            "{said:?}"
        );
        assert!(said[1].contains("asks the gym `elsewhere`"), "{said:?}");
        let none = recorded().judged_by(harness("new", &file(&[scenario("z", "Go.", "")])));
        assert!(
            none.unwrap_err()
                .to_string()
                .contains("none of the recorded scenarios")
        );
    }

    #[test]
    fn trials_that_were_recorded_are_played_by_their_models() {
        let models =
            ["replay:run_1/noop", "replay:run_1/gpt-4o"].map(|model| ModelSpec::new(model.parse().unwrap()));
        let played = recorded().rescore_of("run_1", models.into(), |trial| {
            trial.model == 1 && trial.repetition == 2
        });
        let ids: Vec<_> = played
            .trials()
            .into_iter()
            .map(|trial| trial.id.to_string())
            .collect();
        assert_eq!(ids, ["a~replay-run_1-gpt-4o~2", "b~replay-run_1-gpt-4o~2"]);
        assert_eq!(
            (played.rescores.as_deref(), played.models.len()),
            (Some("run_1"), 1)
        );
    }
}
