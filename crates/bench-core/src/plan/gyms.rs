//! Which gyms each scenario acts on, and under which keys a plan holds them.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::gym::config::{Need, available};
use crate::gym::{GymSpec, Seed, Transport};
use crate::harness::{Scenario, SolutionCall, World};
use crate::problem::{Problem, Problems};
use crate::suggest;
use crate::verifier::{Check, ResponseCheck, VerifierSpec};

/// The gyms that a run may use, and how they were chosen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GymChoice {
    /// Those of the gym file, or the built-in tracker.
    pub available: Vec<GymSpec>,
    /// Names of those that a scenario acts on if it names none.
    pub default: Vec<String>,
    /// How they were chosen, for people: `--gym jira`, `gyms.json beside the harness`, ….
    pub chosen: String,
    /// What the command line says over the harness.
    pub overrides: GymOverride,
    /// Where the variables are written that the available ones need, as far as it is known.
    pub needs: Vec<Need>,
}

/// What the command line says of gyms over what a harness says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum GymOverride {
    /// Nothing: the harness's own gyms, and those that it names, are taken.
    #[default]
    Nothing,
    /// The gym file: scenarios with gyms of their own act on those of the same name in it, or on the
    /// default ones, instead.
    File,
    /// The gym: every scenario acts on the default ones, whatever it says.
    Gym,
}

impl GymChoice {
    /// The built-in tracker and nothing else.
    pub fn tracker() -> Self {
        Self {
            available: vec![GymSpec::tracker()],
            default: vec!["tracker".to_owned()],
            chosen: "built-in tracker".to_owned(),
            overrides: GymOverride::Nothing,
            needs: Vec::new(),
        }
    }

    fn find(&self, name: &str) -> Option<&GymSpec> {
        self.available
            .iter()
            .find(|gym| gym.key == name || gym.name == name)
    }
}

/// Collects the gyms of a plan while its scenarios are looked at.
pub(super) struct Gyms<'c> {
    choice: &'c GymChoice,
    /// Those that a scenario acts on, in the order of first use.
    pub(super) used: Vec<GymSpec>,
    /// How they were chosen, by key.
    pub(super) chosen: BTreeMap<String, String>,
    /// The keys of `used`, by everything else that a gym is.
    key_by_content: HashMap<GymSpec, String>,
    /// The last number tried for each name.
    namesakes: HashMap<String, usize>,
    keys: HashSet<String>,
}

impl<'c> Gyms<'c> {
    pub(super) fn new(choice: &'c GymChoice) -> Self {
        Self {
            choice,
            used: Vec::new(),
            chosen: BTreeMap::new(),
            key_by_content: HashMap::new(),
            namesakes: HashMap::new(),
            keys: HashSet::new(),
        }
    }

    /// The keys of a scenario's gyms; what is wrong with them, or with verifiers that ask them, is
    /// noted.
    pub(super) fn keys_of(&mut self, scenario: &Scenario, problems: &mut Problems) -> Vec<String> {
        let known = problems.0.len();
        let specs = self.specs_of(scenario, problems);
        if problems.0.len() == known {
            for verifier in &scenario.verifiers {
                check_verifier(scenario, verifier, &specs, problems);
            }
            check_solution(scenario, &specs, problems);
        }
        specs
            .into_iter()
            .map(|spec| {
                let why = self.why(scenario, &spec);
                let key = self.key_of(spec);
                self.chosen.entry(key.clone()).or_insert(why);
                key
            })
            .collect()
    }

    /// How a scenario came by this gym, for people.
    fn why(&self, scenario: &Scenario, gym: &GymSpec) -> String {
        let chosen = &self.choice.chosen;
        match (&scenario.world, self.choice.overrides) {
            (World::Own(_), GymOverride::Nothing) => "the harness's own".to_owned(),
            (World::Named(_), GymOverride::Nothing | GymOverride::File) => {
                // The built-in gym comes from no file.
                if gym.transport == Transport::Tracker {
                    "the harness names it".to_owned()
                } else {
                    format!("the harness names it; {chosen}")
                }
            }
            _ => chosen.clone(),
        }
    }

    fn specs_of(&self, scenario: &Scenario, problems: &mut Problems) -> Vec<GymSpec> {
        match (&scenario.world, self.choice.overrides) {
            (World::Own(own), GymOverride::Nothing) => own.clone(),
            (World::Own(own), _) => self.instead_of(own),
            (World::Named(names), GymOverride::Nothing | GymOverride::File) => {
                let specs = names
                    .iter()
                    .filter_map(|name| self.named(name, scenario, problems));
                specs.collect()
            }
            (World::Named(names), GymOverride::Gym) => {
                called_as(names, scenario, self.default_gyms(scenario, problems))
            }
            (World::Default, _) => self.default_gyms(scenario, problems),
        }
    }

    fn default_gyms(&self, scenario: &Scenario, problems: &mut Problems) -> Vec<GymSpec> {
        if self.choice.default.is_empty() {
            let names = self.choice.available.iter().map(|gym| gym.name.as_str());
            let hint = format!("choose with --gym; available: {}", suggest::quoted_list(names));
            problems.push(Problem::error(scenario.place(), "no gym is chosen for it").hint(hint));
        }
        let names = self.choice.default.iter();
        names
            .filter_map(|name| self.named(name, scenario, problems))
            .collect()
    }

    fn named(&self, name: &str, scenario: &Scenario, problems: &mut Problems) -> Option<GymSpec> {
        let found = self.choice.find(name);
        if found.is_none() {
            let names = self.choice.available.iter().map(|gym| gym.name.as_str());
            let message = format!("there is no gym `{name}`");
            problems.push(Problem::error(scenario.place(), message).hint(available(name, names)));
        }
        found.cloned()
    }

    /// What the command line puts in the place of a task's own gyms: what the database holds at first
    /// and who acts still belongs to the task.
    fn instead_of(&self, own: &[GymSpec]) -> Vec<GymSpec> {
        let by_name = self.choice.overrides == GymOverride::File;
        let same = own
            .iter()
            .map(|gym| self.choice.find(&gym.name).filter(|_| by_name));
        let same: Vec<Option<&GymSpec>> = same.collect();
        let default: Vec<&GymSpec> = self
            .choice
            .default
            .iter()
            .filter_map(|n| self.choice.find(n))
            .collect();
        let pairs: Vec<(&GymSpec, &GymSpec)> = if same.iter().all(Option::is_some) {
            own.iter().zip(same.into_iter().flatten()).collect()
        } else if own.len() == default.len() {
            own.iter().zip(default).collect()
        } else {
            return default.into_iter().cloned().collect();
        };
        pairs
            .into_iter()
            .map(|(own, chosen)| moved(own, chosen))
            .collect()
    }

    /// The key of a gym: its name, with `-2`, `-3`, … where another gym has that name already.
    ///
    /// A data set may bring a thousand gyms of one name that differ in their seed file only, so this
    /// counts instead of trying every number.
    fn key_of(&mut self, spec: GymSpec) -> String {
        let content = GymSpec {
            key: String::new(),
            ..spec.clone()
        };
        if let Some(key) = self.key_by_content.get(&content) {
            return key.clone();
        }
        let n = self.namesakes.entry(spec.name.clone()).or_default();
        let key = loop {
            *n += 1;
            let key = if *n == 1 {
                spec.name.clone()
            } else {
                format!("{}-{n}", spec.name)
            };
            if self.keys.insert(key.clone()) {
                break key;
            }
        };
        self.key_by_content.insert(content, key.clone());
        self.used.push(GymSpec {
            key: key.clone(),
            ..spec
        });
        key
    }
}

/// The chosen gyms in the place of those that a scenario names: verifiers and solutions that refer to
/// one by its name go on doing so.
fn called_as(names: &[String], scenario: &Scenario, mut chosen: Vec<GymSpec>) -> Vec<GymSpec> {
    if names.len() == chosen.len() {
        for (name, gym) in names.iter().zip(&mut chosen) {
            if refers_to(scenario, name) {
                gym.name.clone_from(name);
            }
        }
    }
    chosen
}

fn refers_to(scenario: &Scenario, gym: &str) -> bool {
    let asked = scenario.verifiers.iter().filter_map(|v| v.gym.as_deref());
    let called = calls(scenario).filter_map(|call| call.server.as_deref());
    asked.chain(called).any(|name| name == gym)
}

/// The calls of a scenario's solutions.
fn calls(scenario: &Scenario) -> impl Iterator<Item = &SolutionCall> {
    let of_prompts = scenario.prompts.iter().filter_map(|p| p.solution.as_ref());
    let solutions = scenario.solution.iter().chain(of_prompts);
    solutions.flat_map(|solution| &solution.calls)
}

/// The chosen gym, called as the task calls its own, with the task's database and acting user.
fn moved(own: &GymSpec, chosen: &GymSpec) -> GymSpec {
    let mut gym = GymSpec {
        name: own.name.clone(),
        ..chosen.clone()
    };
    if gym.seed == Seed::Untouched && chosen.transport != Transport::Tracker {
        gym.seed = own.seed.clone();
    }
    for (name, value) in &own.context {
        gym.context.entry(name.clone()).or_insert_with(|| value.clone());
    }
    gym
}

/// What is wrong with a verifier of a scenario that acts on these gyms.
pub(super) fn check_verifier(
    scenario: &Scenario,
    verifier: &VerifierSpec,
    gyms: &[GymSpec],
    problems: &mut Problems,
) {
    let asked = match &verifier.gym {
        None => gyms.first(),
        Some(name) => {
            let found = gyms.iter().find(|gym| gym.name == *name || gym.key == *name);
            if found.is_none() {
                let message = format!(
                    "the verifier `{}` asks the gym `{name}`, which is not the scenario's",
                    verifier.name
                );
                let names = gyms.iter().map(|gym| gym.name.as_str());
                problems.push(Problem::error(scenario.place(), message).hint(available(name, names)));
            }
            found
        }
    };
    let needs_sql = match &verifier.check {
        Check::DatabaseState { .. } => true,
        Check::ResponseCheck(ResponseCheck::Judge { sql_query, .. }) => sql_query.is_some(),
        _ => false,
    };
    let Some(gym) = asked.filter(|_| needs_sql) else {
        return;
    };
    // A server over stdio may announce a SQL runner when it has started.
    if gym.sql_runner_url.is_none() && matches!(gym.transport, Transport::Http { .. }) {
        let message = format!(
            "the verifier `{}` sends SQL to the gym `{}`, which has no SQL runner",
            verifier.name, gym.name
        );
        let hint = "add `sql_runner_url` to the gym, or check with `tool_result`";
        problems.push(Problem::error(scenario.place(), message).hint(hint));
    }
}

fn check_solution(scenario: &Scenario, gyms: &[GymSpec], problems: &mut Problems) {
    for call in calls(scenario) {
        let Some(server) = &call.server else { continue };
        if !gyms.iter().any(|gym| gym.name == *server || gym.key == *server) {
            let message = format!(
                "the solution calls `{}` on `{server}`, which is not the scenario's gym",
                call.tool
            );
            let names = gyms.iter().map(|gym| gym.name.as_str());
            problems.push(Problem::error(scenario.place(), message).hint(available(server, names)));
        }
    }
}
