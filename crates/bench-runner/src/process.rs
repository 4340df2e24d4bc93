//! Child processes: the only place that starts any, and the place that ends them for certain.
//!
//! A child gets a process group of its own, a small clean environment ([`CleanEnvironment`] plus its own
//! variables, never provider keys), and a [`Marker`] in that environment by which it and its
//! descendants are recognised later. Its stderr is always read, line by line, so that it can neither
//! block on a full pipe nor tear a terminal.
//!
//! [`ChildGuard::end`] is the proper end: wait for the child to leave by itself (its stdin was closed
//! by whoever held it), SIGTERM to the group, SIGKILL to the group, reap, and then sweep for escapees.
//! Dropping the guard is the spare one: SIGKILL to the group and the same sweep, at once.
//!
//! | part | what it does |
//! |---|---|
//! | [`spawn`], [`ChildGuard`] | start and end |
//! | `stderr` | drains stderr into a log, bounded in lines and bytes |
//! | `sweep` | finds processes by their marker (Linux) and ends them |
//! | `worker` | whose child a process is, and whether that one lives |
//!
//! What is said over stdin and stdout is the business of [`crate::gym`] and [`crate::verify`].

mod stderr;
mod sweep;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use rustix::process::Signal;
use thiserror::Error;
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::env::Environment;
pub use sweep::{ProcessOfRun, processes_of_runs, sweep_runs};
pub use worker::LivingWorker;

use stderr::StderrDrain;
use sweep::Ended as SweptUp;

/// The variables that every child gets from our own environment.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "LANG", "TMPDIR", "USER"];

/// Marks a child: its run, its trial and role, and the worker that started it.
const RUN: &str = "BENCH_RUN_ID";
const TRIAL: &str = "BENCH_TRIAL_ID";
const WORKER: &str = "BENCH_WORKER";

/// The variables that mark the children of a run. A worker is nobody's child, and must not inherit them.
pub const MARKERS: [&str; 3] = [RUN, TRIAL, WORKER];

/// How often the group is killed: a process that forks while it dies needs a second round.
const KILL_ROUNDS: u32 = 3;

/// How long a killed child may take to be gone, and an open stderr to be let go.
const REAP_TIMEOUT: Duration = Duration::from_secs(5);

/// Parts in which a short wait is waited out.
const PARTS: u32 = 4;

/// Receives lines for the trial's log.
pub type LineLog = Arc<dyn Fn(&str) + Send + Sync>;

/// What is started.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// The program: a path, or a name that is looked up in PATH.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its working folder.
    pub cwd: PathBuf,
    /// Its own variables, beside [`CleanEnvironment`] and [`Marker`].
    pub env: BTreeMap<String, String>,
    /// Whether we write to it. Without, its stdin is empty.
    pub stdin: bool,
}

/// What children get of our environment: PATH, HOME, LANG, TMPDIR and USER.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanEnvironment(BTreeMap<String, String>);

impl CleanEnvironment {
    /// The part of `env` that children may see.
    pub fn of(env: &Environment) -> Self {
        let known = PASSED_ON
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), env.get(name)?.to_owned())));
        Self(known.collect())
    }
}

/// By what a child and all its descendants are recognised: variables in their environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    run_id: String,
    trial: String,
}

impl Marker {
    /// The marker of the child that serves `role` (a gym, a verifier) in a trial of a run.
    pub fn new(run_id: &str, trial: &str, role: &str) -> Self {
        Self {
            run_id: run_id.to_owned(),
            trial: format!("{run_id}/{trial}/{role}"),
        }
    }

    fn variables(&self) -> [(&'static str, &str); 3] {
        [(RUN, &self.run_id), (TRIAL, &self.trial), (WORKER, worker::own())]
    }
}

/// Why a program was not started.
#[derive(Debug, Error)]
#[error("cannot start `{program}` in `{}`: {source}", cwd.display())]
pub struct SpawnError {
    program: String,
    cwd: PathBuf,
    source: std::io::Error,
}

/// A started child: its pipes, and the guard that ends it.
#[derive(Debug)]
pub struct Spawned {
    /// Present if [`ChildSpec::stdin`] asked for it.
    pub stdin: Option<ChildStdin>,
    /// Whoever takes it has to read it.
    pub stdout: Option<ChildStdout>,
    /// Ends the child when it is dropped.
    pub guard: ChildGuard,
}

/// Starts a program in a process group of its own. `log` receives its stderr. Needs a tokio runtime.
///
/// # Errors
/// [`SpawnError`] if there is no such program or folder, or no permission.
pub fn spawn(
    spec: &ChildSpec,
    env: &CleanEnvironment,
    marker: &Marker,
    log: LineLog,
) -> Result<Spawned, SpawnError> {
    let mut command = Command::new(&spec.program);
    command
        .args(&spec.args)
        .current_dir(&spec.cwd)
        .env_clear()
        .envs(&env.0)
        .envs(&spec.env)
        .envs(marker.variables())
        .stdin(if spec.stdin { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = CommandWrap::from(command)
        .wrap(ProcessGroup::leader())
        .wrap(KillOnDrop)
        .spawn()
        .map_err(|source| SpawnError {
            program: spec.program.clone(),
            cwd: spec.cwd.clone(),
            source,
        })?;
    let (stdin, stdout) = (child.stdin().take(), child.stdout().take());
    let stderr = StderrDrain::start(child.stderr().take(), Arc::clone(&log));
    let guard = ChildGuard {
        child,
        marker: marker.clone(),
        stderr,
        log,
        ended: false,
    };
    Ok(Spawned { stdin, stdout, guard })
}

/// Ends what this process has started for a run and what is left of it at its end: nothing, unless a server hid from
/// its trial. Blocking.
pub(crate) fn end_of_run(run_id: &str) {
    sweep::end_of_run(run_id);
}

/// A running child with its process group. Dropping it kills both.
pub struct ChildGuard {
    child: Box<dyn ChildWrapper>,
    marker: Marker,
    stderr: StderrDrain,
    log: LineLog,
    ended: bool,
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; none if it could not be reaped in time.
    pub status: Option<ExitStatus>,
    /// Whether it left before it was told to.
    pub by_itself: bool,
    /// Descendants that a signal to its group did not reach in time and that were ended one by one.
    pub escapees: u32,
    /// The last lines that it wrote to stderr.
    pub last_words: String,
}

impl ChildGuard {
    /// Process id of the child, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the child has left by itself. Dropping the future is harmless.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// The last lines of its stderr, those included that were still on their way.
    ///
    /// Waits for the pipe to be closed for at most `patience`: a grandchild may hold it open for ever.
    pub async fn last_words(&mut self, patience: Duration) -> String {
        self.stderr.finish(patience).await;
        self.stderr.last_lines()
    }

    /// Ends the child and everything it has started. Returns within about twice `grace`, plus a few
    /// seconds if something cannot be killed.
    ///
    /// Its stdin should have been closed before: most servers leave then. It has `grace` to do so, and
    /// again `grace` after SIGTERM.
    pub async fn end(mut self, grace: Duration) -> Ended {
        let mut status = timeout(grace, self.child.wait()).await.ok();
        let by_itself = status.is_some();
        if status.is_none() {
            self.signal(Signal::TERM);
            status = timeout(grace, self.child.wait()).await.ok();
        }
        // Also after a clean exit: a group may outlive its leader. Right after the leader was reaped its
        // number cannot belong to a new group, because the kernel hands out numbers in a circle.
        for _ in 0..KILL_ROUNDS {
            if !self.signal(Signal::KILL) {
                break;
            }
            tokio::task::yield_now().await;
        }
        if status.is_none() {
            status = timeout(REAP_TIMEOUT, self.child.wait()).await.ok();
        }
        let escapees = self.sweep_off_thread().await;
        self.stderr.finish(Duration::from_millis(200)).await;
        self.ended = true;
        Ended {
            status: status.and_then(Result::ok),
            by_itself,
            escapees,
            last_words: self.stderr.last_lines(),
        }
    }

    /// Signals the whole group. False if there is none any more.
    fn signal(&self, signal: Signal) -> bool {
        self.child.signal(signal.as_raw()).is_ok()
    }

    async fn sweep_off_thread(&self) -> u32 {
        let marker = self.marker.clone();
        let sweep = tokio::task::spawn_blocking(move || sweep::end_marked(&marker));
        let ended = timeout(REAP_TIMEOUT, sweep).await.ok().and_then(Result::ok);
        self.told(ended.unwrap_or_default())
    }

    /// How many were ended; what is left is told in the log.
    fn told(&self, ended: SweptUp) -> u32 {
        if ended.more {
            let left = "[bench] this server's processes become others faster than they are found: \
                what is left is ended with the run";
            (self.log)(left);
        }
        ended.processes
    }
}

/// Waits for something that is due in a moment, at most `patience`; none where it does not come. The time in which this
/// process itself gets no processor does not count: after such a time, what has come meanwhile is heard of first.
pub(crate) async fn patiently<T>(patience: Duration, due: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(due);
    for _ in 0..PARTS {
        if let Ok(came) = timeout(patience / PARTS, &mut due).await {
            return Some(came);
        }
    }
    None
}

impl Drop for ChildGuard {
    /// The spare way out; [`ChildGuard::end`] is the proper one. Takes a few milliseconds.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.signal(Signal::KILL);
        self.told(sweep::end_marked(&self.marker));
    }
}

impl fmt::Debug for ChildGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildGuard")
            .field("id", &self.child.id())
            .field("marker", &self.marker.trial)
            .finish_non_exhaustive()
    }
}
