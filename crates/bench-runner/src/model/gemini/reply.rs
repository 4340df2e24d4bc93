//! What Gemini models answer: parts of a content, and what was counted.

use bench_core::Usage;
use bench_core::transcript::ToolCall;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::model::format::NoTurn;
use crate::model::wire::our_name;
use crate::model::{AssistantTurn, Raw, ToolSpec};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply {
    pub(super) response_id: Option<String>,
    pub(super) model_version: Option<String>,
    pub(super) candidates: Option<Vec<Candidate>>,
    #[serde(default)]
    pub(super) prompt_feedback: Value,
    #[serde(default)]
    pub(super) usage_metadata: Value,
    pub(super) error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    pub(super) content: Option<Box<RawValue>>,
    pub(super) finish_reason: Option<String>,
}

fn parts_of(content: &Value) -> impl Iterator<Item = &Value> {
    content
        .get("parts")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// What we read in the parts, and the content itself. It may have no parts: cut off, filtered, a broken call.
pub(super) fn turn_of(
    as_it_came: Option<Box<RawValue>>,
    tools: &[ToolSpec],
) -> Result<AssistantTurn, NoTurn> {
    let Some(as_it_came) = as_it_came else {
        return Ok(AssistantTurn::default());
    };
    let mut content: Value = serde_json::from_str(as_it_came.get())?;
    let fields = content.as_object_mut().ok_or("its content is no object")?;
    let mut turn = AssistantTurn {
        raw: as_it_came.into(),
        ..AssistantTurn::default()
    };
    if !fields.contains_key("role") {
        fields.insert("role".to_owned(), "model".into());
        turn.raw = Raw::rewritten(&content);
    }
    for part in parts_of(&content) {
        let thought = part.get("thought").is_some_and(|thought| *thought == true);
        if let Some(text) = part.get("text").and_then(Value::as_str) {
            if thought {
                &mut turn.reasoning
            } else {
                &mut turn.text
            }
            .push_str(text);
        }
        if let Some(call) = part.get("functionCall") {
            turn.tool_calls.push(call_of(call, turn.tool_calls.len(), tools)?);
        }
    }
    Ok(turn)
}

fn call_of(call: &Value, index: usize, tools: &[ToolSpec]) -> Result<ToolCall, &'static str> {
    let text = |name: &str| {
        call.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    Ok(ToolCall {
        id: text("id").map_or_else(|| format!("call_{index}"), str::to_owned),
        name: our_name(tools, text("name").ok_or("a tool call has no name")?),
        arguments: call
            .get("args")
            .filter(|args| !args.is_null())
            .cloned()
            .unwrap_or_else(|| Map::new().into()),
    })
}

/// Tokens. Thoughts are counted beside the candidates, what a cache read is part of the prompt.
pub(super) fn usage_of(usage: &Value) -> Usage {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let sum = |one: &str, other: &str| match (count(one), count(other)) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or(0).saturating_add(other.unwrap_or(0))),
    };
    Usage {
        input_tokens: sum("promptTokenCount", "toolUsePromptTokenCount"),
        output_tokens: sum("candidatesTokenCount", "thoughtsTokenCount"),
        cached_tokens: count("cachedContentTokenCount"),
        reasoning_tokens: count("thoughtsTokenCount"),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::super::contents;
    use super::*;
    use crate::model::Message;

    fn read(content: &Value) -> Result<AssistantTurn, NoTurn> {
        turn_of(Some(to_raw_value(content).unwrap()), &[])
    }

    #[test]
    fn parts_are_read_and_kept() {
        let content = json!({"parts": [
            {"text": "hm", "thought": true},
            {"text": "I look.", "thoughtSignature": "c2ln"},
            {"functionCall": {"name": "a", "args": {"z": 1, "a": 2}}, "thoughtSignature": "c2ln"},
            {"functionCall": {"name": "b", "id": "f-1"}},
            {"newKind": {"z": 1}},
        ], "role": "model"});
        let turn = read(&content).unwrap();
        assert_eq!((turn.text.as_str(), turn.reasoning.as_str()), ("I look.", "hm"));
        let calls: Vec<_> = turn
            .tool_calls
            .iter()
            .map(|c| (c.id.as_str(), c.name.as_str()))
            .collect();
        assert_eq!(calls, [("call_0", "a"), ("f-1", "b")]);
        assert_eq!(turn.tool_calls[1].arguments, json!({}));
        assert_eq!(turn.raw.get(), content.to_string());
        assert!(read(&json!({"parts": [{"functionCall": {"args": {}}}]})).is_err());
        assert!(read(&json!("text")).is_err());
    }

    #[test]
    fn a_turn_without_parts_is_a_turn_and_not_sent_back() {
        let of = |content: Value| read(&content).unwrap();
        let nothing = turn_of(None, &[]).unwrap();
        for turn in [nothing, of(json!({"role": "model"})), of(json!({"parts": []}))] {
            assert_eq!((turn.text.as_str(), turn.tool_calls.len()), ("", 0));
            assert!(contents(&[Message::Assistant(turn)]).is_empty());
        }
    }

    #[test]
    fn thoughts_are_part_of_the_output() {
        let usage = usage_of(
            &json!({"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 70,
            "cachedContentTokenCount": 4, "totalTokenCount": 85}),
        );
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(10), Some(75)));
        assert_eq!((usage.cached_tokens, usage.reasoning_tokens), (Some(4), Some(70)));
        assert_eq!(usage_of(&Value::Null), Usage::default(), "unknown, not 0");
    }
}
