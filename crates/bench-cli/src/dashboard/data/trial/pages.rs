//! Entries of the transcript as they are wished for.
//!
//! Only where the lines of the transcript begin is known of all of them. Those that are wished for are read and made into
//! pieces, once each, and forgotten when the wish goes elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use bench_core::transcript::Line;
use bench_report::conversation::{self, Detail, Piece, Tone};
use bench_report::text::clean_line;
use bench_state::{ItemLogIndex, StateError};
use chrono::{DateTime, Utc};

use super::{Changed, at_most};
use crate::dashboard::trial::{Entries, Said, TrialNews, Wish};

/// What is said where the transcript was removed. What was read of it stays on the screen.
const NO_FILE: &str = "the transcript is no longer on disk; what was read of it stays";
/// Lines that are read at a time.
const AT_ONCE: usize = 16;
/// A longer line is not read, in bytes.
const LONGEST: u64 = 64 << 20;
/// Most that is kept of an entry, in bytes, and of one that is unfolded.
const MOST: (usize, usize) = (32 << 10, 256 << 10);

/// The entries that are wished for.
pub(super) struct Pages {
    index: ItemLogIndex,
    /// Whether not all lines are known yet.
    pub(super) more: bool,
    made: BTreeMap<usize, Made>,
    /// Lines that were read so far.
    parsed: usize,
    /// What was last told.
    told: Option<Entries>,
}

struct Made {
    unfolded: bool,
    said: Arc<Said>,
}

impl Pages {
    pub(super) fn new(index: ItemLogIndex) -> Self {
        Self {
            index,
            more: true,
            made: BTreeMap::new(),
            parsed: 0,
            told: None,
        }
    }

    /// The path of the transcript.
    pub(super) fn file(&self) -> String {
        self.index.path().display().to_string()
    }

    /// What changed since the last time.
    pub(super) fn look(&mut self, wish: &Wish) -> Changed {
        let entries = self.read(wish).map_err(super::said)?;
        let had = self.told.as_ref().is_some_and(|told| told.all > 0);
        if had && entries.all == 0 && !self.index.path().exists() {
            return Err(NO_FILE.to_owned());
        }
        if self.told.as_ref() == Some(&entries) {
            return Ok(None);
        }
        self.told = Some(entries.clone());
        Ok(Some(TrialNews::Entries(entries)))
    }

    /// When an entry was said; `None` for one that cannot be read, and for what comes after all of them.
    pub(super) fn at(&self, entry: usize) -> Option<DateTime<Utc>> {
        if self.index.bytes(entry..entry + 1) > LONGEST {
            return None;
        }
        let line: Line = self.index.read(entry..entry + 1).ok()?.pop()?.ok()?;
        Some(line.at)
    }

    /// Looks for new lines, and reads those that are wished for and not there yet.
    fn read(&mut self, wish: &Wish) -> Result<Entries, StateError> {
        let before = self.index.len();
        self.more = false;
        self.more = self.index.grow()?;
        let all = self.index.len();
        if all < before {
            self.made.clear(); // it was cut
        }
        let wanted = wish.entries.start.min(all)..wish.entries.end.min(all);
        self.made
            .retain(|at, made| wanted.contains(at) && made.unfolded == wish.wants_whole(*at));
        let missing: Vec<usize> = wanted.clone().filter(|at| !self.made.contains_key(at)).collect();
        for run in missing.chunk_by(|a, b| a + 1 == *b) {
            for part in run.chunks(AT_ONCE) {
                self.make(part, wish)?;
            }
        }
        Ok(Entries {
            all,
            from: wanted.start,
            said: self.made.values().map(|made| Arc::clone(&made.said)).collect(),
        })
    }

    /// Reads consecutive lines.
    fn make(&mut self, lines: &[usize], wish: &Wish) -> Result<(), StateError> {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
            return Ok(());
        };
        if self.index.bytes(*first..last + 1) > LONGEST {
            if let [line] = lines {
                let bytes = self.index.bytes(*line..line + 1);
                self.keep(*line, wish, |_| too_long(bytes));
                return Ok(());
            }
            return lines.chunks(1).try_for_each(|line| self.make(line, wish));
        }
        let read: Vec<Result<Line, StateError>> = self.index.read(*first..last + 1)?;
        self.parsed += read.len();
        for (line, read) in lines.iter().zip(read) {
            self.keep(*line, wish, |unfolded| said(read, unfolded));
        }
        Ok(())
    }

    fn keep(&mut self, line: usize, wish: &Wish, said: impl FnOnce(bool) -> Said) {
        let unfolded = wish.wants_whole(line);
        let said = Arc::new(said(unfolded));
        self.made.insert(line, Made { unfolded, said });
    }
}

fn said(line: Result<Line, StateError>, unfolded: bool) -> Said {
    let (detail, most) = if unfolded {
        (Detail::Unfolded, MOST.1)
    } else {
        (Detail::Folded, MOST.0)
    };
    match line {
        Ok(line) => Said {
            at: line.at.format("%H:%M:%S").to_string(),
            pieces: at_most(conversation::pieces(&line, detail), most),
        },
        Err(error) => note(format!("a damaged line: {}", clean_line(&error.to_string()))),
    }
}

fn too_long(bytes: u64) -> Said {
    note(format!(
        "an entry of {} MB, which is too long for this screen",
        bytes / 1_000_000
    ))
}

fn note(text: String) -> Said {
    Said {
        at: String::new(),
        pieces: vec![Piece {
            tone: Tone::Note,
            text,
        }],
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::{Bed, TRIAL, bed, wish};
    use super::*;

    fn pages(bed: &Bed) -> Pages {
        Pages::new(bed.view().item_log_index(&TRIAL.parse().unwrap()))
    }

    fn read(pages: &mut Pages, wish: &Wish) -> Entries {
        loop {
            let entries = pages.read(wish).unwrap();
            if !pages.more {
                return entries;
            }
        }
    }

    #[test]
    fn of_a_long_transcript_only_what_is_wished_for_is_read_and_kept() {
        let bed = bed(100_000);
        let mut pages = pages(&bed);
        let first = read(&mut pages, &wish(0..128));
        assert_eq!((first.all, first.from, first.said.len()), (100_000, 0, 128));
        assert_eq!(pages.parsed, 128);
        assert_eq!(first.said[127].pieces[0].text, "entry 127");
        let further = read(&mut pages, &wish(64..192));
        assert_eq!(pages.parsed, 192, "what is known is not read again");
        assert!(Arc::ptr_eq(&first.said[64], &further.said[0]));
        let last = read(&mut pages, &wish(99_840..100_096));
        assert_eq!((pages.parsed, pages.made.len()), (192 + 160, 160));
        assert_eq!(last.said[159].pieces[0].text, "entry 99999");
        read(&mut pages, &wish(99_840..100_096));
        assert_eq!(pages.parsed, 352);
    }

    #[test]
    fn what_is_new_is_read_on_and_a_damaged_line_hides_only_itself() {
        let bed = bed(1);
        let mut pages = pages(&bed);
        let wish = wish(0..64);
        assert_eq!(read(&mut pages, &wish).said.len(), 1);
        bed.append("{\"at\": \u{1b}[2J");
        bed.append(r#"{"at":"2026-01-02T03:04:05Z","type":"from_the_future"}"#);
        let entries = read(&mut pages, &wish);
        assert_eq!((entries.all, pages.parsed), (3, 3));
        let texts: Vec<&str> = entries
            .said
            .iter()
            .map(|said| said.pieces[0].text.as_str())
            .collect();
        assert!(
            texts[1].starts_with("a damaged line") && !texts[1].contains('\u{1b}'),
            "{texts:?}"
        );
        fs::write(&bed.transcript, "").unwrap();
        assert_eq!(read(&mut pages, &wish).all, 0);
        fs::remove_file(&bed.transcript).unwrap();
        assert_eq!(read(&mut pages, &wish).all, 0);
    }

    #[test]
    fn an_entry_is_whole_only_where_that_is_wished_for_and_never_endless() {
        let bed = bed(0);
        let lines = "line\\n".repeat(100_000);
        let user = format!(r#"{{"at":"2026-01-02T03:04:05Z","type":"user","prompt":0,"text":"{lines}"}}"#);
        bed.append(&user);
        let mut pages = pages(&bed);
        let mut wish = wish(0..64);
        let texts = |entries: &Entries| entries.said[0].pieces.len();
        assert_eq!(texts(&read(&mut pages, &wish)), 42);
        wish.unfolded = vec![0];
        let whole = read(&mut pages, &wish);
        assert!(texts(&whole) > 50_000, "{}", texts(&whole));
        let last = &whole.said[0].pieces.last().unwrap().text;
        assert!(last.contains("too long for this screen"), "{last}");
        let bytes: usize = whole.said[0]
            .pieces
            .iter()
            .map(|piece| piece.text.len() + 1)
            .sum();
        assert!(bytes < 260 << 10, "{bytes}");
    }
}
