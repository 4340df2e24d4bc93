//! Answers that break: on the way, in what they hold, in the middle of a stream.

use super::*;

fn broken(fault: &'static str, bytes: &'static str, then: Then) -> Row {
    row(fault, move |_| vec![raw(bytes, then)])
}

pub(super) fn network() -> Vec<Row> {
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

pub(super) fn contents() -> Vec<Row> {
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

pub(super) fn streams() -> Vec<Row> {
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
