//! Tool calls on servers that answer badly, late, or not at all.

use std::time::Duration;

use bench_runner::gym::{GymError, GymSession, ToolDeadline, ToolOutput};
use serde_json::{Map, Value, json};

use crate::gym_stub::{Asked, Reply, Stub, Visit, refusal, result};

const CALL: &str = "POST /mcp tools/call";

type Answer = fn(&Asked) -> Reply;

/// Opens a stub that answers calls with `reply`, and calls a tool once.
async fn call(
    reply: Answer,
    deadline: ToolDeadline,
) -> (Result<ToolOutput, GymError>, Stub, Box<dyn GymSession>) {
    let stub = Stub::start(move |asked| (asked.what == CALL).then(|| reply(asked))).await;
    let visit = Visit::new();
    let session = visit.connect(&stub.spec()).open(&visit.request).await.unwrap();
    let output = session.call_tool("echo", Map::new(), deadline).await;
    (output, stub, session)
}

fn patient() -> ToolDeadline {
    ToolDeadline {
        idle: Duration::from_secs(30),
        total: Duration::from_secs(30),
    }
}

fn progress(asked: &Asked) -> Value {
    let token = &asked.body["params"]["_meta"]["progressToken"];
    let params = json!({"progressToken": token, "progress": 1});
    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
}

#[tokio::test]
async fn arguments_arrive_and_answers_come_back() {
    let stub = Stub::start(|_| None).await;
    let visit = Visit::new();
    let session = visit.connect(&stub.spec()).open(&visit.request).await.unwrap();
    let arguments: Map<String, Value> = serde_json::from_value(json!({"b": 1.10, "a": "ü"})).unwrap();
    let output = session.call_tool("echo", arguments, patient()).await.unwrap();
    assert_eq!(output.text, r#"{"b":1.1,"a":"ü"}"#, "in the model's order");
}

#[tokio::test]
async fn a_megabyte_is_no_trouble() {
    let large = |asked: &Asked| {
        let text = "x".repeat(1 << 20);
        result(asked, &json!({"content": [{"type": "text", "text": text}]}))
    };
    assert_eq!(call(large, patient()).await.0.unwrap().text.len(), 1 << 20);
}

#[tokio::test]
async fn what_the_server_refuses_is_told_to_the_model() {
    let unknown = |asked: &Asked| refusal(asked, -32_602, "Unknown tool: echo");
    let (output, ..) = call(unknown, patient()).await;
    let want = ToolOutput {
        text: "Unknown tool: echo".into(),
        structured: Value::Null,
        is_error: true,
    };
    assert_eq!(output.unwrap(), want);
}

#[tokio::test]
async fn a_broken_answer_is_the_gyms_fault() {
    let cases: [(&str, Answer); 6] = [
        ("500", |_| Reply::Text(500, "Internal Server Error")),
        ("cut off", |_| Reply::Break),
        ("no JSON", |_| Reply::Text(200, "{oops")),
        ("JSON, but no JSON-RPC", |_| Reply::Json(200, json!({"hello": 1}))),
        ("a stream that ends without an answer", |asked| {
            Reply::Events(vec![progress(asked)])
        }),
        ("session lost", |asked| {
            refusal(asked, -32_000, "Bad Request: no valid session")
        }),
    ];
    for (name, reply) in cases {
        let (output, stub, _) = call(reply, patient()).await;
        let error = output.unwrap_err();
        assert!(matches!(error, GymError::Broken { .. }), "{name}: {error:?}");
        assert_eq!(stub.count(CALL), 1, "{name}: a call is never repeated");
    }
}

#[tokio::test]
async fn a_tool_that_hangs_is_cancelled_and_the_session_goes_on() {
    let deadline = ToolDeadline {
        idle: Duration::from_millis(100),
        total: Duration::from_secs(30),
    };
    let hangs = |asked: &Asked| match asked.body["params"]["name"].as_str() {
        Some("echo") => Reply::Never,
        _ => result(asked, &json!({"content": []})),
    };
    let (output, stub, session) = call(hangs, deadline).await;
    assert!(matches!(output, Err(GymError::ToolTimeout { .. })), "{output:?}");
    stub.until("POST /mcp notifications/cancelled").await;
    let asked = stub.asked();
    let id_of = |what: &str, pointer: &str| {
        let asked = asked.iter().find(|asked| asked.what == what).unwrap();
        asked.body.pointer(pointer).unwrap().clone()
    };
    assert_eq!(
        id_of("POST /mcp notifications/cancelled", "/params/requestId"),
        id_of(CALL, "/id")
    );
    assert!(session.call_tool("other", Map::new(), patient()).await.is_ok());
}

#[tokio::test]
async fn progress_gives_more_time_but_not_for_ever() {
    let answered = |asked: &Asked| {
        let answer = json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": {"content": []}});
        Reply::Ticking(
            Duration::from_millis(100),
            vec![progress(asked); 60].into_iter().chain([answer]).collect(),
        )
    };
    let idle = Duration::from_secs(5);
    let (output, ..) = call(
        answered,
        ToolDeadline {
            idle,
            total: Duration::from_secs(30),
        },
    )
    .await;
    assert!(
        output.is_ok(),
        "6 s of work, 5 s without progress at most: {output:?}"
    );

    let busy = |asked: &Asked| Reply::Ticking(Duration::from_millis(50), vec![progress(asked)]);
    let total = Duration::from_millis(500);
    let (output, ..) = call(
        busy,
        ToolDeadline {
            idle: Duration::from_secs(30),
            total,
        },
    )
    .await;
    assert!(
        matches!(output, Err(GymError::ToolTimeout { after, .. }) if after >= total),
        "{output:?}"
    );
}
