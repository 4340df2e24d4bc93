//! A client for the public MCP conformance suite, made of the runner's own MCP client.
//!
//! The suite starts this program with the URL of its test server as the last argument and the scenario's
//! name in `MCP_CONFORMANCE_SCENARIO`, watches what is sent, and judges (Node 22 or newer):
//!
//! ```sh
//! cargo build -p bench-runner --example conformance_client
//! npx @modelcontextprotocol/conformance client --scenario tools_call \
//!     --command target/debug/examples/conformance_client
//! ```
//!
//! Scenarios that pass: `initialize`, `tools_call`, `sse-retry`, `elicitation-sep1034-client-defaults`
//! (suite 0.1.16); with `--spec-version 2026-07-28` (suite 0.2) `tools_call`, `request-metadata`,
//! `http-standard-headers`.

use std::error::Error;
use std::time::Duration;

use bench_runner::gym::ToolDeadline;
use bench_runner::gym::mcp::{Elicitation, Mcp, McpOptions};
use bench_runner::model::ToolSpec;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

/// How long each step may take; the suite itself waits for 30 s.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args()
        .next_back()
        .ok_or("the last argument is the URL of the test server")?;
    let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_default();
    drop(rustls::crypto::ring::default_provider().install_default());
    let options = McpOptions {
        era: None,
        elicitation: Elicitation::AcceptDefaults,
        timeout: PATIENCE,
    };
    let mcp = Mcp::over_http(reqwest::Client::new(), &url, &HeaderMap::new(), options).await?;
    let tools = mcp.list_tools(PATIENCE).await?;
    let calls = if scenario == "initialize" {
        &[]
    } else {
        tools.as_slice()
    };
    let deadline = ToolDeadline {
        idle: PATIENCE,
        total: PATIENCE,
    };
    for tool in calls {
        mcp.call_tool(&tool.name, arguments(tool), deadline).await?;
    }
    mcp.close(PATIENCE).await;
    Ok(())
}

/// Something for every property of the tool's schema, by its type.
fn arguments(tool: &ToolSpec) -> Map<String, Value> {
    let properties = tool.input_schema.get("properties").and_then(Value::as_object);
    let value_for = |schema: &Value| match schema.get("type").and_then(Value::as_str) {
        Some("number" | "integer") => json!(5),
        Some("boolean") => json!(true),
        _ => json!("text"),
    };
    let filled = properties.into_iter().flatten();
    filled
        .map(|(name, schema)| (name.clone(), value_for(schema)))
        .collect()
}
