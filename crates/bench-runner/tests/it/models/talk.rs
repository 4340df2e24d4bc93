//! A conversation as the agent loop leads it, over a client that an embedding program would get.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bench_core::{ModelSettings, ModelSpec, Scenario};
use bench_runner::Scratch;
use bench_runner::env::Environment;
use bench_runner::model::{
    Message, ModelClient, ModelError, ToolAnswer, ToolSpec, TurnReply, TurnRequest, Witness, connect,
};
use serde_json::{Value, json};

use super::exchanges::Notes;
use super::stub::{Answer, Seen, Stub};

/// A secret that no message may hold.
pub(crate) const CANARY: &str = "sk-canary-0123456789";

pub(crate) struct Talk {
    pub(crate) client: Arc<dyn ModelClient>,
    scenario: Scenario,
    pub(crate) settings: ModelSettings,
    pub(crate) system: &'static str,
    pub(crate) messages: Vec<Message>,
    pub(crate) tools: Vec<ToolSpec>,
    pub(crate) timeout: Duration,
    pub(crate) witness: Option<Arc<Notes>>,
}

impl Talk {
    /// A conversation with a model (`provider:name`) behind `url`, with the canary as its key.
    pub(crate) fn with(model: &str, url: &str) -> Self {
        let keys = [
            "OPENAI_API_KEY",
            "ANTHROPIC_API_KEY",
            "GOOGLE_API_KEY",
            "XAI_API_KEY",
            "COMPATIBLE_API_KEY",
        ];
        let env = Environment::new(keys.map(|name| (name.to_owned(), CANARY.to_owned())), &[]);
        let mut spec = ModelSpec::new(model.parse().unwrap());
        spec.base_url = Some(url.into());
        let origin = json!({"file": "h.json", "line": 1, "sha256": ""});
        let scenario = json!({"scenario_id": "s", "origin": origin, "prompts": [], "verifiers": []});
        Self {
            client: connect(&spec, &env, Path::new("/"), 8).unwrap(),
            scenario: serde_json::from_value(scenario).unwrap(),
            settings: spec.settings,
            system: "",
            messages: vec![Message::User("hello".into())],
            tools: Vec::new(),
            timeout: Duration::from_mins(5),
            witness: None,
        }
    }

    pub(crate) fn offer(&mut self, name: &str, description: &str, input_schema: Value) {
        let Value::Object(input_schema) = input_schema else {
            panic!("a schema is an object")
        };
        self.tools.push(ToolSpec {
            name: name.into(),
            description: description.into(),
            input_schema,
            reads_only: false,
        });
    }

    pub(crate) async fn ask(&self) -> Result<TurnReply, ModelError> {
        let request = TurnRequest {
            scenario: &self.scenario,
            repetition: 1,
            prompt: 0,
            turn: 1,
            scratch: &Scratch::default(),
            system: self.system,
            messages: &self.messages,
            tools: &self.tools,
            settings: &self.settings,
            timeout: self.timeout,
            attempt: 1,
            witness: self.witness.as_deref().map(|notes| notes as &dyn Witness),
        };
        self.client.take_turn(&request).await
    }

    /// Takes a reply and the answers to its calls into the conversation: text and whether it failed.
    pub(crate) fn go_on(&mut self, reply: &TurnReply, answers: &[(&str, bool)]) {
        let calls = &reply.turn.tool_calls;
        assert_eq!(calls.len(), answers.len());
        let answers = calls
            .iter()
            .zip(answers)
            .map(|(call, (text, is_error))| ToolAnswer {
                call_id: call.id.clone(),
                tool: call.name.clone(),
                text: (*text).to_owned(),
                structured: Value::Null,
                is_error: *is_error,
                renamed: Vec::new(),
            });
        let answers: Vec<_> = answers.collect();
        self.messages.push(Message::Assistant(reply.turn.clone()));
        if !answers.is_empty() {
            self.messages.push(Message::Tools(answers));
        }
    }
}

/// The arguments of a tool that reads an issue.
pub(crate) fn issue_schema() -> Value {
    json!({"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]})
}

/// A conversation that was had: the replies to its first two requests, and all three requests.
pub(crate) struct Had {
    pub(crate) first: TurnReply,
    pub(crate) second: TurnReply,
    pub(crate) seen: Vec<Seen>,
}

/// Asks, answers the calls of the first reply, takes the second one, and asks once more.
pub(crate) async fn converse(model: &str, path: &str, replies: [Answer; 2], answers: &[(&str, bool)]) -> Had {
    let stub = Stub::start(replies).await;
    let mut talk = Talk::with(model, &format!("{}{path}", stub.url));
    talk.system = "Be brief.";
    talk.offer("get_issue", "Reads an issue.", issue_schema());
    let first = talk.ask().await.unwrap();
    talk.go_on(&first, answers);
    let second = talk.ask().await.unwrap();
    talk.go_on(&second, &[]);
    talk.messages.push(Message::User("Thanks. And AB-3?".into()));
    talk.ask().await.unwrap();
    Had {
        first,
        second,
        seen: stub.seen(),
    }
}
