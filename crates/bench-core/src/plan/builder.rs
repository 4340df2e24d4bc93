//! From a harness and the command line to a plan, rejecting early and all at once.

mod build;

use super::gyms::GymChoice;
use super::{Budget, Gate, Plan};
use crate::evidence::Keep;
use crate::harness::{Harness, Scenario};
use crate::limits::Limits;
use crate::model::ModelSpec;

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
}
