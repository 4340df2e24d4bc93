//! The rows of the fault table.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::server::{Act, Then};

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

fn status(fault: &'static str, status: u16) -> Row {
    row(fault, move |_| vec![http(status, &[], "<html>gateway</html>")])
}

/// A refusal with a header.
fn limited(fault: &'static str, name: &'static str, value: &'static str) -> Row {
    row(fault, move |_| vec![http(429, &[(name, value)], "{}")])
}

/// Ten a minute, none of them left.
const OPENAI_REQUESTS: [(&str, &str); 3] = [
    ("x-ratelimit-limit-requests", "10"),
    ("x-ratelimit-remaining-requests", "0"),
    ("x-ratelimit-reset-requests", "1m0s"),
];

fn refused_with(headers: &[(&str, &str)]) -> Vec<Act> {
    vec![http(429, headers, "{}")]
}

/// A refusal with an error object.
fn refused(fault: &'static str, status: u16, error: Value) -> Row {
    row(fault, move |_| {
        vec![http(status, &[], json!({"error": error}).to_string())]
    })
}

fn broken(fault: &'static str, bytes: &'static str, then: Then) -> Row {
    row(fault, move |_| vec![raw(bytes, then)])
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

/// What each format's providers say to such a schema.
fn schema_refused(format: Format) -> Act {
    let error = match format {
        Chat | Responses => {
            json!({"code": "invalid_function_parameters", "param": "tools[0].function.parameters",
            "message": "Invalid schema for function 't': schema must have type 'object' and not have \
                'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."})
        }
        Messages => {
            json!({"type": "invalid_request_error", "message": "tools.0.custom.input_schema: input_schema does \
            not support oneOf, allOf, or anyOf at the top level"})
        }
        Generate => {
            json!({"code": 400, "status": "INVALID_ARGUMENT", "message": "Invalid JSON payload received. \
            Unknown name \"$schema\" at 'tools[0].function_declarations[0].parameters': Cannot find field."})
        }
    };
    http(400, &[], json!({"error": error}).to_string())
}

/// What a llama.cpp server says.
fn no_grammar() -> Act {
    let message = "Failed to initialize samplers: failed to parse grammar";
    let error = json!({"code": 400, "message": message, "type": "invalid_request_error"});
    http(400, &[], json!({"error": error}).to_string())
}

fn schemas() -> Vec<Row> {
    vec![
        row("400, schema of a tool", |format| vec![schema_refused(format)]),
        row("400, schema of a tool, for ever", |format| {
            vec![schema_refused(format)]
        })
        .always(),
        row("400, schema of a tool, streamed", |format| {
            vec![schema_refused(format)]
        })
        .streamed(),
        row("400, no grammar of a schema", |_| vec![no_grammar()]).only(&[Chat, Responses]),
        row("400, no grammar, then another refusal", |format| {
            vec![no_grammar(), schema_refused(format)]
        })
        .only(&[Chat, Responses]),
        refused(
            "400, schema of a tool, in unknown words",
            400,
            json!({"code": "invalid_function_parameters", "message": "Invalid schema for function 't': no pattern, no oneOf"}),
        ),
    ]
}

fn statuses() -> Vec<Row> {
    vec![
        status("302 to somewhere else", 302),
        status("400", 400),
        status("401", 401),
        status("402", 402),
        status("403", 403),
        status("404", 404),
        status("408", 408),
        status("409", 409),
        status("413", 413),
        status("422", 422),
        status("425", 425),
        status("429", 429),
        status("500", 500),
        status("500, for ever", 500).always(),
        status("501", 501),
        status("502", 502),
        status("503", 503),
        status("504", 504),
        status("529", 529),
    ]
}

fn limits() -> Vec<Row> {
    let date = |_| {
        // Dates have whole seconds.
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
        vec![http(429, &[("retry-after", &date)], "{}")]
    };
    let storm = |_| vec![http(429, &[("retry-after", "5")], "{}"); 3];
    let details = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]);
    vec![
        limited("429, retry-after in seconds", "retry-after", "7"),
        row("429, retry-after as a date", date),
        limited("429, retry-after-ms", "retry-after-ms", "1500"),
        row("429, no requests left, full in a minute", |_| {
            refused_with(&OPENAI_REQUESTS)
        }),
        row("429, no tokens left, at a time", |_| {
            let reset = DateTime::<Utc>::from(SystemTime::now() + Duration::from_secs(30));
            let reset = reset.to_rfc3339();
            refused_with(&[
                ("anthropic-ratelimit-requests-remaining", "9"),
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                ("anthropic-ratelimit-input-tokens-reset", &reset),
            ])
        }),
        row("429, a window in milliseconds of 1970", |_| {
            let reset = DateTime::<Utc>::from(SystemTime::now() + Duration::from_secs(30));
            let reset = reset.timestamp_millis().to_string();
            refused_with(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &reset)])
        }),
        row("429, a window that ends in hours", |_| {
            refused_with(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "7200")])
        }),
        row("429, a window that ended in 1970", |_| {
            refused_with(&[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1000000000"),
            ])
        }),
        row("429, resets that cannot be", |_| {
            refused_with(&[
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "-5s"),
                ("ratelimit-remaining", "0"),
                ("ratelimit-reset", "NaN"),
                ("anthropic-ratelimit-tokens-remaining", "0"),
                ("anthropic-ratelimit-tokens-reset", "2199-01-01T00:00:00Z"),
            ])
        }),
        row("429, retry-after beside other headers", |_| {
            let mut headers = OPENAI_REQUESTS.to_vec();
            headers.push(("retry-after", "3"));
            refused_with(&headers)
        }),
        row("503, no requests left", |_| {
            vec![http(503, &OPENAI_REQUESTS, "{}")]
        }),
        row("500, no requests left", |_| {
            vec![http(500, &OPENAI_REQUESTS, "{}")]
        }),
        limited("429, retry-after is nonsense", "retry-after", "soon"),
        limited("429, retry-after of an hour", "retry-after", "3600"),
        row("429 three times", storm),
        status("429, for ever", 429).always(),
        row("503, retry-after in seconds", |_| {
            vec![http(503, &[("retry-after", "2")], "{}")]
        }),
        refused(
            "429, RetryInfo in the body",
            429,
            json!({"code": 429, "details": details}),
        )
        .only(&[Generate]),
        row("429, a window in the body", |_| {
            let reset = DateTime::<Utc>::from(SystemTime::now() + Duration::from_secs(30));
            let headers = json!({"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": reset.timestamp_millis().to_string()});
            let error = json!({"error": {"code": 429, "message": "free-models-per-min", "metadata": {"headers": headers}}});
            vec![http(429, &[], error.to_string())]
        }),
        row("429, not to be sent again", |_| {
            refused_with(&[("x-should-retry", "false")])
        }),
        row("400, to be sent again", |_| {
            vec![http(400, &[("x-should-retry", "true")], "{}")]
        }),
        row("401, to be sent again, for ever", |_| {
            vec![http(401, &[("x-should-retry", "true")], "{}")]
        })
        .always(),
        refused("429, quota used up", 429, json!({"code": "insufficient_quota"})).only(&[Chat, Responses]),
    ]
}

fn words() -> Vec<Row> {
    let key = json!({"code": 400, "details": [{"reason": "API_KEY_INVALID"}]});
    let unread = json!({"code": 500, "message": "Failed to parse input at pos 0", "type": "server_error"});
    let input = json!({"msg": "bad", "input": "It says: Invalid API key. Your credit balance is too low."});
    let echo = json!({"detail": [input]});
    vec![
        refused(
            "400, context too long",
            400,
            json!({"code": "context_length_exceeded"}),
        )
        .only(&[Chat, Responses]),
        refused(
            "400, prompt is too long",
            400,
            json!({"message": "prompt is too long: 9 tokens > 8"}),
        )
        .only(&[Messages]),
        refused("400, content filter", 400, json!({"code": "content_filter"})).only(&[Chat, Responses]),
        refused(
            "400, credit balance too low",
            400,
            json!({"message": "Your credit balance is too low"}),
        )
        .only(&[Messages]),
        refused("400, key not valid", 400, key).only(&[Generate]),
        refused("403, of the provider", 403, json!({"message": "no permission"})),
        row("422, repeats what was asked", move |_| {
            vec![http(422, &[], echo.to_string())]
        }),
        refused("500, unreadable for its own server, for ever", 500, unread).always(),
        row("200, overloaded inside", |format| {
            vec![ok(&format.overloaded_inside())]
        }),
        row("200, prompt blocked", |_| {
            vec![ok(&json!({"promptFeedback": {"blockReason": "SAFETY"}}))]
        })
        .only(&[Generate]),
    ]
}

fn network() -> Vec<Row> {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"id\":";
    const CHUNK: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n";
    let mut nobody = row("nobody listens", |_| Vec::new());
    nobody.nobody_there = true;
    vec![
        nobody,
        broken("closed before the head", "", Then::Close),
        broken("reset before the head", "", Then::Reset),
        broken("silence before the head", "", Then::Silence),
        broken("no HTTP", "220 smtp.example ESMTP\r\n", Then::Close),
        broken("closed in the body", HEAD, Then::Close),
        broken("reset in the body", HEAD, Then::Reset),
        broken("closed in a chunk", CHUNK, Then::Close),
        broken("silence in the body", HEAD, Then::Silence),
        broken("silence, for ever", "", Then::Silence).always(),
        broken(
            "huge body",
            "HTTP/1.1 200 OK\r\ncontent-length: 70000000\r\n\r\n{",
            Then::Close,
        ),
    ]
}

fn contents() -> Vec<Row> {
    let web = |_| {
        vec![http(
            200,
            &[("content-type", "text/html")],
            "<html>welcome</html>",
        )]
    };
    let with = |format: Format, name: &str, value: Value| {
        let mut answer = format.says("ok");
        answer[name] = value;
        vec![ok(&answer)]
    };
    let no_usage = |format: Format| {
        let mut answer = format.says("ok");
        for name in ["usage", "usageMetadata"] {
            answer.as_object_mut().unwrap().shift_remove(name);
        }
        vec![ok(&answer)]
    };
    vec![
        row("invalid JSON", |_| vec![http(200, &[], "{\"id\":\"x\",\"cho")]),
        row("invalid JSON, for ever", |_| vec![http(200, &[], "{\"id\":")]).always(),
        row("a web page", web),
        row("empty body", |_| vec![http(200, &[], "")]),
        row("invalid UTF-8", |format| {
            let text = format.says("\u{1}").to_string();
            let bytes = text.replace("\\u0001", "\u{e4}").into_bytes();
            let cut: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0xa4).collect();
            vec![http(200, &[], cut)]
        }),
        row("JSON, but no reply", |_| vec![ok(&json!({}))]),
        row("right JSON, wrong content type", |format| {
            vec![http(
                200,
                &[("content-type", "text/plain")],
                format.says("ok").to_string(),
            )]
        }),
        row("unknown fields", move |format| {
            with(format, "x_new", json!({"a": [1.5]}))
        }),
        row("no usage", no_usage),
        row("duplicate ids of calls", |format| {
            vec![ok(&format.calls(["c", "c"], "{}"))]
        }),
        row("arguments are no JSON", |format| {
            vec![ok(&format.calls(["c", "d"], "{\"a\":"))]
        })
        .only(&[Chat, Responses]),
    ]
}

fn streams() -> Vec<Row> {
    let begun = |format: Format, more: &str, then| vec![events(&(format.first_event() + more), then)];
    vec![
        row("stream: ends early", move |format| begun(format, "", Then::Close)).streamed(),
        row("stream: ends within an event", move |format| {
            begun(format, "data: {\"ty", Then::Close)
        })
        .streamed(),
        row("stream: ends early, for ever", move |format| {
            begun(format, "", Then::Close)
        })
        .streamed()
        .always(),
        row("stream: reset", move |format| begun(format, "", Then::Reset)).streamed(),
        row("stream: silence", move |format| begun(format, "", Then::Silence)).streamed(),
        row("stream: silence but for a comment", move |format| {
            begun(format, ": ping\n\n", Then::Silence)
        })
        .streamed(),
        row("stream: overloaded inside", move |format| {
            begun(format, &format.failing_event(), Then::Close)
        })
        .streamed(),
        row("stream: invalid JSON", move |format| {
            begun(format, "data: {\"type\":\n\n", Then::Close)
        })
        .streamed(),
        row("stream: no events", |_| {
            vec![events("<html>welcome</html>\n\n", Then::Close)]
        })
        .streamed(),
        row("stream: a whole reply instead", |_| Vec::new()).streamed(),
        row("stream: 529", |_| vec![http(529, &[], "{}")]).streamed(),
    ]
}
