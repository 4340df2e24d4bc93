//! `OpenAI`'s chat completions: what a request must look like, and what answers look like.
//!
//! The rules are those of the public API reference; an answer carries fields that a client need not know
//! but must send back (`annotations`, and a made-up `x_signature`).

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
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "reasoning_effort",
    "response_format",
    "metadata",
    "store",
    "user",
    "service_tier",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
];

/// Checks a request, and finds where in the conversation it stands.
pub(super) fn read(headers: &HeaderMap, body: &Value) -> Result<Seen, Refusal> {
    // Gateways that speak it ask for users and passwords, too.
    let proves = |sent: &[u8]| sent.starts_with(b"Bearer ") || sent.starts_with(b"Basic ");
    if !headers.get("authorization").is_some_and(|v| proves(v.as_bytes())) {
        return Err("header authorization: expected `Bearer KEY`".into());
    }
    let fields = object(body, "body", BODY)?;
    text(fields.get("model"), "model")?;
    positive(fields.get("max_tokens"), "max_tokens")?;
    positive(fields.get("max_completion_tokens"), "max_completion_tokens")?;
    if fields.contains_key("max_tokens") && fields.contains_key("max_completion_tokens") {
        return Err("max_tokens and max_completion_tokens are exclusive".into());
    }
    in_range(fields.get("temperature"), "temperature", 2.0)?;
    in_range(fields.get("top_p"), "top_p", 1.0)?;
    if fields.contains_key("stream_options") && fields.get("stream") != Some(&json!(true)) {
        return Err("stream_options: only allowed when stream is true".into());
    }
    read_tools(fields.get("tools"))?;
    if !fields.contains_key("tools") {
        for needs_tools in ["tool_choice", "parallel_tool_calls"] {
            if fields.contains_key(needs_tools) {
                return Err(format!("{needs_tools}: only allowed when tools are given"));
            }
        }
    }
    read_messages(list(fields.get("messages"), "messages")?)
}

fn read_tools(tools: Option<&Value>) -> Result<(), Refusal> {
    let Some(tools) = tools else { return Ok(()) };
    let mut names = BTreeSet::new();
    for (i, tool) in list(Some(tools), "tools")?.iter().enumerate() {
        let place = format!("tools[{i}]");
        let tool = object(tool, &place, &["type", "function"])?;
        if tool.get("type") != Some(&json!("function")) {
            return Err(format!("{place}.type: expected \"function\""));
        }
        let place = format!("{place}.function");
        let function = tool.get("function").unwrap_or(&Value::Null);
        let function = object(function, &place, &["name", "description", "parameters", "strict"])?;
        tool_name(function.get("name"), &format!("{place}.name"), &mut names)?;
        if function.contains_key("parameters") {
            arguments_schema(function.get("parameters"), &format!("{place}.parameters"))?;
        }
    }
    Ok(())
}

fn read_messages(messages: &[Value]) -> Result<Seen, Refusal> {
    let mut seen = Seen::default();
    let mut open = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let place = format!("messages[{i}]");
        let role = text(message.get("role"), &format!("{place}.role"))?;
        if role != "tool" {
            none_open(&open, &place)?;
        }
        match role {
            "system" | "developer" | "user" => {
                let message = object(message, &place, &["role", "content", "name"])?;
                let content = content(message.get("content"), &format!("{place}.content"))?;
                if role == "user" {
                    seen.first_user.get_or_insert(content);
                }
            }
            "assistant" => {
                open = read_assistant(message, &place)?;
                seen.assistant_messages += 1;
            }
            "tool" => {
                let message = object(message, &place, &["role", "content", "tool_call_id"])?;
                let id = text(message.get("tool_call_id"), &format!("{place}.tool_call_id"))?;
                close_call(&mut open, id, &place)?;
                // An empty result is allowed here.
                let result = message.get("content").and_then(Value::as_str).unwrap_or_default();
                seen.results.push(as_json(result));
            }
            other => return Err(format!("{place}.role: unknown role `{other}`")),
        }
    }
    none_open(&open, "messages")?;
    match messages
        .last()
        .and_then(|last| last.get("role"))
        .and_then(Value::as_str)
    {
        Some("user" | "tool") => Ok(seen),
        _ => Err("messages: the last one must be the user's or a tool's".into()),
    }
}

/// Text as a string or as a list of text parts.
fn content(value: Option<&Value>, place: &str) -> Result<String, Refusal> {
    if let Some(Value::String(text)) = value {
        return Ok(text.clone());
    }
    let mut all = String::new();
    for part in list(value, place)? {
        let part = object(part, place, &["type", "text"])?;
        all.push_str(text(part.get("text"), place)?);
    }
    Ok(all)
}

/// Returns the ids of its tool calls.
fn read_assistant(message: &Value, place: &str) -> Result<Vec<String>, Refusal> {
    let known = [
        "role",
        "content",
        "refusal",
        "name",
        "tool_calls",
        "annotations",
        "audio",
        "x_signature",
    ];
    let fields = object(message, place, &known)?;
    // What the provider sent must come back: a client that rebuilds a turn loses this.
    if fields.get("x_signature") != Some(&json!(SIGNATURE)) {
        return Err(format!("{place}.x_signature: does not come back as it was sent"));
    }
    let Some(calls) = fields.get("tool_calls") else {
        return match fields.get("content") {
            Some(Value::String(_) | Value::Array(_)) => Ok(Vec::new()),
            _ => Err(format!("{place}: expected content or tool_calls")),
        };
    };
    let mut ids = Vec::new();
    for (i, call) in list(Some(calls), &format!("{place}.tool_calls"))?
        .iter()
        .enumerate()
    {
        let place = format!("{place}.tool_calls[{i}]");
        let call = object(call, &place, &["id", "type", "function"])?;
        let function = call.get("function").unwrap_or(&Value::Null);
        let function = object(function, &format!("{place}.function"), &["name", "arguments"])?;
        text(function.get("name"), &format!("{place}.function.name"))?;
        text(function.get("arguments"), &format!("{place}.function.arguments"))?;
        ids.push(text(call.get("id"), &format!("{place}.id"))?.to_owned());
    }
    Ok(ids)
}

const SIGNATURE: &str = "sig/\u{e9}\\n 1.10";

/// The body of a good answer. `n` is unique among the answers of a stub.
pub(super) fn reply(reply: &Reply, seen: &Seen, model: &Value, n: u64) -> Value {
    let mut message = json!({
        "role": "assistant", "content": null, "refusal": null, "annotations": [], "x_signature": SIGNATURE,
    });
    let mut finish = "stop";
    match reply {
        Reply::Say(text) => message["content"] = json!(text),
        Reply::Empty | Reply::Fault(_) => message["content"] = json!(""),
        Reply::Call(calls) => {
            finish = "tool_calls";
            let calls = calls.iter().enumerate().map(|(i, call)| {
                let arguments = match &call.arguments {
                    Value::String(text) => text.clone(),
                    other => fill(other, &seen.results).to_string(),
                };
                json!({
                    "id": format!("call_{n}_{i}"), "type": "function",
                    "function": {"name": call.tool, "arguments": arguments},
                })
            });
            message["tool_calls"] = calls.collect();
        }
    }
    json!({
        "id": format!("chatcmpl-{n}"), "object": "chat.completion", "created": 1_790_000_000, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": null}],
        "usage": {
            "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110,
            "prompt_tokens_details": {"cached_tokens": 40},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    })
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        429 => "rate_limit_exceeded",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": null}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &Value) -> Result<Seen, Refusal> {
        let headers = [("authorization".parse().unwrap(), "Bearer k".parse().unwrap())];
        read(&headers.into_iter().collect(), body)
    }

    fn assistant(calls: &[&str]) -> Value {
        let calls: Vec<Value> = calls
            .iter()
            .map(|id| json!({"id": id, "type": "function", "function": {"name": "echo", "arguments": "{}"}}))
            .collect();
        json!({"role": "assistant", "content": null, "tool_calls": calls, "x_signature": SIGNATURE})
    }

    fn tool(id: &str) -> Value {
        json!({"role": "tool", "tool_call_id": id, "content": "{\"key\":\"WEB-1\"}"})
    }

    #[test]
    fn a_proper_conversation_is_understood() {
        let user = json!({"role": "user", "content": "hello"});
        let body = json!({"model": "m", "messages": [user, assistant(&["a", "b"]), tool("b"), tool("a")]});
        let seen = check(&body).unwrap();
        assert_eq!(
            (seen.first_user.as_deref(), seen.assistant_messages),
            (Some("hello"), 1)
        );
        assert_eq!(seen.results[0], json!({"key": "WEB-1"}));
    }

    #[test]
    fn a_provider_would_refuse() {
        let user = json!({"role": "user", "content": "hello"});
        let tools = |name: &str| json!([{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}]);
        for (what, body) in [
            ("no messages", json!({"model": "m", "messages": []})),
            (
                "unknown field",
                json!({"model": "m", "messages": [user], "max_output_tokens": 3}),
            ),
            (
                "bad tool name",
                json!({"model": "m", "messages": [user], "tools": tools("a b")}),
            ),
            ("no tools", json!({"model": "m", "messages": [user], "tools": []})),
            (
                "no answer",
                json!({"model": "m", "messages": [user, assistant(&["a"])]}),
            ),
            (
                "one answer missing",
                json!({"model": "m", "messages": [user, assistant(&["a", "b"]), tool("a"), user]}),
            ),
            (
                "answered twice",
                json!({"model": "m", "messages": [user, assistant(&["a"]), tool("a"), tool("a")]}),
            ),
            (
                "answer to nothing",
                json!({"model": "m", "messages": [user, tool("a")]}),
            ),
            (
                "turn rebuilt",
                json!({"model": "m", "messages": [user, {"role": "assistant", "content": "x"}, user]}),
            ),
            (
                "both limits",
                json!({"model": "m", "messages": [user], "max_tokens": 1, "max_completion_tokens": 1}),
            ),
        ] {
            assert!(check(&body).is_err(), "{what} was accepted");
        }
    }
}
