//! `bench-cli prune`: removes old runs that are over; never one that is not.

use std::io::Write;

use bench_report::text::count;
use chrono::TimeDelta;
use serde_json::json;

use super::{list, sweep, write_json};
use crate::args::upkeep::PruneArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// Removes runs; by default only says which.
pub(super) fn cmd(args: &PruneArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    let (older_than, keep) = (
        args.older_than.unwrap_or(TimeDelta::zero()),
        args.keep.unwrap_or(0),
    );
    let dry_run = !args.no_dry_run;
    if !dry_run {
        // Before their runs are gone and nobody knows any more whose they are.
        sweep::leftovers(&store, cx);
    }
    let pruned = store.prune(older_than, keep, dry_run, cx.now)?;
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
        if dry_run {
            writeln!(
                cx.err,
                "{runs} would be removed; repeat with `--no-dry-run` to remove"
            )?;
        } else {
            writeln!(cx.err, "{runs} removed")?;
        }
        list::write_problems(&pruned.problems, cx)?;
    }
    let whole = pruned.problems.is_empty();
    Ok(if whole { Exit::Success } else { Exit::Unfinished })
}
