//! The Model Context Protocol side: the tools of [`crate::tools`] as rmcp's server handler.
//!
//! rmcp's types are used here and nowhere else. Both protocol eras come from rmcp: the handshake with a
//! session (2024-11-05 to 2025-11-25) and the stateless one (2026-07-28). The database is chosen anew for
//! each request by its `x-database-id` header, the acting user by `x-user-id`; over stdio, which has no
//! headers, both are fixed at the start.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use http::HeaderMap;
use http::request::Parts;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::{RequestContext, RoleServer, ServerInitializeError};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, ServiceExt};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::databases::{DatabaseError, DatabaseId, Databases};
use crate::server::GymError;
use crate::tools::{self, Effect, ToolSpec};

/// Header that names the database of a request.
pub(crate) const DATABASE_HEADER: &str = "x-database-id";
/// Header that names the user in whose name a request is made.
pub(crate) const USER_HEADER: &str = "x-user-id";
/// Key under `capabilities.experimental` that announces where SQL is answered: `{"url": …}`.
pub(crate) const SQL_RUNNER_CAPABILITY: &str = "bench/sql-runner";

const INSTRUCTIONS: &str = "An issue tracker like Jira. Projects, people and issues are already there. \
    Find issues with enhanced_search_get (JQL); refer to issues by key (WEB-12), to people by name, e-mail \
    or account id. Statuses change by do_transition only. The tracker's clock starts at 2025-12-01 09:00 UTC.";

/// The tracker as an MCP server.
#[derive(Clone)]
pub(crate) struct TrackerServer {
    databases: Arc<Databases>,
    sql_runner_url: Arc<str>,
    /// Database and user of requests that name none.
    fallback: Arc<(DatabaseId, Option<String>)>,
}

impl TrackerServer {
    pub(crate) fn new(
        databases: Arc<Databases>,
        sql_runner_url: &str,
        database: DatabaseId,
        user: Option<String>,
    ) -> Self {
        Self {
            databases,
            sql_runner_url: sql_runner_url.into(),
            fallback: Arc::new((database, user)),
        }
    }

    /// The tracker as a tower service for the `/mcp` path.
    pub(crate) fn into_http_service(
        self,
        stop: CancellationToken,
    ) -> StreamableHttpService<Self, LocalSessionManager> {
        let config = StreamableHttpServerConfig::default()
            .with_cancellation_token(stop)
            // One answer, one JSON document, where the era allows it.
            .with_json_response(true)
            // Hosts and origins are checked in front of every path, see `crate::guard`.
            .disable_allowed_hosts();
        StreamableHttpService::new(move || Ok(self.clone()), Arc::default(), config)
    }

    /// Serves one client on a pair of streams, until it closes them or `stop` says so.
    pub(crate) async fn serve_streams<R, W>(
        self,
        reader: R,
        writer: W,
        stop: CancellationToken,
    ) -> Result<(), GymError>
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let serving = self.serve_with_ct((reader, writer), stop).await;
        let serving = match serving {
            Ok(serving) => serving,
            // A client that looks in and leaves, or a stop before the first message, is no fault of ours.
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
                return Ok(());
            }
            Err(error) => {
                return Err(GymError::Session {
                    problem: error.to_string(),
                });
            }
        };
        serving.waiting().await.map_err(|error| GymError::Session {
            problem: error.to_string(),
        })?;
        Ok(())
    }

    fn database(&self, headers: Option<&HeaderMap>) -> Result<DatabaseId, DatabaseError> {
        match header(headers, DATABASE_HEADER) {
            Some(id) => id.parse(),
            None => Ok(self.fallback.0.clone()),
        }
    }
}

/// This process's standard input and output as streams; on Linux pipes they need no extra threads.
pub(crate) fn stdio() -> (
    impl AsyncRead + Send + Unpin + 'static,
    impl AsyncWrite + Send + Unpin + 'static,
) {
    rmcp::transport::stdio_pipes()
}

/// A header as text; one that is not text reads as what it can be, so that it is refused and not ignored.
pub(crate) fn header(headers: Option<&HeaderMap>, name: &str) -> Option<String> {
    headers?
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| tools::CATALOG.iter().map(announced).collect());

fn announced(spec: &ToolSpec) -> Tool {
    let annotations = ToolAnnotations::new()
        .read_only(spec.effect == Effect::Reads)
        .destructive(spec.effect == Effect::Destroys)
        .open_world(false);
    Tool::new(spec.name, spec.description.clone(), spec.input_schema.clone()).with_annotations(annotations)
}

impl ServerHandler for TrackerServer {
    fn get_info(&self) -> ServerConfig {
        let mut capabilities = ServerCapabilities::builder().enable_tools().build();
        let mut announcement = rmcp::model::JsonObject::new();
        announcement.insert("url".to_owned(), json!(&*self.sql_runner_url));
        capabilities.experimental = Some(BTreeMap::from([(SQL_RUNNER_CAPABILITY.to_owned(), announcement)]));
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("tracker", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(TOOLS.clone()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        TOOLS.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(spec) = tools::find(&request.name) else {
            let message = format!("there is no tool `{}`; tools/list names them all", request.name);
            return Err(ErrorData::invalid_params(message, None));
        };
        let headers = context.extensions.get::<Parts>().map(|parts| &parts.headers);
        let id = self.database(headers).map_err(|error| refused(&error))?;
        let user = header(headers, USER_HEADER).or_else(|| self.fallback.1.clone());
        let database = self.databases.get(&id).map_err(|error| refused(&error))?;
        let mut database = database.lock().await;
        let result = match tools::call(
            spec,
            request.arguments.unwrap_or_default(),
            user.as_deref(),
            &mut database,
        ) {
            Ok(value) => CallToolResult::structured(value),
            Err(error) => CallToolResult::error(vec![ContentBlock::text(error.to_string())]),
        };
        Ok(result.into())
    }
}

/// A database that cannot be had is the fault of whoever runs the benchmark, not of the agent.
fn refused(error: &DatabaseError) -> ErrorData {
    match error {
        DatabaseError::BadId { .. } => ErrorData::invalid_params(error.to_string(), None),
        _ => ErrorData::internal_error(error.to_string(), None),
    }
}
