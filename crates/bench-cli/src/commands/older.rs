//! Results of the older tool, beside ours: listed and shown, never changed.

use std::io::Write;

use bench_core::Progress;
use bench_report::runs::RunRow;
use bench_report::text::clean_line;
use bench_runner::BenchJob;
use bench_state::{LegacyRow, RunStore, StateError};
use serde_json::json;

use super::write_json;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint::{FAINT, paint};

/// One of its results in a list. Trials were not counted then.
pub(crate) fn row(old: &LegacyRow) -> RunRow {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let over = old.status != "running";
    RunRow {
        run_id: clean_line(&old.id),
        // It has no sign of life: whether it still runs, nobody knows.
        status: clean_line(if over { &old.status } else { "unknown" }),
        started_at: old.started_at.unwrap_or(old.last_write),
        completed_at: over.then(|| old.completed_at.unwrap_or(old.last_write)),
        progress: Progress {
            verifiers_passed: number(old.passed),
            verifiers_total: number(old.total),
            ..Progress::default()
        },
        harness: old.harness_name.clone().unwrap_or_default(),
        models: old.model_summary.clone().unwrap_or_default(),
    }
}

/// Shows one of its results, if there is one of that name.
///
/// # Errors
/// `otherwise`, if there is none.
pub(super) fn show(
    store: &RunStore<BenchJob>,
    wanted: &str,
    as_json: bool,
    otherwise: StateError,
    cx: &mut Context,
) -> Result<Exit, CliError> {
    let rows = store.legacy().map(|legacy| legacy.rows).unwrap_or_default();
    let Some(old) = rows.into_iter().find(|row| row.id == wanted) else {
        return Err(otherwise.into());
    };
    if as_json {
        write_json(&json!({"older_tool": old}), cx)?;
        return Ok(Exit::Success);
    }
    let row = row(&old);
    let verifiers = format!("{}/{}", old.passed, old.total);
    let end = old
        .completed_at
        .map_or_else(|| "not written down".to_owned(), |at| cx.times().text(at));
    let facts = [
        ("run", Some(row.run_id)),
        ("from", Some("the older tool".to_owned())),
        ("harness", old.harness_name),
        ("models", old.model_summary),
        ("status", Some(row.status)),
        ("started", old.started_at.map(|at| cx.times().text(at))),
        ("ended", Some(end)),
        ("verifiers", Some(verifiers)),
        ("error", old.error),
        ("file", Some(cx.shown(&old.path))),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            let name = paint(FAINT, &format!("{name:<9}"));
            writeln!(cx.out, "{name} {}", clean_line(&value))?;
        }
    }
    Ok(Exit::Success)
}
