//! Why the store could not do what was asked: what happened, where, and what to try next.
//!
//! One enum for the crate, because every operation ends in the same few things: a file, a lock, a name or a
//! run that is not what the caller took it for. The system's own words stay in `source`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::ids::RunId;
use crate::worker::Worker;

/// Result of a store operation.
pub type Result<T, E = StateError> = std::result::Result<T, E>;

/// Why the store could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// Text from outside that is not a run id.
    #[error("`{text}` is not a run id: expected `run_YYYYMMDD_HHMMSS_` and 8 lower-case hex digits")]
    BadRunId {
        /// What was given.
        text: String,
    },
    /// Text from outside that cannot name an item.
    #[error("`{text}` cannot name an item: {reason}")]
    BadItemId {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No run of that name.
    #[error("no run `{wanted}` in `{}`", root.display())]
    UnknownRun {
        /// The id or prefix asked for.
        wanted: String,
        /// The folder searched.
        root: PathBuf,
    },
    /// `latest` was asked for, and there is none.
    #[error("no runs in `{}` yet", root.display())]
    NoRuns {
        /// The folder searched.
        root: PathBuf,
    },
    /// A prefix that fits several runs.
    #[error("`{prefix}` fits {} runs in `{}`; give more of the id: {}", candidates.len(), root.display(), names(candidates))]
    AmbiguousRun {
        /// The prefix asked for.
        prefix: String,
        /// The folder searched.
        root: PathBuf,
        /// Every run it fits, newest first.
        candidates: Vec<RunId>,
    },
    /// A run ends once; this one has.
    #[error("run `{run}` is already over (since {completed_at}); its first ending stands")]
    AlreadyOver {
        /// The run.
        run: RunId,
        /// When it ended.
        completed_at: DateTime<Utc>,
    },
    /// Another worker continued the run; this one has to stop.
    #[error(
        "run `{run}` was continued by another worker (generation {current}, ours is {ours}); this one must stop"
    )]
    Superseded {
        /// The run.
        run: RunId,
        /// The generation of the worker that asked.
        ours: u32,
        /// The generation that owns the run now.
        current: u32,
    },
    /// The run was handed to a worker process; only that one records now.
    #[error("run `{run}` was handed to another process; only that one can record and end it")]
    HandedOver {
        /// The run.
        run: RunId,
    },
    /// Only a run that is over can be continued.
    #[error("run `{run}` is still running{}; wait for its end or ask it to stop first", by(worker.as_ref()))]
    StillRunning {
        /// The run.
        run: RunId,
        /// Who works on it.
        worker: Option<Worker>,
    },
    /// A folder without a worker, while the worker it names lives and works on another one.
    #[error("`{}` looks like a copy of a run that is still worked on (pid {pid}); what that run has outside of the folder is left alone", path.display())]
    Copied {
        /// The folder.
        path: PathBuf,
        /// The worker of the original.
        pid: u32,
    },
    /// A run whose journal lost lines in its middle cannot be continued: what they recorded might be done twice.
    #[error("run `{run}` cannot be continued: `{}` is damaged in {faults} place(s), first at line {line}: {reason}; what is left of it can be read, and a new run started", path.display())]
    NotResumable {
        /// The run.
        run: RunId,
        /// The journal.
        path: PathBuf,
        /// Number of places.
        faults: usize,
        /// Line of the first, counted from 1.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The worker of a background run did not come up; the run is over.
    #[error("run `{run}` could not be started in the background: {reason}")]
    LaunchFailed {
        /// The run.
        run: RunId,
        /// What happened, with the end of the worker's own output.
        reason: String,
        /// That output.
        log: PathBuf,
    },
    /// This process was not started as the worker of that run.
    #[error(
        "this process is not the worker of run `{run}`: {reason}; workers are started by the launch of a run"
    )]
    NotTheWorker {
        /// The run.
        run: RunId,
        /// What is missing.
        reason: String,
    },
    /// This system lacks what is needed.
    #[error("{what} is not supported on this system")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
    },
    /// A lock that is held for milliseconds stayed taken.
    #[error("gave up on `{}` after {waited:?}: another process holds it; try again", path.display())]
    LockTimeout {
        /// The lock file.
        path: PathBuf,
        /// How long we tried.
        waited: Duration,
    },
    /// Written by a newer version: read as far as possible, never written.
    #[error("`{}` has format {found}, this version writes up to {known}; use the newer version", path.display())]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// A file of the store that is not the JSON it should be.
    #[error("`{}` is not readable as JSON of the expected shape", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        source: serde_json::Error,
    },
    /// The plan of a run is not the one it was created with, so its results cannot be continued.
    #[error("`{}` was changed after the run was created; put it back, or start a new run", path.display())]
    PlanChanged {
        /// The plan.
        path: PathBuf,
    },
    /// A file that parses but contradicts itself or its folder.
    #[error("`{}` contradicts itself: {reason}", path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// `state.json` was unreadable and has been rebuilt; told so that nobody wonders about the extra file.
    #[error("`{}` was unreadable ({reason}) and was rebuilt from plan and journal{}", path.display(), kept_as(kept.as_deref()))]
    Rebuilt {
        /// The file.
        path: PathBuf,
        /// Why it could not be read.
        reason: String,
        /// Where the unreadable one was put; `None` if there was none, or nothing could be written.
        kept: Option<PathBuf>,
    },
    /// Journal lines that cannot be used although later ones can.
    #[error("`{}` is damaged in {faults} place(s), first at line {line}: {reason}; the other lines were used", path.display())]
    JournalDamaged {
        /// The journal.
        path: PathBuf,
        /// Number of places.
        faults: usize,
        /// Line of the first, counted from 1.
        line: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A journal that is gone: without it nobody can tell what happened in the run.
    #[error("`{}` is missing, which tells what happened in the run; put it back from a copy; without it, `list` shows the totals, and what is left is in `session.json` and `trials` beside it", path.display())]
    JournalMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// An earlier append failed, so what the disk holds is uncertain.
    #[error("cannot append to `{}`: an earlier write failed, and what reached the disk is uncertain", path.display())]
    JournalBroken {
        /// The journal.
        path: PathBuf,
    },
    /// A value of the job that cannot be stored in this place.
    #[error("cannot store the job's {what}: {reason}")]
    Unstorable {
        /// Which of the job's types.
        what: &'static str,
        /// What is wrong with its JSON form.
        reason: String,
    },
    /// Something in the runs folder that is not a run.
    #[error("`{}` is not a run folder; it is left alone", path.display())]
    NotARun {
        /// What lies there.
        path: PathBuf,
    },
    /// A link where the folder of a run should be. What is elsewhere is not the store's to change or to remove.
    #[error("`{}` is a link, not the folder of a run; it is left alone: move that folder here, or use --results with where it is", path.display())]
    IsALink {
        /// The link.
        path: PathBuf,
    },
    /// The folder of a run under way is not where it was.
    #[error("`{}` is not there any more: it was renamed, moved or deleted while its run was under way; what was recorded until then is in it, wherever it is, and can be resumed there", path.display())]
    Moved {
        /// Where it was.
        path: PathBuf,
    },
    /// Something else where a file of a run should be: a pipe, a device, a folder.
    #[error("`{}` is no ordinary file, but a {found}", path.display())]
    NotAFile {
        /// What lies there.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A file far larger than any that is written there.
    #[error("`{}` has {bytes} bytes, more than the {limit} that are read of it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },
    /// The system refused a file operation.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: FileAction,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl StateError {
    /// Whether the results of a run are others than those that it recorded: lines of its journal are lost, or its plan is
    /// another one.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::JournalDamaged { .. } | Self::PlanChanged { .. })
    }
}

/// What was tried on a file, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileAction {
    /// Open or inspect.
    Open,
    /// Read.
    Read,
    /// List a folder.
    List,
    /// Create a file.
    Create,
    /// Create a folder.
    CreateFolder,
    /// Write.
    Write,
    /// Flush to the disk.
    Sync,
    /// Rename or move.
    Rename,
    /// Cut off a torn end.
    Truncate,
    /// Take a file lock.
    Lock,
    /// Start the thread that keeps it fresh.
    Watch,
    /// Start a process that works on it.
    Start,
    /// Remove.
    Remove,
    /// Send a signal to the worker of it.
    Signal,
}

impl fmt::Display for FileAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::List => "list",
            Self::Create => "create",
            Self::CreateFolder => "create folder",
            Self::Write => "write",
            Self::Sync => "flush to disk",
            Self::Rename => "rename",
            Self::Truncate => "cut the torn end of",
            Self::Lock => "lock",
            Self::Watch => "start a thread for",
            Self::Start => "start a worker for",
            Self::Remove => "remove",
            Self::Signal => "signal the worker of",
        })
    }
}

/// Gives a system error the place where it happened.
pub(crate) trait At<T> {
    fn at(self, action: FileAction, path: &Path) -> Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: FileAction, path: &Path) -> Result<T> {
        self.map_err(|source| StateError::Io {
            action,
            path: path.to_owned(),
            source,
        })
    }
}

fn names(candidates: &[RunId]) -> String {
    const SHOWN: usize = 5;
    let mut text = candidates
        .iter()
        .take(SHOWN)
        .map(RunId::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if candidates.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

fn by(worker: Option<&Worker>) -> String {
    worker.map_or_else(String::new, |worker| {
        format!(" (pid {} on `{}`)", worker.pid, worker.host)
    })
}

fn kept_as(kept: Option<&Path>) -> String {
    kept.map_or_else(String::new, |path| {
        format!("; the old one is kept as `{}`", path.display())
    })
}
