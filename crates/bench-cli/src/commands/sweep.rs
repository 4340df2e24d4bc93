//! Processes and scratch folders that a dead worker left behind, now ended and removed by whoever comes by.

use std::collections::BTreeMap;
use std::io::Write;

use bench_runner::process::sweep_runs;
use bench_runner::{BenchJob, sweep_scratch};
use bench_state::RunStore;
use chrono::Utc;

use crate::context::Context;

/// Ends what is left of runs of this store that are over, and says so. Costs milliseconds.
pub(super) fn leftovers(store: &RunStore<BenchJob>, cx: &Context) {
    let ended = count_by_run(store);
    for (run, n) in ended {
        let line = format!(
            "{run}: its worker is gone and left {} behind, now ended",
            processes(n)
        );
        writeln!(cx.err.clone(), "{line}").unwrap_or_default(); // nobody listens
    }
    folders(store);
}

/// Removes scratch folders of runs of this store that are over. Nobody misses them, so nothing is said.
pub(super) fn folders(store: &RunStore<BenchJob>) {
    sweep_scratch(|run| is_over(store, run));
}

fn is_over(store: &RunStore<BenchJob>, run: &str) -> bool {
    let id = run.parse().ok();
    let view = id.and_then(|id| store.read(&id, Utc::now()).ok());
    view.is_some_and(|view| view.summary().state.status.is_over())
}

/// Ends what is left, and says how many processes of which run there were.
pub(super) fn count_by_run(store: &RunStore<BenchJob>) -> BTreeMap<String, usize> {
    let mut ended = BTreeMap::new();
    sweep_runs(|run| {
        let over = is_over(store, run);
        if over {
            *ended.entry(run.to_owned()).or_default() += 1;
        }
        over
    });
    ended
}

/// `1 process`, `2 processes`.
pub(super) fn processes(n: usize) -> String {
    if n == 1 {
        "1 process".to_owned()
    } else {
        format!("{n} processes")
    }
}
