//! A job for tests, and a folder to run it in.

use std::fs;
use std::path::{Path, PathBuf};

use bench_state::{ActiveRun, ItemId, Job, RunId, RunStore, RunSummary, RunView};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) boxes: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) label: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) packed: u32,
    pub(crate) of: u32,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) weights: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    Packed {
        weight: u32,
    },
    /// Folding it panics, as no fold should.
    Cursed,
}

pub(crate) struct Packing;

impl Job for Packing {
    type Plan = Plan;
    type Summary = Summary;
    type Progress = Progress;
    type Session = Session;
    type Event = Event;
    type Item = String;

    fn begin(plan: &Plan) -> (Progress, Session) {
        (
            Progress {
                packed: 0,
                of: plan.boxes,
            },
            Session::default(),
        )
    }

    fn fold(progress: &mut Progress, session: &mut Session, event: &Event, _at: DateTime<Utc>) {
        match event {
            Event::Packed { weight } => {
                progress.packed += 1;
                session.weights.push(*weight);
            }
            Event::Cursed => panic!("a fold that breaks its promise"),
        }
    }
}

/// A store in a folder of its own that knows what time it is.
pub(crate) struct Bed {
    folder: tempfile::TempDir,
    pub(crate) store: RunStore<Packing>,
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// When everything here happens, unless said otherwise.
pub(crate) fn now() -> DateTime<Utc> {
    at("2026-01-02T03:04:05.678Z")
}

pub(crate) fn packed(weight: u32) -> Event {
    Event::Packed { weight }
}

pub(crate) fn id(text: &str) -> ItemId {
    text.parse().unwrap()
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    /// A bed in memory where there is such a folder, for what is not about the disk and does much.
    pub(crate) fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            Self::within(memory)
        } else {
            Self::new()
        }
    }

    /// A bed in a folder of its own within `parent`.
    pub(crate) fn within(parent: &Path) -> Self {
        Self::in_folder(tempfile::tempdir_in(parent).unwrap())
    }

    fn in_folder(folder: tempfile::TempDir) -> Self {
        let store = RunStore::open(folder.path().join("results")).unwrap();
        Self { folder, store }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn start(&self) -> ActiveRun<Packing> {
        self.start_at(now())
    }

    pub(crate) fn start_at(&self, now: DateTime<Utc>) -> ActiveRun<Packing> {
        self.store
            .create(
                &Plan { boxes: 3 },
                Summary {
                    label: "red".to_owned(),
                },
                now,
            )
            .unwrap()
    }

    /// A run that finished with two events and one item.
    pub(crate) fn finished(&self, now: DateTime<Utc>) -> RunId {
        let run = self.start_at(now);
        run.put_item(&id("one"), &"first".to_owned()).unwrap();
        run.record_batch(&[(packed(1), now), (packed(2), now)]).unwrap();
        run.finish(bench_state::Ending::Completed, now).unwrap().state.id
    }

    /// A run as `kill -9` leaves it: a copy of a live one, which has everything but a lease that somebody holds.
    pub(crate) fn orphan(&self) -> RunId {
        let other = Self::new();
        let run = other.start();
        run.put_item(&id("one"), &"first".to_owned()).unwrap();
        run.record_batch(&[(packed(1), now()), (packed(2), now())])
            .unwrap();
        other.copy_into(self);
        run.id().clone()
    }

    /// Copies all runs as they are on the disk right now.
    pub(crate) fn copy_into(&self, other: &Self) {
        copy(self.store.root(), other.store.root());
    }

    pub(crate) fn dir(&self, run: &RunId) -> PathBuf {
        self.store.root().join("runs").join(run.as_str())
    }

    pub(crate) fn view(&self, run: &RunId) -> RunView<Packing> {
        self.store.read(run, now()).unwrap()
    }

    /// The only run, which must be the only thing in the list.
    pub(crate) fn only(&self) -> RunSummary<Packing> {
        let mut listing = self.store.list(None, now()).unwrap();
        assert!(listing.problems.is_empty(), "{:?}", listing.problems);
        assert_eq!(listing.runs.len(), 1);
        listing.runs.remove(0)
    }

    /// Replaces text in a file of a run.
    pub(crate) fn edit(&self, run: &RunId, file: &str, from: &str, to: &str) {
        let path = self.dir(run).join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in {text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// One line of what a list would show of a run.
pub(crate) fn told(run: &RunSummary<Packing>) -> String {
    let status = &run.state.status;
    let ending = match status.ending() {
        Some(bench_state::Ending::Failed { cause }) => format!(" {}: {}", cause.kind.code(), cause.message),
        Some(bench_state::Ending::Cancelled { reason }) => format!(" {}", reason.code()),
        Some(bench_state::Ending::Completed) | None => String::new(),
    };
    format!(
        "{} {}/{}{ending}",
        status.word(),
        run.state.progress.packed,
        run.state.progress.of
    )
}
