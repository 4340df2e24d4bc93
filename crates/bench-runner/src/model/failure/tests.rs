//! What each refusal in the wild means.

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
