//! Writing a run down while it goes on: events, items, snapshots.
//!
//! A `Recorder` is a handle that may be cloned and sent to other threads. All of them share one ledger (journal,
//! counters, session) behind a mutex, and with the `CompletionGuard`, whose ending closes the ledger for all: after
//! it, nothing can be recorded any more.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cancel::CancelWatch;
use crate::error::{Result, StateError};
use crate::format::{self, StoreNote};
use crate::ids::{ItemId, RunId};
use crate::items::{self, ItemFile, ItemLog, ItemRef, NamesPending, TextLog};
use crate::job::Job;
use crate::journal::line::{self, Members};
use crate::journal::writer::JournalWriter;
use crate::layout::RunDir;
use crate::lock;
use crate::markers;
use crate::state::{CancelRequest, RunState};
use crate::state_file::{self, Found};
use crate::status::{Ending, RunStatus};

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

    /// Ends the run: in the journal, then in the snapshots. Closes the ledger even if the disk refuses.
    ///
    /// # Errors
    /// [`StateError::AlreadyOver`] or [`StateError::Superseded`] if somebody else has settled it; I/O errors, or
    /// [`StateError::LockTimeout`] after 30 s, if `state.json` could not be written. An ending that reached the journal only is found there by the next reader; one
    /// that reached nothing is replaced by that reader, who finds the lease free.
    pub(crate) fn end(&self, ending: Ending, now: DateTime<Utc>) -> Result<Finished<J>> {
        self.found(self.end_within(lock::ENDING, ending, now))
    }

    fn end_within(&self, patience: Duration, ending: Ending, now: DateTime<Utc>) -> Result<Finished<J>> {
        let (ledger, whole) = match self.ledger.lock() {
            Ok(mut ledger) => (ledger.take(), true),
            Err(poisoned) => (poisoned.into_inner().take(), false),
        };
        let Some(mut ledger) = ledger else {
            return Err(self.already_over());
        };
        let completed_at = format::to_millis(now).max(ledger.state.started_at);
        let _first = self.over_since.set(completed_at);
        let generation = ledger.state.generation;
        let noted = self.note_ending(&mut ledger.journal, generation, &ending, completed_at);
        if whole {
            ledger.state.journal = ledger.journal.end();
        } else if let Ok(Found::Good(last_snapshot)) = state_file::read(&self.dir) {
            // The job's fold panicked: what is in memory may be half an event ahead. The last snapshot is not.
            ledger.state = *last_snapshot;
        }
        let Ledger {
            mut state, session, ..
        } = ledger;
        state.status = RunStatus::Over { completed_at, ending };
        state.updated_at = completed_at;
        let last = whole.then_some(&session);
        let stored = state_file::replace_ours(patience, &self.dir, generation, &mut state, last);
        if let Err(error @ StateError::Io { .. }) = stored {
            // No room for both, perhaps: the session can be added up from the journal, the ending cannot.
            match state_file::replace_ours(patience, &self.dir, generation, &mut state, None) {
                // It was written, only that it is durable could not be made sure.
                Err(StateError::AlreadyOver { .. }) => return Err(error),
                second => second?,
            }
        } else {
            stored?;
        }
        markers::remove(&self.dir);
        if let Err(error) = noted {
            // What matters is stored; whoever recorded has met the journal's trouble before.
            tracing::warn!(run = %self.id, %error, "the journal lacks the run's ending; state.json has it");
        }
        Ok(Finished {
            dir: self.dir.path().to_owned(),
            state,
            session,
        })
    }

    /// Makes room for the ending and puts it into the journal, unless the run is not ours to end any more.
    fn note_ending(
        &self,
        journal: &mut JournalWriter,
        generation: u32,
        ending: &Ending,
        at: DateTime<Utc>,
    ) -> Result<()> {
        state_file::check_ours(
            &state_file::read::<J>(&self.dir)?,
            &self.dir,
            &self.id,
            generation,
        )?;
        lock::make_room(&self.dir.lease());
        let members = line::note_members(&StoreNote::over(ending))?;
        // It names no item, so it waits for the name of none: their folder may be what the run broke at.
        journal.append(generation, [(at, members)])
    }
}

/// A run that was ended properly.
pub struct Finished<J: Job> {
    /// The run's folder.
    pub dir: PathBuf,
    /// The final state.
    pub state: RunState<J>,
    /// The final session.
    pub session: J::Session,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process_tests::{Label, Named, Planned, Tally, now};
    use crate::{RunStatus, RunStore};

    /// What a full disk does: an append fails, and nobody knows what reached the file.
    #[test]
    fn a_run_whose_journal_broke_can_still_be_ended() {
        let folder = tempfile::tempdir().unwrap();
        let store = RunStore::<Tally>::open(folder.path()).unwrap();
        let run = store
            .create(&Planned { total: 1 }, Label { label: "x".into() }, now())
            .unwrap();
        let event = Named { name: "a".to_owned() };
        run.record(event.clone(), now()).unwrap();
        run.shared
            .ledger
            .lock()
            .unwrap()
            .as_mut()
            .unwrap()
            .journal
            .give_up();
        assert!(matches!(
            run.record(event, now()),
            Err(StateError::JournalBroken { .. })
        ));
        assert_eq!(
            run.progress().unwrap().done,
            1,
            "what was not recorded is not counted"
        );

        let ending = Ending::failed("the disk is full");
        let finished = run.finish(ending.clone(), now()).unwrap();
        let seen = store.read(&finished.state.id, now()).unwrap();
        assert_eq!(
            seen.summary().state.status,
            RunStatus::Over {
                completed_at: now(),
                ending
            }
        );
        assert_eq!(seen.summary().state.progress.done, 1);
    }

    #[test]
    fn an_ending_that_waited_in_vain_for_the_state_lock_names_it_and_is_left_to_the_next_reader() {
        let folder = tempfile::tempdir().unwrap();
        let store = RunStore::<Tally>::open(folder.path()).unwrap();
        let run = store
            .create(&Planned { total: 1 }, Label { label: "x".into() }, now())
            .unwrap();
        let dir = store.dirs().run(run.id());
        let lock = std::fs::File::open(dir.state_lock()).unwrap();
        lock.lock().unwrap();
        let shared = Arc::clone(&run.shared);
        let ended = shared.end_within(Duration::from_millis(20), Ending::Completed, now());
        let Err(StateError::LockTimeout { path, .. }) = ended else {
            panic!("ended without the lock, or for another reason");
        };
        assert_eq!(path, dir.state_lock());
        drop((run, lock));
        let seen = store.read(&shared.id, now()).unwrap();
        assert_eq!(seen.summary().state.status.ending(), Some(&Ending::Completed));
        assert!(seen.problems().is_empty(), "{:?}", seen.problems());
    }
}
