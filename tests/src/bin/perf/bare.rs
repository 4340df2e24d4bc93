//! The least code that does the same conversations: one HTTP client, hand-written JSON-RPC, no verifier,
//! no journal, nothing on disk. What a runner costs above this is the price of what it does more.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::HeaderMap;
use reqwest::Client;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Failure;

/// The role `bare`: `bare MODEL_URL MCP_URL SAMPLES CONCURRENCY`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let [model_url, mcp_url, samples, concurrency] = arguments else {
        return Err("expected: bare MODEL_URL MCP_URL SAMPLES CONCURRENCY".into());
    };
    let (samples, concurrency): (usize, usize) = (samples.parse()?, concurrency.parse()?);
    rustls::crypto::ring::default_provider().install_default().ok();
    let loop_ = Arc::new(Loop {
        client: Client::builder().no_proxy().tcp_nodelay(true).build()?,
        chat_url: format!("{model_url}/v1/chat/completions"),
        mcp_url: mcp_url.clone(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut running = FuturesUnordered::new();
        for started in 0..samples {
            if started >= concurrency {
                running.next().await.transpose()?;
            }
            running.push(Arc::clone(&loop_).sample());
        }
        while let Some(result) = running.next().await {
            result?;
        }
        Ok(())
    })
}

struct Loop {
    client: Client,
    chat_url: String,
    mcp_url: String,
}

/// The parts of a chat completion that the loop needs.
#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Box<RawValue>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
}

#[derive(Deserialize)]
struct ToolCall {
    id: String,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    arguments: String,
}

impl Loop {
    /// One conversation.
    async fn sample(self: Arc<Self>) -> Result<(), Failure> {
        let session = self.open().await?;
        let tools = self.rpc(&session, "tools/list", &json!({})).await?;
        let tools: Vec<Value> = tools["result"]["tools"]
            .as_array()
            .ok_or("no tools")?
            .iter()
            .map(|tool| {
                json!({"type": "function", "function": {
                    "name": tool["name"], "description": tool["description"], "parameters": tool["inputSchema"],
                }})
            })
            .collect();
        let tools = serde_json::to_string(&tools)?;
        let mut history =
            json!({"role": "user", "content": "Call the tools, then say that it is done."}).to_string();
        loop {
            let (said, calls) = self.chat(&history, &tools).await?;
            if calls.is_empty() {
                break;
            }
            history.push(',');
            history.push_str(said.get());
            for call in calls {
                let arguments: Value = serde_json::from_str(&call.function.arguments)?;
                let params = json!({"name": call.function.name, "arguments": arguments});
                let result = self.rpc(&session, "tools/call", &params).await?;
                let text = &result["result"]["content"][0]["text"];
                let answer = json!({"role": "tool", "tool_call_id": call.id, "content": text});
                history.push(',');
                history.push_str(&answer.to_string());
            }
        }
        self.client.delete(&self.mcp_url).headers(session).send().await?;
        Ok(())
    }

    async fn chat(&self, history: &str, tools: &str) -> Result<(Box<RawValue>, Vec<ToolCall>), Failure> {
        let body = format!(r#"{{"model":"stub","messages":[{history}],"tools":{tools}}}"#);
        let request = self
            .client
            .post(&self.chat_url)
            .header("content-type", "application/json");
        let answer = request.body(body).send().await?.bytes().await?;
        let completion: Completion = serde_json::from_slice(&answer)?;
        let said = completion.choices.into_iter().next().ok_or("no choice")?.message;
        let message: Message = serde_json::from_str(said.get())?;
        Ok((said, message.tool_calls))
    }

    /// Shakes hands; returns the headers of the session.
    async fn open(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert("accept", "application/json, text/event-stream".parse()?);
        let hello = json!({
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bare", "version": "0"},
        });
        let answer = self
            .post(
                &headers,
                &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}),
            )
            .await?;
        let session = answer.headers().get("mcp-session-id").cloned();
        answer.bytes().await?;
        headers.insert("mcp-session-id", session.ok_or("no session")?);
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.post(&headers, &ready).await?.bytes().await?;
        Ok(headers)
    }

    async fn rpc(&self, session: &HeaderMap, method: &str, params: &Value) -> Result<Value, Failure> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.post(session, &request).await?.text().await?;
        // Plain JSON, or an event stream whose last event is the answer.
        let data = answer.lines().rev().find_map(|line| line.strip_prefix("data:"));
        Ok(serde_json::from_str(data.unwrap_or(&answer))?)
    }

    async fn post(&self, headers: &HeaderMap, message: &Value) -> Result<reqwest::Response, Failure> {
        let request = self
            .client
            .post(&self.mcp_url)
            .headers(headers.clone())
            .json(message);
        Ok(request.send().await?)
    }
}
