//! What models that play a part share: where in their part they are, and a step of it as a reply.
//!
//! A part is a list of steps, one per reply of the whole trial. Where a trial is in it follows from its
//! conversation alone, so that one client serves any number of trials at once. Earlier tool answers that
//! were given a name can be used as `{{name/json/pointer}}`.

use std::collections::BTreeMap;

use bench_core::harness::Results;
use bench_core::solution::{ResolveError, TRIAL_DIR, resolve, resolve_text};
use bench_core::transcript::ToolCall;
use bench_core::{ModelRef, Usage};
use serde_json::{Map, Value};

use super::failure::Said;
use super::{
    AssistantTurn, ErrorClass, Message, ModelError, ToolAnswer, ToolSpec, TurnReply, TurnRequest,
    qualified_tool_name,
};

/// One reply of a part: calls, or an answer.
#[derive(Default)]
pub(super) struct Step<'a> {
    pub(super) calls: Vec<StepCall<'a>>,
    pub(super) text: &'a str,
    pub(super) usage: Usage,
}

/// A tool call of a step.
pub(super) struct StepCall<'a> {
    pub(super) tool: &'a str,
    /// Gym that offers it, where several do.
    pub(super) server: Option<&'a str>,
    pub(super) arguments: Arguments<'a>,
    /// Name under which later steps use its answer.
    pub(super) save_as: Option<&'a str>,
}

/// Arguments of a step's call.
#[derive(Clone, Copy)]
pub(super) enum Arguments<'a> {
    /// With references in it.
    Object(&'a Map<String, Value>),
    /// What a model may write instead of an object; played as it is.
    Other(&'a Value),
}

/// How many replies a conversation holds: the index of the next step.
pub(super) fn replies_in(messages: &[Message]) -> usize {
    messages
        .iter()
        .filter(|message| matches!(message, Message::Assistant(_)))
        .count()
}

/// Why a model that plays a part has nothing to play.
pub(super) fn no_script(model: &ModelRef, message: String) -> ModelError {
    ModelError {
        model: model.to_string(),
        class: ErrorClass::NoScript,
        status: None,
        retry_after: None,
        maybe_paid: false,
        usage: None,
        adjusted: None,
        should_retry: None,
        message,
    }
}

/// The reply of a step. `step_at` gives the steps of earlier replies, for the names of their results.
pub(super) fn reply<'a>(
    step: &Step<'a>,
    request: &TurnRequest<'_>,
    step_at: &dyn Fn(usize) -> Option<Step<'a>>,
) -> Result<TurnReply, String> {
    let known = Known::from(request, step_at);
    let number = replies_in(request.messages) + 1;
    let mut tool_calls = Vec::with_capacity(step.calls.len());
    for (call, place) in step.calls.iter().zip(1..) {
        let arguments = match call.arguments {
            Arguments::Object(map) => resolve(map, &known.results).map(Value::Object),
            Arguments::Other(value) => Ok(value.clone()),
        };
        tool_calls.push(ToolCall {
            id: format!("call_{number}_{place}"),
            name: offered_name(request.tools, call),
            arguments: arguments
                .map_err(|error| format!("tool `{}`: {}", call.tool, known.explain(&error)))?,
        });
    }
    let text = resolve_text(step.text, &known.results).map_err(|error| known.explain(&error))?;
    let stop_reason = if tool_calls.is_empty() {
        "stop"
    } else {
        "tool_calls"
    }
    .to_owned();
    let turn = AssistantTurn {
        text,
        tool_calls,
        ..AssistantTurn::default()
    };
    Ok(TurnReply {
        turn,
        stop_reason,
        usage: step.usage,
        ..TurnReply::default()
    })
}

/// The name under which a tool is offered in this trial; its own name where nobody offers it.
fn offered_name(tools: &[ToolSpec], call: &StepCall<'_>) -> String {
    let offered = |name: &str| tools.iter().any(|tool| tool.name == name);
    let qualified = call.server.map(|server| qualified_tool_name(server, call.tool));
    qualified
        .filter(|name| offered(name))
        .unwrap_or_else(|| call.tool.to_owned())
}

/// The named results of the conversation so far, and what failed calls said instead.
#[derive(Default)]
struct Known<'a> {
    results: Results,
    failures: BTreeMap<&'a str, String>,
}

impl<'a> Known<'a> {
    fn from(request: &TurnRequest<'_>, step_at: &dyn Fn(usize) -> Option<Step<'a>>) -> Self {
        let mut known = Self::default();
        if let Ok(scratch) = request.scratch.path() {
            known
                .results
                .insert(TRIAL_DIR.to_owned(), Value::from(scratch.to_string_lossy()));
        }
        let mut replies = 0;
        let mut names = Vec::new();
        for message in request.messages {
            match message {
                Message::User(_) => {}
                Message::Assistant(_) => {
                    let calls = step_at(replies).map(|step| step.calls).unwrap_or_default();
                    names = calls.iter().map(|call| call.save_as).collect();
                    replies += 1;
                }
                Message::Tools(answers) => {
                    for (name, answer) in names.drain(..).zip(answers) {
                        if let Some(name) = name {
                            known.learn(name, answer);
                        }
                    }
                }
            }
        }
        known
    }

    fn learn(&mut self, name: &'a str, answer: &ToolAnswer) {
        if answer.is_error {
            self.failures.insert(name, answer.text.clone());
        }
        let value = match &answer.structured {
            Value::Null => Value::from(answer.text.as_str()),
            value => value.clone(),
        };
        self.results.insert(name.to_owned(), value);
    }

    /// Why a reference has no value, with what the call said that should have given it.
    fn explain(&self, error: &ResolveError) -> String {
        let name = match error {
            ResolveError::UnknownName { name } | ResolveError::NothingThere { name, .. } => name.as_str(),
            _ => "",
        };
        match self.failures.get(name) {
            Some(said) => format!("the call that gives `{name}` failed: {}", Said::short(said)),
            None => error.to_string(),
        }
    }
}
