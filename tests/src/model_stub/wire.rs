//! The wire formats as one: where a request stands, and how answers and errors are written.

use http::HeaderMap;
use serde_json::Value;

use super::script::Reply;
use super::shape::Refusal;
use super::{chat, generate, messages, responses};

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wire {
    /// `OpenAI`'s chat completions.
    Chat,
    /// `OpenAI`'s responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Google's generateContent.
    Generate,
}

/// Where in a conversation a request stands.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Text of the first user message.
    pub(super) first_user: Option<String>,
    /// Model replies so far.
    pub(super) assistant_messages: usize,
    /// Tool results so far, as JSON where they are.
    pub(super) results: Vec<Value>,
}

impl Wire {
    pub(super) fn read(self, headers: &HeaderMap, body: &Value) -> Result<Seen, Refusal> {
        match self {
            Self::Chat => chat::read(headers, body),
            Self::Responses => responses::read(headers, body),
            Self::Generate => generate::read(headers, body),
            Self::Messages => messages::read(headers, body),
        }
    }

    pub(super) fn reply(self, reply: &Reply, seen: &Seen, model: &Value, n: u64) -> Value {
        match self {
            Self::Chat => chat::reply(reply, seen, model, n),
            Self::Responses => responses::reply(reply, seen, model, n),
            Self::Generate => generate::reply(reply, seen, n),
            Self::Messages => messages::reply(reply, seen, model, n),
        }
    }

    pub(super) fn error(self, status: u16, message: &str) -> Value {
        match self {
            Self::Chat | Self::Responses => chat::error(status, message),
            Self::Generate => generate::error(status, message),
            Self::Messages => messages::error(status, message),
        }
    }
}

/// Text as JSON if it is, else as a JSON string.
pub(super) fn as_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
