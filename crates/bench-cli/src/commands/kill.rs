//! `bench-cli kill`: ends runs, in order if they let us, and leaves no process behind.
//!
//! First the request in writing, which stands whatever happens; then the signal; after the grace period the hard way,
//! which the next look turns into an ending. Last, what the worker could not take with it. Where the request cannot be
//! written down, because the disk is full or somebody keeps the lock, the signal has to do: it says less, and that is said.

use std::io::Write;
use std::time::Duration;

use bench_runner::BenchJob;
use bench_state::{CancelReason, Problem, RunId, RunStore, Signal, StateError};
use chrono::Utc;
use serde_json::{Value, json};

use super::{list, sweep, write_json};
use crate::args::life::KillArgs;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// How long running trials may take to stop if nothing else is said.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// How long a killed worker may take to be gone.
const GONE: Duration = Duration::from_secs(10);

/// How a run came to its end.
pub(super) struct Killed {
    /// The run.
    pub(super) run: RunId,
    /// In words.
    did: &'static str,
    /// For programs.
    code: &'static str,
    status: &'static str,
    /// Why the request is not in writing.
    unwritten: Option<StateError>,
}

/// What came of a request to end.
enum Asked {
    /// The run is over.
    NothingToEnd,
    /// The worker knows. In writing, unless something was in the way.
    Told { unwritten: Option<StateError> },
}

/// Ends runs, one after the other.
pub(super) fn cmd(args: &KillArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let store = cx.store()?;
    // All names first: a typing error must not leave half of it done.
    let runs = args.run.iter().map(|run| store.resolve(run));
    let mut runs: Vec<RunId> = runs.collect::<Result<_, _>>()?;
    runs.sort_unstable();
    runs.dedup();
    let killed = end_all(&store, runs, args.grace)?;
    let mut left = sweep::of_runs(&store).ended;
    sweep::folders(&store);
    let mut rows = Vec::new();
    for Killed {
        run,
        did,
        code,
        status,
        unwritten,
    } in killed
    {
        let swept = left.remove(run.as_str()).unwrap_or(0);
        if !args.json {
            let also = if swept > 0 {
                format!("; {} ended too", sweep::processes(swept))
            } else {
                String::new()
            };
            writeln!(cx.out, "{run}  {status}: {did}{also}")?;
        }
        let mut row = json!({"run_id": run, "status": status, "how": code, "processes_ended": swept});
        if let Some(error) = unwritten {
            row["not_written"] = error.to_string().into();
            tell_unwritten(&run, error, cx)?;
        }
        rows.push(row);
    }
    if args.json {
        write_json(&json!({"runs": Value::from(rows)}), cx)?;
    }
    Ok(Exit::Success)
}

/// Ends runs. All requests are made before the first wait, so that several runs stop at the same time.
pub(super) fn end_all(
    store: &RunStore<BenchJob>,
    runs: Vec<RunId>,
    grace: Duration,
) -> Result<Vec<Killed>, CliError> {
    let asked: Vec<(RunId, Asked)> = runs
        .into_iter()
        .map(|run| request(store, &run).map(|asked| (run, asked)))
        .collect::<Result<_, _>>()?;
    asked
        .into_iter()
        .map(|(run, asked)| end(store, run, asked, grace))
        .collect()
}

/// Writes the request down and signals. One that cannot be written down is made by the signal alone, if there is
/// somebody to signal. What somebody else asked for already is only waited for: a second signal would tell the worker
/// that nobody has patience any more, and throw the other's grace away.
fn request(store: &RunStore<BenchJob>, run: &RunId) -> Result<Asked, CliError> {
    let unwritten = match store.request_cancel(run, CancelReason::Requested, Utc::now()) {
        Ok(asked) if asked.repeated => return Ok(Asked::Told { unwritten: None }),
        Ok(_) => None,
        Err(StateError::AlreadyOver { .. }) => return Ok(Asked::NothingToEnd),
        Err(error @ StateError::UnknownRun { .. }) => return Err(error.into()),
        Err(error) => Some(error),
    };
    match (store.signal(run, Signal::Terminate), unwritten) {
        (Ok(false) | Err(_), Some(error)) | (Err(error), None) => Err(error.into()),
        (Ok(_), unwritten) => Ok(Asked::Told { unwritten }),
    }
}

/// Says what could not be written down, and what that means.
fn tell_unwritten(run: &RunId, error: StateError, cx: &mut Context) -> Result<(), CliError> {
    writeln!(
        cx.err,
        "run `{run}` was asked to end by a signal only, because the request could not be written down; had its worker died \
         instead of obeying, the run would be told as failed"
    )?;
    let path = run.as_str().into();
    list::write_problems(&[Problem { path, error }], cx)
}

fn end(store: &RunStore<BenchJob>, run: RunId, asked: Asked, grace: Duration) -> Result<Killed, CliError> {
    let Asked::Told { unwritten } = asked else {
        let status = store.read(&run, Utc::now())?.summary().state.status.word();
        return Ok(Killed {
            run,
            did: "it was over already",
            code: "already_over",
            status,
            unwritten: None,
        });
    };
    if let Some(over) = store.wait_over(&run, grace, Utc::now())? {
        let status = over.state.status.word();
        return Ok(Killed {
            run,
            did: "it ended in order",
            code: "in_order",
            status,
            unwritten,
        });
    }
    let sent = store.signal(&run, Signal::Kill)?;
    if let Some(over) = store.wait_over(&run, GONE, Utc::now())? {
        let status = over.state.status.word();
        return Ok(Killed {
            run,
            did: "it did not end in time, so its worker was killed",
            code: "killed",
            status,
            unwritten,
        });
    }
    let why = if sent {
        "its worker was killed and is not gone"
    } else {
        "its worker is not within reach"
    };
    let still = CliError::unfinished(format!("run `{run}` still runs: {why}"));
    Err(match unwritten {
        None => {
            still.hint("the request to end stays written down: its worker obeys it as soon as it sees it")
        }
        Some(error) => still.because(error),
    })
}
