//! How a trial ended, and its record, as a text.

use bench_core::event::TrialFinished;
use bench_core::{Outcome, TrialRecord, Verdict};
use bench_report::conversation::{Piece, Tone};
use bench_report::text::clean_line;
use bench_report::{steps, trial};

use crate::dashboard::run::ending_words;

fn piece(tone: Tone, text: impl Into<String>) -> Piece {
    Piece {
        tone,
        text: text.into(),
    }
}

/// The last entry of a conversation.
pub(super) fn ending(end: &TrialFinished) -> Vec<Piece> {
    let tone = match end.outcome {
        Outcome::Passed => Tone::True,
        Outcome::Failed | Outcome::Limit => Tone::False,
        _ => Tone::Unknown,
    };
    vec![piece(Tone::Heading, "outcome"), piece(tone, ending_words(end))]
}

/// The verdicts with when they held, what was asked, what judges said, and the facts of the trial.
pub(super) fn page(record: &TrialRecord, columns: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    if record.verdicts.is_empty() {
        pieces.push(piece(Tone::Fact, "no verifier was asked"));
    } else {
        let table = trial::verdicts(record).render(columns);
        let mut last = Tone::Said;
        pieces.extend(table.lines().map(|line| {
            // A long cell goes on in the lines below, which have no sign.
            last = tone(line).unwrap_or(last);
            piece(last, line)
        }));
    }
    if let Some(timeline) = &record.timeline {
        let lines = steps::lines(timeline, record.tool_calls);
        section(&mut pieces, "step by step (tool calls)", lines.into_iter());
    }
    section(&mut pieces, "asked", record.verdicts.iter().filter_map(asked));
    let judged = trial::judgements(&record.verdicts);
    section(&mut pieces, "judges", judged.lines().map(str::to_owned));
    let facts = trial::facts(record);
    section(&mut pieces, "facts", facts.lines().map(str::to_owned));
    pieces
}

/// A title and lines, if there are any.
fn section(pieces: &mut Vec<Piece>, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        pieces.push(piece(Tone::Heading, title));
        pieces.extend(lines.map(|line| piece(Tone::Said, line)));
    }
}

/// What was executed for a verdict.
fn asked(verdict: &Verdict) -> Option<String> {
    let asked = clean_line(&verdict.asked);
    (!asked.is_empty()).then(|| format!("{}: {asked}", clean_line(&verdict.verifier)))
}

/// A row of the table by its sign.
fn tone(line: &str) -> Option<Tone> {
    line.split(' ').find_map(|word| match word {
        "✓" => Some(Tone::True),
        "✗" => Some(Tone::False),
        "!" | "?" => Some(Tone::Unknown),
        _ => None,
    })
}
