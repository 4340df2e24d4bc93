//! Streams that no provider should send and some do: lines that mean nothing, and replies that would fill the memory
//! or stop the run. What the model said is kept; what is no reply is refused at once.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bench_runner::model::ErrorClass;
use serde_json::{Value, json};

use super::stub::{Answer, Stub};
use super::talk::Talk;

fn events(stream: impl Into<String>, pieces: Option<usize>) -> Answer {
    let mut answer = Answer::new(200, stream.into());
    answer.headers = vec![("content-type", "text/event-stream".into())];
    answer.pieces = pieces;
    answer
}

#[tokio::test]
async fn lines_that_mean_nothing_are_passed_over_wherever_they_are_cut() {
    let said = json!({"choices": [{"delta": {"content": "größer"}}]});
    let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
    for (name, stream) in [
        (
            "behind",
            format!("data: {said}\n\ndata: {end}\n\ndata: [DONE]\n\nx-took: 12\n\n"),
        ),
        (
            "retry",
            format!("retry: soon\n\nretry\nretry: 1\nretry: 2\n\ndata: {said}\n\ndata: {end}\n\n"),
        ),
        (
            "no colon",
            format!("data\n\nwelcome\ndata:{said}\nready\n\ndata: {end}\n\ndata\n\n"),
        ),
        (
            "twice",
            format!("event: a\nevent: b\nid: 1\nid: 2\ndata: {said}\n\ndata: {end}\n\n"),
        ),
        (
            "mark",
            format!("\u{feff}data: {said}\r\rx-took: 1\r\r\ndata: {end}\n\r\n: bye\r"),
        ),
    ] {
        for size in [1, 2, 3, 5, 8, 13, 21, stream.len()] {
            let stub = Stub::start([events(stream.as_str(), Some(size))]).await;
            let reply = Talk::with("compatible:m?stream=true", &stub.url).ask().await;
            let reply = reply.unwrap_or_else(|error| panic!("{name}, {size}: {error}"));
            assert_eq!(reply.turn.text, "größer", "{name}, {size}");
            assert_eq!(reply.stop_reason, "stop", "{name}, {size}");
        }
    }
}

/// A list of `count` pieces, each with an index of its own.
fn many(count: usize, piece: &str) -> String {
    let mut list = String::from("[");
    for index in 0..count {
        let comma = if index == 0 { "" } else { "," };
        write!(list, "{comma}{}", piece.replace('#', &index.to_string())).unwrap();
    }
    list + "]"
}

async fn refused(model: &str, answer: Answer) {
    let stub = Stub::start([answer]).await;
    let began = Instant::now();
    let error = Talk::with(model, &stub.url).ask().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Malformed, "{model}: {error}");
    assert!(error.message.contains("more than "), "{model}: {error}");
    assert!(error.message.len() < 2_000, "{model}: {error}");
    assert!(
        began.elapsed() < Duration::from_mins(5), // on a busy machine, and without optimisation
        "{model}: {:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_million_calls_are_no_reply() {
    let chunk = |calls: &str| {
        let choice = format!(r#"{{"delta":{{"tool_calls":{calls}}},"finish_reason":"stop"}}"#);
        events(format!("data: {{\"choices\":[{choice}]}}\n\n"), None)
    };
    refused(
        "compatible:m?stream=true",
        chunk(&many(1_500_000, r#"{"index":#}"#)),
    )
    .await;
    let calls = many(10_001, r#"{"index":#,"id":"c#"}"#);
    refused("compatible:m?stream=true", chunk(&calls)).await;
    let whole = format!(r#"{{"choices":[{{"message":{{"tool_calls":{calls}}}}}]}}"#);
    refused("compatible:m", Answer::new(200, whole)).await;
    let items = many(10_001, r#"{"type":"function_call","call_id":"c#","name":"t"}"#);
    let response = format!(r#"{{"status":"completed","output":{items}}}"#);
    refused("openai:m?api=responses", Answer::new(200, response.clone())).await;
    let last = format!("data: {{\"type\":\"response.completed\",\"response\":{response}}}\n\n");
    refused("openai:m?api=responses&stream=true", events(last, None)).await;
    let parts = many(10_001, r#"{"functionCall":{"name":"t"}}"#);
    let content = format!(r#"{{"candidates":[{{"content":{{"parts":{parts}}},"finishReason":"STOP"}}]}}"#);
    refused(
        "google:m?stream=true",
        events(format!("data: {content}\n\n"), None),
    )
    .await;
    refused("google:m", Answer::new(200, content)).await;
    let blocks = many(10_001, r#"{"type":"tool_use","id":"c#","name":"t"}"#);
    refused(
        "anthropic:m",
        Answer::new(200, format!(r#"{{"content":{blocks}}}"#)),
    )
    .await;
}

/// As few values in each event as can be: together they are too many.
#[tokio::test]
async fn many_small_events_do_not_add_up_to_a_huge_reply() {
    let zeros = json!(vec![0; 400_000]);
    let chat =
        |index: usize| json!({"choices": [{"delta": {"annotations": [{"index": index, "x": zeros}]}}]});
    let block =
        |index: usize| json!({"type": "content_block_start", "index": index, "content_block": {"x": zeros}});
    let stream = |event: &dyn Fn(usize) -> Value| {
        (0..8).fold(String::new(), |stream, index| {
            format!("{stream}data: {}\n\n", event(index))
        })
    };
    refused("compatible:m?stream=true", events(stream(&chat), None)).await;
    refused("anthropic:m?stream=true", events(stream(&block), None)).await;
}
