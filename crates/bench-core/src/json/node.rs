//! Values and the bytes that they were written with.

use serde_json::{Map, Number, Value};

use super::Syntax;
use super::parse::{Wrong, parse_text};

/// A value and the bytes of the text that it was written with.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: Kind,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

/// A name and its value in an object. Names may repeat, as they do in files; the last one counts.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) name_start: usize,
    pub(crate) value: Node,
}

impl Node {
    /// The value without its places. Of a name that repeats, the last value counts.
    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Kind::Object(members) => Value::Object(to_map(members)),
        }
    }

    /// The value at a JSON pointer. A string that holds JSON is entered if the pointer goes on.
    pub(crate) fn find(&self, pointer: &str) -> Option<Self> {
        if pointer.is_empty() {
            return Some(self.clone());
        }
        let (token, rest) = match pointer.strip_prefix('/')?.split_once('/') {
            Some((token, rest)) => (token, format!("/{rest}")),
            None => (pointer.strip_prefix('/')?, String::new()),
        };
        let token = token.replace("~1", "/").replace("~0", "~");
        match &self.kind {
            Kind::Object(members) => members.iter().rev().find(|m| m.name == token)?.value.find(&rest),
            Kind::List(items) => items.get(token.parse::<usize>().ok()?)?.find(&rest),
            Kind::Text(_) => self.decoded()?.find(pointer),
            _ => None,
        }
    }

    /// What a string says that holds a list or an object as JSON; `None` for anything else.
    pub(crate) fn decoded(&self) -> Option<Self> {
        let mut inner = self.clone();
        inner.decode().ok()?;
        matches!(
            (&self.kind, &inner.kind),
            (Kind::Text(_), Kind::List(_) | Kind::Object(_))
        )
        .then_some(inner)
    }

    /// Turns a string that holds JSON into what it says; an empty one into null.
    pub(super) fn decode(&mut self) -> Result<(), Wrong> {
        let Kind::Text(text) = &self.kind else {
            return Ok(());
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            self.kind = Kind::Null;
        } else if trimmed.starts_with(['[', '{']) || trimmed == "null" {
            let mut inner = parse_text(trimmed, Syntax::Strict)?;
            inner.move_to(self.start, self.end);
            *self = inner;
        }
        Ok(())
    }

    /// Gives every value inside the place of the string it was written in.
    fn move_to(&mut self, start: usize, end: usize) {
        (self.start, self.end) = (start, end);
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| item.move_to(start, end)),
            Kind::Object(members) => members.iter_mut().for_each(|member| {
                member.name_start = start;
                member.value.move_to(start, end);
            }),
            _ => {}
        }
    }
}

/// Members as a map; of a name that repeats, the last value counts.
pub(crate) fn to_map(members: &[Member]) -> Map<String, Value> {
    members
        .iter()
        .map(|m| (m.name.clone(), m.value.to_value()))
        .collect()
}
