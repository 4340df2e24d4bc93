//! The last step: what was asked for becomes a plan, or everything that is wrong with it.

use super::PlanBuilder;
use crate::gym::GymSpec;
use crate::harness::{Scenario, World};
use crate::lint::lint;
use crate::model::{ModelSpec, Provider};
use crate::plan::gyms::{GymOverride, Gyms};
use crate::plan::{FORMAT, Plan, PlannedScenario, judge, model_slugs, scenario_slugs};
use crate::problem::{Place, Problem, Problems};
use crate::setting::{Setting, variables};
use crate::suggest;

/// Scenarios that a message names.
const MOST_NAMED: usize = 8;

impl PlanBuilder<'_> {
    /// The plan, with what was odd (the warnings of the harness are in [`Harness::warnings`](crate::Harness::warnings)).
    ///
    /// # Errors
    /// Everything that keeps the plan from being run, at once; scenarios that can never pass (see
    /// [`lint`](crate::lint)) included. Scenarios that the filters leave out are not looked at.
    pub fn build(mut self) -> Result<(Plan, Vec<Problem>), Problems> {
        let mut problems = Problems::default();
        let runs = self.runs.or(self.harness.number_of_runs).unwrap_or(1);
        self.check_numbers(runs, &mut problems);
        let models = self.named_models(&mut problems);
        let kept = self.kept_scenarios(&mut problems);
        let mut gyms = Gyms::new(&self.gyms);
        let mut scenarios = Vec::with_capacity(kept.len());
        for (slug, scenario) in kept {
            let gym_keys = gyms.keys_of(&scenario, &mut problems);
            problems.0.extend(lint(&scenario));
            note_odd(&scenario, &models, &mut problems);
            scenarios.push(PlannedScenario {
                slug,
                gym_keys,
                scenario,
            });
        }
        let open = self.judge_open;
        let judge = judge::checked(self.judge.take(), open, &scenarios, &mut problems);
        let (gyms, gyms_chosen) = (gyms.used, gyms.chosen);
        self.check_variables(&gyms, &scenarios, &mut problems);
        let plan = Plan {
            format: FORMAT,
            harness_name: self.harness.name,
            label: self.label,
            sources: self.harness.sources,
            scenarios,
            models,
            judge,
            runs,
            gyms,
            gyms_chosen,
            limits: self.limits,
            max_concurrency: self.max_concurrency,
            max_processes: self.max_processes,
            retries: self.retries,
            budget: self.budget,
            gate: self.gate,
            evidence: self.evidence,
            verify_each_step: self.verify_each_step,
            launch_dir: self.launch_dir,
            env_file: self.env_file,
            env_file_found: self.env_file_found,
            secret_names: self.secret_names,
            retries_of: None,
            chosen: None,
            rescores: None,
            only_trials: Vec::new(),
        };
        problems.or_value(plan)
    }

    fn check_numbers(&self, runs: u32, problems: &mut Problems) {
        for (zero, option) in [
            (runs == 0, "--runs"),
            (self.max_concurrency == 0, "--max-concurrency"),
            (self.max_processes == Some(0), "--max-processes"),
        ] {
            if zero {
                problems
                    .push(Problem::error(Place::file(option), "0 would run nothing").hint("give 1 or more"));
            }
        }
    }

    /// The models with their slugs, and with what the harness asks for where the command line is silent.
    fn named_models(&mut self, problems: &mut Problems) -> Vec<ModelSpec> {
        let mut models: Vec<ModelSpec> = Vec::new();
        let mut slugs = model_slugs();
        if self.models.is_empty() {
            let hint = "give --model provider:name, or --model oracle or noop, which need no key";
            problems.push(Problem::error(Place::file("--model"), "no model is given").hint(hint));
        }
        for mut spec in std::mem::take(&mut self.models) {
            if models.iter().any(|other| other.model == spec.model) {
                let message = format!("the model `{}` is given twice", spec.model);
                let hint = "--runs repeats every scenario with every model";
                problems.push(Problem::error(Place::file("--model"), message).hint(hint));
                continue;
            }
            spec.slug = slugs.slug(&spec.model.to_string());
            if !spec.model.provider.is_local() {
                let settings = &mut spec.settings;
                settings.temperature = settings.temperature.or(self.harness.temperature);
                settings.max_output_tokens = settings.max_output_tokens.or(self.harness.max_output_tokens);
            }
            models.push(spec);
        }
        models
    }

    /// The scenarios that pass every filter, with slugs that the filters do not change.
    fn kept_scenarios(&mut self, problems: &mut Problems) -> Vec<(String, Scenario)> {
        let all = std::mem::take(&mut self.harness.scenarios);
        let (count, mut slugs) = (all.len(), scenario_slugs());
        let ids: Vec<String> = all.iter().map(|scenario| scenario.scenario_id.clone()).collect();
        let named: Vec<_> = all.into_iter().map(|s| (slugs.slug(&s.scenario_id), s)).collect();
        let tagged = |s: &Scenario| self.tags.is_empty() || s.tags.iter().any(|tag| self.tags.contains(tag));
        let wanted = |s: &Scenario| tagged(s) && self.wanted.iter().all(|wanted| wanted(s));
        let kept = named
            .into_iter()
            .filter(|(_, s)| wanted(s))
            .take(self.limit.unwrap_or(usize::MAX));
        let kept: Vec<_> = kept.collect();
        if kept.is_empty() {
            let problem = if count == 0 {
                let message = format!("the harness `{}` holds no scenario", self.harness.name);
                Problem::error(Place::default(), message)
            } else {
                let message = format!("no scenario is left after filtering; the harness holds {count}");
                Problem::error(Place::default(), message).hint(self.what_there_is(&ids))
            };
            problems.push(problem);
        }
        kept
    }

    /// What could have been asked for instead.
    fn what_there_is(&self, ids: &[String]) -> String {
        let known = || ids.iter().map(String::as_str);
        let mut words = self.wanted_words.iter();
        if let Some(meant) = words.find_map(|word| suggest::closest(word, known())) {
            return format!("did you mean the scenario `{meant}`?");
        }
        let named = suggest::quoted_list(known().take(MOST_NAMED));
        let more = if ids.len() > MOST_NAMED { ", …" } else { "" };
        format!("look at --scenario, --tag and --limit; its scenarios are {named}{more}")
    }

    fn check_variables(&self, gyms: &[GymSpec], scenarios: &[PlannedScenario], problems: &mut Problems) {
        let Some(is_set) = self.is_set else { return };
        for gym in gyms {
            for name in unset(gym, is_set) {
                let message = format!(
                    "the gym `{}` needs the variable `{name}`, which is not set",
                    gym.name
                );
                let hint = "set it, or pass it with --env-file";
                let place = self.place_of_need(gym, &name, scenarios);
                problems.push(Problem::error(place, message).hint(hint));
            }
        }
    }

    /// Where it is written that a gym needs a variable.
    fn place_of_need(&self, gym: &GymSpec, variable: &str, scenarios: &[PlannedScenario]) -> Place {
        let mut written = self.gyms.needs.iter();
        let written = written.find(|need| need.gym == gym.name && need.variable == variable);
        let mut users = scenarios
            .iter()
            .filter(|scenario| scenario.gym_keys.contains(&gym.key));
        // A scenario's own gym is written where the scenario is.
        let own = users
            .clone()
            .any(|scenario| matches!(scenario.world, World::Own(_)));
        match written {
            Some(need) if !own || self.gyms.overrides != GymOverride::Nothing => need.place.clone(),
            _ => users
                .next()
                .map_or_else(Place::default, |scenario| scenario.place()),
        }
    }
}

/// The variables that a gym needs and that are not set, each once.
fn unset(gym: &GymSpec, is_set: &dyn Fn(&str) -> bool) -> Vec<String> {
    let texts = gym.settings().into_iter().filter_map(|setting| match setting {
        Setting::Text(text) => Some(text),
        Setting::Secret { .. } => None,
    });
    let mut unset: Vec<String> = texts
        .flat_map(|text| variables(text))
        .filter(|(name, has_default)| !has_default && !is_set(name))
        .map(|(name, _)| name)
        .collect();
    unset.sort_unstable();
    unset.dedup();
    unset
}

/// What is no mistake but probably not meant.
fn note_odd(scenario: &Scenario, models: &[ModelSpec], problems: &mut Problems) {
    let oracle = models.iter().any(|spec| spec.model.provider == Provider::Oracle);
    if oracle && !scenario.has_solution() && !scenario.prompts.is_empty() {
        let message = "it has no `solution`, so `oracle` has nothing to play";
        problems.push(Problem::warning(scenario.place(), message).hint("write one, or leave `oracle` out"));
    }
}
