//! Background runs: handing a run to a process that outlives this one.
//!
//! The lease travels as the worker's standard input, so it is held without a gap from before the run was visible: the
//! parent's copy is closed, never unlocked, when the worker has its own. The parent, [`ActiveRun::launch`], then waits
//! until `state.json` names the worker. The worker, [`RunStore::adopt`], makes the lease its own as the first thing it
//! does. A worker that does not get that far ends the run, with what it said last.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::active::ActiveRun;
use crate::classify::LeaseSign;
use crate::durable;
use crate::error::{At, FileAction, Result, StateError};
use crate::format::{self, StoreNote};
use crate::ids::RunId;
use crate::job::Job;
use crate::journal::line;
use crate::layout::RunDir;
use crate::lock::{Lease, LeaseProbe};
use crate::platform::{self, process};
use crate::recorder::Shared;
use crate::replay::Replay;
use crate::resume::open_journal;
use crate::settle;
use crate::state_file::{self, Found};
use crate::status::CauseKind;
use crate::store::RunStore;
use crate::worker::Worker;

/// How long a worker may take to adopt its run: far longer than a loaded machine needs to start a program.
const PATIENCE: Duration = Duration::from_secs(30);

/// First and longest pause between two looks at whether the worker has adopted.
const PAUSES: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(5));

/// How much of the worker's output is told when it did not come up, in bytes.
const TAIL: u64 = 2048;

/// A worker that has taken its run up.
#[derive(Debug)]
pub struct Launched {
    /// The run.
    pub id: RunId,
    /// Its folder.
    pub dir: PathBuf,
    /// Process id of what was started.
    pub pid: u32,
    /// Where the worker's own output goes.
    pub log: PathBuf,
    /// For a parent that lives on: waiting for it removes the dead worker from the process table. Dropping it does
    /// nothing to the worker.
    pub child: Child,
}

impl<J: Job> ActiveRun<J> {
    /// Starts `command` as the worker of this run, and returns when it has taken over. It gets the lease as standard
    /// input, writes its output to `worker.log`, and is out of reach of the terminal; arguments, environment and
    /// folder are the caller's to set. It must call [`RunStore::adopt`] before anything else. From here on, handles of
    /// this process record nothing any more.
    ///
    /// One program can be both: here it starts itself again, with a hidden argument.
    ///
    /// ```no_run
    /// # use bench_state::{Ending, Job, Result, RunId, RunStore};
    /// # use chrono::Utc;
    /// fn in_background<J: Job>(store: &RunStore<J>, plan: &J::Plan, about: J::Summary) -> Result<RunId> {
    ///     let run = store.create(plan, about, Utc::now())?;
    ///     let mut command = std::process::Command::new("/proc/self/exe");
    ///     command.arg("worker").arg(store.root()).arg(run.id().as_str());
    ///     Ok(run.launch(command, Utc::now())?.id)
    /// }
    ///
    /// fn worker_main<J: Job>(store: &RunStore<J>, id: &RunId) -> Result<()> {
    ///     let run = store.adopt(id, Utc::now())?; // before anything else
    ///     // … the work …
    ///     run.finish(Ending::Completed, Utc::now()).map(drop)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`StateError::LaunchFailed`] if it could not be started, ended first, or was not there after 30 s: the run is
    /// then over, failed with cause `launch`. [`StateError::Unsupported`] where a lock cannot be handed over; the run
    /// is over then too.
    pub fn launch(self, mut command: Command, now: DateTime<Utc>) -> Result<Launched> {
        let started = Instant::now();
        let (guard, recorder) = self.split();
        drop(recorder);
        let (shared, lease) = guard.hand_over();
        let Some(lease) = lease.filter(|_| cfg!(unix)) else {
            let what = "handing a run to a background process";
            fail(&shared, None, now, what)?;
            return Err(StateError::Unsupported { what });
        };
        let log = shared.dir.worker_log();
        // On failure the command still holds the lease, so that nobody else tells another story meanwhile.
        let child = match start(&mut command, lease, &log) {
            Ok(child) => child,
            Err(error) => return Err(failed(&shared, None, now, &error_chain(&error))),
        };
        drop(command);
        await_adoption(&shared, child, now, started)
    }
}

/// Starts the worker with the lease as its input.
fn start(command: &mut Command, lease: Lease, log: &Path) -> Result<Child> {
    lease.give_to(command);
    let output = durable::open_to_append(log)?;
    let same = output.try_clone().at(FileAction::Open, log)?;
    command.stdout(output).stderr(same);
    process::set_apart(command);
    let program = PathBuf::from(command.get_program());
    command.spawn().at(FileAction::Start, &program)
}

/// Waits until `state.json` names a worker other than this process.
fn await_adoption<J: Job>(
    shared: &Arc<Shared<J>>,
    mut child: Child,
    now: DateTime<Utc>,
    started: Instant,
) -> Result<Launched> {
    let dir = &shared.dir;
    let launcher = platform::this_worker();
    let (mut pause, longest) = PAUSES;
    loop {
        let ended = child.try_wait().at(FileAction::Start, dir.path())?;
        if adopted::<J>(dir, &launcher)? {
            return Ok(Launched {
                id: shared.id.clone(),
                dir: dir.path().to_owned(),
                pid: child.id(),
                log: dir.worker_log(),
                child,
            });
        }
        let now = now + started.elapsed();
        // What was started may be a wrapper that has passed the lease on.
        if let Some(status) = ended
            && LeaseProbe::of(&dir.lease())?.sign() != LeaseSign::Held
        {
            // It may have adopted, and ended, since we looked.
            if adopted::<J>(dir, &launcher)? {
                continue;
            }
            return Err(failed(shared, Some(&launcher), now, &ended_early(dir, status)));
        }
        if started.elapsed() > PATIENCE {
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                tracing::debug!(%error, "the worker that did not adopt could not be ended");
            }
            let reason = format!("the worker did not take it over within {PATIENCE:?}");
            return Err(failed(shared, Some(&launcher), now, &reason));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}

fn adopted<J: Job>(dir: &RunDir, launcher: &Worker) -> Result<bool> {
    match state_file::read::<J>(dir)? {
        Found::Good(state) => Ok(state.worker.as_ref().is_some_and(|worker| worker != launcher)),
        Found::Missing | Found::Bad(_) => Ok(false),
    }
}

/// Ends the run because its worker did not come up, and returns the error to report.
fn failed<J: Job>(
    shared: &Shared<J>,
    launcher: Option<&Worker>,
    now: DateTime<Utc>,
    reason: &str,
) -> StateError {
    match fail(shared, launcher, now, reason) {
        Ok(()) => StateError::LaunchFailed {
            run: shared.id.clone(),
            reason: reason.to_owned(),
            log: shared.dir.worker_log(),
        },
        Err(error) => error,
    }
}

/// Ends the run, unless somebody else did or a worker other than `launcher` has it now.
fn fail<J: Job>(
    shared: &Shared<J>,
    launcher: Option<&Worker>,
    now: DateTime<Utc>,
    reason: &str,
) -> Result<()> {
    let ending = CauseKind::Launch.because(format!("not started in the background: {reason}"));
    settle::end_as::<J>(&shared.dir, ending, now, |state| {
        launcher.is_none_or(|launcher| state.worker.as_ref() == Some(launcher))
    })
    .map(drop)
}

fn error_chain(error: &StateError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn ended_early(dir: &RunDir, status: ExitStatus) -> String {
    let said = tail(&dir.worker_log()).unwrap_or_default();
    let said = said.trim();
    if said.is_empty() {
        format!("the worker ended ({status}) before it took the run over, and said nothing")
    } else {
        format!("the worker ended ({status}) before it took the run over; it said last: {said}")
    }
}

/// The end of a file, from the beginning of a line.
fn tail(path: &Path) -> Result<String> {
    let mut file = durable::open_to_read(path)?.ok_or_else(|| durable::missing(path))?;
    let start = file
        .metadata()
        .at(FileAction::Read, path)?
        .len()
        .saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start)).at(FileAction::Read, path)?;
    let mut bytes = Vec::new();
    file.take(TAIL)
        .read_to_end(&mut bytes)
        .at(FileAction::Read, path)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match text.split_once('\n') {
        Some((_cut, whole)) if start > 0 => whole.to_owned(),
        _ => text,
    })
}

impl<J: Job> RunStore<J> {
    /// Takes up the run that this process was started for by [`ActiveRun::launch`]. To be called first thing in `main`,
    /// before threads and child processes exist: until then the lease is an ordinary standard input, which a child
    /// would inherit and keep.
    ///
    /// # Errors
    /// [`StateError::NotTheWorker`] if this process was not started that way; [`StateError::AlreadyOver`];
    /// [`StateError::Unsupported`] where a lock cannot be handed over; I/O errors. Ending with an error is right then:
    /// the parent, or the next reader, ends the run.
    pub fn adopt(&self, id: &RunId, now: DateTime<Utc>) -> Result<ActiveRun<J>> {
        let dir = self.dirs().run(id);
        let now = format::to_millis(now);
        let given = given(&dir)?;
        let lease = match Lease::inherited(given, &dir.lease()) {
            Ok(lease) => lease,
            Err(_) if !dir.path().exists() => return Err(self.unknown(id.as_str())),
            Err(error) => return Err(error),
        };
        let lease = lease.map_err(|reason| StateError::NotTheWorker {
            run: id.clone(),
            reason: reason.to_owned(),
        })?;
        #[cfg(unix)]
        process::leave_session();
        let shared = take_over::<J>(&dir, now)?;
        lease.touch(&dir.lease())?;
        ActiveRun::begin(shared, lease)
    }
}

/// What the parent gave us, made ours.
fn given(dir: &RunDir) -> Result<File> {
    #[cfg(unix)]
    {
        process::take_stdin().at(FileAction::Open, &dir.lease())
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        Err(StateError::Unsupported {
            what: "taking over a run from another process",
        })
    }
}

/// Writes this process down as the worker. The caller holds the lease.
fn take_over<J: Job>(dir: &RunDir, now: DateTime<Utc>) -> Result<Arc<Shared<J>>> {
    state_file::locked(dir, |found: Found<J>| {
        let Found::Good(mut state) = found else {
            return Err(StateError::Inconsistent {
                path: dir.state(),
                reason: "it was damaged before its worker came up".to_owned(),
            });
        };
        state_file::check_running(&state)?;
        state_file::check_format(&state, dir)?;
        let replay = Replay::<J>::onto(dir, &state)?;
        let mut journal = open_journal(dir, &state, &replay)?;
        let worker = platform::this_worker();
        let note = StoreNote::Adopted {
            worker: worker.clone(),
        };
        journal.append(state.generation, [(now, line::note_members(&note)?)])?;
        let known = replay.journal == state.journal;
        state.worker = Some(worker);
        state.progress = replay.progress;
        state.updated_at = now.max(state.updated_at);
        if known {
            // The session on the disk fits this state as it stands before our note: one file less to wait for.
            state_file::write_state(dir, &state)?;
        }
        state.journal = journal.end();
        if !known {
            state_file::write(dir, &state, &replay.session)?;
        }
        Ok(Shared::new(dir.clone(), journal, *state, replay.session))
    })
}
