//! The lines of an item's log by number, for readers of long ones: where each begins is kept, and a line is read when it is
//! asked for.
//!
//! So a log of any length costs eight bytes a line, and one that grows is read on from where it stopped. To read a log
//! once from its beginning, [`RunView::item_log`] is simpler.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::durable;
use crate::error::{At, FileAction, Result, StateError};
use crate::ids::ItemId;
use crate::job::Job;
use crate::view::RunView;

/// About how much is looked through in one go, in bytes.
const STRIDE: u64 = 16 * 1024 * 1024;
/// What is read at a time, in bytes.
const BUFFER: usize = 256 * 1024;

/// Where the lines of an item's log are. Made by [`RunView::item_log_index`]; [`grow`](Self::grow) finds them.
#[derive(Debug)]
pub struct ItemLogIndex {
    path: PathBuf,
    /// Where each line begins; the last one is where the next line will.
    begins: Vec<u64>,
}

impl<J: Job> RunView<J> {
    /// The lines of an item's log, by number. None are known before the first [`ItemLogIndex::grow`]; the log may come
    /// to be later.
    pub fn item_log_index(&self, id: &ItemId) -> ItemLogIndex {
        ItemLogIndex::new(self.run_dir().item_log(id))
    }
}

impl ItemLogIndex {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            begins: vec![0],
        }
    }

    /// The file, for people who want to read it otherwise.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lines that are known. One that is still being written is not among them.
    pub fn len(&self) -> usize {
        self.begins.len() - 1
    }

    /// Whether no line is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks for lines that are new, through about 16 MiB; whether there is more to look through. Where the log became
    /// shorter, as no run makes it but a person may, it is looked through again from its beginning.
    ///
    /// # Errors
    /// I/O errors. That there is no such log (yet) is none.
    pub fn grow(&mut self) -> Result<bool> {
        let Some(mut file) = durable::open_to_read(&self.path)? else {
            self.begins.truncate(1);
            return Ok(false);
        };
        let length = file.metadata().at(FileAction::Read, &self.path)?.len();
        if length < self.end() {
            self.begins.truncate(1);
        }
        let from = self.end();
        if length == from {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(from))
            .at(FileAction::Read, &self.path)?;
        let mut input = BufReader::with_capacity(BUFFER, (&file).take(length - from));
        let mut at = from;
        while at - from < STRIDE {
            let line = input.skip_until(b'\n').at(FileAction::Read, &self.path)? as u64;
            at += line;
            if line == 0 || (at == length && !self.ends_a_line(&file, at)?) {
                return Ok(false);
            }
            self.begins.push(at);
        }
        Ok(at < length)
    }

    /// Whether the byte before this place ends a line.
    fn ends_a_line(&self, mut file: &File, at: u64) -> Result<bool> {
        let mut last = [0];
        file.seek(SeekFrom::Start(at.saturating_sub(1)))
            .at(FileAction::Read, &self.path)?;
        let read = file.read(&mut last).at(FileAction::Read, &self.path)?;
        Ok(read == 1 && last == [b'\n'])
    }

    fn end(&self) -> u64 {
        self.begins.last().copied().unwrap_or_default()
    }

    /// The bytes of lines, with their ends: about how much memory reading them takes.
    pub fn bytes(&self, lines: Range<usize>) -> u64 {
        let at = |line: usize| self.begins.get(line).copied().unwrap_or_else(|| self.end());
        at(lines.end).saturating_sub(at(lines.start))
    }

    /// Reads these lines, as far as they are known. One that cannot be understood is an error in its place.
    ///
    /// # Errors
    /// I/O errors, also that the log is gone.
    pub fn read<T: DeserializeOwned>(&self, lines: Range<usize>) -> Result<Vec<Result<T>>> {
        let lines = lines.start.min(self.len())..lines.end.min(self.len());
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let missing = || durable::missing(&self.path);
        let mut file = durable::open_to_read(&self.path)?.ok_or_else(missing)?;
        let from = self.begins.get(lines.start).copied().unwrap_or_default();
        file.seek(SeekFrom::Start(from))
            .at(FileAction::Read, &self.path)?;
        let mut input = BufReader::new(file);
        let mut line = Vec::new();
        let mut read = Vec::with_capacity(lines.len());
        for _ in lines {
            line.clear();
            input
                .read_until(b'\n', &mut line)
                .at(FileAction::Read, &self.path)?;
            let malformed = |source| StateError::Malformed {
                path: self.path.clone(),
                source,
            };
            read.push(serde_json::from_slice(&line).map_err(malformed));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn known(index: &ItemLogIndex, lines: Range<usize>) -> Vec<Option<u32>> {
        let read = index.read::<u32>(lines).unwrap();
        read.into_iter().map(Result::ok).collect()
    }

    #[test]
    fn a_log_that_grows_is_read_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut index = ItemLogIndex::new(path.clone());
        assert!(!index.grow().unwrap() && index.is_empty(), "there is none yet");
        fs::write(&path, b"1\nx\n3").unwrap();
        assert!(!index.grow().unwrap());
        assert_eq!(index.len(), 2, "the third is not whole");
        assert_eq!(
            known(&index, 0..9),
            [Some(1), None],
            "a damaged one hides only itself"
        );
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"3\n4\n").unwrap();
        index.grow().unwrap();
        assert_eq!(known(&index, 2..4), [Some(33), Some(4)]);
        assert_eq!((index.bytes(2..4), index.bytes(3..9)), (5, 2));
        assert_eq!(known(&index, 4..9), []);
        fs::write(&path, b"7\n").unwrap();
        index.grow().unwrap();
        assert_eq!(known(&index, 0..9), [Some(7)], "one that was cut is read anew");
        fs::remove_file(&path).unwrap();
        assert!(index.read::<u32>(0..1).is_err());
        assert!(!index.grow().unwrap() && index.is_empty(), "it is gone");
    }

    #[test]
    fn a_long_log_is_looked_through_in_several_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let blank = vec![b' '; 1024 * 1024 - 2];
        let line = [blank.as_slice(), b"1\n"].concat();
        fs::write(&path, line.repeat(20)).unwrap();
        let mut index = ItemLogIndex::new(path);
        assert!(index.grow().unwrap(), "there is more");
        assert_eq!(index.len(), 16);
        assert!(!index.grow().unwrap());
        assert_eq!((index.len(), index.bytes(0..20)), (20, 20 * 1024 * 1024));
        assert_eq!(known(&index, 18..20), [Some(1), Some(1)]);
    }

    #[test]
    fn one_line_may_be_longer_than_what_is_looked_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut text = vec![b' '; usize::try_from(STRIDE).unwrap() + 9];
        text.extend(b"1\n2\n");
        fs::write(&path, &text).unwrap();
        let mut index = ItemLogIndex::new(path.clone());
        while index.grow().unwrap() {}
        assert_eq!(known(&index, 0..2), [Some(1), Some(2)]);
        text.truncate(text.len() - 4);
        fs::write(&path, &text).unwrap();
        let mut index = ItemLogIndex::new(path);
        assert!(!index.grow().unwrap(), "nobody should ask again and again");
        assert!(index.is_empty(), "it is not whole");
    }
}
