//! The ending of a run: noted in the journal, stored in the snapshots, and the ledger closed whatever the disk does.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Ledger, Shared};
use crate::error::{Result, StateError};
use crate::format::{self, StoreNote};
use crate::job::Job;
use crate::journal::line;
use crate::journal::writer::JournalWriter;
use crate::lock;
use crate::markers;
use crate::state::RunState;
use crate::state_file::{self, Found};
use crate::status::{Ending, RunStatus};

/// A run that was ended properly.
pub struct Finished<J: Job> {
    /// The run's folder.
    pub dir: PathBuf,
    /// The final state.
    pub state: RunState<J>,
    /// The final session.
    pub session: J::Session,
}

impl<J: Job> Shared<J> {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
