//! The judge of a plan: which scenarios ask one, and who can be it.

use super::{Plan, PlannedScenario, Trial};
use crate::harness::Scenario;
use crate::model::{ModelSpec, Provider};
use crate::problem::{Place, Problem, Problems};
use crate::suggest;

/// Scenarios that a message names.
const MOST_NAMED: usize = 20;

/// The option that names a judge.
const OPTION: &str = "--judge-model";

/// Who is paid for a trial. Models that are no services cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    /// Who serves the model.
    pub model: bool,
    /// Who serves the judge.
    pub judge: bool,
}

impl Scenario {
    /// Whether a check of it asks a judge.
    pub fn asks_judge(&self) -> bool {
        self.verifiers.iter().any(|verifier| verifier.check.asks_judge())
    }
}

impl Plan {
    /// The models that are asked: those that are tried, and then the judge.
    pub fn asked(&self) -> impl Iterator<Item = &ModelSpec> {
        self.models.iter().chain(&self.judge)
    }

    /// Who is paid for a trial of the plan.
    pub fn paid(&self, trial: &Trial) -> Paid {
        let service = |spec: &ModelSpec| !spec.model.provider.is_local();
        let asked = self.scenarios[trial.scenario].asks_judge();
        Paid {
            model: service(&self.models[trial.model]),
            judge: asked && self.judge.as_ref().is_some_and(service),
        }
    }

    /// The plan with another judge, if one is given, else with the one that it has.
    ///
    /// # Errors
    /// No judge for checks that ask one, or one that cannot judge.
    pub fn judged_with(mut self, judge: Option<ModelSpec>) -> Result<(Self, Vec<Problem>), Problems> {
        let mut problems = Problems::default();
        self.judge = match judge {
            Some(judge) => checked(Some(judge), false, &self.scenarios, &mut problems),
            // What it had is no choice of now: nobody is told that it is not needed any more.
            None if !self.scenarios.iter().any(|scenario| scenario.asks_judge()) => None,
            None => checked(self.judge.take(), false, &self.scenarios, &mut problems),
        };
        problems.or_value(self)
    }
}

/// The judge, if these scenarios ask one and it can judge. `open` is for a plan that is only looked at.
pub(super) fn checked(
    judge: Option<ModelSpec>,
    open: bool,
    scenarios: &[PlannedScenario],
    problems: &mut Problems,
) -> Option<ModelSpec> {
    let asking: Vec<&str> = scenarios
        .iter()
        .filter(|scenario| scenario.asks_judge())
        .map(|scenario| scenario.scenario_id.as_str())
        .collect();
    let place = || Place::file(OPTION);
    let Some(spec) = judge else {
        if !asking.is_empty() && !open {
            let message = format!(
                "a judge is needed by {}, and no judge model is given",
                named(&asking)
            );
            let hint = "give `--judge-model provider:name`, any model that `--model` takes";
            problems.push(Problem::error(place(), message).hint(hint));
        }
        return None;
    };
    if let Some(why) = cannot_judge(spec.model.provider) {
        let message = format!("`{}` cannot judge: {why}", spec.model);
        let hint = "give a model of a provider, or script:FILE with the replies of a judge";
        problems.push(Problem::error(place(), message).hint(hint));
    }
    if asking.is_empty() {
        let message = format!("no check asks a judge: `{}` is not asked", spec.model);
        problems.push(Problem::warning(place(), message).hint("leave it out"));
        return None;
    }
    Some(spec)
}

/// Why nobody can be a judge who is served by this provider.
fn cannot_judge(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::Oracle => Some("it plays the solutions of scenarios"),
        Provider::Noop => Some("it has no opinion"),
        Provider::Replay => Some("it plays what models did, not what judges said of it"),
        _ => None,
    }
}

fn named(ids: &[&str]) -> String {
    let shown = suggest::quoted_list(ids.iter().copied().take(MOST_NAMED));
    match ids.len().checked_sub(MOST_NAMED) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{GymChoice, Harness, PlanBuilder, Source};

    fn builder(ids: &[&str]) -> PlanBuilder<'static> {
        let scenarios: Vec<_> = ids.iter().map(|id| scenario(id)).collect();
        let text = serde_json::json!({"scenarios": scenarios}).to_string();
        let no_files = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let harness = Harness::from_sources("h", &[Source::new("/h.json", text)], &no_files).unwrap();
        Plan::builder(harness)
            .model(ModelSpec::new("noop".parse().unwrap()))
            .gyms(GymChoice::tracker())
    }

    fn scenario(id: &str) -> serde_json::Value {
        let config = if id.starts_with("judged") {
            serde_json::json!({"comparison_prompt": "Is it polite?"})
        } else {
            serde_json::json!({"contains": "done"})
        };
        let verifier = serde_json::json!({"verifier_type": "response_check", "validation_config": config});
        serde_json::json!({"scenario_id": id, "prompts": [{"prompt_text": "Go.", "verifier": verifier}]})
    }

    fn judge(model: &str) -> ModelSpec {
        ModelSpec::new(model.parse().unwrap())
    }

    fn texts(problems: &[Problem]) -> Vec<&str> {
        problems.iter().map(|problem| problem.message.as_str()).collect()
    }

    #[test]
    fn a_check_that_asks_a_judge_needs_one() {
        let refused = builder(&["judged-a", "plain", "judged-b"]).build().unwrap_err();
        assert_eq!(
            texts(&refused.0),
            ["a judge is needed by `judged-a` and `judged-b`, and no judge model is given"]
        );
        let kept = builder(&["judged-a", "plain"]).only(|s| s.scenario_id == "plain");
        assert_eq!(
            kept.build().unwrap().0.judge,
            None,
            "what is left out asks nobody"
        );
        let (looked_at, warnings) = builder(&["judged-a"]).judge_open().build().unwrap();
        assert_eq!(looked_at.judge, None);
        assert_eq!(texts(&warnings), [""; 0], "who will judge is not asked yet");
    }

    #[test]
    fn not_every_model_can_be_a_judge_and_not_every_plan_needs_one() {
        for model in ["oracle", "noop", "replay:latest"] {
            let refused = builder(&["judged"]).judge(judge(model)).build().unwrap_err();
            assert!(texts(&refused.0)[0].contains("cannot judge"), "{refused}");
        }
        for model in ["openai:m?temperature=0", "script:judge.json"] {
            let (plan, warnings) = builder(&["judged"]).judge(judge(model)).build().unwrap();
            assert_eq!(plan.judge, Some(judge(model)));
            assert_eq!(texts(&warnings), [""; 0]);
        }
        let (plan, warnings) = builder(&["plain"]).judge(judge("openai:m")).build().unwrap();
        assert_eq!(plan.judge, None);
        assert_eq!(
            texts(&warnings),
            ["no check asks a judge: `openai:m` is not asked"]
        );
    }

    #[test]
    fn who_is_paid_for_a_trial() {
        let (plan, _) = builder(&["judged", "plain"])
            .judge(judge("openai:m"))
            .build()
            .unwrap();
        let paid: Vec<_> = plan.trials().iter().map(|trial| plan.paid(trial)).collect();
        let judge = |judge| Paid { model: false, judge };
        assert_eq!(paid, [judge(true), judge(false)]);
        let asked: Vec<String> = plan.asked().map(|spec| spec.model.to_string()).collect();
        assert_eq!(asked, ["noop", "openai:m"]);
    }

    #[test]
    fn another_judge_takes_the_place_of_the_first() {
        let plan = || builder(&["judged"]).judge(judge("openai:m")).build().unwrap().0;
        let judged = |with: Option<&str>| plan().judged_with(with.map(judge)).unwrap().0.judge;
        assert_eq!(judged(None), Some(judge("openai:m")));
        assert_eq!(judged(Some("openai:other")), Some(judge("openai:other")));
        let mut without = plan();
        without.judge = None;
        assert!(without.judged_with(None).is_err());
    }
}
