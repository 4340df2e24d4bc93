//! One request to a model and what came back, as it went over the wire.

use std::time::Duration;

use bench_core::evidence::{Ended, Evidence};

use crate::conversation::paper::Paper;
use crate::conversation::{Detail, Piece, Tone};
use crate::text;

/// Why a trial may have no record.
pub const WHY_NONE: &str = "its model sends none, or `--evidence` left them out";

/// A record as text, ending with a newline. Nothing is shortened; nothing in it can command a terminal.
pub fn record(evidence: &Evidence) -> String {
    let lines = pieces(evidence).into_iter().map(|Piece { tone, text }| {
        let mark = if tone == Tone::Heading { "=== " } else { "" };
        format!("{mark}{text}\n")
    });
    lines.collect::<Vec<_>>().concat() + "\n"
}

/// The same line by line.
pub fn pieces(evidence: &Evidence) -> Vec<Piece> {
    let further = |n: u32, what: &str| {
        if n > 1 {
            format!(", {what} {n}")
        } else {
            String::new()
        }
    };
    let again = further(evidence.trial_attempt, "attempt") + &further(evidence.attempt, "request");
    let at = evidence.sent_at.format("%Y-%m-%d %H:%M:%S%.3f UTC");
    let url = text::clean_line(&evidence.url);
    let mut paper = Paper::new(Detail::Full);
    paper.line(Tone::Heading, format!("{}{again}, {at}", asked(evidence)));
    paper.line(Tone::Call, format!("POST {url}"));
    headers(&mut paper, &evidence.request_headers);
    body(&mut paper, &evidence.request);
    paper.line(Tone::Said, "");
    let tone = match evidence.ended {
        Ended::Replied => Tone::Answered,
        _ => Tone::Refused,
    };
    paper.line(tone, answer(evidence));
    headers(&mut paper, &evidence.headers);
    if !evidence.body.is_empty() {
        body(&mut paper, &evidence.body);
    }
    paper.pieces
}

/// `turn 2`; of a judge `reply 1 of the judge for polite`.
fn asked(evidence: &Evidence) -> String {
    match &evidence.judge {
        None => format!("turn {}", evidence.turn),
        Some(asker) => format!(
            "reply {} of the judge for {}",
            evidence.turn,
            text::clean_line(&asker.name)
        ),
    }
}

fn headers(paper: &mut Paper, headers: &[(String, String)]) {
    for (name, value) in headers {
        let line = format!("{}: {}", text::clean_line(name), text::clean_line(value));
        paper.line(Tone::Said, line);
    }
}

fn body(paper: &mut Paper, body: &str) {
    paper.line(Tone::Said, "");
    paper.text(Tone::Said, body);
}

/// `← 200 after 1.20s (head after 0.31s)`
fn answer(evidence: &Evidence) -> String {
    let status = evidence
        .status
        .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let time = |ms| text::short_duration(Duration::from_millis(ms));
    let head = evidence
        .head_after_ms
        .map(|ms| format!(" (head after {})", time(ms)));
    let ended = match &evidence.ended {
        Ended::Replied => String::new(),
        Ended::Failed { error } => format!(": {}", text::clean_line(error)),
        Ended::GivenUp => ": nobody waited for its end".to_owned(),
        _ => ": ended in a way that this version does not know".to_owned(),
    };
    format!(
        "← {status} after {}{}{ended}",
        time(evidence.took_ms),
        head.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_conversation_of_two() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let evidence = Evidence {
            format: 1,
            trial_attempt: 1,
            turn: 3,
            judge: None,
            attempt: 2,
            sent_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            url: "https://api.example/v1/chat".into(),
            request_headers: vec![pair("authorization", "[secret]")],
            request: r#"{"model":"m"}"#.into(),
            status: Some(429),
            headers: vec![pair("retry-after", "1\u{1b}[2J")],
            body: r#"{"error":"slow down"}"#.into(),
            head_after_ms: Some(20),
            took_ms: 31,
            ended: Ended::Failed {
                error: "m: rate limited".into(),
            },
        };
        let shown = record(&evidence);
        assert!(!shown.contains('\u{1b}'), "{shown}");
        let first: Vec<&str> = shown.lines().take(6).collect();
        insta::assert_snapshot!(first.join("\n"), @r#"
        === turn 3, request 2, 2026-01-02 03:04:05.678 UTC
        POST https://api.example/v1/chat
        authorization: [secret]

        {"model":"m"}
        "#);
        assert!(
            shown.contains("← 429 after 31ms (head after 20ms): m: rate limited\nretry-after: 1"),
            "{shown}"
        );
        assert!(shown.ends_with("{\"error\":\"slow down\"}\n\n"), "{shown}");
    }
}
