//! The bad gym over HTTP, with a SQL runner and databases by id, as far as a runner can see them.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{delete, post};
use http::HeaderMap;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::rpc::{self, Answer, Fault};
use crate::loopback::{Closing, Served};
use crate::model_stub::broken_off;

/// What is wrong with the server as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// What the handshake does.
    pub handshake: Handshake,
    /// Handshakes that are good before the fault begins; the preflight takes the first one.
    pub good_handshakes: usize,
    /// What the SQL runner does.
    pub sql: SqlFault,
}

/// What a handshake does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Handshake {
    /// It is answered.
    #[default]
    Good,
    /// It is never answered.
    Never,
    /// The answer is not JSON.
    Malformed,
    /// HTTP status 500.
    ServerError,
}

/// What the SQL runner does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SqlFault {
    /// Every query gives 1.
    #[default]
    One,
    /// HTTP status 400 with the database's words.
    BadSql,
    /// HTTP status 500.
    ServerError,
    /// The answer is not JSON.
    Malformed,
    /// No answer.
    Hang,
}

/// A running bad gym.
#[derive(Debug)]
pub struct BadGym {
    served: Served,
    world: Arc<World>,
}

#[derive(Debug)]
struct World {
    faults: Faults,
    kill: CancellationToken,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    handshakes: usize,
    databases: BTreeSet<String>,
    created: usize,
    headers: BTreeSet<(String, String)>,
}

impl BadGym {
    /// Starts a bad gym on a free loopback port.
    pub fn start(faults: Faults) -> Self {
        let (told, world) = std::sync::mpsc::channel();
        let served = Served::start(Closing::Reset, move |kill| {
            let world = Arc::new(World {
                faults,
                kill,
                seen: Mutex::default(),
            });
            told.send(Arc::clone(&world)).ok();
            Router::new()
                .route("/mcp", post(mcp).delete(StatusCode::OK))
                .route("/api/sql-runner", post(sql))
                .route("/api/delete-database", delete(delete_database))
                .with_state(world)
        });
        let world = world.recv().expect("the gym starts");
        Self { served, world }
    }

    /// `http://127.0.0.1:PORT/mcp`.
    pub fn mcp_url(&self) -> String {
        self.served.url() + "/mcp"
    }

    /// Stops it and closes every socket.
    pub fn stop(&mut self) {
        self.served.stop();
    }

    /// Ids of the databases that exist.
    pub fn databases(&self) -> Vec<String> {
        self.world.seen().databases.iter().cloned().collect()
    }

    /// How many databases there ever were.
    pub fn databases_created(&self) -> usize {
        self.world.seen().created
    }

    /// Handshakes so far.
    pub fn handshakes(&self) -> usize {
        self.world.seen().handshakes
    }

    /// Every value of a header so far.
    pub fn values_of(&self, header: &str) -> Vec<String> {
        let seen = self.world.seen();
        let of_header = seen.headers.iter().filter(|(name, _)| name == header);
        of_header.map(|(_, value)| value.clone()).collect()
    }
}

impl World {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Databases come into being when they are first named, as in real gyms.
    fn note(&self, headers: &HeaderMap) {
        let mut seen = self.seen();
        for (name, value) in headers {
            let Ok(value) = value.to_str() else { continue };
            seen.headers.insert((name.to_string(), value.to_owned()));
            if name == "x-database-id" && seen.databases.insert(value.to_owned()) {
                seen.created += 1;
            }
        }
    }

    /// What the handshake does this time.
    fn handshake(&self) -> Handshake {
        let mut seen = self.seen();
        seen.handshakes += 1;
        if seen.handshakes > self.faults.good_handshakes {
            self.faults.handshake
        } else {
            Handshake::Good
        }
    }
}

async fn mcp(State(world): State<Arc<World>>, headers: HeaderMap, Json(message): Json<Value>) -> Response {
    world.note(&headers);
    if message.get("method") == Some(&json!("initialize")) {
        match world.handshake() {
            Handshake::Good => {}
            Handshake::Never => return pending().await,
            Handshake::Malformed => return not_json(),
            Handshake::ServerError => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
    match rpc::handle(&message) {
        Answer::Response(response) => Json(response).into_response(),
        Answer::Nothing => StatusCode::ACCEPTED.into_response(),
        Answer::Fault(fault) => play(fault, &world).await,
    }
}

async fn play(fault: Fault, world: &World) -> Response {
    match fault {
        Fault::Hang => pending().await,
        Fault::Die => {
            world.kill.cancel();
            pending().await
        }
        Fault::Reset => broken_off(r#"{"jsonrpc":"2.0","id":"#),
        Fault::Malformed => not_json(),
        Fault::ServerError => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn sql(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    world.note(&headers);
    match world.faults.sql {
        SqlFault::One => Json(json!({"success": true, "data": [{"n": 1}], "row_count": 1})).into_response(),
        SqlFault::BadSql => {
            let detail = json!({"detail": "no such table: nowhere"});
            (StatusCode::BAD_REQUEST, Json(detail)).into_response()
        }
        SqlFault::ServerError => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        SqlFault::Malformed => not_json(),
        SqlFault::Hang => pending().await,
    }
}

async fn delete_database(State(world): State<Arc<World>>, Json(body): Json<Value>) -> StatusCode {
    let id = body
        .get("database_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if world.seen().databases.remove(id) {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    }
}

fn not_json() -> Response {
    ([("content-type", "application/json")], "{\"jsonrpc\": oops").into_response()
}
