//! Responses: the format of `OpenAI` for models that reason, also spoken by xAI, `OpenRouter` and vLLM.
//!
//! Thin and not streaming. Nothing is stored at the provider: each request carries the whole conversation, the
//! model's output items as they came, encrypted reasoning included. `strict` is sent as false, because left out it
//! would mean true, which the schemas of MCP servers do not fit.

use std::borrow::Cow;

use bench_core::transcript::ToolCall;
use bench_core::{ModelRef, Usage};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::http::{Answer, Endpoint};
use super::openai_chat::arguments_of;
use super::wire::{Fields, our_name, wire_name, word};
use super::{AssistantTurn, Message, ModelClient, ModelError, ToolSpec, TurnReply, TurnRequest};

/// What reasoning is asked for in: it goes back with the next request.
const REASONING: [&str; 1] = ["reasoning.encrypted_content"];

/// Families of models that do not reason, and refuse a request that asks for reasoning.
const WITHOUT_REASONING: [&str; 3] = ["gpt-3", "gpt-4", "chatgpt-4"];

/// A client for responses.
pub(super) struct OpenAiResponses {
    endpoint: Endpoint,
    reasons: bool,
}

impl OpenAiResponses {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let name = endpoint.model.name.rsplit('/').next().unwrap_or_default();
        let reasons = !WITHOUT_REASONING.iter().any(|family| name.starts_with(family));
        Self { endpoint, reasons }
    }

    async fn ask(&self, request: &TurnRequest<'_>) -> Result<TurnReply, ModelError> {
        let body = Body {
            model: &self.endpoint.model.name,
            reasons: self.reasons,
            request,
        };
        let answer = self.endpoint.post(&body, request.timeout).await?;
        let reply: Reply = self.endpoint.parse(&answer)?;
        self.understand(reply, &answer, request.tools)
    }

    fn understand(&self, reply: Reply, answer: &Answer, tools: &[ToolSpec]) -> Result<TurnReply, ModelError> {
        if !reply.error.is_null() {
            return Err(self.endpoint.refused_inside(&reply.error, answer));
        }
        let Some(items) = reply.output else {
            return Err(self.endpoint.malformed("it holds no output", answer));
        };
        let status = reply.status.unwrap_or_default();
        // Queued, in progress, failed, cancelled: none of them is the model's turn.
        if !matches!(status.as_str(), "completed" | "incomplete" | "") {
            return Err(self
                .endpoint
                .malformed(&format!("its status is `{status}`"), answer));
        }
        let turn = turn_of(items, tools).map_err(|why| self.endpoint.malformed(why, answer))?;
        let cut_off = reply
            .incomplete_details
            .pointer("/reason")
            .and_then(Value::as_str);
        Ok(TurnReply {
            turn,
            stop_reason: cut_off.map_or(status, str::to_owned),
            usage: usage_of(&reply.usage),
            served_by: word(reply.model),
            request_id: answer.request_id().or_else(|| word(reply.id)),
        })
    }
}

impl ModelClient for OpenAiResponses {
    fn model(&self) -> &ModelRef {
        &self.endpoint.model
    }

    fn take_turn<'a>(&'a self, request: &'a TurnRequest<'a>) -> BoxFuture<'a, Result<TurnReply, ModelError>> {
        Box::pin(self.ask(request))
    }
}

/// A request, written straight from what it borrows.
struct Body<'a> {
    model: &'a str,
    reasons: bool,
    request: &'a TurnRequest<'a>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let settings = self.request.settings;
        let mut fields = Fields::new(serializer.serialize_map(None)?, &settings.extra);
        fields.put("model", self.model)?;
        if !self.request.system.is_empty() {
            fields.put("instructions", self.request.system)?;
        }
        fields.put("input", &input(self.request))?;
        if !self.request.tools.is_empty() {
            fields.put("tools", &self.request.tools.iter().map(tool).collect::<Vec<_>>())?;
        }
        fields.put("store", &false)?;
        if self.reasons {
            fields.put("include", &REASONING)?;
        }
        fields.put_some(
            "reasoning",
            settings
                .effort
                .as_deref()
                .map(|effort| Reasoning { effort })
                .as_ref(),
        )?;
        fields.put_some("temperature", settings.temperature.as_ref())?;
        fields.put_some("top_p", settings.top_p.as_ref())?;
        fields.put_some("max_output_tokens", settings.max_output_tokens.as_ref())?;
        fields.end()
    }
}

#[derive(Serialize)]
struct Reasoning<'a> {
    effort: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    User {
        role: &'static str,
        content: &'a str,
    },
    Output {
        #[serde(rename = "type")]
        kind: &'static str,
        call_id: &'a str,
        output: &'a str,
    },
    Given(&'a Value),
}

/// The conversation as one list: the model's own items as they came, one item per tool answer.
fn input<'a>(request: &TurnRequest<'a>) -> Vec<Item<'a>> {
    let mut items = Vec::with_capacity(request.messages.len());
    for message in request.messages {
        match message {
            Message::User(content) => items.push(Item::User {
                role: "user",
                content,
            }),
            Message::Assistant(turn) => {
                items.extend(turn.raw.as_array().into_iter().flatten().map(Item::Given));
            }
            Message::Tools(answers) => items.extend(answers.iter().map(|answer| Item::Output {
                kind: "function_call_output",
                call_id: &answer.call_id,
                output: &answer.text,
            })),
        }
    }
    items
}

#[derive(Serialize)]
struct SentTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: &'a Map<String, Value>,
    strict: bool,
}

fn tool(spec: &ToolSpec) -> SentTool<'_> {
    SentTool {
        kind: "function",
        name: wire_name(&spec.name),
        description: &spec.description,
        parameters: &spec.input_schema,
        strict: false,
    }
}

#[derive(Deserialize)]
struct Reply {
    id: Option<String>,
    model: Option<String>,
    status: Option<String>,
    output: Option<Vec<Value>>,
    #[serde(default)]
    incomplete_details: Value,
    #[serde(default)]
    usage: Value,
    #[serde(default)]
    error: Value,
}

/// What we read in the output items, and the items themselves.
fn turn_of(items: Vec<Value>, tools: &[ToolSpec]) -> Result<AssistantTurn, &'static str> {
    let mut turn = AssistantTurn::default();
    for item in &items {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        match text("type").ok_or("an output item has no type")? {
            "message" => turn
                .text
                .push_str(&parts_of(item, "content", &["text", "refusal"])),
            "reasoning" => {
                let thoughts = [
                    parts_of(item, "summary", &["text"]),
                    parts_of(item, "content", &["text"]),
                ];
                turn.reasoning.push_str(&thoughts.concat());
            }
            "function_call" => turn.tool_calls.push(ToolCall {
                id: text("call_id").ok_or("a tool call has no call_id")?.to_owned(),
                name: our_name(tools, text("name").ok_or("a tool call has no name")?),
                arguments: arguments_of(item.get("arguments").unwrap_or(&Value::Null)),
            }),
            _ => {} // stays in the raw form
        }
    }
    turn.raw = Value::Array(items);
    Ok(turn)
}

/// The texts of a list of parts, one after another.
fn parts_of(item: &Value, list: &str, names: &[&str]) -> String {
    let parts = item.get(list).and_then(Value::as_array).into_iter().flatten();
    let text = |part: &Value| {
        names
            .iter()
            .find_map(|name| part.get(name)?.as_str().map(str::to_owned))
    };
    parts.filter_map(text).collect()
}

/// Tokens. Cached ones are part of the input, reasoning is part of the output.
fn usage_of(usage: &Value) -> Usage {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    Usage {
        input_tokens: count("/input_tokens"),
        output_tokens: count("/output_tokens"),
        cached_tokens: count("/input_tokens_details/cached_tokens"),
        reasoning_tokens: count("/output_tokens_details/reasoning_tokens"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_read_and_kept() {
        let items = vec![
            json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "gAAA"}),
            json!({"type": "message", "role": "assistant", "id": "msg_1", "content": [
                {"type": "output_text", "text": "I ", "annotations": []}, {"type": "output_text", "text": "look."}]}),
            json!({"type": "web_search_call", "id": "ws_1", "status": "completed"}),
            json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "a", "arguments": "{\"z\":1}"}),
            json!({"type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "b", "arguments": "{\"z\":"}),
        ];
        let turn = turn_of(items.clone(), &[]).unwrap();
        assert_eq!((turn.text.as_str(), turn.reasoning.as_str()), ("I look.", "hm"));
        let calls: Vec<_> = turn
            .tool_calls
            .iter()
            .map(|c| (c.id.as_str(), &c.arguments))
            .collect();
        assert_eq!(
            calls,
            [("call_1", &json!({"z": 1})), ("call_2", &json!("{\"z\":"))]
        );
        assert_eq!(turn.raw, Value::Array(items));
        assert!(turn_of(vec![json!({"type": "function_call", "name": "a"})], &[]).is_err());
        assert!(turn_of(vec![json!({"role": "assistant"})], &[]).is_err());
    }

    #[test]
    fn a_refusal_is_what_it_said() {
        let refusal = json!({"type": "message", "content": [{"type": "refusal", "refusal": "I cannot."}]});
        assert_eq!(turn_of(vec![refusal], &[]).unwrap().text, "I cannot.");
    }
}
