//! Whether what was recorded says anything about a plan: its scenarios ask for the same, with the same tools, in the same
//! world.
//!
//! A gym that is reached otherwise may be a new version of it, which is what replays are for: that is a warning, and what
//! its tools answer otherwise is drift. Other verifiers judge anew what was done, and other limits of the run were typed.

use std::collections::{BTreeMap, BTreeSet};

use bench_core::gym::Seed;
use bench_core::plan::PlannedScenario;
use bench_core::{GymSpec, Place, Plan, Problem};

use super::Recording;

/// What of a scenario decides what a model says, by the names of [`bench_core::plan::Difference::what`].
const ASKED: [&str; 3] = ["prompts", "system_prompt", "tools"];

impl Recording {
    /// An error for each scenario of a plan that is no longer what was recorded under its name, and warnings for what may
    /// be the reason for another result.
    pub fn differs(&self, plan: &Plan) -> Vec<Problem> {
        differs(self.plan(), plan, self.run().as_str())
    }
}

fn differs(recorded: &Plan, now: &Plan, run: &str) -> Vec<Problem> {
    let mut others = Others::default();
    // Their models are others, and nobody asks them.
    let none = usize::MAX;
    for difference in recorded.differences(now, none, none) {
        for scenario in difference.scenarios {
            if ASKED.contains(&difference.what) {
                others.asked.entry(scenario).or_default().push(difference.what);
            } else if difference.what == "limits" {
                others.limits.push(scenario);
            }
        }
    }
    for scenario in &now.scenarios {
        let was = recorded.scenarios.iter();
        if let Some(was) = was
            .into_iter()
            .find(|was| was.scenario_id == scenario.scenario_id)
        {
            others.look_at_gyms(
                &gyms_of(recorded, was),
                &gyms_of(now, scenario),
                &scenario.scenario_id,
            );
        }
    }
    others.told(now, run)
}

/// What is not as it was recorded.
#[derive(Default)]
struct Others {
    /// What is asked otherwise, by scenario.
    asked: BTreeMap<String, Vec<&'static str>>,
    /// Scenarios with other limits.
    limits: Vec<String>,
    /// Gyms that are reached otherwise, by name.
    gyms: BTreeSet<String>,
}

impl Others {
    fn look_at_gyms(&mut self, were: &[&GymSpec], are: &[&GymSpec], scenario: &str) {
        let mut otherwise = |what| self.asked.entry(scenario.to_owned()).or_default().push(what);
        let names = |gyms: &[&GymSpec]| gyms.iter().map(|gym| gym.name.clone()).collect::<Vec<_>>();
        if names(were) != names(are) {
            return otherwise("gyms");
        }
        let same_data = |(was, is): (&&GymSpec, &&GymSpec)| content(&was.seed) == content(&is.seed);
        if !were.iter().zip(are).all(same_data) {
            return otherwise("seeded data");
        }
        let moved = were
            .iter()
            .zip(are)
            .filter(|(was, is)| reached(was) != reached(is));
        self.gyms.extend(moved.map(|(_, is)| is.name.clone()));
    }

    fn told(self, plan: &Plan, run: &str) -> Vec<Problem> {
        let refused = plan.scenarios.iter().filter_map(|scenario| {
            let what = self.asked.get(&scenario.scenario_id)?;
            let what = what.join(" and ").replace('_', " ");
            let message =
                format!("its {what} are not those of run `{run}`: what was said there is no answer to them");
            let hint =
                "put them back, leave the scenario out with --scenario, --tag or --limit, or ask a model";
            Some(Problem::error(scenario.place(), message).hint(hint))
        });
        let gyms = self.gyms.iter().map(|gym| {
            let message = format!("the gym `{gym}` is reached otherwise than in run `{run}`; what its tools answer otherwise is told as drift");
            Problem::warning(Place::default(), message)
        });
        let limits = plan
            .scenarios
            .iter()
            .filter(|scenario| self.limits.contains(&scenario.scenario_id));
        let limits = limits.map(|scenario| {
            let message = format!("its limits are not those of run `{run}`");
            Problem::warning(scenario.place(), message)
        });
        refused.chain(gyms).chain(limits).collect()
    }
}

/// The gyms of a scenario, in its order. Their keys may differ between plans that hold other scenarios besides.
fn gyms_of<'p>(plan: &'p Plan, scenario: &PlannedScenario) -> Vec<&'p GymSpec> {
    scenario.gym_keys.iter().filter_map(|key| plan.gym(key)).collect()
}

/// What a seed puts there, wherever its file lies.
fn content(seed: &Seed) -> Seed {
    match seed {
        Seed::File { sha256, .. } => Seed::File {
            path: String::new(),
            sha256: sha256.clone(),
        },
        other => other.clone(),
    }
}

/// What of a gym decides how it is reached.
fn reached(gym: &GymSpec) -> GymSpec {
    GymSpec {
        key: String::new(),
        description: String::new(),
        seed: Seed::Untouched,
        ..gym.clone()
    }
}

#[cfg(test)]
mod tests {
    use bench_core::harness::{Harness, Prompt, Scenario};
    use bench_core::{GymChoice, ModelSpec, Transport};

    use super::*;

    fn scenario(id: &str) -> Scenario {
        let prompt = Prompt {
            text: "Go.".to_owned(),
            expected_tools: Vec::new(),
            solution: None,
        };
        Scenario {
            scenario_id: id.to_owned(),
            prompts: vec![prompt],
            ..Scenario::default()
        }
    }

    fn plan(scenarios: Vec<Scenario>) -> Plan {
        let harness = Harness {
            scenarios,
            ..Harness::default()
        };
        let model = ModelSpec::new("noop".parse().unwrap());
        let builder = Plan::builder(harness).model(model).gyms(GymChoice::tracker());
        builder.build().unwrap().0
    }

    /// What is told where this was done to a plan of the scenarios `a` and `b`.
    fn told(change: impl Fn(&mut Plan)) -> Vec<String> {
        let recorded = plan(vec![scenario("a"), scenario("b")]);
        let mut now = recorded.clone();
        change(&mut now);
        let told = differs(&recorded, &now, "run_1");
        told.iter()
            .map(|problem| format!("{:?}: {problem}", problem.severity))
            .collect()
    }

    #[test]
    fn what_a_model_was_asked_is_the_same_or_the_scenario_is_refused() {
        let all = told(|plan| {
            plan.scenarios[0].scenario.prompts[0].text = "Stop.".to_owned();
            plan.scenarios[0].scenario.system_prompt = Some("Be brief.".to_owned());
            plan.scenarios[1].scenario.restricted_tools = vec!["create_issue".to_owned()];
        });
        insta::assert_snapshot!(all.join("\n"), @r"
                Error: its prompts and system prompt are not those of run `run_1`: what was said there is no answer to them (hint: put them back, leave the scenario out with --scenario, --tag or --limit, or ask a model)
                Error: its tools are not those of run `run_1`: what was said there is no answer to them (hint: put them back, leave the scenario out with --scenario, --tag or --limit, or ask a model)
                ");
        let seeded = told(|plan| {
            let (path, sha256) = ("seed.sql".to_owned(), "ab".repeat(32));
            plan.gyms[0].seed = Seed::File { path, sha256 };
        });
        insta::assert_snapshot!(seeded.join("\n"), @r"
        Error: its seeded data are not those of run `run_1`: what was said there is no answer to them (hint: put them back, leave the scenario out with --scenario, --tag or --limit, or ask a model)
        Error: its seeded data are not those of run `run_1`: what was said there is no answer to them (hint: put them back, leave the scenario out with --scenario, --tag or --limit, or ask a model)
        ");
        let another = told(|plan| plan.gyms[0].name = "crm".to_owned());
        insta::assert_snapshot!(another.join("\n"), @r"
        Error: its gyms are not those of run `run_1`: what was said there is no answer to them (hint: put them back, leave the scenario out with --scenario, --tag or --limit, or ask a model)
        Error: its gyms are not those of run `run_1`: what was said there is no answer to them (hint: put them back, leave the scenario out with --scenario, --tag or --limit, or ask a model)
        ");
    }

    #[test]
    fn what_may_be_meant_is_told_and_what_says_nothing_is_not() {
        let moved = told(|plan| {
            plan.gyms[0].transport = Transport::Http {
                url: "http://new.example/mcp".into(),
            };
            plan.scenarios[1].scenario.limits.max_turns = Some(3);
        });
        insta::assert_snapshot!(moved.join("\n"), @r"
                Warning: the gym `tracker` is reached otherwise than in run `run_1`; what its tools answer otherwise is told as drift
                Warning: its limits are not those of run `run_1`
                ");
        let same = told(|plan| {
            plan.scenarios.remove(0);
            plan.gyms[0].key = "tracker-2".to_owned();
            plan.scenarios[0].gym_keys = vec!["tracker-2".to_owned()];
            plan.scenarios[0].scenario.name = "another title".to_owned();
            plan.runs = 7;
            plan.limits.max_turns = 3;
        });
        assert_eq!(same, [""; 0]);
    }
}
