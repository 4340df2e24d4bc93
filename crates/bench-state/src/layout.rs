//! Where everything lies. The only place that joins paths; ids are parsed before they get here.

use std::path::{Path, PathBuf};

use crate::ids::{ItemId, RunId};

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
        RunDir::new(self.runs().join(id.as_str()))
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
        RunDir::new(self.own().join(format!("new-{id}")))
    }
}

/// Paths of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
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
