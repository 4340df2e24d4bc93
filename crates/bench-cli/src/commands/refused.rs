//! Why a run that is over cannot be continued, in a few words, and what helps instead: whoever offers `resume` asks here
//! first. The command itself tells all of it.

use bench_runner::BenchJob;
use bench_state::{RunView, StateError};

/// Why `resume` would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The reason, and what helps: a sentence for a line of 80 columns. Names `retry` where that would not refuse.
    pub(crate) words: &'static str,
    /// Whether `retry` would refuse as well.
    pub(crate) retry: bool,
}

/// Why this run, which was inspected, cannot be continued; none if it can, or is not over.
pub(crate) fn of(view: &RunView<BenchJob>) -> Option<Refused> {
    if !view.summary().state.status.is_over() {
        return None;
    }
    because_of(&view.check_resumable().err()?)
}

/// What such a problem of a run keeps from being done about it; none if it keeps from nothing.
pub(crate) fn because_of(problem: &StateError) -> Option<Refused> {
    let (words, retry) = match problem {
        StateError::NotResumable { .. } | StateError::JournalDamaged { .. } => (
            "its journal is damaged: `resume` refuses it; mend it from a copy, or `retry`",
            false,
        ),
        StateError::JournalMissing { .. } => (
            "its journal is missing: `resume` refuses it; put it back from a copy",
            true,
        ),
        StateError::PlanChanged { .. } => (
            "its plan was changed: `resume` refuses it; put it back, or start a new run",
            true,
        ),
        StateError::Copied { .. } => (
            "a copy of a run that is worked on elsewhere: `resume` refuses it",
            false,
        ),
        StateError::NewerFormat { .. } => ("a newer version wrote it: only that one can `resume` it", false),
        StateError::Rebuilt { .. } | StateError::LockTimeout { .. } => return None,
        _ => (
            "its files cannot be read: `resume` refuses it; `show` says why",
            true,
        ),
    };
    Some(Refused { words, retry })
}
