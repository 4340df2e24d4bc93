//! Replies in pieces: conversations as providers stream them, cut anywhere, in every wire format. The turn that goes
//! back is the one that would have come whole.

use std::time::Duration;

use bench_core::Usage;
use bench_runner::model::{ErrorClass, TurnReply};
use serde_json::{Value, json};

use super::shape::{check_chat, check_gemini, check_messages, check_responses};
use super::stub::{Answer, End, Stub, raw};
use super::talk::{Had, Talk, converse};

/// Sizes of the chunks in which a stream comes: within characters, within line ends, within events, all at once.
const SIZES: [usize; 7] = [1, 2, 3, 5, 16, 999, 1 << 20];

const CHAT: &str = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000000,"model":"m-001","choices":[{"index":0,"delta":{"role":"assistant","content":null,"refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"tX"}

: a sign of life

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[{"index":0,"delta":{"reasoning_content":"Hm — "},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[{"index":0,"delta":{"reasoning_content":"größer?"},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[{"index":0,"delta":{"content":"Ich prüfe "},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[{"index":0,"delta":{"content":"\ud83c\udf89🎉."},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_A","type":"function","function":{"name":"get_issue","arguments":""}}]},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"key\": "}}]},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"Größe-1\", \"n\": 1.10}"}}]},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_B","type":"function","function":{"name":"get_issue","arguments":"{"}}]},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":"}"}}]},"finish_reason":null}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m-001","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":8}}}

data: [DONE]

"#;

const CHAT_WHOLE: &str = r#"{"role":"assistant","content":"Ich prüfe 🎉🎉.","refusal":null,"reasoning_content":"Hm — größer?","tool_calls":[{"id":"call_A","type":"function","function":{"name":"get_issue","arguments":"{\"key\": \"Größe-1\", \"n\": 1.10}"}},{"id":"call_B","type":"function","function":{"name":"get_issue","arguments":"{}"}}]}"#;

const RESPONSES: &str = r#"event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","model":"m-001","output":[],"usage":null}}

event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}

event: response.reasoning_summary_text.delta
data: {"type":"response.reasoning_summary_text.delta","sequence_number":2,"item_id":"rs_1","output_index":0,"summary_index":0,"delta":"Hm — größer?"}

event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","sequence_number":3,"item_id":"fc_1","output_index":1,"delta":"{\"key\": \"Größe-1\", "}

event: response.completed
data: {"type":"response.completed","sequence_number":9,"response":{"id":"resp_1","object":"response","status":"completed","error":null,"model":"m-001","output":OUTPUT,"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":64},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":120}}}

"#;

/// The items of a response, without the brackets around them.
const RESPONSES_WHOLE: &str = r#"{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"Hm \u2014 größer?"}],"encrypted_content":"gAAAAABo=="},{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Ich prüfe 🎉\ud83c\udf89."}]},{"id":"fc_1","type":"function_call","status":"completed","arguments":"{\"key\": \"Größe-1\", \"n\": 1.10}","call_id":"call_A","name":"get_issue"},{"id":"fc_2","type":"function_call","status":"completed","arguments":"{}","call_id":"call_B","name":"get_issue", "z": 1.0}"#;

const MESSAGES: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m-001","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":36,"cache_creation_input_tokens":0,"cache_read_input_tokens":64,"output_tokens":1,"service_tier":"standard"}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm — "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"größer?"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCgIY1.10/+=="}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"EmwK"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Ich prüfe "}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"🎉\ud83c\udf89."}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"call_A","name":"get_issue","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"key\": \"Grö"}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"ße-1\", \"n\": 1.1"}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"0}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: content_block_start
data: {"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"call_B","name":"get_issue","input":{}}}

event: content_block_stop
data: {"type":"content_block_stop","index":4}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":20}}

event: message_stop
data: {"type":"message_stop"}

"#;

const MESSAGES_WHOLE: &str = r#"[{"type":"thinking","thinking":"Hm — größer?","signature":"EqQBCgIY1.10/+=="},{"type":"redacted_thinking","data":"EmwK"},{"type":"text","text":"Ich prüfe 🎉🎉."},{"type":"tool_use","id":"call_A","name":"get_issue","input":{"key": "Größe-1", "n": 1.10}},{"type":"tool_use","id":"call_B","name":"get_issue","input":{}}]"#;

const GENERATE: &str = r#"data: {"candidates":[{"content":{"parts":[{"text":"Hm — ","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"totalTokenCount":104,"thoughtsTokenCount":4},"modelVersion":"m-001","responseId":"r-1"}

data: {"candidates":[{"content":{"parts":[{"text":"größer?","thought":true},{"text":"Ich "}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":100,"totalTokenCount":110},"modelVersion":"m-001","responseId":"r-1"}

data: {"candidates":[{"content":{"parts":[{"text":"prüfe 🎉"}],"role":"model"},"index":0}],"modelVersion":"m-001","responseId":"r-1"}

data: {"candidates":[{"content":{"parts":[{"text":"\ud83c\udf89."},{"functionCall":{"id":"call_A","name":"get_issue","args":{"key": "Größe-1", "n": 1.10}},"thoughtSignature":"EqQBCgIY1.10=="}],"role":"model"},"index":0}],"modelVersion":"m-001","responseId":"r-1"}

data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"call_B","name":"get_issue","args":{}}},{"text":"","thoughtSignature":"c2ln"},{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":12,"thoughtsTokenCount":8,"cachedContentTokenCount":64,"totalTokenCount":120},"modelVersion":"m-001","responseId":"r-1"}

"#;

const GENERATE_WHOLE: &str = r#"{"parts":[{"text":"Hm — größer?","thought":true},{"text":"Ich prüfe 🎉🎉."},{"functionCall":{"id":"call_A","name":"get_issue","args":{"key": "Größe-1", "n": 1.10}},"thoughtSignature":"EqQBCgIY1.10=="},{"functionCall":{"id":"call_B","name":"get_issue","args":{}}},{"text":"","thoughtSignature":"c2ln"}],"role":"model"}"#;

/// A wire format: how a model is asked in it, a stream and what it comes to, and the end of a stream.
struct Format {
    model: &'static str,
    stream: String,
    whole: &'static str,
    /// Where requests go, and what asks for a stream in their bodies.
    asked: (&'static str, Value),
    check: fn(&Value),
    reasoning: Option<u64>,
}

fn formats() -> [Format; 4] {
    let include = json!([true, {"include_usage": true}]);
    [
        Format {
            model: "compatible:m?stream=true",
            stream: CHAT.to_owned(),
            whole: CHAT_WHOLE,
            asked: ("/chat/completions", include),
            check: check_chat,
            reasoning: Some(8),
        },
        Format {
            model: "openai:m?api=responses&stream=true",
            stream: RESPONSES.replace("OUTPUT", &format!("[{RESPONSES_WHOLE}]")),
            whole: RESPONSES_WHOLE,
            asked: ("/responses", json!([true, null])),
            check: check_responses,
            reasoning: Some(8),
        },
        Format {
            model: "anthropic:m?stream=true",
            stream: MESSAGES.to_owned(),
            whole: MESSAGES_WHOLE,
            asked: ("/v1/messages", json!([true, null])),
            check: check_messages,
            reasoning: None,
        },
        Format {
            model: "google:m?stream=true",
            stream: GENERATE.replace('\n', "\r\n"),
            whole: GENERATE_WHOLE,
            asked: (
                "/v1beta/models/m:streamGenerateContent?alt=sse",
                json!([null, null]),
            ),
            check: check_gemini,
            reasoning: Some(8),
        },
    ]
}

fn events(stream: &str, size: usize) -> Answer {
    let mut answer = Answer::new(200, stream.to_owned());
    answer.headers = vec![("content-type", "text/event-stream; charset=utf-8".into())];
    answer.pieces = Some(size);
    answer
}

#[tokio::test]
async fn a_streamed_conversation_is_the_same_as_one_that_came_whole() {
    for format in formats() {
        for size in SIZES {
            let replies = [events(&format.stream, size), events(&format.stream, size)];
            let answers = [("open", false), ("no such issue", true)];
            let stub = Stub::start(replies).await;
            let mut talk = Talk::with(format.model, &stub.url);
            talk.offer("get_issue", "Reads an issue.", super::talk::issue_schema());
            let first = talk.ask().await.unwrap();
            check_reply(&first, &format, size);
            talk.go_on(&first, &answers);
            talk.ask().await.unwrap();
            let seen = stub.seen();
            for request in &seen {
                assert_eq!(request.path, format.asked.0);
                let body = request.json();
                assert_eq!(json!([body["stream"], body["stream_options"]]), format.asked.1);
                (format.check)(&body);
            }
            assert!(seen[1].body.contains(format.whole), "{size}: {}", seen[1].body);
        }
    }
}

fn check_reply(reply: &TurnReply, format: &Format, size: usize) {
    let turn = &reply.turn;
    let said = (turn.text.as_str(), turn.reasoning.as_str());
    assert_eq!(
        said,
        ("Ich prüfe 🎉🎉.", "Hm — größer?"),
        "{} {size}",
        format.model
    );
    let calls: Vec<_> = turn
        .tool_calls
        .iter()
        .map(|c| (c.id.as_str(), &c.arguments))
        .collect();
    let (first, second) = (json!({"key": "Größe-1", "n": 1.1}), json!({}));
    assert_eq!(
        calls,
        [("call_A", &first), ("call_B", &second)],
        "{}",
        format.model
    );
    assert_eq!(reply.served_by.as_deref(), Some("m-001"));
    assert!(reply.request_id.is_some() && !reply.stop_reason.is_empty());
    assert!(reply.first_token.is_some(), "{}", format.model);
    let want = Usage {
        // Messages alone counts them.
        cache_write_tokens: format.reasoning.is_none().then_some(0),
        input_tokens: Some(100),
        output_tokens: Some(20),
        cached_tokens: Some(64),
        reasoning_tokens: format.reasoning,
    };
    assert_eq!(reply.usage, want, "{}", format.model);
}

#[tokio::test]
async fn a_stream_that_ends_before_its_turn_is_an_error_wherever_it_ends() {
    for format in formats() {
        let ends: Vec<usize> = format
            .stream
            .match_indices("\ndata: ")
            .map(|(at, _)| at + 1)
            .collect();
        // The last events of a chat completion say what it took, and that it is done.
        let needed = ends.len()
            - if format.model.starts_with("compatible") {
                2
            } else {
                0
            };
        for end in ends[..needed].iter().copied().chain([0, 40]) {
            let stub = Stub::start([events(&format.stream[..end], 64)]).await;
            let error = Talk::with(format.model, &stub.url).ask().await.unwrap_err();
            assert_eq!(
                error.class,
                ErrorClass::Network,
                "{} {end}: {error}",
                format.model
            );
            assert!(error.message.contains("ended before the reply did"), "{error}");
        }
    }
}

#[tokio::test]
async fn failures_inside_a_stream_are_failures() {
    let overloaded = json!({"type": "overloaded_error", "message": "Overloaded"});
    for (model, event) in [
        (
            "compatible:m",
            json!({"error": {"code": 503, "message": "Overloaded"}}),
        ),
        (
            "openai:m?api=responses",
            json!({"type": "error", "code": "server_error", "message": "Overloaded"}),
        ),
        (
            "openai:m?api=responses",
            json!({"type": "response.failed", "response": {"status": "failed", "output": [],
            "error": {"code": "server_error", "message": "Overloaded"}}}),
        ),
        ("anthropic:m", json!({"type": "error", "error": overloaded})),
        (
            "google:m",
            json!({"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}),
        ),
    ] {
        let sent = format!("event: x\ndata: {event}\n\n");
        fails_inside_a_stream(model, &sent, "Overloaded", ErrorClass::Overloaded).await;
    }
}

/// What llama.cpp sends in place of the rest: one error object, wrapped in two formats and bare in the third.
#[tokio::test]
async fn one_error_in_three_formats_is_one_failure() {
    let words = "The model produced output that does not match the expected peg-native format";
    let error = json!({"code": 500, "message": words, "type": "server_error"});
    let wrapped = format!("data: {}\n\n", json!({ "error": error }));
    let bare = format!("event: error\ndata: {error}\n\n");
    for (model, sent) in [
        ("compatible:m", &wrapped),
        ("openai:m?api=responses", &wrapped),
        ("anthropic:m", &bare),
    ] {
        fails_inside_a_stream(model, sent, &format!("500: {words}"), ErrorClass::Malformed).await;
    }
}

async fn fails_inside_a_stream(model: &str, sent: &str, words: &str, class: ErrorClass) {
    let stub = Stub::start([events(sent, 7)]).await;
    let variant = if model.contains('?') { "&" } else { "?" };
    let error = Talk::with(&format!("{model}{variant}stream=true"), &stub.url)
        .ask()
        .await
        .unwrap_err();
    assert_eq!(error.class, class, "{model}: {error}");
    assert!(error.maybe_paid, "{model}: the answer said 200");
    assert!(error.message.contains(words), "{model}: {error}");
}

#[tokio::test]
async fn what_is_no_stream_is_read_as_it_is() {
    let whole =
        json!({"choices": [{"message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]});
    let stub = Stub::start([Answer::json(200, &whole)]).await;
    let reply = Talk::with("compatible:m?stream=true", &stub.url)
        .ask()
        .await
        .unwrap();
    assert_eq!(
        (reply.turn.text.as_str(), reply.first_token),
        ("ok", None),
        "a server that does not stream"
    );
    for (body, why) in [
        ("data: {\"choices\":\n\n", "EOF while parsing"),
        ("data: 7\n\n", "invalid type"),
        ("<html>welcome</html>\n\n", "its event stream is none"),
    ] {
        for format in formats() {
            let stub = Stub::start([events(body, 3)]).await;
            let error = Talk::with(format.model, &stub.url).ask().await.unwrap_err();
            assert_eq!(error.class, ErrorClass::Malformed, "{error}");
            assert!(error.message.contains(why), "{error}");
        }
    }
}

/// llama.cpp promises to keep the connection and closes it behind every stream. A request that meets the closing may have
/// been paid for all anyone knows, so none may meet it.
#[tokio::test]
async fn a_server_that_closes_behind_a_stream_loses_no_request() {
    let url = raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nkeep-alive: timeout=5, max=100\r\n\
        transfer-encoding: chunked\r\n\r\n\
        54\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"I\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n\r\n0\r\n\r\n",
        End::NotAgain,
    )
    .await;
    let talk = Talk::with("compatible:m?stream=true", &url);
    for _ in 0..3 {
        let reply = talk.ask().await.unwrap();
        assert_eq!(reply.turn.text, "I");
    }
}

#[tokio::test]
async fn silence_within_a_stream_has_an_end_of_its_own() {
    let url = raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"I\"}}]}\n\n",
        End::Hang,
    )
    .await;
    let mut talk = Talk::with("compatible:m?stream=true", &url);
    // Half of it is time enough for the first event, on a busy machine too.
    talk.timeout = Duration::from_secs(6);
    let error = talk.ask().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Timeout);
    assert!(error.message.contains("fell silent for 3s"), "{error}");
}

#[tokio::test]
async fn long_messages_are_streamed_unless_told_otherwise() {
    for (variant, streams) in [
        ("", false),
        ("?max_output_tokens=21333", false),
        ("?max_output_tokens=21334", true),
        ("?thinking=42000", true),
        ("?max_output_tokens=64000&stream=false", false),
        ("?max_output_tokens=64000&body.stream=false", false),
    ] {
        let stub = Stub::start([events(MESSAGES, 1 << 20)]).await;
        // Whether the reply can be read is of no interest here.
        Talk::with(&format!("anthropic:m{variant}"), &stub.url)
            .ask()
            .await
            .ok();
        assert_eq!(stub.seen()[0].json()["stream"] == true, streams, "{variant}");
    }
}

#[tokio::test]
async fn an_input_that_was_cut_off_is_told_and_goes_back_in_an_object() {
    let cut = MESSAGES.replace("\"partial_json\":\"0}\"", "\"partial_json\":\"\"");
    let done = json!({"content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"});
    let Had { first, seen, .. } = converse(
        "anthropic:m?stream=true",
        "",
        [events(&cut, 9), Answer::json(200, &done)],
        &[("arguments are no JSON", true), ("open", false)],
    )
    .await;
    let text = r#"{"key": "Größe-1", "n": 1.1"#;
    assert_eq!(first.turn.tool_calls[0].arguments, json!(text));
    check_messages(&seen[1].json());
    let input = &seen[1].json()["messages"][1]["content"][3]["input"];
    assert_eq!(*input, json!({"INVALID_JSON": text}));
}
