//! Results of the Python tool that came before, listed beside ours.
//!
//! Its background runs (`background_runs/<id>/state.json`) had no sign of life and no rule that an end has a time, so
//! some of them say "running" for ever and some failed without an end. They are read as they are, and changed only by
//! [`settle`], which the clean-up calls: by the age of the last write, since there is nothing better to go by. Its
//! sessions (`<name>_<n>/session.json`) were written when all was over, and are only shown.
//!
//! What the files hold is said in `legacy/format.rs`.

mod format;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::durable;
use crate::error::{At, FileAction, Result};
use crate::job::Job;
use crate::lock;
use crate::store::{Problem, RunStore};

/// One result of the old tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LegacyRow {
    /// Name of its folder.
    pub id: String,
    /// What it is.
    pub kind: LegacyKind,
    /// The file that was read.
    pub path: PathBuf,
    /// `running`, `completed` or `failed`, or whatever stands there.
    pub status: String,
    /// When it began. Times without a zone are taken as UTC.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, if that is known.
    pub completed_at: Option<DateTime<Utc>>,
    /// Verifiers passed.
    pub passed: u64,
    /// Verifiers in all.
    pub total: u64,
    /// Name of the harness.
    pub harness_name: Option<String>,
    /// The models in words.
    pub model_summary: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// The folder of results that belongs to a background run.
    pub session_dir: Option<String>,
    /// When any of its files was last written.
    pub last_write: DateTime<Utc>,
}

/// What a result of the old tool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LegacyKind {
    /// A run in the background.
    Background,
    /// The results of a run.
    Session,
}

/// What is wrong with a background run of the old tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegacyFault {
    /// Says that it is running, but nothing was written for longer than the threshold.
    Stale,
    /// Failed without an end.
    Broken,
}

/// What [`RunStore::legacy`] found.
#[derive(Debug, Default)]
pub struct LegacyListing {
    /// The results, newest first.
    pub rows: Vec<LegacyRow>,
    /// Files that cannot be read.
    pub problems: Vec<Problem>,
}

impl LegacyRow {
    /// What is wrong with it, given that a running one writes something at least every `threshold`.
    pub fn fault(&self, now: DateTime<Utc>, threshold: TimeDelta) -> Option<LegacyFault> {
        match (self.kind, self.status.as_str(), self.completed_at) {
            (LegacyKind::Background, "running", _) if now - self.last_write > threshold => {
                Some(LegacyFault::Stale)
            }
            (LegacyKind::Background, "failed", None) => Some(LegacyFault::Broken),
            _ => None,
        }
    }
}

impl<J: Job> RunStore<J> {
    /// Results of the old tool in the store's folder, newest first. Changes nothing.
    ///
    /// # Errors
    /// Only if the folder itself cannot be listed.
    pub fn legacy(&self) -> Result<LegacyListing> {
        let root = self.root();
        let mut listing = LegacyListing::default();
        for folder in folders(&root.join("background_runs"))? {
            listing.take_in(root, &folder, "state.json", LegacyKind::Background);
        }
        for folder in folders(root)? {
            let name = folder.file_name();
            let shown = |row: &LegacyRow| {
                row.session_dir
                    .as_deref()
                    .is_some_and(|dir| Path::new(dir).file_name() == name)
            };
            if folder.join("session.json").is_file() && !listing.rows.iter().any(shown) {
                listing.take_in(root, &folder, "session.json", LegacyKind::Session);
            }
        }
        listing.rows.sort_by(|one, other| {
            let began = |row: &LegacyRow| row.started_at.unwrap_or(row.last_write);
            began(other).cmp(&began(one)).then_with(|| other.id.cmp(&one.id))
        });
        Ok(listing)
    }
}

impl<J: Job> RunStore<J> {
    /// What the old tool wrote about the trials of a result: its `session.json` as it stands there. `None` if there is none,
    /// as of a background run that never came to its end.
    ///
    /// # Errors
    /// The file cannot be read, or is no JSON object.
    pub fn legacy_session(&self, row: &LegacyRow) -> Result<Option<Map<String, Value>>> {
        let path = match (row.kind, row.session_dir.as_deref()) {
            (LegacyKind::Session, _) => row.path.clone(),
            // Wherever it was written then, it lies beside this one now.
            (LegacyKind::Background, Some(dir)) => match Path::new(dir).file_name() {
                Some(name) => self.root().join(name).join("session.json"),
                None => return Ok(None),
            },
            (LegacyKind::Background, None) => return Ok(None),
        };
        let bytes = durable::read(&path, durable::LIMIT)?;
        bytes.map(|bytes| format::parse(&path, &bytes)).transpose()
    }
}

impl LegacyListing {
    fn take_in(&mut self, root: &Path, folder: &Path, file: &str, kind: LegacyKind) {
        let path = folder.join(file);
        match read(root, folder, &path, kind) {
            Ok(row) => self.rows.push(row),
            Err(error) => self.problems.push(Problem { path, error }),
        }
    }
}

/// The folders in a folder that are not hidden; none if it is not there.
fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).at(FileAction::List, parent),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.at(FileAction::List, parent)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

fn read(root: &Path, folder: &Path, path: &Path, kind: LegacyKind) -> Result<LegacyRow> {
    let document = format::parse(path, &bytes_of(path)?)?;
    let mut row = match kind {
        LegacyKind::Background => format::background(&document),
        LegacyKind::Session => format::session(&document),
    };
    row.id = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    path.clone_into(&mut row.path);
    row.last_write = last_write(folder);
    if let Some(session) = row
        .session_dir
        .as_deref()
        .and_then(|dir| Path::new(dir).file_name())
    {
        row.last_write = row.last_write.max(last_write(&root.join(session)));
    }
    if kind == LegacyKind::Session {
        row.completed_at = row.completed_at.or(Some(row.last_write));
    }
    Ok(row)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    durable::read(path, durable::LIMIT)?.ok_or_else(|| durable::missing(path))
}

/// When a file in the folder was last written. Its lock does not count: looking at a run may create that.
fn last_write(folder: &Path) -> DateTime<Utc> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name() != LOCK)
        .filter_map(|entry| entry.metadata().ok()?.modified().ok())
        .map(DateTime::from)
        .max()
        .unwrap_or_default()
}

/// The lock file of the old tool, which it took for changes as we do.
const LOCK: &str = "state.lock";

/// Ends a background run of the old tool, if it is still at fault when nobody else can change it; says whether it did.
/// Everything else in the file stays, an error that was noted above all.
pub(crate) fn settle(root: &Path, row: &LegacyRow, now: DateTime<Utc>, threshold: TimeDelta) -> Result<bool> {
    let Some(folder) = row.path.parent() else {
        return Ok(false);
    };
    lock::with_state_lock(&folder.join(LOCK), lock::PATIENCE, || {
        let present = read(root, folder, &row.path, row.kind)?;
        let Some(fault) = present.fault(now, threshold) else {
            return Ok(false);
        };
        let bytes = bytes_of(&row.path)?;
        let text = format::ended(&row.path, &bytes, fault, now, threshold)?;
        let permissions = fs::metadata(&row.path)
            .at(FileAction::Open, &row.path)?
            .permissions();
        durable::replace(&row.path, text.as_bytes())?;
        // It was not private before; whoever else looked at it still should be able to.
        fs::set_permissions(&row.path, permissions).at(FileAction::Write, &row.path)?;
        Ok(true)
    })
}
