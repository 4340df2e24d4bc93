//! Answers that are refusals: by status, by what they ask for, by their own words.

use super::*;

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

pub(super) fn schemas() -> Vec<Row> {
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

pub(super) fn statuses() -> Vec<Row> {
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

pub(super) fn limits() -> Vec<Row> {
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

pub(super) fn words() -> Vec<Row> {
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
