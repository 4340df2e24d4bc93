//! Google's generateContent: what a request must look like, and what answers look like.
//!
//! The rules are those of the public API reference: user and model take turns, the calls of a turn are answered in the
//! content right behind it, and the signature of a turn's first call comes back with it.

use std::collections::BTreeSet;

use http::HeaderMap;
use serde_json::{Value, json};

use super::script::{Reply, fill};
use super::shape::{Refusal, arguments_schema, in_range, list, none_open, object, positive, text, tool_name};
use super::wire::{Seen, as_json};

const BODY: &[&str] = &[
    "systemInstruction",
    "contents",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
];

const CONFIG: &[&str] = &[
    "temperature",
    "topP",
    "topK",
    "maxOutputTokens",
    "seed",
    "stopSequences",
    "thinkingConfig",
];

/// Checks a request, and finds where in the conversation it stands.
pub(super) fn read(headers: &HeaderMap, body: &Value) -> Result<Seen, Refusal> {
    if !headers.contains_key("x-goog-api-key") {
        return Err("header x-goog-api-key: required".into());
    }
    let fields = object(body, "body", BODY)?;
    if let Some(config) = fields.get("generationConfig") {
        let config = object(config, "generationConfig", CONFIG)?;
        positive(config.get("maxOutputTokens"), "maxOutputTokens")?;
        in_range(config.get("temperature"), "temperature", 2.0)?;
        in_range(config.get("topP"), "topP", 1.0)?;
    }
    if let Some(system) = fields.get("systemInstruction") {
        list(system.get("parts"), "systemInstruction.parts")?;
    }
    read_tools(fields.get("tools"))?;
    read_contents(list(fields.get("contents"), "contents")?)
}

fn read_tools(tools: Option<&Value>) -> Result<(), Refusal> {
    let mut names = BTreeSet::new();
    let tools = tools.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (i, tool) in tools.iter().enumerate() {
        let place = format!("tools[{i}].functionDeclarations");
        let declarations = object(tool, &place, &["functionDeclarations"])?.get("functionDeclarations");
        for (j, declaration) in list(declarations, &place)?.iter().enumerate() {
            let place = format!("{place}[{j}]");
            let known = ["name", "description", "parameters", "parametersJsonSchema"];
            let declaration = object(declaration, &place, &known)?;
            tool_name(declaration.get("name"), &format!("{place}.name"), &mut names)?;
            arguments_schema(declaration.get("parametersJsonSchema"), &place)?;
        }
    }
    Ok(())
}

fn read_contents(contents: &[Value]) -> Result<Seen, Refusal> {
    let mut seen = Seen::default();
    let mut open: Vec<String> = Vec::new();
    let mut last = "model";
    for (i, content) in contents.iter().enumerate() {
        let place = format!("contents[{i}]");
        let fields = object(content, &place, &["role", "parts"])?;
        let parts = list(fields.get("parts"), &format!("{place}.parts"))?;
        let role = text(fields.get("role"), &format!("{place}.role"))?;
        match role {
            "user" => read_user(parts, &place, &mut open, &mut seen)?,
            "model" if last == "user" => {
                open = read_model(parts, &place)?;
                seen.assistant_messages += 1;
            }
            _ => return Err(format!("{place}.role: expected `user`")),
        }
        last = role;
    }
    none_open(&open, "contents")?;
    if last == "user" {
        Ok(seen)
    } else {
        Err("contents: the last one must be the user's".into())
    }
}

fn read_user(parts: &[Value], place: &str, open: &mut Vec<String>, seen: &mut Seen) -> Result<(), Refusal> {
    let mut answered = Vec::new();
    for part in parts {
        let part = object(part, place, &["text", "functionResponse"])?;
        if let Some(said) = part.get("text") {
            let said = text(Some(said), place)?;
            seen.first_user.get_or_insert_with(|| said.to_owned());
            continue;
        }
        let answer = part.get("functionResponse").unwrap_or(&Value::Null);
        let answer = object(answer, place, &["id", "name", "response"])?;
        answered.push(text(answer.get("name"), place)?.to_owned());
        let response = answer.get("response").unwrap_or(&Value::Null);
        let response = object(response, place, &["output", "error"])?;
        let result = response
            .values()
            .next()
            .and_then(Value::as_str)
            .unwrap_or_default();
        seen.results.push(as_json(result));
    }
    if std::mem::take(open) == answered {
        Ok(())
    } else {
        Err(format!(
            "{place}: the number of function responses must equal that of the calls of the turn before"
        ))
    }
}

/// Returns the names of the tools it calls.
fn read_model(parts: &[Value], place: &str) -> Result<Vec<String>, Refusal> {
    let mut names = Vec::new();
    for part in parts {
        let part = object(
            part,
            place,
            &["text", "thought", "functionCall", "thoughtSignature"],
        )?;
        let Some(call) = part.get("functionCall") else {
            continue;
        };
        // Only the first of parallel calls is signed.
        if names.is_empty() && part.get("thoughtSignature") != Some(&json!(SIGNATURE)) {
            return Err(format!(
                "{place}: a function call is missing its thought_signature"
            ));
        }
        let call = object(call, place, &["name", "args"])?;
        names.push(text(call.get("name"), place)?.to_owned());
    }
    Ok(names)
}

const SIGNATURE: &str = "EqQBCgIY1.10\u{e9}==";

/// The body of a good answer. `n` is unique among the answers of a stub.
pub(super) fn reply(reply: &Reply, seen: &Seen, n: u64) -> Value {
    let parts = match reply {
        Reply::Say(text) => vec![
            json!({"text": "Let me see.", "thought": true}),
            json!({"text": text}),
        ],
        Reply::Empty | Reply::Fault(_) => Vec::new(),
        Reply::Call(calls) => {
            let parts = calls.iter().enumerate().map(|(i, call)| {
                // This API knows no arguments that are not JSON: a text stands alone in an object.
                let args = match fill(&call.arguments, &seen.results) {
                    Value::String(text) => json!({"text": text}),
                    other => other,
                };
                let mut part = json!({"functionCall": {"name": call.tool, "args": args}});
                if i == 0 {
                    part["thoughtSignature"] = json!(SIGNATURE);
                }
                part
            });
            parts.collect()
        }
    };
    json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 7,
            "thoughtsTokenCount": 3, "totalTokenCount": 110},
        "modelVersion": "gemini-stub-001", "responseId": format!("resp_{n}"),
    })
}

/// The body of an error.
pub(super) fn error(status: u16, message: &str) -> Value {
    let name = match status {
        429 => "RESOURCE_EXHAUSTED",
        401 | 403 => "PERMISSION_DENIED",
        400..=499 => "INVALID_ARGUMENT",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    json!({"error": {"code": status, "message": message, "status": name}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(contents: &Value) -> Result<Seen, Refusal> {
        let headers = [("x-goog-api-key".parse().unwrap(), "k".parse().unwrap())];
        read(&headers.into_iter().collect(), &json!({"contents": contents}))
    }

    fn user() -> Value {
        json!({"role": "user", "parts": [{"text": "hello"}]})
    }

    fn calls(signature: &str) -> Value {
        let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
        let mut first = call("a");
        first["thoughtSignature"] = json!(signature);
        json!({"role": "model", "parts": [first, call("b")]})
    }

    fn answers(names: &[&str]) -> Value {
        let answer =
            |name: &&str| json!({"functionResponse": {"name": name, "response": {"output": "{\"key\":1}"}}});
        json!({"role": "user", "parts": names.iter().map(answer).collect::<Vec<_>>()})
    }

    #[test]
    fn a_proper_conversation_is_understood() {
        let seen = check(&json!([user(), calls(SIGNATURE), answers(&["a", "b"])])).unwrap();
        assert_eq!(
            (seen.first_user.as_deref(), seen.assistant_messages),
            (Some("hello"), 1)
        );
        assert_eq!(seen.results, [json!({"key": 1}), json!({"key": 1})]);
    }

    #[test]
    fn a_provider_would_refuse() {
        for (what, contents) in [
            ("nothing", json!([])),
            ("no parts", json!([{"role": "user", "parts": []}])),
            (
                "starts with the model",
                json!([calls(SIGNATURE), answers(&["a", "b"])]),
            ),
            ("signature lost", json!([user(), calls(""), answers(&["a", "b"])])),
            (
                "one answer missing",
                json!([user(), calls(SIGNATURE), answers(&["a"])]),
            ),
            (
                "other order",
                json!([user(), calls(SIGNATURE), answers(&["b", "a"])]),
            ),
            ("no answer", json!([user(), calls(SIGNATURE), user()])),
            ("answer to nothing", json!([user(), answers(&["a"])])),
            ("ends with the model", json!([user(), calls(SIGNATURE)])),
        ] {
            assert!(check(&contents).is_err(), "{what} was accepted");
        }
    }
}
