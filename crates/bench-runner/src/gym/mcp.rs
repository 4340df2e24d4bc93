//! The MCP client: the only module that knows the protocol library.
//!
//! [`Mcp`] is one session with one server, over HTTP or over a pair of pipes, in either era of the
//! protocol: the stateless one (2026-07-28: every request stands for itself) or the one that begins
//! with a handshake (up to 2025-11-25). Which one is probed once per gym and then handed in.
//!
//! What the library would do by itself and a benchmark must not: repeat a call in a fresh session after
//! the server was restarted (state would be lost unseen), answer a list from its cache, try for ever to
//! resume a stream, shut down without a bound. All of it is off or bounded here.
//!
//! Calls are meant to come one after another: a progress notification extends whichever call is open.

mod answers;
mod line;
mod pipes;
mod way;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, ErrorData, FormElicitationCapability, Implementation,
    PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
};
use rmcp::service::{
    ClientCacheConfig, ClientLifecycleMode, ClientServiceExt, NotificationContext, RequestContext,
    RoleClient, RunningService,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::client::Ways;
use super::{GymError, ToolDeadline, ToolOutput};
use crate::model::ToolSpec;
use crate::process::LineLog;
use answers::{announced_sql_runner, introduction, no_list, refusal, tool_output, tool_spec};
use pipes::Pipes;

/// How long a server may think about the question whether it speaks the stateless era.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Pages of a tool list: a server that never stops is cut off with an error.
const MOST_PAGES: usize = 100;

/// The two ways in which MCP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// 2026-07-28: no handshake, no session.
    Stateless,
    /// Up to 2025-11-25: `initialize` first, then a session.
    Handshake,
}

/// What is answered when a server asks for user input during a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Elicitation {
    /// Nobody is there: declined.
    #[default]
    Decline,
    /// Accepted, with the default of every field that has one.
    AcceptDefaults,
}

/// How a session is begun.
#[derive(Debug, Clone, Copy)]
pub struct McpOptions {
    /// The era, where it is known; probed otherwise.
    pub era: Option<Era>,
    /// The answer to questions.
    pub elicitation: Elicitation,
    /// How long the beginning may take, probe included.
    pub timeout: Duration,
}

/// Why a session could not be begun or used: says nothing about the model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum McpError {
    /// No answer in time.
    #[error("{what} got no answer within {:.1} s", after.as_secs_f64())]
    Timeout {
        /// What was asked.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// A call took longer than its deadline allows. It was cancelled.
    #[error("no answer within {:.1} s", after.as_secs_f64())]
    CallTimeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// An answer came that cannot be read, or is larger than is read.
    #[error("its answer {0}")]
    Unreadable(String),
    /// The server could not be reached, went away, or answers what is no MCP.
    #[error("{0}")]
    Broken(String),
}

impl McpError {
    /// The error of a tool call as its gym's.
    pub(crate) fn of_call(self, gym: String, tool: &str) -> GymError {
        match self {
            Self::CallTimeout { after } => GymError::ToolTimeout {
                gym,
                tool: tool.to_owned(),
                after,
            },
            Self::Unreadable(why) => GymError::Broken {
                gym,
                reason: format!("its answer to `{tool}` {why}"),
            },
            other => GymError::Broken {
                gym,
                reason: other.to_string(),
            },
        }
    }
}

/// One session with one server. Dropping it closes it in the background; [`Mcp::close`] is better.
pub struct Mcp {
    service: RunningService<RoleClient, Handler>,
    progress: watch::Receiver<()>,
    era: Era,
    protocol: String,
    server: String,
    sql_runner: Option<String>,
}

impl Mcp {
    /// Begins a session with a streamable HTTP server. `headers` go with every request.
    pub async fn over_http(
        client: reqwest::Client,
        url: &str,
        headers: &HeaderMap,
        options: McpOptions,
    ) -> Result<Self, McpError> {
        Self::over_ways(&Ways::only(client), url, headers, options).await
    }

    /// The same, each request in the way that is in use when it is sent.
    pub(crate) async fn over_ways(
        ways: &Ways,
        url: &str,
        headers: &HeaderMap,
        options: McpOptions,
    ) -> Result<Self, McpError> {
        let begin = |mode| {
            let transport =
                StreamableHttpClientTransport::with_client(ways.clone(), http_config(url, headers));
            Self::begin(transport, mode, options.elicitation)
        };
        let session = async {
            match options.era {
                Some(Era::Stateless) => begin(discover()).await,
                Some(Era::Handshake) => begin(ClientLifecycleMode::Initialize).await,
                // Old servers refuse the probe in every imaginable way, or hang. A second try with the
                // handshake, on a fresh connection, tells them from broken ones.
                None => match timeout(PROBE_TIMEOUT, begin(discover())).await {
                    Ok(Ok(session)) => Ok(session),
                    Ok(Err(_)) | Err(_) => begin(ClientLifecycleMode::Initialize).await,
                },
            }
        };
        within(options.timeout, session).await
    }

    /// Begins a session over a server's standard output and input.
    ///
    /// Without an era both are tried on the same pipes. A server that dies of the probe is an error:
    /// start it again with [`Era::Handshake`]. `log` is told what of its output is no message.
    pub async fn over_pipes(
        output: impl AsyncRead + Send + Unpin + 'static,
        input: impl AsyncWrite + Send + Unpin + 'static,
        options: McpOptions,
        log: LineLog,
    ) -> Result<Self, McpError> {
        let mode = match options.era {
            Some(Era::Stateless) => discover(),
            Some(Era::Handshake) => ClientLifecycleMode::Initialize,
            None => ClientLifecycleMode::Auto {
                preferred_versions: vec![ProtocolVersion::LATEST],
                legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
            },
        };
        within(
            options.timeout,
            Self::begin(Pipes::new(output, input, log), mode, options.elicitation),
        )
        .await
    }

    async fn begin<T, E, A>(
        transport: T,
        mode: ClientLifecycleMode,
        elicitation: Elicitation,
    ) -> Result<Self, McpError>
    where
        T: rmcp::transport::IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let (progressed, progress) = watch::channel(());
        let handler = Handler {
            elicitation,
            progressed,
        };
        let service = handler
            .serve_with_lifecycle(transport, mode)
            .await
            .map_err(|e| refusal(&e))?;
        service
            .peer()
            .set_response_cache_config(ClientCacheConfig::disabled())
            .await;
        let info = service.peer().peer_info();
        let info = info.ok_or_else(|| McpError::Broken("the server did not introduce itself".into()))?;
        let era = if info.protocol_version.has_initialize() {
            Era::Handshake
        } else {
            Era::Stateless
        };
        Ok(Self {
            service,
            progress,
            era,
            protocol: info.protocol_version.to_string(),
            server: introduction(&info),
            sql_runner: announced_sql_runner(&info),
        })
    }

    /// The era that is spoken.
    pub fn era(&self) -> Era {
        self.era
    }

    /// The protocol version that is spoken, such as `2025-11-25`.
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// The server's own name and version, such as `tracker 0.1.0`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// URL of the SQL runner that the server announces in its capability `bench/sql-runner`.
    pub fn sql_runner(&self) -> Option<&str> {
        self.sql_runner.as_deref()
    }

    /// All tools, in the server's order.
    pub async fn list_tools(&self, patience: Duration) -> Result<Vec<ToolSpec>, McpError> {
        let pages = async {
            let mut tools = Vec::new();
            let mut cursor = None;
            for _ in 0..MOST_PAGES {
                let params = cursor.map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
                let page = self.service.list_tools(params).await.map_err(|e| no_list(&e))?;
                tools.extend(page.tools.into_iter().map(tool_spec));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    return Ok(tools);
                }
            }
            Err(McpError::Broken(format!(
                "its tool list has no end: stopped after {MOST_PAGES} pages"
            )))
        };
        let what = "tools/list";
        timeout(patience, pages).await.map_err(|_| McpError::Timeout {
            what,
            after: patience,
        })?
    }

    /// Calls a tool. What the server refuses to do is an output with [`ToolOutput::is_error`].
    ///
    /// Dropping the future, like the deadline, cancels the call at the server.
    pub async fn call_tool(
        &self,
        tool: &str,
        arguments: Map<String, Value>,
        deadline: ToolDeadline,
    ) -> Result<ToolOutput, McpError> {
        let started = Instant::now();
        let last = started + deadline.total;
        let mut progress = self.progress.clone();
        progress.mark_unchanged();
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let mut call = Box::pin(self.service.call_tool(params));
        loop {
            tokio::select! {
                biased;
                answer = &mut call => return tool_output(answer),
                Ok(()) = progress.changed() => {}
                () = sleep_until(last.min(Instant::now() + deadline.idle)) => {
                    return Err(McpError::CallTimeout { after: started.elapsed() });
                }
            }
        }
    }

    /// Ends the session, in at most `bound`. Over pipes this closes the server's input.
    pub async fn close(mut self, bound: Duration) {
        if let Err(error) = self.service.close_with_timeout(bound).await {
            tracing::warn!(server = self.server, %error, "the MCP session ended badly");
        }
    }
}

fn discover() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::LATEST],
    }
}

async fn within<T>(
    patience: Duration,
    begin: impl Future<Output = Result<T, McpError>>,
) -> Result<T, McpError> {
    let what = "the MCP handshake";
    timeout(patience, begin).await.map_err(|_| McpError::Timeout {
        what,
        after: patience,
    })?
}

fn http_config(url: &str, headers: &HeaderMap) -> StreamableHttpClientTransportConfig {
    // A server that died in the middle of a call is given up after about 6 s.
    let mut resume = ExponentialBackoff::default();
    resume.max_times = Some(5);
    resume.base_duration = Duration::from_millis(250);
    resume.max_delay = Some(Duration::from_secs(2));
    let headers: HashMap<_, _> = headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut config = StreamableHttpClientTransportConfig::with_uri(url)
        .custom_headers(headers)
        .reinit_on_expired_session(false)
        .max_sse_event_size(line::LARGEST);
    config.retry_config = Arc::new(resume);
    config
}

/// Our side of the session: who we are, and what we answer to the server's questions.
struct Handler {
    elicitation: Elicitation,
    progressed: watch::Sender<()>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut asked_for_input = ElicitationCapability::default();
        asked_for_input.form = Some(FormElicitationCapability::default());
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(asked_for_input);
        ClientConfig::new(
            capabilities,
            Implementation::new("bench", env!("CARGO_PKG_VERSION")),
        )
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    async fn on_progress(&self, _: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.progressed.send_replace(());
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        match (self.elicitation, request) {
            (
                Elicitation::AcceptDefaults,
                ElicitRequestParams::FormElicitationParams { requested_schema, .. },
            ) => {
                let schema = serde_json::to_value(requested_schema).unwrap_or_default();
                Ok(ElicitResult::new(ElicitationAction::Accept).with_content(defaults(&schema)))
            }
            _ => Ok(ElicitResult::new(ElicitationAction::Decline)),
        }
    }
}

/// The default of every property that has one.
fn defaults(schema: &Value) -> Value {
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let given =
        properties.filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())));
    Value::Object(given.collect())
}
