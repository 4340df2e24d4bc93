//! Everything that was said in a trial, as a conversation.

use std::fmt::Write;
use std::time::Duration;

use bench_core::transcript::{Entry, Line};
use bench_core::{Verdict, VerdictStatus};
use serde_json::Value;

use crate::summary::tokens;
use crate::text;

/// How much of long texts is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Tool results and arguments shortened; reasoning, verdicts, judges and the system prompt left out.
    Brief,
    /// All of it.
    Full,
}

/// Lines of a tool result that [`Detail::Brief`] shows.
const BRIEF_LINES: usize = 12;
/// Characters of one line, or of arguments, that [`Detail::Brief`] shows.
const BRIEF_CHARS: usize = 400;

/// One entry as text, ending with a newline; empty for what [`Detail::Brief`] leaves out.
pub fn entry(line: &Line, detail: Detail) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    write_entry(&mut out, &line.entry, detail).unwrap_or_default();
    out
}

fn write_entry(out: &mut String, entry: &Entry, detail: Detail) -> std::fmt::Result {
    match entry {
        Entry::Attempt { attempt } => writeln!(out, "\n=== attempt {attempt} ==="),
        Entry::System { .. } | Entry::Verdict(_) | Entry::JudgeAsked { .. } | Entry::JudgeReplied { .. }
            if detail == Detail::Brief =>
        {
            Ok(())
        }
        Entry::System { text } => said(out, "system", text),
        Entry::User { text, .. } => said(out, "user", text),
        Entry::Assistant { .. } => reply(out, entry, detail),
        Entry::ToolResult { .. } => tool_result(out, entry, detail),
        Entry::JudgeAsked {
            name, model, text, ..
        } => {
            let who = format!("to the judge {model}, for {name}");
            said(out, &text::clean_line(&who), text)
        }
        Entry::JudgeReplied { .. } => judge_reply(out, entry),
        Entry::Verdict(verdict) => verdict_line(out, verdict),
        Entry::Note { text } => writeln!(out, "* {}", text::clean_line(text)),
        _ => writeln!(out, "* an entry that this version cannot show"),
    }
}

/// What an assistant said and called.
fn reply(out: &mut String, entry: &Entry, detail: Detail) -> std::fmt::Result {
    let Entry::Assistant {
        turn,
        text,
        reasoning,
        tool_calls,
        took_ms,
        first_token_ms,
        usage,
        stop_reason,
        served_by,
        request_id,
        ..
    } = entry
    else {
        return Ok(());
    };
    let time = text::short_duration(Duration::from_millis(*took_ms));
    let first = first_token_ms.map_or_else(String::new, |ms| {
        format!(
            ", first word after {}",
            text::short_duration(Duration::from_millis(ms))
        )
    });
    let tokens = match (usage.input_tokens, usage.output_tokens) {
        (None, None) => String::new(),
        (i, o) => format!(", {} tokens in, {} out", i.unwrap_or(0), o.unwrap_or(0)),
    };
    writeln!(out, "\n--- assistant, turn {turn} ({time}{first}{tokens})")?;
    if detail == Detail::Full {
        provider_said(out, stop_reason, served_by.as_deref(), request_id.as_deref())?;
        indented(out, reasoning, "  ~ ")?;
    }
    if !text.is_empty() {
        writeln!(out, "{}", text::clean(text.trim_end()))?;
    }
    tool_calls.iter().try_for_each(|call| {
        writeln!(
            out,
            "→ {} {}",
            text::clean_line(&call.name),
            arguments(&call.arguments, detail)
        )
    })
}

/// What a judge said. The verdict is a line of its own.
fn judge_reply(out: &mut String, entry: &Entry) -> std::fmt::Result {
    let Entry::JudgeReplied {
        text,
        reasoning,
        usage,
        took_ms,
        ..
    } = entry
    else {
        return Ok(());
    };
    let time = text::short_duration(Duration::from_millis(*took_ms));
    writeln!(out, "\n--- judge ({time}, {} tokens)", tokens(usage))?;
    if !reasoning.is_empty() {
        indented(out, reasoning, "  ~ ")?;
    }
    writeln!(out, "{}", text::clean(text.trim_end()))
}

/// What the provider told beside the reply, as far as it did.
fn provider_said(
    out: &mut String,
    stop_reason: &str,
    served_by: Option<&str>,
    request_id: Option<&str>,
) -> std::fmt::Result {
    let told: Vec<String> = [
        ("served by", served_by),
        ("stop reason", Some(stop_reason)),
        ("request", request_id),
    ]
    .into_iter()
    .filter_map(|(what, word)| {
        let word = word.filter(|word| !word.is_empty())?;
        Some(format!("{what} {}", text::clean_line(word)))
    })
    .collect();
    if told.is_empty() {
        return Ok(());
    }
    writeln!(out, "  ({})", told.join(", "))
}

/// What a tool answered, and how much of it the model saw.
fn tool_result(out: &mut String, entry: &Entry, detail: Detail) -> std::fmt::Result {
    let Entry::ToolResult {
        tool,
        is_error,
        text,
        took_ms,
        cut_bytes,
        ..
    } = entry
    else {
        return Ok(());
    };
    let ending = if *is_error { "! error" } else { "ok" };
    let time = text::short_duration(Duration::from_millis(*took_ms));
    writeln!(out, "← {}: {ending} ({time})", text::clean_line(tool))?;
    result_text(out, text, detail)?;
    match cut_bytes {
        0 => Ok(()),
        n => writeln!(out, "  (the model did not see {n} bytes of this)"),
    }
}

fn said(out: &mut String, who: &str, text: &str) -> std::fmt::Result {
    writeln!(out, "\n--- {who}\n{}", text::clean(text.trim_end()))
}

fn indented(out: &mut String, text: &str, indent: &str) -> std::fmt::Result {
    text::clean(text.trim_end())
        .lines()
        .try_for_each(|line| writeln!(out, "{indent}{line}"))
}

fn arguments(value: &Value, detail: Detail) -> String {
    let line = text::clean_line(&value.to_string());
    match detail {
        Detail::Full => line,
        Detail::Brief => text::shorten(&line, BRIEF_CHARS).into_owned(),
    }
}

fn result_text(out: &mut String, text: &str, detail: Detail) -> std::fmt::Result {
    if detail == Detail::Full {
        return indented(out, text, "  ");
    }
    let text = text::clean(text.trim_end());
    let mut lines = text.lines();
    for line in lines.by_ref().take(BRIEF_LINES) {
        writeln!(out, "  {}", text::shorten(line, BRIEF_CHARS))?;
    }
    match lines.count() {
        0 => Ok(()),
        hidden => writeln!(out, "  … {}", text::count(hidden, "further line")),
    }
}

fn verdict_line(out: &mut String, verdict: &Verdict) -> std::fmt::Result {
    let name = text::clean_line(&verdict.verifier);
    match &verdict.status {
        VerdictStatus::True => writeln!(out, "✓ {name}"),
        VerdictStatus::False => {
            let (expected, actual) = (&verdict.expected, arguments(&verdict.actual, Detail::Brief));
            let expected = arguments(expected, Detail::Brief);
            writeln!(
                out,
                "✗ {name}: expected {} {expected}, found {actual}",
                verdict.comparison
            )
        }
        VerdictStatus::Errored { error, .. } => writeln!(out, "! {name}: {}", text::clean_line(error)),
        _ => writeln!(out, "? {name}"),
    }
}

#[cfg(test)]
mod tests {
    use bench_core::Usage;
    use bench_core::transcript::ToolCall;

    use super::*;

    fn show(entries: Vec<Entry>, detail: Detail) -> String {
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        entries
            .into_iter()
            .map(|e| entry(&Line { at, entry: e }, detail))
            .collect()
    }

    fn conversation() -> Vec<Entry> {
        let call = ToolCall {
            id: "1".into(),
            name: "create_issue".into(),
            arguments: serde_json::json!({"summary": "Crash"}),
        };
        vec![
            Entry::System {
                text: "You are careful.".into(),
            },
            Entry::User {
                prompt: 0,
                text: "File a bug.\n".into(),
            },
            Entry::Assistant {
                turn: 1,
                text: String::new(),
                reasoning: "a bug\nit is".into(),
                tool_calls: vec![call],
                stop_reason: "tool_use".into(),
                served_by: Some("m-2026-01-01".into()),
                request_id: Some("req_1".into()),
                usage: Usage {
                    input_tokens: Some(10),
                    output_tokens: Some(2),
                    ..Usage::default()
                },
                cost_usd: None,
                unknown_calls: 0,
                took_ms: 1_200,
                first_token_ms: Some(300),
                raw: Value::Null,
            },
            Entry::ToolResult {
                turn: 1,
                call_id: "1".into(),
                tool: "create_issue".into(),
                gym: "tracker".into(),
                is_error: false,
                text: (1..=14)
                    .map(|n| format!("line {n} \x1b[2J"))
                    .collect::<Vec<_>>()
                    .join("\n"),
                structured: Value::Null,
                cut_bytes: 17,
                took_ms: 3,
            },
            Entry::Note {
                text: "model waited 3 s".into(),
            },
        ]
    }

    #[test]
    fn brief_shows_the_way_of_the_talk() {
        insta::assert_snapshot!(show(conversation(), Detail::Brief), @r#"
        --- user
        File a bug.

        --- assistant, turn 1 (1.20s, first word after 300ms, 10 tokens in, 2 out)
        → create_issue {"summary":"Crash"}
        ← create_issue: ok (3ms)
          line 1 ␛[2J
          line 2 ␛[2J
          line 3 ␛[2J
          line 4 ␛[2J
          line 5 ␛[2J
          line 6 ␛[2J
          line 7 ␛[2J
          line 8 ␛[2J
          line 9 ␛[2J
          line 10 ␛[2J
          line 11 ␛[2J
          line 12 ␛[2J
          … 2 further lines
          (the model did not see 17 bytes of this)
        * model waited 3 s
        "#);
    }

    #[test]
    fn full_leaves_nothing_out() {
        let full = show(conversation(), Detail::Full);
        for part in [
            "You are careful.",
            "  (served by m-2026-01-01, stop reason tool_use, request req_1)",
            "  ~ a bug",
            "  ~ it is",
            "line 14 ␛[2J",
        ] {
            assert!(full.contains(part), "{part} is missing in {full}");
        }
        assert!(!full.contains('\x1b'));
    }
}
