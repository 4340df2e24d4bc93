//! Transcripts in pieces: which are folded in, and how much of each.
//!
//! A document has room for [`ROOM`] bytes of transcripts. Which trials get it is decided beforehand by the length of
//! their files, in the plan's order, so that each scenario and model has its first repetition before any has its second.
//! What is written is counted all the same, so that the document cannot grow beyond it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bench_core::transcript::{Entry, Line};
use bench_core::{Outcome, TrialId};

use super::{Files, Trial};
use crate::conversation::{self, Detail};
use crate::text;

/// Bytes of transcripts that a document holds, as they are written.
pub const ROOM: usize = 20_000_000;
/// Bytes of one transcript that it holds.
const ROOM_OF_ONE: usize = 1_000_000;
/// Characters of one piece that it holds.
const LONGEST: usize = 20_000;

/// A piece of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Who speaks: `system`, `user`, `assistant`, `tool`, `error` (a tool's), `judge`, `verdict` or `note`.
    pub kind: &'static str,
    /// What is said, shortened if it is very long.
    pub text: String,
}

/// Whether the transcript of such a trial belongs into a document: where somebody has to look why.
pub fn is_wanted(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Limit | Outcome::Errored)
}

/// For each trial, whether there is room for its transcript.
pub fn chosen(trials: &[Trial], room: usize) -> Vec<bool> {
    let mut left = room;
    let choose = |trial: &Trial| {
        if trial.transcript_bytes == 0 || !is_wanted(trial.outcome) {
            return false;
        }
        let needed = usize::try_from(trial.transcript_bytes).map_or(ROOM_OF_ONE, |n| n.min(ROOM_OF_ONE));
        let fits = needed <= left;
        if fits {
            left -= needed;
        }
        fits
    };
    trials.iter().map(choose).collect()
}

/// Reads transcripts as long as there is room.
#[derive(Clone)]
pub struct Reader {
    files: Arc<dyn Files>,
    left: Arc<AtomicUsize>,
}

impl Reader {
    /// A reader that gives out so many bytes in all.
    pub fn new(files: Arc<dyn Files>, room: usize) -> Self {
        Self {
            files,
            left: Arc::new(AtomicUsize::new(room)),
        }
    }

    /// The transcript of a trial in pieces. What cannot be read, or has no room, is told in a last piece.
    pub fn pieces(&self, trial: &TrialId) -> Vec<Piece> {
        let lines = match self.files.transcript(trial) {
            Ok(Some(lines)) => lines,
            Ok(None) => return vec![note("there is no transcript".to_owned())],
            Err(problem) => return vec![note(problem)],
        };
        let room = ROOM_OF_ONE.min(self.left.load(Ordering::Relaxed));
        let mut used = 0;
        let mut pieces = Vec::new();
        for (n, line) in lines.enumerate() {
            let piece = match &line {
                // The beginning needs no heading; each further one, of an attempt or after a resume, does.
                Ok(line) if n == 0 && matches!(line.entry, Entry::Attempt { .. }) => continue,
                Ok(line) => piece(line),
                Err(problem) => note(problem.clone()),
            };
            if piece.text.is_empty() {
                continue;
            }
            used += escaped(&piece.text);
            if used > room {
                let path = self.files.transcript_path(trial);
                pieces.push(note(format!("there is no room for the rest, which is in {path}")));
                break;
            }
            pieces.push(piece);
        }
        self.left.fetch_sub(used.min(room), Ordering::Relaxed);
        pieces
    }
}

fn note(text: String) -> Piece {
    Piece { kind: "note", text }
}

fn piece(line: &Line) -> Piece {
    let kind = match &line.entry {
        Entry::System { .. } => "system",
        Entry::User { .. } => "user",
        Entry::Assistant { .. } => "assistant",
        Entry::ToolResult { is_error: true, .. } => "error",
        Entry::ToolResult { .. } => "tool",
        Entry::JudgeAsked { .. } | Entry::JudgeReplied { .. } => "judge",
        Entry::Verdict(_) | Entry::Checked { .. } => "verdict",
        _ => "note",
    };
    let said = conversation::entry(line, Detail::Full);
    let said = said.trim();
    let text = match said.chars().count().checked_sub(LONGEST) {
        None | Some(0) => said.to_owned(),
        Some(_) => {
            let head = text::shorten(said, LONGEST);
            format!("{head}\n({} characters in all)", said.chars().count())
        }
    };
    Piece { kind, text }
}

/// Bytes of a text once it is escaped for HTML.
fn escaped(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'<' | b'>' => 4,
            b'&' => 5,
            b'"' | b'\'' | b'/' => 6,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{Fixture, report};

    #[test]
    fn the_first_of_each_kind_has_room_before_the_second() {
        let mut trials = report().trials;
        for trial in &mut trials {
            trial.transcript_bytes = 400;
        }
        let wanted: Vec<bool> = trials.iter().map(|trial| is_wanted(trial.outcome)).collect();
        assert_eq!(chosen(&trials, usize::MAX), wanted);
        let first = wanted.iter().position(|wanted| *wanted).unwrap();
        let some = chosen(&trials, 400);
        assert_eq!(some.iter().position(|chosen| *chosen), Some(first));
        assert_eq!(some.iter().filter(|chosen| **chosen).count(), 1);
    }

    #[test]
    fn no_transcript_is_longer_than_there_is_room_and_the_rest_is_named() {
        let trial: TrialId = "a~m~1".parse().unwrap();
        let long = "<".repeat(LONGEST * 2);
        let files = Arc::new(Fixture::saying(&[&long, &long, &long]));
        let all = Reader::new(files.clone(), ROOM).pieces(&trial);
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|piece| piece.text.chars().count() < LONGEST + 100));
        assert!(all[0].text.contains("characters in all"), "{}", all[0].text);
        let reader = Reader::new(files, 200_000);
        let some = reader.pieces(&trial);
        assert_eq!(some.len(), 3, "two and a note");
        assert!(some[2].text.contains("a~m~1.jsonl"), "{}", some[2].text);
        let none = reader.pieces(&trial);
        assert_eq!(none.len(), 1, "{none:?}");
    }
}
