//! Reading logs for people while they grow: those of the items, and the worker's own.
//!
//! Files are opened only when they have grown, and new ones are found on the way, so that any number of items is fine.
//! Lines come whole; what is left without a newline comes with the last reading.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::durable;
use crate::error::{At, FileAction, Result};
use crate::ids::{ItemId, RunId};
use crate::job::Job;
use crate::layout::RunDir;
use crate::platform::{self, FileVersion};
use crate::store::RunStore;

/// Most that is read from one file at a time, in bytes.
const CHUNK: u64 = 256 * 1024;

/// How long a folder that has changed is looked through each time: its time stamp may be too coarse for two changes.
const SETTLING: Duration = Duration::from_secs(1);

/// Who wrote a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogSource {
    /// The worker of a background run, to its standard streams.
    Worker,
    /// An item of the run.
    Item(ItemId),
}

/// Lines that were added to a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLines {
    /// Which log.
    pub source: LogSource,
    /// One or more lines with their ends. Bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// The logs of a run, from their beginning.
#[derive(Debug)]
pub struct LogTail {
    dir: RunDir,
    only: Option<LogSource>,
    /// How far each has been read.
    read: BTreeMap<LogSource, u64>,
    folder: Option<FileVersion>,
    settled_at: Option<Instant>,
}

impl<J: Job> RunStore<J> {
    /// The logs of a run, to be read while they grow: all of them, or only one.
    pub fn tail_logs(&self, id: &RunId, only: Option<LogSource>) -> LogTail {
        LogTail {
            dir: self.dirs().run(id),
            only,
            read: BTreeMap::new(),
            folder: None,
            settled_at: None,
        }
    }
}

impl LogTail {
    /// Leaves out what is there already.
    pub fn only_new(mut self) -> Result<Self> {
        self.discover()?;
        let sources: Vec<LogSource> = self.read.keys().cloned().collect();
        for source in sources {
            let length = self.length(&source)?;
            self.read.insert(source, length);
        }
        Ok(self)
    }

    /// Whole lines that are new since the last time, file by file. Does not wait. Of a file that has grown very much
    /// it is a part: ask again until nothing comes.
    pub fn poll(&mut self) -> Result<Vec<LogLines>> {
        self.read_all(false)
    }

    /// Everything that is left, unfinished lines included.
    pub fn drain(&mut self) -> Result<Vec<LogLines>> {
        let mut all = Vec::new();
        self.settled_at = None;
        self.folder = None;
        loop {
            let part = self.read_all(true)?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend(part);
        }
    }

    fn read_all(&mut self, last: bool) -> Result<Vec<LogLines>> {
        self.discover()?;
        let mut found = Vec::new();
        let sources: Vec<LogSource> = self.read.keys().cloned().collect();
        for source in sources {
            let from = self.read.get(&source).copied().unwrap_or_default();
            if let Some(text) = self.grown(&source, from, last)? {
                self.read.insert(source.clone(), from + text.len() as u64);
                let text = String::from_utf8_lossy(&text).into_owned();
                found.push(LogLines { source, text });
            }
        }
        Ok(found)
    }

    fn path(&self, source: &LogSource) -> PathBuf {
        match source {
            LogSource::Worker => self.dir.worker_log(),
            LogSource::Item(id) => self.dir.text_log(id),
        }
    }

    fn length(&self, source: &LogSource) -> Result<u64> {
        let path = self.path(source);
        let version = platform::version_of(&path).at(FileAction::Open, &path)?;
        Ok(version.map_or(0, |version| version.length()))
    }

    /// What a file has beyond `from`: up to its last newline, or up to its end if this is the `last` reading or one line
    /// is longer than what is read at a time.
    fn grown(&self, source: &LogSource, from: u64, last: bool) -> Result<Option<Vec<u8>>> {
        if self.length(source)? <= from {
            return Ok(None);
        }
        let path = self.path(source);
        let Some(mut file) = durable::open_to_read(&path)? else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(from)).at(FileAction::Read, &path)?;
        let mut bytes = Vec::new();
        file.take(CHUNK)
            .read_to_end(&mut bytes)
            .at(FileAction::Read, &path)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if whole > 0 || !(last || bytes.len() as u64 == CHUNK) {
            bytes.truncate(whole);
        }
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    /// Finds logs that are new.
    fn discover(&mut self) -> Result<()> {
        if let Some(only) = &self.only {
            self.read.entry(only.clone()).or_default();
            return Ok(());
        }
        self.read.entry(LogSource::Worker).or_default();
        let folder = self.dir.logs();
        let version = platform::version_of(&folder).at(FileAction::Open, &folder)?;
        if version != self.folder {
            self.folder = version;
            self.settled_at = Some(Instant::now() + SETTLING);
        } else if self.settled_at.is_none_or(|at| at < Instant::now()) {
            return Ok(());
        }
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.at(FileAction::List, &folder)?,
        };
        for entry in entries {
            let name = entry.at(FileAction::List, &folder)?.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.strip_suffix(".log")?.parse().ok());
            if let Some(id) = id {
                self.read.entry(LogSource::Item(id)).or_default();
            }
        }
        Ok(())
    }
}
