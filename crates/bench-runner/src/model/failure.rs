//! What a provider's refusal means: its status and its own error type → [`ErrorClass`].
//!
//! Whether a request is tried again is decided by status and typed fields, never by words. Words only
//! tell kinds apart that are final anyway: providers report a full context or an empty account as a
//! plain 400. What ends all trials of a model is never read out of the middle of a message: it may repeat the request.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::{ErrorClass, bounds};

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

/// Whether the provider says itself that the same request should be sent again, or should not.
pub(super) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    let said = headers.get("x-should-retry")?.to_str().ok()?;
    said.trim().to_ascii_lowercase().parse().ok()
}

/// A time as protocol buffers write it: `34.5s`.
fn delay(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

/// How long a provider asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    let seconds = |n: f64| Duration::try_from_secs_f64(n).ok();
    number("retry-after-ms")
        .and_then(|ms| seconds(ms / 1000.0))
        .or_else(|| {
            number("retry-after").and_then(seconds).or_else(|| {
                let date = httpdate::parse_http_date(text("retry-after")?).ok()?;
                Some(date.duration_since(now).unwrap_or_default())
            })
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn classes_follow_status_and_typed_fields() {
        use ErrorClass::*;
        let openai = |kind: &str, code: &str| json!({"error": {"message": "m", "type": kind, "code": code}});
        let anthropic = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "m"}});
        let says = |message: &str| json!({"error": {"message": message, "type": "invalid_request_error"}});
        for (status, body, want) in [
            (400, openai("invalid_request_error", "x"), BadRequest),
            (
                400,
                openai("invalid_request_error", "context_length_exceeded"),
                ContextTooLong,
            ),
            (
                400,
                json!({"error": {"code": 400, "type": "exceed_context_size_error"}}),
                ContextTooLong,
            ),
            (
                400,
                says("prompt is too long: 208310 tokens > 200000 maximum"),
                ContextTooLong,
            ),
            (
                400,
                says("Your credit balance is too low to access the API"),
                OutOfCredit,
            ),
            (
                400,
                json!({"code": "invalid argument", "error": "Incorrect API key provided: xa***"}),
                Auth,
            ),
            (401, openai("invalid_request_error", "invalid_api_key"), Auth),
            (
                402,
                json!({"error": {"code": 402, "message": "Insufficient credits"}}),
                OutOfCredit,
            ),
            (403, anthropic("permission_error"), Auth),
            (
                422,
                json!({"detail": [{"msg": "bad", "input": "It says: Incorrect API key provided"}]}),
                BadRequest,
            ),
            (
                400,
                says("messages.1: `your credit balance is too low` is no block. invalid api key"),
                BadRequest,
            ),
            (
                403,
                json!({"error": {"code": 403, "metadata": {"reasons": ["hate"]}}}),
                ContentFilter,
            ),
            (
                400,
                json!({"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT",
                    "details": [{"@type": "x/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}}),
                Auth,
            ),
            (
                400,
                openai("invalid_request_error", "content_filter"),
                ContentFilter,
            ),
            (404, anthropic("not_found_error"), BadRequest),
            (404, json!({"detail": "Not Found"}), BadRequest),
            (408, json!({}), Timeout),
            (409, json!({}), Timeout),
            (413, anthropic("request_too_large"), ContextTooLong),
            (
                422,
                json!({"detail": [{"loc": ["body"], "msg": "bad"}]}),
                BadRequest,
            ),
            (425, json!({}), Timeout),
            (429, anthropic("rate_limit_error"), RateLimit),
            (429, openai("requests", "rate_limit_exceeded"), RateLimit),
            (
                429,
                openai("insufficient_quota", "insufficient_quota"),
                OutOfCredit,
            ),
            (500, anthropic("api_error"), Overloaded),
            (500, says("maximum context length"), Overloaded),
            (
                500,
                json!({"error": {"code": 500, "message": "Failed to parse input at pos 12: </t>", "type": "server_error"}}),
                Malformed,
            ),
            (
                500,
                json!({"error": {"code": null, "message": "m", "type": "server_error"}}),
                Overloaded,
            ),
            (
                200,
                json!({"error": {"code": 500, "message": "m", "type": "server_error"}}),
                Malformed,
            ),
            (501, json!({}), BadRequest),
            (502, json!("bad gateway"), Overloaded),
            (503, json!(null), Overloaded),
            (504, json!({}), Overloaded),
            (529, anthropic("overloaded_error"), Overloaded),
            (302, json!({}), BadRequest),
            (
                200,
                json!({"error": {"code": 429, "message": "slow down"}}),
                RateLimit,
            ),
            (200, anthropic("overloaded_error"), Overloaded),
            (200, json!({"error": {"message": "?"}}), Malformed),
        ] {
            let said = Said::of_body(body.to_string().as_bytes());
            assert_eq!(said.class(status), want, "{status} {body}");
        }
    }

    #[test]
    fn a_page_of_a_gateway_says_nothing_of_the_key() {
        let page = Said::of_body(b"<html>403 Forbidden</html>");
        assert_eq!(page.class(403), ErrorClass::BadRequest);
        assert_eq!(page.class(401), ErrorClass::Auth, "who asks is asked for");
        assert_eq!(Said::of_body(b"{}").class(403), ErrorClass::Auth);
    }

    #[test]
    fn only_true_and_false_say_whether_to_ask_again() {
        for (value, want) in [
            ("true", Some(true)),
            (" False ", Some(false)),
            ("1", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([("x-should-retry".parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(should_retry(&headers), want, "{value}");
        }
        assert_eq!(should_retry(&HeaderMap::new()), None);
    }

    #[test]
    fn headers_may_stand_in_the_body() {
        let error = json!({"error": {"code": 429, "metadata": {"headers": {
            "X-RateLimit-Remaining": 0, "X-RateLimit-Reset": "1795255230000", "not a name": "x", "x-line": "a\nb"}}}});
        let headers = Said::of_body(error.to_string().as_bytes()).headers;
        assert_eq!(headers.len(), 2, "{headers:?}");
        assert_eq!(headers["x-ratelimit-remaining"], "0");
        assert_eq!(headers["x-ratelimit-reset"], "1795255230000");
    }

    #[test]
    fn only_a_refusal_is_surely_not_paid() {
        for (status, want) in [
            (200, true),
            (202, true),
            (302, false),
            (400, false),
            (401, false),
            (408, true),
            (429, false),
            (500, true),
            (502, true),
            (503, false),
            (504, true),
            (529, false),
        ] {
            assert_eq!(may_be_paid(status), want, "{status}");
        }
    }

    #[test]
    fn messages_are_found_in_every_form() {
        for (body, want) in [
            (r#"{"error":{"message":"no"}}"#, "no"),
            (r#"{"error":"model not found"}"#, "model not found"),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"message":"slow"}"#, "slow"),
            ("<html>502</html>", "<html>502</html>"),
            (r#"{"odd":1}"#, r#"{"odd":1}"#),
            ("", ""),
        ] {
            assert_eq!(Said::of_body(body.as_bytes()).message, want);
        }
        assert_eq!(Said::short("a\n  b"), "a b");
        assert_eq!(
            Said::short(&"ä".repeat(1000)).chars().count(),
            LONGEST_MESSAGE + 1
        );
    }

    #[test]
    fn a_wait_may_stand_in_the_body() {
        let body = |delay: &str| {
            let details = json!([{"@type": "x/Help"}, {"@type": "x/RetryInfo", "retryDelay": delay}]);
            Said::of_body(
                json!({"error": {"code": 429, "details": details}})
                    .to_string()
                    .as_bytes(),
            )
        };
        assert_eq!(body("34.5s").retry_after, Some(Duration::from_millis(34_500)));
        for odd in ["", "s", "-1s", "5", "NaNs", "1e400s"] {
            assert_eq!(body(odd).retry_after, None, "{odd}");
        }
    }

    #[test]
    fn retry_after_is_read_in_all_forms() {
        let now = httpdate::parse_http_date("Sat, 21 Nov 2026 10:00:00 GMT").unwrap();
        let after = |name: &'static str, value: &str| {
            retry_after(
                &HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]),
                now,
            )
        };
        let secs = |n: u64| Some(Duration::from_secs(n));
        assert_eq!(after("retry-after", "7"), secs(7));
        assert_eq!(after("retry-after", "0.25"), Some(Duration::from_millis(250)));
        assert_eq!(after("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(after("retry-after", "Sat, 21 Nov 2026 10:00:30 GMT"), secs(30));
        assert_eq!(
            after("retry-after", "Sat, 21 Nov 2026 09:00:00 GMT"),
            secs(0),
            "already over"
        );
        for odd in ["soon", "-1", "NaN", "1e400", ""] {
            assert_eq!(after("retry-after", odd), None, "{odd}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
