//! Processes: who one is, how to signal exactly that one, and how a worker leaves its parent behind.
//!
//! Signals go through a file descriptor of the process (Linux), opened before its identity is compared: from then
//! on the number cannot be reused under our hands. Leaving the parent needs no unsafe code: the parent starts the
//! worker in a process group of its own, and the worker makes itself a session as its first deed.

use std::fs::File;
use std::io;
use std::process::Command;

use crate::worker::Worker;

/// What a worker can be told without its help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// As Ctrl-C does: end in order.
    Interrupt,
    /// End in order.
    Terminate,
    /// End at once, whatever is lost.
    Kill,
}

/// Puts the process that will be started where the terminal's Ctrl-C does not reach it.
pub(crate) fn set_apart(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// Makes this process the leader of a new session, which no terminal can end or stop.
///
/// The leader of a group may not do that, and being apart made us one; so we go back into the parent's group for the
/// instant before. If the parent is gone we stay as we are, which survives the end of a terminal as well.
#[cfg(unix)]
pub(crate) fn leave_session() {
    use rustix::process::{getpgid, getpgrp, getpid, getppid, setpgid, setsid};
    let me = getpid();
    if getpgrp() == me
        && let Some(Ok(group)) = getppid().map(|parent| getpgid(Some(parent)))
        && let Err(error) = setpgid(None, Some(group))
    {
        tracing::debug!(%error, "cannot leave the process group");
    }
    if let Err(error) = setsid() {
        tracing::debug!(%error, "no session of its own; the process group has to do");
    }
}

/// Takes what was given as standard input for ourselves, closed in every process started from here, and leaves an
/// empty input in its place.
#[cfg(unix)]
pub(crate) fn take_stdin() -> io::Result<File> {
    const BEHIND_STANDARD_STREAMS: i32 = 3;
    let given = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), BEHIND_STANDARD_STREAMS)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(File::from(given))
}

/// Sends a signal to this very process, if it still lives on this machine; says whether it did.
///
/// # Errors
/// [`Unsupported`](io::ErrorKind::Unsupported) where a process cannot be told from a later one of the same number;
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) for somebody else's.
#[cfg(target_os = "linux")]
pub(crate) fn signal(worker: &Worker, signal: Signal) -> io::Result<bool> {
    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal};
    let pid = i32::try_from(worker.pid).ok().and_then(Pid::from_raw);
    let (Some(pid), Some(started), Some(true)) = (pid, worker.start_ticks, worker.is_of_this_boot()) else {
        return Ok(false);
    };
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if start_ticks_of(&worker.pid.to_string()) != Some(started) {
        return Ok(false);
    }
    let number = match signal {
        Signal::Interrupt => Number::INT,
        Signal::Terminate => Number::TERM,
        Signal::Kill => Number::KILL,
    };
    match pidfd_send_signal(process, number) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// See the Linux form.
#[cfg(not(target_os = "linux"))]
pub(crate) fn signal(_worker: &Worker, _signal: Signal) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether this very process lives on this machine, as far as can be told. One that is on its way out does not.
pub(crate) fn lives(worker: &Worker) -> bool {
    if worker.is_of_this_boot() != Some(true) || worker.start_ticks.is_none() {
        return false;
    }
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.pid)).unwrap_or_default();
    start_ticks_in(&stat) == worker.start_ticks && !is_exiting(&stat)
}

/// Whether this very process is stopped on this machine, as far as can be told: by a signal (state `T`) or a debugger (`t`).
pub(crate) fn is_stopped(worker: &Worker) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.pid)).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, fields)| fields.split_ascii_whitespace().next());
    matches!(state, Some("T" | "t"))
        && worker.start_ticks.is_some()
        && start_ticks_in(&stat) == worker.start_ticks
        && worker.is_of_this_boot() == Some(true)
}

/// Whether a `stat` file is that of a zombie, or of a process that the kernel is taking apart: it sets this mark before
/// it frees any lock of it.
fn is_exiting(stat: &str) -> bool {
    const EXITING: u32 = 0x4;
    const FIELDS_BETWEEN: usize = 5;
    let Some((_, after_name)) = stat.rsplit_once(')') else {
        return true;
    };
    let mut fields = after_name.split_ascii_whitespace();
    let dead = matches!(fields.next(), Some("Z" | "X") | None);
    let flags = fields
        .nth(FIELDS_BETWEEN)
        .and_then(|flags| flags.parse::<u32>().ok());
    dead || flags.is_none_or(|flags| flags & EXITING != 0)
}

/// When a process started (`self` or its number), in clock ticks since boot; Linux only. With the pid it names a
/// process for good.
pub(crate) fn start_ticks_of(process: &str) -> Option<u64> {
    start_ticks_in(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Field 22 of a `stat` file, counted after the last `)`, because the program name before it may hold anything.
fn start_ticks_in(stat: &str) -> Option<u64> {
    const FIELDS_BETWEEN: usize = 19;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name
        .split_ascii_whitespace()
        .nth(FIELDS_BETWEEN)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_ticks_are_found_behind_any_program_name() {
        let fields: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        let stat = format!("1234 (a) b ) 22 (x) {}", fields.join(" "));
        assert_eq!(start_ticks_in(&stat), Some(22));
        assert_eq!(start_ticks_in("1 (x) S 1"), None);
        assert_eq!(start_ticks_in(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_stopped_process_is_told_from_a_later_one_of_its_number() {
        use rustix::process::{Pid, Signal as Number, kill_process};
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let worker = Worker {
            pid: child.id(),
            start_ticks: start_ticks_of(&child.id().to_string()),
            ..crate::platform::this_worker()
        };
        let pid = Pid::from_child(&child);
        assert!(!is_stopped(&worker));
        // A signal is acted on a moment after it was sent.
        let becomes = |wanted| {
            let began = std::time::Instant::now();
            while is_stopped(&worker) != wanted {
                assert!(began.elapsed().as_secs() < 20, "never {wanted}");
                std::thread::yield_now();
            }
        };
        kill_process(pid, Number::STOP).unwrap();
        becomes(true);
        for stranger in [
            Worker {
                start_ticks: worker.start_ticks.map(|ticks| ticks + 1),
                ..worker.clone()
            },
            Worker {
                start_ticks: None,
                ..worker.clone()
            },
            Worker {
                boot_id: None,
                ..worker.clone()
            },
            Worker {
                boot_id: Some("another".to_owned()),
                ..worker.clone()
            },
        ] {
            assert!(!is_stopped(&stranger), "{stranger:?}");
        }
        kill_process(pid, Number::CONT).unwrap();
        becomes(false);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_stopped(&worker), "it is gone");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_very_process_is_signalled() {
        use std::os::unix::process::ExitStatusExt;
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let start_ticks = start_ticks_of(&child.id().to_string());
        let worker = Worker {
            pid: child.id(),
            start_ticks,
            ..crate::platform::this_worker()
        };
        let but = |change: fn(&mut Worker)| {
            let mut other = worker.clone();
            change(&mut other);
            signal(&other, Signal::Kill).unwrap()
        };
        assert!(
            !but(|worker| worker.start_ticks = worker.start_ticks.map(|t| t + 1)),
            "a reused pid"
        );
        assert!(
            !but(|worker| worker.start_ticks = None),
            "an identity that proves nothing"
        );
        assert!(
            !but(|worker| worker.boot_id = Some("another".to_owned())),
            "another machine or boot"
        );
        assert!(!but(|worker| worker.boot_id = None));
        assert!(!but(|worker| worker.pid = u32::MAX));
        assert!(child.try_wait().unwrap().is_none(), "the wrong process was hit");
        assert!(signal(&worker, Signal::Terminate).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        assert!(!signal(&worker, Signal::Kill).unwrap(), "it is gone");
    }
}
