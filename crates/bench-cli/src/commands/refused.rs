//! Why a run that is over cannot be continued, in a few words, and what helps instead: whoever offers `resume` asks here
//! first. The command itself tells all of it.

use bench_core::plan::Budget;
use bench_runner::{BenchJob, OVER_BUDGET};
use bench_state::{Ending, RunStatus, RunStore, RunSummary, RunView, StateError};
use chrono::Utc;

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

/// Why a run that ended by its budget cannot be continued within that; none where it can: a budget of time begins anew.
fn used_up(status: &RunStatus, budget: &Budget) -> Option<Refused> {
    if !is_over_budget(status) || budget.max_duration_seconds.is_some() {
        return None;
    }
    let words = match (budget.max_cost, budget.max_tokens_total) {
        (None, None) => return None,
        (Some(_), None) => "its budget is used up: `resume RUN --max-cost USD` with a new one continues it",
        (None, Some(_)) => "its budget is used up: `resume RUN --max-tokens-total N` continues it",
        (Some(_), Some(_)) => {
            "its budget is used up: `resume` with new `--max-cost`, `--max-tokens-total` continues it"
        }
    };
    Some(Refused { words, retry: false })
}

/// The same of a run that was read, whose plan is only looked at if it ended like that.
pub(crate) fn used_up_by(store: &RunStore<BenchJob>, run: &RunSummary<BenchJob>) -> Option<Refused> {
    let status = &run.state.status;
    if !is_over_budget(status) {
        return None;
    }
    let plan = store.read(&run.state.id, Utc::now()).ok()?.plan().ok()?;
    used_up(status, &plan.budget)
}

fn is_over_budget(status: &RunStatus) -> bool {
    matches!(status.ending(), Some(Ending::Cancelled { reason }) if reason.code() == OVER_BUDGET)
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

#[cfg(test)]
mod tests {
    use bench_state::CancelReason;
    use chrono::Utc;

    use super::*;

    #[test]
    fn a_budget_that_is_used_up_is_told_with_what_continues_the_run() {
        let ended = |reason: &str| RunStatus::Over {
            completed_at: Utc::now(),
            ending: Ending::Cancelled {
                reason: CancelReason::from(reason),
            },
        };
        let cost = Budget {
            max_cost: Some(bench_core::Usd::from(1.0)),
            ..Budget::default()
        };
        let words =
            |status: &RunStatus, budget: &Budget| used_up(status, budget).map(|refused| refused.words);
        assert!(
            words(&ended(OVER_BUDGET), &cost)
                .unwrap()
                .contains("--max-cost USD")
        );
        assert_eq!(words(&ended("requested"), &cost), None);
        let time = Budget {
            max_duration_seconds: Some(60.0),
            ..cost
        };
        assert_eq!(words(&ended(OVER_BUDGET), &time), None, "time begins anew");
        assert_eq!(words(&ended(OVER_BUDGET), &Budget::default()), None);
    }
}
