//! An HTTP gym that answers as a test tells it, and remembers what it was asked.
//!
//! By itself it is a loose gym as they are found in the field: protocol 2024-11-05, no session id,
//! notifications answered with 204, plain JSON, no `server/discover`.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bench_core::gym::Seed;
use bench_core::{Event, GymSpec, Transport};
use bench_runner::Scratch;
use bench_runner::env::Environment;
use bench_runner::gym::{Cleaner, Gym, OpenRequest, TrackerAddress, connect};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::sync::watch;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `POST /mcp tools/call`, or `DELETE /api/delete-database`.
    pub(crate) what: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// How it is answered.
pub(crate) enum Reply {
    Json(u16, Value),
    Text(u16, &'static str),
    /// A body of this type, byte for byte.
    Raw(&'static str, String),
    /// Events of a stream, which then ends.
    Events(Vec<Value>),
    /// An event every so often, for ever; the last is repeated.
    Ticking(Duration, Vec<Value>),
    /// Nothing, for ever.
    Never,
    /// The head and half a body, then the connection breaks.
    Break,
}

/// `None` leaves the answer to the loose gym.
type Rule = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

/// A running stub.
pub(crate) struct Stub {
    pub(crate) base: String,
    asked: Arc<watch::Sender<Vec<Asked>>>,
}

struct Shared {
    rule: Box<Rule>,
    asked: Arc<watch::Sender<Vec<Asked>>>,
}

impl Stub {
    pub(crate) async fn start(rule: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let asked = Arc::new(watch::Sender::new(Vec::new()));
        let shared = Arc::new(Shared {
            rule: Box::new(rule),
            asked: Arc::clone(&asked),
        });
        let app = Router::new().fallback(answer).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base, asked }
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }

    /// What was asked, in order, without details.
    pub(crate) fn list(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.what).collect()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.list().iter().filter(|asked| *asked == what).count()
    }

    /// Waits until this was asked.
    pub(crate) async fn until(&self, what: &str) {
        let mut asked = self.asked.subscribe();
        let seen = asked.wait_for(|list| list.iter().any(|asked| asked.what == what));
        let seen = tokio::time::timeout(Duration::from_mins(1), seen).await;
        assert!(seen.is_ok(), "nobody asked {what}");
    }

    /// This stub as a gym with a SQL runner.
    pub(crate) fn spec(&self) -> GymSpec {
        GymSpec {
            key: "stub".into(),
            name: "stub".into(),
            transport: Transport::Http {
                url: format!("{}/mcp", self.base).into(),
            },
            sql_runner_url: Some(format!("{}/api/sql-runner", self.base).into()),
            seed: Seed::Untouched,
            ..GymSpec::tracker()
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let method = body["method"]
        .as_str()
        .map(|method| format!(" {method}"))
        .unwrap_or_default();
    let what = format!("{} {}{method}", head.method, head.uri.path());
    let asked = Asked {
        what,
        headers: head.headers,
        body,
    };
    shared.asked.send_modify(|list| list.push(asked.clone()));
    let reply = (shared.rule)(&asked).unwrap_or_else(|| loose_gym(&asked));
    response(reply).await
}

fn loose_gym(asked: &Asked) -> Reply {
    match asked.what.as_str() {
        "POST /mcp initialize" => result(
            asked,
            &json!({
                "protocolVersion": "2024-11-05",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "loose", "version": "1"},
            }),
        ),
        "POST /mcp tools/list" => result(asked, &json!({"tools": [tool("echo")]})),
        "POST /mcp tools/call" => {
            let text = asked.body["params"]["arguments"].to_string();
            result(asked, &json!({"content": [{"type": "text", "text": text}]}))
        }
        "POST /api/sql-runner" => Reply::Json(200, json!({"success": true, "data": [{"n": 3}]})),
        "POST /api/seed-database" | "DELETE /api/delete-database" => {
            Reply::Json(200, json!({"success": true}))
        }
        "GET /api/sample-data" => {
            Reply::Json(200, json!({"format": "sql", "sql_content": "CREATE TABLE t (n)"}))
        }
        what if what.starts_with("POST /mcp notifications/") => Reply::Text(204, ""),
        what if what.starts_with("POST /mcp ") => refusal(asked, -32_601, "Method not found"),
        _ => Reply::Text(405, ""),
    }
}

pub(crate) fn tool(name: &str) -> Value {
    json!({"name": name, "description": "Says it again", "inputSchema": {"type": "object"}})
}

/// The answer to a JSON-RPC request.
pub(crate) fn result(asked: &Asked, result: &Value) -> Reply {
    Reply::Json(
        200,
        json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": result}),
    )
}

/// A JSON-RPC error.
pub(crate) fn refusal(asked: &Asked, code: i64, message: &str) -> Reply {
    let error = json!({"code": code, "message": message});
    Reply::Json(
        200,
        json!({"jsonrpc": "2.0", "id": asked.body["id"], "error": error}),
    )
}

async fn response(reply: Reply) -> Response {
    let event = |value: &Value| Bytes::from(format!("data: {value}\n\n"));
    let (status, kind, body) = match reply {
        Reply::Json(status, value) => (status, "application/json", Body::from(value.to_string())),
        Reply::Text(status, text) => (status, "text/html", Body::from(text)),
        Reply::Raw(kind, body) => (200, kind, Body::from(body)),
        Reply::Events(events) => {
            let events: Vec<_> = events
                .iter()
                .map(|value| Ok::<_, Infallible>(event(value)))
                .collect();
            (200, "text/event-stream", Body::from_stream(stream::iter(events)))
        }
        Reply::Ticking(pace, events) => {
            let ticks = stream::unfold(0, move |n: usize| {
                let value = events[n.min(events.len() - 1)].clone();
                async move {
                    tokio::time::sleep(pace).await;
                    Some((Ok::<_, Infallible>(event(&value)), n + 1))
                }
            });
            (200, "text/event-stream", Body::from_stream(ticks))
        }
        Reply::Never => std::future::pending().await,
        Reply::Break => {
            let pieces = [
                Ok(Bytes::from("{\"jsonrpc\":")),
                Err(std::io::Error::other("cut")),
            ];
            (200, "application/json", Body::from_stream(stream::iter(pieces)))
        }
    };
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", kind)
        .body(body)
        .unwrap()
}

/// Lets no time pass for `work` before something has happened, and then so much at once: a deadline is met soon, but on no
/// busy machine too early. For tests on one thread.
pub(crate) async fn no_time_before<T>(
    happened: impl Fn() -> bool,
    then: Duration,
    work: impl Future<Output = T>,
) -> T {
    tokio::time::pause();
    // A clock that stands still runs ahead when everybody waits for it, but not while a thread is blocked.
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || held.recv());
    let time = async {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !happened() {
            assert!(Instant::now() < deadline, "it did not happen");
            tokio::task::yield_now().await;
        }
        tokio::time::advance(then).await;
        tokio::time::resume();
        drop(let_go);
    };
    tokio::join!(work, time).0
}

/// An address at which nobody listens, and nobody else can as long as the socket is kept.
pub(crate) fn nobody_listens() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// Where gyms are opened: a scratch folder, the events that they report, their log.
pub(crate) struct Visit {
    pub(crate) request: OpenRequest,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    pub(crate) logged: Arc<Mutex<Vec<String>>>,
    pub(crate) cleaner: Cleaner,
}

impl Visit {
    pub(crate) fn new() -> Self {
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let logged: Arc<Mutex<Vec<String>>> = Arc::default();
        let (journal, log) = (Arc::clone(&events), Arc::clone(&logged));
        let request = OpenRequest {
            // One per visit: a sweep ends whatever bears the same ids.
            run_id: format!("run_{}", uuid::Uuid::new_v4()),
            trial: "scenario~model~1".parse().unwrap(),
            scratch: Scratch::default(),
            report: Arc::new(move |event| {
                journal.lock().unwrap().push(event);
                Box::pin(std::future::ready(()))
            }),
            log: Arc::new(move |line: &str| log.lock().unwrap().push(line.to_owned())),
            timeout: Duration::from_mins(1),
        };
        Self {
            request,
            events,
            logged,
            cleaner: Cleaner::new(),
        }
    }

    pub(crate) fn connect(&self, spec: &GymSpec) -> Arc<dyn Gym> {
        self.connect_to(spec, None)
    }

    pub(crate) fn connect_to(&self, spec: &GymSpec, tracker: Option<&TrackerAddress>) -> Arc<dyn Gym> {
        self.connect_each(std::slice::from_ref(spec), tracker).remove(0)
    }

    pub(crate) fn connect_all(&self, specs: &[GymSpec]) -> Vec<Arc<dyn Gym>> {
        self.connect_each(specs, None)
    }

    fn connect_each(&self, specs: &[GymSpec], tracker: Option<&TrackerAddress>) -> Vec<Arc<dyn Gym>> {
        let variables =
            ["PATH", "HOME"].map(|name| (name.to_owned(), std::env::var(name).unwrap_or_default()));
        let env = Environment::new(variables, &[]);
        connect(specs, &env, tracker, &self.cleaner).unwrap()
    }

    /// The names of the events in order, with their problem if they have one.
    pub(crate) fn told(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let told = events.iter().map(|event| match event {
            Event::DatabaseNamed { .. } => "named".to_owned(),
            Event::DatabaseRemoved { problem: None, .. } => "removed".to_owned(),
            Event::DatabaseRemoved {
                problem: Some(problem),
                ..
            } => format!("not removed: {problem}"),
            other => format!("{other:?}"),
        });
        told.collect()
    }

    pub(crate) async fn cleaned_up(&self) {
        self.cleaner.finish(Duration::from_mins(1)).await.unwrap();
    }
}
