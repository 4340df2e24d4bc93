//! Typed values out of one JSON value: what each type accepts, and what is said where it is not that.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::read::At;
use super::{Kind, Node, to_map};

/// What can be read from one value.
pub(crate) trait Read: Sized {
    /// The typed value, or a note why it is none.
    fn read(at: &At<'_>) -> Option<Self>;
}

impl Read for String {
    fn read(at: &At<'_>) -> Option<Self> {
        match &at.node.kind {
            Kind::Text(text) => Some(text.clone()),
            _ => at.wrong_type("a string"),
        }
    }
}

impl Read for bool {
    fn read(at: &At<'_>) -> Option<Self> {
        match at.node.kind {
            Kind::Bool(flag) => Some(flag),
            _ => at.wrong_type("true or false"),
        }
    }
}

impl Read for f64 {
    fn read(at: &At<'_>) -> Option<Self> {
        match &at.node.kind {
            Kind::Number(number) => number.as_f64(),
            _ => at.wrong_type("a number"),
        }
    }
}

impl Read for i64 {
    fn read(at: &At<'_>) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
        let from_float = |f: f64| (f.fract() == 0.0 && f.abs() < 9e15).then_some(f as i64);
        let whole = match &at.node.kind {
            // Some programs write every number with a fraction: 3.0 is 3.
            Kind::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(from_float)),
            _ => None,
        };
        whole.or_else(|| at.wrong_type("a whole number"))
    }
}

impl Read for u64 {
    fn read(at: &At<'_>) -> Option<Self> {
        let whole: i64 = at.read()?;
        whole.try_into().ok().or_else(|| at.wrong_type("0 or more"))
    }
}

impl Read for u32 {
    fn read(at: &At<'_>) -> Option<Self> {
        let whole: u64 = at.read()?;
        whole.try_into().ok().or_else(|| at.wrong_type("smaller"))
    }
}

impl Read for i32 {
    fn read(at: &At<'_>) -> Option<Self> {
        let whole: i64 = at.read()?;
        whole.try_into().ok().or_else(|| at.wrong_type("smaller"))
    }
}

impl Read for Map<String, Value> {
    fn read(at: &At<'_>) -> Option<Self> {
        match &at.node.kind {
            Kind::Object(members) => Some(to_map(members)),
            _ => at.wrong_type("an object"),
        }
    }
}

/// One string stands for a list of one.
impl Read for Vec<String> {
    fn read(at: &At<'_>) -> Option<Self> {
        match &at.node.kind {
            Kind::Text(text) => Some(vec![text.clone()]),
            Kind::List(_) => {
                // Read all before any `None` ends it: each wrong element is noted.
                let texts: Vec<Option<String>> = at.items()?.iter().map(At::read).collect();
                texts.into_iter().collect()
            }
            _ => at.wrong_type("a string or a list of strings"),
        }
    }
}

/// Numbers, true and false are taken as their text.
impl Read for BTreeMap<String, String> {
    fn read(at: &At<'_>) -> Option<Self> {
        let text = |at: &At<'_>| plain_text(at.node).or_else(|| at.wrong_type("a string"));
        let texts: Vec<_> = at
            .entries()?
            .into_iter()
            .map(|(name, at)| (name, text(&at)))
            .collect();
        texts
            .into_iter()
            .map(|(name, text)| Some((name.to_owned(), text?)))
            .collect()
    }
}

/// A string, or a number or truth value as its text.
pub(crate) fn plain_text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Text(text) => Some(text.clone()),
        Kind::Number(number) => Some(number.to_string()),
        Kind::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
