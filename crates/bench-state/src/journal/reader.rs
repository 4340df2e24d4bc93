//! Reading a journal that may be torn at its end or damaged anywhere.
//!
//! A bad line with nothing valid after it is a torn end: what a crash leaves, and for a live run a line that is
//! just being written; it is not a fault. A bad line with a valid one after it is damage: it is reported and
//! skipped, and the valid lines after it count, because finished work must not vanish behind a flipped bit.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::marker::PhantomData;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::durable;
use crate::error::{At, FileAction, Result};
use crate::journal::Checkpoint;
use crate::journal::line::{self, Line};

/// The longest line that is read, in bytes: far more than any event takes up. A longer one is damage.
const LINE_LIMIT: u64 = 64 << 20;

/// Something wrong in a journal, with valid lines after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalFault {
    /// Line of the file, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The checksum does not fit, or it is no line of a journal.
    Unreadable,
    /// Lines are missing before it.
    Missing {
        /// The sequence number that should have come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// Its sequence number was there before; it is skipped.
    Repeated {
        /// That number.
        found: u64,
    },
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("the line is damaged"),
            Self::Missing { expected, found } => {
                write!(f, "event {expected} should follow, but it is {found}")
            }
            Self::Repeated { found } => write!(f, "event {found} is there twice"),
        }
    }
}

/// What reading found out about the file itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JournalReport {
    /// Damage with valid lines after it, in order.
    pub faults: Vec<JournalFault>,
    /// Bytes of a torn end.
    pub torn_bytes: u64,
}

/// Reads valid lines in order.
pub(crate) struct JournalReader<E, R = BufReader<File>> {
    input: R,
    /// Just after the last valid line.
    valid: Checkpoint,
    /// Bytes read, valid or not.
    read: u64,
    lines: u64,
    /// Bad lines since the last valid one: damage if another valid one comes, else the torn end.
    suspects: Vec<JournalFault>,
    faults: Vec<JournalFault>,
    buffer: Vec<u8>,
    event: PhantomData<fn() -> E>,
}

impl<E: DeserializeOwned> JournalReader<E> {
    /// Opens a journal just after `from`. A journal shorter than that reads as empty and torn by 0 bytes.
    pub(crate) fn open(path: &Path, from: Checkpoint) -> Result<Self> {
        Ok(Self::new(opened(path, from)?, from))
    }
}

impl<E: DeserializeOwned> JournalReader<E, Take<BufReader<File>>> {
    /// The same, as if the journal ended at `end`, in bytes.
    pub(crate) fn open_until(path: &Path, from: Checkpoint, end: u64) -> Result<Self> {
        let length = end.saturating_sub(from.bytes);
        Ok(Self::new(opened(path, from)?.take(length), from))
    }
}

fn opened(path: &Path, from: Checkpoint) -> Result<BufReader<File>> {
    let mut file = durable::open_to_read(path)?.ok_or_else(|| durable::missing(path))?;
    file.seek(SeekFrom::Start(from.bytes))
        .at(FileAction::Read, path)?;
    Ok(BufReader::with_capacity(64 * 1024, file))
}

impl<E: DeserializeOwned, R: BufRead> JournalReader<E, R> {
    pub(crate) fn new(input: R, from: Checkpoint) -> Self {
        Self {
            input,
            valid: from,
            read: from.bytes,
            lines: 0,
            suspects: Vec::new(),
            faults: Vec::new(),
            buffer: Vec::new(),
            event: PhantomData,
        }
    }

    /// The next valid line; `None` at the end.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line<E>>> {
        loop {
            self.buffer.clear();
            let length = (&mut self.input)
                .take(LINE_LIMIT)
                .read_until(b'\n', &mut self.buffer)? as u64;
            if length == 0 {
                return Ok(None);
            }
            self.read += length;
            if length == LINE_LIMIT && !self.buffer.ends_with(b"\n") {
                self.buffer = Vec::new(); // not a line of ours: gone through, but not kept
                self.read += self.input.skip_until(b'\n')? as u64;
            }
            self.lines += 1;
            // Without its newline a line is still being written, or was torn just there: not ours yet.
            let line = self.buffer.strip_suffix(b"\n").and_then(line::decode::<E>);
            match line {
                Some(line) if line.seq > self.valid.seq => {
                    self.accept(line.seq);
                    return Ok(Some(line));
                }
                Some(line) => self.suspect(FaultKind::Repeated { found: line.seq }),
                None => self.suspect(FaultKind::Unreadable),
            }
        }
    }

    fn suspect(&mut self, kind: FaultKind) {
        self.suspects.push(JournalFault {
            line: self.lines,
            kind,
        });
    }

    fn accept(&mut self, seq: u64) {
        self.faults.append(&mut self.suspects);
        let expected = self.valid.seq + 1;
        if seq != expected {
            let kind = FaultKind::Missing { expected, found: seq };
            self.faults.push(JournalFault {
                line: self.lines,
                kind,
            });
        }
        self.valid = Checkpoint {
            seq,
            bytes: self.read,
        };
    }

    /// Just after the last valid line read so far: where an append would have to go.
    pub(crate) fn valid(&self) -> Checkpoint {
        self.valid
    }

    /// What is wrong with the part read so far.
    pub(crate) fn report(&self) -> JournalReport {
        JournalReport {
            faults: self.faults.clone(),
            torn_bytes: self.read - self.valid.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::journal::line::{Said, encode};

    type Event = Map<String, Value>;

    fn numbered(seq: u64) -> String {
        let members = Map::from_iter([("n".to_owned(), seq.into())]);
        encode(seq, "2026-01-02T03:04:05Z".parse().unwrap(), 1, members)
    }

    fn journal(count: u64) -> String {
        (1..=count).map(numbered).collect()
    }

    fn read(bytes: &[u8]) -> (Vec<u64>, JournalReport, Checkpoint) {
        let mut reader = JournalReader::<Event, _>::new(bytes, Checkpoint::default());
        let mut seen = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            assert!(matches!(line.said, Said::Event(_)));
            seen.push(line.seq);
        }
        (seen, reader.report(), reader.valid())
    }

    #[test]
    fn at_every_truncation_the_whole_lines_survive_and_the_rest_is_torn() {
        let text = journal(4);
        for length in 0..=text.len() {
            let (seen, report, valid) = read(&text.as_bytes()[..length]);
            let whole = text[..length].matches('\n').count() as u64;
            assert_eq!(seen, (1..=whole).collect::<Vec<_>>(), "cut to {length}");
            assert_eq!(report.faults, [], "a torn end is not a fault");
            assert_eq!(valid.bytes + report.torn_bytes, length as u64);
        }
    }

    #[test]
    fn at_every_flipped_byte_only_the_lines_it_touches_are_lost_and_reported() {
        let text = journal(4);
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= 0x01;
            let hit = ends.iter().position(|end| index <= *end).unwrap() as u64 + 1;
            // Without its newline, a line fuses with the next one.
            let lost = if ends.contains(&index) {
                hit..=(hit + 1).min(4)
            } else {
                hit..=hit
            };
            let (seen, report, _) = read(&bytes);
            let survivors: Vec<u64> = (1..=4).filter(|seq| !lost.contains(seq)).collect();
            assert_eq!(seen, survivors, "byte {index}");
            let tail_only = *lost.end() == 4;
            assert_eq!(report.faults.is_empty(), tail_only, "byte {index}: {report:?}");
            assert_eq!(report.torn_bytes > 0, tail_only, "byte {index}: {report:?}");
        }
    }

    #[test]
    fn damage_names_the_line_and_what_is_missing() {
        let text = [
            numbered(1),
            "garbage\n".into(),
            numbered(4),
            numbered(3),
            numbered(4),
            numbered(5),
        ]
        .concat();
        let (seen, report, _) = read(text.as_bytes());
        assert_eq!(seen, [1, 4, 5]);
        let told: Vec<String> = report
            .faults
            .iter()
            .map(|f| format!("{}: {}", f.line, f.kind))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        2: the line is damaged
        3: event 2 should follow, but it is 4
        4: event 3 is there twice
        5: event 4 is there twice
        ");
    }

    #[test]
    fn zeroes_after_a_power_cut_are_a_torn_end() {
        let mut bytes = journal(2).into_bytes();
        bytes.extend([0; 4096]);
        let (seen, report, _) = read(&bytes);
        assert_eq!(seen, [1, 2]);
        assert_eq!((report.faults.len(), report.torn_bytes), (0, 4096));
    }
}
