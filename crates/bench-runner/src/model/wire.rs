//! What the wire formats share: a request body whose fields `extra` may replace, and tool names that
//! every provider accepts.
//!
//! Providers accept `^[a-zA-Z0-9_-]{1,64}$` as the name of a tool; MCP servers may use others
//! (`repo.read`). Such a name is sent in a changed form that ends in a hash of the true one, and read
//! back by the tools of the request. Names that fit are sent as they are. Google alone also refuses those that begin with
//! a digit or `-`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bench_core::hash::sha256_hex;
use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::Value;

use super::ToolSpec;

/// The longest tool name that every provider accepts, in bytes.
const LONGEST_NAME: usize = 64;

/// Writes a request body field by field. Fields named in `extra` are left to it: it comes last and wins.
pub(super) struct Fields<'a, M> {
    map: M,
    extra: &'a BTreeMap<String, Value>,
}

impl<'a, M: SerializeMap> Fields<'a, M> {
    pub(super) fn new(map: M, extra: &'a BTreeMap<String, Value>) -> Self {
        Self { map, extra }
    }

    /// Writes a field, unless `extra` has one of this name.
    pub(super) fn put<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        if self.extra.contains_key(name) {
            return Ok(());
        }
        self.map.serialize_entry(name, value)
    }

    /// Writes a field if it has a value: what is not asked for is not sent.
    pub(super) fn put_some<T: Serialize>(
        &mut self,
        name: &'static str,
        value: Option<&T>,
    ) -> Result<(), M::Error> {
        value.map_or(Ok(()), |value| self.put(name, value))
    }

    pub(super) fn end(mut self) -> Result<M::Ok, M::Error> {
        for (name, value) in self.extra {
            self.map.serialize_entry(name, value)?;
        }
        self.map.end()
    }
}

/// The name under which a tool is sent.
pub(super) fn wire_name(name: &str) -> Cow<'_, str> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(sound) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(changed("", name))
}

/// The name under which a tool is sent to Google.
pub(super) fn google_name(name: &str) -> Cow<'_, str> {
    let sent = wire_name(name);
    if sent.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return sent;
    }
    Cow::Owned(changed("_", name))
}

/// A name that nobody refuses, told from all others by a hash.
fn changed(prefix: &str, name: &str) -> String {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut suffix = sha256_hex(name);
    suffix.truncate(8);
    let readable = name.chars().take(LONGEST_NAME - prefix.len() - suffix.len() - 1);
    let readable: String = readable.map(|c| if sound(c) { c } else { '_' }).collect();
    format!("{prefix}{readable}_{suffix}")
}

/// The tool that a model means by a name. A name that nobody offers stays: the caller tells the model.
pub(super) fn our_name(tools: &[ToolSpec], name: &str) -> String {
    let offered = || tools.iter().map(|tool| tool.name.as_str());
    let meant = offered()
        .find(|tool| *tool == name)
        .or_else(|| offered().find(|tool| wire_name(tool) == name || google_name(tool) == name));
    meant.unwrap_or(name).to_owned()
}

/// A word of a reply's metadata: present and not empty.
pub(super) fn word(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty())
}

/// A header as text, where it is there and readable.
pub(super) fn header(headers: &reqwest::header::HeaderMap, name: &str) -> Option<String> {
    word(headers.get(name)?.to_str().ok().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn tool(name: &str) -> ToolSpec {
        ToolSpec {
            name: name.into(),
            description: String::new(),
            input_schema: Map::new(),
            reads_only: false,
        }
    }

    #[test]
    fn names_that_fit_are_sent_as_they_are() {
        for name in ["create_issue", "a-B_9", "x".repeat(64).as_str()] {
            assert_eq!(wire_name(name), name);
        }
    }

    #[test]
    fn names_that_do_not_fit_are_changed_and_found_again() {
        let names = [
            "repo.read",
            "repo/read",
            "größe",
            "",
            "y".repeat(65).as_str(),
            "y".repeat(66).as_str(),
        ]
        .map(str::to_owned);
        let tools: Vec<ToolSpec> = names.iter().map(|name| tool(name)).collect();
        let mut sent: Vec<String> = names.iter().map(|name| wire_name(name).into_owned()).collect();
        for (name, wire) in names.iter().zip(&sent) {
            assert!((1..=64).contains(&wire.len()), "{wire}");
            assert!(
                wire.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)),
                "{wire}"
            );
            assert_eq!(our_name(&tools, wire), *name);
        }
        sent.sort();
        sent.dedup();
        assert_eq!(sent.len(), names.len(), "each has a name of its own");
        assert_eq!(our_name(&tools, "no_such_tool"), "no_such_tool");
    }

    #[test]
    fn google_is_sent_names_that_begin_with_a_letter() {
        for name in ["create_issue", "_x", "a.b", "2.b"] {
            assert_eq!(
                google_name(name).starts_with('_'),
                !name.starts_with(['c', 'a']),
                "{name}"
            );
        }
        assert_eq!(google_name("create_issue"), "create_issue");
        for name in ["7zip", "-x", "3.14", &"9".repeat(64), &"9".repeat(100)] {
            let sent = google_name(name);
            assert!(sent.starts_with('_') && sent.len() <= LONGEST_NAME, "{sent}");
            assert_eq!(our_name(&[tool("other"), tool(name)], &sent), name);
        }
    }

    #[test]
    fn extra_fields_come_last_and_win() {
        struct Body(BTreeMap<String, Value>);
        impl Serialize for Body {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut fields = Fields::new(serializer.serialize_map(None)?, &self.0);
                fields.put("model", "m")?;
                fields.put_some("temperature", Some(&0.5))?;
                fields.put_some("seed", None::<&u64>)?;
                fields.end()
            }
        }
        let extra = BTreeMap::from([
            ("temperature".to_owned(), json!(1)),
            ("top_k".to_owned(), json!(4)),
        ]);
        let text = serde_json::to_string(&Body(extra)).unwrap();
        assert_eq!(
            text, r#"{"model":"m","temperature":1,"top_k":4}"#,
            "no field twice"
        );
    }
}
