//! The records of a trial's evidence by number, for readers of long ones: where each begins is kept, and one is read when
//! it is asked for.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use bench_core::evidence::Evidence;
use chrono::{DateTime, Utc};

use super::{Damaged, MAGIC, MARK, MARK_AT, Records, begins_a_member};

/// What is read at a time, in bytes.
const BUFFER: usize = 256 * 1024;
/// Bytes by which a record is known.
const HEAD: usize = MARK_AT + MARK.len();

/// Where the records of an evidence file are. [`grow`](Self::grow) finds them.
#[derive(Debug)]
pub struct Index {
    file: File,
    begins: Vec<u64>,
    /// How far the file was looked through.
    looked: u64,
}

impl Index {
    /// Of a file whose name ends with [`SUFFIX`](super::SUFFIX). No record is known before the first [`grow`](Self::grow).
    pub fn new(file: File) -> Self {
        Self {
            file,
            begins: Vec::new(),
            looked: 0,
        }
    }

    /// Records that are known, damaged ones included.
    pub fn len(&self) -> usize {
        self.begins.len()
    }

    /// Whether no record is known.
    pub fn is_empty(&self) -> bool {
        self.begins.is_empty()
    }

    /// Looks for records that are new.
    pub fn grow(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.looked))?;
        let mut input = BufReader::with_capacity(BUFFER, &self.file);
        let mut seen: Vec<u8> = Vec::new();
        loop {
            let read = input.fill_buf()?;
            if read.is_empty() {
                return Ok(());
            }
            // What may be the beginning of a head is looked at again with what follows.
            let length = read.len();
            seen.extend_from_slice(read);
            input.consume(length);
            let done = (seen.len() + 1).saturating_sub(HEAD);
            let heads = (0..done).filter(|at| seen[*at] == MAGIC[0] && begins_a_member(&seen[*at..]));
            self.begins.extend(heads.map(|at| self.looked + at as u64));
            seen.drain(..done);
            self.looked += done as u64;
        }
    }

    /// One record; `None` if there is none of that number. The last one may still be written.
    pub fn read(&self, number: usize) -> io::Result<Option<Result<Evidence, Damaged>>> {
        let Some(from) = self.begins.get(number) else {
            return Ok(None);
        };
        let mut file = &self.file;
        file.seek(SeekFrom::Start(*from))?;
        let mut content = Vec::new();
        match self.begins.get(number + 1) {
            Some(end) => file.take(end - from).read_to_end(&mut content)?,
            None => file.read_to_end(&mut content)?,
        };
        Ok(Records::of(&content).next())
    }

    /// The last record that was sent by then, damaged ones left out. They are in the order of time: few are read for it.
    pub fn sent_by(&self, at: DateTime<Utc>) -> io::Result<Option<usize>> {
        let (mut found, mut low, mut high) = (None, 0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.readable(middle, high)? {
                Some((number, sent_at)) if sent_at <= at => (found, low) = (Some(number), number + 1),
                _ => high = middle,
            }
        }
        Ok(found)
    }

    /// The requests for the reply that was asked for last by then, the last `most` of them, and for the first reply where
    /// that is earlier than all; by the end if no time is given.
    pub fn asked_by(&self, at: Option<DateTime<Utc>>, most: usize) -> io::Result<Vec<Evidence>> {
        let last = match at {
            Some(at) => self.sent_by(at)?.unwrap_or(0),
            None => self.len().saturating_sub(1),
        };
        let mut found: VecDeque<Evidence> = VecDeque::new();
        for number in (0..=last).rev().take(most) {
            match self.read(number)? {
                Some(Ok(record)) if found.front().is_none_or(|next| same_reply(next, &record)) => {
                    found.push_front(record);
                }
                Some(Err(_)) => {} // the others are whole
                _ => break,
            }
        }
        Ok(found.into())
    }

    /// The first record of a range that can be read, and when it was sent.
    fn readable(&self, from: usize, end: usize) -> io::Result<Option<(usize, DateTime<Utc>)>> {
        for number in from..end {
            if let Some(Ok(evidence)) = self.read(number)? {
                return Ok(Some((number, evidence.sent_at)));
            }
        }
        Ok(None)
    }
}

/// Whether two requests ask for the same reply.
fn same_reply(one: &Evidence, other: &Evidence) -> bool {
    let asked = |evidence: &Evidence| {
        let judge = evidence.judge.as_ref().map(|judge| judge.verifier);
        (evidence.trial_attempt, evidence.turn, judge)
    };
    asked(one) == asked(other)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::time::{Duration, SystemTime};

    use super::super::tests::{exchange, place};
    use super::super::{Members, Secrets};
    use super::*;

    /// A record that was sent so many seconds after the epoch.
    fn record(seconds: u64) -> Vec<u8> {
        record_of(u32::try_from(seconds).unwrap(), seconds)
    }

    fn record_of(turn: u32, seconds: u64) -> Vec<u8> {
        let mut exchange = exchange(&format!("reply {seconds} ").repeat(99));
        exchange.sent_at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Members::new()
            .of(exchange, place(turn), &Secrets::default())
            .unwrap()
    }

    fn index(content: &[u8]) -> (tempfile::NamedTempFile, Index) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        let index = Index::new(File::open(file.path()).unwrap());
        (file, index)
    }

    fn turn(index: &Index, number: usize) -> Option<u32> {
        let read = index.read(number).unwrap()?;
        read.ok().map(|evidence| evidence.turn)
    }

    fn sent_by(index: &Index, seconds: i64) -> Option<u32> {
        let at = DateTime::from_timestamp(seconds, 0).unwrap();
        turn(index, index.sent_by(at).unwrap()?)
    }

    #[test]
    fn records_are_found_by_number_and_by_time_while_the_file_grows() {
        let (file, mut index) = index(&[]);
        index.grow().unwrap();
        assert!(index.is_empty());
        assert_eq!((turn(&index, 0), sent_by(&index, 99)), (None, None));
        let mut content = Vec::new();
        for seconds in [10, 20, 30, 40, 50] {
            // Heads are written in pieces, too.
            let member = record(seconds);
            for end in [5, 17, member.len()] {
                let whole = [content.as_slice(), &member[..end]].concat();
                fs::write(file.path(), &whole).unwrap();
                index.grow().unwrap();
            }
            content.extend(member);
        }
        assert_eq!(index.len(), 5);
        let turns: Vec<_> = (0..6).map(|number| turn(&index, number)).collect();
        assert_eq!(turns, [Some(10), Some(20), Some(30), Some(40), Some(50), None]);
        for (at, want) in [
            (9, None),
            (10, Some(10)),
            (29, Some(20)),
            (30, Some(30)),
            (99, Some(50)),
        ] {
            assert_eq!(sent_by(&index, at), want, "{at}");
        }
    }

    #[test]
    fn a_damaged_record_hides_only_itself() {
        let damaged = {
            let mut member = record(20);
            let middle = member.len() / 2;
            member[middle..].fill(0);
            member
        };
        let (mut file, mut index) = index(&[record(10), damaged, record(30)].concat());
        index.grow().unwrap();
        assert_eq!(index.len(), 3);
        assert_eq!(turn(&index, 1), None);
        for (at, want) in [(5, None), (25, Some(10)), (30, Some(30))] {
            assert_eq!(sent_by(&index, at), want, "{at}");
        }
        let torn = record(40);
        file.as_file_mut().seek(SeekFrom::End(0)).unwrap();
        file.write_all(&torn[..torn.len() - 9]).unwrap();
        index.grow().unwrap();
        assert_eq!((index.len(), sent_by(&index, 50)), (4, Some(30)), "not whole yet");
    }

    #[test]
    fn requests_for_one_reply_come_together() {
        let sent = [(1, 10), (2, 20), (2, 30), (2, 40), (3, 50)];
        let content = sent.map(|(turn, seconds)| record_of(turn, seconds)).concat();
        let (_file, mut index) = index(&content);
        index.grow().unwrap();
        let asked = |seconds: i64, most| {
            let at = DateTime::from_timestamp(seconds, 0).filter(|_| seconds > 0);
            let found = index.asked_by(at, most).unwrap();
            found
                .iter()
                .map(|record| record.sent_at.timestamp())
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(45, 9), [20, 30, 40]);
        assert_eq!(asked(35, 9), [20, 30]);
        assert_eq!(asked(45, 2), [30, 40]);
        assert_eq!(
            asked(5, 9),
            [10],
            "the first one belongs to what was said before it"
        );
        assert_eq!(asked(0, 9), [50], "the end");
    }

    #[test]
    fn heads_are_found_wherever_a_buffer_ends() {
        let member = record(10);
        let (_file, mut index) = index(&member.repeat(2 * BUFFER / member.len() + 2));
        index.grow().unwrap();
        assert_eq!(index.len(), 2 * BUFFER / member.len() + 2);
    }
}
