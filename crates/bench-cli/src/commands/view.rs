//! `bench-cli view`: the dashboard; and as text, runs in progress and completed ones as the older tool listed them.

use std::io::Write;

use bench_report::sections::{self, Entry};
use bench_runner::BenchJob;
use bench_state::{LegacyRow, RunSummary};

use super::{attach, list, older, show};
use crate::args::life::{AttachArgs, ViewArgs};
use crate::args::run::ScoreArgs;
use crate::args::runs::{ListArgs, ShowArgs};
use crate::context::Context;
use crate::dashboard;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint::{STRONG, paint};

/// Shows the dashboard, the list, or a run: live while it runs.
pub(super) fn cmd(args: &ViewArgs, cx: &mut Context) -> Result<Exit, CliError> {
    match args.what.as_deref() {
        None | Some("list") if args.json => list_json(args.limit, cx),
        None => dashboard::run(None, cx),
        Some("list") => write_list(args.limit, cx),
        Some(run) => one(run.to_owned(), args.json, cx),
    }
}

fn list_json(limit: usize, cx: &mut Context) -> Result<Exit, CliError> {
    let list = ListArgs {
        limit,
        json: true,
        ..ListArgs::default()
    };
    list::cmd(&list, cx)
}

fn one(run: String, json: bool, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    let id = store.resolve(&run)?;
    if !json && dashboard::can_run(cx) {
        return dashboard::run(Some(id), cx);
    }
    let over = store.read(&id, cx.now)?.summary().state.status.is_over();
    if over {
        let args = ShowArgs {
            run,
            trial: None,
            full: false,
            raw: false,
            json,
        };
        return show::cmd(&args, cx);
    }
    let score = ScoreArgs::default();
    let args = AttachArgs {
        run,
        ui: None,
        score,
        json,
    };
    attach::attach(&args, cx)
}

fn write_list(limit: usize, cx: &mut Context) -> Result<Exit, CliError> {
    let listing = list::read(limit, cx)?;
    let legacy = list::legacy(cx)?;
    let room = if limit == 0 { usize::MAX } else { limit };
    let entries = listing.runs.iter().map(entry);
    let entries: Vec<Entry> = entries.chain(legacy.iter().map(old)).take(room).collect();
    let (going, over): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.row.completed_at.is_none());
    if entries.is_empty() {
        list::write_none(None, cx)?;
    }
    let mut number = 0;
    for (title, entries) in [("IN PROGRESS", going), ("COMPLETED", over)] {
        if entries.is_empty() {
            continue;
        }
        if number > 0 {
            writeln!(cx.out)?;
        }
        writeln!(cx.out, "{}", paint(STRONG, title))?;
        for entry in entries {
            number += 1;
            writeln!(cx.out, "{number}. {}", sections::line(entry, cx.times()))?;
        }
    }
    list::write_causes(&listing.runs, cx)?;
    list::write_rest(&listing, cx)?;
    Ok(Exit::Success)
}

fn entry(run: &RunSummary<BenchJob>) -> Entry {
    Entry {
        row: list::row(run),
        runs: run.state.summary.runs,
    }
}

fn old(row: &LegacyRow) -> Entry {
    Entry {
        row: older::row(row),
        runs: 0,
    }
}
