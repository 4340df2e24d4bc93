//! From a harness and the command line to a plan, rejecting early and all at once.

use super::gyms::{GymChoice, GymOverride, Gyms};
use super::{Budget, FORMAT, Gate, Plan, PlannedScenario, judge, model_slugs, scenario_slugs};
use crate::evidence::Keep;
use crate::gym::GymSpec;
use crate::harness::{Harness, Scenario, World};
use crate::limits::Limits;
use crate::lint::lint;
use crate::model::{ModelSpec, Provider};
use crate::problem::{Place, Problem, Problems};
use crate::setting::{Setting, variables};
use crate::suggest;

/// Scenarios that a message names.
const MOST_NAMED: usize = 8;

/// Says whether a scenario is wanted.
type Wanted<'a> = Box<dyn Fn(&Scenario) -> bool + 'a>;

/// Makes a [`Plan`].
///
/// ```
/// use bench_core::{GymChoice, Harness, ModelSpec, Plan, Source};
///
/// let text = r#"{"scenarios": [{"scenario_id": "hello", "prompts": [{"prompt_text": "Say hello."}]}]}"#;
/// let no_files = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
/// let harness = Harness::from_sources("greetings", &[Source::new("/h/greetings.json", text)], &no_files)?;
/// let (plan, warnings) = Plan::builder(harness)
///     .model(ModelSpec::new("noop".parse()?))
///     .gyms(GymChoice::tracker())
///     .runs(3)
///     .build()?;
/// assert_eq!(plan.trial_count(), 3);
/// assert_eq!(warnings[0].message, "it has no verifier");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What makes trial ids stable
///
/// The slug of a scenario comes from its id alone; only where two ids give the same slug does the order
/// of the harness decide which gets `-2`. Slugs are given before anything is filtered, so `--scenario`,
/// `--tag` and `--limit` leave the ids of the kept trials as they are, and so does adding scenarios or
/// models at the end, or more repetitions.
pub struct PlanBuilder<'a> {
    harness: Harness,
    models: Vec<ModelSpec>,
    judge: Option<ModelSpec>,
    judge_open: bool,
    runs: Option<u32>,
    gyms: GymChoice,
    limits: Limits,
    wanted: Vec<Wanted<'a>>,
    wanted_words: Vec<String>,
    tags: Vec<String>,
    limit: Option<usize>,
    is_set: Option<&'a dyn Fn(&str) -> bool>,
    label: Option<String>,
    max_concurrency: u32,
    max_processes: Option<u32>,
    retries: u32,
    budget: Budget,
    gate: Gate,
    evidence: Keep,
    verify_each_step: bool,
    launch_dir: String,
    env_file: Option<String>,
    env_file_found: bool,
    secret_names: Vec<String>,
}

impl std::fmt::Debug for PlanBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlanBuilder")
            .field("harness", &self.harness.name)
            .field("models", &self.models)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// Begins a plan for a harness.
    pub fn builder<'a>(harness: Harness) -> PlanBuilder<'a> {
        PlanBuilder {
            harness,
            models: Vec::new(),
            judge: None,
            judge_open: false,
            runs: None,
            gyms: GymChoice::default(),
            limits: Limits::default(),
            wanted: Vec::new(),
            wanted_words: Vec::new(),
            tags: Vec::new(),
            limit: None,
            is_set: None,
            label: None,
            max_concurrency: 8,
            max_processes: None,
            retries: 1,
            budget: Budget::default(),
            gate: Gate::default(),
            evidence: Keep::default(),
            verify_each_step: false,
            launch_dir: String::new(),
            env_file: None,
            env_file_found: false,
            secret_names: Vec::new(),
        }
    }
}

impl<'a> PlanBuilder<'a> {
    /// Adds a model. Its slug is given here.
    #[must_use]
    pub fn model(mut self, model: ModelSpec) -> Self {
        self.models.push(model);
        self
    }

    /// Adds models, in this order.
    #[must_use]
    pub fn models(mut self, models: impl IntoIterator<Item = ModelSpec>) -> Self {
        self.models.extend(models);
        self
    }

    /// Who judges answers where a scenario has a check that asks a judge.
    #[must_use]
    pub fn judge(mut self, judge: ModelSpec) -> Self {
        self.judge = Some(judge);
        self
    }

    /// Who judges stays open: a plan that is only looked at. Without this, a check that asks a judge needs one.
    #[must_use]
    pub fn judge_open(mut self) -> Self {
        self.judge_open = true;
        self
    }

    /// Repetitions of each scenario with each model; what the harness says without it, else 1.
    #[must_use]
    pub fn runs(mut self, runs: u32) -> Self {
        self.runs = Some(runs);
        self
    }

    /// The gyms that may be used.
    #[must_use]
    pub fn gyms(mut self, gyms: GymChoice) -> Self {
        self.gyms = gyms;
        self
    }

    /// Limits of each trial, before a scenario's own.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps only scenarios that this says yes to. Several filters must all say yes.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&Scenario) -> bool + 'a) -> Self {
        self.wanted.push(Box::new(wanted));
        self
    }

    /// The words by which scenarios were asked for: where [`Self::only`] keeps none, the nearest id is named.
    #[must_use]
    pub fn wanted_words(mut self, words: impl IntoIterator<Item = String>) -> Self {
        self.wanted_words.extend(words);
        self
    }

    /// Keeps only scenarios with any of these tags. No tags keep all.
    #[must_use]
    pub fn tags(mut self, tags: impl IntoIterator<Item = String>) -> Self {
        self.tags.extend(tags);
        self
    }

    /// Keeps the first so many scenarios that the other filters keep.
    #[must_use]
    pub fn limit(mut self, scenarios: usize) -> Self {
        self.limit = Some(scenarios);
        self
    }

    /// How to know whether an environment variable is set: one that a used gym needs and that is not is
    /// then a problem.
    #[must_use]
    pub fn variables(mut self, is_set: &'a dyn Fn(&str) -> bool) -> Self {
        self.is_set = Some(is_set);
        self
    }

    /// What the user calls the run.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Trials at once; 8 without it.
    #[must_use]
    pub fn max_concurrency(mut self, trials: u32) -> Self {
        self.max_concurrency = trials;
        self
    }

    /// Trials with child processes at once; two per processor without it.
    #[must_use]
    pub fn max_processes(mut self, trials: u32) -> Self {
        self.max_processes = Some(trials);
        self
    }

    /// Further attempts of an errored trial; 1 without it.
    #[must_use]
    pub fn retries(mut self, attempts: u32) -> Self {
        self.retries = attempts;
        self
    }

    /// What the whole run may use up; unbounded without it.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// What the results have to be; nothing is asked without it.
    #[must_use]
    pub fn gate(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }

    /// Of which requests to models evidence is kept; of all without it.
    #[must_use]
    pub fn evidence(mut self, keep: Keep) -> Self {
        self.evidence = keep;
        self
    }

    /// Whether the verifiers are looked at after each tool call, too; only at the end without it.
    #[must_use]
    pub fn verify_each_step(mut self, each_step: bool) -> Self {
        self.verify_each_step = each_step;
        self
    }

    /// Absolute path of the folder the run is launched from.
    #[must_use]
    pub fn launch_dir(mut self, path: impl Into<String>) -> Self {
        self.launch_dir = path.into();
        self
    }

    /// Absolute path of the file of variables.
    #[must_use]
    pub fn env_file(mut self, path: impl Into<String>) -> Self {
        self.env_file = Some(path.into());
        self
    }

    /// Whether that file was found without being named.
    #[must_use]
    pub fn env_file_found(mut self, found: bool) -> Self {
        self.env_file_found = found;
        self
    }

    /// Names of variables whose values are secret whatever they are called.
    #[must_use]
    pub fn secret_names(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.secret_names.extend(names);
        self
    }

    /// The plan, with what was odd (the warnings of the harness are in [`Harness::warnings`]).
    ///
    /// # Errors
    /// Everything that keeps the plan from being run, at once; scenarios that can never pass (see
    /// [`lint`](crate::lint)) included. Scenarios that the filters leave out are not looked at.
    pub fn build(mut self) -> Result<(Plan, Vec<Problem>), Problems> {
        let mut problems = Problems::default();
        let runs = self.runs.or(self.harness.number_of_runs).unwrap_or(1);
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
            for name in unset {
                let message = format!(
                    "the gym `{}` needs the variable `{name}`, which is not set",
                    gym.name
                );
                let hint = "set it, or pass it with --env-file";
                let written = self.gyms.needs.iter();
                let mut written = written.filter(|need| need.gym == gym.name && need.variable == name);
                let mut users = scenarios
                    .iter()
                    .filter(|scenario| scenario.gym_keys.contains(&gym.key));
                // A scenario's own gym is written where the scenario is.
                let own = users
                    .clone()
                    .any(|scenario| matches!(scenario.world, World::Own(_)));
                let place = match written.next() {
                    Some(need) if !own || self.gyms.overrides != GymOverride::Nothing => need.place.clone(),
                    _ => users
                        .next()
                        .map_or_else(Place::default, |scenario| scenario.place()),
                };
                problems.push(Problem::error(place, message).hint(hint));
            }
        }
    }
}

/// What is no mistake but probably not meant.
fn note_odd(scenario: &Scenario, models: &[ModelSpec], problems: &mut Problems) {
    let oracle = models.iter().any(|spec| spec.model.provider == Provider::Oracle);
    if oracle && !scenario.has_solution() && !scenario.prompts.is_empty() {
        let message = "it has no `solution`, so `oracle` has nothing to play";
        problems.push(Problem::warning(scenario.place(), message).hint("write one, or leave `oracle` out"));
    }
}
