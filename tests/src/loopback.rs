//! A server on a thread and a runtime of its own, so that tests stay plain blocking code.
//!
//! Dropping the runtime is the nearest thing to `kill -9` that a thread has: every socket is closed in
//! the middle of whatever it was doing. The bad gym dies that way.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How connections are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// As TCP does it.
    Orderly,
    /// With a reset: unsent data is lost, the other side sees `connection reset by peer`.
    Reset,
}

/// A server that runs until this is dropped, or until it kills itself.
#[derive(Debug)]
pub struct Served {
    addr: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Starts a server on a free loopback port. The token given to `app` stops it at once.
    pub fn start(closing: Closing, app: impl FnOnce(CancellationToken) -> Router + Send + 'static) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), closing, app)
    }

    /// Starts a server at an address.
    pub fn start_at(
        addr: SocketAddr,
        closing: Closing,
        app: impl FnOnce(CancellationToken) -> Router + Send + 'static,
    ) -> Self {
        let stop = CancellationToken::new();
        let (told, addr_of) = mpsc::channel();
        let token = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the server");
            runtime.block_on(async {
                let listener = TcpListener::bind(addr).await.expect("a free loopback port");
                told.send(listener.local_addr().expect("a bound address")).ok();
                let listener = listener.tap_io(move |stream| {
                    stream.set_nodelay(true).ok();
                    if closing == Closing::Reset {
                        stream.set_zero_linger().ok();
                    }
                });
                let app = app(token.clone());
                tokio::select! {
                    () = token.cancelled() => {}
                    result = async { axum::serve(listener, app).await } => result.expect("the server runs"),
                }
            });
            runtime.shutdown_background();
        });
        let addr = addr_of.recv().expect("the server starts");
        Self {
            addr,
            stop,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops it and closes every socket.
    pub fn stop(&mut self) {
        self.stop.cancel();
        self.wait();
    }

    /// Waits until it stops: for ever, unless it kills itself or is stopped from another thread.
    pub fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One plain request to a server on this machine, such as `("GET", "http://127.0.0.1:80/stats")`. Returns
/// the body.
///
/// # Errors
/// Nobody answers, or the status is not 200; the error holds the answer's head.
pub fn ask(method: &str, url: &str) -> io::Result<String> {
    let rest = url.trim_start_matches("http://");
    let (addr, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    write!(
        stream,
        "{method} /{path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )?;
    let answer = io::read_to_string(stream)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.starts_with("HTTP/1.1 200") {
        Ok(body.to_owned())
    } else {
        Err(io::Error::other(format!("{method} {url}: {head}")))
    }
}
