//! What a provider's refusal means: its status and its own error type → [`ErrorClass`].
//!
//! Whether a request is tried again is decided by status and typed fields, never by words. Words only
//! tell kinds apart that are final anyway: providers report a full context or an empty account as a
//! plain 400. What ends all trials of a model is never read out of the middle of a message: it may repeat the request.

mod wait;

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::{ErrorClass, bounds};
use wait::delay;
pub(super) use wait::{retry_after, should_retry};

/// The most characters of a provider's message that are kept.
const LONGEST_MESSAGE: usize = 400;

/// What a provider said about a failure.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    /// Its type and its code, as far as given.
    names: Vec<String>,
    /// Its code, where that is a number: a status inside an answer that says 200.
    code: Option<u16>,
    /// Whether it refused this content, not the sender.
    moderated: bool,
    /// It is no error object: a gateway's page, not the provider's word.
    foreign: bool,
    /// How long it asks to wait, where it says so in the body.
    pub(super) retry_after: Option<Duration>,
    /// Headers that an earlier server sent and a gateway (`OpenRouter`) put into the body.
    pub(super) headers: HeaderMap,
    /// In its own words.
    pub(super) message: String,
}

impl Said {
    /// Reads the body of an error answer, in all the forms that providers and gateways use.
    pub(super) fn of_body(body: &[u8]) -> Self {
        let document = bounds::count(body)
            .ok()
            .and_then(|_| serde_json::from_slice::<Value>(body).ok());
        match document {
            Some(document) => Self::of_document(&document),
            None => Self {
                message: String::from_utf8_lossy(body).into_owned(),
                foreign: true,
                ..Self::default()
            },
        }
    }

    fn of_document(document: &Value) -> Self {
        match document.get("error") {
            Some(error @ Value::Object(_)) => Self::of_error(error),
            Some(Value::String(message)) => Self {
                message: message.clone(),
                ..Self::of_error(document)
            },
            _ => Self::of_error(document),
        }
    }

    /// Reads an error object: `{type?, code?, message | detail, metadata?}`.
    pub(super) fn of_error(error: &Value) -> Self {
        let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
        let words = text("message").or_else(|| match error.get("detail") {
            Some(Value::String(detail)) => Some(detail.clone()),
            other => other.map(Value::to_string),
        });
        Self {
            names: [text("type"), text("code")]
                .into_iter()
                .flatten()
                .chain(reasons(error))
                .collect(),
            code: error
                .get("code")
                .and_then(Value::as_u64)
                .and_then(|code| u16::try_from(code).ok()),
            moderated: error.pointer("/metadata/reasons").is_some(),
            foreign: false,
            headers: headers_in(error),
            retry_after: details(error).find_map(|detail| delay(detail.get("retryDelay")?.as_str()?)),
            message: words.unwrap_or_else(|| error.to_string()),
        }
    }

    /// The status that counts: the answer's own, or the one inside an answer that says 200.
    pub(super) fn status(&self, of_answer: u16) -> u16 {
        let inside = self.code.filter(|code| (400..600).contains(code));
        if (200..300).contains(&of_answer) {
            inside.unwrap_or(of_answer)
        } else {
            of_answer
        }
    }

    /// The kind of failure that an answer with this status reports.
    pub(super) fn class(&self, status: u16) -> ErrorClass {
        if let Some(class) = self.names.iter().find_map(|name| always(name)) {
            return class;
        }
        match self.status(status) {
            403 if self.moderated => ErrorClass::ContentFilter,
            // A firewall reads what is asked: it refuses this request, not the sender.
            403 if self.foreign => ErrorClass::BadRequest,
            401 | 403 => ErrorClass::Auth,
            402 => ErrorClass::OutOfCredit,
            408 | 409 | 425 => ErrorClass::Timeout,
            413 => ErrorClass::ContextTooLong,
            429 => ErrorClass::RateLimit,
            501 | 505 => ErrorClass::BadRequest,
            // llama.cpp could not read what its model wrote, or had written before: mostly the same each time.
            500 if self.is_of_llama_cpp() => ErrorClass::Malformed,
            500..=599 => ErrorClass::Overloaded,
            300..=499 => self.final_kind(),
            _ => self
                .names
                .iter()
                .find_map(|name| inside_success(name))
                .unwrap_or(ErrorClass::Malformed),
        }
    }

    /// Whether it is an error of a llama.cpp server's own: those of others have no such code beside this type.
    fn is_of_llama_cpp(&self) -> bool {
        self.code == Some(500) && self.names.iter().any(|name| name == "server_error")
    }

    /// Tells refusals apart by words; none of the kinds is tried again.
    fn final_kind(&self) -> ErrorClass {
        let words = self.message.trim_start().to_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
        let begins = |phrases: &[&str]| phrases.iter().any(|phrase| words.starts_with(phrase));
        if says(&[
            "prompt is too long",
            "context length",
            "context window",
            "context size",
        ]) {
            ErrorClass::ContextTooLong
        } else if begins(&["your credit balance is too low"]) {
            ErrorClass::OutOfCredit
        } else if begins(&["incorrect api key", "invalid api key", "api key not valid"]) {
            ErrorClass::Auth
        } else {
            ErrorClass::BadRequest
        }
    }

    /// Its words on one line, shortened.
    pub(super) fn short(text: &str) -> String {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            if line.len() > 4 * LONGEST_MESSAGE {
                break; // enough, whatever its characters are; a body may have millions of words
            }
        }
        match line.char_indices().nth(LONGEST_MESSAGE) {
            Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
            None => line,
        }
    }
}

/// Whether an answer with this status that holds no turn may have to be paid all the same: the model was asked, or
/// nobody knows. Refusals and full houses are not.
pub(super) fn may_be_paid(status: u16) -> bool {
    match status {
        408 | 200..=299 => true,
        503 | 529 => false,
        _ => status >= 500,
    }
}

/// Names of errors that mean the same whatever the status is.
fn always(name: &str) -> Option<ErrorClass> {
    Some(match name {
        "insufficient_quota" | "billing_not_active" | "billing_hard_limit_reached" | "billing_error" => {
            ErrorClass::OutOfCredit
        }
        "context_length_exceeded" | "exceed_context_size_error" | "string_above_max_length" => {
            ErrorClass::ContextTooLong
        }
        "content_filter" | "content_policy_violation" => ErrorClass::ContentFilter,
        "API_KEY_INVALID" => ErrorClass::Auth,
        _ => return None,
    })
}

/// Names of errors inside an answer that says 200.
fn inside_success(name: &str) -> Option<ErrorClass> {
    Some(match name {
        "rate_limit_error" | "rate_limit_exceeded" => ErrorClass::RateLimit,
        "overloaded_error" | "api_error" | "server_error" => ErrorClass::Overloaded,
        "timeout_error" => ErrorClass::Timeout,
        "authentication_error" | "permission_error" | "invalid_api_key" => ErrorClass::Auth,
        "invalid_request_error" | "not_found_error" => ErrorClass::BadRequest,
        _ => return None,
    })
}

/// What Google adds to an error: a list of objects, each with fields of its own.
fn details(error: &Value) -> impl Iterator<Item = &Value> {
    error
        .get("details")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn reasons(error: &Value) -> impl Iterator<Item = String> {
    details(error).filter_map(|detail| detail.get("reason")?.as_str().map(str::to_owned))
}

/// What `OpenRouter` adds to a refusal: `metadata: {headers: {"X-RateLimit-Reset": "1741305600000"}}`.
fn headers_in(error: &Value) -> HeaderMap {
    let members = error.pointer("/metadata/headers").and_then(Value::as_object);
    let header = |(name, value): (&String, &Value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some((
            HeaderName::try_from(name.as_str()).ok()?,
            HeaderValue::try_from(text).ok()?,
        ))
    };
    members.into_iter().flatten().filter_map(header).collect()
}

#[cfg(test)]
mod tests;
