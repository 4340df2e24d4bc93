//! A small correct MCP server over streamable HTTP, for load: the tools `echo` and `add`.
//!
//! It speaks both protocol eras through the public MCP library, on one thread, with `TCP_NODELAY` on.
//! Without that a kept-alive connection waits 40 ms for delayed acknowledgements, and the figures would
//! be the operating system's.

use std::net::SocketAddr;

use axum::Router;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};

use crate::loopback::{Closing, Served};

/// Starts the server; MCP is at `/mcp`.
pub fn start(addr: SocketAddr) -> Served {
    Served::start_at(addr, Closing::Orderly, |stop| {
        let config = StreamableHttpServerConfig::default().with_cancellation_token(stop);
        let service =
            StreamableHttpService::new(|| Ok(Echo::new()), LocalSessionManager::default().into(), config);
        Router::new().nest_service("/mcp", service)
    })
}

#[derive(Clone)]
struct Echo {
    tool_router: ToolRouter<Self>,
}

/// What `echo` gives back.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct EchoArguments {
    /// Any text.
    message: String,
}

/// What `add` sums.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct AddArguments {
    /// First number.
    a: i64,
    /// Second number.
    b: i64,
}

#[tool_router]
impl Echo {
    fn new() -> Self {
        Self {
            tool_router: Self::tool_router(),
        }
    }

    #[tool(description = "Gives the message back")]
    fn echo(Parameters(arguments): Parameters<EchoArguments>) -> String {
        arguments.message
    }

    #[tool(description = "Adds two whole numbers")]
    fn add(Parameters(arguments): Parameters<AddArguments>) -> String {
        arguments.a.saturating_add(arguments.b).to_string()
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}
