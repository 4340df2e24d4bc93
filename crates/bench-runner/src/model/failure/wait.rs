//! Whether and when a provider says that a request should be sent again.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

/// Whether the provider says itself that the same request should be sent again, or should not.
pub(in crate::model) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    let said = headers.get("x-should-retry")?.to_str().ok()?;
    said.trim().to_ascii_lowercase().parse().ok()
}

/// A time as protocol buffers write it: `34.5s`.
pub(super) fn delay(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

/// How long a provider asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date.
pub(in crate::model) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
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
