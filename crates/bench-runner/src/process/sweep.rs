//! Finds processes by the marker in their environment, and ends them.
//!
//! A descendant that made itself a session of its own has left the process group, and with it the
//! reach of group signals; its environment still carries the marker. Only Linux shows environments
//! (`/proc`); elsewhere nothing is found here, and only the group is ended.
//!
//! What is found is stopped first, so that it neither forks nor answers the death of a sibling with a new one, and
//! killed when several looks in a row found nothing more. The newest processes are looked at first: of a program that
//! is another process every few milliseconds, only they are still there.
//!
//! Children of a worker that lives are its own, whatever a folder says of its run (`worker`).

use std::collections::BTreeMap;

use super::Marker;
use super::worker::LivingWorker;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// How many processes were ended.
    pub(super) processes: u32,
    /// Whether new ones kept coming until it gave up.
    pub(super) more: bool,
}

/// Ends every process that carries the marker.
///
/// Blocking: reads one small file per process of this user, a few milliseconds in all.
#[cfg(target_os = "linux")]
pub(super) fn end_marked(marker: &Marker) -> Ended {
    end_with(&marker.variables())
}

/// Ends every process that this worker has started for the run.
#[cfg(target_os = "linux")]
pub(super) fn end_of_run(run_id: &str) -> Ended {
    end_with(&[(super::RUN, run_id), (super::WORKER, super::worker::own())])
}

#[cfg(target_os = "linux")]
fn end_with(variables: &[(&str, &str)]) -> Ended {
    let variables: Vec<Vec<u8>> = variables
        .iter()
        .map(|(name, value)| format!("{name}={value}").into_bytes())
        .collect();
    linux::end(|environ| {
        let carries = |want: &Vec<u8>| environ.split(|&b| b == 0).any(|variable| variable == want);
        variables.iter().all(carries)
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn end_marked(_: &Marker) -> Ended {
    Ended::default()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn end_of_run(_: &str) -> Ended {
    Ended::default()
}

/// Ends the processes that dead workers could not end themselves: those of which `orphaned` says yes. It is told the
/// run (the value of `BENCH_RUN_ID`) and, if it lives, the worker that started the process. Returns how many were ended of
/// which run.
///
/// Results can be copied, and a copy may say that a run is over which is worked on elsewhere. So say yes to a process
/// with a living worker only if that one is known to have ended the run itself.
///
/// A process is looked at before `orphaned` is asked, and its identity is checked again before it is signalled. So nothing is hit that a resume has started since.
/// Linux only; elsewhere nothing is found. Blocking, as cheap as reading one small file per process of this user.
pub fn sweep_runs(mut orphaned: impl FnMut(&str, Option<LivingWorker>) -> bool) -> BTreeMap<String, usize> {
    let mut ended = BTreeMap::new();
    #[cfg(target_os = "linux")]
    linux::end(|environ| {
        let Some(found) = linux::run_of(environ) else {
            return false;
        };
        let over = orphaned(&found.run, found.worker);
        if over {
            *ended.entry(found.run).or_default() += 1;
        }
        over
    });
    #[cfg(not(target_os = "linux"))]
    let _ = (&mut orphaned, &mut ended);
    ended
}

/// A process that was started for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessOfRun {
    /// The run, by the value of `BENCH_RUN_ID`.
    pub run: String,
    /// The worker that started it, if that one lives.
    pub worker: Option<LivingWorker>,
}

/// Finds the processes that [`sweep_runs`] would ask about, and ends none. Linux only; elsewhere nothing is found.
pub fn processes_of_runs() -> Vec<ProcessOfRun> {
    #[cfg(target_os = "linux")]
    {
        let mut runs = Vec::new();
        linux::look(&mut std::collections::HashSet::new(), |environ| {
            runs.extend(linux::run_of(environ));
            false
        });
        runs
    }
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashSet;
    use std::time::Duration;
    use std::{fs, thread};

    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    use super::super::worker::{self, stat};
    use super::super::{RUN, WORKER};
    use super::{Ended, ProcessOfRun};

    /// Looks at a process without an environment, and the time between them.
    const TRIES: u32 = 4;
    const BETWEEN_TRIES: Duration = Duration::from_millis(2);

    /// Looks in a row that must find nothing: if nothing was ever found, and after something was.
    const QUIET_LOOKS: (u32, u32) = (3, 8);

    /// Looks in all. Only the first one is at all processes, so this takes a fraction of a second.
    const MOST_LOOKS: u32 = 500;

    /// A process that was wanted when it was looked at.
    pub(super) struct Found {
        pid: u32,
        started: u64,
    }

    /// Those that were stopped. None of them stays so.
    #[derive(Default)]
    struct Stopped(Vec<Found>);

    impl Stopped {
        fn ended(self, more: bool) -> Ended {
            let processes = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
            Ended { processes, more }
        }
    }

    impl Drop for Stopped {
        fn drop(&mut self) {
            for found in &self.0 {
                found.signal(Signal::KILL);
            }
        }
    }

    /// Stops everything that is wanted until nothing new appears, and kills it.
    pub(super) fn end(mut wanted: impl FnMut(&[u8]) -> bool) -> Ended {
        let (mut stopped, mut known) = (Stopped::default(), HashSet::new());
        let mut quiet = 0;
        for _ in 0..MOST_LOOKS {
            let before = stopped.0.len();
            stopped.0.extend(look(&mut known, &mut wanted));
            quiet = if stopped.0.len() == before { quiet + 1 } else { 0 };
            let (never, after) = QUIET_LOOKS;
            if quiet >= if stopped.0.is_empty() { never } else { after } {
                return stopped.ended(false);
            }
        }
        stopped.ended(true)
    }

    /// Stops what is wanted among the processes that are not known yet, the newest first, and returns it.
    pub(super) fn look(known: &mut HashSet<u32>, mut wanted: impl FnMut(&[u8]) -> bool) -> Vec<Found> {
        let own = std::process::id();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut new: Vec<u32> = numbers
            .filter(|pid| *pid != own && !known.contains(pid))
            .collect();
        new.sort_unstable_by(|a, b| b.cmp(a));
        let mut found = Vec::new();
        for pid in new {
            // What can be looked at is known from now on, what begins to be something else is looked at again.
            let Some(environ) = environment_of(pid) else {
                continue;
            };
            known.insert(pid);
            let Some(stat) = stat::of(pid).filter(|stat| !stat.exiting) else {
                continue;
            };
            let one = Found {
                pid,
                started: stat.started,
            };
            if run_of(&environ).is_some() && wanted(&environ) && one.signal(Signal::STOP) {
                found.push(one);
            }
        }
        found
    }

    /// What a process says of itself.
    pub(super) fn run_of(environ: &[u8]) -> Option<ProcessOfRun> {
        let value = |name: &str| {
            let mut variables = environ.split(|&b| b == 0);
            let value = variables.find_map(|v| v.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
            value.and_then(|value| std::str::from_utf8(value).ok())
        };
        Some(ProcessOfRun {
            run: value(RUN)?.to_owned(),
            worker: value(WORKER).and_then(worker::living),
        })
    }

    /// The environment of a process; none if it is not ours to see. While a process begins another program it seems to
    /// have none for a moment, in which it must not slip through.
    fn environment_of(pid: u32) -> Option<Vec<u8>> {
        for _ in 0..TRIES {
            match fs::read(format!("/proc/{pid}/environ")) {
                Ok(environ) if !environ.is_empty() => return Some(environ),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Some(Vec::new()),
                Err(_) => return None,
            }
            match stat::of(pid) {
                Some(stat) if stat.kernel || stat.exiting => break,
                Some(_) => thread::sleep(BETWEEN_TRIES),
                None => return None,
            }
        }
        Some(Vec::new())
    }

    impl Found {
        /// Signals it, if it is still the same process. True if it was there to be signalled.
        fn signal(&self, signal: Signal) -> bool {
            let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
                return false;
            };
            // The descriptor is tied to one process. If that one started when ours did, it is ours.
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
                return false;
            };
            let same = |stat: stat::Stat| stat.started == self.started && !stat.exiting;
            stat::of(self.pid).is_some_and(same) && pidfd_send_signal(process, signal).is_ok()
        }
    }
}
