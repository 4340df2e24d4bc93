//! A transcript that can be read several times: a sample has its parts one after another, a transcript has them mixed.

use std::borrow::Cow;

use bench_core::transcript::{Entry, Line};

use super::super::{Files, Trial};

/// Transcripts up to so many bytes are read once and kept meanwhile.
const KEPT: u64 = 4 * 1024 * 1024;

/// The transcript of a trial.
pub(super) struct Tape<'a> {
    trial: &'a Trial,
    files: &'a dyn Files,
    kept: Option<Vec<Line>>,
}

impl<'a> Tape<'a> {
    pub(super) fn of(trial: &'a Trial, files: &'a dyn Files) -> Self {
        let mut tape = Self {
            trial,
            files,
            kept: None,
        };
        if trial.transcript_bytes <= KEPT {
            tape.kept = Some(tape.read().collect());
        }
        tape
    }

    /// Its lines, each with its number from 0.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, Cow<'_, Line>)> {
        let lines: Box<dyn Iterator<Item = Cow<'_, Line>> + '_> = match &self.kept {
            Some(lines) => Box::new(lines.iter().map(Cow::Borrowed)),
            None => Box::new(self.read().map(Cow::Owned)),
        };
        lines.enumerate()
    }

    /// Reads the file. What cannot be read becomes a note, in its place.
    fn read(&self) -> impl Iterator<Item = Line> + use<> {
        let (lines, trouble) = match self.files.transcript(&self.trial.trial) {
            Ok(lines) => (lines, None),
            Err(trouble) => (None, Some(Err(trouble))),
        };
        let mut last = self.trial.completed_at;
        let note = move |line: Result<Line, String>| match line {
            Ok(line) => {
                last = line.at;
                line
            }
            Err(text) => Line {
                at: last,
                entry: Entry::Note { text },
            },
        };
        trouble.into_iter().chain(lines.into_iter().flatten()).map(note)
    }
}
