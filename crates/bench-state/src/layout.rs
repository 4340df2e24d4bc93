//! Where everything lies, and which runs lie there. The only place that joins paths; ids are parsed before they get
//! here.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{At, FileAction, Result, StateError};
use crate::ids::{ItemId, RunId};
use crate::platform;

/// Start of the names of folders that are not yet what they will be.
pub(crate) const STAGED: &str = "new-";

/// Paths of a store.
#[derive(Debug, Clone)]
pub(crate) struct StoreDirs {
    root: PathBuf,
}

impl StoreDirs {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every folder in here is a run.
    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    pub(crate) fn run(&self, id: &RunId) -> RunDir {
        RunDir {
            path: self.runs().join(id.as_str()),
            marker: self.marker(id),
        }
    }

    /// The name of every run, newest first. What else lies there goes to `stranger`, except hidden entries.
    pub(crate) fn run_ids(&self, stranger: impl FnMut(PathBuf, StateError)) -> Result<Vec<RunId>> {
        Ok(ids_in(&self.runs(), stranger)?.unwrap_or_default())
    }

    /// The same for the markers of runs that may not be over; `None` if it is not known which ones those are.
    pub(crate) fn marked_ids(&self) -> Result<Option<Vec<RunId>>> {
        ids_in(&self.active(), |_, _| {})
    }

    /// Format version, staging and trash. Nothing in here is needed to read a run.
    pub(crate) fn own(&self) -> PathBuf {
        self.root.join(".store")
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.own().join("format")
    }

    /// Where a run is put together before it is visible. On the same file system, so that it can be moved.
    pub(crate) fn staging(&self, id: &RunId) -> RunDir {
        RunDir {
            path: self.own().join(format!("{STAGED}{id}")),
            marker: self.marker(id),
        }
    }

    /// One empty file for each run that may not be over.
    pub(crate) fn active(&self) -> PathBuf {
        self.own().join("active")
    }

    fn marker(&self, id: &RunId) -> PathBuf {
        self.active().join(id.as_str())
    }

    /// What is to be deleted, and never anything else.
    pub(crate) fn trash(&self) -> PathBuf {
        self.own().join("trash")
    }
}

/// The entries of a folder that are named like runs, newest first; `None` if there is no such folder.
fn ids_in(folder: &Path, mut stranger: impl FnMut(PathBuf, StateError)) -> Result<Option<Vec<RunId>>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).at(FileAction::List, folder),
    };
    let mut ids: Vec<RunId> = Vec::new();
    for entry in entries {
        let entry = entry.at(FileAction::List, folder)?;
        let path = entry.path();
        match entry.file_name().into_string().map(RunId::try_from) {
            Ok(Ok(_)) if entry.file_type().is_ok_and(|found| found.is_symlink()) => {
                stranger(path.clone(), StateError::IsALink { path });
            }
            Ok(Ok(id)) => ids.push(id),
            _ if entry.file_name().as_encoded_bytes().starts_with(b".") => {}
            _ => stranger(path.clone(), StateError::NotARun { path }),
        }
    }
    ids.sort_unstable_by(|one, other| other.cmp(one));
    Ok(Some(ids))
}

/// Paths of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunDir {
    path: PathBuf,
    marker: PathBuf,
}

impl RunDir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a link in place of the folder: what it points to is not the store's.
    pub(crate) fn check_no_link(&self) -> Result<()> {
        if platform::is_link(&self.path) {
            return Err(StateError::IsALink {
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    /// Outside of the folder: says that this run may not be over.
    pub(crate) fn marker(&self) -> &Path {
        &self.marker
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state.json")
    }

    pub(crate) fn state_lock(&self) -> PathBuf {
        self.path.join("state.lock")
    }

    pub(crate) fn lease(&self) -> PathBuf {
        self.path.join("lease.lock")
    }

    pub(crate) fn plan(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    pub(crate) fn session(&self) -> PathBuf {
        self.path.join("session.json")
    }

    pub(crate) fn items(&self) -> PathBuf {
        self.path.join("trials")
    }

    pub(crate) fn item(&self, id: &ItemId) -> PathBuf {
        self.items().join(format!("{id}.json"))
    }

    pub(crate) fn item_log(&self, id: &ItemId) -> PathBuf {
        self.items().join(format!("{id}.jsonl"))
    }

    /// A further file of an item, beside its log.
    pub(crate) fn item_file(&self, id: &ItemId, suffix: &str) -> PathBuf {
        self.items().join(format!("{id}.{suffix}"))
    }

    /// What the worker of a background run itself wrote to its standard streams.
    pub(crate) fn worker_log(&self) -> PathBuf {
        self.path.join("worker.log")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub(crate) fn text_log(&self, id: &ItemId) -> PathBuf {
        self.logs().join(format!("{id}.log"))
    }
}
