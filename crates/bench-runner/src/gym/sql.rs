//! The SQL runner's answers: every loose form of them becomes one value.
//!
//! Gyms answer with rows as lists or as objects, under `data`, `rows`, `content` or `result`, or with a
//! bare list. One row with one column is that value, one row with several columns the row, several
//! rows the list, none null. What says of itself that it failed is
//! no value ([`failure`]). Pure: sending the query is the business of `api`.

use serde_json::Value;

use super::GymError;
use super::client::shortened;

mod failure;

pub(crate) use failure::failure;

/// Where the rows stand, best first.
const ROWS: [&str; 4] = ["data", "rows", "content", "result"];

/// Statuses of refusals that pass by: time-out, conflict, locked, too early, too many requests.
const PASSING: [u16; 5] = [408, 409, 423, 425, 429];

/// Why a query has no value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SqlFailure {
    /// In words.
    pub(crate) reason: String,
    /// Whether the same query may have one later.
    pub(crate) may_heal: bool,
}

/// The value in an answer to `query` with this HTTP status and body, or why there is none.
pub(crate) fn value_of(status: u16, body: &str, query: &str) -> Result<Value, SqlFailure> {
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    if !(200..300).contains(&status) {
        return Err(SqlFailure {
            reason: refusal(status, parsed.as_ref(), body),
            may_heal: !(400..500).contains(&status) || PASSING.contains(&status),
        });
    }
    let no_json = || SqlFailure {
        reason: format!("answered what is no JSON: {}", shortened(body.trim(), 200)),
        may_heal: true,
    };
    let answer = parsed.ok_or_else(no_json)?;
    if let Some(reason) = failure(&answer, query) {
        return Err(SqlFailure::refused(reason));
    }
    rows_in(&answer).map_err(SqlFailure::refused)
}

impl SqlFailure {
    /// The query would be refused again.
    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            may_heal: false,
        }
    }

    /// As the error of this gym.
    pub(crate) fn of(self, gym: String) -> GymError {
        let Self { reason, may_heal } = self;
        if may_heal {
            GymError::Sql { gym, reason }
        } else {
            GymError::SqlRefused { gym, reason }
        }
    }
}

/// Why a request was refused: `HTTP 400: no such column: nme`.
pub(crate) fn refusal(status: u16, parsed: Option<&Value>, body: &str) -> String {
    let reason = parsed
        .and_then(|answer| failure::reason_in(answer.as_object()?))
        .unwrap_or_else(|| shortened(body.trim(), 200));
    if reason.is_empty() {
        format!("HTTP {status}")
    } else {
        format!("HTTP {status}: {reason}")
    }
}

fn rows_in(answer: &Value) -> Result<Value, String> {
    let object = match answer {
        Value::Array(rows) => return Ok(value_of_rows(rows)),
        Value::Object(object) => object,
        other => {
            return Err(format!(
                "answered {}, not rows",
                shortened(&other.to_string(), 200)
            ));
        }
    };
    let found = ROWS
        .iter()
        .find_map(|key| Some((*key, object.get(*key).filter(|v| !v.is_null())?)));
    match found {
        Some((_, Value::Array(rows))) => Ok(text_of(rows).map_or_else(
            || Ok(value_of_rows(rows)),
            |text| rows_in(&serde_json::from_str(&text).unwrap_or(Value::String(text))),
        )?),
        // An object is a wrapper with rows of its own, or the only row.
        Some((_, inner @ Value::Object(fields))) if ROWS.iter().any(|key| fields.contains_key(*key)) => {
            rows_in(inner)
        }
        Some(("content", Value::String(text))) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => rows_in(&inner),
            _ => Ok(Value::String(text.clone())),
        },
        Some((_, one)) => Ok(value_of_row(one)),
        // The gym knows the form and has found nothing.
        None if ROWS.iter().any(|key| object.contains_key(*key)) || object.contains_key("success") => {
            Ok(Value::Null)
        }
        None => Err(format!(
            "answered without rows: {}",
            shortened(&answer.to_string(), 200)
        )),
    }
}

/// The text of an MCP content list such as `[{"type":"text","text":"…"}]`.
fn text_of(rows: &[Value]) -> Option<String> {
    let is_text = |row: &Value| row.get("type").and_then(Value::as_str) == Some("text");
    let texts = rows
        .iter()
        .map(|row| row.get("text").filter(|_| is_text(row)).and_then(Value::as_str));
    texts
        .collect::<Option<Vec<_>>>()
        .filter(|texts| !texts.is_empty())
        .map(|texts| texts.concat())
}

fn value_of_rows(rows: &[Value]) -> Value {
    match rows {
        [] => Value::Null,
        [row] => value_of_row(row),
        many => Value::Array(many.to_vec()),
    }
}

fn value_of_row(row: &Value) -> Value {
    match row {
        Value::Array(columns) if columns.len() == 1 => columns.first().cloned().unwrap_or_default(),
        Value::Object(columns) if columns.len() == 1 => columns.values().next().cloned().unwrap_or_default(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_an_answer_becomes_a_value() {
        for (body, want) in [
            // rows as lists
            (json!({"rows": [[3]]}), json!(3)),
            (
                json!({"columns": ["a", "b"], "rows": [[1, "x"]]}),
                json!([1, "x"]),
            ),
            (json!({"rows": [[1], [2]]}), json!([[1], [2]])),
            (json!({"rows": []}), json!(null)),
            // rows as objects
            (
                json!({"success": true, "message": "ok", "data": [{"n": 3}], "row_count": 1}),
                json!(3),
            ),
            (json!({"data": [{"a": 1, "b": null}]}), json!({"a": 1, "b": null})),
            (json!({"data": [{"a": 1}, {"a": 2}]}), json!([{"a": 1}, {"a": 2}])),
            (json!({"rows": [{"n": "x"}]}), json!("x")),
            // data before rows before content and result
            (json!({"rows": [[1]], "data": [{"n": 2}]}), json!(2)),
            (json!({"rows": [[1]], "data": null}), json!(1)),
            (json!({"result": {"rows": [[7]]}}), json!(7)),
            (json!({"result": {"data": {"rows": [[8]]}}}), json!(8)),
            (json!({"result": [[9]]}), json!(9)),
            (json!({"result": 5}), json!(5)),
            (json!({"content": "[{\"n\": 4}]"}), json!(4)),
            (
                json!({"content": [{"type": "text", "text": "{\"rows\": [[6]]}"}]}),
                json!(6),
            ),
            // bare lists, single rows, nothing
            (json!([[1]]), json!(1)),
            (json!([{"n": 1}]), json!(1)),
            (json!([]), json!(null)),
            (json!({"data": {"n": 1}}), json!(1)),
            (json!({"data": [5]}), json!(5)),
            (json!({"success": true, "data": null}), json!(null)),
            (json!({"data": [{"n": null}]}), json!(null)),
        ] {
            assert_eq!(value_of(200, &body.to_string(), ""), Ok(want), "{body}");
        }
    }

    #[test]
    fn a_refusal_is_no_value() {
        for (status, body, want) in [
            (
                400,
                r#"{"detail":"no such table: isue"}"#,
                "HTTP 400: no such table: isue",
            ),
            (500, "Internal Server Error\n", "HTTP 500: Internal Server Error"),
            (502, "", "HTTP 502"),
            (
                200,
                r#"{"success":false,"message":"syntax error"}"#,
                "syntax error",
            ),
            (200, r#"{"success":false}"#, "failed without a reason"),
            (200, r#"{"error":"database is locked"}"#, "database is locked"),
            (200, "<html>", "answered what is no JSON: <html>"),
            (200, r#"{"hello":1}"#, r#"answered without rows: {"hello":1}"#),
            (200, "3", "answered 3, not rows"),
            (
                422,
                r#"{"detail":[{"loc":["body"]}]}"#,
                r#"HTTP 422: [{"loc":["body"]}]"#,
            ),
        ] {
            let may_heal = status >= 500 || body == "<html>";
            let want = SqlFailure {
                reason: want.to_owned(),
                may_heal,
            };
            assert_eq!(value_of(status, body, ""), Err(want), "{body}");
        }
    }
}
