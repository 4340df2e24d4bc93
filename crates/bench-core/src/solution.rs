//! Solutions: putting earlier results into later calls.
//!
//! `{{name/json/pointer}}` stands for a part of the result that an earlier call saved `as` name. A
//! string that is exactly one reference takes the value with its type; inside longer text it becomes
//! the value's text. The name [`TRIAL_DIR`] is always there: the trial's own scratch folder.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::harness::Results;

/// The name that the runner puts into the results itself: absolute path of the trial's scratch folder.
pub const TRIAL_DIR: &str = "trial_dir";

/// A reference in a text: `{{name/json/pointer}}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'t> {
    /// Name of the result.
    pub name: &'t str,
    /// JSON pointer in the result; empty for all of it.
    pub pointer: &'t str,
}

/// Why a reference has no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// No earlier call saved its result under this name.
    #[error("no earlier call saved its result as `{name}`")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// The result has no such part.
    #[error("the result `{name}` has nothing at `{pointer}`; it is {found}")]
    NothingThere {
        /// The name.
        name: String,
        /// The pointer.
        pointer: String,
        /// The result, shortened.
        found: String,
    },
}

/// A piece of a text.
enum Piece<'t> {
    Text(&'t str),
    Reference(Reference<'t>),
}

/// Splits a text at its references. What stands in braces but is no reference stays text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut kept, mut from) = (0, 0);
    while let Some(open) = text[from..].find("{{").map(|at| from + at) {
        let Some(close) = text[open..].find("}}").map(|at| open + at) else {
            break;
        };
        match reference(&text[open + 2..close]) {
            Some(found) => {
                pieces.push(Piece::Text(&text[kept..open]));
                pieces.push(Piece::Reference(found));
                (kept, from) = (close + 2, close + 2);
            }
            // Braces may be nested: look again right behind this one.
            None => from = open + 1,
        }
    }
    pieces.push(Piece::Text(&text[kept..]));
    pieces
}

fn reference(inside: &str) -> Option<Reference<'_>> {
    let split = inside.find('/').unwrap_or(inside.len());
    let (name, pointer) = inside.split_at(split);
    (is_name(name) && !pointer.contains(['{', '}'])).then_some(Reference { name, pointer })
}

/// Whether results may be saved under this name: letters, digits, `_` and `-`.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// The references in a text, in order.
pub fn references(text: &str) -> Vec<Reference<'_>> {
    let reference = |piece| match piece {
        Piece::Reference(reference) => Some(reference),
        Piece::Text(_) => None,
    };
    pieces(text).into_iter().filter_map(reference).collect()
}

/// Arguments with every reference replaced. Names of members are left as they are.
pub fn resolve(
    arguments: &Map<String, Value>,
    results: &Results,
) -> Result<Map<String, Value>, ResolveError> {
    arguments
        .iter()
        .map(|(name, value)| Ok((name.clone(), resolve_value(value, results)?)))
        .collect()
}

/// A text, such as an answer, with every reference replaced by its text.
pub fn resolve_text(text: &str, results: &Results) -> Result<String, ResolveError> {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Reference(reference) => match look_up(reference, results)? {
                Value::String(value) => out.push_str(value),
                value => out.push_str(&value.to_string()),
            },
        }
    }
    Ok(out)
}

fn resolve_value(value: &Value, results: &Results) -> Result<Value, ResolveError> {
    match value {
        Value::String(text) => match pieces(text).as_slice() {
            [Piece::Text(""), Piece::Reference(whole), Piece::Text("")] => look_up(*whole, results).cloned(),
            _ => resolve_text(text, results).map(Value::String),
        },
        Value::Array(list) => list.iter().map(|item| resolve_value(item, results)).collect(),
        Value::Object(map) => resolve(map, results).map(Value::Object),
        other => Ok(other.clone()),
    }
}

fn look_up<'r>(reference: Reference<'_>, results: &'r Results) -> Result<&'r Value, ResolveError> {
    let Reference { name, pointer } = reference;
    let result = results.get(name).ok_or_else(|| ResolveError::UnknownName {
        name: name.to_owned(),
    })?;
    result.pointer(pointer).ok_or_else(|| ResolveError::NothingThere {
        name: name.to_owned(),
        pointer: pointer.to_owned(),
        found: crate::compare::shortened(result),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn results() -> Results {
        let issue = json!({"id": 7, "key": "WEB-7", "labels": ["a", "b"], "a/b": true, "none": null});
        Results::from([("issue".to_owned(), issue), ("plain".to_owned(), json!("text"))])
    }

    #[test]
    fn references_become_values() {
        for (argument, want) in [
            (json!("{{issue/id}}"), json!(7)),
            (json!("{{issue/key}}"), json!("WEB-7")),
            (json!("{{issue/labels}}"), json!(["a", "b"])),
            (json!("{{issue/labels/1}}"), json!("b")),
            (json!("{{issue/a~1b}}"), json!(true)),
            (json!("{{issue/none}}"), json!(null)),
            (json!("{{plain}}"), json!("text")),
            (json!("see {{issue/key}} ({{issue/id}})"), json!("see WEB-7 (7)")),
            (json!(" {{issue/id}}"), json!(" 7")),
            (json!("{{issue/id}}{{issue/id}}"), json!("77")),
            (json!("{{{issue/id}}}"), json!("{7}")),
            (
                json!(["{{issue/id}}", {"x": "{{plain}}"}, 3]),
                json!([7, {"x": "text"}, 3]),
            ),
            (
                json!("{{ user.name }} and {{}} and {{"),
                json!("{{ user.name }} and {{}} and {{"),
            ),
            (json!("ä{{issue/id}}ö"), json!("ä7ö")),
        ] {
            let arguments = Map::from_iter([("x".to_owned(), argument.clone())]);
            assert_eq!(resolve(&arguments, &results()).unwrap()["x"], want, "{argument}");
        }
    }

    #[test]
    fn a_result_is_text_and_never_looked_through_again() {
        let results = Results::from([("a".to_owned(), json!("{{b}}"))]);
        assert_eq!(resolve_text("{{a}}", &results).unwrap(), "{{b}}");
    }

    #[test]
    fn what_is_not_there_is_said() {
        let error = |text: &str| resolve_text(text, &results()).unwrap_err().to_string();
        insta::assert_snapshot!(error("{{isue/id}}"), @"no earlier call saved its result as `isue`");
        insta::assert_snapshot!(error("{{issue/uid}}"), @r#"the result `issue` has nothing at `/uid`; it is {"id":7,"key":"WEB-7","labels":["a","b"],"a/b":true,"none":null}"#);
    }
}
