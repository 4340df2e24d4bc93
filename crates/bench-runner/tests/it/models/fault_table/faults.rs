//! The rows of the fault table.

mod breaks;
mod refusals;

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::server::{Act, Then};
use breaks::{contents, network, streams};
use refusals::{limits, schemas, statuses, words};

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Chat,
    Responses,
    Messages,
    Generate,
}
use Format::{Chat, Generate, Messages, Responses};

pub(super) const FORMATS: &[Format] = &[Chat, Responses, Messages, Generate];

/// What goes wrong, and before which good answer.
pub(super) struct Row {
    pub(super) fault: &'static str,
    pub(super) formats: &'static [Format],
    pub(super) acts: Box<dyn Fn(Format) -> Vec<Act>>,
    pub(super) always: bool,
    pub(super) stream: bool,
    pub(super) nobody_there: bool,
}

impl Row {
    fn only(mut self, formats: &'static [Format]) -> Self {
        self.formats = formats;
        self
    }

    fn always(mut self) -> Self {
        self.always = true;
        self
    }

    fn streamed(mut self) -> Self {
        self.stream = true;
        self
    }
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Chat => "chat",
            Responses => "responses",
            Messages => "messages",
            Generate => "generate",
        }
    }

    pub(super) fn model(self, stream: bool) -> String {
        let model = match self {
            Chat => "compatible:m?",
            Responses => "openai:m?api=responses&",
            Messages => "anthropic:m?",
            Generate => "google:m?",
        };
        format!("{model}stream={stream}")
    }

    /// A good answer. Those who were asked for a stream may give a whole one, too.
    pub(super) fn good(self) -> Act {
        ok(&self.says("ok"))
    }

    fn says(self, text: &str) -> Value {
        let (one, counted) = (
            json!([{"type": "text", "text": text}]),
            json!({"output_tokens": 1}),
        );
        match self {
            Chat => {
                let message = json!({"role": "assistant", "content": text});
                json!({"choices": [{"message": message}], "usage": {"completion_tokens": 1}})
            }
            Responses => json!({"output": [{"type": "message", "content": one}], "usage": counted}),
            Messages => json!({"content": one, "usage": counted}),
            Generate => json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}}],
                "usageMetadata": {"candidatesTokenCount": 1}}),
        }
    }

    /// Two calls with these ids; with these arguments the second one.
    fn calls(self, ids: [&str; 2], arguments: &str) -> Value {
        let arguments = ["{}", arguments];
        let calls = ids.into_iter().zip(arguments).map(|(id, arguments)| match self {
            Chat => json!({"id": id, "type": "function", "function": {"name": "t", "arguments": arguments}}),
            Responses => json!({"type": "function_call", "call_id": id, "name": "t", "arguments": arguments}),
            Messages => json!({"type": "tool_use", "id": id, "name": "t", "input": {}}),
            Generate => json!({"functionCall": {"id": id, "name": "t", "args": {}}}),
        });
        let calls: Value = calls.collect();
        let mut answer = self.says("");
        match self {
            Chat => answer["choices"][0]["message"]["tool_calls"] = calls,
            Responses => answer["output"] = calls,
            Messages => answer["content"] = calls,
            Generate => answer["candidates"][0]["content"]["parts"] = calls,
        }
        answer
    }

    /// An error object of kind "overloaded" inside an answer that says 200.
    fn overloaded_inside(self) -> Value {
        match self {
            Chat => json!({"error": {"code": 503, "message": "no capacity"}}),
            Responses => {
                json!({"status": "failed", "output": [], "error": {"code": "server_error", "message": "m"}})
            }
            Messages => json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}),
            Generate => json!({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}),
        }
    }

    /// The first event of a stream.
    fn first_event(self) -> String {
        let event = match self {
            Chat => json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": "I wo"}}]}),
            Responses => json!({"type": "response.output_text.delta", "delta": "I wo"}),
            Messages => json!({"type": "message_start", "message": {"content": []}}),
            Generate => json!({"candidates": [{"content": {"parts": [{"text": "I wo"}]}}]}),
        };
        format!("data: {event}\n\n")
    }

    fn failing_event(self) -> String {
        let event = match self {
            Responses => json!({"type": "error", "code": "server_error", "message": "m"}),
            other => other.overloaded_inside(),
        };
        format!("data: {event}\n\n")
    }
}

fn http(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Act {
    let body = body.as_ref();
    let mut head = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend_from_slice(body);
    Act {
        bytes,
        then: Then::Close,
    }
}

fn ok(body: &Value) -> Act {
    http(200, &[("content-type", "application/json")], body.to_string())
}

fn raw(bytes: &str, then: Then) -> Act {
    Act {
        bytes: bytes.as_bytes().to_vec(),
        then,
    }
}

/// Events, the end of which is the end of the connection.
fn events(events: &str, then: Then) -> Act {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n";
    raw(&format!("{head}{events}"), then)
}

fn row(fault: &'static str, acts: impl Fn(Format) -> Vec<Act> + 'static) -> Row {
    Row {
        fault,
        formats: FORMATS,
        acts: Box::new(acts),
        always: false,
        stream: false,
        nobody_there: false,
    }
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = statuses();
    rows.extend(limits());
    rows.extend(words());
    rows.extend(schemas());
    rows.extend(network());
    rows.extend(contents());
    rows.extend(streams());
    rows
}

/// The schema of the tool that all requests offer: whatever a provider may refuse.
pub(super) fn schema() -> Value {
    json!({"$schema": "x", "type": "object", "oneOf": [], "properties": {"a": {"pattern": "\\d", "const": "1"}}})
}
