//! What the headers of an answer say about the provider's limits: how long to wait where it does not say so itself.
//!
//! | headers | who | a reset is |
//! |---|---|---|
//! | `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` | `OpenAI` and those who speak like it | a duration such as `6m0s` |
//! | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` | Anthropic | a time (RFC 3339) |
//! | `x-ratelimit-{limit,remaining,reset}`, `ratelimit-…` | `OpenRouter`, gateways | seconds, or a time in seconds or milliseconds since 1970 |
//!
//! The first two count a bucket that fills evenly, and tell when it will be full: the next request fits in after one
//! part of that. The others count in windows, and tell when the next one begins. What cannot be is not believed: times
//! that are over or more than a day ahead, numbers that are none.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;

/// A reset that is further away is none to wait for.
const FURTHEST: Duration = Duration::from_secs(24 * 3600);

/// No wait that is only concluded is longer: then somebody tries.
const LONGEST: Duration = Duration::from_secs(60);

/// What is limited.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    /// Requests, in a bucket that fills evenly.
    Requests,
    /// Requests, in a window.
    Window,
    /// Tokens of any kind.
    Tokens,
}

/// The names of the headers of one limit.
struct Names {
    of: Of,
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
}

const fn names(of: Of, limit: &'static str, remaining: &'static str, reset: &'static str) -> Names {
    Names {
        of,
        limit,
        remaining,
        reset,
    }
}

#[rustfmt::skip]
static LIMITS: [Names; 8] = [
    names(Of::Requests, "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    names(Of::Requests, "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    names(Of::Window, "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
    names(Of::Window, "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
    names(Of::Tokens, "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    names(Of::Tokens, "anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    names(Of::Tokens, "anthropic-ratelimit-input-tokens-limit", "anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    names(Of::Tokens, "anthropic-ratelimit-output-tokens-limit", "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
];

/// How long a refused request waits for the limits of which nothing is left.
pub(super) fn after_refusal(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    LIMITS.iter().filter_map(|limit| limit.wait(headers, now)).max()
}

/// How long the next request waits after an answered one, where that was the last one of its limit.
pub(super) fn after_answer(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let requests = LIMITS.iter().filter(|limit| limit.of != Of::Tokens);
    requests.filter_map(|limit| limit.wait(headers, now)).max()
}

impl Names {
    /// How long until something of this is left, if nothing is.
    fn wait(&self, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let number = |name: &str| text(name)?.parse::<f64>().ok();
        let number_is = |name: &str, holds: fn(f64) -> bool| number(name).is_some_and(holds);
        // Who limits nothing says so by a limit of zero or of less, and that −1 is left (Azure).
        if !number_is(self.remaining, |left| left == 0.0) || number_is(self.limit, |limit| limit <= 0.0) {
            return None;
        }
        let reset = until(text(self.reset)?, now).filter(|wait| !wait.is_zero() && *wait <= FURTHEST)?;
        let one = number(self.limit).filter(|limit| self.of == Of::Requests && *limit > 1.0);
        let wait = one.map_or(reset, |limit| reset.div_f64(limit));
        Some(wait.min(LONGEST))
    }
}

/// How long until a reset, in each of the ways of writing one.
fn until(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(number) = text.parse::<f64>() {
        return match number {
            ..1e9 => Duration::try_from_secs_f64(number).ok(),
            ..1e12 => after_1970(number, now),
            _ => after_1970(number / 1000.0, now),
        };
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return (time.with_timezone(&Utc) - DateTime::<Utc>::from(now))
            .to_std()
            .ok();
    }
    duration(text)
}

fn after_1970(seconds: f64, now: SystemTime) -> Option<Duration> {
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    since.checked_sub(now.duration_since(SystemTime::UNIX_EPOCH).ok()?)
}

/// A duration such as `6m0s`, `1.5s` or `120ms`.
fn duration(text: &str) -> Option<Duration> {
    let (mut sum, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let (number, unit) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let end = unit
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(unit.len());
        let seconds = match &unit[..end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        sum = sum.checked_add(part)?;
        rest = &unit[end..];
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        httpdate::parse_http_date("Sat, 21 Nov 2026 10:00:00 GMT").unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| (name.parse().unwrap(), value.parse().unwrap());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn durations_are_those_of_go() {
        for (text, ms) in [
            ("1s", Some(1000)),
            ("6m0s", Some(360_000)),
            ("120ms", Some(120)),
            ("2m59.56s", Some(179_560)),
            ("1h0m0.5s", Some(3_600_500)),
            ("1d", Some(86_400_000)),
            ("-1s", None),
            ("NaNs", None),
            ("infs", None),
            ("1e9d", None),
            ("99999999999999999999d", None),
            ("s", None),
            ("1 s", None),
            ("6m0", None),
            ("1y", None),
        ] {
            assert_eq!(duration(text), ms.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn a_reset_may_be_written_in_each_way() {
        for (text, seconds) in [
            ("20", Some(20.0)),
            ("0.5", Some(0.5)),
            ("1795255230", Some(30.0)),
            ("1795255230000", Some(30.0)),
            ("2026-11-21T10:00:30Z", Some(30.0)),
            ("2026-11-21T11:00:30.5+01:00", Some(30.5)),
            ("6m0s", Some(360.0)),
            ("1795255000", None),
            ("2026-11-21T09:00:00Z", None),
            ("2026-13-21T09:00:00Z", None),
            ("-5", None),
            ("NaN", None),
            ("inf", None),
            ("1e300", None),
            ("tomorrow", None),
            ("", None),
        ] {
            let wait = until(text, now()).filter(|wait| *wait < Duration::from_secs(1_000_000));
            let close = |(a, b): (Duration, f64)| (a.as_secs_f64() - b).abs() < 1e-3;
            assert!(
                wait.is_some() == seconds.is_some() && wait.zip(seconds).is_none_or(close),
                "{text}: {wait:?}"
            );
        }
    }

    #[test]
    fn a_bucket_has_room_for_one_before_it_is_full() {
        let mut pairs = vec![
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1m0s"),
        ];
        let one = Some(Duration::from_secs(1));
        assert_eq!(after_answer(&headers(&pairs), now()), one);
        assert_eq!(after_refusal(&headers(&pairs), now()), one);
        pairs[1].1 = "1";
        assert_eq!(after_answer(&headers(&pairs), now()), None, "one is left");
        pairs.remove(0);
        pairs[0].1 = "0";
        let whole = Some(Duration::from_secs(60));
        assert_eq!(
            after_answer(&headers(&pairs), now()),
            whole,
            "of how many is not known"
        );
    }

    #[test]
    fn no_limit_at_all_is_none() {
        for (limit, left) in [("-1", "-1"), ("0", "0"), ("-1", "0"), ("60", "-1"), ("60", "NaN")] {
            let headers = headers(&[
                ("x-ratelimit-limit-requests", limit),
                ("x-ratelimit-remaining-requests", left),
                ("x-ratelimit-reset-requests", "1m0s"),
            ]);
            assert_eq!(after_answer(&headers, now()), None, "{left} of {limit}");
        }
    }

    #[test]
    fn tokens_hold_back_only_what_was_refused() {
        let anthropic = headers(&[
            ("anthropic-ratelimit-requests-remaining", "12"),
            ("anthropic-ratelimit-requests-reset", "2026-11-21T10:00:59Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-21T10:00:20Z"),
            ("anthropic-ratelimit-output-tokens-remaining", "0"),
            ("anthropic-ratelimit-output-tokens-reset", "2026-11-21T10:00:04Z"),
        ]);
        assert_eq!(after_answer(&anthropic, now()), None);
        assert_eq!(after_refusal(&anthropic, now()), Some(Duration::from_secs(20)));
    }

    #[test]
    fn a_window_is_waited_for_but_not_for_hours_and_nonsense_not_at_all() {
        for (reset, seconds) in [
            ("1795255230000", Some(30)),
            ("7", Some(7)),
            ("7200", Some(60)),
            ("86401", None),
            ("1995255230000", None),
            ("1", Some(1)),
            ("0", None),
            ("-1", None),
            ("NaN", None),
        ] {
            let headers = headers(&[
                ("x-ratelimit-limit", "20"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", reset),
            ]);
            assert_eq!(
                after_refusal(&headers, now()),
                seconds.map(Duration::from_secs),
                "{reset}"
            );
        }
    }
}
