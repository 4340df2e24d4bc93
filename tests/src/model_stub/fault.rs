//! Broken answers, as they look on the wire.

use std::future::pending;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};

use super::script::{Fault, RetryAfter};
use super::wire::Wire;

const HALF_AN_ANSWER: &str = r#"{"id":"x","choices":[{"index":0,"message":{"role":"assi"#;

/// `key` is what the client sent: real providers repeat it in the text of a 401, and so do we.
pub(super) async fn play(fault: &Fault, wire: Wire, key: &str) -> Response {
    match fault {
        Fault::Status { status, retry_after } => error_status(*status, *retry_after, wire, key),
        Fault::Refusal(message) => (StatusCode::BAD_REQUEST, Json(wire.error(400, message))).into_response(),
        Fault::Reset => broken_off(HALF_AN_ANSWER),
        Fault::Truncated => ([(CONTENT_TYPE, "application/json")], HALF_AN_ANSWER).into_response(),
        Fault::NotJson => (
            [(CONTENT_TYPE, "text/html")],
            "<html><body>Bad gateway? Good gateway!</body></html>",
        )
            .into_response(),
        Fault::Hang => pending().await,
    }
}

fn error_status(status: u16, retry_after: Option<RetryAfter>, wire: Wire, key: &str) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = match status {
        401 => format!("Incorrect API key provided: {key}."),
        _ => "the stub was told to fail".to_owned(),
    };
    let mut response = (code, Json(wire.error(status, &message))).into_response();
    if let Some(wait) = retry_after.map(header_value) {
        response
            .headers_mut()
            .insert(RETRY_AFTER, wait.parse().expect("a header value"));
    }
    response
}

fn header_value(wait: RetryAfter) -> String {
    match wait {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        // Dates have whole seconds: one more keeps a date that is meant to lie ahead from being now.
        RetryAfter::DateIn(seconds) => {
            httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds + 1))
        }
    }
}

/// Sends the start of a body that was announced longer, then breaks the connection.
pub(crate) fn broken_off(start: &'static str) -> Response {
    let chunks = stream::iter([Ok(Bytes::from_static(start.as_bytes()))]);
    // The error comes one poll later, so that the first bytes are on the wire before it.
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("told to break off"))
    });
    Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, "4096")
        .body(Body::from_stream(chunks.chain(end)))
        .expect("a response")
}
