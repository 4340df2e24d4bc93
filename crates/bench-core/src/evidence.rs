//! Evidence: what went over the wire to a model and came back, request by request.
//!
//! One record is one request; a record is one line of JSON. Where they lie, and how they are compressed, is the
//! runner's business.

use std::borrow::Cow;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::lint::secrets;

/// Version of the records.
pub const FORMAT: u32 = 1;

/// What stands where a key stood.
const MASK: &str = "[secret]";

/// Of which requests evidence is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Of none.
    Off,
    /// Of those that gave no reply.
    Errors,
    /// Of all.
    #[default]
    Full,
}

impl Keep {
    /// Whether it is what is kept where nothing is said.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One request to a model, as the one that is tried or as a judge, and what came back. Without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Version of this form, now 1.
    pub format: u32,
    /// The attempt at the trial, from 1.
    pub trial_attempt: u32,
    /// The model reply that was asked for, from 1; of a judge, its reply to this verifier.
    pub turn: u32,
    /// Who asked, where it was asked as a judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<Asker>,
    /// Which request for it, from 1.
    pub attempt: u32,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// Where to.
    pub url: String,
    /// Headers of the request, without those that the HTTP library adds.
    pub request_headers: Vec<(String, String)>,
    /// Body of the request.
    pub request: String,
    /// Status of the answer, if its head came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers of the answer.
    pub headers: Vec<(String, String)>,
    /// Body of the answer, as far as it came; what is no UTF-8 in it is replaced.
    pub body: String,
    /// Milliseconds until the head of the answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_after_ms: Option<u64>,
    /// Milliseconds in all.
    pub took_ms: u64,
    /// What it came to.
    #[serde(flatten)]
    pub ended: Ended,
}

/// The verifier that asked a judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// Which of the scenario's, from 0.
    pub verifier: usize,
    /// Its name.
    pub name: String,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ended", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// The model's turn.
    Replied,
    /// None.
    Failed {
        /// Why.
        error: String,
    },
    /// Nobody waited for its end.
    GivenUp,
}

/// Keys by their shapes, and all of a private key.
static KEYS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let whole = r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----";
    let shapes: Vec<&str> = [whole].into_iter().chain(secrets::patterns()).collect();
    Regex::new(&shapes.join("|")).ok()
});

/// The text without anything that looks like a key that a provider hands out.
pub fn without_keys(text: &str) -> Cow<'_, str> {
    match KEYS.as_ref() {
        Some(keys) => keys.replace_all(text, MASK),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_key_is_taken_out() {
        for key in [
            "sk-abcdefghijklmnopqrstuvwxyz",
            "AIzaAbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
            "Bearer abcdefghijklmnop.qrst==",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4",
            r"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        ] {
            assert_eq!(without_keys(&format!("it is {key}, ok")), "it is [secret], ok");
        }
        for text in ["task-force", "Bearer of news", "a sk-short one"] {
            assert_eq!(without_keys(text), text);
        }
    }
}
