//! A model behind HTTP that plays a script, speaks four wire formats, and checks every request.
//!
//! `POST /v1/chat/completions`, `POST /v1/responses`, `POST /v1/messages` and `POST /v1beta/models/NAME:generateContent`
//! (or `:streamGenerateContent`) answer as `OpenAI`, Anthropic and Google do. A request that
//! the provider would refuse is answered 400 with the reason, and kept in [`ModelStub::refusals`]: a test
//! asserts that there are none. `GET /stats` counts requests, `POST /reset` starts the count anew.
//!
//! | part | what it does |
//! |---|---|
//! | [`script`] | what is said: conversations, turns, faults |
//! | `chat`, `responses`, `messages`, `generate` | one wire format each: checks requests, writes answers |
//! | `stream` | good answers in pieces, for requests that ask for them |
//! | `load` | the same for load: reads as little as possible, checks nothing |
//! | `fault` | what a broken answer looks like |

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::loopback::{Closing, Served};
use script::{Conversation, Fault, Reply, Script};
use wire::Seen;

mod chat;
mod fault;
mod generate;
pub mod load;
mod messages;
mod responses;
pub mod script;
mod shape;
mod stream;
mod wire;

pub(crate) use fault::broken_off;
pub use wire::Wire;

/// A running stub model.
#[derive(Debug)]
pub struct ModelStub {
    served: Served,
    shared: Arc<Shared>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its wire format.
    pub wire: Wire,
    /// Headers, lower-case names.
    pub headers: HeaderMap,
    /// The body; null if it was not JSON.
    pub body: Value,
}

/// Counts since the start or the last reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Requests.
    pub calls: u64,
    /// Requests that are being answered.
    pub in_flight: u64,
    /// The most at once.
    pub max_in_flight: u64,
    /// Requests that were refused because there were too many.
    #[serde(default)]
    pub refused: u64,
}

#[derive(Debug)]
struct Shared {
    script: Script,
    log: Mutex<Log>,
    called: Condvar,
    /// Requests from this one on are not answered. The first is 1.
    held_from: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Log {
    stats: Stats,
    requests: Vec<Recorded>,
    refusals: Vec<String>,
    /// Faults played, by wire format, conversation, first user message and turn.
    faults_played: BTreeMap<(Wire, usize, String, usize), usize>,
}

/// What a request gets.
enum Answer {
    Good(StatusCode, Value),
    /// With the tokens at the end, if so asked for.
    Streamed(Value, bool),
    Fault(Fault),
}

impl ModelStub {
    /// Starts a stub that plays a script.
    pub fn start(script: Script) -> Self {
        Self::start_at((std::net::Ipv4Addr::LOCALHOST, 0).into(), script)
    }

    /// Starts a stub at an address.
    pub fn start_at(addr: SocketAddr, script: Script) -> Self {
        let shared = Arc::new(Shared {
            script,
            log: Mutex::default(),
            called: Condvar::new(),
            held_from: watch::Sender::new(u64::MAX),
        });
        let state = Arc::clone(&shared);
        let served = Served::start_at(addr, Closing::Reset, |_| {
            Router::new()
                .route("/v1/chat/completions", post(chat_completions))
                .route("/v1/responses", post(openai_responses))
                .route("/v1/messages", post(anthropic_messages))
                .route("/v1beta/models/{call}", post(generate_content))
                .route(
                    "/stats",
                    get(async |State(s): State<Arc<Shared>>| Json(s.log().stats)),
                )
                .with_state(state)
        });
        Self { served, shared }
    }

    /// `http://127.0.0.1:PORT`, for `ANTHROPIC_BASE_URL` and `GOOGLE_BASE_URL`.
    pub fn url(&self) -> String {
        self.served.url()
    }

    /// `http://127.0.0.1:PORT/v1`, for `OPENAI_BASE_URL`.
    pub fn openai_url(&self) -> String {
        self.url() + "/v1"
    }

    /// Counts so far.
    pub fn stats(&self) -> Stats {
        self.shared.log().stats
    }

    /// Waits until so many requests have come.
    ///
    /// # Panics
    /// They do not come in time.
    pub fn await_calls(&self, calls: u64, within: Duration) {
        let few = |log: &mut Log| log.stats.calls < calls;
        let waited = self
            .shared
            .called
            .wait_timeout_while(self.shared.log(), within, few);
        let (log, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(
            log.stats.calls >= calls,
            "{} requests instead of {calls}",
            log.stats.calls
        );
    }

    /// From now on requests are counted, but not answered before [`release`](Self::release).
    pub fn hold(&self) {
        self.shared.held_from.send_replace(0);
    }

    /// The same from the request on that follows so many, counted from the start.
    pub fn answer_only(&self, calls: u64) {
        self.shared.held_from.send_replace(calls + 1);
    }

    /// Answers again, also those who wait.
    pub fn release(&self) {
        self.shared.held_from.send_replace(u64::MAX);
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.log().requests.clone()
    }

    /// Why requests were refused that a provider would refuse too.
    pub fn refusals(&self) -> Vec<String> {
        self.shared.log().refusals.clone()
    }

    /// Serves until the process ends.
    pub fn wait(&mut self) {
        self.served.wait();
    }
}

async fn chat_completions(state: State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    answer(&state, Wire::Chat, headers, &body).await
}

async fn openai_responses(state: State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    answer(&state, Wire::Responses, headers, &body).await
}

async fn generate_content(
    state: State<Arc<Shared>>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let streams = call.ends_with(":streamGenerateContent");
    respond(&state, Wire::Generate, headers, &body, streams).await
}

async fn anthropic_messages(state: State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    answer(&state, Wire::Messages, headers, &body).await
}

async fn answer(shared: &Shared, wire: Wire, headers: HeaderMap, body: &[u8]) -> Response {
    respond(shared, wire, headers, body, false).await
}

async fn respond(shared: &Shared, wire: Wire, headers: HeaderMap, body: &[u8], streams: bool) -> Response {
    let places = ["authorization", "x-api-key", "x-goog-api-key"];
    let key = places.iter().find_map(|name| headers.get(*name));
    let key = key.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = key.trim_start_matches("Bearer ").to_owned();
    let (call, answer) = shared.decide(wire, headers, body, streams);
    // Fails only without a sender, and that one is in `shared`.
    let answered = |held_from: &u64| call.number < *held_from;
    shared.held_from.subscribe().wait_for(answered).await.ok();
    match answer {
        Answer::Good(status, body) => (status, Json(body)).into_response(),
        Answer::Streamed(body, with_usage) => stream::respond(wire, &body, with_usage),
        Answer::Fault(fault) => fault::play(&fault, wire, &key).await,
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts, records and checks a request, and chooses what it gets: all at once, for whoever waits for requests.
    fn decide(&self, wire: Wire, headers: HeaderMap, bytes: &[u8], streams: bool) -> (Call<'_>, Answer) {
        let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let read = wire.read(&headers, &body);
        let mut log = self.log();
        let stats = &mut log.stats;
        stats.calls += 1;
        stats.in_flight += 1;
        stats.max_in_flight = stats.max_in_flight.max(stats.in_flight);
        let call = Call {
            number: stats.calls,
            shared: self,
        };
        self.called.notify_all();
        let model = body.get("model").cloned().unwrap_or_default();
        let streams = streams || body["stream"] == true;
        let with_usage = body["stream_options"]["include_usage"] == true;
        log.requests.push(Recorded { wire, headers, body });
        let chosen = read.and_then(|seen| self.choose(&mut log, wire, seen));
        let answer = match chosen {
            Ok((_, Reply::Fault(fault))) => Answer::Fault(fault),
            Ok((seen, reply)) => {
                let whole = wire.reply(&reply, &seen, &model, log.stats.calls);
                if streams {
                    Answer::Streamed(whole, with_usage)
                } else {
                    Answer::Good(StatusCode::OK, whole)
                }
            }
            Err(reason) => {
                let refusal = wire.error(400, &reason);
                log.refusals.push(reason);
                Answer::Good(StatusCode::BAD_REQUEST, refusal)
            }
        };
        (call, answer)
    }

    fn choose(&self, log: &mut Log, wire: Wire, seen: Seen) -> Result<(Seen, Reply), String> {
        let first = seen.first_user.clone().unwrap_or_default();
        let fits = |c: &Conversation| first.contains(&c.when);
        let conversations = &self.script.conversations;
        let (index, conversation) = conversations
            .iter()
            .enumerate()
            .find(|(_, c)| fits(c))
            .ok_or_else(|| format!("script: no conversation for `{first}`"))?;
        let at = seen.assistant_messages;
        let turn = conversation
            .turn(at)
            .ok_or_else(|| format!("script: the conversation ends after {at} turns"))?;
        let played = log.faults_played.entry((wire, index, first, at)).or_default();
        let reply = match turn.faults.get(*played) {
            Some(fault) => {
                *played += 1;
                Reply::Fault(fault.clone())
            }
            None => turn.reply.clone(),
        };
        Ok((seen, reply))
    }
}

/// A request in flight, also one whose client went away.
struct Call<'a> {
    /// Counted from 1.
    number: u64,
    shared: &'a Shared,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.shared.log().stats.in_flight -= 1;
    }
}
