//! What runs that are over left outside of the results: databases in gyms, processes and scratch
//! folders on this machine.
//!
//! Databases are in the journal before they are created, processes and folders carry the
//! name of their run. Nothing is guessed: a
//! database that no journal names is nobody's of ours.

use std::collections::{BTreeMap, BTreeSet};

use bench_core::session::Database;
use bench_core::{Event, GymSpec, Transport};
use bench_report::table::{Column, Table};
use bench_report::text::{clean_line, count};
use bench_runner::gym::{Cleaner, connect};
use bench_runner::process::{LivingWorker, processes_of_runs};
use bench_runner::{BenchJob, remove_databases, scratch_folders};
use bench_state::{RunId, RunStore, RunSummary, Standing, StateError};
use chrono::Utc;
use serde_json::{Value, json};

use crate::args::EnvFileAgainArgs;
use crate::commands::execute::EventLoop;
use crate::commands::resume::environment_without_keys;
use crate::commands::sweep;
use crate::context::Context;
use crate::error::CliError;
use crate::render::error::in_a_line;

/// What one run left behind.
pub(super) struct Left {
    run: RunId,
    databases: Vec<Database>,
    processes: usize,
    folders: usize,
    /// The folder is only a copy: a living worker needs all of it.
    copied: Option<StateError>,
}

/// What became of databases.
#[derive(Default)]
pub(super) struct Removed {
    /// How many are gone.
    pub(super) databases: usize,
    /// Why others may still be there, a sentence each.
    pub(super) problems: Vec<String>,
}

/// Looks at every run that is over, or whose worker is gone. Changes nothing.
pub(super) fn find(store: &RunStore<BenchJob>, cx: &Context) -> Result<Vec<Left>, CliError> {
    let mut processes: BTreeMap<String, Vec<Option<LivingWorker>>> = BTreeMap::new();
    for process in processes_of_runs() {
        processes.entry(process.run).or_default().push(process.worker);
    }
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for (run, _) in scratch_folders() {
        *folders.entry(run).or_default() += 1;
    }
    let listing = store.list_without_settling(None, cx.now)?;
    let over = |run: &&RunSummary<BenchJob>| {
        run.state.status.is_over() || matches!(run.standing, Standing::Orphaned { .. })
    };
    let mut left = Vec::new();
    for run in listing.runs.iter().filter(over) {
        let id = run.state.id.clone();
        // A run that cannot be read has a row of its own, with the reason.
        let databases = databases_of(store, &id, cx).unwrap_or_default();
        let workers = processes.remove(id.as_str()).unwrap_or_default();
        let processes = workers.len();
        let folders = folders.remove(id.as_str()).unwrap_or(0);
        if processes > 0 || folders > 0 || !databases.is_empty() {
            let worker = workers.into_iter().flatten().next();
            let view = store.read_without_settling(&id, cx.now);
            let copied = view
                .ok()
                .and_then(|view| sweep::check_original(&view, worker).err());
            left.push(Left {
                run: id,
                databases,
                processes,
                folders,
                copied,
            });
        }
    }
    Ok(left)
}

fn databases_of(store: &RunStore<BenchJob>, id: &RunId, cx: &Context) -> Result<Vec<Database>, StateError> {
    let view = store.read_without_settling(id, cx.now)?;
    let mut databases = view.session()?.databases;
    if !databases.is_empty() {
        let plan = view.plan()?;
        // Those of the built-in tracker ended with the worker.
        let lasting = |key: &str| {
            plan.gym(key)
                .is_some_and(|gym| gym.transport != Transport::Tracker)
        };
        databases.retain(|database| lasting(&database.gym));
    }
    Ok(databases)
}

/// Removes the databases, and records in each run what became of its own. Trouble with one run does not keep others.
pub(super) fn remove(
    left: &[Left],
    store: &RunStore<BenchJob>,
    cx: &mut Context,
) -> Result<Removed, CliError> {
    let mut removed = Removed::default();
    for left in left.iter().filter(|left| !left.databases.is_empty()) {
        if let Some(copied) = &left.copied {
            removed
                .problems
                .push(format!("{}: databases stay: {copied}", left.run));
            continue;
        }
        match remove_of_run(left, store, cx) {
            Ok(Some(events)) => removed.take_in(&left.run, &events),
            Ok(None) => {}
            Err(error) if error.exit() == crate::exit::Exit::Interrupted => return Err(error),
            Err(error) => {
                let why = in_a_line(&error);
                removed
                    .problems
                    .push(format!("{}: databases stay: {why}", left.run));
            }
        }
    }
    Ok(removed)
}

/// `None` if the run is not over any more: whoever continues it removes them.
fn remove_of_run(
    left: &Left,
    store: &RunStore<BenchJob>,
    cx: &mut Context,
) -> Result<Option<Vec<Event>>, CliError> {
    let view = store.read(&left.run, Utc::now())?;
    if !view.summary().state.status.is_over() {
        return Ok(None);
    }
    view.check_original()?;
    let mut plan = view.plan()?;
    let environment = environment_without_keys(&EnvFileAgainArgs::default(), &mut plan, cx)?;
    let keys: BTreeSet<&str> = left
        .databases
        .iter()
        .map(|database| database.gym.as_str())
        .collect();
    let specs = plan.gyms.iter().filter(|gym| keys.contains(gym.key.as_str()));
    let specs: Vec<GymSpec> = specs.cloned().collect();
    let EventLoop { runtime, mut signals } = EventLoop::start()?;
    let inside = runtime.enter();
    let gyms = connect(&specs, &environment, None, &Cleaner::new())?;
    drop(inside);
    let mut events = runtime.block_on(async {
        tokio::select! {
            events = remove_databases(&left.databases, &gyms) => Ok(events),
            name = signals.next() => Err(CliError::interrupted(name)),
        }
    })?;
    for event in &mut events {
        if let Event::DatabaseRemoved {
            problem: Some(problem),
            ..
        } = event
        {
            *problem = environment.secrets().redact(problem).into_owned();
        }
    }
    let dated: Vec<_> = events.iter().map(|event| (event.clone(), Utc::now())).collect();
    store.add_after_end(&left.run, &dated)?;
    Ok(Some(events))
}

impl Removed {
    fn take_in(&mut self, run: &RunId, events: &[Event]) {
        for event in events {
            match event {
                Event::DatabaseRemoved {
                    gym,
                    database_id,
                    problem: Some(problem),
                    ..
                } => self.problems.push(format!(
                    "{run}: database {database_id} of gym `{gym}` may still be there: {problem}"
                )),
                _ => self.databases += 1,
            }
        }
    }
}

/// A row per run and gym, and one for processes.
pub(super) fn table(left: &[Left]) -> Table {
    let mut table = Table::new([
        Column::word("run"),
        Column::word("left behind"),
        Column::text("where"),
        Column::word("what is done"),
    ]);
    for left in left {
        let done = |word: &str| {
            if left.copied.is_some() {
                "left alone: a copy"
            } else {
                word
            }
            .to_owned()
        };
        let mut by_gym: BTreeMap<&str, usize> = BTreeMap::new();
        for database in &left.databases {
            *by_gym.entry(&database.gym).or_default() += 1;
        }
        for (gym, n) in by_gym {
            let place = format!("gym {}", clean_line(gym));
            table.row([left.run.to_string(), count(n, "database"), place, done("removed")]);
        }
        if left.processes > 0 {
            let (processes, place) = (sweep::processes(left.processes), "this machine".to_owned());
            table.row([left.run.to_string(), processes, place, done("ended")]);
        }
        if left.folders > 0 {
            table.row([
                left.run.to_string(),
                count(left.folders, "scratch folder"),
                "this machine".to_owned(),
                done("removed"),
            ]);
        }
    }
    table
}

/// The same for programs.
pub(super) fn document(left: &[Left]) -> Value {
    let rows = left
        .iter()
        .map(|left| json!({"run_id": left.run, "databases": left.databases, "processes": left.processes, "scratch_folders": left.folders, "in_use": left.copied.is_some()}));
    rows.collect()
}
