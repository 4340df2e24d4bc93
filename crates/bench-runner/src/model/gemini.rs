//! generateContent: the format of Google's Gemini models.
//!
//! Thin. The model's content goes back as it came: thought signatures stay on the parts on which
//! they were sent. Schemas are sent as JSON Schema, as the server wrote them. All answers to the tool calls of one
//! turn are parts of one user content, and carry the call's id where it had one.

mod assembly;
mod reply;

use std::borrow::Cow;
use std::iter;

use bench_core::model::Thinking;
use bench_core::{ModelSettings, Usage};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use url::Url;

use super::counted::Counted;
use super::format::{NoTurn, WireFormat};
use super::schemas::{self, Refusal};
use super::wire::{Fields, google_name, word};
use super::{Message, Raw, ToolAnswer, ToolSpec, TurnReply, TurnRequest};
use reply::{Reply, turn_of, usage_of};

/// generateContent.
pub(super) struct Gemini;

impl WireFormat for Gemini {
    fn count(&self, part: &Value, counted: &mut Counted) {
        counted.take(part.get("usageMetadata"));
        if part
            .pointer("/candidates/0/finishReason")
            .is_some_and(|why| !why.is_null())
        {
            counted.end();
        }
    }

    fn usage(&self, counted: &Value) -> Usage {
        usage_of(counted)
    }

    type Assembly = assembly::Generated;

    const REFUSALS: &'static [Refusal] = &schemas::GOOGLE;

    fn body<'a>(&self, _model: &'a str, request: &'a TurnRequest<'a>, _stream: bool) -> impl Serialize {
        Body { request }
    }

    /// Another method of the same model.
    fn streaming_url(&self, url: &Url) -> Url {
        let mut streaming = url.clone();
        if let Some(model) = url.path().strip_suffix(":generateContent") {
            streaming.set_path(&format!("{model}:streamGenerateContent"));
            streaming.query_pairs_mut().append_pair("alt", "sse");
        }
        streaming
    }

    fn read(&self, body: &[u8], tools: &[ToolSpec]) -> Result<TurnReply, NoTurn> {
        let reply: Reply = serde_json::from_slice(body)?;
        if let Some(error) = reply.error {
            return Err(NoTurn::Refused(error));
        }
        let first = reply
            .candidates
            .and_then(|candidates| candidates.into_iter().next());
        let Some(candidate) = first else {
            let blocked = reply.prompt_feedback.get("blockReason").and_then(Value::as_str);
            return Err(match blocked {
                Some(reason) => NoTurn::Filtered(reason.to_owned()),
                None => "it holds no candidate".into(),
            });
        };
        Ok(TurnReply {
            turn: turn_of(candidate.content, tools)?,
            stop_reason: candidate.finish_reason.unwrap_or_default(),
            usage: usage_of(&reply.usage_metadata),
            served_by: word(reply.model_version),
            request_id: word(reply.response_id),
            first_token: None,
            hold: None,
            tools_changed: Vec::new(),
            recorded: None,
        })
    }
}

/// A request, written straight from what it borrows. The model stands in the address.
struct Body<'a> {
    request: &'a TurnRequest<'a>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (request, settings) = (self.request, self.request.settings);
        let mut fields = Fields::new(serializer.serialize_map(None)?, &settings.extra);
        if !request.system.is_empty() {
            fields.put(
                "systemInstruction",
                &Content {
                    role: None,
                    parts: vec![Part::Text(request.system)],
                },
            )?;
        }
        fields.put("contents", &contents(request.messages))?;
        if !request.tools.is_empty() {
            let function_declarations = request.tools.iter().map(tool).collect();
            fields.put(
                "tools",
                &[SentTools {
                    function_declarations,
                }],
            )?;
        }
        fields.put_some("generationConfig", config(settings).as_ref())?;
        fields.end()
    }
}

#[derive(Serialize, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Generation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig<'a>>,
}

#[derive(Serialize, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'a str>,
    /// -1: as much as it finds right.
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
}

/// None where nothing was asked for.
fn config(settings: &ModelSettings) -> Option<Generation<'_>> {
    let budget = |thinking: Thinking| match thinking {
        Thinking::Budget(tokens) => i64::try_from(tokens).unwrap_or(i64::MAX),
        _ => -1,
    };
    asked_for(Generation {
        temperature: settings.temperature,
        top_p: settings.top_p,
        max_output_tokens: settings.max_output_tokens,
        seed: settings.seed,
        thinking_config: asked_for(ThinkingConfig {
            thinking_level: settings.effort.as_deref(),
            thinking_budget: settings.thinking.map(budget),
        }),
    })
}

fn asked_for<T: Default + PartialEq>(fields: T) -> Option<T> {
    (fields != T::default()).then_some(fields)
}

#[derive(Serialize)]
#[serde(untagged)]
enum Sent<'a> {
    Ours(Content<'a>),
    Given(&'a Raw),
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Part<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Part<'a> {
    Text(&'a str),
    FunctionResponse(FunctionResponse<'a>),
}

#[derive(Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: Cow<'a, str>,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Response<'a> {
    Output(&'a str),
    Error(&'a str),
}

/// The conversation. A turn without any part is left out: the provider refuses to read it back.
fn contents(messages: &[Message]) -> Vec<Sent<'_>> {
    let ours = |parts| {
        Sent::Ours(Content {
            role: Some("user"),
            parts,
        })
    };
    let mut sent = Vec::with_capacity(messages.len());
    let mut calls = Vec::new();
    for message in messages {
        match message {
            Message::User(text) => sent.push(ours(vec![Part::Text(text)])),
            Message::Assistant(turn) => {
                let parts = Given::of(&turn.raw).parts.unwrap_or_default();
                if !parts.is_empty() {
                    sent.push(Sent::Given(&turn.raw));
                }
                calls = parts.into_iter().filter_map(|part| part.function_call).collect();
            }
            Message::Tools(answers) => {
                let calls = calls.iter().map(Some).chain(iter::repeat(None));
                sent.push(ours(
                    answers
                        .iter()
                        .zip(calls)
                        .map(|(answer, call)| response(answer, call))
                        .collect(),
                ));
            }
        }
    }
    sent
}

/// What answers to the calls of a content need of it.
#[derive(Deserialize, Default)]
struct Given {
    parts: Option<Vec<GivenPart>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenPart {
    function_call: Option<GivenCall>,
}

#[derive(Deserialize)]
struct GivenCall {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    name: Value,
}

impl Given {
    fn of(content: &Raw) -> Self {
        serde_json::from_str(content.get()).unwrap_or_default()
    }
}

/// The answer to a call, under the name and the id that the model gave to it.
fn response<'a>(answer: &'a ToolAnswer, call: Option<&GivenCall>) -> Part<'a> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let name = call.and_then(|call| text(&call.name));
    let response = if answer.is_error {
        Response::Error(&answer.text)
    } else {
        Response::Output(&answer.text)
    };
    Part::FunctionResponse(FunctionResponse {
        id: call.and_then(|call| text(&call.id)),
        name: name.map_or_else(|| google_name(&answer.tool), Cow::Owned),
        response,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentTools<'a> {
    function_declarations: Vec<SentTool<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentTool<'a> {
    name: Cow<'a, str>,
    description: &'a str,
    parameters_json_schema: &'a Map<String, Value>,
}

fn tool(spec: &ToolSpec) -> SentTool<'_> {
    SentTool {
        name: google_name(&spec.name),
        description: &spec.description,
        parameters_json_schema: &spec.input_schema,
    }
}
