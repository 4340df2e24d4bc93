//! `OpenAI`'s responses: what a request must look like, and what answers look like.
//!
//! The rules are those of the public API reference for a client that stores nothing at the provider: the items of each
//! turn come back as they were sent, its reasoning first.

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
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "store",
    "include",
    "reasoning",
    "max_output_tokens",
    "temperature",
    "top_p",
    "stream",
    "text",
    "metadata",
    "truncation",
    "prompt_cache_key",
    "service_tier",
    "user",
];

/// Checks a request, and finds where in the conversation it stands.
pub(super) fn read(headers: &HeaderMap, body: &Value) -> Result<Seen, Refusal> {
    if !headers
        .get("authorization")
        .is_some_and(|v| v.as_bytes().starts_with(b"Bearer "))
    {
        return Err("header authorization: expected `Bearer KEY`".into());
    }
    let fields = object(body, "body", BODY)?;
    text(fields.get("model"), "model")?;
    positive(fields.get("max_output_tokens"), "max_output_tokens")?;
    in_range(fields.get("temperature"), "temperature", 2.0)?;
    in_range(fields.get("top_p"), "top_p", 1.0)?;
    if fields.get("store") != Some(&json!(false)) {
        return Err("store: expected false, nothing is kept here".into());
    }
    read_tools(fields.get("tools"))?;
    read_input(list(fields.get("input"), "input")?)
}

fn read_tools(tools: Option<&Value>) -> Result<(), Refusal> {
    let mut names = BTreeSet::new();
    let tools = tools.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (i, tool) in tools.iter().enumerate() {
        let place = format!("tools[{i}]");
        let tool = object(
            tool,
            &place,
            &["type", "name", "description", "parameters", "strict"],
        )?;
        if tool.get("type") != Some(&json!("function")) {
            return Err(format!("{place}.type: expected \"function\""));
        }
        tool_name(tool.get("name"), &format!("{place}.name"), &mut names)?;
        arguments_schema(tool.get("parameters"), &format!("{place}.parameters"))?;
        // Left out it means true, and then every property of a schema must be required.
        if tool.get("strict") != Some(&json!(false)) {
            return Err(format!("{place}: schema does not fit `strict`"));
        }
    }
    Ok(())
}

fn read_input(items: &[Value]) -> Result<Seen, Refusal> {
    let mut seen = Seen::default();
    let mut open = Vec::new();
    let mut in_turn = false;
    for (i, item) in items.iter().enumerate() {
        let place = format!("input[{i}]");
        let kind = item.get("type").and_then(Value::as_str).unwrap_or("message");
        let ours = kind == "function_call_output" || item.get("role") == Some(&json!("user"));
        if !ours && !in_turn {
            if kind != "reasoning" {
                return Err(format!("{place}: provided without its required reasoning item"));
            }
            seen.assistant_messages += 1;
        }
        in_turn = !ours;
        match kind {
            "message" if ours => {
                none_open(&open, &place)?;
                let message = object(item, &place, &["type", "role", "content"])?;
                let content = text(message.get("content"), &format!("{place}.content"))?;
                seen.first_user.get_or_insert_with(|| content.to_owned());
            }
            "message" => {
                let message = object(item, &place, &["type", "id", "status", "role", "content"])?;
                list(message.get("content"), &format!("{place}.content"))?;
            }
            "reasoning" => {
                let reasoning = object(item, &place, &["type", "id", "summary", "encrypted_content"])?;
                if reasoning.get("encrypted_content") != Some(&json!(ENCRYPTED)) {
                    return Err(format!("{place}: its content could not be decrypted"));
                }
            }
            "function_call" => {
                let call = object(
                    item,
                    &place,
                    &["type", "id", "status", "call_id", "name", "arguments"],
                )?;
                text(call.get("name"), &format!("{place}.name"))?;
                text(call.get("arguments"), &format!("{place}.arguments"))?;
                open.push(text(call.get("call_id"), &format!("{place}.call_id"))?.to_owned());
            }
            "function_call_output" => {
                let output = object(item, &place, &["type", "call_id", "output"])?;
                let id = text(output.get("call_id"), &format!("{place}.call_id"))?;
                close_call(&mut open, id, &place)?;
                let result = output.get("output").and_then(Value::as_str).unwrap_or_default();
                seen.results.push(as_json(result));
            }
            other => return Err(format!("{place}.type: unknown type `{other}`")),
        }
    }
    none_open(&open, "input")?;
    if in_turn {
        return Err("input: the last item must be the user's or an output".into());
    }
    Ok(seen)
}

const ENCRYPTED: &str = "gAAAAABo1.10\u{e9}==";

/// The body of a good answer. `n` is unique among the answers of a stub.
pub(super) fn reply(reply: &Reply, seen: &Seen, model: &Value, n: u64) -> Value {
    let says = |text: &str| {
        let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
        json!({"type": "message", "id": format!("msg_{n}"), "status": "completed", "role": "assistant", "content": content})
    };
    let mut output = vec![json!({
        "type": "reasoning", "id": format!("rs_{n}"), "encrypted_content": ENCRYPTED,
        "summary": [{"type": "summary_text", "text": "Let me see."}],
    })];
    match reply {
        Reply::Say(text) => output.push(says(text)),
        Reply::Empty | Reply::Fault(_) => output.push(says("")),
        Reply::Call(calls) => output.extend(calls.iter().enumerate().map(|(i, call)| {
            let arguments = match &call.arguments {
                Value::String(text) => text.clone(),
                other => fill(other, &seen.results).to_string(),
            };
            json!({"type": "function_call", "id": format!("fc_{n}_{i}"), "status": "completed",
                "call_id": format!("call_{n}_{i}"), "name": call.tool, "arguments": arguments})
        })),
    }
    json!({
        "id": format!("resp_{n}"), "object": "response", "created_at": 1_790_000_000, "status": "completed",
        "error": null, "incomplete_details": null, "model": model, "output": output, "store": false,
        "usage": {
            "input_tokens": 100, "input_tokens_details": {"cached_tokens": 40},
            "output_tokens": 10, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 110,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &Value) -> Result<Seen, Refusal> {
        let headers = [("authorization".parse().unwrap(), "Bearer k".parse().unwrap())];
        let body = json!({"model": "m", "input": input, "store": false});
        read(&headers.into_iter().collect(), &body)
    }

    fn user() -> Value {
        json!({"role": "user", "content": "hello"})
    }

    fn thinks() -> Value {
        json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": ENCRYPTED})
    }

    fn call(id: &str) -> Value {
        json!({"type": "function_call", "id": "fc", "call_id": id, "name": "echo", "arguments": "{}"})
    }

    fn output(id: &str) -> Value {
        json!({"type": "function_call_output", "call_id": id, "output": "{\"key\":\"WEB-1\"}"})
    }

    #[test]
    fn a_proper_conversation_is_understood() {
        let seen = check(&json!([
            user(),
            thinks(),
            call("a"),
            call("b"),
            output("b"),
            output("a")
        ]))
        .unwrap();
        assert_eq!(
            (seen.first_user.as_deref(), seen.assistant_messages),
            (Some("hello"), 1)
        );
        assert_eq!(seen.results[0], json!({"key": "WEB-1"}));
    }

    #[test]
    fn a_provider_would_refuse() {
        for (what, input) in [
            ("nothing", json!([])),
            ("reasoning lost", json!([user(), call("a"), output("a")])),
            (
                "reasoning changed",
                json!([user(), {"type": "reasoning", "encrypted_content": "x"}, call("a"), output("a")]),
            ),
            ("no answer", json!([user(), thinks(), call("a"), user()])),
            (
                "one answer missing",
                json!([user(), thinks(), call("a"), call("b"), output("a")]),
            ),
            (
                "answered twice",
                json!([user(), thinks(), call("a"), output("a"), output("a")]),
            ),
            ("answer to nothing", json!([user(), output("a")])),
            ("ends with the model", json!([user(), thinks()])),
        ] {
            assert!(check(&input).is_err(), "{what} was accepted");
        }
    }
}
