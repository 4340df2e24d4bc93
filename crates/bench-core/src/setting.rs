//! Settings that may hold secrets: written down as they were given, resolved only where they are used.
//!
//! A plan keeps `${VAR}` unexpanded, and a literal secret as a reference to the place it was read
//! from. [`Setting::Text`] is expanded with [`expand`]; a [`Setting::Secret`] is read again from its
//! file by whoever starts the run.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hash::sha256_hex;
use crate::json::typed::plain_text;
use crate::json::{Document, Syntax};

/// A text in a configuration: with variables in it, or standing for a secret that lies elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// May hold `${VAR}`, `${VAR:-default}` or `${env:VAR}`.
    Text(String),
    /// A literal secret, left where it was.
    Secret {
        /// Where it lies.
        secret: SecretRef,
    },
}

/// The place of a literal secret, and its hash, so that a changed one is noticed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    /// Absolute path of the file.
    pub file: String,
    /// JSON pointer of the value in the file. In a file of rows it begins with the number of the row,
    /// from 0; it goes on inside a string that holds JSON.
    pub pointer: String,
    /// Lower-case hexadecimal SHA-256 of the value.
    pub sha256: String,
    /// What stands before the value where it is used, such as `Bearer `.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

impl SecretRef {
    /// The secret with its prefix, out of the text of its file; `None` if it is no longer there or not
    /// the same.
    pub fn find_in(&self, text: &str) -> Option<String> {
        let whole = Document::parse("", text, Syntax::WithComments).ok();
        let found = whole.and_then(|document| document.root.find(&self.pointer));
        // A file of one row is a whole too, only with another pointer.
        let found = found.or_else(|| {
            let (row, rest) = self.pointer.strip_prefix('/')?.split_once('/')?;
            let row = Document::parse_rows("", text)
                .into_iter()
                .nth(row.parse().ok()?)?
                .ok()?;
            row.root.find(&format!("/{rest}"))
        })?;
        let value = plain_text(&found)?;
        (sha256_hex(&value) == self.sha256).then(|| format!("{}{value}", self.prefix))
    }
}

impl From<&str> for Setting {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Setting {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Why a text could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// The variable has no value and no default.
    #[error("the variable `{name}` is not set")]
    Unset {
        /// The variable's name.
        name: String,
    },
    /// `${` without `}`, or an empty or impossible name.
    #[error("`{text}` is not a variable; write ${{NAME}}, ${{NAME:-default}} or ${{env:NAME}}")]
    Malformed {
        /// What stands there.
        text: String,
    },
}

/// Replaces `${VAR}`, `${VAR:-default}` and `${env:VAR}` by what `lookup` says. A bare `$VAR` stays.
///
/// An empty value counts as set, except before `:-`, as in a shell.
pub fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let end = from.find('}').ok_or_else(|| ExpandError::Malformed {
            text: from.to_owned(),
        })?;
        let (reference, after) = (&from[2..end], &from[end + 1..]);
        out.push_str(&value_of(reference, lookup)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The names of all variables that `text` mentions, in order, with whether each has a default.
pub fn variables(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for part in text.split("${").skip(1) {
        let Some((reference, _)) = part.split_once('}') else {
            continue;
        };
        let (name, default) = split_default(reference);
        found.push((name.to_owned(), default.is_some()));
    }
    found
}

fn value_of(reference: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let (name, default) = split_default(reference);
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(sound) {
        return Err(ExpandError::Malformed {
            text: format!("${{{reference}}}"),
        });
    }
    match (lookup(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(ExpandError::Unset {
            name: name.to_owned(),
        }),
    }
}

fn split_default(reference: &str) -> (&str, Option<&str>) {
    let reference = reference.strip_prefix("env:").unwrap_or(reference);
    match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    }
}

/// Whether a variable or field of this name holds a secret: it contains KEY, TOKEN, SECRET, PASS or AUTH.
pub fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASS", "AUTH"]
        .iter()
        .any(|word| upper.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("gym.local".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn a_literal_secret_is_found_where_it_was_and_a_changed_one_is_not() {
        let secret = |pointer: &str| SecretRef {
            file: "gyms.json".into(),
            pointer: pointer.into(),
            sha256: sha256_hex("s3cret"),
            prefix: "Bearer ".into(),
        };
        let found = |pointer: &str, text: &str| secret(pointer).find_in(text);
        let gyms = "{ // mine\n\"h\": [{\"a/b\": \"s3cret\"}],}";
        assert_eq!(found("/h/0/a~1b", gyms).as_deref(), Some("Bearer s3cret"));
        assert_eq!(found("/h/1/a~1b", gyms), None);
        assert_eq!(found("/h/0/a~1b", &gyms.replace("s3cret", "other")), None);
        let rows = "{\"a\": 1}\n\n{\"a\": \"{\\\"b\\\": \\\"s3cret\\\"}\"}\n";
        assert_eq!(found("/1/a/b", rows).as_deref(), Some("Bearer s3cret"));
        assert_eq!(found("/0/a/b", rows), None);
        assert_eq!(
            found("/0/a", "{\"a\": \"s3cret\"}").as_deref(),
            Some("Bearer s3cret"),
            "one row"
        );
    }

    #[test]
    fn variables_are_expanded_in_every_spelling() {
        for (text, want) in [
            ("http://${HOST}/mcp", "http://gym.local/mcp"),
            ("${env:HOST}${HOST}", "gym.localgym.local"),
            ("${PORT:-8080}", "8080"),
            ("${EMPTY:-fallback}", "fallback"),
            ("<${EMPTY}>", "<>"),
            ("${PORT:-}", ""),
            ("$HOST costs 5$", "$HOST costs 5$"),
        ] {
            assert_eq!(expand(text, &lookup).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn an_unset_or_malformed_variable_is_an_error() {
        assert_eq!(
            expand("${PORT}", &lookup),
            Err(ExpandError::Unset { name: "PORT".into() })
        );
        for bad in ["${HOST", "${}", "${a b}", "${input:token}"] {
            assert!(
                matches!(expand(bad, &lookup), Err(ExpandError::Malformed { .. })),
                "{bad}"
            );
        }
        assert_eq!(
            variables("${A}${B:-x}"),
            [("A".to_owned(), false), ("B".to_owned(), true)]
        );
    }
}
