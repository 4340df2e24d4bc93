//! For tests: a scenario, and a conversation with a model that plays a part, led without any network.

use std::time::Duration;

use bench_core::{ModelSettings, Scenario};
use serde_json::{Map, Value, json};

use super::{Message, ModelClient, ModelError, ToolAnswer, ToolSpec, TurnReply, TurnRequest};
use crate::scratch::Scratch;

/// A scenario with these prompts; `{"text": …, "solution": …}` each.
#[expect(clippy::needless_pass_by_value, reason = "callers write literals")]
pub(super) fn scenario(prompts: Value, solution: Value) -> Scenario {
    let origin = json!({"file": "h.json", "line": 1, "sha256": ""});
    let mut document = json!({"scenario_id": "s", "origin": origin, "prompts": prompts, "verifiers": []});
    if !solution.is_null() {
        document["solution"] = solution;
    }
    serde_json::from_value(document).unwrap()
}

/// A trial as the agent loop sees it.
pub(super) struct Talk<'a> {
    client: &'a dyn ModelClient,
    scenario: &'a Scenario,
    pub(super) repetition: u32,
    pub(super) messages: Vec<Message>,
    pub(super) tools: Vec<ToolSpec>,
    pub(super) scratch: Scratch,
}

impl<'a> Talk<'a> {
    pub(super) fn new(client: &'a dyn ModelClient, scenario: &'a Scenario) -> Self {
        Self {
            client,
            scenario,
            repetition: 1,
            messages: vec![user()],
            tools: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    pub(super) fn offer(&mut self, tool: &str) {
        let tool = ToolSpec {
            name: tool.into(),
            description: String::new(),
            input_schema: Map::new(),
            reads_only: false,
        };
        self.tools.push(tool);
    }

    /// Asks for the next turn, without taking it into the conversation.
    pub(super) async fn ask(&self) -> Result<TurnReply, ModelError> {
        let users = self
            .messages
            .iter()
            .filter(|message| matches!(message, Message::User(_)))
            .count();
        let settings = ModelSettings::default();
        let request = TurnRequest {
            scenario: self.scenario,
            repetition: self.repetition,
            prompt: users - 1,
            turn: 1,
            scratch: &self.scratch,
            system: "",
            messages: &self.messages,
            tools: &self.tools,
            settings: &settings,
            timeout: Duration::from_secs(600),
            attempt: 1,
            witness: None,
        };
        self.client.take_turn(&request).await
    }

    /// Takes the next turn, answers its calls with `answers` and, after an answer, sends the next prompt.
    /// Returns what the model did: `tool arguments` per call, or its text.
    pub(super) async fn step(&mut self, answers: &[Value]) -> String {
        let turn = self.ask().await.unwrap().turn;
        let calls: Vec<String> = turn
            .tool_calls
            .iter()
            .map(|c| format!("{} {}", c.name, c.arguments))
            .collect();
        let answered = turn
            .tool_calls
            .iter()
            .zip(answers)
            .map(|(call, answer)| ToolAnswer {
                call_id: call.id.clone(),
                tool: call.name.clone(),
                text: answer.as_str().map_or_else(|| answer.to_string(), str::to_owned),
                structured: if answer.is_string() {
                    Value::Null
                } else {
                    answer.clone()
                },
                is_error: answer.get("error").is_some(),
                renamed: Vec::new(),
            });
        let next = if calls.is_empty() {
            user()
        } else {
            Message::Tools(answered.collect())
        };
        let did = if calls.is_empty() {
            turn.text.clone()
        } else {
            calls.join("; ")
        };
        self.messages.extend([Message::Assistant(turn), next]);
        did
    }
}

fn user() -> Message {
    Message::User("go on".into())
}
