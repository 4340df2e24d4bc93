//! Processes and scratch folders that a dead worker left behind, now ended and removed by whoever comes by.

use std::collections::BTreeMap;
use std::io::Write;

use bench_runner::process::sweep_runs;
use bench_runner::{BenchJob, sweep_scratch};
use bench_state::{RunStore, StateError};
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

/// Removes scratch folders of runs of this store that are over. Nobody misses them, so nothing is said.
pub(super) fn folders(store: &RunStore<BenchJob>) {
    sweep_scratch(|run| matches!(is_over(store, run), Some(Ok(()))));
}

/// Whether a run of this store is over; an error if the folder is a copy of one that is not.
fn is_over(store: &RunStore<BenchJob>, run: &str) -> Option<Result<(), StateError>> {
    let view = store.read(&run.parse().ok()?, Utc::now()).ok()?;
    let over = view.summary().state.status.is_over();
    over.then(|| view.check_original())
}

/// What came of looking for processes.
#[derive(Default)]
pub(super) struct Swept {
    /// How many processes of which run were ended.
    pub(super) ended: BTreeMap<String, usize>,
    /// Whose processes are none of ours, and why.
    pub(super) left_alone: BTreeMap<String, StateError>,
}

/// Ends what is left, and says how many processes of which run there were.
pub(super) fn of_runs(store: &RunStore<BenchJob>) -> Swept {
    let mut swept = Swept::default();
    sweep_runs(|run| match is_over(store, run) {
        None => false,
        Some(Ok(())) => {
            *swept.ended.entry(run.to_owned()).or_default() += 1;
            true
        }
        Some(Err(copied)) => {
            swept.left_alone.insert(run.to_owned(), copied);
            false
        }
    });
    swept
}

/// `1 process`, `2 processes`.
pub(super) fn processes(n: usize) -> String {
    if n == 1 {
        "1 process".to_owned()
    } else {
        format!("{n} processes")
    }
}
