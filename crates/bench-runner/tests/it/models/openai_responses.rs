//! Responses: a conversation of several turns and tools, and what is sent for each setting.

use bench_core::Usage;
use bench_runner::model::ErrorClass;
use serde_json::json;

use super::shape::check_responses;
use super::stub::{Answer, Stub};
use super::talk::{CANARY, Had, Talk, converse};

/// Output items as a provider sends them: reasoning that only it can read, parallel calls, a kind we do not know.
const FIRST: &str = r#"[{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAAAABo=="},{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"I look."}],"phase":"commentary"},{"id":"fc_1","type":"function_call","status":"completed","arguments":"{\"key\":\"AB-1\"}","call_id":"call_A","name":"get_issue"},{"id":"fc_2","type":"function_call","status":"completed","arguments":"{\"key\":","call_id":"call_B","name":"get_issue"},{"type":"new_kind","z":1,"a": { "y" : 2.50,"y":1e0, "b":null}}]"#;

fn response(output: &str, status: &str, more: &str) -> Answer {
    let usage = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":64},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":120}"#;
    let body = format!(
        r#"{{"id":"resp_1","object":"response","status":"{status}","error":null,"model":"m-2026-01-01","output":{output},"usage":{usage}{more}}}"#
    );
    Answer::new(200, body).header("x-request-id", "req_1")
}

fn says(text: &str) -> String {
    json!([{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}])
        .to_string()
}

#[tokio::test]
async fn a_conversation_of_several_turns_and_tools() {
    let replies = [
        response(FIRST, "completed", ""),
        response(&says("Both are open."), "completed", ""),
    ];
    let answers = [("open", false), ("arguments are no JSON", true)];
    let Had { first, second, seen } = converse("openai:m?api=responses", "/v1", replies, &answers).await;
    assert_eq!(
        (first.turn.text.as_str(), first.turn.reasoning.as_str()),
        ("I look.", "hm")
    );
    let calls: Vec<_> = first
        .turn
        .tool_calls
        .iter()
        .map(|c| (c.id.as_str(), c.arguments.clone()))
        .collect();
    assert_eq!(
        calls,
        [
            ("call_A", json!({"key": "AB-1"})),
            ("call_B", json!(r#"{"key":"#))
        ]
    );
    assert_eq!(first.stop_reason, "completed");
    assert_eq!(first.served_by.as_deref(), Some("m-2026-01-01"));
    assert_eq!(first.request_id.as_deref(), Some("req_1"));
    let want = Usage {
        cache_write_tokens: None,
        input_tokens: Some(100),
        output_tokens: Some(20),
        cached_tokens: Some(64),
        reasoning_tokens: Some(8),
    };
    assert_eq!(first.usage, want);

    assert_eq!(second.turn.text, "Both are open.");
    for request in &seen {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/v1/responses")
        );
        assert_eq!(request.headers["authorization"], format!("Bearer {CANARY}"));
        check_responses(&request.json());
    }
    let rest = r#""tools":[{"type":"function","name":"get_issue","description":"Reads an issue.","parameters":{"type":"object","properties":{"key":{"type":"string"}},"required":["key"]},"strict":false}],"store":false,"include":["reasoning.encrypted_content"]"#;
    let start = r#"{"model":"m","instructions":"Be brief.","input":[{"role":"user","content":"hello"}"#;
    assert_eq!(
        seen[0].body,
        format!("{start}],{rest}}}"),
        "nothing is sent that was not asked for"
    );
    // The very bytes of the provider's items.
    let items = FIRST.trim_start_matches('[').trim_end_matches(']');
    let results = r#"{"type":"function_call_output","call_id":"call_A","output":"open"},{"type":"function_call_output","call_id":"call_B","output":"arguments are no JSON"}"#;
    assert_eq!(seen[1].body, format!("{start},{items},{results}],{rest}}}"));
    assert_eq!(seen[2].json()["input"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn settings_are_sent_if_they_are_set_and_extra_wins() {
    let stub = Stub::start([response(&says("ok"), "completed", "")]).await;
    let variant =
        "effort=high&temperature=0.5&top_p=0.9&max_output_tokens=77&body.metadata={\"a\":\"b\"}&body.top_p=1";
    let talk = Talk::with(&format!("openai:gpt-4o?api=responses&{variant}"), &stub.url);
    talk.ask().await.unwrap();
    let seen = stub.seen();
    check_responses(&seen[0].json());
    insta::assert_snapshot!(seen[0].body, @r#"
    {"model":"gpt-4o","input":[{"role":"user","content":"hello"}],"store":false,"reasoning":{"effort":"high"},"temperature":0.5,"max_output_tokens":77,"metadata":{"a":"b"},"top_p":1}
    "#);
}

#[tokio::test]
async fn a_turn_that_was_cut_off_says_why() {
    let more = r#","incomplete_details":{"reason":"max_output_tokens"}"#;
    let stub = Stub::start([response(&says("I wo"), "incomplete", more)]).await;
    let reply = Talk::with("openai:m?api=responses", &stub.url)
        .ask()
        .await
        .unwrap();
    assert_eq!(
        (reply.turn.text.as_str(), reply.stop_reason.as_str()),
        ("I wo", "max_output_tokens")
    );
}

#[tokio::test]
async fn failures_inside_an_answer_that_says_200_are_failures() {
    let failed =
        |code: &str| json!({"status": "failed", "output": [], "error": {"code": code, "message": "m"}});
    for (body, want) in [
        (failed("rate_limit_exceeded"), ErrorClass::RateLimit),
        (failed("server_error"), ErrorClass::Overloaded),
        (
            json!({"status": "in_progress", "output": []}),
            ErrorClass::Malformed,
        ),
        (json!({"status": "completed"}), ErrorClass::Malformed),
        (
            json!({"output": [{"type": "function_call", "name": "a"}]}),
            ErrorClass::Malformed,
        ),
    ] {
        let stub = Stub::start([Answer::json(200, &body)]).await;
        let error = Talk::with("openai:m?api=responses", &stub.url)
            .ask()
            .await
            .unwrap_err();
        assert_eq!(error.class, want, "{body}: {error}");
    }
}
