//! generateContent: a conversation of several turns and tools, and what is sent for each setting.

use std::time::Duration;

use bench_core::Usage;
use bench_runner::model::ErrorClass;
use serde_json::json;

use super::shape::check_gemini;
use super::stub::{Answer, Stub};
use super::talk::{CANARY, Had, Talk, converse, issue_schema};

/// A content as the provider sends it: a thought, a signature on the first of two calls, one of which has an id.
const FIRST: &str = r#"{"parts":[{"text":"hm","thought":true},{"text":"I look."},{"functionCall":{"name":"get_issue","args":{"key":"AB-1","deep":{"z":1,"a":2}}},"thoughtSignature":"EqQB=="},{"functionCall":{"id":"f-7","name":"get_issue","args":{"key":"AB-9"}}},{ "newKind": {"z":1.10,"a":[2e0, null],"z":1}}],"role":"model"}"#;

fn reply(content: &str, finish_reason: &str) -> Answer {
    let usage = r#"{"promptTokenCount":100,"candidatesTokenCount":20,"thoughtsTokenCount":8,"cachedContentTokenCount":64,"totalTokenCount":128}"#;
    Answer::new(
        200,
        format!(
            r#"{{"candidates":[{{"content":{content},"finishReason":"{finish_reason}","index":0}}],"usageMetadata":{usage},"modelVersion":"m-001","responseId":"r-1"}}"#
        ),
    )
}

fn says(text: &str) -> String {
    json!({"parts": [{"text": text}], "role": "model"}).to_string()
}

#[tokio::test]
async fn a_conversation_of_several_turns_and_tools() {
    let replies = [reply(FIRST, "STOP"), reply(&says("One is open."), "STOP")];
    let answers = [("open", false), ("no such issue", true)];
    let Had { first, second, seen } = converse("google:models/m", "", replies, &answers).await;
    assert_eq!(
        (first.turn.text.as_str(), first.turn.reasoning.as_str()),
        ("I look.", "hm")
    );
    let calls: Vec<_> = first
        .turn
        .tool_calls
        .iter()
        .map(|c| (c.id.as_str(), c.name.as_str()))
        .collect();
    assert_eq!(calls, [("call_0", "get_issue"), ("f-7", "get_issue")]);
    assert_eq!(
        first.turn.tool_calls[0].arguments,
        json!({"key": "AB-1", "deep": {"z": 1, "a": 2}})
    );
    assert_eq!(first.stop_reason, "STOP");
    assert_eq!(first.served_by.as_deref(), Some("m-001"));
    assert_eq!(first.request_id.as_deref(), Some("r-1"));
    let want = Usage {
        cache_write_tokens: None,
        input_tokens: Some(100),
        output_tokens: Some(28),
        cached_tokens: Some(64),
        reasoning_tokens: Some(8),
    };
    assert_eq!(first.usage, want);

    assert_eq!(second.turn.text, "One is open.");
    for request in &seen {
        let want = ("POST", "/v1beta/models/m:generateContent");
        assert_eq!((request.method.as_str(), request.path.as_str()), want);
        assert_eq!(request.headers["x-goog-api-key"], CANARY);
        check_gemini(&request.json());
    }
    let tools = r#""tools":[{"functionDeclarations":[{"name":"get_issue","description":"Reads an issue.","parametersJsonSchema":{"type":"object","properties":{"key":{"type":"string"}},"required":["key"]}}]}]"#;
    let start = r#"{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"hello"}]}"#;
    assert_eq!(
        seen[0].body,
        format!("{start}],{tools}}}"),
        "nothing is sent that was not asked for"
    );
    // The very bytes of the provider's content.
    let results = r#"{"role":"user","parts":[{"functionResponse":{"name":"get_issue","response":{"output":"open"}}},{"functionResponse":{"id":"f-7","name":"get_issue","response":{"error":"no such issue"}}}]}"#;
    assert_eq!(seen[1].body, format!("{start},{FIRST},{results}],{tools}}}"));
    assert_eq!(seen[2].json()["contents"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn settings_are_sent_if_they_are_set_and_extra_wins() {
    let stub = Stub::start([reply(&says("ok"), "STOP")]).await;
    let ask = async |variant: &str| {
        let talk = Talk::with(&format!("google:m?{variant}"), &stub.url);
        talk.ask().await.unwrap();
        let body = stub.seen().pop().unwrap().body;
        check_gemini(&serde_json::from_str(&body).unwrap());
        body
    };
    insta::assert_snapshot!(ask("effort=high&temperature=0.5&top_p=0.9&max_output_tokens=77&seed=3&body.safetySettings=[]").await, @r#"
    {"contents":[{"role":"user","parts":[{"text":"hello"}]}],"generationConfig":{"temperature":0.5,"topP":0.9,"maxOutputTokens":77,"seed":3,"thinkingConfig":{"thinkingLevel":"high"}},"safetySettings":[]}
    "#);
    insta::assert_snapshot!(ask("thinking=adaptive").await, @r#"
    {"contents":[{"role":"user","parts":[{"text":"hello"}]}],"generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}}
    "#);
    insta::assert_snapshot!(ask("thinking=0").await, @r#"
    {"contents":[{"role":"user","parts":[{"text":"hello"}]}],"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}
    "#);
}

#[tokio::test]
async fn names_that_the_format_forbids_go_there_and_back() {
    let call = |name: &str| {
        json!({"parts": [{"functionCall": {"name": name, "args": {}}}], "role": "model"}).to_string()
    };
    let stub = Stub::start([reply(&says("ok"), "STOP")]).await;
    let mut talk = Talk::with("google:m", &stub.url);
    talk.offer("repo.read file", "", issue_schema());
    talk.ask().await.unwrap();
    let body = stub.seen()[0].json();
    let sent = body["tools"][0]["functionDeclarations"][0]["name"]
        .as_str()
        .unwrap()
        .to_owned();

    let stub = Stub::start([reply(&call(&sent), "STOP")]).await;
    let mut talk = Talk::with("google:m", &stub.url);
    talk.offer("repo.read file", "", issue_schema());
    let reply = talk.ask().await.unwrap();
    assert_eq!(reply.turn.tool_calls[0].name, "repo.read file");
    talk.go_on(&reply, &[("ok", false)]);
    talk.ask().await.unwrap();
    check_gemini(&stub.seen()[1].json());
}

#[tokio::test]
async fn what_the_filter_refuses_is_told_apart() {
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {}});
    let stub = Stub::start([Answer::json(200, &blocked)]).await;
    let error = Talk::with("google:m", &stub.url).ask().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::ContentFilter, "{error}");
    assert!(error.message.contains("PROHIBITED_CONTENT"), "{error}");
    // A turn that was stopped is a turn, with the provider's word for why.
    let stub = Stub::start([reply("null", "SAFETY")]).await;
    let reply = Talk::with("google:m", &stub.url).ask().await.unwrap();
    assert_eq!(
        (reply.turn.text.as_str(), reply.stop_reason.as_str()),
        ("", "SAFETY")
    );
}

#[tokio::test]
async fn a_rate_limit_says_in_its_body_how_long() {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]);
    let body = json!({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": details}});
    let stub = Stub::start([Answer::json(429, &body)]).await;
    let error = Talk::with("google:m", &stub.url).ask().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::RateLimit);
    assert_eq!(error.retry_after, Some(Duration::from_millis(34_500)));
}
