//! Good answers in pieces, as each wire format streams them, cut into chunks at awkward places.

use std::convert::Infallible;
use std::fmt::Write as _;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::wire::Wire;

/// Sizes of the chunks, in turn: within characters, line ends and events.
const SIZES: [usize; 6] = [1, 2, 3, 31, 7, 200];

/// An answer as a stream. `with_usage` is what a request for chat completions asks for.
pub(super) fn respond(wire: Wire, whole: &Value, with_usage: bool) -> Response {
    let events = match wire {
        Wire::Chat => chat(whole, with_usage),
        Wire::Responses => responses(whole),
        Wire::Messages => messages(whole),
        Wire::Generate => generate(whole),
    };
    let chunks = stream::unfold((Bytes::from(events), 0), |(mut rest, n)| async move {
        // One poll between two chunks, so that each goes out by itself.
        tokio::task::yield_now().await;
        let size = SIZES[n % SIZES.len()].min(rest.len());
        let chunk = rest.split_to(size);
        (!chunk.is_empty()).then_some((Ok::<_, Infallible>(chunk), (rest, n + 1)))
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(chunks)).into_response()
}

fn event(events: &mut String, data: &Value) {
    if let Some(name) = data["type"].as_str() {
        writeln!(events, "event: {name}").expect("memory");
    }
    writeln!(events, "data: {data}\n").expect("memory");
}

/// A text in pieces of three characters; an empty one in none.
fn pieces(text: &Value) -> Vec<String> {
    let chars: Vec<char> = text.as_str().unwrap_or_default().chars().collect();
    chars.chunks(3).map(|piece| piece.iter().collect()).collect()
}

/// The object with some of its fields replaced.
fn with(object: &Value, fields: Value) -> Value {
    let mut object = object.clone();
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}

fn chat(whole: &Value, with_usage: bool) -> String {
    let (choice, mut events) = (&whole["choices"][0], String::new());
    let chunk = |choices: Value, usage: &Value| {
        let fields = json!({"object": "chat.completion.chunk", "choices": choices, "usage": usage});
        with(whole, fields)
    };
    let mut say = |delta: Value, finish: &Value| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        event(&mut events, &chunk(json!([choice]), &Value::Null));
    };
    let message = &choice["message"];
    let mut first = with(message, json!({"content": null}));
    first
        .as_object_mut()
        .expect("an object")
        .shift_remove("tool_calls");
    say(first, &Value::Null);
    for piece in pieces(&message["content"]) {
        say(json!({"content": piece}), &Value::Null);
    }
    for (i, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let function = json!({"name": call["function"]["name"], "arguments": ""});
        let begun = with(call, json!({"index": i, "function": function}));
        say(json!({"tool_calls": [begun]}), &Value::Null);
        for piece in pieces(&call["function"]["arguments"]) {
            say(
                json!({"tool_calls": [{"index": i, "function": {"arguments": piece}}]}),
                &Value::Null,
            );
        }
    }
    say(json!({}), &choice["finish_reason"]);
    if with_usage {
        event(&mut events, &chunk(json!([]), &whole["usage"]));
    }
    events + "data: [DONE]\n\n"
}

fn responses(whole: &Value) -> String {
    let mut events = String::new();
    let begun = with(
        whole,
        json!({"status": "in_progress", "output": [], "usage": null}),
    );
    event(
        &mut events,
        &json!({"type": "response.created", "response": begun}),
    );
    for (i, item) in whole["output"].as_array().into_iter().flatten().enumerate() {
        event(
            &mut events,
            &json!({"type": "response.output_item.added", "output_index": i, "item": item}),
        );
        let texts = [
            ("response.function_call_arguments.delta", &item["arguments"]),
            ("response.output_text.delta", &item["content"][0]["text"]),
        ];
        for (kind, text) in texts {
            for piece in pieces(text) {
                event(
                    &mut events,
                    &json!({"type": kind, "output_index": i, "delta": piece}),
                );
            }
        }
    }
    event(
        &mut events,
        &json!({"type": "response.completed", "response": whole}),
    );
    events
}

fn messages(whole: &Value) -> String {
    let mut events = String::new();
    let usage = with(&whole["usage"], json!({"output_tokens": 1}));
    let begun = with(whole, json!({"content": [], "stop_reason": null, "usage": usage}));
    event(&mut events, &json!({"type": "message_start", "message": begun}));
    for (i, block) in whole["content"].as_array().into_iter().flatten().enumerate() {
        let (emptied, deltas) = match block["type"].as_str() {
            Some("text") => (
                json!({"text": ""}),
                vec![("text_delta", "text", block["text"].clone())],
            ),
            Some("thinking") => (
                json!({"thinking": "", "signature": ""}),
                vec![
                    ("thinking_delta", "thinking", block["thinking"].clone()),
                    ("signature_delta", "signature", block["signature"].clone()),
                ],
            ),
            Some("tool_use") => (
                json!({"input": {}}),
                vec![(
                    "input_json_delta",
                    "partial_json",
                    block["input"].to_string().into(),
                )],
            ),
            _ => (json!({}), vec![]),
        };
        let begun = with(block, emptied);
        event(
            &mut events,
            &json!({"type": "content_block_start", "index": i, "content_block": begun}),
        );
        event(&mut events, &json!({"type": "ping"}));
        for (kind, field, text) in deltas {
            for piece in pieces(&text) {
                let delta = json!({"type": kind, field: piece});
                event(
                    &mut events,
                    &json!({"type": "content_block_delta", "index": i, "delta": delta}),
                );
            }
        }
        event(&mut events, &json!({"type": "content_block_stop", "index": i}));
    }
    let delta = json!({"stop_reason": whole["stop_reason"], "stop_sequence": null});
    let usage = json!({"output_tokens": whole["usage"]["output_tokens"]});
    event(
        &mut events,
        &json!({"type": "message_delta", "delta": delta, "usage": usage}),
    );
    event(&mut events, &json!({"type": "message_stop"}));
    events
}

fn generate(whole: &Value) -> String {
    let mut events = String::new();
    let mut say = |parts: Value, finish: &Value| {
        let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
        if !finish.is_null() {
            candidate["finishReason"] = finish.clone();
        }
        event(&mut events, &with(whole, json!({"candidates": [candidate]})));
    };
    let candidate = &whole["candidates"][0];
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        match part.get("text") {
            Some(text) => {
                for piece in pieces(text) {
                    say(json!([with(part, json!({"text": piece}))]), &Value::Null);
                }
            }
            None => say(json!([part]), &Value::Null),
        }
    }
    say(json!([{"text": ""}]), &candidate["finishReason"]);
    events
}
