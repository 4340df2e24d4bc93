//! Chat completions: the format of `OpenAI`, and of everybody who is compatible with it (Ollama, vLLM,
//! llama.cpp, `OpenRouter`, xAI, …).
//!
//! Thin. Nothing is sent that was not asked for, except what the format requires.
//! The model's message goes back as it came, unknown fields included; only a `role` or an id of a tool
//! call that the server left out is filled in, because the conversation could not go on without it.

mod assembly;

use std::borrow::Cow;

use bench_core::Usage;
use bench_core::transcript::ToolCall;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use url::Url;

use super::counted::Counted;
use super::format::{NoTurn, WireFormat};
use super::schemas::{self, Refusal};
use super::wire::{Fields, our_name, wire_name, word};
use super::{AssistantTurn, Message, Raw, ToolSpec, TurnReply, TurnRequest};

/// Hosts that call the limit of output tokens `max_completion_tokens`; everybody else knows `max_tokens`.
const NEW_LIMIT_NAME: [&str; 3] = ["api.openai.com", "openai.azure.com", "api.x.ai"];

/// Chat completions, as one address speaks them.
pub(super) struct OpenAiChat {
    limit_name: &'static str,
}

impl OpenAiChat {
    pub(super) fn at(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let new = NEW_LIMIT_NAME.iter().any(|known| host.ends_with(known));
        Self {
            limit_name: if new {
                "max_completion_tokens"
            } else {
                "max_tokens"
            },
        }
    }
}

impl WireFormat for OpenAiChat {
    fn count(&self, part: &Value, counted: &mut Counted) {
        let ended = part.pointer("/choices/0/finish_reason");
        if ended.is_some_and(|reason| !reason.is_null()) {
            counted.forget(); // some servers count as they go
            counted.end();
        }
        counted.take(part.get("usage"));
    }

    fn usage(&self, counted: &Value) -> Usage {
        usage_of(counted)
    }

    type Assembly = assembly::Completion;

    const REFUSALS: &'static [Refusal] = &schemas::OPENAI;

    fn body<'a>(&self, model: &'a str, request: &'a TurnRequest<'a>, stream: bool) -> impl Serialize {
        Body {
            model,
            limit_name: self.limit_name,
            request,
            stream,
        }
    }

    fn read(&self, body: &[u8], tools: &[ToolSpec]) -> Result<TurnReply, NoTurn> {
        let reply: Reply = serde_json::from_slice(body)?;
        if let Some(error) = reply.error {
            return Err(NoTurn::Refused(error));
        }
        let first = reply.choices.and_then(|choices| choices.into_iter().next());
        let choice = first.ok_or("it holds no choice")?;
        if let Some(error) = choice.error {
            return Err(NoTurn::Refused(error));
        }
        Ok(TurnReply {
            turn: turn_of(choice.message.ok_or("the choice holds no message")?, tools)?,
            stop_reason: choice.finish_reason.unwrap_or_default(),
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
    limit_name: &'static str,
    request: &'a TurnRequest<'a>,
    stream: bool,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let settings = self.request.settings;
        let mut fields = Fields::new(serializer.serialize_map(None)?, &settings.extra);
        fields.put("model", self.model)?;
        fields.put("messages", &messages(self.request))?;
        if !self.request.tools.is_empty() {
            fields.put("tools", &self.request.tools.iter().map(tool).collect::<Vec<_>>())?;
        }
        fields.put_some("temperature", settings.temperature.as_ref())?;
        fields.put_some("top_p", settings.top_p.as_ref())?;
        fields.put_some(self.limit_name, settings.max_output_tokens.as_ref())?;
        fields.put_some("seed", settings.seed.as_ref())?;
        fields.put_some("reasoning_effort", settings.effort.as_ref())?;
        if self.stream {
            fields.put("stream", &true)?;
            fields.put("stream_options", &StreamOptions { include_usage: true })?;
        }
        fields.end()
    }
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Sent<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
    #[serde(untagged)]
    Assistant(&'a Raw),
}

/// The conversation: one message per tool answer, the model's own messages as they came.
fn messages<'a>(request: &TurnRequest<'a>) -> Vec<Sent<'a>> {
    let mut sent = Vec::with_capacity(request.messages.len() + 1);
    if !request.system.is_empty() {
        sent.push(Sent::System {
            content: request.system,
        });
    }
    for message in request.messages {
        match message {
            Message::User(text) => sent.push(Sent::User { content: text }),
            Message::Assistant(turn) => sent.push(Sent::Assistant(&turn.raw)),
            Message::Tools(answers) => {
                sent.extend(answers.iter().map(|a| Sent::Tool {
                    tool_call_id: &a.call_id,
                    content: &a.text,
                }));
            }
        }
    }
    sent
}

#[derive(Serialize)]
struct SentTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: SentFunction<'a>,
}

#[derive(Serialize)]
struct SentFunction<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: &'a Map<String, Value>,
}

fn tool(spec: &ToolSpec) -> SentTool<'_> {
    let function = SentFunction {
        name: wire_name(&spec.name),
        description: &spec.description,
        parameters: &spec.input_schema,
    };
    SentTool {
        kind: "function",
        function,
    }
}

#[derive(Deserialize)]
struct Reply {
    id: Option<String>,
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Value,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<Box<RawValue>>,
    finish_reason: Option<String>,
    error: Option<Value>,
}

/// What we read in a message, and the message itself.
fn turn_of(as_it_came: Box<RawValue>, tools: &[ToolSpec]) -> Result<AssistantTurn, NoTurn> {
    let Value::Object(mut message) = serde_json::from_str(as_it_came.get())? else {
        return Err("the choice holds no message".into());
    };
    let mut filled_in = !message.contains_key("role");
    message.entry("role").or_insert_with(|| "assistant".into());
    let mut tool_calls = Vec::new();
    if let Some(Value::Array(calls)) = message.get_mut("tool_calls") {
        for (index, call) in calls.iter_mut().enumerate() {
            filled_in |= id_filled_in(call, index);
            tool_calls.push(call_of(call, tools));
        }
    }
    let text = |name: &str| message.get(name).map(text_of).unwrap_or_default();
    let mut said = text("content");
    if said.is_empty() {
        said = text("refusal");
    }
    let mut reasoning = text("reasoning_content");
    if reasoning.is_empty() {
        reasoning = text("reasoning");
    }
    Ok(AssistantTurn {
        text: said,
        reasoning,
        tool_calls,
        raw: if filled_in {
            Raw::rewritten(&Value::Object(message))
        } else {
            as_it_came.into()
        },
    })
}

/// A text, or the text parts of a list of parts.
fn text_of(content: &Value) -> String {
    let part = |part: &Value| {
        part.get("text")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(part).collect(),
        _ => String::new(),
    }
}

/// Gives a call an id if it has none; whether it had none.
fn id_filled_in(call: &mut Value, index: usize) -> bool {
    let id = call.get("id").and_then(Value::as_str);
    let missing = id.is_none_or(str::is_empty);
    if missing && let Some(fields) = call.as_object_mut() {
        fields.insert("id".to_owned(), format!("call_{index}").into());
    }
    missing
}

fn call_of(call: &Value, tools: &[ToolSpec]) -> ToolCall {
    let text = |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    ToolCall {
        id: text("/id").to_owned(),
        name: our_name(tools, text("/function/name")),
        arguments: call
            .pointer("/function/arguments")
            .map_or_else(empty, arguments_of),
    }
}

/// Arguments come as JSON in a text (none at all is an empty text); what is no JSON stays a text.
pub(super) fn arguments_of(arguments: &Value) -> Value {
    match arguments {
        Value::String(text) if text.trim().is_empty() => empty(),
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        Value::Null => empty(),
        value => value.clone(),
    }
}

fn empty() -> Value {
    Value::Object(Map::new())
}

/// Tokens. Where the total shows that reasoning was not counted as output (xAI), it is added.
fn usage_of(usage: &Value) -> Usage {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64);
    let input_tokens = count("/prompt_tokens");
    let mut output_tokens = count("/completion_tokens");
    let reasoning_tokens = count("/completion_tokens_details/reasoning_tokens");
    if let (Some(input), Some(output), Some(reasoning)) = (input_tokens, output_tokens, reasoning_tokens)
        && reasoning > 0
        && count("/total_tokens") == Some(input.saturating_add(output).saturating_add(reasoning))
    {
        output_tokens = Some(output.saturating_add(reasoning));
    }
    let cached_tokens = count("/prompt_tokens_details/cached_tokens");
    Usage {
        input_tokens,
        output_tokens,
        cached_tokens,
        reasoning_tokens,
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "callers write literals")]
    fn turn(message: Value) -> AssistantTurn {
        turn_of(to_raw_value(&message).unwrap(), &[]).unwrap()
    }

    #[test]
    fn arguments_are_parsed_and_kept_as_text_where_they_are_no_json() {
        for (arguments, want) in [
            (json!(r#"{"a":1}"#), json!({"a": 1})),
            (json!(r#"{"a":"#), json!(r#"{"a":"#)),
            (json!("[1]"), json!([1])),
            (json!(""), json!({})),
            (json!({"a": 1}), json!({"a": 1})),
            (Value::Null, json!({})),
        ] {
            let turn =
                turn(json!({"tool_calls": [{"id": "c", "function": {"name": "t", "arguments": arguments}}]}));
            assert_eq!(turn.tool_calls[0].arguments, want);
        }
    }

    #[test]
    fn a_whole_message_goes_back_as_it_came() {
        let came = r#"{ "role":"assistant", "x": 1.10, "x": 2 }"#;
        let turn = turn_of(RawValue::from_string(came.to_owned()).unwrap(), &[]).unwrap();
        assert_eq!(turn.raw.get(), came);
    }

    #[test]
    fn what_the_conversation_needs_is_filled_in_and_nothing_else() {
        let call = json!({"function": {"name": "t", "arguments": "{}"}, "index": 0});
        let turn = turn(json!({"content": null, "tool_calls": [call]}));
        assert_eq!(turn.tool_calls[0].id, "call_0");
        insta::assert_snapshot!(turn.raw.get(), @r#"{"content":null,"tool_calls":[{"function":{"name":"t","arguments":"{}"},"index":0,"id":"call_0"}],"role":"assistant"}"#);
    }

    #[test]
    fn text_is_found_in_every_form() {
        assert_eq!(turn(json!({"content": "a"})).text, "a");
        assert_eq!(
            turn(json!({"content": [{"type": "text", "text": "a"}, {"text": "b"}]})).text,
            "ab"
        );
        assert_eq!(
            turn(json!({"content": null, "refusal": "I cannot"})).text,
            "I cannot"
        );
        assert_eq!(
            turn(json!({"content": "a", "reasoning_content": "hm"})).reasoning,
            "hm"
        );
        assert_eq!(turn(json!({"reasoning": "hm"})).reasoning, "hm");
        assert_eq!(turn(json!({})).text, "");
    }

    #[test]
    fn reasoning_is_part_of_the_output_whoever_counts() {
        let usage = |total: u64| {
            let details = json!({"reasoning_tokens": 70});
            usage_of(
                &json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": total,
                "completion_tokens_details": details, "prompt_tokens_details": {"cached_tokens": 4}}),
            )
        };
        assert_eq!(usage(85).output_tokens, Some(75), "not counted yet");
        assert_eq!(usage(15).output_tokens, Some(5), "counted already");
        assert_eq!(usage(15).cached_tokens, Some(4));
        assert_eq!(usage_of(&Value::Null), Usage::default(), "unknown, not 0");
        let details = json!({"reasoning_tokens": u64::MAX});
        let absurd = json!({"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX, "total_tokens": u64::MAX,
            "completion_tokens_details": details});
        assert_eq!(usage_of(&absurd).output_tokens, Some(u64::MAX));
    }
}
