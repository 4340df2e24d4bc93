//! What differs between two plans, for people who compare their results: what makes results of a scenario incomparable,
//! and what else may be the reason for a difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Plan, PlannedScenario};
use crate::gym::GymSpec;
use crate::harness::{Prompt, World};
use crate::model::ModelSpec;
use crate::verifier::VerifierSpec;

/// One thing that is not the same in two plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What, by the name of its member: `harness`, `prompts`, `verifiers`, `system_prompt`, `world`, `tools`, `limits`,
    /// `retries`, `gym`, `judge`, `repetitions`, `settings`, `address`, `headers`, `script`; whoever has read
    /// the journals adds `server`.
    pub what: &'static str,
    /// Which of several: the key of a gym, the name of a setting. Empty where there is only one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// As it is in the first, where a few words tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// As it is in the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Ids of the scenarios that it concerns; empty where it is of the whole run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scenarios: Vec<String>,
}

impl Difference {
    /// Of the whole run; without `before` and `after`, if they are a secret's or too long for a line.
    pub fn new(what: &'static str, name: &str, before: Option<String>, after: Option<String>) -> Self {
        Self {
            what,
            name: name.to_owned(),
            before,
            after,
            scenarios: Vec::new(),
        }
    }

    fn of_scenarios(what: &'static str, scenarios: Vec<String>) -> Option<Self> {
        let empty = Self::new(what, "", None, None);
        (!scenarios.is_empty()).then_some(Self { scenarios, ..empty })
    }
}

impl fmt::Display for Difference {
    /// `settings temperature none → 0.2`, `tools of 3 scenarios (a, b, c)`, `gym crm`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Scenarios that are named.
        const NAMED: usize = 3;
        write!(f, "{}", self.what.replace('_', " "))?;
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        if self.before.is_some() || self.after.is_some() {
            let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "none".to_owned());
            write!(f, " {} → {}", side(&self.before), side(&self.after))?;
        }
        let all = self.scenarios.len();
        if all > 0 {
            let named: Vec<&str> = self.scenarios.iter().take(NAMED).map(String::as_str).collect();
            let more = if all > NAMED { ", …" } else { "" };
            let plural = if all == 1 { "" } else { "s" };
            write!(f, " of {all} scenario{plural} ({}{more})", named.join(", "))?;
        }
        Ok(())
    }
}

impl Plan {
    /// Scenarios of that name that the other plan asks in other words, or judges otherwise: results of the two say nothing
    /// of each other. Names and descriptions of verifiers may differ, and so may solutions.
    pub fn not_comparable_with(&self, other: &Self) -> BTreeSet<String> {
        let changed = |(ours, theirs): &(&PlannedScenario, &PlannedScenario)| {
            asks(ours, theirs) || judges(ours, theirs)
        };
        let changed = self.common(other).filter(changed);
        changed.map(|(ours, _)| ours.scenario_id.clone()).collect()
    }

    /// Everything that may be the reason why results of `model` here and of `other_model` there differ, and often is what
    /// they are compared for. Indices into [`Plan::models`]; what the models are called is known to whoever asks.
    pub fn differences(&self, other: &Self, model: usize, other_model: usize) -> Vec<Difference> {
        let mut found: Vec<Difference> = self.harness_difference(other).into_iter().collect();
        found.extend(self.scenario_differences(other));
        found.extend(of_members("limits", &self.limits, &other.limits));
        let number = |what, ours: u32, theirs: u32| {
            let differs = ours != theirs;
            differs.then(|| Difference::new(what, "", Some(ours.to_string()), Some(theirs.to_string())))
        };
        found.extend(number("retries", self.retries, other.retries));
        found.extend(number("repetitions", self.runs, other.runs));
        found.extend(self.gym_differences(other));
        if self.judge != other.judge {
            let judge = |plan: &Self| plan.judge.as_ref().map(|judge| judge.model.to_string());
            // The same model with other settings has no better name.
            let both = (judge(self), judge(other));
            let both = if both.0 == both.1 { (None, None) } else { both };
            found.push(Difference::new("judge", "", both.0, both.1));
        }
        if let (Some(ours), Some(theirs)) = (self.models.get(model), other.models.get(other_model)) {
            found.extend(of_models(ours, theirs));
        }
        found
    }

    /// Scenarios of the same name.
    fn common<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a PlannedScenario, &'a PlannedScenario)> {
        let theirs: BTreeMap<&str, &PlannedScenario> = other
            .scenarios
            .iter()
            .map(|s| (s.scenario_id.as_str(), s))
            .collect();
        self.scenarios
            .iter()
            .filter_map(move |ours| Some((ours, *theirs.get(ours.scenario_id.as_str())?)))
    }

    /// The files by their content: where they lie does not matter.
    fn harness_difference(&self, other: &Self) -> Option<Difference> {
        /// Digits that tell two files apart.
        const DIGITS: usize = 8;
        let files = |plan: &Self| -> BTreeSet<String> {
            plan.sources.iter().map(|source| source.sha256.clone()).collect()
        };
        let (ours, theirs) = (files(self), files(other));
        let tell = |files: &BTreeSet<String>| match files.iter().next() {
            Some(only) if files.len() == 1 => only.chars().take(DIGITS).collect(),
            _ => format!("{} files", files.len()),
        };
        (ours != theirs).then(|| Difference::new("harness", "", Some(tell(&ours)), Some(tell(&theirs))))
    }

    fn scenario_differences(&self, other: &Self) -> Vec<Difference> {
        type Differ = fn(&PlannedScenario, &PlannedScenario) -> bool;
        let all: [(&'static str, Differ); 6] = [
            ("prompts", |a, b| asks(a, b)),
            ("verifiers", |a, b| judges(a, b)),
            ("system_prompt", |a, b| a.system_prompt != b.system_prompt),
            ("world", |a, b| acts_on(a) != acts_on(b)),
            ("tools", |a, b| {
                (&a.allowed_tools, &a.restricted_tools) != (&b.allowed_tools, &b.restricted_tools)
            }),
            ("limits", |a, b| a.limits != b.limits),
        ];
        let common: Vec<_> = self.common(other).collect();
        let of = |differ: Differ| {
            let those = common.iter().filter(|(ours, theirs)| differ(ours, theirs));
            those.map(|(ours, _)| ours.scenario_id.clone()).collect()
        };
        all.into_iter()
            .filter_map(|(what, differ)| Difference::of_scenarios(what, of(differ)))
            .collect()
    }

    /// Gyms by their keys; how one is reached may be a secret and is not told.
    fn gym_differences(&self, other: &Self) -> Vec<Difference> {
        let keys: BTreeSet<&str> = self
            .gyms
            .iter()
            .chain(&other.gyms)
            .map(|gym| gym.key.as_str())
            .collect();
        let changed = keys.into_iter().filter_map(|key| {
            let known = |gym: Option<&GymSpec>| gym.is_some().then(|| "used".to_owned());
            match (self.gym(key), other.gym(key)) {
                (Some(ours), Some(theirs)) if ours == theirs => None,
                (Some(_), Some(_)) => Some(Difference::new("gym", key, None, None)),
                (ours, theirs) => Some(Difference::new("gym", key, known(ours), known(theirs))),
            }
        });
        changed.collect()
    }
}

/// Whether two ask something else.
fn asks(ours: &PlannedScenario, theirs: &PlannedScenario) -> bool {
    let texts = |scenario: &PlannedScenario| -> Vec<String> {
        scenario
            .prompts
            .iter()
            .map(|Prompt { text, .. }| text.clone())
            .collect()
    };
    texts(ours) != texts(theirs)
}

/// Whether two judge otherwise.
fn judges(ours: &PlannedScenario, theirs: &PlannedScenario) -> bool {
    let same = |a: &VerifierSpec, b: &VerifierSpec| a.check == b.check && a.gym == b.gym;
    let (ours, theirs) = (&ours.verifiers, &theirs.verifiers);
    ours.len() != theirs.len() || !ours.iter().zip(theirs).all(|(a, b)| same(a, b))
}

/// What a scenario acts on by name; gyms of its own are compared with the others.
fn acts_on(scenario: &PlannedScenario) -> (&World, &[String]) {
    const OWN: World = World::Default;
    match &scenario.world {
        World::Own(_) => (&OWN, &scenario.gym_keys),
        named => (named, &scenario.gym_keys),
    }
}

fn of_models(ours: &ModelSpec, theirs: &ModelSpec) -> Vec<Difference> {
    let mut found = of_members("settings", &ours.settings, &theirs.settings);
    // Of two models that are called differently, that says nothing.
    let same = ours.model == theirs.model;
    let others = [
        ("address", ours.base_url != theirs.base_url),
        ("headers", ours.headers != theirs.headers),
        ("script", ours.script_sha256 != theirs.script_sha256),
    ];
    let others = others.into_iter().filter(|(_, differ)| same && *differ);
    found.extend(others.map(|(what, _)| Difference::new(what, "", None, None)));
    found
}

/// Members that differ, by their names in files.
fn of_members<T: Serialize>(what: &'static str, ours: &T, theirs: &T) -> Vec<Difference> {
    let members = |value: &T| match serde_json::to_value(value) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let (ours, theirs) = (members(ours), members(theirs));
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| ours.get(*name) != theirs.get(*name));
    let tell = |value: Option<&Value>| {
        value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    differ
        .map(|name| Difference::new(what, name, tell(ours.get(name)), tell(theirs.get(name))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{Harness, Scenario};
    use crate::plan::GymChoice;

    fn scenario(id: &str, asks: &str) -> Scenario {
        let prompt = Prompt {
            text: asks.to_owned(),
            expected_tools: Vec::new(),
            solution: None,
        };
        Scenario {
            scenario_id: id.to_owned(),
            prompts: vec![prompt],
            ..Scenario::default()
        }
    }

    fn plan(scenarios: Vec<Scenario>, model: &str) -> Plan {
        let harness = Harness {
            scenarios,
            ..Harness::default()
        };
        let model = ModelSpec::new(model.parse().unwrap());
        let builder = Plan::builder(harness).model(model).gyms(GymChoice::tracker());
        builder.build().unwrap().0
    }

    fn told(ours: &Plan, theirs: &Plan) -> Vec<String> {
        ours.differences(theirs, 0, 0)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn equal_plans_differ_in_nothing_wherever_their_files_lie() {
        let ours = plan(vec![scenario("a", "do it")], "noop");
        let mut theirs = ours.clone();
        theirs.launch_dir = "/elsewhere".into();
        theirs.scenarios[0].scenario.name = "another title".into();
        assert_eq!(told(&ours, &theirs), Vec::<String>::new());
        assert!(ours.not_comparable_with(&theirs).is_empty());
    }

    #[test]
    fn other_words_and_other_checks_are_not_comparable_and_other_titles_are() {
        let check = |name: &str, query: &str| -> VerifierSpec {
            serde_json::from_value(serde_json::json!({
                "name": name, "verifier_type": "database_state",
                "validation_config": {"query": query, "comparison": {"operator": "equals", "expected": 1}},
            }))
            .unwrap()
        };
        let with = |id: &str, asks: &str, name: &str, query: &str| Scenario {
            verifiers: vec![check(name, query)],
            ..scenario(id, asks)
        };
        let ours = plan(
            vec![
                with("same", "x", "n", "SELECT 1"),
                with("asked", "x", "n", "SELECT 1"),
                with("judged", "x", "n", "SELECT 1"),
            ],
            "noop",
        );
        let theirs = plan(
            vec![
                with("same", "x", "renamed", "SELECT 1"),
                with("asked", "y", "n", "SELECT 1"),
                with("judged", "x", "n", "SELECT 2"),
            ],
            "noop",
        );
        let changed: Vec<String> = ours.not_comparable_with(&theirs).into_iter().collect();
        assert_eq!(changed, ["asked", "judged"]);
        assert_eq!(
            told(&ours, &theirs),
            [
                "prompts of 1 scenario (asked)",
                "verifiers of 1 scenario (judged)"
            ]
        );
    }

    #[test]
    fn everything_that_may_be_the_reason_is_told_in_a_few_words() {
        let ours = plan(vec![scenario("a", "x"), scenario("b", "x")], "openai:gpt-5");
        let mut theirs = plan(
            vec![scenario("a", "x"), scenario("b", "x")],
            "openai:gpt-5?effort=high",
        );
        theirs.limits.max_turns = 7;
        theirs.runs = 3;
        theirs.scenarios[0].scenario.restricted_tools = vec!["get_issue".into()];
        theirs.scenarios[1].scenario.system_prompt = Some("be brief".into());
        theirs.models[0].settings.temperature = Some(0.5);
        theirs.gyms[0].key = "crm".into();
        theirs.judge = Some(ModelSpec::new("openai:gpt-5".parse().unwrap()));
        insta::assert_snapshot!(told(&ours, &theirs).join("\n"), @r"
        system prompt of 1 scenario (b)
        tools of 1 scenario (a)
        limits max_turns 200 → 7
        repetitions 1 → 3
        gym crm none → used
        gym tracker used → none
        judge none → openai:gpt-5
        settings effort none → high
        settings temperature none → 0.5
        ");
    }
}
