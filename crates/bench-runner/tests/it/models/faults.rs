//! Bad worlds: each failure of a provider or of the network becomes the right typed error, in time,
//! with a text that helps and holds no secret.

use std::time::{Duration, Instant, SystemTime};

use bench_runner::model::{ErrorClass, ModelError};
use serde_json::json;

use super::stub::{Answer, End, Stub, raw};
use super::talk::{CANARY, Talk};
use crate::gym_stub::nobody_listens;

const MODELS: [&str; 4] = ["openai:m", "openai:m?api=responses", "anthropic:m", "google:m"];

async fn error_of(model: &str, url: &str) -> ModelError {
    let mut talk = Talk::with(model, url);
    talk.timeout = Duration::from_mins(1);
    talk.ask().await.unwrap_err()
}

/// The error for an answer, without the stub's port.
async fn shown(model: &str, answer: Answer) -> String {
    let stub = Stub::start([answer]).await;
    error_of(model, &stub.url)
        .await
        .to_string()
        .replace(&stub.url, "http://stub")
}

#[tokio::test]
async fn every_status_has_its_class() {
    use ErrorClass::*;
    for (status, want) in [
        (302, BadRequest),
        (400, BadRequest),
        (401, Auth),
        (402, OutOfCredit),
        (403, BadRequest),
        (404, BadRequest),
        (408, Timeout),
        (409, Timeout),
        (413, ContextTooLong),
        (422, BadRequest),
        (425, Timeout),
        (429, RateLimit),
        (500, Overloaded),
        (502, Overloaded),
        (503, Overloaded),
        (504, Overloaded),
        (529, Overloaded),
    ] {
        let stub = Stub::start([Answer::new(status, "<html>gateway</html>")]).await;
        for model in MODELS {
            let error = error_of(model, &stub.url).await;
            assert_eq!(
                (error.class, error.status),
                (want, Some(status)),
                "{model} {status}: {error}"
            );
            let maybe_paid = matches!(status, 408 | 500 | 502 | 504);
            assert_eq!(error.maybe_paid, maybe_paid, "{model} {status}: {error}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_a_turn_says_what_it_took() {
    let counts = json!({"prompt_tokens": 7, "input_tokens": 7, "completion_tokens": 3, "output_tokens": 3});
    let google = json!({"promptTokenCount": 7, "candidatesTokenCount": 3});
    let body = json!({"error": {"message": "no"}, "usage": counts, "usageMetadata": google});
    for model in MODELS {
        for (status, want) in [(200, Some((7, 3))), (500, None)] {
            let stub = Stub::start([Answer::json(status, &body)]).await;
            let error = error_of(model, &stub.url).await;
            let usage = error
                .usage
                .as_deref()
                .and_then(|usage| usage.input_tokens.zip(usage.output_tokens));
            assert_eq!(usage, want, "{model} {status}: {error}");
        }
    }
}

#[tokio::test]
async fn texts_hold_the_providers_words_and_what_to_try_next() {
    let openai = |status, kind: &str, code: &str, message: &str| {
        let error = json!({"message": message, "type": kind, "param": null, "code": code});
        Answer::json(status, &json!({"error": error})).header("x-request-id", "req_5")
    };
    let text = shown(
        "openai:m",
        openai(
            401,
            "invalid_request_error",
            "invalid_api_key",
            "Incorrect API key",
        ),
    )
    .await;
    insta::assert_snapshot!(text, @"openai:m: 401: Incorrect API key (request req_5); check OPENAI_API_KEY");
    let text = shown(
        "openai:m",
        openai(429, "insufficient_quota", "insufficient_quota", "Check your plan"),
    )
    .await;
    insta::assert_snapshot!(text, @"openai:m: 429: Check your plan (request req_5); add credit to the account of OPENAI_API_KEY");
    let text = shown(
        "openai:m",
        openai(404, "invalid_request_error", "model_not_found", "No model m"),
    )
    .await;
    insta::assert_snapshot!(text, @"openai:m: 404: No model m (request req_5); check the name `m` and the address http://stub/chat/completions");
    let text = shown(
        "openai:m",
        openai(400, "x", "context_length_exceeded", "Too long"),
    )
    .await;
    insta::assert_snapshot!(text, @"openai:m: 400: Too long (request req_5)");
    let anthropic = |status, kind: &str, message: &str| {
        Answer::json(
            status,
            &json!({"type": "error", "error": {"type": kind, "message": message}}),
        )
    };
    let text = shown("anthropic:m", anthropic(529, "overloaded_error", "Overloaded")).await;
    insta::assert_snapshot!(text, @"anthropic:m: 529: Overloaded");
    let moved = Answer::new(301, "").header("location", "https://elsewhere.example/");
    insta::assert_snapshot!(shown("anthropic:m", moved).await, @"anthropic:m: 301 without a word; redirects are not followed; set ANTHROPIC_BASE_URL");
    insta::assert_snapshot!(shown("openai:m", Answer::new(200, "<html>welcome</html>")).await, @"openai:m: the answer is not what the format promises (expected value at line 1 column 1); is http://stub/chat/completions right? It begins: <html>welcome</html>");
}

#[tokio::test]
async fn a_key_that_was_good_is_not_called_bad_for_one_request() {
    let good =
        json!({"choices": [{"message": {"content": "ok"}}], "output": [], "content": [], "candidates": [{}]});
    let blocked =
        json!({"error": {"code": 403, "type": "permission_error", "message": "Request blocked: injection"}});
    for model in MODELS {
        let stub = Stub::start([403, 200, 403].map(|status| match status {
            200 => Answer::json(200, &good),
            _ => Answer::json(status, &blocked),
        }))
        .await;
        let talk = Talk::with(model, &stub.url);
        assert_eq!(talk.ask().await.unwrap_err().class, ErrorClass::Auth, "{model}");
        talk.ask().await.unwrap();
        let error = talk.ask().await.unwrap_err();
        assert_eq!(error.class, ErrorClass::BadRequest, "{error}");
        assert!(error.message.contains("this request is refused"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_repeats_the_address_repeats_no_key_in_it() {
    let echo = "Cannot POST /v1/x?api_key=in-the-address";
    let stub = Stub::start([Answer::json(404, &json!({"error": {"message": echo}}))]).await;
    for model in MODELS {
        let error = error_of(model, &format!("{}/v1?api_key=in-the-address", stub.url)).await;
        assert!(error.message.contains("Cannot POST"), "{error}");
        assert!(
            !format!("{error} {error:?}").contains("in-the-address"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn no_secret_reaches_an_error() {
    let echo = format!("{}key {CANARY} is wrong", "x".repeat(380));
    for status in [400, 401, 429, 500, 200] {
        let stub = Stub::start([Answer::json(status, &json!({"error": {"message": echo}}))]).await;
        for model in MODELS {
            let error = error_of(model, &stub.url).await;
            assert!(
                !format!("{error} {error:?}").contains("sk-can"),
                "not even a part of it: {error}"
            );
        }
    }
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms() {
    let limited = |value: &str| Answer::json(429, &json!({})).header("retry-after", value);
    let stub = Stub::start([limited("7")]).await;
    for model in MODELS {
        assert_eq!(
            error_of(model, &stub.url).await.retry_after,
            Some(Duration::from_secs(7))
        );
    }
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
    let stub = Stub::start([limited(&date)]).await;
    let after = error_of("openai:m", &stub.url).await.retry_after.unwrap();
    assert!(
        after > Duration::from_secs(90) && after <= Duration::from_secs(100),
        "{after:?}"
    );
}

#[tokio::test]
async fn an_answer_says_how_long_no_other_is_taken() {
    let body = json!({"choices": [{"message": {"role": "assistant", "content": "ok"}}]});
    let limits = |left: &str| {
        Answer::json(200, &body)
            .header("x-ratelimit-limit-requests", "30")
            .header("x-ratelimit-remaining-requests", left)
            .header("x-ratelimit-reset-requests", "1m0s")
    };
    for (left, hold) in [("0", Some(Duration::from_secs(2))), ("1", None)] {
        let stub = Stub::start([limits(left)]).await;
        let reply = Talk::with("openai:m", &stub.url).ask().await.unwrap();
        assert_eq!(reply.hold, hold, "{left}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Stub::start([Answer::json(200, &json!({}))]).await;
    let stub = Stub::start([Answer::new(307, "").header("location", &elsewhere.url)]).await;
    error_of("openai:m", &stub.url).await;
    assert_eq!(elsewhere.seen().len(), 0, "no key goes elsewhere");
}

#[tokio::test]
async fn broken_connections_are_network_errors() {
    let (_nobody, address) = nobody_listens();
    let refused = format!("http://{address}");
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"id\":";
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n";
    for (what, url) in [
        ("refused", refused),
        ("closed", raw(b"", End::Close).await),
        ("reset", raw(b"", End::Reset).await),
        ("cut", raw(head, End::Close).await),
        ("cut by a reset", raw(head, End::Reset).await),
        ("cut in chunks", raw(chunked, End::Close).await),
        ("no HTTP", raw(b"220 smtp.example ESMTP\r\n", End::Close).await),
    ] {
        for model in MODELS {
            let error = error_of(model, &url).await;
            let class = if what == "refused" {
                ErrorClass::Unreachable
            } else {
                ErrorClass::Network
            };
            assert_eq!(error.class, class, "{what}: {error}");
            assert_eq!(error.maybe_paid, what != "refused", "{what}: {error}");
            assert!(error.to_string().contains(&url), "{what}: {error}");
        }
    }
    let nowhere = error_of("openai:m", "http://no-such-host.invalid").await;
    assert_eq!(nowhere.class, ErrorClass::Unreachable, "{nowhere}");
    assert!(!nowhere.maybe_paid, "{nowhere}");
    assert!(nowhere.message.contains("OPENAI_BASE_URL"), "{nowhere}");
}

#[tokio::test]
async fn silence_ends_with_the_time_of_the_request() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{";
    for url in [raw(b"", End::Hang).await, raw(head, End::Hang).await] {
        for model in MODELS {
            let mut talk = Talk::with(model, &url);
            talk.timeout = Duration::from_millis(100);
            let start = Instant::now();
            let error = talk.ask().await.unwrap_err();
            assert_eq!(error.class, ErrorClass::Timeout, "{error}");
            assert!(error.maybe_paid, "{error}");
            assert!(error.message.contains("within 100ms"), "{error}");
            assert!(start.elapsed() < Duration::from_secs(30));
        }
    }
}

#[tokio::test]
async fn an_endless_answer_is_refused() {
    let announced = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 70000000\r\n\r\n{", End::Hang).await;
    let error = error_of("openai:m", &announced).await;
    assert_eq!(error.class, ErrorClass::BadRequest, "at once: {error}");
    assert!(error.maybe_paid, "{error}");
    let endless = raw(b"HTTP/1.1 500 No\r\n\r\n", End::Flood).await;
    let error = error_of("anthropic:m", &endless).await;
    insta::assert_snapshot!(error, @"anthropic:m: the answer is over 64 MiB; check the address");
}

#[tokio::test]
async fn what_is_no_reply_is_malformed() {
    for body in [
        "",
        "{",
        "null",
        "7",
        "\"text\"",
        "{}",
        "\u{feff}{}",
        "data: {\"x\":1}\n\n",
    ] {
        let stub = Stub::start([Answer::new(200, body)]).await;
        for model in MODELS {
            let error = error_of(model, &stub.url).await;
            assert_eq!(error.class, ErrorClass::Malformed, "{body:?}: {error}");
            assert!(error.maybe_paid, "{body:?}: {error}");
        }
    }
}
