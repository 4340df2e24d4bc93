//! A model for load: calls `echo` a fixed number of times, then answers.
//!
//! It finds its place by counting assistant messages and reads nothing else, so that the processors are
//! left to the program under test. Both wire formats; one thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use http::header::CONTENT_TYPE;
use serde::Deserialize;

use super::Stats;
use crate::loopback::{Closing, Served};

/// What the final answer contains.
pub const FINAL_ANSWER: &str = "The work is done.";

/// How a model for load behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// Turns with one tool call each, before the final answer.
    pub tool_calls: usize,
    /// How long each answer takes.
    pub latency: Duration,
}

/// Starts a model for load.
pub fn start(addr: SocketAddr, options: LoadOptions) -> Served {
    let state = Arc::new(Load {
        options,
        counts: Counts::default(),
    });
    Served::start_at(addr, Closing::Orderly, |_| {
        Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/messages", post(messages))
            .route(
                "/stats",
                get(async |State(load): State<Arc<Load>>| Json(load.counts.stats())),
            )
            .route(
                "/reset",
                post(async |State(load): State<Arc<Load>>| load.counts.reset()),
            )
            .with_state(state)
    })
}

struct Load {
    options: LoadOptions,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    in_flight: AtomicU64,
    max_in_flight: AtomicU64,
}

impl Counts {
    fn stats(&self) -> Stats {
        Stats {
            calls: self.calls.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            max_in_flight: self.max_in_flight.load(Relaxed),
        }
    }

    fn reset(&self) {
        self.calls.store(0, Relaxed);
        self.max_in_flight.store(0, Relaxed);
    }
}

/// The only part of a request that is read.
#[derive(Deserialize)]
struct Body {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: Role,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Role {
    Assistant,
    #[serde(other)]
    Other,
}

impl Load {
    /// Waits as long as the model takes; returns the number of replies so far, or none if the body is
    /// unreadable.
    async fn think(&self, body: &[u8]) -> Option<usize> {
        let counts = &self.counts;
        counts.calls.fetch_add(1, Relaxed);
        let in_flight = counts.in_flight.fetch_add(1, Relaxed) + 1;
        counts.max_in_flight.fetch_max(in_flight, Relaxed);
        if !self.options.latency.is_zero() {
            tokio::time::sleep(self.options.latency).await;
        }
        counts.in_flight.fetch_sub(1, Relaxed);
        let body: Body = serde_json::from_slice(body).ok()?;
        Some(body.messages.iter().filter(|m| m.role == Role::Assistant).count())
    }

    fn calls_tool(&self, replies: usize) -> bool {
        replies < self.options.tool_calls
    }
}

async fn chat(State(load): State<Arc<Load>>, body: Bytes) -> Response {
    let Some(n) = load.think(&body).await else {
        return http::StatusCode::BAD_REQUEST.into_response();
    };
    let (message, finish) = if load.calls_tool(n) {
        let call = format!(
            r#"{{"id":"call_{n}","type":"function","function":{{"name":"echo","arguments":"{{\"message\":\"call {n}\"}}"}}}}"#
        );
        (
            format!(r#""content":null,"refusal":null,"tool_calls":[{call}]"#),
            "tool_calls",
        )
    } else {
        (format!(r#""content":"{FINAL_ANSWER}","refusal":null"#), "stop")
    };
    json(format!(
        r#"{{"id":"chatcmpl-{n}","object":"chat.completion","created":1790000000,"model":"stub","choices":[{{"index":0,"message":{{"role":"assistant",{message}}},"logprobs":null,"finish_reason":"{finish}"}}],"usage":{{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}}}}"#
    ))
}

async fn messages(State(load): State<Arc<Load>>, body: Bytes) -> Response {
    let Some(n) = load.think(&body).await else {
        return http::StatusCode::BAD_REQUEST.into_response();
    };
    let (block, stop) = if load.calls_tool(n) {
        (
            format!(
                r#"{{"type":"tool_use","id":"toolu_{n}","name":"echo","input":{{"message":"call {n}"}}}}"#
            ),
            "tool_use",
        )
    } else {
        (
            format!(r#"{{"type":"text","text":"{FINAL_ANSWER}"}}"#),
            "end_turn",
        )
    };
    json(format!(
        r#"{{"id":"msg_{n}","type":"message","role":"assistant","model":"stub","content":[{block}],"stop_reason":"{stop}","stop_sequence":null,"usage":{{"input_tokens":100,"output_tokens":10}}}}"#
    ))
}

fn json(body: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
