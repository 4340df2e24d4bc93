//! Everything that was said in a trial, as a conversation.
//!
//! An entry becomes [`Piece`]s, a line each, and each says what it is. [`entry`] makes plain text of them; a screen has
//! colours and a width of its own for them.

pub(crate) mod paper;

use std::time::Duration;

use bench_core::steps::Checked;
use bench_core::transcript::{Entry, Line, ToolCall};
use bench_core::{Usage, Usd, Verdict, VerdictStatus};

use self::paper::Paper;
use crate::summary::tokens;
use crate::text::{self, clean_line};

/// How much of long texts is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Tool results and arguments shortened; reasoning, verdicts, judges and the system prompt left out.
    Brief,
    /// All of it.
    Full,
    /// Everything, of long texts the first lines, and arguments of tools over several lines.
    Folded,
    /// All of it, and arguments of tools over several lines.
    Unfolded,
}

/// A line of a conversation, clean and without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub tone: Tone,
    /// Its text. Tabs are in it as they are.
    pub text: String,
}

/// What a line of a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A further attempt begins.
    Attempt,
    /// Who speaks.
    Heading,
    /// Something about what is said.
    Fact,
    /// What a model thought.
    Reasoning,
    /// What somebody said.
    Said,
    /// A tool that is called.
    Call,
    /// What it is called with, where that takes several lines.
    Arguments,
    /// A tool that answered.
    Answered,
    /// A tool that failed.
    Refused,
    /// What a tool answered.
    Result,
    /// That there is more than is shown.
    More,
    /// A verifier that held.
    True,
    /// A verifier that did not.
    False,
    /// A verifier that could not be asked.
    Unknown,
    /// What the runner did.
    Note,
}

impl Tone {
    /// What stands before each line of it.
    pub fn lead(self) -> &'static str {
        match self {
            Self::Attempt => "=== ",
            Self::Heading => "--- ",
            Self::Reasoning => "  ~ ",
            Self::Arguments => "    ",
            Self::Fact | Self::Result | Self::More => "  ",
            Self::Note => "* ",
            Self::Said
            | Self::Call
            | Self::Answered
            | Self::Refused
            | Self::True
            | Self::False
            | Self::Unknown => "",
        }
    }
}

/// One entry as text, ending with a newline; empty for what [`Detail::Brief`] leaves out.
pub fn entry(line: &Line, detail: Detail) -> String {
    let lines = pieces(line, detail).into_iter().map(|Piece { tone, text }| {
        let (before, after) = match tone {
            Tone::Attempt => ("\n", " ==="),
            Tone::Heading => ("\n", ""),
            _ => ("", ""),
        };
        format!("{before}{}{text}{after}\n", tone.lead())
    });
    lines.collect::<Vec<_>>().concat()
}

/// One entry line by line; none for what [`Detail::Brief`] leaves out.
pub fn pieces(line: &Line, detail: Detail) -> Vec<Piece> {
    let mut paper = Paper::new(detail);
    let entry = &line.entry;
    match entry {
        Entry::Attempt { attempt } => paper.line(Tone::Attempt, format!("attempt {attempt}")),
        Entry::System { .. } | Entry::Verdict(_) | Entry::JudgeAsked { .. } | Entry::JudgeReplied { .. }
            if detail == Detail::Brief => {}
        Entry::System { text } => {
            paper.line(Tone::Heading, "system");
            paper.aside(Tone::Said, text);
        }
        Entry::User { text, .. } => {
            paper.line(Tone::Heading, "user");
            paper.text(Tone::Said, text);
        }
        Entry::Assistant { .. } => reply(&mut paper, entry),
        Entry::ToolResult { .. } => tool_result(&mut paper, entry),
        Entry::JudgeAsked {
            name, model, text, ..
        } => {
            let who = format!("to the judge {model}, for {name}");
            paper.line(Tone::Heading, clean_line(&who));
            paper.aside(Tone::Said, text);
        }
        Entry::JudgeReplied { .. } => judge_reply(&mut paper, entry),
        Entry::Verdict(verdict) => verdict_line(&mut paper, verdict),
        Entry::Checked { step, changes } => {
            // That nothing is done before the first step is no news.
            let news = |change: &&Checked| {
                detail != Detail::Brief || *step > 0 || change.status != VerdictStatus::False
            };
            for change in changes.iter().filter(news) {
                checked_line(&mut paper, *step, change);
            }
        }
        Entry::Lost { usage, cost_usd } => paper.line(Tone::Note, lost(usage, *cost_usd)),
        Entry::Note { text } => paper.line(Tone::Note, clean_line(text)),
        _ => paper.line(Tone::Note, "an entry that this version cannot show"),
    }
    paper.pieces
}

/// What an assistant said and called.
fn reply(paper: &mut Paper, entry: &Entry) {
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
        return;
    };
    let time = |ms| text::short_duration(Duration::from_millis(ms));
    let first = first_token_ms.map_or_else(String::new, |ms| format!(", first word after {}", time(ms)));
    let tokens = match (usage.input_tokens, usage.output_tokens) {
        (None, None) => String::new(),
        (i, o) => format!(", {} tokens in, {} out", i.unwrap_or(0), o.unwrap_or(0)),
    };
    let took = time(*took_ms);
    paper.line(
        Tone::Heading,
        format!("assistant, turn {turn} ({took}{first}{tokens})"),
    );
    if paper.detail != Detail::Brief {
        provider_said(paper, stop_reason, served_by.as_deref(), request_id.as_deref());
        paper.aside(Tone::Reasoning, reasoning);
    }
    paper.text(Tone::Said, text);
    for ToolCall { name, arguments, .. } in tool_calls {
        paper.call(name, arguments);
    }
}

/// What a judge said. The verdict is a line of its own.
fn judge_reply(paper: &mut Paper, entry: &Entry) {
    let Entry::JudgeReplied {
        text,
        reasoning,
        usage,
        took_ms,
        stop_reason,
        served_by,
        request_id,
        ..
    } = entry
    else {
        return;
    };
    let time = text::short_duration(Duration::from_millis(*took_ms));
    paper.line(Tone::Heading, format!("judge ({time}, {} tokens)", tokens(usage)));
    provider_said(paper, stop_reason, served_by.as_deref(), request_id.as_deref());
    paper.aside(Tone::Reasoning, reasoning);
    paper.text(Tone::Said, text);
}

/// What the provider told beside the reply, as far as it did.
fn provider_said(paper: &mut Paper, stop_reason: &str, served_by: Option<&str>, request_id: Option<&str>) {
    let told: Vec<String> = [
        ("served by", served_by),
        ("stop reason", Some(stop_reason)),
        ("request", request_id),
    ]
    .into_iter()
    .filter_map(|(what, word)| {
        let word = word.filter(|word| !word.is_empty())?;
        Some(format!("{what} {}", clean_line(word)))
    })
    .collect();
    if !told.is_empty() {
        paper.line(Tone::Fact, format!("({})", told.join(", ")));
    }
}

/// What a tool answered, and how much of it the model saw.
fn tool_result(paper: &mut Paper, entry: &Entry) {
    let Entry::ToolResult {
        tool,
        is_error,
        text,
        took_ms,
        cut_bytes,
        ..
    } = entry
    else {
        return;
    };
    let (tone, ending) = if *is_error {
        (Tone::Refused, "! error")
    } else {
        (Tone::Answered, "ok")
    };
    let time = text::short_duration(Duration::from_millis(*took_ms));
    paper.line(tone, format!("← {}: {ending} ({time})", clean_line(tool)));
    paper.result(text);
    if *cut_bytes > 0 {
        paper.line(
            Tone::Fact,
            format!("(the model did not see {cut_bytes} bytes of this)"),
        );
    }
}

/// `a request came to nothing, and may have been paid (120 tokens)`
fn lost(usage: &Usage, cost: Option<Usd>) -> String {
    let paid = cost.map_or_else(|| "may have been paid".to_owned(), |cost| format!("cost {cost}"));
    let counted = if usage.is_unknown() {
        String::new()
    } else {
        format!(" ({} tokens)", tokens(usage))
    };
    format!("a request came to nothing, and {paid}{counted}")
}

/// What a verifier says from a step on: `✓ exists: held after tool call 3`.
fn checked_line(paper: &mut Paper, step: u32, change: &Checked) {
    let name = clean_line(&change.name);
    let when = match step {
        0 => "before the first tool call".to_owned(),
        step => format!("after tool call {step}"),
    };
    match &change.status {
        VerdictStatus::True => paper.line(Tone::True, format!("✓ {name}: held {when}")),
        // As it should be: there is something to do.
        VerdictStatus::False if step == 0 => paper.line(Tone::Fact, format!("· {name}: did not hold {when}")),
        VerdictStatus::False => paper.line(Tone::False, format!("✗ {name}: did not hold {when}")),
        VerdictStatus::Errored { error, .. } => {
            let words = format!("! {name}: not known {when}: {}", clean_line(error));
            paper.line(Tone::Unknown, words);
        }
        _ => paper.line(Tone::Unknown, format!("? {name} {when}")),
    }
}

fn verdict_line(paper: &mut Paper, verdict: &Verdict) {
    let name = clean_line(&verdict.verifier);
    match &verdict.status {
        VerdictStatus::True => paper.line(Tone::True, format!("✓ {name}")),
        VerdictStatus::False => {
            let (expected, actual) = (paper::value(&verdict.expected), paper::value(&verdict.actual));
            let comparison = clean_line(&verdict.comparison);
            let words = format!("✗ {name}: expected {comparison} {expected}, found {actual}");
            paper.line(Tone::False, words);
        }
        VerdictStatus::Errored { error, .. } => {
            paper.line(Tone::Unknown, format!("! {name}: {}", clean_line(error)));
        }
        _ => paper.line(Tone::Unknown, format!("? {name}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

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

    #[test]
    fn on_a_screen_arguments_take_lines_and_long_texts_are_folded() {
        let mut said = conversation();
        let Entry::Assistant {
            tool_calls,
            reasoning,
            ..
        } = &mut said[2]
        else {
            unreachable!()
        };
        tool_calls[0].arguments =
            serde_json::json!({"summary": "Crash \u{1b}[2J", "labels": ["a", "b"], "text": "x".repeat(40)});
        *reasoning = "thought\n".repeat(9);
        insta::assert_snapshot!(show(said.clone(), Detail::Folded), @r#"
        --- system
        You are careful.

        --- user
        File a bug.

        --- assistant, turn 1 (1.20s, first word after 300ms, 10 tokens in, 2 out)
          (served by m-2026-01-01, stop reason tool_use, request req_1)
          ~ thought
          ~ thought
          ~ thought
          ~ thought
          … 5 further lines
        → create_issue
            {
              "summary": "Crash \u001b[2J",
              "labels": [
                "a",
                "b"
              ],
              "text": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            }
        ← create_issue: ok (3ms)
          line 1 ␛[2J
          line 2 ␛[2J
          line 3 ␛[2J
          line 4 ␛[2J
          line 5 ␛[2J
          line 6 ␛[2J
          … 8 further lines
          (the model did not see 17 bytes of this)
        * model waited 3 s
        "#);
        let whole = show(said, Detail::Unfolded);
        assert!(whole.contains("line 14") && !whole.contains('…'), "{whole}");
        assert_eq!(whole.matches("~ thought").count(), 9);
    }

    #[test]
    fn a_request_that_came_to_nothing_is_told() {
        let lost = |usage, cost_usd| show(vec![Entry::Lost { usage, cost_usd }], Detail::Brief);
        let counted = Usage {
            input_tokens: Some(100),
            output_tokens: Some(20),
            ..Usage::default()
        };
        insta::assert_snapshot!(lost(counted, Some(Usd::from(0.25))), @"* a request came to nothing, and cost $0.2500 (120 tokens)");
        insta::assert_snapshot!(lost(Usage::default(), None), @"* a request came to nothing, and may have been paid");
    }

    #[test]
    fn what_verifiers_say_between_steps_is_told_where_it_changes() {
        let change = |name: &str, status| Checked {
            verifier: 0,
            name: name.into(),
            status,
        };
        let errored = VerdictStatus::Errored {
            error: "gone\nnow".into(),
            permanent: false,
        };
        let all = vec![
            Entry::Checked {
                step: 0,
                changes: vec![
                    change("exists", VerdictStatus::False),
                    change("alone", VerdictStatus::True),
                ],
            },
            Entry::Checked {
                step: 3,
                changes: vec![
                    change("exists", VerdictStatus::True),
                    change("alone", VerdictStatus::False),
                    change("\u{1b}[2J", errored),
                ],
            },
        ];
        insta::assert_snapshot!(show(all.clone(), Detail::Brief), @r"
        ✓ alone: held before the first tool call
        ✓ exists: held after tool call 3
        ✗ alone: did not hold after tool call 3
        ! ␛[2J: not known after tool call 3: gone⏎now
        ");
        assert!(show(all, Detail::Full).contains("· exists: did not hold before the first tool call"));
    }

    #[test]
    fn a_text_without_end_is_folded_too() {
        let long = Entry::User {
            prompt: 0,
            text: "word ".repeat(100_000),
        };
        assert!(show(vec![long.clone()], Detail::Folded).len() < 2_000);
        assert!(show(vec![long], Detail::Unfolded).len() > 499_000);
    }
}
