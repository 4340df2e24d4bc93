//! The MCP protocol and the bad tools, without any transport.

use serde_json::{Map, Value, json};

/// Bytes of the answer of `huge`.
pub(super) const HUGE: usize = 1_000_000;

/// What a message gets.
pub(super) enum Answer {
    /// A JSON-RPC response.
    Response(Value),
    /// It was a notification.
    Nothing,
    /// The transport does something bad.
    Fault(Fault),
}

/// What a transport does instead of answering a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing, ever.
    Hang,
    /// The whole server is gone.
    Die,
    /// The connection breaks in the middle of the answer.
    Reset,
    /// Something that is not JSON.
    Malformed,
    /// HTTP status 500.
    ServerError,
}

/// Answers one JSON-RPC message.
pub(super) fn handle(message: &Value) -> Answer {
    let Some(id) = message.get("id") else {
        return Answer::Nothing;
    };
    let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
    let params = message.get("params").unwrap_or(&Value::Null);
    let result = match method {
        "initialize" => Ok(json!({
            "protocolVersion": "2024-11-05",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "bad-gym", "version": "1.0"},
        })),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({"tools": tools()})),
        "tools/call" => match call(params) {
            Called::Text(text) => Ok(json!({"content": [{"type": "text", "text": text}]})),
            Called::Failed(text) => Ok(json!({"content": [{"type": "text", "text": text}], "isError": true})),
            Called::Refused(reason) => Err((-32602, reason)),
            Called::Fault(fault) => return Answer::Fault(fault),
        },
        other => Err((-32601, format!("Method not found: {other}"))),
    };
    Answer::Response(match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, message)) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
        }
    })
}

enum Called {
    Text(String),
    Failed(String),
    Refused(String),
    Fault(Fault),
}

fn call(params: &Value) -> Called {
    let arguments = params.get("arguments").unwrap_or(&Value::Null);
    match params.get("name").and_then(Value::as_str).unwrap_or_default() {
        "echo" => match arguments.get("message").and_then(Value::as_str) {
            Some(message) => Called::Text(message.to_owned()),
            None => Called::Refused("invalid arguments: `message` is required".into()),
        },
        "huge" => Called::Text("x".repeat(HUGE)),
        "fail" => Called::Failed("the disk of the tracker is full".into()),
        "hang" => Called::Fault(Fault::Hang),
        "die" => Called::Fault(Fault::Die),
        "reset" => Called::Fault(Fault::Reset),
        "malformed" => Called::Fault(Fault::Malformed),
        "server_error" => Called::Fault(Fault::ServerError),
        unknown => Called::Refused(format!("Unknown tool: {unknown}")),
    }
}

fn tools() -> Vec<Value> {
    let tool = |name: &str, properties: Map<String, Value>| {
        let required: Vec<&String> = properties.keys().collect();
        json!({
            "name": name, "description": format!("A tool to test with: {name}"),
            "inputSchema": {
                "type": "object", "properties": properties, "required": required,
                "additionalProperties": false,
            },
        })
    };
    let mut all = vec![tool(
        "echo",
        Map::from_iter([("message".to_owned(), json!({"type": "string"}))]),
    )];
    let bad = [
        "huge",
        "fail",
        "hang",
        "die",
        "reset",
        "malformed",
        "server_error",
    ];
    all.extend(bad.map(|name| tool(name, Map::new())));
    all
}
