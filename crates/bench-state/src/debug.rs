//! `Debug` for the types with a job parameter: deriving it would ask it of the job and all its types.

use std::fmt;

use crate::active::{ActiveRun, CompletionGuard};
use crate::cleanup::{CleanupPlan, CleanupRow};
use crate::follow::{Follow, Followed};
use crate::job::Job;
use crate::recorder::{Finished, Recorder};
use crate::state::{RunState, RunSummary};
use crate::store::{Listing, RunStore};
use crate::view::RunView;

/// Writes `impl Debug` for a type as a struct with some of its fields.
macro_rules! debug {
    ($type:ident, $($name:literal: $field:expr),+) => {
        impl<J: Job> fmt::Debug for $type<J> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = f.debug_struct(stringify!($type));
                $( let field: fn(&Self) -> &dyn fmt::Debug = $field; text.field($name, field(self)); )+
                text.finish_non_exhaustive()
            }
        }
    };
}

debug!(RunStore, "root": |store| store.dirs());
debug!(Listing, "runs": |list| &list.runs, "problems": |list| &list.problems, "not_shown": |list| &list.not_shown);
debug!(RunState, "id": |run| &run.id, "status": |run| &run.status, "generation": |run| &run.generation);
debug!(RunSummary, "state": |run| &run.state, "standing": |run| &run.standing);
debug!(RunView, "summary": |view| view.summary());
debug!(ActiveRun, "guard": |run| run.guard());
debug!(CompletionGuard, "run": |guard| guard.id());
debug!(Recorder, "run": |recorder| recorder.id());
debug!(CleanupPlan, "rows": |plan| &plan.rows, "leftovers": |plan| &plan.leftovers, "problems": |plan| &plan.problems);
debug!(CleanupRow, "why": |row| &row.why, "action": |row| &row.action);
debug!(Follow, "run": |follow| follow.id());
debug!(Finished, "state": |finished| &finished.state);

impl<J: Job> fmt::Debug for Followed<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(recorded) => f.debug_tuple("Event").field(&recorded.seq).finish(),
            Self::Log(lines) => f.debug_tuple("Log").field(lines).finish(),
            Self::Over(run) => f.debug_tuple("Over").field(&run.state.status).finish(),
            Self::Quiet => f.write_str("Quiet"),
        }
    }
}
