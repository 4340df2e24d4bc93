//! Writing a run down while it goes on: events, items, snapshots.
//!
//! A `Recorder` is a handle that may be cloned and sent to other threads. All of them share one ledger (journal,
//! counters, session) behind a mutex, and with the `CompletionGuard`, whose ending closes the ledger for all: after
//! it, nothing can be recorded any more.

mod ending;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cancel::CancelWatch;
use crate::error::{Result, StateError};
use crate::format;
use crate::ids::{ItemId, RunId};
use crate::items::{self, ItemFile, ItemLog, ItemRef, NamesPending, TextLog};
use crate::job::Job;
use crate::journal::line::{self, Members};
use crate::journal::writer::JournalWriter;
use crate::layout::RunDir;
use crate::lock;
use crate::state::{CancelRequest, RunState};
use crate::state_file;
pub use ending::Finished;

/// Least time between two snapshots. What happens between them is in the journal, which readers add.
const SNAPSHOT_EVERY: TimeDelta = TimeDelta::seconds(2);

/// Writes down what happens in a run. Blocking: every method may wait for the disk.
pub struct Recorder<J: Job> {
    shared: Arc<Shared<J>>,
}

impl<J: Job> Clone for Recorder<J> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<J: Job> Drop for Recorder<J> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared.panicked.store(true, Ordering::SeqCst);
        }
    }
}

impl<J: Job> Recorder<J> {
    pub(crate) fn new(shared: Arc<Shared<J>>) -> Self {
        Self { shared }
    }

    /// The run's name.
    pub fn id(&self) -> &RunId {
        &self.shared.id
    }

    /// The run's folder.
    pub fn dir(&self) -> &Path {
        self.shared.dir.path()
    }

    /// Records one event; see [`record_batch`](Self::record_batch).
    pub fn record(&self, event: J::Event, at: DateTime<Utc>) -> Result<()> {
        self.record_batch(&[(event, at)])
    }

    /// Records events in order. When this returns, they and every item put or synced before are on the disk; this is
    /// the point from which work counts as done. One fdatasync for the whole batch.
    ///
    /// # Errors
    /// [`StateError::Unstorable`] if an event cannot be a journal line: nothing was recorded, and going on is fine.
    /// [`StateError::AlreadyOver`] after the ending, [`StateError::HandedOver`] after a launch. After an I/O error nothing can be recorded any more: end the run.
    pub fn record_batch(&self, events: &[(J::Event, DateTime<Utc>)]) -> Result<()> {
        self.shared.found(self.shared.record(events))
    }

    /// Stores the record of an item, replacing an earlier one in one step. To be called before the event that names
    /// it; it counts from that event on.
    pub fn put_item(&self, id: &ItemId, item: &J::Item) -> Result<ItemRef> {
        let mut content = serde_json::to_vec_pretty(item).map_err(|error| StateError::Unstorable {
            what: "item",
            reason: error.to_string(),
        })?;
        content.push(b'\n');
        self.shared.check_running()?;
        self.shared.found(items::put(
            &self.shared.dir.item(id),
            &content,
            &self.shared.names,
        ))
    }

    /// Opens the item's append-only log, `trials/<id>.jsonl`. One writer at a time.
    pub fn item_log(&self, id: &ItemId) -> Result<ItemLog> {
        self.shared.check_running()?;
        self.shared
            .found(ItemLog::open(&self.shared.dir.item_log(id), &self.shared.names))
    }

    /// Opens a further file of an item, `trials/<id>.<suffix>`, at its end. One writer at a time.
    pub fn item_file(&self, id: &ItemId, suffix: &str) -> Result<ItemFile> {
        self.shared
            .found(ItemFile::open(&self.shared.dir.item_file(id, suffix)))
    }

    /// Opens the item's log for people, `logs/<id>.log`, at its end.
    pub fn text_log(&self, id: &ItemId) -> Result<TextLog> {
        self.shared.found(TextLog::open(&self.shared.dir.text_log(id)))
    }

    /// Rewrites `state.json` and `session.json` if the last time is 2 s ago or more; says whether it did.
    ///
    /// The work does not wait for somebody who keeps the state lock: after 250 ms it goes on without this snapshot, and
    /// the next one is tried in 2 s. Readers see no difference, as they add what the journal has.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot), but for the lock.
    pub fn snapshot_if_due(&self, now: DateTime<Utc>) -> Result<bool> {
        let now = format::to_millis(now);
        self.shared.with_ledger(|ledger| {
            // A clock that was set back must not stop snapshots until it has caught up.
            let since = now - ledger.last_snapshot;
            let due = since >= SNAPSHOT_EVERY || since < TimeDelta::zero();
            if !due {
                return Ok(false);
            }
            let written = self.shared.snapshot(ledger, now, lock::SNAPSHOT);
            self.shared.or_later(written)
        })
    }

    /// Rewrites `state.json` and `session.json`. Nothing is lost if it fails: the journal has it all.
    ///
    /// # Errors
    /// [`StateError::AlreadyOver`] or [`StateError::Superseded`] if the run is not ours any more: stop working on it.
    /// [`StateError::LockTimeout`] if somebody keeps the state lock for more than 5 s.
    pub fn snapshot(&self, now: DateTime<Utc>) -> Result<()> {
        self.shared.with_ledger(|ledger| {
            self.shared
                .snapshot(ledger, format::to_millis(now), lock::PATIENCE)
        })
    }

    /// Whether somebody asked through the store that the run ends; the first request, if there are several. Cheap
    /// enough to be called many times a second: the file is read only when it has changed.
    ///
    /// # Errors
    /// I/O errors, and what makes `state.json` unreadable.
    pub fn cancel_requested(&self) -> Result<Option<CancelRequest>> {
        self.shared.found(self.shared.cancel.look::<J>(&self.shared.dir))
    }

    /// The counters, all recorded events included.
    pub fn progress(&self) -> Result<J::Progress> {
        self.shared
            .with_ledger(|ledger| Ok(ledger.state.progress.clone()))
    }
}

/// What all handles of a run under way share.
pub(crate) struct Shared<J: Job> {
    pub(crate) id: RunId,
    pub(crate) dir: RunDir,
    /// Taken out by the ending.
    ledger: Mutex<Option<Ledger<J>>>,
    over_since: OnceLock<DateTime<Utc>>,
    names: NamesPending,
    /// A thread that had a recorder panicked: the ending should say so, although that thread cannot write it.
    panicked: AtomicBool,
    handed_over: AtomicBool,
    /// The last snapshot that was due is not written, and that was said.
    snapshot_late: AtomicBool,
    cancel: CancelWatch,
}

struct Ledger<J: Job> {
    journal: JournalWriter,
    state: RunState<J>,
    session: J::Session,
    last_snapshot: DateTime<Utc>,
}

impl<J: Job> Shared<J> {
    pub(crate) fn new(
        dir: RunDir,
        journal: JournalWriter,
        state: RunState<J>,
        session: J::Session,
    ) -> Arc<Self> {
        let (id, last_snapshot) = (state.id.clone(), state.updated_at);
        Arc::new(Self {
            id,
            dir,
            ledger: Mutex::new(Some(Ledger {
                journal,
                state,
                session,
                last_snapshot,
            })),
            over_since: OnceLock::new(),
            names: NamesPending::default(),
            panicked: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            snapshot_late: AtomicBool::new(false),
            cancel: CancelWatch::default(),
        })
    }

    /// Whether a thread that had a recorder panicked.
    pub(crate) fn saw_panic(&self) -> bool {
        self.panicked.load(Ordering::SeqCst)
    }

    /// Does `work` on the ledger, unless the run is over or a panic left the ledger half changed.
    fn with_ledger<T>(&self, work: impl FnOnce(&mut Ledger<J>) -> Result<T>) -> Result<T> {
        match self.ledger.lock() {
            Err(_half_changed) => Err(StateError::JournalBroken {
                path: self.dir.journal(),
            }),
            Ok(mut ledger) => work(ledger.as_mut().ok_or_else(|| self.already_over())?),
        }
    }

    /// Closes the ledger because another process goes on from here.
    pub(crate) fn hand_over(&self) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        self.handed_over.store(true, Ordering::SeqCst);
        drop(ledger.take());
    }

    /// Keeps stragglers from changing the files of a run that is over, and may already be somebody else's again.
    fn check_running(&self) -> Result<()> {
        if self.over_since.get().is_some() || self.handed_over.load(Ordering::SeqCst) {
            Err(self.already_over())
        } else {
            Ok(())
        }
    }

    fn already_over(&self) -> StateError {
        let run = self.id.clone();
        match self.over_since.get() {
            Some(&completed_at) => StateError::AlreadyOver { run, completed_at },
            None => StateError::HandedOver { run },
        }
    }

    fn record(&self, events: &[(J::Event, DateTime<Utc>)]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::with_capacity(events.len());
        for (event, at) in events {
            lines.push((format::to_millis(*at), line::event_members(event)?));
        }
        self.with_ledger(
            |Ledger {
                 journal,
                 state,
                 session,
                 ..
             }| {
                self.commit(journal, state.generation, lines)?;
                for (event, at) in events {
                    J::fold(&mut state.progress, session, event, format::to_millis(*at));
                }
                state.journal = journal.end();
                Ok(())
            },
        )
    }

    /// Appends lines, after the names of the files they may speak of are durable.
    fn commit(
        &self,
        journal: &mut JournalWriter,
        generation: u32,
        lines: Vec<(DateTime<Utc>, Members)>,
    ) -> Result<()> {
        self.names
            .settle(&self.dir.items())
            .inspect_err(|_| journal.give_up())?;
        journal.append(generation, lines)
    }

    fn snapshot(&self, ledger: &mut Ledger<J>, now: DateTime<Utc>, patience: Duration) -> Result<()> {
        ledger.last_snapshot = now;
        ledger.state.updated_at = now;
        let Ledger { state, session, .. } = ledger;
        self.found(state_file::replace_ours(
            patience,
            &self.dir,
            state.generation,
            state,
            Some(session),
        ))
    }

    /// Names the real trouble where a file is missing because the whole folder is.
    fn found<T>(&self, outcome: Result<T>) -> Result<T> {
        match outcome {
            Err(StateError::Io { source, .. })
                if source.kind() == ErrorKind::NotFound && !self.dir.path().exists() =>
            {
                Err(StateError::Moved {
                    path: self.dir.path().to_owned(),
                })
            }
            outcome => outcome,
        }
    }

    /// Whether a snapshot was written. One that only lacked the lock is no error; that it is late is said once.
    fn or_later(&self, written: Result<()>) -> Result<bool> {
        let late = match written {
            Ok(()) => None,
            Err(error @ StateError::LockTimeout { .. }) => Some(error),
            Err(error) => return Err(error),
        };
        let known = self.snapshot_late.swap(late.is_some(), Ordering::SeqCst);
        if let Some(error) = &late
            && !known
        {
            tracing::warn!(run = %self.id, %error, "state.json is behind until then; the journal is not");
        }
        Ok(late.is_none())
    }
}
