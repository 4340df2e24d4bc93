//! The model that knows the solution: it plays what a scenario's `solution` says.
//!
//! One call per reply, in order, then the answer. Calls of the scenario's solution play at the first
//! prompt, those of a prompt's at that prompt; the answer is the prompt's, else the scenario's, else
//! "done". A call that fails does not stop it: what the scenario's verifiers say then is the point.

use bench_core::{ModelRef, Scenario, SolutionCall};
use futures_util::future::{BoxFuture, FutureExt, ready};

use super::play::{Arguments, Step, StepCall, no_script, replies_in, reply};
use super::{ModelClient, ModelError, TurnReply, TurnRequest};

/// What is said where no answer is written down.
const ANSWER: &str = "done";

/// Plays solutions. Holds nothing about the trials that it plays in.
pub(super) struct Oracle {
    model: ModelRef,
}

impl Oracle {
    pub(super) fn new(model: ModelRef) -> Self {
        Self { model }
    }

    fn play(&self, request: &TurnRequest<'_>) -> Result<TurnReply, ModelError> {
        let scenario = request.scenario;
        let place = || format!("scenario `{}`", scenario.scenario_id);
        if !scenario.has_solution() {
            return Err(no_script(
                &self.model,
                format!("{} has no solution; write one, or leave it out", place()),
            ));
        }
        let step_at = |index| steps(scenario).nth(index);
        let step = step_at(replies_in(request.messages)).ok_or_else(|| {
            no_script(
                &self.model,
                format!(
                    "{}: the solution is over, but another reply is asked for",
                    place()
                ),
            )
        })?;
        reply(&step, request, &step_at)
            .map_err(|why| no_script(&self.model, format!("{}: solution: {why}", place())))
    }
}

impl ModelClient for Oracle {
    fn model(&self) -> &ModelRef {
        &self.model
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        ready(self.play(request)).boxed()
    }
}

/// All replies that solve a scenario, over all its prompts.
fn steps(scenario: &Scenario) -> impl Iterator<Item = Step<'_>> {
    let whole = scenario.solution.as_ref();
    scenario
        .prompts
        .iter()
        .enumerate()
        .flat_map(move |(index, prompt)| {
            let own = prompt.solution.as_ref();
            let first = whole.filter(|_| index == 0);
            let calls = [first, own]
                .into_iter()
                .flatten()
                .flat_map(|solution| &solution.calls);
            let mut answers = [own, whole].into_iter().flatten();
            let answer = answers
                .find_map(|solution| solution.answer.as_deref())
                .unwrap_or(ANSWER);
            let last = Step {
                text: answer,
                ..Step::default()
            };
            calls.map(step_of).chain(std::iter::once(last))
        })
}

fn step_of(call: &SolutionCall) -> Step<'_> {
    let call = StepCall {
        tool: &call.tool,
        server: call.server.as_deref(),
        arguments: Arguments::Object(&call.arguments),
        save_as: call.save_as.as_deref(),
    };
    Step {
        calls: vec![call],
        ..Step::default()
    }
}

#[cfg(test)]
mod tests {
    use bench_core::{ModelRef, Provider};
    use serde_json::{Value, json};

    use super::super::fixture::{Talk, scenario};
    use super::super::{ErrorClass, qualified_tool_name};
    use super::*;

    fn oracle() -> Oracle {
        Oracle::new(ModelRef::new(Provider::Oracle, ""))
    }

    #[tokio::test]
    async fn calls_play_one_by_one_and_use_earlier_results() {
        let scenario = scenario(
            json!([{"text": "a"}]),
            json!({"calls": [
                {"tool": "create", "arguments": {"n": 1}, "as": "new"},
                {"tool": "get", "arguments": {"id": "{{new/items/0/id}}", "dir": "{{trial_dir}}/x"}},
            ], "answer": "It is {{new/items/0/id}}."}),
        );
        let oracle = oracle();
        let mut talk = Talk::new(&oracle, &scenario);
        assert_eq!(
            talk.step(&[json!({"items": [{"id": 7}]})]).await,
            r#"create {"n":1}"#
        );
        assert_eq!(
            talk.step(&[json!("ok")]).await,
            format!(
                r#"get {{"id":7,"dir":"{}/x"}}"#,
                talk.scratch.path().unwrap().display()
            )
        );
        assert_eq!(talk.step(&[]).await, "It is 7.");
        let ids = talk.messages.iter().filter_map(|m| match m {
            super::super::Message::Assistant(turn) => turn.tool_calls.first().map(|c| c.id.clone()),
            _ => None,
        });
        assert_eq!(
            ids.collect::<Vec<_>>(),
            ["call_1_1", "call_2_1"],
            "ids differ within a trial"
        );
        let over = talk.ask().await.unwrap_err();
        assert_eq!(over.class, ErrorClass::NoScript);
    }

    #[tokio::test]
    async fn each_prompt_plays_its_own_part() {
        let call = |tool: &str| json!({"tool": tool});
        let scenario = scenario(
            json!([
                {"text": "1", "solution": {"calls": [call("b")]}},
                {"text": "2"},
                {"text": "3", "solution": {"calls": [call("c")], "answer": "three"}},
            ]),
            json!({"calls": [call("a")]}),
        );
        let oracle = oracle();
        let mut talk = Talk::new(&oracle, &scenario);
        let mut did = Vec::new();
        for _ in 0..6 {
            did.push(talk.step(&[Value::Null]).await);
        }
        assert_eq!(did, ["a {}", "b {}", "done", "done", "c {}", "three"]);
    }

    #[tokio::test]
    async fn a_failed_call_does_not_stop_it_until_its_result_is_needed() {
        let solution = json!({"calls": [
            {"tool": "a", "as": "a"}, {"tool": "b"}, {"tool": "c", "arguments": {"x": "{{a/id}}"}}]});
        let scenario = scenario(json!([{"text": "1"}]), solution);
        let oracle = oracle();
        let mut talk = Talk::new(&oracle, &scenario);
        assert_eq!(talk.step(&[json!({"error": "no such user"})]).await, "a {}");
        assert_eq!(talk.step(&[json!("fine")]).await, "b {}");
        let error = talk.ask().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::NoScript);
        insta::assert_snapshot!(error, @r#"oracle: scenario `s`: solution: tool `c`: the call that gives `a` failed: {"error":"no such user"}"#);
    }

    #[tokio::test]
    async fn no_solution_is_an_error_and_not_an_answer() {
        let scenario = scenario(json!([{"text": "1"}]), Value::Null);
        let error = Talk::new(&oracle(), &scenario).ask().await.unwrap_err();
        insta::assert_snapshot!(error, @"oracle: scenario `s` has no solution; write one, or leave it out");
    }

    #[tokio::test]
    async fn a_tool_of_several_gyms_is_found_by_its_gym() {
        let calls =
            json!({"calls": [{"tool": "search", "server": "jira"}, {"tool": "only", "server": "jira"}]});
        let scenario = scenario(json!([{"text": "1"}]), calls);
        let oracle = oracle();
        let mut talk = Talk::new(&oracle, &scenario);
        for name in [
            &qualified_tool_name("wiki", "search"),
            &qualified_tool_name("jira", "search"),
            "only",
        ] {
            talk.offer(name);
        }
        assert_eq!(talk.step(&[Value::Null]).await, "jira__search {}");
        assert_eq!(talk.step(&[Value::Null]).await, "only {}");
    }
}
