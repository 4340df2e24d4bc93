//! Is this folder only a copy of a run that is still worked on?
//!
//! A copied folder has a lease of its own, which nobody holds, so here the run looks as if its worker were gone. What is
//! in the folder may be settled; but servers and databases outside of it bear the name of the run, and they are the
//! original's. So whoever wants to touch those asks here first. A worker whose lease is free and who lives all the same,
//! by process number, start and boot, works on another folder.

use crate::classify::LeaseSign;
use crate::error::StateError;
use crate::job::Job;
use crate::layout::RunDir;
use crate::lock::LeaseProbe;
use crate::platform::process;
use crate::replay::Replay;
use crate::state::RunState;
use crate::status::{CauseKind, Ending, RunStatus};
use crate::view::RunView;
use crate::worker::Worker;

impl<J: Job> RunView<J> {
    /// Refuses if the run's folder looks like a copy of one that a process of this machine still works on. To be asked
    /// before anything outside of the folder is touched in the name of a run without a worker: processes, databases.
    ///
    /// # Errors
    /// [`StateError::Copied`], which names that process.
    pub fn check_original(&self) -> Result<(), StateError> {
        match worker_elsewhere(self.run_dir(), &self.summary().state) {
            Some(worker) => Err(StateError::Copied {
                path: self.dir().to_owned(),
                pid: worker.pid,
            }),
            None => Ok(()),
        }
    }
}

/// The recorded worker, if it lives, did not end the run, and does not hold the lease of this folder.
fn worker_elsewhere<'a, J: Job>(dir: &RunDir, state: &'a RunState<J>) -> Option<&'a Worker> {
    let worker = state.worker.as_ref()?;
    let ours = worker.pid == std::process::id();
    if ours || !process::lives(worker) || ended_by_itself(dir, state) {
        return None;
    }
    let held = LeaseProbe::of(&dir.lease()).is_ok_and(|probe| probe.sign() == LeaseSign::Held);
    (!held).then_some(worker)
}

/// Whether the run's own worker noted the ending, or its launcher did. Such a process lives on for a moment, in peace.
fn ended_by_itself<J: Job>(dir: &RunDir, state: &RunState<J>) -> bool {
    let RunStatus::Over { ending, .. } = &state.status else {
        return false;
    };
    if let Ending::Failed { cause } = ending
        && cause.kind != CauseKind::WorkerLost
    {
        return true;
    }
    Replay::<J>::from_scratch(dir).is_ok_and(|replay| replay.ending.is_some())
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, reason = "helpers of tests fail the way tests do")]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, Instant};
    use std::{fs, thread};

    use super::*;
    use crate::process_tests::{Label, Planned, Tally, now};
    use crate::{RunStore, platform};

    /// A copy of the run's folder in a store of its own, as if `child` worked on the original.
    fn copy(run: &Path, to: &Path, child: u32) -> RunStore<Tally> {
        let folder = to.join("runs").join(run.file_name().unwrap());
        fs::create_dir_all(folder.join("trials")).unwrap();
        for entry in fs::read_dir(run).unwrap().flatten() {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
            }
        }
        let path = folder.join("state.json");
        let mut state: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let worker = Worker {
            pid: child,
            start_ticks: process::start_ticks_of(&child.to_string()),
            ..platform::this_worker()
        };
        state["worker"] = serde_json::to_value(worker).unwrap();
        fs::write(&path, serde_json::to_vec(&state).unwrap()).unwrap();
        RunStore::open(to).unwrap()
    }

    fn copied(view: Result<RunView<Tally>, StateError>) -> Option<u32> {
        match view.unwrap().check_original() {
            Err(StateError::Copied { pid, .. }) => Some(pid),
            other => {
                other.unwrap();
                None
            }
        }
    }

    #[test]
    fn a_copy_is_told_from_a_run_whose_worker_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = RunStore::<Tally>::open(folder.path().join("live")).unwrap();
        let run = store
            .create(&Planned { total: 1 }, Label { label: "x".into() }, now())
            .unwrap();
        let (id, dir) = (run.id().clone(), run.dir().to_owned());
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();

        let backup = copy(&dir, &folder.path().join("backup"), child.id());
        let later = copy(&dir, &folder.path().join("later"), child.id());
        assert_eq!(copied(store.read(&id, now())), None, "the original");
        assert_eq!(copied(backup.read_without_settling(&id, now())), Some(child.id()));
        assert_eq!(copied(backup.read(&id, now())), Some(child.id()));
        assert!(backup.read(&id, now()).unwrap().summary().state.status.is_over());
        assert_eq!(copied(backup.read(&id, now())), Some(child.id()), "settled");

        run.finish(Ending::Completed, now()).unwrap();
        let whole = copy(&dir, &folder.path().join("whole"), child.id());
        assert_eq!(copied(whole.read(&id, now())), None, "the worker is done with it");

        child.kill().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        // As long as nobody has reaped it, the process is there and dead.
        while copied(later.read(&id, now())).is_some() && Instant::now() < deadline {
            thread::yield_now();
        }
        assert_eq!(copied(later.read(&id, now())), None, "a dead worker");
        child.wait().unwrap();
        assert_eq!(copied(backup.read(&id, now())), None);
    }
}
