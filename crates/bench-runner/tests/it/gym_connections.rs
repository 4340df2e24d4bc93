//! Which connections carry the requests to an HTTP gym, by a server that counts them.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench_core::event::Connections;
use bench_core::gym::Seed;
use bench_core::{GymSpec, Transport};
use bench_runner::gym::{Gym, GymSession, ToolDeadline};
use serde_json::{Map, Value, json};

use crate::gym_stub::{Visit, tool};

type Session = Box<dyn GymSession>;

/// What is done about the nth request (from 1) of a connection.
#[derive(Clone, Copy)]
enum Manner {
    Answer,
    /// As a server with Nagle's algorithm does, but longer than any busy machine.
    Stall,
    /// The connection is closed instead of an answer.
    HangUp,
}

/// A server without sessions. It knows on which connection it was asked what.
struct Counter {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    manner: fn(usize, &str) -> Manner,
    open: Mutex<Vec<TcpStream>>,
    /// Connections that the client has not closed yet.
    lasting: AtomicUsize,
    /// The connection and the method of each request.
    asked: Mutex<Vec<(usize, String)>>,
}

impl Counter {
    fn start(manner: fn(usize, &str) -> Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            manner,
            open: Mutex::default(),
            lasting: AtomicUsize::new(0),
            asked: Mutex::default(),
        });
        let of_server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (stream, shared) = (stream.unwrap(), Arc::clone(&of_server));
                shared.open.lock().unwrap().push(stream.try_clone().unwrap());
                shared.lasting.fetch_add(1, SeqCst);
                std::thread::spawn(move || {
                    shared.serve(number, &stream);
                    shared.lasting.fetch_sub(1, SeqCst);
                });
            }
        });
        Self { url, shared }
    }

    fn spec(&self, key: &str) -> GymSpec {
        GymSpec {
            key: key.into(),
            name: "counter".into(),
            transport: Transport::Http {
                url: self.url.clone().into(),
            },
            seed: Seed::Untouched,
            ..GymSpec::tracker()
        }
    }

    /// Closes every connection that there is, and waits until the client has heard of it.
    async fn hang_up(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Write).ok();
        }
        let heard = async {
            while self.shared.lasting.load(SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), heard).await.unwrap();
    }

    /// The connections on which this was asked, in order.
    fn connections(&self, method: &str) -> Vec<usize> {
        let asked = self.shared.asked.lock().unwrap();
        let such = asked.iter().filter(|(_, what)| what == method);
        such.map(|(connection, _)| *connection).collect()
    }

    fn forget(&self) {
        self.shared.asked.lock().unwrap().clear();
    }
}

impl Shared {
    fn serve(&self, number: usize, stream: &TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(stream);
        for nth in 1.. {
            let Some(body) = read_request(&mut reader) else {
                return;
            };
            let method = body["method"].as_str().unwrap_or("none").to_owned();
            self.asked.lock().unwrap().push((number, method.clone()));
            match (self.manner)(nth, &method) {
                Manner::Answer => {}
                Manner::Stall => std::thread::sleep(Duration::from_millis(200)),
                Manner::HangUp => {
                    stream.shutdown(Shutdown::Both).ok();
                    return;
                }
            }
            let answer = answer(&method, &body["id"]);
            let (status, length) = (if answer.is_empty() { 202 } else { 200 }, answer.len());
            let head = "content-type: application/json\r\ncontent-length";
            let text = format!("HTTP/1.1 {status} X\r\n{head}: {length}\r\n\r\n{answer}");
            if (&mut &*stream).write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// The body of the next request; none when there is no other.
fn read_request(reader: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).unwrap_or_default())
}

fn answer(method: &str, id: &Value) -> String {
    let result = match method {
        "initialize" => json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "counter", "version": "1"},
        }),
        "tools/list" => json!({"tools": [tool("echo")]}),
        "tools/call" => json!({"content": [{"type": "text", "text": "done"}]}),
        "notifications/initialized" | "none" => return String::new(),
        _ => {
            let error = json!({"code": -32_601, "message": "Method not found"});
            return json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string();
        }
    };
    json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()
}

async fn call(session: &dyn GymSession) -> String {
    let deadline = ToolDeadline {
        idle: Duration::from_mins(1),
        total: Duration::from_mins(1),
    };
    let output = session.call_tool("echo", Map::new(), deadline).await;
    output.unwrap().text
}

/// A first session, with a server that is found to answer well. To a busy machine any server may seem to stall, but
/// not each time.
async fn kept_alive(manner: fn(usize, &str) -> Manner) -> (Counter, Visit, [Arc<dyn Gym>; 2], Session) {
    for _ in 0..10 {
        let (counter, visit) = (Counter::start(manner), Visit::new());
        let gyms = visit.connect_all(&[counter.spec("a"), counter.spec("b")]);
        let session = gyms[0].open(&visit.request).await.unwrap();
        if session.connections() == Some(Connections::KeptAlive) {
            let gyms = gyms.try_into().unwrap_or_else(|_| unreachable!("two of them"));
            return (counter, visit, gyms, session);
        }
    }
    panic!("connections are never kept alive");
}

#[tokio::test]
async fn a_server_that_answers_well_is_asked_over_connections_that_are_kept() {
    let (counter, visit, [gym, _], first) = kept_alive(|_, _| Manner::Answer).await;
    let logged = visit.logged.lock().unwrap().join("\n");
    assert!(logged.starts_with("connections are kept alive ("), "{logged}");
    first.close().await.unwrap();

    counter.forget();
    let second = gym.open(&visit.request).await.unwrap();
    for _ in 0..3 {
        assert_eq!(call(second.as_ref()).await, "done");
    }
    let mut used = counter.connections("tools/call");
    used.extend(counter.connections("tools/list"));
    assert_eq!(
        used.len(),
        4,
        "the tools are listed once more, and no longer timed"
    );
    used.dedup();
    assert_eq!(used.len(), 1, "{used:?}");
}

#[tokio::test]
async fn a_server_that_stalls_on_kept_connections_gets_one_for_each_request() {
    let counter = Counter::start(|nth, _| if nth == 1 { Manner::Answer } else { Manner::Stall });
    let visit = Visit::new();
    let gym = visit.connect(&counter.spec("a"));
    let first = gym.open(&visit.request).await.unwrap();
    assert_eq!(first.connections(), Some(Connections::PerRequest));
    let logged = visit.logged.lock().unwrap().join("\n");
    assert!(
        logged.starts_with("each request gets a connection of its own (on a connection that is kept alive: "),
        "{logged}"
    );
    let second = gym.open(&visit.request).await.unwrap();
    counter.forget();
    for session in [&first, &second] {
        for _ in 0..3 {
            assert_eq!(call(session.as_ref()).await, "done");
        }
    }
    let mut used = counter.connections("tools/call");
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), 6, "{used:?}");
}

#[tokio::test]
async fn a_server_that_breaks_kept_connections_still_opens_and_works() {
    let counter = Counter::start(|nth, _| if nth == 1 { Manner::Answer } else { Manner::HangUp });
    let visit = Visit::new();
    let session = visit
        .connect(&counter.spec("a"))
        .open(&visit.request)
        .await
        .unwrap();
    assert_eq!(session.connections(), Some(Connections::PerRequest));
    for _ in 0..3 {
        assert_eq!(call(session.as_ref()).await, "done");
    }
    assert_eq!(counter.connections("tools/call").len(), 3);
}

#[tokio::test]
async fn what_was_found_out_about_a_server_holds_for_all_its_gyms() {
    let (counter, visit, [_, other], first) = kept_alive(|_, _| Manner::Answer).await;
    first.close().await.unwrap();
    counter.forget();
    let session = other.open(&visit.request).await.unwrap();
    assert_eq!(session.connections(), Some(Connections::KeptAlive));
    assert_eq!(counter.connections("server/discover"), [0; 0], "the era is known");
    assert_eq!(counter.connections("tools/list").len(), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_loses_and_repeats_no_call() {
    let (counter, _visit, _gyms, session) = kept_alive(|_, _| Manner::Answer).await;
    counter.forget();
    for calls in 1..=20 {
        assert_eq!(call(session.as_ref()).await, "done");
        assert_eq!(counter.connections("tools/call").len(), calls);
        // A model's turn: the runtime has heard of the end, but the connection lies unused.
        counter.hang_up().await;
    }
    let mut used = counter.connections("tools/call");
    used.dedup();
    assert_eq!(used.len(), 20, "each was closed after its call");
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_call_is_the_calls_failure_and_it_is_not_sent_again() {
    let hangs_up = |_, method: &str| {
        if method == "tools/call" {
            Manner::HangUp
        } else {
            Manner::Answer
        }
    };
    let (counter, _visit, _gyms, session) = kept_alive(hangs_up).await;
    let deadline = ToolDeadline {
        idle: Duration::from_mins(1),
        total: Duration::from_mins(1),
    };
    let error = session.call_tool("echo", Map::new(), deadline).await.unwrap_err();
    assert!(error.may_heal(), "{error}");
    assert_eq!(counter.connections("tools/call").len(), 1);
}
