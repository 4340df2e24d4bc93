//! Appending to a journal, one fdatasync a batch. Only the holder of the run's lease does this.

use std::fs::File;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::durable;
use crate::error::{Result, StateError};
use crate::journal::Checkpoint;
use crate::journal::line::{Members, encode};
use crate::journal::reader::JournalReport;
use crate::platform;

/// An open journal.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    file: File,
    path: PathBuf,
    end: Checkpoint,
    /// A write or sync failed, so nobody knows what the disk holds: no more appends.
    broken: bool,
}

impl JournalWriter {
    /// Creates an empty journal.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        drop(durable::create_file(path, b"")?);
        Self::open_at(path, Checkpoint::default())
    }

    /// Opens an existing journal for appending and cuts its torn end first, since the next line would fuse with
    /// it. Damage before the last valid line is left as it is; every reader reports it.
    #[cfg(test)]
    pub(crate) fn open(path: &Path) -> Result<Self> {
        use crate::error::{At, FileAction};
        let mut reader = crate::journal::reader::JournalReader::<serde::de::IgnoredAny>::open(
            path,
            Checkpoint::default(),
        )?;
        while reader.next_line().at(FileAction::Read, path)?.is_some() {}
        Self::open_after(path, reader.valid(), &reader.report())
    }

    /// The same for a journal that has just been read: up to `end`, with this `report`.
    pub(crate) fn open_after(path: &Path, end: Checkpoint, report: &JournalReport) -> Result<Self> {
        let writer = Self::open_at(path, end)?;
        if report.torn_bytes > 0 {
            durable::truncate(&writer.file, path, end.bytes)?;
        }
        Ok(writer)
    }

    fn open_at(path: &Path, end: Checkpoint) -> Result<Self> {
        let file = durable::open(platform::without_waiting().append(true), path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            end,
            broken: false,
        })
    }

    /// Just after the last line.
    pub(crate) fn end(&self) -> Checkpoint {
        self.end
    }

    /// Appends lines with the next sequence numbers. When this returns they are on the disk, all of them.
    ///
    /// # Errors
    /// Those of the write, and [`StateError::JournalBroken`] for ever after: a second fsync might report success
    /// for pages that the kernel has already dropped. What was written of these lines is taken back if possible, so
    /// that nobody counts what the caller was told is not there.
    pub(crate) fn append(
        &mut self,
        generation: u32,
        lines: impl IntoIterator<Item = (DateTime<Utc>, Members)>,
    ) -> Result<()> {
        if self.broken {
            return Err(StateError::JournalBroken {
                path: self.path.clone(),
            });
        }
        let mut text = String::new();
        let mut seq = self.end.seq;
        for (at, members) in lines {
            seq += 1;
            text.push_str(&encode(seq, at, generation, members));
        }
        self.broken = true;
        if let Err(error) = durable::append(&mut self.file, &self.path, text.as_bytes()) {
            if let Err(stays) = durable::truncate(&self.file, &self.path, self.end.bytes) {
                tracing::debug!(error = %stays, "lines that failed to be recorded may be seen by readers");
            }
            return Err(error);
        }
        self.broken = false;
        self.end = Checkpoint {
            seq,
            bytes: self.end.bytes + text.len() as u64,
        };
        Ok(())
    }

    /// No more appends, because something that must precede them failed.
    pub(crate) fn give_up(&mut self) {
        self.broken = true;
    }

    /// The journal was moved along with its folder.
    pub(crate) fn moved_to(&mut self, path: PathBuf) {
        self.path = path;
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;
    use crate::journal::reader::{JournalReader, JournalReport};

    fn line(n: u64) -> (DateTime<Utc>, Members) {
        (
            DateTime::UNIX_EPOCH,
            Members::from_iter([("n".to_owned(), n.into())]),
        )
    }

    fn seqs(path: &Path) -> Vec<u64> {
        let mut reader = JournalReader::<IgnoredAny>::open(path, Checkpoint::default()).unwrap();
        let seqs = std::iter::from_fn(|| reader.next_line().unwrap())
            .map(|line| line.seq)
            .collect();
        assert_eq!(reader.report(), JournalReport::default());
        seqs
    }

    #[test]
    fn after_every_torn_end_appending_goes_on_cleanly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        JournalWriter::create(&path)
            .unwrap()
            .append(1, [line(1), line(2), line(3)])
            .unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let kept = whole[..length].split(|byte| *byte == b'\n').count() as u64 - 1;
            let mut writer = JournalWriter::open(&path).unwrap();
            assert_eq!(writer.end().seq, kept);
            writer.append(2, [line(9)]).unwrap();
            assert_eq!(writer.end().bytes, std::fs::metadata(&path).unwrap().len());
            assert_eq!(seqs(&path), (1..=kept + 1).collect::<Vec<_>>(), "cut to {length}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn after_a_failed_write_nothing_more_is_accepted() {
        let full = PathBuf::from("/dev/full");
        let mut writer = JournalWriter {
            // Not by `open_at`, which takes nothing but files.
            file: File::options().append(true).open(&full).unwrap(),
            path: full,
            end: Checkpoint::default(),
            broken: false,
        };
        let error = writer.append(1, [line(1)]).unwrap_err();
        assert_eq!(error.to_string(), "cannot write `/dev/full`");
        assert_eq!(writer.end(), Checkpoint::default());
        assert!(matches!(
            writer.append(1, [line(1)]),
            Err(StateError::JournalBroken { .. })
        ));
    }
}
