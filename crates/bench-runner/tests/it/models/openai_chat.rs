//! Chat completions: a conversation of several turns and tools, and what is sent for each setting.

use bench_core::Usage;
use serde_json::json;

use super::shape::check_chat;
use super::stub::{Answer, Stub};
use super::talk::{CANARY, Had, Talk, converse, issue_schema};

/// A reply as a provider sends it, with fields that we do not know, in its own order and its own way of writing JSON.
const FIRST: &str = r#"{"role":"assistant","content":null,"refusal":null,"zebra": {"b":1.50, "a":[ 1e0,"\u00e9\u0007"],"b":1},"tool_calls":[{"id":"call_A","type":"function","function":{"name":"get_issue","arguments":"{\"key\": \"AB-1\"}"},"signature":"Zm9v"},{"id":"call_B","type":"function","function":{"name":"get_issue","arguments":"{\"key\": "}}],"annotations":[]}"#;

fn completion(message: &str, finish_reason: &str) -> Answer {
    let usage = r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_tokens_details":{"cached_tokens":64},"completion_tokens_details":{"reasoning_tokens":8}}"#;
    let body = format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","model":"m-2026-01-01","choices":[{{"index":0,"message":{message},"logprobs":null,"finish_reason":"{finish_reason}"}}],"usage":{usage}}}"#
    );
    Answer::new(200, body).header("x-request-id", "req_1")
}

#[tokio::test]
async fn a_conversation_of_several_turns_and_tools() {
    let answer = completion(r#"{"role":"assistant","content":"Both are open."}"#, "stop");
    let replies = [completion(FIRST, "tool_calls"), answer];
    let answers = [(r#"{"status":"open"}"#, false), ("arguments are no JSON", true)];
    let Had { first, second, seen } = converse("compatible:m", "/v1", replies, &answers).await;
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
            ("call_B", json!(r#"{"key": "#))
        ]
    );
    assert_eq!(first.stop_reason, "tool_calls");
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
            ("POST", "/v1/chat/completions")
        );
        assert_eq!(request.headers["authorization"], format!("Bearer {CANARY}"));
        assert_eq!(request.headers["content-type"], "application/json");
        check_chat(&request.json());
    }
    let tools = r#""tools":[{"type":"function","function":{"name":"get_issue","description":"Reads an issue.","parameters":{"type":"object","properties":{"key":{"type":"string"}},"required":["key"]}}}]"#;
    let start = r#"{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hello"}"#;
    assert_eq!(
        seen[0].body,
        format!("{start}],{tools}}}"),
        "nothing is sent that was not asked for"
    );
    // The very bytes of the provider's message.
    let results = r#"{"role":"tool","tool_call_id":"call_A","content":"{\"status\":\"open\"}"},{"role":"tool","tool_call_id":"call_B","content":"arguments are no JSON"}"#;
    assert_eq!(seen[1].body, format!("{start},{FIRST},{results}],{tools}}}"));
    let messages = seen[2].json()["messages"].as_array().unwrap().len();
    assert_eq!(messages, 7, "system, user, assistant, 2 tools, assistant, user");
}

#[tokio::test]
async fn settings_are_sent_if_they_are_set_and_extra_wins() {
    let stub = Stub::start([completion(r#"{"content":"ok"}"#, "stop")]).await;
    let mut talk = Talk::with("compatible:m", &stub.url);
    talk.settings.temperature = Some(0.5);
    talk.settings.top_p = Some(0.9);
    talk.settings.max_output_tokens = Some(77);
    talk.settings.seed = Some(3);
    talk.settings.effort = Some("low".into());
    talk.settings.extra.insert("top_k".into(), json!(4));
    talk.settings.extra.insert("temperature".into(), json!(1));
    talk.ask().await.unwrap();
    let seen = stub.seen();
    check_chat(&seen[0].json());
    insta::assert_snapshot!(seen[0].body, @r#"{"model":"m","messages":[{"role":"user","content":"hello"}],"top_p":0.9,"max_tokens":77,"seed":3,"reasoning_effort":"low","temperature":1,"top_k":4}"#);
}

#[tokio::test]
async fn names_that_the_format_forbids_go_there_and_back() {
    let stub = Stub::start([completion(r#"{"content":"ok"}"#, "stop")]).await;
    let mut talk = Talk::with("compatible:m", &stub.url);
    talk.offer("repo.read file", "", issue_schema());
    talk.ask().await.unwrap();
    let body = stub.seen()[0].json();
    check_chat(&body);
    let sent = body["tools"][0]["function"]["name"].as_str().unwrap().to_owned();

    let call = json!({"id": "c", "type": "function", "function": {"name": sent, "arguments": "{}"}});
    let stub = Stub::start([completion(
        &json!({"role": "assistant", "tool_calls": [call]}).to_string(),
        "x",
    )])
    .await;
    let mut talk = Talk::with("compatible:m", &stub.url);
    talk.offer("repo.read file", "", issue_schema());
    let reply = talk.ask().await.unwrap();
    assert_eq!(reply.turn.tool_calls[0].name, "repo.read file");
    talk.go_on(&reply, &[("ok", false)]);
    talk.ask().await.unwrap();
    let body = stub.seen()[1].json();
    check_chat(&body);
    assert_eq!(
        body["messages"][1]["tool_calls"][0]["function"]["name"],
        sent.as_str(),
        "as the model wrote it"
    );
}

#[tokio::test]
async fn an_empty_reply_is_a_reply() {
    let stub = Stub::start([completion(r#"{"role":"assistant","content":""}"#, "stop")]).await;
    let reply = Talk::with("compatible:m", &stub.url).ask().await.unwrap();
    assert_eq!((reply.turn.text.as_str(), reply.turn.tool_calls.len()), ("", 0));
}

#[tokio::test]
async fn failures_inside_an_answer_that_says_200_are_failures() {
    use bench_runner::model::ErrorClass;
    for (body, want) in [
        (
            json!({"error": {"code": 429, "message": "slow down"}}),
            ErrorClass::RateLimit,
        ),
        (
            json!({"choices": [{"error": {"code": 502, "message": "upstream"}, "message": {}}]}),
            ErrorClass::Overloaded,
        ),
        (json!({"choices": []}), ErrorClass::Malformed),
        (
            json!({"choices": [{"finish_reason": "stop"}]}),
            ErrorClass::Malformed,
        ),
        (json!({"choices": [{"message": "hi"}]}), ErrorClass::Malformed),
        (json!([]), ErrorClass::Malformed),
    ] {
        let stub = Stub::start([Answer::json(200, &body)]).await;
        let error = Talk::with("compatible:m", &stub.url).ask().await.unwrap_err();
        assert_eq!(error.class, want, "{body}: {error}");
        assert!(error.maybe_paid, "{body}: {error}");
    }
}
