//! A model for load: calls `echo` a fixed number of times, then answers.
//!
//! It finds its place by counting assistant messages and reads nothing else, so that the processors are
//! left to the program under test. Two wire formats, each with a rate limit of its own, if it has one; one thread.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde::Deserialize;
use tokio::sync::watch;

use super::{Stats, Wire, stream};
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
    /// How many requests are answered; all, if there is none.
    pub limit: Option<Limit>,
}

/// A rate limit: a bucket that fills evenly. Who finds it empty is refused (429).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Requests a second.
    pub per_second: u32,
    /// So many, if they come after a rest, all at once.
    pub burst: u32,
    /// What the header `retry-after` of a refusal says, in seconds.
    pub retry_after: Option<u64>,
    /// So many requests are waited for before the first is answered, so that the limit is met however slowly they come.
    pub first_together: usize,
}

/// Starts a model for load.
pub fn start(addr: SocketAddr, options: LoadOptions) -> Served {
    let state = Arc::new(Load {
        options,
        counts: Counts::default(),
        buckets: [Mutex::default(), Mutex::default()],
        came: [watch::Sender::default(), watch::Sender::default()],
    });
    Served::start_at(addr, Closing::Orderly, |_| {
        Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/messages", post(messages))
            .route(
                "/stats",
                get(async |State(load): State<Arc<Load>>| Json(load.counts.stats())),
            )
            .route("/reset", post(async |State(load): State<Arc<Load>>| load.reset()))
            .with_state(state)
    })
}

struct Load {
    options: LoadOptions,
    counts: Counts,
    /// Of chat completions and of messages: what is left, and since when.
    buckets: [Mutex<Option<(f64, Instant)>>; 2],
    /// Requests of the same so far.
    came: [watch::Sender<usize>; 2],
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    in_flight: AtomicU64,
    max_in_flight: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    fn stats(&self) -> Stats {
        Stats {
            calls: self.calls.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            max_in_flight: self.max_in_flight.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }

    fn reset(&self) {
        self.calls.store(0, Relaxed);
        self.max_in_flight.store(0, Relaxed);
        self.refused.store(0, Relaxed);
    }
}

/// The only parts of a request that are read.
#[derive(Deserialize)]
struct Body {
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
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
    /// Waits as long as the model takes; returns the number of replies so far and whether the next one is streamed, or
    /// what is said instead of it.
    async fn think(&self, wire: Wire, body: &[u8]) -> Result<(usize, bool), Response> {
        let counts = &self.counts;
        counts.calls.fetch_add(1, Relaxed);
        if let Some(limit) = self.options.limit {
            self.wait_for_the_first(wire, limit).await;
            if !self.admits(wire, limit) {
                counts.refused.fetch_add(1, Relaxed);
                return Err(refusal(wire, limit));
            }
        }
        let in_flight = counts.in_flight.fetch_add(1, Relaxed) + 1;
        counts.max_in_flight.fetch_max(in_flight, Relaxed);
        if !self.options.latency.is_zero() {
            tokio::time::sleep(self.options.latency).await;
        }
        counts.in_flight.fetch_sub(1, Relaxed);
        let body: Body = serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST.into_response())?;
        let replies = body.messages.iter().filter(|m| m.role == Role::Assistant);
        Ok((replies.count(), body.stream))
    }

    /// Counts anew, and has been at rest.
    fn reset(&self) {
        self.counts.reset();
        for bucket in &self.buckets {
            *bucket.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    async fn wait_for_the_first(&self, wire: Wire, limit: Limit) {
        let came = &self.came[place(wire)];
        came.send_modify(|came| *came += 1);
        // Fails only without a sender, and that one is in `self`.
        let all = |came: &usize| *came >= limit.first_together;
        came.subscribe().wait_for(all).await.ok();
    }

    fn admits(&self, wire: Wire, limit: Limit) -> bool {
        let bucket = &self.buckets[place(wire)];
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let most = f64::from(limit.burst);
        let (left, since) = bucket.unwrap_or((most, Instant::now()));
        let left = (left + since.elapsed().as_secs_f64() * f64::from(limit.per_second)).min(most);
        let admits = left >= 1.0;
        *bucket = Some((left - f64::from(u8::from(admits)), Instant::now()));
        admits
    }

    fn calls_tool(&self, replies: usize) -> bool {
        replies < self.options.tool_calls
    }
}

/// Whose bucket it is.
fn place(wire: Wire) -> usize {
    usize::from(wire == Wire::Messages)
}

async fn chat(State(load): State<Arc<Load>>, body: Bytes) -> Response {
    let (n, streamed) = match load.think(Wire::Chat, &body).await {
        Ok(place) => place,
        Err(instead) => return instead,
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
    let body = format!(
        r#"{{"id":"chatcmpl-{n}","object":"chat.completion","created":1790000000,"model":"stub","choices":[{{"index":0,"message":{{"role":"assistant",{message}}},"logprobs":null,"finish_reason":"{finish}"}}],"usage":{{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}}}}"#
    );
    answer(Wire::Chat, body, streamed)
}

async fn messages(State(load): State<Arc<Load>>, body: Bytes) -> Response {
    let (n, streamed) = match load.think(Wire::Messages, &body).await {
        Ok(place) => place,
        Err(instead) => return instead,
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
    let body = format!(
        r#"{{"id":"msg_{n}","type":"message","role":"assistant","model":"stub","content":[{block}],"stop_reason":"{stop}","stop_sequence":null,"usage":{{"input_tokens":100,"output_tokens":10}}}}"#
    );
    answer(Wire::Messages, body, streamed)
}

fn answer(wire: Wire, body: String, streamed: bool) -> Response {
    if !streamed {
        return ([(CONTENT_TYPE, "application/json")], body).into_response();
    }
    let whole = serde_json::from_str(&body).expect("JSON of our own");
    stream::respond(wire, &whole, true)
}

fn refusal(wire: Wire, limit: Limit) -> Response {
    let body = Json(wire.error(429, "too many requests"));
    match limit.retry_after {
        Some(after) => (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, after)], body).into_response(),
        None => (StatusCode::TOO_MANY_REQUESTS, body).into_response(),
    }
}
