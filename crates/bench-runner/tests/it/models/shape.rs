//! The providers' published rules for request bodies, as far as they concern a conversation with tools.

use serde_json::Value;

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text `{name}` in {value}"))
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name]
        .as_array()
        .unwrap_or_else(|| panic!("no list `{name}` in {value}"))
}

fn check_name(name: &str) {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    assert!(
        (1..=64).contains(&name.len()) && name.bytes().all(sound),
        "bad tool name `{name}`"
    );
}

fn check_fields(body: &Value, known: &[&str]) {
    for name in body.as_object().unwrap().keys() {
        assert!(known.contains(&name.as_str()), "unknown field `{name}`");
    }
}

/// Chat completions: known fields; system first; each tool call of a message is answered by exactly one
/// `tool` message before anything else is said.
pub(crate) fn check_chat(body: &Value) {
    check_fields(
        body,
        &[
            "model",
            "messages",
            "tools",
            "temperature",
            "top_p",
            "max_tokens",
            "max_completion_tokens",
            "seed",
            "top_k",
            "reasoning_effort",
            "stream",
            "stream_options",
        ],
    );
    for tool in body["tools"].as_array().map_or(&[][..], Vec::as_slice) {
        assert_eq!(text(tool, "type"), "function");
        check_name(text(&tool["function"], "name"));
        assert_eq!(text(&tool["function"]["parameters"], "type"), "object");
    }
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in list(body, "messages").iter().enumerate() {
        let role = text(message, "role");
        assert!(
            role == "tool" || open.is_empty(),
            "unanswered calls {open:?} before {message}"
        );
        match role {
            "system" => assert_eq!(index, 0),
            "user" => assert!(!text(message, "content").is_empty()),
            "assistant" => {
                for call in message["tool_calls"].as_array().map_or(&[][..], Vec::as_slice) {
                    assert_eq!(text(call, "type"), "function");
                    check_name(text(&call["function"], "name"));
                    text(&call["function"], "arguments");
                    open.push(text(call, "id"));
                }
            }
            "tool" => {
                text(message, "content");
                let id = text(message, "tool_call_id");
                let at = open.iter().position(|open| *open == id);
                open.remove(at.unwrap_or_else(|| panic!("{id} answers no call")));
            }
            other => panic!("role {other}"),
        }
    }
    assert!(open.is_empty(), "unanswered calls {open:?}");
}

/// Messages: required and known fields; user first; the calls of a turn are all answered by the blocks at
/// the start of the user message right behind it; no empty content.
pub(crate) fn check_messages(body: &Value) {
    let known = [
        "model",
        "max_tokens",
        "system",
        "messages",
        "tools",
        "temperature",
        "top_p",
        "top_k",
        "thinking",
        "output_config",
        "stream",
    ];
    check_fields(body, &known);
    text(body, "model");
    assert!(body["max_tokens"].as_u64().unwrap() > 0);
    for tool in body["tools"].as_array().map_or(&[][..], Vec::as_slice) {
        check_name(text(tool, "name"));
        assert_eq!(text(&tool["input_schema"], "type"), "object");
    }
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in list(body, "messages").iter().enumerate() {
        let role = text(message, "role");
        assert!(
            role == "user" || (role == "assistant" && index > 0),
            "{role} at {index}"
        );
        let blocks = message["content"].as_array().map_or(&[][..], Vec::as_slice);
        assert!(
            !blocks.is_empty() || !text(message, "content").is_empty(),
            "empty content at {index}"
        );
        let answered: Vec<&str> = blocks
            .iter()
            .filter(|block| text(block, "type") == "tool_result")
            .map(|block| text(block, "tool_use_id"))
            .collect();
        assert_eq!(
            answered, open,
            "each call is answered once, right behind its turn"
        );
        open = blocks
            .iter()
            .filter(|b| text(b, "type") == "tool_use")
            .map(|b| text(b, "id"))
            .collect();
        assert!(role == "assistant" || open.is_empty());
    }
    assert!(open.is_empty(), "unanswered calls {open:?}");
}

/// Responses: known fields; nothing stored; each call is answered by exactly one output behind it, before anything else
/// is said.
pub(crate) fn check_responses(body: &Value) {
    let known = [
        "model",
        "instructions",
        "input",
        "tools",
        "store",
        "include",
        "reasoning",
        "temperature",
        "top_p",
        "max_output_tokens",
        "metadata",
        "stream",
    ];
    check_fields(body, &known);
    text(body, "model");
    assert_eq!(body["store"], false);
    for tool in body["tools"].as_array().map_or(&[][..], Vec::as_slice) {
        assert_eq!(
            (text(tool, "type"), &tool["strict"]),
            ("function", &Value::Bool(false))
        );
        check_name(text(tool, "name"));
        assert_eq!(text(&tool["parameters"], "type"), "object");
    }
    let mut open: Vec<&str> = Vec::new();
    for item in list(body, "input") {
        match item["type"].as_str().unwrap_or("message") {
            "function_call" => {
                check_name(text(item, "name"));
                text(item, "arguments");
                open.push(text(item, "call_id"));
            }
            "function_call_output" => {
                text(item, "output");
                let id = text(item, "call_id");
                let at = open.iter().position(|open| *open == id);
                open.remove(at.unwrap_or_else(|| panic!("{id} answers no call")));
            }
            "message" => {
                let role = text(item, "role");
                assert!(["user", "assistant"].contains(&role), "role {role}");
                assert!(
                    role == "assistant" || open.is_empty(),
                    "unanswered calls {open:?} before {item}"
                );
            }
            _ => {} // reasoning and what we do not know: the model's own
        }
    }
    assert!(open.is_empty(), "unanswered calls {open:?}");
}

/// generateContent: known fields; user first and in turns; no content without parts; the calls of a turn are all
/// answered, in their order, by name and id, in the content right behind it.
pub(crate) fn check_gemini(body: &Value) {
    check_fields(
        body,
        &[
            "systemInstruction",
            "contents",
            "tools",
            "generationConfig",
            "safetySettings",
        ],
    );
    if let Value::Object(config) = &body["generationConfig"] {
        let known = ["temperature", "topP", "maxOutputTokens", "seed", "thinkingConfig"];
        assert!(
            config.keys().all(|name| known.contains(&name.as_str())),
            "{config:?}"
        );
    }
    for tool in body["tools"][0]["functionDeclarations"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
    {
        check_name(text(tool, "name"));
        assert_eq!(text(&tool["parametersJsonSchema"], "type"), "object");
    }
    let key = |part: &Value| (part["name"].clone(), part["id"].clone());
    let mut open = Vec::new();
    for (index, content) in list(body, "contents").iter().enumerate() {
        let parts = list(content, "parts");
        assert!(!parts.is_empty(), "no parts at {index}");
        let role = text(content, "role");
        assert!(
            role == "user" || (role == "model" && index > 0),
            "{role} at {index}"
        );
        let all = |name: &str| -> Vec<_> { parts.iter().filter_map(|part| part.get(name)).collect() };
        let answers = all("functionResponse");
        assert!(answers.iter().all(|answer| answer["response"].is_object()));
        let answered: Vec<_> = answers.into_iter().map(key).collect();
        assert_eq!(
            answered, open,
            "each call is answered once, right behind its turn"
        );
        open = all("functionCall").into_iter().map(key).collect();
        assert!(role == "model" || open.is_empty());
    }
    assert!(open.is_empty(), "unanswered calls {open:?}");
}
