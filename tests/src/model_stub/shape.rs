//! Small checks on JSON, for validating requests against published shapes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Why a provider would refuse a request: what, and where in the body.
pub(super) type Refusal = String;

/// An object that has only these fields.
pub(super) fn object<'a>(
    value: &'a Value,
    place: &str,
    known: &[&str],
) -> Result<&'a Map<String, Value>, Refusal> {
    let fields = value
        .as_object()
        .ok_or_else(|| format!("{place}: expected an object"))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(format!("{place}.{unknown}: unknown field")),
        None => Ok(fields),
    }
}

/// A list with at least one item.
pub(super) fn list<'a>(value: Option<&'a Value>, place: &str) -> Result<&'a [Value], Refusal> {
    match value.and_then(Value::as_array) {
        Some(items) if !items.is_empty() => Ok(items),
        Some(_) => Err(format!("{place}: too short, expected at least one item")),
        None => Err(format!("{place}: expected a list")),
    }
}

/// A text with at least one character.
pub(super) fn text<'a>(value: Option<&'a Value>, place: &str) -> Result<&'a str, Refusal> {
    match value.and_then(Value::as_str) {
        Some("") => Err(format!("{place}: must not be empty")),
        Some(text) => Ok(text),
        None => Err(format!("{place}: expected a string")),
    }
}

/// A whole number of at least 1, if there is one.
pub(super) fn positive(value: Option<&Value>, place: &str) -> Result<(), Refusal> {
    match value {
        Some(number) if number.as_u64().is_none_or(|n| n == 0) => {
            Err(format!("{place}: expected a whole number above 0"))
        }
        _ => Ok(()),
    }
}

/// A number in a range, if there is one.
pub(super) fn in_range(value: Option<&Value>, place: &str, most: f64) -> Result<(), Refusal> {
    match value {
        Some(number) if number.as_f64().is_none_or(|n| !(0.0..=most).contains(&n)) => {
            Err(format!("{place}: expected a number from 0 to {most}"))
        }
        _ => Ok(()),
    }
}

/// The name of a tool: 1 to 64 of letters, digits, `_` and `-`, and not yet in `seen`.
pub(super) fn tool_name(
    value: Option<&Value>,
    place: &str,
    seen: &mut BTreeSet<String>,
) -> Result<(), Refusal> {
    let name = text(value, place)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.len() > 64 || !name.chars().all(fits) {
        return Err(format!(
            "{place}: `{name}` does not match ^[a-zA-Z0-9_-]{{1,64}}$"
        ));
    }
    if !seen.insert(name.to_owned()) {
        return Err(format!("{place}: tool names must be unique, `{name}` is not"));
    }
    Ok(())
}

/// A JSON Schema for the arguments of a tool: an object schema.
pub(super) fn arguments_schema(value: Option<&Value>, place: &str) -> Result<(), Refusal> {
    match value.and_then(|schema| schema.get("type")) {
        Some(kind) if kind == "object" => Ok(()),
        _ => Err(format!("{place}: schema must be of type \"object\"")),
    }
}

/// Takes one answer off the calls that are still open.
pub(super) fn close_call(open: &mut Vec<String>, id: &str, place: &str) -> Result<(), Refusal> {
    match open.iter().position(|call| call == id) {
        Some(index) => {
            open.remove(index);
            Ok(())
        }
        None => Err(format!(
            "{place}: `{id}` answers no open tool call of the turn before"
        )),
    }
}

/// All calls are answered.
pub(super) fn none_open(open: &[String], place: &str) -> Result<(), Refusal> {
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "{place}: tool calls without an answer: {}",
            open.join(", ")
        ))
    }
}
