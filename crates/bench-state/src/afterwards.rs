//! What is done about a run after its end: recorded in its journal, while the run stays over just as it ended.
//!
//! The lease is held meanwhile, so that nobody continues the run at the same time. A crash between the journal and the
//! snapshots leaves the event recorded: readers count it from there.

use chrono::{DateTime, Utc};

use crate::error::{Result, StateError};
use crate::format;
use crate::ids::RunId;
use crate::job::Job;
use crate::journal::line;
use crate::lock::Lease;
use crate::replay::Replay;
use crate::resume::{check_free, open_journal};
use crate::settle;
use crate::state_file::{self, Found};
use crate::store::RunStore;

impl<J: Job> RunStore<J> {
    /// Records events in a run that is over and leaves it over: something that it left behind was cleaned up, say.
    /// Status, `completed_at` and generation stay; progress and session take the events in.
    ///
    /// # Errors
    /// [`StateError::StillRunning`] if it is not over; [`StateError::NotResumable`] if its journal is damaged; otherwise
    /// as [`resume`](Self::resume). Then nothing was counted, and calling again is fine.
    pub fn add_after_end(&self, id: &RunId, events: &[(J::Event, DateTime<Utc>)]) -> Result<()> {
        let dir = self.dirs().run(id);
        if !dir.path().exists() {
            return Err(self.unknown(id.as_str()));
        }
        dir.check_no_link()?;
        let lines = events.iter().map(|(event, at)| {
            let at = format::to_millis(*at);
            line::event_members(event).map(|members| (at, members))
        });
        let lines = lines.collect::<Result<Vec<_>>>()?;
        let lease = Lease::take(&dir.lease(), || check_free::<J>(&dir))?;
        let added = state_file::locked(&dir, |found: Found<J>| {
            let Found::Good(mut state) = found else {
                return Err(StateError::Inconsistent {
                    path: dir.state(),
                    reason: "it is damaged; listing the runs repairs it".to_owned(),
                });
            };
            state_file::check_format(&state, &dir)?;
            settle::ensure_over(&dir, &mut state)?;
            let mut replay = Replay::<J>::from_scratch(&dir)?;
            let mut journal = open_journal(&dir, &state, &replay)?;
            journal.append(state.generation, lines)?;
            for (event, at) in events {
                let at = format::to_millis(*at);
                J::fold(&mut replay.progress, &mut replay.session, event, at);
                state.updated_at = state.updated_at.max(at);
            }
            state.progress = replay.progress;
            state.journal = journal.end();
            state_file::write(&dir, &state, &replay.session)
        });
        drop(lease);
        added
    }
}
