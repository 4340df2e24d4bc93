//! Anthropic's messages: what a request must look like, and what answers look like.
//!
//! The rules are those of the public API reference: the user begins and ends, the assistant never speaks
//! twice in a row (the user may: the API joins that), tool results come first in the message that answers.

use std::collections::BTreeSet;

use http::HeaderMap;
use serde_json::{Value, json};

use super::script::{Reply, fill};
use super::shape::{
    Refusal, arguments_schema, close_call, in_range, list, none_open, object, positive, text, tool_name,
};
use super::wire::{Seen, as_json};

const BODY: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "system",
    "tools",
    "tool_choice",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "thinking",
    "output_config",
    "metadata",
    "service_tier",
    "context_management",
];

/// Checks a request, and finds where in the conversation it stands.
pub(super) fn read(headers: &HeaderMap, body: &Value) -> Result<Seen, Refusal> {
    for name in ["x-api-key", "anthropic-version"] {
        if !headers.contains_key(name) {
            return Err(format!("header {name}: required"));
        }
    }
    let fields = object(body, "body", BODY)?;
    text(fields.get("model"), "model")?;
    if !fields.contains_key("max_tokens") {
        return Err("max_tokens: field required".into());
    }
    positive(fields.get("max_tokens"), "max_tokens")?;
    in_range(fields.get("temperature"), "temperature", 1.0)?;
    match fields.get("system") {
        None | Some(Value::String(_) | Value::Array(_)) => {}
        Some(_) => return Err("system: expected text or blocks".into()),
    }
    read_tools(fields.get("tools"))?;
    if fields.contains_key("tool_choice") && !fields.contains_key("tools") {
        return Err("tool_choice: only allowed when tools are given".into());
    }
    read_messages(list(fields.get("messages"), "messages")?)
}

fn read_tools(tools: Option<&Value>) -> Result<(), Refusal> {
    let mut names = BTreeSet::new();
    let tools = tools.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (i, tool) in tools.iter().enumerate() {
        let place = format!("tools.{i}");
        let known = ["name", "description", "input_schema", "cache_control", "type"];
        let tool = object(tool, &place, &known)?;
        tool_name(tool.get("name"), &format!("{place}.name"), &mut names)?;
        arguments_schema(tool.get("input_schema"), &format!("{place}.input_schema"))?;
    }
    Ok(())
}

fn read_messages(messages: &[Value]) -> Result<Seen, Refusal> {
    let mut seen = Seen::default();
    let mut open = Vec::new();
    let mut last = "assistant";
    for (i, message) in messages.iter().enumerate() {
        let place = format!("messages.{i}");
        let fields = object(message, &place, &["role", "content"])?;
        let role = text(fields.get("role"), &format!("{place}.role"))?;
        let blocks = blocks(fields.get("content"), &format!("{place}.content"))?;
        match role {
            "user" => read_user(&blocks, &place, &mut open, &mut seen)?,
            "assistant" if last == "user" => {
                open = read_assistant(&blocks, &place)?;
                seen.assistant_messages += 1;
            }
            _ => return Err(format!("{place}.role: expected `user`")),
        }
        last = role;
    }
    if last != "user" {
        return Err("messages: the last one must be the user's".into());
    }
    Ok(seen)
}

/// Content as blocks; a string is one text block.
fn blocks(content: Option<&Value>, place: &str) -> Result<Vec<Value>, Refusal> {
    match content {
        Some(Value::String(text)) if !text.is_empty() => Ok(vec![json!({"type": "text", "text": text})]),
        Some(Value::String(_)) => Err(format!("{place}: must not be empty")),
        other => list(other, place).map(<[Value]>::to_vec),
    }
}

fn read_user(blocks: &[Value], place: &str, open: &mut Vec<String>, seen: &mut Seen) -> Result<(), Refusal> {
    let mut text_seen = false;
    for (i, block) in blocks.iter().enumerate() {
        let place = format!("{place}.content.{i}");
        match block.get("type").and_then(Value::as_str) {
            Some("tool_result") if text_seen => {
                return Err(format!("{place}: tool results must come before text"));
            }
            Some("tool_result") => {
                let known = ["type", "tool_use_id", "content", "is_error", "cache_control"];
                let block = object(block, &place, &known)?;
                let id = text(block.get("tool_use_id"), &format!("{place}.tool_use_id"))?;
                close_call(open, id, &place)?;
                seen.results.push(result(block.get("content"), &place)?);
            }
            Some("text") => {
                text_seen = true;
                let block = object(block, &place, &["type", "text", "cache_control"])?;
                let text = text(block.get("text"), &format!("{place}.text"))?;
                seen.first_user.get_or_insert_with(|| text.to_owned());
            }
            _ => return Err(format!("{place}.type: unexpected block for a user")),
        }
    }
    none_open(open, place)
}

fn result(content: Option<&Value>, place: &str) -> Result<Value, Refusal> {
    match content {
        None => Ok(Value::Null),
        Some(Value::String(text)) => Ok(as_json(text)),
        Some(_) => {
            let mut all = String::new();
            for block in list(content, place)? {
                let block = object(block, place, &["type", "text"])?;
                all.push_str(text(block.get("text"), place)?);
            }
            Ok(as_json(&all))
        }
    }
}

/// Returns the ids of its tool calls.
fn read_assistant(blocks: &[Value], place: &str) -> Result<Vec<String>, Refusal> {
    let mut ids = Vec::new();
    for (i, block) in blocks.iter().enumerate() {
        let place = format!("{place}.content.{i}");
        match block.get("type").and_then(Value::as_str) {
            Some("thinking") => {
                let block = object(block, &place, &["type", "thinking", "signature"])?;
                // What the provider signed must come back as it was.
                if block.get("signature") != Some(&json!(SIGNATURE)) {
                    return Err(format!("{place}.signature: invalid"));
                }
            }
            Some("text") => {
                let block = object(block, &place, &["type", "text", "citations"])?;
                text(block.get("text"), &format!("{place}.text"))?;
            }
            Some("tool_use") => {
                let block = object(block, &place, &["type", "id", "name", "input"])?;
                text(block.get("name"), &format!("{place}.name"))?;
                if !block.get("input").is_some_and(Value::is_object) {
                    return Err(format!("{place}.input: expected an object"));
                }
                ids.push(text(block.get("id"), &format!("{place}.id"))?.to_owned());
            }
            _ => return Err(format!("{place}.type: unexpected block for an assistant")),
        }
    }
    let thinks = |block: &Value| block.get("type") == Some(&json!("thinking"));
    if !ids.is_empty() && !blocks.first().is_some_and(thinks) {
        return Err(format!(
            "{place}: the thinking block of the turn does not come back"
        ));
    }
    Ok(ids)
}

const SIGNATURE: &str = "EqQBCgIYAhIM1.10\u{e9}==";

/// The body of a good answer. `n` is unique among the answers of a stub.
pub(super) fn reply(reply: &Reply, seen: &Seen, model: &Value, n: u64) -> Value {
    let thinking = json!({"type": "thinking", "thinking": "Let me see.", "signature": SIGNATURE});
    let (content, stop) = match reply {
        Reply::Say(text) => (vec![json!({"type": "text", "text": text})], "end_turn"),
        Reply::Empty | Reply::Fault(_) => (Vec::new(), "end_turn"),
        Reply::Call(calls) => {
            let calls = calls.iter().enumerate().map(|(i, call)| {
                // This API knows no arguments that are not JSON: a text stands alone in an object.
                let input = match fill(&call.arguments, &seen.results) {
                    Value::String(text) => json!({"text": text}),
                    other => other,
                };
                json!({"type": "tool_use", "id": format!("toolu_{n}_{i}"), "name": call.tool, "input": input})
            });
            (std::iter::once(thinking).chain(calls).collect(), "tool_use")
        }
    };
    json!({
        "id": format!("msg_{n}"), "type": "message", "role": "assistant", "model": model,
        "content": content, "stop_reason": stop, "stop_sequence": null,
        "usage": {
            "input_tokens": 60, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 0,
            "output_tokens": 10,
        },
    })
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_stub"})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(messages: &Value) -> Result<Seen, Refusal> {
        let body = json!({"model": "m", "max_tokens": 100, "messages": messages});
        let headers = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        read(&headers.into_iter().collect(), &body)
    }

    fn uses(ids: &[&str]) -> Value {
        let mut content = vec![json!({"type": "thinking", "thinking": "", "signature": SIGNATURE})];
        content.extend(
            ids.iter()
                .map(|id| json!({"type": "tool_use", "id": id, "name": "echo", "input": {}})),
        );
        json!({"role": "assistant", "content": content})
    }

    fn result_of(id: &str) -> Value {
        json!({"type": "tool_result", "tool_use_id": id, "content": "{\"key\":\"WEB-1\"}", "is_error": false})
    }

    #[test]
    fn a_proper_conversation_is_understood() {
        let user = json!({"role": "user", "content": "hello"});
        let both = json!({"role": "user", "content": [result_of("a"), result_of("b")]});
        let seen = check(&json!([user, uses(&["a", "b"]), both])).unwrap();
        assert_eq!(
            (seen.first_user.as_deref(), seen.assistant_messages),
            (Some("hello"), 1)
        );
        assert_eq!(seen.results, [json!({"key": "WEB-1"}), json!({"key": "WEB-1"})]);
    }

    #[test]
    fn a_provider_would_refuse() {
        let user = json!({"role": "user", "content": "hello"});
        let say = |content: Value| json!({"role": "user", "content": content});
        let text = json!({"type": "text", "text": "and"});
        for (what, messages) in [
            ("starts with the assistant", json!([uses(&[])])),
            ("two assistants", json!([user, uses(&[]), uses(&[]), user])),
            ("a system role", json!([{"role": "system", "content": "x"}, user])),
            ("ends with the assistant", json!([user, uses(&["a"])])),
            (
                "empty content",
                json!([user, {"role": "assistant", "content": []}, user]),
            ),
            ("no answer", json!([user, uses(&["a"]), user])),
            (
                "one answer missing",
                json!([user, uses(&["a", "b"]), say(json!([result_of("a")]))]),
            ),
            (
                "answered twice",
                json!([user, uses(&["a"]), say(json!([result_of("a"), result_of("a")]))]),
            ),
            ("answer to nothing", json!([say(json!([result_of("a")]))])),
            (
                "text first",
                json!([user, uses(&["a"]), say(json!([text, result_of("a")]))]),
            ),
            (
                "thinking lost",
                json!([user, {"role": "assistant", "content":
                [{"type": "tool_use", "id": "a", "name": "echo", "input": {}}]}, say(json!([result_of("a")]))]),
            ),
        ] {
            assert!(check(&messages).is_err(), "{what} was accepted");
        }
        let no_limit = json!({"model": "m", "messages": [user]});
        assert!(read(&HeaderMap::new(), &no_limit).is_err());
    }
}
