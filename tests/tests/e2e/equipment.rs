//! The stubs themselves: a test of the product is only as good as they are.

use std::net::Ipv4Addr;
use std::time::Duration;

use bench_tests::bad_gym::{BadGym, Faults, Handshake};
use bench_tests::model_stub::script::{Conversation, Fault, RetryAfter, Script, Turn, call, status};
use bench_tests::model_stub::{ModelStub, load};
use bench_tests::{mcp_echo, model_stub::Stats};
use reqwest::{Client, Response};
use serde_json::{Value, json};

fn client() -> Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    Client::builder()
        .no_proxy()
        .timeout(Duration::from_mins(1))
        .build()
        .unwrap()
}

async fn chat(url: &str, messages: &Value) -> Result<Response, reqwest::Error> {
    let body = json!({"model": "m", "messages": messages});
    let url = format!("{url}/v1/chat/completions");
    client().post(url).bearer_auth("k").json(&body).send().await
}

async fn rpc(url: &str, method: &str, params: Value) -> Result<Value, reqwest::Error> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let request = client()
        .post(url)
        .header("accept", "application/json, text/event-stream");
    let answer = request.header("x-database-id", "db-1").json(&body).send().await?;
    answer.json().await
}

#[tokio::test]
async fn a_script_is_played_turn_by_turn_with_faults_before_it() {
    let wait = Fault::Status {
        status: 429,
        retry_after: Some(RetryAfter::Seconds(7)),
    };
    let stub = ModelStub::start(
        Script::always([
            Turn::call([call("echo", json!({"message": "a"}))]).after([wait, status(500)]),
            Turn::say("bye"),
        ])
        .and(Conversation::when("never", [])),
    );
    let user = json!([{"role": "user", "content": "hello"}]);
    let first = chat(&stub.url(), &user).await.unwrap();
    assert_eq!(
        (first.status().as_u16(), &first.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(chat(&stub.url(), &user).await.unwrap().status().as_u16(), 500);
    let third: Value = chat(&stub.url(), &user).await.unwrap().json().await.unwrap();
    let message = &third["choices"][0]["message"];
    assert_eq!(
        message["tool_calls"][0]["function"]["arguments"],
        json!(r#"{"message":"a"}"#)
    );
    let answer = json!({"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "a"});
    let next = json!([user[0], message, answer]);
    let last: Value = chat(&stub.url(), &next).await.unwrap().json().await.unwrap();
    assert_eq!(last["choices"][0]["message"]["content"], "bye");
    assert_eq!(
        stub.stats(),
        Stats {
            calls: 4,
            in_flight: 0,
            max_in_flight: 1,
            refused: 0,
        }
    );
    assert!(stub.refusals().is_empty());
}

#[tokio::test]
async fn a_bad_request_is_refused_with_a_reason_and_kept() {
    let stub = ModelStub::start(Script::always([Turn::say("x")]));
    let refused = chat(&stub.url(), &json!([])).await.unwrap();
    assert_eq!(refused.status().as_u16(), 400);
    assert_eq!(
        stub.refusals(),
        ["messages: too short, expected at least one item"]
    );
    assert_eq!(stub.requests()[0].body["model"], "m");
}

#[tokio::test]
async fn broken_answers_are_broken_on_the_wire() {
    let faults = [Fault::Reset, Fault::Truncated, Fault::NotJson];
    let stub = ModelStub::start(Script::always([Turn::say("x").after(faults)]));
    let user = json!([{"role": "user", "content": "hello"}]);
    let reset = chat(&stub.url(), &user).await;
    let text = async |response: Response| response.text().await;
    assert!(match reset {
        Ok(response) => text(response).await.is_err(),
        Err(_) => true,
    });
    let truncated = text(chat(&stub.url(), &user).await.unwrap()).await.unwrap();
    assert!(truncated.starts_with('{') && serde_json::from_str::<Value>(&truncated).is_err());
    assert!(
        text(chat(&stub.url(), &user).await.unwrap())
            .await
            .unwrap()
            .starts_with("<html>")
    );
}

#[tokio::test]
async fn the_model_for_load_counts_replies() {
    let options = load::LoadOptions {
        tool_calls: 1,
        latency: Duration::ZERO,
        limit: None,
    };
    let served = load::start((Ipv4Addr::LOCALHOST, 0).into(), options);
    let user = json!({"role": "user", "content": "hello"});
    let first: Value = chat(&served.url(), &json!([user]))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let message = &first["choices"][0]["message"];
    assert_eq!(message["tool_calls"][0]["function"]["name"], "echo");
    let last: Value = chat(&served.url(), &json!([user, message]))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(last["choices"][0]["message"]["content"], load::FINAL_ANSWER);
}

#[tokio::test]
async fn the_bad_gym_is_good_until_it_is_asked_to_be_bad() {
    let faults = Faults {
        handshake: Handshake::ServerError,
        good_handshakes: 1,
        ..Faults::default()
    };
    let gym = BadGym::start(faults);
    let url = gym.mcp_url();
    let hello = rpc(&url, "initialize", json!({})).await.unwrap();
    assert_eq!(hello["result"]["protocolVersion"], "2024-11-05");
    assert!(rpc(&url, "initialize", json!({})).await.is_err());
    let echo = json!({"name": "echo", "arguments": {"message": "hi"}});
    assert_eq!(
        rpc(&url, "tools/call", echo).await.unwrap()["result"]["content"][0]["text"],
        "hi"
    );
    assert!(rpc(&url, "tools/call", json!({"name": "reset"})).await.is_err());
    assert_eq!(gym.databases(), ["db-1"]);
    // It dies in the middle of this call; afterwards nobody listens.
    assert!(rpc(&url, "tools/call", json!({"name": "die"})).await.is_err());
    assert!(rpc(&url, "ping", json!({})).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn the_server_for_load_speaks_mcp() {
    let served = mcp_echo::start((Ipv4Addr::LOCALHOST, 0).into());
    let hello = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello});
    let request = client().post(served.url() + "/mcp").json(&body);
    let answer = request
        .header("accept", "application/json, text/event-stream")
        .send()
        .await
        .unwrap();
    assert!(answer.headers().contains_key("mcp-session-id"));
    let text = answer.text().await.unwrap();
    assert!(text.contains("\"tools\""), "{text}");
}
