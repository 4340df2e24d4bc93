//! What was said, as chat messages, and a model's reply as the output that Inspect knows.

use bench_core::transcript::{Entry, Line, ToolCall};
use bench_core::{TrialId, Usage, Usd};
use serde_json::{Value, json};

use super::spent::Spent;
use super::{lean, model_name, seconds};
use crate::text;

/// Characters of a tool's error beside the whole text.
const LONGEST_ERROR: usize = 1_000;

/// The id of the message that line `n` of a transcript holds. No two messages of a run have the same.
pub(super) fn id(trial: &TrialId, n: usize) -> String {
    format!("{trial}/{n}")
}

/// The line as a message; none if nobody said it to anybody. `model` is the trial's.
pub(super) fn message(trial: &TrialId, model: &str, n: usize, line: &Line) -> Option<Value> {
    let id = id(trial, n);
    let message = match &line.entry {
        Entry::System { text } => json!({"id": id, "role": "system", "content": text}),
        Entry::User { text, .. } => json!({"id": id, "role": "user", "content": text, "source": "input"}),
        Entry::Assistant {
            text,
            reasoning,
            tool_calls,
            served_by,
            ..
        } => {
            let by = served_by.clone().unwrap_or_else(|| model_name(model));
            said(&id, &by, reasoning, text, tool_calls)
        }
        Entry::ToolResult {
            call_id,
            tool,
            gym,
            is_error,
            text,
            cut_bytes,
            ..
        } => lean(json!({
            "id": id,
            "role": "tool",
            "content": text,
            "tool_call_id": call_id,
            "function": tool,
            "error": tool_error(*is_error, text),
            "metadata": lean(json!({
                "gym": (!gym.is_empty()).then_some(gym),
                "bytes_not_shown_to_the_model": (*cut_bytes > 0).then_some(cut_bytes),
            })),
        })),
        _ => return None,
    };
    Some(message)
}

/// What a model said.
pub(super) fn said(id: &str, model: &str, reasoning: &str, text: &str, tool_calls: &[ToolCall]) -> Value {
    let calls: Vec<Value> = tool_calls.iter().map(tool_call).collect();
    lean(json!({
        "id": id,
        "role": "assistant",
        "content": content(reasoning, text),
        "source": "generate",
        "tool_calls": (!calls.is_empty()).then_some(calls),
        "model": model,
    }))
}

/// Always in parts: Inspect would look for reasoning in a plain text of a model, and take it out.
fn content(reasoning: &str, text: &str) -> Vec<Value> {
    let reasoning = (!reasoning.is_empty()).then(|| json!({"type": "reasoning", "reasoning": reasoning}));
    let text = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
    reasoning.into_iter().chain(text).collect()
}

fn tool_call(call: &ToolCall) -> Value {
    let (arguments, parse_error) = arguments(call);
    lean(json!({
        "id": call.id,
        "function": call.name,
        "arguments": arguments,
        "parse_error": parse_error,
    }))
}

/// The arguments as an object; and what the model wrote, if that is none.
pub(super) fn arguments(call: &ToolCall) -> (Value, Option<String>) {
    match &call.arguments {
        Value::Object(_) => (call.arguments.clone(), None),
        Value::Null => (json!({}), None),
        Value::String(text) => (json!({}), Some(format!("no JSON object: {text}"))),
        other => (json!({}), Some(format!("no JSON object: {other}"))),
    }
}

/// What Inspect calls a tool's error. The whole text is the result.
pub(super) fn tool_error(is_error: bool, text: &str) -> Option<Value> {
    is_error.then(|| json!({"type": "unknown", "message": text::shorten(text, LONGEST_ERROR)}))
}

/// A model's reply.
pub(super) struct Reply<'a> {
    /// As a message.
    pub(super) message: Value,
    pub(super) text: &'a str,
    /// Why it stopped, in the provider's word.
    pub(super) stop_reason: &'a str,
    pub(super) calls_tools: bool,
    pub(super) usage: Usage,
    pub(super) cost_usd: Option<Usd>,
    pub(super) took_ms: u64,
    /// Who answered.
    pub(super) model: String,
}

impl Reply<'_> {
    /// As the output of a model.
    pub(super) fn output(self) -> Value {
        let spent = Spent {
            usage: self.usage,
            usd: self.cost_usd,
        };
        let said = (!self.stop_reason.is_empty()).then(|| json!({"stop_reason": self.stop_reason}));
        lean(json!({
            "model": self.model,
            "choices": [{
                "message": self.message,
                "stop_reason": stop_reason(self.stop_reason, self.calls_tools),
            }],
            "completion": self.text,
            "usage": spent.value(),
            "time": seconds(self.took_ms),
            "metadata": said,
        }))
    }
}

/// Inspect's word for why a reply ended.
fn stop_reason(word: &str, calls_tools: bool) -> &'static str {
    match word.to_ascii_lowercase().as_str() {
        _ if calls_tools => "tool_calls",
        "stop" | "end_turn" | "stop_sequence" | "completed" | "eos" => "stop",
        "length" | "max_tokens" | "max_output_tokens" => "max_tokens",
        "model_context_window_exceeded" | "model_length" => "model_length",
        "tool_calls" | "tool_use" | "function_call" => "tool_calls",
        "content_filter" | "refusal" | "safety" | "recitation" | "blocklist" | "prohibited_content"
        | "spii" => "content_filter",
        _ => "unknown",
    }
}

/// The output of the trial's model, if the line is a reply of it.
pub(super) fn output(trial: &TrialId, model: &str, n: usize, line: &Line) -> Option<Value> {
    let Entry::Assistant {
        text,
        tool_calls,
        stop_reason,
        served_by,
        usage,
        cost_usd,
        took_ms,
        ..
    } = &line.entry
    else {
        return None;
    };
    let reply = Reply {
        message: message(trial, model, n, line)?,
        text,
        stop_reason,
        calls_tools: !tool_calls.is_empty(),
        usage: *usage,
        cost_usd: *cost_usd,
        took_ms: *took_ms,
        model: served_by.clone().unwrap_or_else(|| model_name(model)),
    };
    Some(reply.output())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_all_providers_are_understood_and_calls_outweigh_them() {
        for (word, calls, want) in [
            ("stop", false, "stop"),
            ("end_turn", false, "stop"),
            ("STOP", false, "stop"),
            ("STOP", true, "tool_calls"),
            ("tool_use", true, "tool_calls"),
            ("MAX_TOKENS", false, "max_tokens"),
            ("max_output_tokens", false, "max_tokens"),
            ("SAFETY", false, "content_filter"),
            ("", false, "unknown"),
            ("brand_new", false, "unknown"),
        ] {
            assert_eq!(stop_reason(word, calls), want, "{word} {calls}");
        }
    }

    #[test]
    fn arguments_are_an_object_whatever_the_model_wrote() {
        let call = |arguments| ToolCall {
            id: "1".into(),
            name: "f".into(),
            arguments,
        };
        assert_eq!(
            arguments(&call(json!({"a": null}))),
            (json!({"a": null}), None),
            "a null argument stays one"
        );
        assert_eq!(arguments(&call(Value::Null)), (json!({}), None));
        let (object, trouble) = arguments(&call(json!("{\"a\":")));
        assert_eq!(
            (object, trouble.as_deref()),
            (json!({}), Some("no JSON object: {\"a\":"))
        );
        assert!(arguments(&call(json!([1]))).1.is_some());
    }
}
