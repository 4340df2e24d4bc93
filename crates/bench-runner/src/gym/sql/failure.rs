//! Answers that say of themselves that they failed, whatever their HTTP status and however deep they say it.
//!
//! A wrapper (the answer, and whatever holds rows inside it) is never a row, so any mark of failure in it
//! counts, beside rows too. A lone object where rows are expected may be the only row of a table with such
//! columns: it counts only if it has nothing but what a report has, and the query names none of its marks.

use serde_json::{Map, Value};

use super::{ROWS, text_of};
use crate::gym::client::shortened;

/// Where the reason of a failure stands, best first.
const REASONS: [&str; 5] = ["detail", "message", "error", "errors", "reason"];

/// What a report of a failure consists of, beside its reasons.
const REPORT: [&str; 6] = ["success", "ok", "status", "isError", "code", "hint"];

/// The reason in an answer that says of itself that it failed. `query` is what was asked, if anything.
pub(crate) fn failure(answer: &Value, query: &str) -> Option<String> {
    match answer {
        Value::Object(fields) => failed(fields, "")
            .then(|| said(fields))
            .or_else(|| ROWS.iter().find_map(|key| inside(fields.get(*key)?, query))),
        rows => inside(rows, query),
    }
}

/// The reason of a failure that stands where rows are expected.
fn inside(rows: &Value, query: &str) -> Option<String> {
    match rows {
        Value::Object(fields) if ROWS.iter().any(|key| fields.contains_key(*key)) => failure(rows, query),
        Value::Object(fields) => {
            let report = |key: &String| REASONS.iter().chain(&REPORT).any(|known| known == key);
            (fields.keys().all(report) && failed(fields, query)).then(|| said(fields))
        }
        Value::Array(list) => match text_of(list) {
            Some(text) => failure(&serde_json::from_str(&text).ok()?, query),
            None => match list.as_slice() {
                [Value::Object(fields)] => {
                    let reason = |key: &String| REASONS.iter().any(|known| known == key);
                    (fields.keys().all(reason) && failed(fields, query)).then(|| said(fields))
                }
                _ => None,
            },
        },
        Value::String(text) => match serde_json::from_str(text).ok()? {
            inner @ (Value::Object(_) | Value::Array(_)) => failure(&inner, query),
            _ => None,
        },
        _ => None,
    }
}

/// Whether one of the marks says so; those that the query names are columns.
fn failed(fields: &Map<String, Value>, query: &str) -> bool {
    let mark = |key: &str| fields.get(key).filter(|_| !names(query, key));
    ["error", "errors"]
        .iter()
        .any(|key| mark(key).is_some_and(|value| !empty(value)))
        || ["success", "ok"].iter().any(|key| mark(key).is_some_and(no))
        || mark("isError") == Some(&Value::Bool(true))
        || mark("status").and_then(Value::as_str).is_some_and(|status| {
            ["error", "failed", "failure"]
                .iter()
                .any(|bad| bad.eq_ignore_ascii_case(status.trim()))
        })
}

/// Whether `query` has this word in it.
fn names(query: &str, key: &str) -> bool {
    query
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| word.eq_ignore_ascii_case(key))
}

/// An error that is none.
fn empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.iter().all(empty),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}

/// A success that is none; null says nothing.
fn no(value: &Value) -> bool {
    match value {
        Value::Bool(said) => !said,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => ["false", "no", "0"]
            .iter()
            .any(|no| no.eq_ignore_ascii_case(text.trim())),
        _ => false,
    }
}

fn said(fields: &Map<String, Value>) -> String {
    reason_in(fields)
        .or_else(|| {
            ROWS.iter()
                .find_map(|key| reason_in(fields.get(*key)?.as_object()?))
        })
        .or_else(|| Some(shortened(&text_of(fields.get("content")?.as_array()?)?, 600)))
        .unwrap_or_else(|| "failed without a reason".to_owned())
}

/// What an object says about why it failed.
pub(super) fn reason_in(fields: &Map<String, Value>) -> Option<String> {
    REASONS.iter().find_map(|key| match fields.get(*key)? {
        Value::Bool(_) => None,
        value if empty(value) => None,
        Value::String(text) => Some(shortened(text, 600)),
        other => Some(shortened(&other.to_string(), 600)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failure_in_any_ordinary_shape_is_no_value() {
        for answer in [
            json!({"error": "no such table", "rows": []}),
            json!({"error": "no such table", "rows": [[1]]}),
            json!({"status": "error", "data": []}),
            json!({"status": "Failed", "data": null}),
            json!({"status": "failure", "message": "no such table", "data": []}),
            json!({"success": "false", "message": "no such table"}),
            json!({"success": 0, "data": []}),
            json!({"success": false, "rows": [[1]]}),
            json!({"ok": false, "rows": []}),
            json!({"errors": ["no such table"], "data": []}),
            json!({"errors": [{"message": "no such table"}], "data": null}),
            json!({"isError": true, "content": [{"type": "text", "text": "{\"rows\": []}"}]}),
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -1}, "result": null}),
            json!({"result": {"error": "no such table", "rows": []}}),
            json!({"result": {"success": false, "error": "no such table"}, "id": 1}),
            json!({"result": {"success": false}}),
            json!({"result": {"data": {"ok": 0, "rows": []}}}),
            json!({"data": {"error": "no such table"}}),
            json!({"data": [{"error": "no such table"}]}),
            json!([{"error": "no such table"}]),
            json!([{"error": "no such table", "message": "select failed"}]),
            json!({"content": [{"type": "text", "text": "{\"error\": \"no such table\"}"}]}),
            json!({"content": "{\"success\": false}"}),
        ] {
            let found = failure(&answer, "SELECT count(*) FROM nosuch");
            assert!(found.is_some(), "{answer}");
        }
    }

    #[test]
    fn rows_that_look_like_a_failure_are_rows() {
        for (answer, query) in [
            (json!({"rows": [{"error": "boom", "id": 1}]}), "SELECT * FROM job"),
            (
                json!({"data": [{"error": "a"}, {"error": "b"}]}),
                "SELECT * FROM job",
            ),
            (json!({"data": [{"error": "boom"}]}), "SELECT Error FROM job"),
            (json!({"data": {"error": "boom", "id": 1}}), "SELECT * FROM job"),
            (json!({"data": {"success": 0}}), "SELECT success FROM job"),
            (
                json!({"data": [{"status": "failed"}]}),
                "SELECT \"status\" FROM job",
            ),
            (json!([{"error": "boom"}]), "SELECT j.error FROM job j"),
            (json!([{"message": "boom"}]), "SELECT * FROM job"),
            (json!({"data": [["error"]], "error": null}), ""),
            (json!({"data": [], "error": "", "errors": []}), ""),
            (json!({"data": [], "error": false, "success": true}), ""),
            (json!({"data": [], "error": {}, "success": null, "ok": 1}), ""),
            (json!({"data": [], "status": "success"}), ""),
            (json!({"result": "error"}), ""),
            (json!([]), ""),
        ] {
            assert_eq!(failure(&answer, query), None, "{answer}");
        }
    }

    #[test]
    fn the_reason_is_the_one_nearest_to_the_mark() {
        for (answer, want) in [
            (json!({"errors": ["a", "b"], "data": []}), r#"["a","b"]"#),
            (json!({"result": {"error": "inner", "rows": []}}), "inner"),
            (json!({"success": false, "result": {"error": "inner"}}), "inner"),
            (
                json!({"isError": true, "content": [{"type": "text", "text": "no such table"}]}),
                "no such table",
            ),
            (json!({"ok": false, "rows": []}), "failed without a reason"),
        ] {
            assert_eq!(failure(&answer, "").as_deref(), Some(want), "{answer}");
        }
    }
}
