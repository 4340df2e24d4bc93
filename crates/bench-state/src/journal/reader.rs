//! Reading a journal that may be torn at its end or damaged anywhere.
//!
//! Bad lines with nothing valid after them are a torn end, if a crash can have left them: one without its newline, which
//! for a live run is just being written, and zero bytes. That is no fault. Every other bad line is damage: it is reported
//! and skipped, and the valid lines after it count, because finished work must not vanish behind a flipped bit.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::marker::PhantomData;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::durable;
use crate::error::{At, FileAction, Result, StateError};
use crate::journal::Checkpoint;
use crate::journal::line::{self, Line};

/// The longest line that is read, in bytes: far more than any event takes up. A longer one is damage.
const LINE_LIMIT: u64 = 64 << 20;

/// Something wrong in a journal that no crash leaves.
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
    /// Damage, in order.
    pub faults: Vec<JournalFault>,
    /// Bytes after the last valid line.
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
    /// Bad lines since the last valid one: damage if another valid one comes, else a torn end, if they may be one.
    suspects: Vec<Suspect>,
    faults: Vec<JournalFault>,
    buffer: Vec<u8>,
    event: PhantomData<fn() -> E>,
}

/// A bad line.
struct Suspect {
    fault: JournalFault,
    /// Whether a crash can have left it at the end.
    may_be_torn: bool,
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
    let mut file = durable::open_to_read(path)?.ok_or_else(|| StateError::JournalMissing {
        path: path.to_owned(),
    })?;
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
            lines: from.seq,
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
                Some(line) => self.suspect(FaultKind::Repeated { found: line.seq }, false),
                None => self.suspect(FaultKind::Unreadable, may_be_torn(&self.buffer)),
            }
        }
    }

    fn suspect(&mut self, kind: FaultKind, may_be_torn: bool) {
        let line = self.lines;
        let fault = JournalFault { line, kind };
        self.suspects.push(Suspect { fault, may_be_torn });
    }

    fn accept(&mut self, seq: u64) {
        let damaged = self.suspects.drain(..).map(|suspect| suspect.fault);
        self.faults.extend(damaged);
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
        let at_the_end = self.suspects.iter().filter(|suspect| !suspect.may_be_torn);
        let at_the_end = at_the_end.map(|suspect| suspect.fault.clone());
        JournalReport {
            faults: self.faults.iter().cloned().chain(at_the_end).collect(),
            torn_bytes: self.read - self.valid.bytes,
        }
    }
}

/// Whether a crash can have left this line, which is none, at the end: its newline is written last, and what did not reach
/// the disk reads as zeroes.
fn may_be_torn(line: &[u8]) -> bool {
    !line.ends_with(b"\n") || line.contains(&0)
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
            // Without the last newline, it is as a crash may leave it.
            let torn = index == *ends.last().unwrap();
            assert_eq!(report.faults.is_empty(), torn, "byte {index}: {report:?}");
            assert_eq!(
                report.torn_bytes > 0,
                *lost.end() == 4,
                "byte {index}: {report:?}"
            );
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
    fn whole_lines_behind_the_end_are_no_torn_end() {
        let torn = &numbered(3)[..20];
        for (behind, kind) in [
            (numbered(2), FaultKind::Repeated { found: 2 }),
            ("{\"x\":1}\n".to_owned(), FaultKind::Unreadable),
            ("\n".to_owned(), FaultKind::Unreadable),
        ] {
            for rest in ["", torn, "\0\0\0"] {
                let text = [&journal(2), &behind, rest].concat();
                let (seen, report, valid) = read(text.as_bytes());
                assert_eq!(seen, [1, 2]);
                let kind = kind.clone();
                assert_eq!(report.faults, [JournalFault { line: 3, kind }], "{behind}{rest}");
                assert_eq!(valid.bytes + report.torn_bytes, text.len() as u64);
            }
        }
    }

    #[test]
    fn lines_are_numbered_as_in_the_file_from_wherever_it_is_read() {
        let (text, first) = (journal(3) + "hello\n", journal(2).len());
        let from = Checkpoint {
            seq: 2,
            bytes: first as u64,
        };
        let mut reader = JournalReader::<Event, _>::new(&text.as_bytes()[first..], from);
        while reader.next_line().unwrap().is_some() {}
        assert_eq!(reader.report().faults[0].line, 4);
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
