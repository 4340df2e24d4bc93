//! Clients for the tests: rmcp for MCP, reqwest for REST.

use std::collections::HashMap;
use std::sync::Once;

use http::{HeaderName, HeaderValue};
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};

/// The two eras of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize`, then a session.
    Handshake,
    /// `server/discover`, every request for itself.
    Stateless,
}

pub const ERAS: [Era; 2] = [Era::Handshake, Era::Stateless];

impl Era {
    pub fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Handshake => ClientLifecycleMode::Initialize,
            Self::Stateless => ClientLifecycleMode::Discover {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            },
        }
    }
}

pub type Session = RunningService<RoleClient, ClientConfig>;

pub fn config() -> ClientConfig {
    ClientConfig::new(ClientCapabilities::default(), Implementation::new("test", "0"))
        .with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
}

pub fn http() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .expect("no provider yet");
    });
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// An MCP session with headers on each request.
pub async fn connect(url: &str, era: Era, headers: &[(&str, &str)]) -> Session {
    connect_with(http(), url, era, headers).await
}

/// The same with a client of the caller's, which takes milliseconds to make.
pub async fn connect_with(client: reqwest::Client, url: &str, era: Era, headers: &[(&str, &str)]) -> Session {
    let headers: HashMap<HeaderName, HeaderValue> = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let settings = StreamableHttpClientTransportConfig::with_uri(url).custom_headers(headers);
    let transport = StreamableHttpClientTransport::with_client(client, settings);
    config()
        .serve_with_lifecycle(transport, era.lifecycle())
        .await
        .unwrap()
}

/// Calls a tool: its JSON, or the text of its mistake.
pub async fn call(session: &Session, tool: &str, arguments: Value) -> Result<Value, String> {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object")
    };
    let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
    let result = session
        .call_tool(request)
        .await
        .map_err(|error| error.to_string())?;
    let text = result.content.first().unwrap().as_text().unwrap().text.clone();
    if result.is_error == Some(true) {
        return Err(text);
    }
    let value = result.structured_content.unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        value,
        "the text says the same"
    );
    Ok(value)
}

/// Asks the SQL runner for one value.
pub async fn sql(url: &str, database: &str, query: &str) -> Value {
    let body = json!({ "query": query, "database_id": database, "read_only": true, "return_data": true });
    let answer: Value = http()
        .post(url)
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(answer["success"], true, "{answer}");
    answer["data"][0]
        .as_object()
        .and_then(|row| row.values().next())
        .cloned()
        .unwrap_or_default()
}
