//! Files of one item: its record, its append-only log of JSON lines, its log for people.
//!
//! An item's files become durable in two steps: their content when they are put or synced, their names with the
//! next journal record, which is what makes them count anyway. So a batch of items costs one folder sync.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, LineWriter, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::durable::{self, Appender};
use crate::error::{At, FileAction, Result, StateError};

/// What a file held when it was written, for the event that names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRef {
    /// Lower-case hexadecimal SHA-256 of the content.
    pub sha256: String,
    /// Length in bytes.
    pub len: u64,
}

impl ItemRef {
    /// The reference of some content.
    pub fn of(content: &[u8]) -> Self {
        Self::from_parts(Sha256::new_with_prefix(content), content.len() as u64)
    }

    fn from_parts(hash: Sha256, len: u64) -> Self {
        let digits = hash
            .finalize()
            .into_iter()
            .flat_map(|byte| [byte >> 4, byte & 0xf]);
        Self {
            sha256: digits
                .filter_map(|digit| char::from_digit(digit.into(), 16))
                .collect(),
            len,
        }
    }
}

/// Whether the folder of items has names that are not durable yet. Shared by everyone who adds one.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamesPending(Arc<AtomicBool>);

impl NamesPending {
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Syncs the folder if names were added since the last time.
    pub(crate) fn settle(&self, folder: &Path) -> Result<()> {
        if self.0.swap(false, Ordering::SeqCst) {
            durable::sync_folder(folder).inspect_err(|_| self.note())?;
        }
        Ok(())
    }
}

/// Writes the record of an item, in one step and with its content durable.
pub(crate) fn put(path: &Path, content: &[u8], names: &NamesPending) -> Result<ItemRef> {
    durable::place(path, content)?;
    names.note();
    Ok(ItemRef::of(content))
}

/// An item's append-only log: one JSON value a line. Lines are buffered until [`flush`](Self::flush) or
/// [`sync`](Self::sync); dropping flushes too, but cannot tell of an error.
#[derive(Debug)]
pub struct ItemLog {
    file: BufWriter<Appender>,
    hash: Sha256,
    len: u64,
}

impl ItemLog {
    /// Opens the log at `path`, creates it if it is missing, and cuts off a torn last line.
    pub(crate) fn open(path: &Path, names: &NamesPending) -> Result<Self> {
        names.note();
        let file = Appender::open(path)?;
        let (hash, len) = keep_whole_lines(file.file(), path)?;
        Ok(Self {
            file: BufWriter::with_capacity(64 * 1024, file),
            hash,
            len,
        })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`StateError::Unstorable`] if the value has no JSON form (nothing is added then); I/O errors.
    pub fn append<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let mut line = serde_json::to_vec(value).map_err(|error| StateError::Unstorable {
            what: "log line",
            reason: error.to_string(),
        })?;
        line.push(b'\n');
        let written = self.file.write_all(&line);
        written.at(FileAction::Write, self.file.get_ref().path())?;
        self.hash.update(&line);
        self.len += line.len() as u64;
        Ok(())
    }

    /// Hands buffered lines to the system, so that readers see them.
    pub fn flush(&mut self) -> Result<()> {
        let flushed = self.file.flush();
        flushed.at(FileAction::Write, self.file.get_ref().path())
    }

    /// Makes all lines durable and says what the log now holds. Its name is durable from the next record on.
    pub fn sync(&mut self) -> Result<ItemRef> {
        self.flush()?;
        let log = self.file.get_ref();
        durable::sync_content(log.file(), log.path())?;
        Ok(ItemRef::from_parts(self.hash.clone(), self.len))
    }
}

/// Cuts a file after its last newline; returns hash and length of the rest.
fn keep_whole_lines(mut file: &File, path: &Path) -> Result<(Sha256, u64)> {
    if file.metadata().at(FileAction::Read, path)?.len() == 0 {
        return Ok((Sha256::new(), 0));
    }
    file.seek(SeekFrom::Start(0)).at(FileAction::Read, path)?;
    let (mut input, mut line) = (BufReader::new(file), Vec::new());
    let (mut hash, mut len) = (Sha256::new(), 0);
    loop {
        line.clear();
        let length = input.read_until(b'\n', &mut line).at(FileAction::Read, path)? as u64;
        if length == 0 {
            return Ok((hash, len));
        }
        if !line.ends_with(b"\n") {
            durable::truncate(file, path, len)?;
            return Ok((hash, len));
        }
        hash.update(&line);
        len += length;
    }
}

/// An item's log for people; every whole line written is visible at once. Not synced: it is a convenience.
#[derive(Debug)]
pub struct TextLog {
    file: LineWriter<Appender>,
}

impl TextLog {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            file: LineWriter::new(Appender::open(path)?),
        })
    }
}

impl TextLog {
    /// The system's error of the same kind, with the path: whoever gets it has only a stream.
    fn named(&self, error: &io::Error) -> io::Error {
        let words = format!(
            "cannot {} `{}`: {error}",
            FileAction::Write,
            self.file.get_ref().path().display()
        );
        io::Error::new(error.kind(), words)
    }
}

impl Write for TextLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| self.named(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| self.named(&error))
    }
}

/// A further file of an item, to which pieces are appended. Each is handed to the system at once, and none is synced: a
/// crash may tear the last ones, which whoever reads it has to put up with.
#[derive(Debug)]
pub struct ItemFile {
    file: Appender,
}

impl ItemFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            file: Appender::open(path)?,
        })
    }

    /// Adds a piece.
    pub fn append(&mut self, piece: &[u8]) -> Result<()> {
        let written = self.file.write_all(piece);
        written.at(FileAction::Write, self.file.path())
    }
}

/// Reads an item's log. A line that is still being written, or was torn there, ends it quietly; a damaged line
/// inside is an error in its place, and reading goes on after it.
#[derive(Debug)]
pub struct ItemLines<T> {
    input: BufReader<File>,
    path: PathBuf,
    value: PhantomData<fn() -> T>,
}

impl<T> ItemLines<T> {
    /// `None` if there is no such log.
    pub(crate) fn open(path: PathBuf) -> Result<Option<Self>> {
        let file = durable::open_to_read(&path)?;
        Ok(file.map(|file| Self {
            input: BufReader::new(file),
            path,
            value: PhantomData,
        }))
    }
}

impl<T: DeserializeOwned> Iterator for ItemLines<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        match self
            .input
            .read_until(b'\n', &mut line)
            .at(FileAction::Read, &self.path)
        {
            Err(error) => Some(Err(error)),
            Ok(_) if !line.ends_with(b"\n") => None,
            Ok(_) => {
                let malformed = |source| StateError::Malformed {
                    path: self.path.clone(),
                    source,
                };
                Some(serde_json::from_slice(&line).map_err(malformed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(path: &Path) -> ItemLog {
        ItemLog::open(path, &NamesPending::default()).unwrap()
    }

    fn lines(path: &Path) -> Vec<u32> {
        ItemLines::open(path.to_owned())
            .unwrap()
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn a_log_continues_after_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut log = open(&path);
        log.append(&1).unwrap();
        log.append(&22).unwrap();
        assert_eq!(log.sync().unwrap(), ItemRef::of(b"1\n22\n"));
        drop(log);
        fs::write(&path, b"1\n22\n33").unwrap();
        assert_eq!(
            lines(&path),
            [1, 22],
            "a line without its newline is not there yet"
        );
        let mut log = open(&path);
        log.append(&4).unwrap();
        assert_eq!(log.sync().unwrap(), ItemRef::of(&fs::read(&path).unwrap()));
        assert_eq!(lines(&path), [1, 22, 4]);
    }

    #[test]
    fn a_damaged_line_hides_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        fs::write(&path, b"1\nx\n3\n").unwrap();
        let read: Vec<Option<u32>> = ItemLines::open(path)
            .unwrap()
            .unwrap()
            .map(|line: Result<u32>| line.ok())
            .collect();
        assert_eq!(read, [Some(1), None, Some(3)]);
    }

    #[test]
    fn a_missing_log_is_not_an_error() {
        assert!(
            ItemLines::<u32>::open("/nonexistent/a.jsonl".into())
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn names_are_synced_once_for_many_files() {
        let folder = tempfile::tempdir().unwrap();
        let names = NamesPending::default();
        for n in 0..3 {
            put(&folder.path().join(format!("{n}.json")), b"{}", &names).unwrap();
        }
        let before = durable::crash::passed();
        names.settle(folder.path()).unwrap();
        names.settle(folder.path()).unwrap();
        assert_eq!(durable::crash::passed() - before, 1);
    }
}
