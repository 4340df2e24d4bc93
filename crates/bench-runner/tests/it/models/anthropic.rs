//! Messages: a conversation of several turns and tools, and what is sent for each setting.

use bench_core::Usage;
use bench_runner::model::Message;
use serde_json::json;

use super::shape::check_messages;
use super::stub::{Answer, Stub};
use super::talk::{CANARY, Had, Talk, converse};

/// A turn as the provider sends it, with a signature, a block that we do not know, and JSON as nobody else writes it.
const FIRST: &str = r#"[{"type":"thinking","thinking":"hm","signature":"EqQB=="},{"type":"redacted_thinking","data":"xx"},{"type":"text","text":"I look."},{"type":"new_kind","z":1,"a": { "y" : 2.50,"y":1e0, "b":null}},{"type":"tool_use","id":"toolu_1","name":"get_issue","input":{"key":"AB-1","deep":{"z":1,"a":2}}},{"type":"tool_use","id":"toolu_2","name":"get_issue","input":{"key":"AB-9"}}]"#;

fn message(content: &str, stop_reason: &str) -> Answer {
    let usage = r#"{"input_tokens":10,"cache_creation_input_tokens":200,"cache_read_input_tokens":3000,"output_tokens":40,"service_tier":"standard"}"#;
    let body = format!(
        r#"{{"id":"msg_1","type":"message","role":"assistant","model":"claude-x-20260101","content":{content},"stop_reason":"{stop_reason}","stop_sequence":null,"usage":{usage}}}"#
    );
    Answer::new(200, body).header("request-id", "req_9")
}

#[tokio::test]
async fn a_conversation_of_several_turns_and_tools() {
    let answer = message(
        r#"[{"type":"text","text":"One is "},{"type":"text","text":"open."}]"#,
        "end_turn",
    );
    let replies = [message(FIRST, "tool_use"), answer];
    let answers = [("open", false), ("no such issue", true)];
    let Had { first, second, seen } = converse("anthropic:claude-x", "", replies, &answers).await;
    assert_eq!(
        (first.turn.text.as_str(), first.turn.reasoning.as_str()),
        ("I look.", "hm")
    );
    assert_eq!(
        first.turn.tool_calls[0].arguments,
        json!({"key": "AB-1", "deep": {"z": 1, "a": 2}})
    );
    assert_eq!(first.stop_reason, "tool_use");
    assert_eq!(first.served_by.as_deref(), Some("claude-x-20260101"));
    assert_eq!(first.request_id.as_deref(), Some("req_9"));
    let want = Usage {
        cache_write_tokens: Some(200),
        input_tokens: Some(3210),
        output_tokens: Some(40),
        cached_tokens: Some(3000),
        reasoning_tokens: None,
    };
    assert_eq!(first.usage, want);

    assert_eq!(second.turn.text, "One is open.");
    for request in &seen {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/v1/messages")
        );
        assert_eq!(request.headers["x-api-key"], CANARY);
        assert_eq!(request.headers["anthropic-version"], "2023-06-01");
        assert!(request.headers.get("authorization").is_none());
        check_messages(&request.json());
    }
    let start = r#"{"model":"claude-x","max_tokens":8192,"system":"Be brief.","messages":[{"role":"user","content":"hello"}"#;
    let tools = r#""tools":[{"name":"get_issue","description":"Reads an issue.","input_schema":{"type":"object","properties":{"key":{"type":"string"}},"required":["key"]}}]"#;
    assert_eq!(
        seen[0].body,
        format!("{start}],{tools}}}"),
        "nothing is sent that was not asked for"
    );
    let results = r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"open"},{"type":"tool_result","tool_use_id":"toolu_2","content":"no such issue","is_error":true}]}"#;
    let want = format!(r#"{start},{{"role":"assistant","content":{FIRST}}},{results}],{tools}}}"#);
    assert_eq!(seen[1].body, want, "the very bytes of the provider's blocks");
    assert_eq!(seen[2].json()["messages"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn settings_are_sent_if_they_are_set_and_extra_wins() {
    let stub = Stub::start([message("[]", "end_turn")]).await;
    let mut talk = Talk::with("anthropic:claude-x", &stub.url);
    talk.settings.temperature = Some(1.0);
    talk.settings.max_output_tokens = Some(77);
    talk.settings.extra.insert(
        "thinking".into(),
        json!({"type": "enabled", "budget_tokens": 1024}),
    );
    talk.settings.extra.insert("max_tokens".into(), json!(2048));
    talk.ask().await.unwrap();
    let seen = stub.seen();
    check_messages(&seen[0].json());
    insta::assert_snapshot!(seen[0].body, @r#"{"model":"claude-x","messages":[{"role":"user","content":"hello"}],"temperature":1.0,"max_tokens":2048,"thinking":{"type":"enabled","budget_tokens":1024}}"#);
}

#[tokio::test]
async fn effort_and_thinking_have_fields_of_their_own() {
    let stub = Stub::start([message("[]", "end_turn")]).await;
    let ask = async |variant: &str| {
        Talk::with(&format!("anthropic:claude-x?{variant}"), &stub.url)
            .ask()
            .await
            .unwrap();
        let body = stub.seen().pop().unwrap().json();
        check_messages(&body);
        json!([body["thinking"], body["output_config"], body["max_tokens"]])
    };
    assert_eq!(
        ask("effort=high&thinking=adaptive").await,
        json!([{"type": "adaptive"}, {"effort": "high"}, 8192])
    );
    let enabled = json!({"type": "enabled", "budget_tokens": 2048});
    assert_eq!(
        ask("thinking=2048").await,
        json!([enabled, null, 10_240]),
        "thinking counts as output"
    );
    assert_eq!(
        ask("thinking=2048&max_output_tokens=3000").await,
        json!([enabled, null, 3000])
    );
    assert_eq!(ask("thinking=0").await, json!([{"type": "disabled"}, null, 8192]));
    assert_eq!(ask("top_p=1").await, json!([null, null, 8192]));
}

#[tokio::test]
async fn an_empty_turn_is_a_reply_and_is_not_sent_back() {
    let stub = Stub::start([message("[]", "end_turn")]).await;
    let mut talk = Talk::with("anthropic:claude-x", &stub.url);
    let reply = talk.ask().await.unwrap();
    assert_eq!(reply.turn.text, "");
    talk.go_on(&reply, &[]);
    talk.messages.push(Message::User("are you there?".into()));
    talk.ask().await.unwrap();
    let seen = stub.seen();
    check_messages(&seen[1].json());
}
