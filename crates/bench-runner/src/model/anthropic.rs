//! Messages: the format of Anthropic.
//!
//! Thin. The model's content blocks go back as they came: thinking with its
//! signature, redacted thinking, blocks that we do not know. The format requires a limit of output
//! tokens: [`DEFAULT_MAX_TOKENS`] is sent where none is set. All answers to the tool calls of one
//! turn are blocks of one user message.

mod assembly;

use std::borrow::Cow;

use bench_core::model::Thinking;
use bench_core::transcript::ToolCall;
use bench_core::{ModelSettings, Usage};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::counted::Counted;
use super::format::{NoTurn, WireFormat};
use super::schemas::{self, Refusal};
use super::wire::{Fields, our_name, wire_name, word};
use super::{AssistantTurn, Message, Raw, ToolAnswer, ToolSpec, TurnReply, TurnRequest};

/// Value of the `anthropic-version` header.
pub(super) const VERSION: &str = "2023-06-01";

/// Output tokens that are allowed where the settings do not say, beside those for thinking.
const DEFAULT_MAX_TOKENS: u64 = 8192;

/// Output tokens up to which a message can be expected within ten minutes, at 128 000 an hour; some networks drop a
/// connection that is silent for longer.
const MOST_TOKENS_WHOLE: u64 = 128_000 / 6;

/// Messages.
pub(super) struct Anthropic;

impl WireFormat for Anthropic {
    fn count(&self, part: &Value, counted: &mut Counted) {
        counted.take(part.pointer("/message/usage"));
        counted.take(part.get("usage"));
        if part
            .pointer("/delta/stop_reason")
            .is_some_and(|why| !why.is_null())
        {
            counted.end();
        }
    }

    fn usage(&self, counted: &Value) -> Usage {
        usage_of(counted)
    }

    type Assembly = assembly::Message;

    const REFUSALS: &'static [Refusal] = &schemas::ANTHROPIC;

    fn body<'a>(&self, model: &'a str, request: &'a TurnRequest<'a>, stream: bool) -> impl Serialize {
        Body {
            model,
            request,
            stream,
        }
    }

    /// Long messages: the provider's own libraries refuse to ask for them whole.
    fn streams(&self, settings: &ModelSettings) -> bool {
        max_tokens(settings) > MOST_TOKENS_WHOLE
    }

    fn read(&self, body: &[u8], tools: &[ToolSpec]) -> Result<TurnReply, NoTurn> {
        let reply: Reply = serde_json::from_slice(body)?;
        if let Some(error) = reply.error {
            return Err(NoTurn::Refused(error));
        }
        Ok(TurnReply {
            turn: turn_of(reply.content.ok_or("it holds no content")?, tools)?,
            stop_reason: reply.stop_reason.unwrap_or_default(),
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
    request: &'a TurnRequest<'a>,
    stream: bool,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (request, settings) = (self.request, self.request.settings);
        let mut fields = Fields::new(serializer.serialize_map(None)?, &settings.extra);
        fields.put("model", self.model)?;
        fields.put("max_tokens", &max_tokens(settings))?;
        if !request.system.is_empty() {
            fields.put("system", request.system)?;
        }
        fields.put(
            "messages",
            &request.messages.iter().filter_map(sent).collect::<Vec<_>>(),
        )?;
        if !request.tools.is_empty() {
            fields.put("tools", &request.tools.iter().map(tool).collect::<Vec<_>>())?;
        }
        fields.put_some("temperature", settings.temperature.as_ref())?;
        fields.put_some("top_p", settings.top_p.as_ref())?;
        fields.put_some("thinking", settings.thinking.map(thinking).as_ref())?;
        fields.put_some(
            "output_config",
            settings
                .effort
                .as_deref()
                .map(|effort| OutputConfig { effort })
                .as_ref(),
        )?;
        if self.stream {
            fields.put("stream", &true)?;
        }
        fields.end()
    }
}

/// The limit that the format requires. Thinking counts as output: a limit that leaves nothing beside it is refused.
fn max_tokens(settings: &ModelSettings) -> u64 {
    let thinking = match settings.thinking {
        Some(Thinking::Budget(tokens)) => tokens,
        _ => 0,
    };
    settings
        .max_output_tokens
        .unwrap_or(DEFAULT_MAX_TOKENS.saturating_add(thinking))
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    effort: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum SentThinking {
    Adaptive,
    Enabled { budget_tokens: u64 },
    Disabled,
}

fn thinking(setting: Thinking) -> SentThinking {
    match setting {
        Thinking::Budget(0) => SentThinking::Disabled,
        Thinking::Budget(budget_tokens) => SentThinking::Enabled { budget_tokens },
        _ => SentThinking::Adaptive,
    }
}

#[derive(Serialize)]
struct Sent<'a> {
    role: &'static str,
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Blocks(&'a Raw),
    Results(Vec<SentResult<'a>>),
}

#[derive(Serialize)]
struct SentResult<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    tool_use_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    content: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
}

/// A message as it is sent. A turn without any block is left out: the provider refuses to read it back.
fn sent(message: &Message) -> Option<Sent<'_>> {
    Some(match message {
        Message::User(text) => Sent {
            role: "user",
            content: Content::Text(text),
        },
        Message::Assistant(turn) if turn.raw.is_empty_list() => return None,
        Message::Assistant(turn) => Sent {
            role: "assistant",
            content: Content::Blocks(&turn.raw),
        },
        Message::Tools(answers) => Sent {
            role: "user",
            content: Content::Results(answers.iter().map(result).collect()),
        },
    })
}

fn result(answer: &ToolAnswer) -> SentResult<'_> {
    SentResult {
        kind: "tool_result",
        tool_use_id: &answer.call_id,
        content: &answer.text,
        is_error: answer.is_error,
    }
}

#[derive(Serialize)]
struct SentTool<'a> {
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    input_schema: &'a Map<String, Value>,
}

fn tool(spec: &ToolSpec) -> SentTool<'_> {
    SentTool {
        name: wire_name(&spec.name),
        description: &spec.description,
        input_schema: &spec.input_schema,
    }
}

#[derive(Deserialize)]
struct Reply {
    id: Option<String>,
    model: Option<String>,
    content: Option<Box<RawValue>>,
    stop_reason: Option<String>,
    #[serde(default)]
    usage: Value,
    error: Option<Value>,
}

/// What we read in the content blocks, and the blocks themselves.
fn turn_of(as_they_came: Box<RawValue>, tools: &[ToolSpec]) -> Result<AssistantTurn, NoTurn> {
    let mut blocks: Vec<Value> = serde_json::from_str(as_they_came.get())?;
    let mut turn = AssistantTurn::default();
    for block in &blocks {
        let text = |name: &str| block.get(name).and_then(Value::as_str);
        match text("type").ok_or("a content block has no type")? {
            "text" => turn.text.push_str(text("text").unwrap_or_default()),
            "thinking" => turn.reasoning.push_str(text("thinking").unwrap_or_default()),
            "tool_use" => turn.tool_calls.push(ToolCall {
                id: text("id").ok_or("a tool call has no id")?.to_owned(),
                name: our_name(tools, text("name").ok_or("a tool call has no name")?),
                arguments: block
                    .get("input")
                    .cloned()
                    .unwrap_or_else(|| Value::Object(Map::new())),
            }),
            _ => {} // stays in the raw form
        }
    }
    let wrapped = blocks.iter_mut().map(wrapped).filter(|wrapped| *wrapped).count();
    turn.raw = if wrapped > 0 {
        Raw::rewritten(&Value::Array(blocks))
    } else {
        as_they_came.into()
    };
    Ok(turn)
}

/// Puts an input that is no JSON, because it was cut off, into an object, as the provider wants to have it back; whether
/// it was one.
fn wrapped(block: &mut Value) -> bool {
    match block.get_mut("input") {
        Some(input @ Value::String(_)) => {
            *input = json!({"INVALID_JSON": input.take()});
            true
        }
        _ => false,
    }
}

/// Tokens. This provider counts what a cache read or wrote beside the input, not in it.
fn usage_of(usage: &Value) -> Usage {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let cached_tokens = count("cache_read_input_tokens");
    let cache_write_tokens = count("cache_creation_input_tokens");
    let beside = [cached_tokens, cache_write_tokens].into_iter().flatten();
    Usage {
        input_tokens: count("input_tokens").map(|input| beside.fold(input, u64::saturating_add)),
        output_tokens: count("output_tokens"),
        cached_tokens,
        cache_write_tokens,
        reasoning_tokens: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn blocks_are_read_and_kept() {
        let blocks = json!([
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "a", "input": {"z": 1, "a": 2}},
            {"type": "tool_use", "id": "t2", "name": "b", "input": {}},
        ]);
        let read = |blocks: &Value| turn_of(to_raw_value(blocks).unwrap(), &[]);
        let turn = read(&blocks).unwrap();
        assert_eq!((turn.text.as_str(), turn.reasoning.as_str()), ("I look.", "hm"));
        let calls: Vec<_> = turn
            .tool_calls
            .iter()
            .map(|c| (c.id.as_str(), c.name.as_str()))
            .collect();
        assert_eq!(calls, [("t1", "a"), ("t2", "b")]);
        assert_eq!(turn.raw.get(), blocks.to_string());
        assert!(read(&json!([{"type": "tool_use", "name": "a"}])).is_err());
        assert!(read(&json!(["text"])).is_err() && read(&json!("text")).is_err());
    }

    #[test]
    fn a_turn_without_blocks_is_not_sent_back() {
        let empty = AssistantTurn {
            raw: Raw::rewritten(&json!([])),
            ..AssistantTurn::default()
        };
        assert!(sent(&Message::Assistant(empty)).is_none());
    }

    #[test]
    fn input_includes_what_the_cache_read_and_wrote() {
        let usage = usage_of(&json!({"input_tokens": 10, "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 1000, "output_tokens": 7}));
        assert_eq!((usage.input_tokens, usage.cached_tokens), (Some(1110), Some(100)));
        assert_eq!(usage_of(&Value::Null), Usage::default());
        let absurd = json!({"input_tokens": u64::MAX, "cache_read_input_tokens": u64::MAX});
        assert_eq!(usage_of(&absurd).input_tokens, Some(u64::MAX));
    }
}
