//! Responses: the format of `OpenAI` for models that reason, also spoken by xAI, `OpenRouter` and vLLM.
//!
//! Thin. Nothing is stored at the provider: each request carries the whole conversation, the
//! model's output items as they came, encrypted reasoning included. `strict` is sent as false, because left out it
//! would mean true, which the schemas of MCP servers do not fit.

mod assembly;

use std::borrow::Cow;

use bench_core::Usage;
use bench_core::transcript::ToolCall;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::counted::Counted;
use super::format::{NoTurn, WireFormat};
use super::openai_chat::arguments_of;
use super::schemas::{self, Refusal};
use super::wire::{Fields, our_name, wire_name, word};
use super::{AssistantTurn, Message, ToolSpec, TurnReply, TurnRequest};

/// What reasoning is asked for in: it goes back with the next request.
const REASONING: [&str; 1] = ["reasoning.encrypted_content"];

/// Families of models that do not reason, and refuse a request that asks for reasoning.
const WITHOUT_REASONING: [&str; 3] = ["gpt-3", "gpt-4", "chatgpt-4"];

/// Responses, as one model is asked in them.
pub(super) struct OpenAiResponses {
    reasons: bool,
}

impl OpenAiResponses {
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or_default();
        let reasons = !WITHOUT_REASONING.iter().any(|family| name.starts_with(family));
        Self { reasons }
    }
}

impl WireFormat for OpenAiResponses {
    fn count(&self, part: &Value, counted: &mut Counted) {
        counted.take(part.get("usage"));
        let kind = part.get("type").and_then(Value::as_str);
        if let Some("response.completed" | "response.incomplete" | "response.failed") = kind {
            counted.take(part.pointer("/response/usage"));
            counted.end();
        }
    }

    fn usage(&self, counted: &Value) -> Usage {
        usage_of(counted)
    }

    type Assembly = assembly::Response;

    const REFUSALS: &'static [Refusal] = &schemas::OPENAI;

    fn body<'a>(&self, model: &'a str, request: &'a TurnRequest<'a>, stream: bool) -> impl Serialize {
        Body {
            model,
            reasons: self.reasons,
            request,
            stream,
        }
    }

    fn read(&self, body: &[u8], tools: &[ToolSpec]) -> Result<TurnReply, NoTurn> {
        let reply: Reply = serde_json::from_slice(body)?;
        if !reply.error.is_null() {
            return Err(NoTurn::Refused(reply.error));
        }
        let items = reply.output.ok_or("it holds no output")?;
        let status = reply.status.unwrap_or_default();
        // Queued, in progress, failed, cancelled: none of them is the model's turn.
        if !matches!(status.as_str(), "completed" | "incomplete" | "") {
            return Err(NoTurn::Malformed(format!("its status is `{status}`").into()));
        }
        let cut_off = reply
            .incomplete_details
            .pointer("/reason")
            .and_then(Value::as_str);
        Ok(TurnReply {
            turn: turn_of(items, tools)?,
            stop_reason: cut_off.map_or(status, str::to_owned),
            usage: usage_of(&reply.usage),
            served_by: word(reply.model),
            request_id: word(reply.id),
            first_token: None,
            hold: None,
            tools_changed: Vec::new(),
            recorded: None,
        })
    }
}

/// A request, written straight from what it borrows.
struct Body<'a> {
    model: &'a str,
    reasons: bool,
    request: &'a TurnRequest<'a>,
    stream: bool,
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
        if self.stream {
            fields.put("stream", &true)?;
        }
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
    Given(&'a RawValue),
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
                items.extend(turn.raw.elements().into_iter().map(Item::Given));
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
    output: Option<Box<RawValue>>,
    #[serde(default)]
    incomplete_details: Value,
    #[serde(default)]
    usage: Value,
    #[serde(default)]
    error: Value,
}

/// What we read in the output items, and the items themselves.
fn turn_of(as_they_came: Box<RawValue>, tools: &[ToolSpec]) -> Result<AssistantTurn, NoTurn> {
    let items: Vec<Value> = serde_json::from_str(as_they_came.get())?;
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
    turn.raw = as_they_came.into();
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
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    fn read(items: &Value) -> Result<AssistantTurn, NoTurn> {
        turn_of(to_raw_value(items).unwrap(), &[])
    }

    #[test]
    fn items_are_read_and_kept() {
        let items = json!([
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "gAAA"},
            {"type": "message", "role": "assistant", "id": "msg_1", "content": [
                {"type": "output_text", "text": "I ", "annotations": []}, {"type": "output_text", "text": "look."}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "a", "arguments": "{\"z\":1}"},
            {"type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "b", "arguments": "{\"z\":"},
        ]);
        let turn = read(&items).unwrap();
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
        assert_eq!(turn.raw.get(), items.to_string());
        let err = |items: Value| read(&items).is_err();
        assert!(err(json!([{"type": "function_call", "name": "a"}])));
        assert!(err(json!([{"role": "assistant"}])) && err(json!({})));
    }

    #[test]
    fn a_refusal_is_what_it_said() {
        let refusal = json!({"type": "message", "content": [{"type": "refusal", "refusal": "I cannot."}]});
        assert_eq!(read(&json!([refusal])).unwrap().text, "I cannot.");
    }
}
