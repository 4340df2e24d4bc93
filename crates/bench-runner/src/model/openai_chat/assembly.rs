//! A streamed chat completion: deltas of a message, then how it ended, then what it took, then `[DONE]`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::model::bounds;
use crate::model::format::NoTurn;
use crate::model::stream::{Assembly, Piece};

/// Members whose texts come in pieces. Everything else comes whole, however often.
const IN_PIECES: [&str; 7] = [
    "content",
    "refusal",
    "reasoning_content",
    "reasoning",
    "arguments",
    "text",
    "summary",
];

/// The completion so far.
#[derive(Default)]
pub(in crate::model) struct Completion {
    /// What is beside the choices.
    head: Map<String, Value>,
    message: Map<String, Value>,
    places: Places,
    finish_reason: Value,
    done: bool,
}

impl Assembly for Completion {
    fn take(&mut self, data: &str) -> Result<Piece, NoTurn> {
        if data.trim() == "[DONE]" {
            self.done = true;
            return Ok(Piece::Last);
        }
        let chunk: Map<String, Value> = serde_json::from_str(data)?;
        let mut piece = Piece::Other;
        for (name, value) in chunk {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("error", error) => return Err(NoTurn::Refused(error)),
                ("choices", Value::Array(choices)) => {
                    for choice in choices {
                        if self.take_choice(choice)? {
                            piece = Piece::Said;
                        }
                    }
                }
                (_, value) => drop(self.head.insert(name, value)),
            }
        }
        Ok(piece)
    }

    fn held(&self) -> usize {
        bounds::held(&self.head) + bounds::held(&self.message)
    }

    fn whole(mut self) -> Option<Vec<u8>> {
        if !self.done && self.finish_reason.is_null() {
            return None;
        }
        self.message.entry("content").or_insert(Value::Null);
        if let Some(Value::Array(calls)) = self.message.get_mut("tool_calls") {
            for call in calls.iter_mut().filter_map(Value::as_object_mut) {
                call.shift_remove("index"); // it only told whose piece a piece is
            }
        }
        let choice = Map::from_iter([
            ("index".to_owned(), 0.into()),
            ("message".to_owned(), Value::Object(self.message)),
            ("finish_reason".to_owned(), self.finish_reason),
        ]);
        self.head
            .insert("choices".to_owned(), vec![Value::Object(choice)].into());
        serde_json::to_vec(&self.head).ok()
    }
}

impl Completion {
    /// Whether the model said something in it. Further choices, which nobody asked for, are passed over.
    fn take_choice(&mut self, mut choice: Value) -> Result<bool, NoTurn> {
        if choice.get("index").is_some_and(|index| *index != 0) {
            return Ok(false);
        }
        let mut part = |name: &str| choice.get_mut(name).map(Value::take).unwrap_or_default();
        let (error, reason, delta) = (part("error"), part("finish_reason"), part("delta"));
        if !error.is_null() {
            return Err(NoTurn::Refused(error));
        }
        if !reason.is_null() {
            self.finish_reason = reason;
        }
        let Value::Object(delta) = delta else {
            return Ok(false);
        };
        let said = delta
            .iter()
            .any(|(name, value)| name != "role" && holds_something(value));
        for (name, new) in delta {
            match new {
                Value::Array(more) => self.take_items(&name, more),
                new => merge_member(&mut self.message, name, new),
            }
        }
        Ok(said)
    }

    /// Takes pieces of the items of a list.
    fn take_items(&mut self, list: &str, more: Vec<Value>) {
        if !matches!(self.message.get(list), Some(Value::Array(_))) {
            self.message.insert(list.to_owned(), Value::Array(Vec::new()));
            self.places.0.remove(list);
        }
        let Some(Value::Array(items)) = self.message.get_mut(list) else {
            return;
        };
        for item in more {
            let place = self.places.of(list, &item, items.len());
            match (items.get_mut(place), item) {
                (Some(Value::Object(whole)), Value::Object(delta)) => merge(whole, delta),
                (_, item) => items.push(item),
            }
        }
    }
}

fn holds_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

fn merge(whole: &mut Map<String, Value>, delta: Map<String, Value>) {
    for (name, new) in delta {
        merge_member(whole, name, new);
    }
}

fn merge_member(whole: &mut Map<String, Value>, name: String, new: Value) {
    match (whole.get_mut(&name), new) {
        (Some(_), Value::Null) => {}
        (Some(Value::String(text)), Value::String(more)) if IN_PIECES.contains(&name.as_str()) => {
            text.push_str(&more);
        }
        // Some servers repeat what they have said, as an empty text.
        (Some(Value::String(text)), Value::String(empty)) if !text.is_empty() && empty.is_empty() => {}
        (Some(Value::Object(fields)), Value::Object(more)) => merge(fields, more),
        (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
        (_, new) => drop(whole.insert(name, new)),
    }
}

/// Where the items of each of the message's lists are. Looking for them would take a time that grows with their number,
/// for every piece.
#[derive(Default)]
struct Places(HashMap<String, HashMap<(&'static str, String), usize>>);

impl Places {
    /// Which item a piece belongs to, `end` for a new one: that of its index. Servers that write none send whole calls,
    /// or go on with the last one.
    fn of(&mut self, list: &str, piece: &Value, end: usize) -> usize {
        let known = self.0.entry(list.to_owned()).or_default();
        let key = |name: &'static str| {
            let value = piece.get(name).filter(|value| holds_something(value))?;
            Some((name, value.to_string()))
        };
        let (index, id) = (key("index"), key("id").filter(|_| list == "tool_calls"));
        let place = match (&index, &id) {
            (Some(key), _) | (None, Some(key)) => known.get(key).copied().unwrap_or(end),
            (None, None) if list == "tool_calls" => end.saturating_sub(1),
            (None, None) => end,
        };
        for key in [index, id].into_iter().flatten() {
            known.entry(key).or_insert(place);
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn assembled(chunks: &[Value]) -> Option<Value> {
        let mut completion = Completion::default();
        for chunk in chunks {
            completion.take(&chunk.to_string()).unwrap();
        }
        serde_json::from_slice(&completion.whole()?).ok()
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write literals")]
    fn delta(delta: Value) -> Value {
        json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    }

    fn end() -> Value {
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    }

    #[test]
    fn pieces_of_calls_find_their_call() {
        let call = |index: Value, id: &str, arguments: &str| {
            let mut call =
                json!({"id": id, "type": "function", "function": {"name": "t", "arguments": arguments}});
            if !index.is_null() {
                call["index"] = index;
            }
            delta(json!({"tool_calls": [call]}))
        };
        let more = |index: u64, text: &str| {
            delta(json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]}))
        };
        let want = json!([
            {"id": "a", "type": "function", "function": {"name": "t", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "function", "function": {"name": "t", "arguments": "{}"}},
        ]);
        let by_index = [
            call(json!(0), "a", ""),
            more(0, "{\"x\""),
            call(json!(1), "b", "{"),
            more(0, ":1}"),
            more(1, "}"),
            end(),
        ];
        let by_id = [
            call(Value::Null, "a", "{\"x\":1}"),
            call(Value::Null, "b", "{}"),
            end(),
        ];
        let repeating = [
            call(json!(0), "a", "{\"x\""),
            call(json!(0), "", ":1}"),
            call(json!(1), "b", "{}"),
            end(),
        ];
        for chunks in [by_index.as_slice(), &by_id, &repeating] {
            let whole = assembled(chunks).unwrap();
            assert_eq!(whole["choices"][0]["message"]["tool_calls"], want);
        }
    }

    /// Minutes, if each piece looked for its call among all others.
    #[test]
    fn pieces_of_very_many_calls_find_them_too() {
        let piece = |index: usize| json!({"index": index, "function": {"arguments": "x"}});
        let all: Vec<Value> = (0..30_000).map(piece).collect();
        let whole = assembled(&[
            delta(json!({"tool_calls": all})),
            delta(json!({"tool_calls": all})),
            end(),
        ]);
        let whole = whole.unwrap();
        let calls = whole["choices"][0]["message"]["tool_calls"].as_array().unwrap();
        assert_eq!(
            (calls.len(), &calls[29_999]),
            (30_000, &json!({"function": {"arguments": "xx"}}))
        );
    }

    #[test]
    fn what_comes_whole_is_not_joined() {
        let details = |text: &str| json!([{"type": "reasoning.text", "index": 0, "id": "r", "text": text}]);
        let whole = assembled(&[
            delta(json!({"role": "assistant", "content": "", "reasoning": "h", "reasoning_details": details("h")})),
            delta(json!({"role": "assistant", "content": null, "reasoning": "m", "reasoning_details": details("m")})),
            delta(json!({"reasoning_details": [{"type": "reasoning.encrypted", "index": 1, "data": "=="}]})),
            delta(json!({"content": "ja", "annotations": [{"a": 1}]})),
            delta(json!({"content": "!", "annotations": [{"a": 1}]})),
            json!({"choices": [{"index": 1, "delta": {"content": "another choice"}}]}),
            end(),
        ])
        .unwrap();
        let encrypted = json!({"type": "reasoning.encrypted", "index": 1, "data": "=="});
        let want = json!({"role": "assistant", "content": "ja!", "reasoning": "hm",
            "reasoning_details": [details("hm")[0], encrypted], "annotations": [{"a": 1}, {"a": 1}]});
        assert_eq!(whole["choices"][0]["message"], want);
    }

    #[test]
    fn only_an_end_is_an_end() {
        assert!(assembled(&[delta(json!({"content": "I wo"}))]).is_none());
        assert!(assembled(&[]).is_none());
        assert!(
            assembled(&[delta(json!({"content": "done"})), end()]).is_some(),
            "some servers write no [DONE]"
        );
        let mut completion = Completion::default();
        assert_eq!(completion.take("[DONE]").unwrap(), Piece::Last);
        assert!(completion.whole().is_some());
    }
}
