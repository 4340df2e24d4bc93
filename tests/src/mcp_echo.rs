//! A small correct MCP server over streamable HTTP, for load: the tools `echo` and `add`.
//!
//! It speaks both protocol eras through the public MCP library, on one thread, with `TCP_NODELAY` on.
//! Without that a kept-alive connection waits 40 ms for delayed acknowledgements, and the figures would
//! be the operating system's.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use axum::Router;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler};
use serde_json::{Map, Value, json};

use crate::loopback::{Closing, Served};

/// Starts the server; MCP is at `/mcp`.
pub fn start(addr: SocketAddr) -> Served {
    Served::start_at(addr, Closing::Orderly, |stop| {
        let config = StreamableHttpServerConfig::default().with_cancellation_token(stop);
        let service: StreamableHttpService<Echo, LocalSessionManager> =
            StreamableHttpService::new(|| Ok(Echo), Arc::default(), config);
        Router::new().nest_service("/mcp", service)
    })
}

#[derive(Clone, Copy)]
struct Echo;

static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| {
    let number = json!({"type": "integer"});
    vec![
        tool(
            "echo",
            "Gives the message back",
            &json!({"message": {"type": "string"}}),
        ),
        tool(
            "add",
            "Adds two whole numbers",
            &json!({"a": number, "b": number}),
        ),
    ]
});

fn tool(name: &'static str, description: &'static str, properties: &Value) -> Tool {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    Tool::new(name, description, schema.as_object().cloned().unwrap_or_default())
}

/// What a tool says; none if the tool is unknown or its arguments do not fit.
fn answer(tool: &str, arguments: &Map<String, Value>) -> Option<String> {
    let number = |name| arguments.get(name).and_then(Value::as_i64);
    match tool {
        "echo" => arguments.get("message")?.as_str().map(str::to_owned),
        "add" => Some(number("a")?.saturating_add(number("b")?).to_string()),
        _ => None,
    }
}

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
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
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match answer(&request.name, &request.arguments.unwrap_or_default()) {
            Some(text) => Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into()),
            None => Err(ErrorData::invalid_params("unknown tool or bad arguments", None)),
        }
    }
}
