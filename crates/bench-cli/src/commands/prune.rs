//! `bench-cli prune`: removes runs that are over, old or named ones; never one that is not.

use std::io::Write;

use bench_report::text::count;
use bench_state::RunId;
use chrono::TimeDelta;
use serde_json::json;

use super::{REPEAT, list, sweep, write_json};
use crate::args::upkeep::PruneArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// Removes runs; by default only says which.
pub(super) fn cmd(args: &PruneArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    // All names first: a typing error must not leave half of it done.
    let named = args.run.iter().map(|run| store.resolve(run));
    let mut named: Vec<RunId> = named.collect::<Result<_, _>>()?;
    named.sort_unstable();
    named.dedup();
    let dry_run = !args.no_dry_run;
    if !dry_run {
        // Before their runs are gone and nobody knows any more whose they are.
        sweep::leftovers(&store, cx);
    }
    let pruned = if named.is_empty() {
        let older_than = args.older_than.unwrap_or(TimeDelta::zero());
        store.prune(older_than, args.keep.unwrap_or(0), dry_run, cx.now)?
    } else {
        store.remove(&named, dry_run, cx.now)?
    };
    if args.json {
        let problems: Vec<_> = pruned.problems.iter().map(list::problem).collect();
        write_json(
            &json!({"dry_run": dry_run, "runs": pruned.runs, "problems": problems}),
            cx,
        )?;
    } else {
        for run in &pruned.runs {
            writeln!(cx.out, "{run}")?;
        }
        let runs = count(pruned.runs.len(), "run");
        match (dry_run, pruned.runs.is_empty()) {
            (true, true) => writeln!(cx.err, "no run would be removed")?,
            (true, false) => writeln!(cx.err, "{runs} would be removed; {REPEAT} to remove")?,
            (false, _) => writeln!(cx.err, "{runs} removed")?,
        }
        list::write_problems(&pruned.problems, cx)?;
    }
    let whole = pruned.problems.is_empty();
    Ok(if whole { Exit::Success } else { Exit::Unfinished })
}
