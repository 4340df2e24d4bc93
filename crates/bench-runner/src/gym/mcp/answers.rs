//! What servers answer, in our words: introductions, tools, results, errors.
//!
//! Pure conversions from the protocol library's types.

use std::error::Error as _;
use std::sync::Arc;

use rmcp::model::{
    CallToolResult, ContentBlock, ErrorCode, ErrorData, ResourceContents, ServerPeerInfo, Tool,
};
use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;
use serde_json::Value;

use super::McpError;
use super::line::{larger_than, unreadable};
use crate::gym::ToolOutput;
use crate::gym::client::{causes, shortened};
use crate::model::ToolSpec;

/// Name of the capability by which a server announces its SQL runner.
const SQL_RUNNER: &str = "bench/sql-runner";

type HttpError = StreamableHttpError<reqwest::Error>;

const CLOSED: &str = "the server closed the connection";

/// What to try after a refusal.
const CHECK_HEADERS: &str = "; check the gym's headers and the variables in them";

pub(super) fn introduction(info: &ServerPeerInfo) -> String {
    match &info.server_info {
        Some(server) => format!("{} {}", server.name, server.version).trim().to_owned(),
        None => "unnamed".to_owned(),
    }
}

pub(super) fn announced_sql_runner(info: &ServerPeerInfo) -> Option<String> {
    let capability = info.capabilities.experimental.as_ref()?.get(SQL_RUNNER)?;
    capability.get("url")?.as_str().map(str::to_owned)
}

pub(super) fn tool_spec(tool: Tool) -> ToolSpec {
    let description = tool.description.map(std::borrow::Cow::into_owned).or(tool.title);
    let hint = tool
        .annotations
        .and_then(|annotations| annotations.read_only_hint);
    ToolSpec {
        name: tool.name.into_owned(),
        description: description.unwrap_or_default(),
        input_schema: Arc::unwrap_or_clone(tool.input_schema),
        reads_only: hint == Some(true),
    }
}

pub(super) fn tool_output(answer: Result<CallToolResult, ServiceError>) -> Result<ToolOutput, McpError> {
    match answer {
        Ok(result) => Ok(output_of(result)),
        Err(ServiceError::McpError(error)) if unreadable(&error).is_some() => {
            Err(broken(&ServiceError::McpError(error)))
        }
        Err(ServiceError::McpError(error)) if is_about_the_call(error.code) => Ok(ToolOutput {
            text: error_text(&error),
            structured: Value::Null,
            is_error: true,
        }),
        Err(ServiceError::InputRequiredRoundsExceeded { .. }) => Ok(ToolOutput {
            text: "the tool asked for user input again and again; there is no user".to_owned(),
            structured: Value::Null,
            is_error: true,
        }),
        Err(error) => Err(broken(&error)),
    }
}

/// Whether a JSON-RPC error is the server's answer to this call (unknown tool, bad arguments, the tool
/// failed), and not a complaint about the session.
fn is_about_the_call(code: ErrorCode) -> bool {
    let about_the_session = -32_099..=-32_000;
    code == ErrorCode::RESOURCE_NOT_FOUND
        || !(code == ErrorCode::INVALID_REQUEST
            || code == ErrorCode::PARSE_ERROR
            || about_the_session.contains(&code.0))
}

fn error_text(error: &ErrorData) -> String {
    match &error.data {
        Some(data) if !data.is_null() => format!("{} ({data})", error.message),
        _ => error.message.to_string(),
    }
}

fn output_of(result: CallToolResult) -> ToolOutput {
    let structured = result.structured_content.unwrap_or_default();
    let mut text = result
        .content
        .into_iter()
        .map(shown)
        .collect::<Vec<_>>()
        .join("\n");
    if text.is_empty() && !structured.is_null() {
        text = structured.to_string();
    }
    let is_error = result.is_error.unwrap_or(false);
    ToolOutput {
        text,
        structured,
        is_error,
    }
}

/// A piece of content as text; what is no text is named in brackets.
fn shown(block: ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text,
        ContentBlock::Image(image) => format!(
            "[image, {}, {} bytes in base64]",
            image.mime_type,
            image.data.len()
        ),
        ContentBlock::Audio(audio) => format!(
            "[audio, {}, {} bytes in base64]",
            audio.mime_type,
            audio.data.len()
        ),
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => format!("[resource {uri}]\n{text}"),
            ResourceContents::BlobResourceContents { uri, blob, .. } => {
                format!("[resource {uri}, {} bytes in base64]", blob.len())
            }
            _ => "[resource of an unknown kind]".to_owned(),
        },
        ContentBlock::ResourceLink(link) => format!("[link to resource {}]", link.uri),
        _ => "[content of an unknown kind]".to_owned(),
    }
}

/// Why a session in use broke.
pub(super) fn broken(error: &ServiceError) -> McpError {
    if let ServiceError::McpError(error) = error
        && let Some(error) = unreadable(error)
    {
        return error;
    }
    if let ServiceError::TransportSend(error) = error
        && let Some(StreamableHttpError::ResponseBodyTooLarge { max_size }) =
            error.error.downcast_ref::<HttpError>()
    {
        return McpError::Unreadable(larger_than(*max_size));
    }
    McpError::Broken(match error {
        ServiceError::McpError(error) => format!(
            "MCP error {}: {}",
            error.code.0,
            shortened(&error_text(error), 300)
        ),
        ServiceError::TransportClosed => CLOSED.to_owned(),
        ServiceError::UnexpectedResponse => "the answer is not what was asked for".to_owned(),
        ServiceError::TransportSend(error) => transport_error(error),
        other => causes(other),
    })
}

/// Why there is no list of tools.
pub(super) fn no_list(error: &ServiceError) -> McpError {
    match error {
        ServiceError::UnexpectedResponse => McpError::Broken(
            "its tool list cannot be read: `tools` is a list, and each tool needs a `name` and an object as `inputSchema`"
                .to_owned(),
        ),
        other => broken(other),
    }
}

/// Why a session was not begun.
pub(super) fn refusal(error: &ClientInitializeError) -> McpError {
    McpError::Broken(match error {
        ClientInitializeError::TransportError { error, .. } => transport_error(error),
        ClientInitializeError::JsonRpcError(error) => {
            if let Some(error) = unreadable(error) {
                return error;
            }
            format!(
                "MCP error {}: {}",
                error.code.0,
                shortened(&error_text(error), 300)
            )
        }
        ClientInitializeError::ConnectionClosed(_) => CLOSED.to_owned(),
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => return refusal(fallback),
        other => causes(other),
    })
}

/// What went wrong on the way. Never quotes the URL, which may hold a secret.
fn transport_error(error: &DynamicTransportError) -> String {
    let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    if error.error.downcast_ref().is_some_and(closed) {
        return CLOSED.to_owned();
    }
    let Some(error) = error.error.downcast_ref::<HttpError>() else {
        return causes(error.error.as_ref());
    };
    match error {
        StreamableHttpError::Client(error) => error.source().map_or_else(|| CLOSED.to_owned(), causes),
        StreamableHttpError::SessionExpired => {
            "the server no longer knows the session (HTTP 404): it was restarted, and its state may be lost"
                .to_owned()
        }
        StreamableHttpError::AuthRequired(_) | StreamableHttpError::InsufficientScope(_) => {
            format!("the server refuses us{CHECK_HEADERS}")
        }
        StreamableHttpError::UnexpectedContentType(kind) => {
            let kind = kind.as_deref().unwrap_or("no content type");
            format!("it answers with {kind}, which is no MCP; check the URL")
        }
        StreamableHttpError::UnexpectedServerResponse(text) => {
            let refused = text.starts_with("HTTP 401") || text.starts_with("HTTP 403");
            shortened(text, 300) + if refused { CHECK_HEADERS } else { "" }
        }
        other => causes(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn output(result: Value) -> ToolOutput {
        output_of(serde_json::from_value(result).unwrap())
    }

    #[test]
    fn text_is_joined_and_everything_else_is_named() {
        let content = json!([
            {"type": "text", "text": "one"},
            {"type": "image", "mimeType": "image/png", "data": "AAAA"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
            {"type": "resource", "resource": {"uri": "file:///b", "blob": "AA=="}},
            {"type": "resource_link", "uri": "file:///c", "name": "c"},
        ]);
        let answer = output(json!({"content": content, "isError": true}));
        insta::assert_snapshot!(answer.text, @r"
        one
        [image, image/png, 4 bytes in base64]
        [resource file:///a]
        inside
        [resource file:///b, 4 bytes in base64]
        [link to resource file:///c]
        ");
        assert!(answer.is_error);
    }

    #[test]
    fn structured_content_stands_in_for_missing_text() {
        let answer = output(json!({"structuredContent": {"id": 7}}));
        assert_eq!(
            (answer.text.as_str(), answer.structured),
            (r#"{"id":7}"#, json!({"id": 7}))
        );
    }

    #[test]
    fn errors_about_the_call_reach_the_model_and_others_break_the_trial() {
        let answer = |code, data| {
            tool_output(Err(ServiceError::McpError(ErrorData::new(
                ErrorCode(code),
                "no such tool",
                data,
            ))))
        };
        for code in [-32_602, -32_601, -32_603, -32_002, 0, 42] {
            assert_eq!(answer(code, None).unwrap().text, "no such tool", "{code}");
        }
        let with_data = answer(-32_602, Some(json!({"tool": "x"}))).unwrap();
        assert_eq!(with_data.text, r#"no such tool ({"tool":"x"})"#);
        for code in [-32_700, -32_600, -32_000, -32_001, -32_020] {
            assert!(answer(code, None).is_err(), "{code}");
        }
    }
}
