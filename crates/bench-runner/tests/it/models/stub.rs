//! Servers for tests: one that answers from a list and remembers what it was sent, and one that writes
//! raw bytes, for everything that no proper server does.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use futures_util::{Stream, stream};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the stub answers.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// Bytes of each chunk in which the body is sent; all at once without it.
    pub(crate) pieces: Option<usize>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body: body.into(),
            pieces: None,
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// What the stub was sent.
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Default)]
struct Memory {
    answers: Mutex<VecDeque<Answer>>,
    seen: Mutex<Vec<Seen>>,
}

/// A server that gives its answers in order, the last one again and again.
pub(crate) struct Stub {
    pub(crate) url: String,
    memory: Arc<Memory>,
    server: JoinHandle<()>,
}

impl Stub {
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let memory = Arc::new(Memory::default());
        memory.answers.lock().unwrap().extend(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&memory));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, memory, server }
    }

    /// Everything it was sent since the last call.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.memory.seen.lock().unwrap())
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    State(memory): State<Arc<Memory>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    memory.seen.lock().unwrap().push(Seen {
        method,
        path: uri.to_string(),
        headers,
        body,
    });
    let mut answers = memory.answers.lock().unwrap();
    let answer = if answers.len() > 1 {
        answers.pop_front()
    } else {
        answers.front().cloned()
    };
    let answer = answer.unwrap();
    let body = match answer.pieces {
        None => Body::from(answer.body),
        Some(size) => Body::from_stream(in_pieces(answer.body, size)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    for (name, value) in answer.headers {
        response.headers_mut().append(
            HeaderName::from_static(name),
            HeaderValue::from_str(&value).unwrap(),
        );
    }
    response
}

/// A body in chunks, each of which is sent before the next one is there.
fn in_pieces(body: Bytes, size: usize) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::unfold(body, move |mut rest| async move {
        tokio::task::yield_now().await;
        let piece = rest.split_to(size.min(rest.len()));
        (!piece.is_empty()).then_some((Ok(piece), rest))
    })
}

/// What a raw server does once it has written its bytes.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// Closes the connection.
    Close,
    /// Closes it so that the peer gets a reset.
    Reset,
    /// Keeps it open and says nothing more.
    Hang,
    /// Writes on until the peer has had enough.
    Flood,
    /// Keeps it open, and closes it without a word once another request comes: as if it had done so just before.
    NotAgain,
}

/// Serves every connection with the same bytes, after it has read the head of a request.
pub(crate) async fn raw(bytes: &'static [u8], end: End) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_raw(stream, bytes, end));
        }
    });
    url
}

async fn serve_raw(mut stream: TcpStream, bytes: &'static [u8], end: End) {
    let mut request = Vec::new();
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
    }
    stream.write_all(bytes).await.unwrap();
    match end {
        End::Close => stream.shutdown().await.unwrap(),
        End::Reset => stream.set_zero_linger().unwrap(),
        End::Hang => std::future::pending().await,
        End::NotAgain => {
            let requests = |seen: &[u8]| seen.windows(5).filter(|w| w == b"POST ").count();
            while requests(&request) < 2 && stream.read_buf(&mut request).await.is_ok_and(|n| n > 0) {}
        }
        End::Flood => while stream.write_all(&[b' '; 1 << 14]).await.is_ok() {},
    }
}
