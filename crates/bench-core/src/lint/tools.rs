//! Names of tools that no gym offers: to be told once the gyms have been reached, before the first trial.
//!
//! A verifier that requires such a tool, and a solution that calls it, can never succeed: that is an error. Lists that
//! hide, allow, expect or forbid tools come with data sets that are wider than one server, so only what is nearly the
//! name of a tool counts there: that is a slip of the pen, and would go unnoticed for ever.

use super::{solutions, tool_checks};
use crate::harness::Scenario;
use crate::problem::{Place, Problem};
use crate::suggest::closest;
use crate::verifier::{Check, ToolExecution};

/// The tools of one gym of a scenario.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// Name of the gym.
    pub gym: &'a str,
    /// Names of its tools.
    pub tools: &'a [String],
}

/// An error for each tool that the scenario names and none of its gyms offers.
pub fn unknown_tools(scenario: &Scenario, offers: &[Offer<'_>]) -> Vec<Problem> {
    let mut looker = Looker {
        scenario,
        offers,
        problems: Vec::new(),
    };
    looker.verifiers();
    looker.solutions();
    looker.lists();
    looker.problems
}

/// A warning for each tool that the scenario expects or allows, or that a verifier forbids, and that is neither offered by one of
/// its gyms nor nearly the name of one that is: [`unknown_tools`] tells those.
///
/// A run says nothing of these: it reports expected tools that were not called, and data sets name more than one
/// server has. What is only hidden (`restricted_tools`) may be anywhere.
pub fn unknown_expected(scenario: &Scenario, offers: &[Offer<'_>]) -> Vec<Problem> {
    let mut looker = Looker {
        scenario,
        offers,
        problems: Vec::new(),
    };
    looker.unknown(
        "`expected_tools` names",
        &expected_tools(scenario),
        &scenario.place(),
    );
    let allowed: Vec<&str> = scenario
        .allowed_tools
        .iter()
        .flatten()
        .map(String::as_str)
        .collect();
    // Where none is offered, that is an error already.
    if allowed.iter().any(|tool| looker.offers(tool, None)) {
        looker.unknown("`allowed_tools` names", &allowed, &scenario.place());
    }
    for (verifier, ToolExecution { forbidden, .. }) in tool_checks(scenario) {
        let forbidden: Vec<&str> = forbidden.iter().map(String::as_str).collect();
        looker.unknown("a verifier forbids", &forbidden, &scenario.place_of(verifier));
    }
    looker.problems
}

struct Looker<'a> {
    scenario: &'a Scenario,
    offers: &'a [Offer<'a>],
    problems: Vec<Problem>,
}

impl<'a> Looker<'a> {
    fn verifiers(&mut self) {
        for verifier in &self.scenario.verifiers {
            let place = self.scenario.place_of(verifier);
            let what = |does: &str| format!("the verifier `{}` {does}", verifier.name);
            match &verifier.check {
                Check::ToolExecution(check) => {
                    for tool in super::required_tools(check) {
                        self.needed(tool, None, &what("requires"), &place);
                    }
                }
                Check::ToolResult { tool, .. } => {
                    let gym = verifier
                        .gym
                        .as_deref()
                        .or(self.offers.first().map(|offer| offer.gym));
                    self.needed(tool, gym, &what("calls"), &place);
                }
                _ => {}
            }
        }
    }

    fn solutions(&mut self) {
        let place = self.scenario.place();
        for call in solutions(self.scenario).flat_map(|solution| &solution.calls) {
            self.needed(&call.tool, call.server.as_deref(), "the solution calls", &place);
        }
    }

    fn unknown(&mut self, who: &str, list: &[&str], place: &Place) {
        for tool in list {
            if self.offers(tool, None) || self.meant(tool, list).is_some() {
                continue;
            }
            let message = format!("{who} the tool `{tool}`, which no gym of the scenario offers");
            let problem = Problem::warning(place.clone(), message).hint(self.where_to_look(None));
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }

    fn lists(&mut self) {
        let scenario = self.scenario;
        let place = scenario.place();
        self.nearly("`expected_tools` names", &expected_tools(scenario), &place);
        let restricted: Vec<&str> = scenario.restricted_tools.iter().map(String::as_str).collect();
        self.nearly("`restricted_tools` names", &restricted, &place);
        for (verifier, ToolExecution { forbidden, .. }) in tool_checks(scenario) {
            let forbidden: Vec<&str> = forbidden.iter().map(String::as_str).collect();
            self.nearly("a verifier forbids", &forbidden, &scenario.place_of(verifier));
        }
        let Some(allowed) = &scenario.allowed_tools else {
            return;
        };
        let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        let said = self.problems.len();
        self.nearly("`allowed_tools` names", &allowed, &place);
        let any_offered = allowed.iter().any(|tool| self.offers(tool, None));
        if !any_offered && !allowed.is_empty() && said == self.problems.len() {
            self.say(
                "none of the `allowed_tools` is offered".to_owned(),
                self.where_to_look(None),
                &place,
            );
        }
    }

    /// A tool without which the scenario cannot be passed.
    fn needed(&mut self, tool: &str, gym: Option<&str>, who: &str, place: &Place) {
        if !self.offers(tool, gym) {
            let by = gym.map_or_else(
                || "no gym of the scenario".to_owned(),
                |gym| format!("the gym `{gym}` does not"),
            );
            let verb = if gym.is_some() { "offer" } else { "offers" };
            let hint = match closest(tool, self.names(gym)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => self.where_to_look(gym),
            };
            self.say(format!("{who} the tool `{tool}`, which {by} {verb}"), hint, place);
        }
    }

    /// Tools of a list that are nearly those of a gym.
    fn nearly(&mut self, who: &str, list: &[&str], place: &Place) {
        for tool in list {
            if let Some(meant) = self.meant(tool, list).filter(|_| !self.offers(tool, None)) {
                let message = format!("{who} the tool `{tool}`, which no gym of the scenario offers");
                self.say(message, format!("did you mean `{meant}`?"), place);
            }
        }
    }

    /// The tool of a gym that is nearly called like this one of a list, unless the list names that as well.
    fn meant(&self, tool: &str, list: &[&str]) -> Option<&'a str> {
        closest(tool, self.names(None)).filter(|meant| !list.contains(meant))
    }

    /// The same mistake in several places is said once.
    fn say(&mut self, message: String, hint: String, place: &Place) {
        let problem = Problem::error(place.clone(), message).hint(hint);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn offers(&self, tool: &str, gym: Option<&str>) -> bool {
        let mut plain = self.names(gym);
        // Where several gyms offer a tool, the later ones' are called `gym__tool`.
        let qualified = |offer: &Offer<'_>| {
            let rest = tool
                .strip_prefix(offer.gym)
                .and_then(|rest| rest.strip_prefix("__"));
            rest.is_some_and(|rest| offer.tools.iter().any(|name| name == rest))
        };
        plain.any(|name| name == tool) || (self.offers.len() > 1 && self.offers.iter().any(qualified))
    }

    fn names(&self, gym: Option<&str>) -> impl Iterator<Item = &'a str> + use<'a> {
        let (gym, offers) = (gym.map(ToOwned::to_owned), self.offers);
        let asked = offers
            .iter()
            .filter(move |offer| gym.as_deref().is_none_or(|gym| offer.gym == gym));
        asked.flat_map(|offer| offer.tools.iter().map(String::as_str))
    }

    fn where_to_look(&self, gym: Option<&str>) -> String {
        let gym = gym
            .or(self.offers.first().map(|offer| offer.gym))
            .unwrap_or("GYM");
        format!("`bench-cli gym tools {gym}` lists the tools")
    }
}

/// What the prompts and the scenario expect to be called.
fn expected_tools(scenario: &Scenario) -> Vec<&str> {
    let prompts = scenario.prompts.iter().flat_map(|prompt| &prompt.expected_tools);
    prompts
        .chain(&scenario.expected_tools)
        .map(String::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::harness::{Harness, Source};
    use crate::problem::Problems;

    fn said(members: &Value, offers: &[(&str, &[&str])]) -> String {
        told(unknown_tools, members, offers)
    }

    fn told(
        look: fn(&Scenario, &[Offer<'_>]) -> Vec<Problem>,
        members: &Value,
        offers: &[(&str, &[&str])],
    ) -> String {
        let mut scenario = json!({"scenario_id": "s", "prompts": [{"prompt_text": "x"}]});
        for (name, value) in members.as_object().unwrap() {
            scenario[name] = value.clone();
        }
        let text = json!({"scenarios": [scenario]}).to_string();
        let no_files = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
        let harness = Harness::from_sources("h", &[Source::new("h.json", text)], &no_files).unwrap();
        let owned: Vec<Vec<String>> = offers
            .iter()
            .map(|(_, tools)| tools.iter().map(|tool| (*tool).to_owned()).collect())
            .collect();
        let offers: Vec<Offer<'_>> = offers
            .iter()
            .zip(&owned)
            .map(|((gym, _), tools)| Offer { gym, tools })
            .collect();
        let problems = Problems(look(&harness.scenarios[0], &offers));
        let text = problems.to_string();
        let lines = text.lines().map(|line| line.split_once("): ").unwrap().1);
        lines.collect::<Vec<_>>().join("\n")
    }

    const JIRA: (&str, &[&str]) = ("jira", &["create_issue", "get_issue", "get_issues"]);
    const MAIL: (&str, &[&str]) = ("mail", &["send", "get_issue"]);

    fn executes(config: &Value) -> Value {
        json!({"verifiers": [{"verifier_type": "tool_execution", "name": "v", "validation_config": config}]})
    }

    #[test]
    fn what_a_verifier_or_a_solution_needs_must_be_offered() {
        let calls = |calls: Value| json!({"solution": {"calls": calls}});
        let reads = json!({"verifiers": [{"verifier_type": "tool_result", "name": "v", "gym_name": "mail",
            "validation_config": {"tool": "get_issues", "expected_value": 1}}]});
        let all = [
            said(
                &executes(&json!({"required": ["creat_issue"], "ordered": ["creat_issue", "zzz"]})),
                &[JIRA],
            ),
            said(&executes(&json!({"calls": [{"tool": "create_isue"}]})), &[JIRA]),
            said(&reads, &[JIRA, MAIL]),
            said(
                &calls(json!([{"tool": "sendd"}, {"tool": "send", "server": "jira"}])),
                &[JIRA, MAIL],
            ),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        the verifier `v` requires the tool `creat_issue`, which no gym of the scenario offers (hint: did you mean `create_issue`?)
        the verifier `v` requires the tool `zzz`, which no gym of the scenario offers (hint: `bench-cli gym tools jira` lists the tools)
        the verifier `v` requires the tool `create_isue`, which no gym of the scenario offers (hint: did you mean `create_issue`?)
        the verifier `v` calls the tool `get_issues`, which the gym `mail` does not offer (hint: did you mean `get_issue`?)
        the solution calls the tool `sendd`, which no gym of the scenario offers (hint: did you mean `send`?)
        the solution calls the tool `send`, which the gym `jira` does not offer (hint: `bench-cli gym tools jira` lists the tools)
        ");
        let fine = json!([{"tool": "mail__get_issue"}, {"tool": "send", "server": "mail"}]);
        assert_eq!(said(&calls(fine), &[JIRA, MAIL]), "");
        let fine =
            executes(&json!({"required": ["get_issue", "mail__get_issue"], "forbidden": ["drop_all"]}));
        assert_eq!(said(&fine, &[JIRA, MAIL]), "");
    }

    #[test]
    fn lists_may_be_wider_than_a_server_but_not_misspelt() {
        let wide = json!({"allowed_tools": ["get_issue", "fly"], "restricted_tools": ["drop_all"], "expected_tools": "x"});
        assert_eq!(said(&wide, &[JIRA]), "");
        let near_but_known = json!({"allowed_tools": ["get_issue", "get_issuez", "get_issues"]});
        assert_eq!(
            said(&near_but_known, &[JIRA]),
            "",
            "a data set that has both is right"
        );
        let all = [
            said(&json!({"allowed_tools": ["creat_issue"]}), &[JIRA]),
            said(&json!({"allowed_tools": ["fly"]}), &[JIRA]),
            said(&json!({"restricted_tools": ["creat_issue"]}), &[JIRA]),
            said(&json!({"expected_tools": ["creat_issue"]}), &[JIRA]),
            said(&executes(&json!({"forbidden": ["creat_issue"]})), &[JIRA]),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        `allowed_tools` names the tool `creat_issue`, which no gym of the scenario offers (hint: did you mean `create_issue`?)
        none of the `allowed_tools` is offered (hint: `bench-cli gym tools jira` lists the tools)
        `restricted_tools` names the tool `creat_issue`, which no gym of the scenario offers (hint: did you mean `create_issue`?)
        `expected_tools` names the tool `creat_issue`, which no gym of the scenario offers (hint: did you mean `create_issue`?)
        a verifier forbids the tool `creat_issue`, which no gym of the scenario offers (hint: did you mean `create_issue`?)
        ");
    }

    #[test]
    fn an_expected_tool_of_another_world_is_only_told_by_a_check() {
        let members = json!({"expected_tools": ["fly", "mail__send", "creat_issue"],
            "prompts": [{"prompt_text": "x", "expected_tools": ["fly", "get_issue"]}]});
        insta::assert_snapshot!(told(unknown_expected, &members, &[JIRA, MAIL]), @"`expected_tools` names the tool `fly`, which no gym of the scenario offers (hint: `bench-cli gym tools jira` lists the tools)");
        assert!(!said(&members, &[JIRA, MAIL]).contains("fly"));
        let lists = json!({"allowed_tools": ["get_issue", "fly"], "restricted_tools": ["drop_all"], "verifiers": executes(&json!({"forbidden": ["swim"]}))["verifiers"]});
        insta::assert_snapshot!(told(unknown_expected, &lists, &[JIRA]), @r"
        `allowed_tools` names the tool `fly`, which no gym of the scenario offers (hint: `bench-cli gym tools jira` lists the tools)
        a verifier forbids the tool `swim`, which no gym of the scenario offers (hint: `bench-cli gym tools jira` lists the tools)
        ");
        let none = json!({"allowed_tools": ["fly"]});
        assert_eq!(
            told(unknown_expected, &none, &[JIRA]),
            "",
            "an error, told elsewhere"
        );
    }
}
