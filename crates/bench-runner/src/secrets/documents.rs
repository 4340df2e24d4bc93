//! Secrets in values that are written as JSON: looked for in their strings, never in how they are written.

use std::borrow::Cow;

use chrono::DateTime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{MASK, Secrets};

/// Members of our records that name things. The names are also those of files: hiding them here hides nothing.
const NAMES: [&str; 6] = ["trial", "scenario_id", "model", "gym", "database_id", "record"];

/// How much is taken for a text that may hold a secret.
#[derive(Clone, Copy, PartialEq)]
enum Care {
    /// Every string and every number.
    All,
    /// Not single lower-case words, numbers and times, which our formats are made of.
    Texts,
}

impl Secrets {
    /// The value with every known secret in its strings replaced. As an error it comes back as it was, where no such
    /// value is left: a secret is also a part of something that must not change.
    pub(crate) fn redacted<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<T, T> {
        let Ok(text) = serde_json::to_string(&value) else {
            return Err(value);
        };
        if let Cow::Borrowed(_) = self.redact(&text) {
            return Ok(value);
        }
        self.read_cleaned(&text).ok_or(value)
    }

    /// The same as JSON, for a value that is only to be written: one without secrets is serialized once. `None` where
    /// [`redacted`](Self::redacted) has an error.
    pub(crate) fn redacted_json<T: Serialize + DeserializeOwned>(&self, value: &T) -> Option<String> {
        let text = serde_json::to_string(value).ok()?;
        if let Cow::Borrowed(_) = self.redact(&text) {
            return Some(text);
        }
        serde_json::to_string(&self.read_cleaned::<T>(&text)?).ok()
    }

    /// A value read from JSON, without the secrets in its strings.
    fn read_cleaned<T: DeserializeOwned>(&self, text: &str) -> Option<T> {
        [Care::All, Care::Texts].into_iter().find_map(|care| {
            let clean = self.cleaned(serde_json::from_str(text).ok()?, care, true);
            serde_json::from_value(clean).ok()
        })
    }

    fn cleaned(&self, value: Value, care: Care, top: bool) -> Value {
        match value {
            Value::String(text) if care == Care::Texts && is_ours(&text) => Value::String(text),
            Value::String(text) => Value::String(self.redact(&text).into_owned()),
            Value::Number(number) if care == Care::All => {
                let text = number.to_string();
                match self.redact(&text) {
                    Cow::Owned(clean) if clean == MASK => Value::String(clean),
                    _ => Value::Number(number),
                }
            }
            Value::Array(items) => items
                .into_iter()
                .map(|item| self.cleaned(item, care, false))
                .collect(),
            Value::Object(members) => Value::Object(self.cleaned_members(members, care, top)),
            other => other,
        }
    }

    fn cleaned_members(&self, members: Map<String, Value>, care: Care, top: bool) -> Map<String, Value> {
        let clean = members.into_iter().map(|(name, value)| {
            if top && NAMES.contains(&name.as_str()) {
                return (name, value);
            }
            let value = self.cleaned(value, care, false);
            if is_word(&name) {
                (name, value)
            } else {
                (self.redact(&name).into_owned(), value)
            }
        });
        clean.collect()
    }
}

/// Whether our own formats may hold the text: a word such as `tool_calls`, or a time.
fn is_ours(text: &str) -> bool {
    is_word(text) || DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}
