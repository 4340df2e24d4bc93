//! Processes and scratch folders that a dead worker left behind, now ended and removed by whoever comes by.

use std::collections::BTreeMap;
use std::io::Write;

use bench_runner::process::{LivingWorker, sweep_runs};
use bench_runner::{BenchJob, sweep_scratch};
use bench_state::{RunStore, RunView, StateError};
use chrono::Utc;

use crate::context::Context;

/// Ends what is left of runs of this store that are over, and says so. Costs milliseconds.
pub(super) fn leftovers(store: &RunStore<BenchJob>, cx: &Context) {
    let swept = of_runs(store);
    for (run, n) in swept.ended {
        let line = format!(
            "{run}: its worker is gone and left {} behind, now ended",
            processes(n)
        );
        writeln!(cx.err.clone(), "{line}").unwrap_or_default(); // nobody listens
    }
    for (run, why) in swept.left_alone {
        writeln!(cx.err.clone(), "{run}: {why}").unwrap_or_default();
    }
    folders(store);
}

/// The same without a word on the screen, for a display that has no place for it.
pub(crate) fn quietly(store: &RunStore<BenchJob>) {
    for (run, n) in of_runs(store).ended {
        tracing::debug!(run, n, "ended processes that a worker left behind");
    }
    folders(store);
}

/// Removes scratch folders of runs of this store that are over. Nobody misses them, so nothing is said.
pub(super) fn folders(store: &RunStore<BenchJob>) {
    sweep_scratch(|run| matches!(is_over(store, run, None), Some(Ok(()))));
}

/// Whether a run of this store is over; an error if the folder is a copy of one that is not, also if that shows only in
/// the living worker of a process that bears the run's name.
fn is_over(
    store: &RunStore<BenchJob>,
    run: &str,
    worker: Option<LivingWorker>,
) -> Option<Result<(), StateError>> {
    let view = store.read(&run.parse().ok()?, Utc::now()).ok()?;
    let over = view.summary().state.status.is_over();
    over.then(|| check_original(&view, worker))
}

/// Refuses if the run is worked on elsewhere: by the worker that it names, or by this one, which has processes.
pub(super) fn check_original(
    view: &RunView<BenchJob>,
    worker: Option<LivingWorker>,
) -> Result<(), StateError> {
    view.check_original()?;
    let known = view.summary().state.worker.as_ref();
    let known = known.map(|worker| (worker.pid, worker.start_ticks));
    match worker {
        Some(living) if known != Some((living.pid, Some(living.start_ticks))) => Err(StateError::Copied {
            path: view.dir().to_owned(),
            pid: living.pid,
        }),
        _ => Ok(()),
    }
}

/// What came of looking for processes.
pub(super) struct Swept {
    /// How many processes of which run were ended.
    pub(super) ended: BTreeMap<String, usize>,
    /// Whose processes are none of ours, and why.
    pub(super) left_alone: BTreeMap<String, StateError>,
}

/// Ends what is left, and says how many processes of which run there were.
pub(super) fn of_runs(store: &RunStore<BenchJob>) -> Swept {
    let mut left_alone = BTreeMap::new();
    let ended = sweep_runs(|run, worker| match is_over(store, run, worker) {
        None => false,
        Some(Ok(())) => true,
        Some(Err(copied)) => {
            left_alone.insert(run.to_owned(), copied);
            false
        }
    });
    Swept { ended, left_alone }
}

/// `1 process`, `2 processes`.
pub(super) fn processes(n: usize) -> String {
    if n == 1 {
        "1 process".to_owned()
    } else {
        format!("{n} processes")
    }
}
