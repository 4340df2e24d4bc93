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
mod tests;
