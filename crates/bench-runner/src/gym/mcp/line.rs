//! What one piece of a server's output is: a line of its standard output, or an event of a stream.
//!
//! Servers write more than messages there: a banner, a log, a message broken over lines. What is no message is
//! [`Piece::Stray`]; what was meant to be one and cannot be read is [`Piece::Unreadable`], with the id of the request
//! that it answers where that can still be found.

use rmcp::model::{ErrorCode, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use serde_json::Value;

use super::McpError;

/// The most that is read of one message: a line of standard output, or an event of a stream.
pub(super) const LARGEST: usize = 64 * 1024 * 1024;

/// Code of the errors that we put in the place of an answer that cannot be read. No server uses it.
pub(super) const UNREADABLE: ErrorCode = ErrorCode(i32::MIN);

/// Characters of a piece that are shown.
const SHOWN: usize = 120;

/// Bytes at the beginning of a piece in which the id of a broken message is looked for.
const HEAD: usize = 4 * 1024;

/// What a piece of output is.
#[derive(Debug)]
pub(super) enum Piece {
    /// Messages: one, or those of a batch.
    Messages(Vec<ServerJsonRpcMessage>),
    /// No message.
    Stray,
    /// A message that cannot be read.
    Unreadable {
        /// The request that it answers, if that can be found.
        id: Option<RequestId>,
        /// What is wrong with it, after "its answer".
        why: String,
    },
    /// An empty line.
    Nothing,
}

/// Reads one piece.
pub(super) fn read(piece: &[u8]) -> Piece {
    let piece = piece.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(piece).trim_ascii();
    match piece.first() {
        None => Piece::Nothing,
        Some(b'{') => match serde_json::from_slice(piece) {
            Ok(message) => Piece::Messages(vec![message]),
            Err(error) => no_message(piece, &error),
        },
        // Batches were part of the protocol once.
        Some(b'[') => match serde_json::from_slice::<Vec<_>>(piece) {
            Ok(batch) if !batch.is_empty() => Piece::Messages(batch),
            Ok(_) => Piece::Stray,
            Err(error) => no_message(piece, &error),
        },
        // The second line of a message that was written over several lines.
        Some(_) if piece.starts_with(b"\"jsonrpc\"") => Piece::Unreadable {
            id: None,
            why: format!(
                "is broken over several lines; a message must stand in one: {}",
                shown(piece)
            ),
        },
        Some(_) => Piece::Stray,
    }
}

/// What looks like a message, but is none.
fn no_message(piece: &[u8], error: &serde_json::Error) -> Piece {
    let mut error = error.to_string();
    if error.contains("hex escape") || error.contains("surrogate") {
        error += ", half of a surrogate pair";
    }
    let unreadable = |id| Piece::Unreadable {
        id,
        why: format!("cannot be read as JSON-RPC ({error}): {}", shown(piece)),
    };
    if let Ok(value) = serde_json::from_slice::<Value>(piece) {
        if !is_an_answer(&value) {
            return Piece::Stray;
        }
        let id = value.get("id");
        return unreadable(id.and_then(|id| serde_json::from_value(id.clone()).ok()));
    }
    let head = String::from_utf8_lossy(piece.get(..HEAD).unwrap_or(piece));
    if head.contains("\"jsonrpc\"") {
        unreadable(id_in(&head))
    } else {
        Piece::Stray
    }
}

/// Whether JSON that is no message is meant as an answer.
fn is_an_answer(value: &Value) -> bool {
    let has = |member| value.get(member).is_some();
    !has("method") && (has("jsonrpc") || has("id") && (has("result") || has("error")))
}

/// The id in the head of a message that is no JSON, before anything that could hold another one.
fn id_in(head: &str) -> Option<RequestId> {
    let envelope = ["\"result\"", "\"error\"", "\"params\""]
        .iter()
        .filter_map(|content| head.find(content))
        .min()
        .map_or(head, |end| head.get(..end).unwrap_or(head));
    let (_, after) = envelope.split_once("\"id\"")?;
    let after = after.trim_start().strip_prefix(':')?;
    let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
    serde_json::from_value(values.next()?.ok()?).ok()
}

/// What is said of a message that is larger than [`LARGEST`], after "its answer".
pub(super) fn too_large(head: &[u8]) -> Piece {
    let head = String::from_utf8_lossy(head.get(..HEAD).unwrap_or(head)).into_owned();
    Piece::Unreadable {
        id: id_in(&head),
        why: larger_than(LARGEST),
    }
}

/// The words for a message that is larger than is read.
pub(super) fn larger_than(most: usize) -> String {
    format!(
        "is larger than {} MiB, the most that is read of one message",
        most / (1024 * 1024)
    )
}

/// What stands in the place of an answer that cannot be read.
pub(super) fn instead(id: RequestId, why: String) -> ServerJsonRpcMessage {
    JsonRpcMessage::error(ErrorData::new(UNREADABLE, why, None), Some(id))
}

/// The error of an answer in whose place one of ours stands.
pub(super) fn unreadable(error: &ErrorData) -> Option<McpError> {
    (error.code == UNREADABLE).then(|| McpError::Unreadable(error.message.to_string()))
}

/// The first characters of a piece, escaped.
pub(super) fn shown(piece: &[u8]) -> String {
    let text = String::from_utf8_lossy(piece.get(..4 * SHOWN).unwrap_or(piece));
    let mut shown = String::new();
    let mut chars = text.trim().chars();
    for c in chars.by_ref().take(SHOWN) {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            other => shown.extend(other.escape_debug()),
        }
    }
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("`{shown}{rest}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a piece, in short.
    fn said(piece: &str) -> String {
        match read(piece.as_bytes()) {
            Piece::Messages(messages) => format!("{} messages", messages.len()),
            Piece::Unreadable { id, .. } => format!("unreadable, {id:?}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn logs_are_told_from_messages() {
        let pieces = [
            "INFO up {\"jsonrpc\":\"2.0\",\"id\":1}",
            r#"{"level":"info","id":1,"msg":"{\"jsonrpc\"}"}"#,
            r#"{"level":"info","msg":"sent {\"jsonrpc\":\"2.0\"}""#,
            "[2026-11-22] started",
            "[]",
            r#"{"jsonrpc":"2.0","method":"notifications/of_nobody"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{}}]"#,
        ];
        insta::assert_snapshot!(pieces.map(|piece| format!("{}: {piece}", said(piece))).join("\n"), @r#"
        Stray: INFO up {"jsonrpc":"2.0","id":1}
        Stray: {"level":"info","id":1,"msg":"{\"jsonrpc\"}"}
        Stray: {"level":"info","msg":"sent {\"jsonrpc\":\"2.0\"}"
        Stray: [2026-11-22] started
        Stray: []
        1 messages: {"jsonrpc":"2.0","method":"notifications/of_nobody"}
        1 messages: {"jsonrpc":"2.0","id":1,"result":{}}
        2 messages: [{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{}}]
        "#);
        assert_eq!([said(""), said(" \r")], ["Nothing", "Nothing"]);
        assert_eq!(
            said("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"),
            "1 messages"
        );
    }

    #[test]
    fn the_id_of_a_broken_answer_is_that_of_its_envelope() {
        let pieces = [
            r#"{"jsonrpc":"2.0","id":7,"result":{"id":8,"text":"\ud83d"}}"#,
            r#"{"jsonrpc":"2.0","id":"a-7","error":{"message":"\ud83d"}}"#,
            r#"{"jsonrpc":"2.0","result":{"id":8,"text":"\ud83d"},"id":7}"#,
            r#"{"jsonrpc":"2.0","id":7"#,
            r#"{"jsonrpc":"2.0","id":7.5,"result": oops}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#,
            r#"{"id":7,"result":{}}"#,
            r#"[{"jsonrpc":"2.0","id":7,"result": oops}]"#,
            r#""jsonrpc": "2.0","#,
        ];
        insta::assert_snapshot!(pieces.map(|piece| format!("{}: {piece}", said(piece))).join("\n"), @r#"
        unreadable, Some(Number(7)): {"jsonrpc":"2.0","id":7,"result":{"id":8,"text":"\ud83d"}}
        unreadable, Some(String("a-7")): {"jsonrpc":"2.0","id":"a-7","error":{"message":"\ud83d"}}
        unreadable, None: {"jsonrpc":"2.0","result":{"id":8,"text":"\ud83d"},"id":7}
        unreadable, Some(Number(7)): {"jsonrpc":"2.0","id":7
        unreadable, None: {"jsonrpc":"2.0","id":7.5,"result": oops}
        unreadable, Some(Number(7)): {"jsonrpc":"2.0","id":7,"result":{},"error":{}}
        unreadable, Some(Number(7)): {"id":7,"result":{}}
        unreadable, Some(Number(7)): [{"jsonrpc":"2.0","id":7,"result": oops}]
        unreadable, None: "jsonrpc": "2.0",
        "#);
    }

    #[test]
    fn what_is_shown_is_short_and_in_one_line() {
        let long = format!("a \"quoted\" \\\u{1b}[31m\u{7}\r\n\tü{}", "x".repeat(5000));
        let shown = shown(long.as_bytes());
        assert!(
            shown.starts_with("`a \"quoted\" \\\\u{1b}[31m\\u{7}\\r\\n\\tüxxx"),
            "{shown}"
        );
        assert!(shown.ends_with("x…`") && shown.len() < 200, "{shown}");
        assert_eq!(super::shown(b"\xff\n"), "`\u{fffd}`");
    }
}
