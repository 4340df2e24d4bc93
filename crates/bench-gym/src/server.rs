//! Starting and stopping: the gym on a TCP port, and the gym on standard input and output.
//!
//! Both share the databases, the tools and the REST routes. Over stdio the REST routes listen on a loopback
//! port of their own, which is announced twice: on stderr as one line,
//! `bench-gym: sql-runner http://127.0.0.1:PORT/api/sql-runner`, and in the protocol itself as
//! `capabilities.experimental["bench/sql-runner"].url` of the `initialize` or `server/discover` result. The
//! second is the one to rely on: both protocol eras carry it, it cannot be lost among other lines, and it
//! is there as soon as the session is. The HTTP server announces its own address the same way.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use axum::serve::ListenerExt;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::databases::{DEFAULT_MAX_DATABASES, DatabaseError, DatabaseId, Databases};
use crate::guard::{self, Guard};
use crate::mcp::{self, TrackerServer};
use crate::rest::{self, RestState};

/// How many connections may wait to be accepted: a burst beyond it costs each client a second.
const ACCEPT_BACKLOG: u32 = 4096;
/// How long [`GymServer::shutdown`] waits for requests in flight.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// How a gym is set up: `GymOptions { addr, ..GymOptions::default() }`.
#[derive(Clone, Debug)]
pub struct GymOptions {
    /// Where to listen; port 0 picks a free one. Default: a free port of 127.0.0.1.
    pub addr: SocketAddr,
    /// How many databases may live at once. Default: [`DEFAULT_MAX_DATABASES`].
    pub max_databases: usize,
    /// Whether the SQL runner obeys `read_only: false`. Default: no.
    pub allow_writes: bool,
    /// Further host names that clients may use in `Host` and `Origin`, beside the loopback ones. Default: none,
    /// which on an address beyond loopback lets every name through.
    pub allowed_hosts: Vec<String>,
    /// The database of requests that name none, and of a stdio session. Default: `default`.
    pub database: DatabaseId,
    /// In whose name requests act that name nobody: id, name or e-mail. Default: the first user.
    pub user: Option<String>,
}

impl Default for GymOptions {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            max_databases: DEFAULT_MAX_DATABASES,
            allow_writes: false,
            allowed_hosts: Vec::new(),
            database: DatabaseId::default(),
            user: None,
        }
    }
}

/// Why a gym could not start or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GymError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}; choose another port, or 0 for a free one")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The template database could not be built.
    #[error("cannot build the sample database")]
    Template(#[from] DatabaseError),
    /// The session on standard input and output broke.
    #[error("the session on standard input and output broke: {problem}")]
    Session {
        /// The protocol library's reason.
        problem: String,
    },
}

/// A running gym. Dropping it stops it; [`GymServer::shutdown`] also waits until it has stopped.
#[derive(Debug)]
pub struct GymServer {
    addr: SocketAddr,
    databases: Arc<Databases>,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Drop for GymServer {
    /// Only asks: the task is not aborted, it ends by itself, closing its connections.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl GymServer {
    /// Starts a gym on the caller's tokio runtime, which may be a single-threaded one.
    ///
    /// # Errors
    /// [`GymError::Listen`] if the address is taken or not ours.
    #[expect(
        clippy::unused_async,
        reason = "says that a runtime must be there, and leaves room to wait"
    )]
    pub async fn start(options: GymOptions) -> Result<Self, GymError> {
        Self::start_in_runtime(&options)
    }

    /// Not async, so that the server is compiled here and not again in each program.
    fn start_in_runtime(options: &GymOptions) -> Result<Self, GymError> {
        let databases = Arc::new(Databases::new(options.max_databases)?);
        let listener = listen(options.addr)?;
        let addr = local_addr(&listener, options.addr)?;
        let stop = CancellationToken::new();
        let tracker = tracker(&databases, addr, options);
        let app = rest::routes(rest_state(&databases, options))
            .nest_service("/mcp", tracker.into_http_service(stop.child_token()))
            .layer(from_fn_with_state(
                Guard::new(addr, &options.allowed_hosts),
                guard::check,
            ));
        let task = tokio::spawn(serve(listener, app, stop.clone()));
        tracing::debug!(%addr, "gym listens");
        Ok(Self {
            addr,
            databases,
            task,
            stop,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.addr)
    }

    /// Where SQL is answered.
    pub fn sql_runner_url(&self) -> String {
        sql_runner_url(self.addr)
    }

    /// The live databases.
    pub fn databases(&self) -> &Databases {
        &self.databases
    }

    /// Waits until the server ends by itself, which it does only if its listener breaks.
    pub async fn wait(&mut self) {
        // A join handle must not be asked again after its answer.
        if !self.task.is_finished() {
            // A panic inside the server has been reported by the runtime; for the caller it is an end.
            (&mut self.task).await.unwrap_or_default();
        }
    }

    /// Stops listening, lets requests in flight finish for up to 3 s, and drops all databases.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(SHUTDOWN_GRACE, self.wait()).await.is_err() {
            tracing::warn!(addr = %self.addr, "gym connections outlived the grace period");
            self.task.abort();
        }
    }
}

/// Serves one MCP client on this process's standard input and output until it closes them.
///
/// The REST routes listen on `options.addr` meanwhile; the module's header says how that is announced.
/// Nothing but the announcement is written to stderr, and nothing but the protocol to stdout.
///
/// # Errors
/// [`GymError::Listen`] if the port cannot be had, [`GymError::Session`] if the protocol breaks.
pub async fn serve_stdio(options: GymOptions) -> Result<(), GymError> {
    stdio_session(options).await
}

/// Boxed for the reason that [`GymServer::start_in_runtime`] gives.
fn stdio_session(options: GymOptions) -> Pin<Box<dyn Future<Output = Result<(), GymError>>>> {
    let (reader, writer) = mcp::stdio();
    Box::pin(serve_session(options, reader, writer, |addr| {
        let announcement = format!("bench-gym: sql-runner {}\n", sql_runner_url(addr));
        if let Err(error) = io::stderr().write_all(announcement.as_bytes()) {
            // The protocol carries the address as well.
            tracing::debug!(%error, "stderr is closed");
        }
    }))
}

/// Like [`serve_stdio`], on any two streams and without the line on stderr.
///
/// # Errors
/// As [`serve_stdio`].
pub async fn serve_streams<R, W>(options: GymOptions, reader: R, writer: W) -> Result<(), GymError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    serve_session(options, reader, writer, |_| {}).await
}

async fn serve_session<R, W>(
    options: GymOptions,
    reader: R,
    writer: W,
    announce: impl FnOnce(SocketAddr),
) -> Result<(), GymError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let databases = Arc::new(Databases::new(options.max_databases)?);
    let listener = listen(options.addr)?;
    let addr = local_addr(&listener, options.addr)?;
    let stop = CancellationToken::new();
    // However this future ends, by return or by being dropped, the listener goes with it.
    let stopped = stop.clone().drop_guard();
    let app = rest::routes(rest_state(&databases, &options)).layer(from_fn_with_state(
        Guard::new(addr, &options.allowed_hosts),
        guard::check,
    ));
    let rest = tokio::spawn(serve(listener, app, stop.clone()));
    announce(addr);
    let session = tracker(&databases, addr, &options)
        .serve_streams(reader, writer, stop.child_token())
        .await;
    drop(stopped);
    if tokio::time::timeout(SHUTDOWN_GRACE, rest).await.is_err() {
        tracing::warn!(%addr, "gym connections outlived the grace period");
    }
    session
}

fn tracker(databases: &Arc<Databases>, addr: SocketAddr, options: &GymOptions) -> TrackerServer {
    let url = sql_runner_url(addr);
    TrackerServer::new(
        Arc::clone(databases),
        &url,
        options.database.clone(),
        options.user.clone(),
    )
}

fn rest_state(databases: &Arc<Databases>, options: &GymOptions) -> RestState {
    RestState {
        databases: Arc::clone(databases),
        allow_writes: options.allow_writes,
        fallback: options.database.clone(),
    }
}

fn sql_runner_url(addr: SocketAddr) -> String {
    format!("http://{addr}/api/sql-runner")
}

fn listen(addr: SocketAddr) -> Result<TcpListener, GymError> {
    let open = || {
        let socket = if addr.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // A restarted server must not wait for the kernel to forget the old connections.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(ACCEPT_BACKLOG)
    };
    open().map_err(|source| GymError::Listen { addr, source })
}

fn local_addr(listener: &TcpListener, asked: SocketAddr) -> Result<SocketAddr, GymError> {
    listener
        .local_addr()
        .map_err(|source| GymError::Listen { addr: asked, source })
}

async fn serve(listener: TcpListener, app: axum::Router, stop: CancellationToken) {
    // Without TCP_NODELAY small answers on kept-alive connections wait 40 ms for an acknowledgement.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY not set");
        }
    });
    let served = axum::serve(listener, app)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "gym stopped serving");
    }
}
