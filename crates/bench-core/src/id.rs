//! Trial ids: stable across resume, safe as a file name, readable by a person.

use std::collections::HashMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest trial id, in bytes (all its characters are ASCII).
const LONGEST: usize = 120;

/// `<scenario-slug>~<model-slug>~<n>`: at most 120 of `[a-z0-9._~-]`.
///
/// An id from outside is parsed, never pasted into a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct TrialId(String);

/// Why a text is not a trial id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a trial id: 1 to 120 of a-z 0-9 . _ ~ - are allowed, not starting with a dot")]
pub struct BadTrialId {
    text: String,
}

impl TrialId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TrialId {
    type Error = BadTrialId;

    fn try_from(text: String) -> Result<Self, BadTrialId> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._~-".contains(&b);
        let fits = !text.is_empty() && text.len() <= LONGEST && !text.starts_with('.');
        if fits && text.bytes().all(allowed) {
            Ok(Self(text))
        } else {
            Err(BadTrialId { text })
        }
    }
}

impl std::str::FromStr for TrialId {
    type Err = BadTrialId;

    fn from_str(text: &str) -> Result<Self, BadTrialId> {
        Self::try_from(text.to_owned())
    }
}

impl From<TrialId> for String {
    fn from(id: TrialId) -> Self {
        id.0
    }
}

/// Lower case, everything outside `[a-z0-9._-]` becomes one `-`, none at either end.
///
/// The result is never empty (`x` stands in) and at most `longest` bytes.
pub fn slug(text: &str, longest: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    let kept: String = out.trim_matches(['-', '.']).chars().take(longest).collect();
    let kept = kept.trim_end_matches(['-', '.']);
    if kept.is_empty() {
        "x".to_owned()
    } else {
        kept.to_owned()
    }
}

/// Hands out slugs that differ from each other: a name that was taken gets `-2`, `-3`, ….
#[derive(Debug)]
pub struct SlugBook {
    longest: usize,
    owners: HashMap<String, String>,
}

impl SlugBook {
    /// An empty book whose slugs are at most `longest` bytes, suffix included.
    pub fn new(longest: usize) -> Self {
        Self {
            longest,
            owners: HashMap::new(),
        }
    }

    /// The slug of `name`: the same one each time for the same name, never another name's.
    pub fn slug(&mut self, name: &str) -> String {
        let base = slug(name, self.longest);
        let mut candidate = base.clone();
        for n in 2.. {
            match self.owners.get(&candidate) {
                None => break,
                Some(owner) if owner == name => return candidate,
                Some(_) => {
                    let suffix = format!("-{n}");
                    let kept: String = base
                        .chars()
                        .take(self.longest.saturating_sub(suffix.len()))
                        .collect();
                    candidate = kept + &suffix;
                }
            }
        }
        self.owners.insert(candidate.clone(), name.to_owned());
        candidate
    }
}

/// Joins the parts of a trial id. `scenario` and `model` are slugs of at most 60 and 45 bytes.
pub(crate) fn trial_id(scenario: &str, model: &str, repetition: u32) -> TrialId {
    TrialId(format!("{scenario}~{model}~{repetition}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_safe_and_never_empty() {
        for (text, want) in [
            ("Create a Bug", "create-a-bug"),
            ("../../etc/passwd", "etc-passwd"),
            ("", "x"),
            ("…", "x"),
            ("a--b", "a-b"),
            ("ÄÖ gpt-4o:mini", "gpt-4o-mini"),
        ] {
            assert_eq!(slug(text, 60), want, "{text:?}");
        }
    }

    #[test]
    fn equal_slugs_of_different_names_are_told_apart_and_stay_short() {
        let mut book = SlugBook::new(5);
        assert_eq!(book.slug("abcdefg"), "abcde");
        assert_eq!(book.slug("abcdefh"), "abc-2");
        assert_eq!(book.slug("abcdefg"), "abcde");
        assert_eq!(book.slug("abcdefi"), "abc-3");
    }

    #[test]
    fn ids_from_outside_cannot_name_a_path() {
        for bad in ["", ".", "..", "../x", "a/b", "A", "a b", "a\0", &"a".repeat(121)] {
            assert!(bad.parse::<TrialId>().is_err(), "{bad:?}");
        }
        assert!("create-bug~oracle~1".parse::<TrialId>().is_ok());
    }
}
