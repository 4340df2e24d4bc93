//! Finds processes by the marker in their environment, and ends them.
//!
//! A descendant that made itself a session of its own has left the process group, and with it the
//! reach of group signals; its environment still carries the marker. Only Linux shows environments
//! (`/proc`); elsewhere nothing is found here, and only the group is ended.

use super::Marker;

/// Rounds of looking: a process may fork between a look and its death.
#[cfg(target_os = "linux")]
const ROUNDS: u32 = 3;

/// Kills every process that carries the marker. Returns how many different ones there were.
///
/// Blocking: reads one small file per process of this user, a few milliseconds in all.
#[cfg(target_os = "linux")]
pub(super) fn end_marked(marker: &Marker) -> u32 {
    let wanted = marker
        .variables()
        .map(|(name, value)| format!("{name}={value}").into_bytes());
    end_in_rounds(|environ| {
        let carries = |want: &Vec<u8>| environ.split(|&b| b == 0).any(|variable| variable == want);
        wanted.iter().all(carries)
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn end_marked(_: &Marker) -> u32 {
    0
}

/// Kills every process that was started for a run of which `over` says that it is over, and returns how many there
/// were. For workers that died and could not end their children themselves.
///
/// A process is looked at before `over` is asked about its run (by the value of `BENCH_RUN_ID`), and its identity is checked again before it is killed. So nothing is hit that a resume has started since.
/// Linux only; elsewhere nothing is found. Blocking, as cheap as reading one small file per process of this user.
pub fn sweep_runs(mut over: impl FnMut(&str) -> bool) -> u32 {
    #[cfg(target_os = "linux")]
    return end_in_rounds(|environ| linux::run_of(environ).is_some_and(&mut over));
    #[cfg(not(target_os = "linux"))]
    {
        let _ = &mut over;
        0
    }
}

/// Finds the processes that [`sweep_runs`] would end, and ends none. Of each process its run, by the value of
/// `BENCH_RUN_ID`, is told. Linux only; elsewhere nothing is found.
pub fn processes_of_runs() -> Vec<String> {
    #[cfg(target_os = "linux")]
    {
        let mut runs = Vec::new();
        let note = |environ: &[u8]| {
            runs.extend(linux::run_of(environ).map(str::to_owned));
            false
        };
        linux::marked(note).for_each(drop);
        runs
    }
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}

#[cfg(target_os = "linux")]
fn end_in_rounds(mut wanted: impl FnMut(&[u8]) -> bool) -> u32 {
    let mut ended = std::collections::BTreeSet::new();
    for _ in 0..ROUNDS {
        let before = ended.len();
        ended.extend(linux::marked(&mut wanted).filter(linux::Found::kill));
        if ended.len() == before {
            break;
        }
    }
    u32::try_from(ended.len()).unwrap_or(u32::MAX)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;
    use std::{fs, thread};

    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    /// Looks at a process without an environment, and the time between them.
    const LOOKS: u32 = 4;
    const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

    /// A process that carried the marker when it was looked at.
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    pub(super) struct Found {
        pid: i32,
        /// Field 22 of `/proc/<pid>/stat`: with the number it names one process, not its successor.
        started: String,
    }

    /// The run that a process belongs to, according to its environment.
    pub(super) fn run_of(environ: &[u8]) -> Option<&str> {
        let value = environ
            .split(|&b| b == 0)
            .find_map(|variable| variable.strip_prefix(b"BENCH_RUN_ID="))?;
        std::str::from_utf8(value).ok()
    }

    /// All processes whose environment is wanted, ourselves excluded.
    pub(super) fn marked(mut wanted: impl FnMut(&[u8]) -> bool) -> impl Iterator<Item = Found> {
        let own = std::process::id();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        numbers
            .filter(move |&number| number != own)
            .filter_map(move |number| {
                let pid = i32::try_from(number).ok()?;
                let environ = environment_of(pid)?;
                run_of(&environ)?;
                let started = start_time(pid)?;
                wanted(&environ).then_some(Found { pid, started })
            })
    }

    /// The environment of a process. While a process begins another program it seems to have none for a moment, in
    /// which it must not slip through.
    fn environment_of(pid: i32) -> Option<Vec<u8>> {
        for _ in 0..LOOKS {
            let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
            if !environ.is_empty() {
                return Some(environ);
            }
            if !is_program(pid) {
                return None;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        None
    }

    /// Whether it is alive and no thread of the kernel, which never has an environment.
    fn is_program(pid: i32) -> bool {
        const KERNEL_THREAD: u32 = 0x0020_0000;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat
            .rsplit_once(')')
            .map(|(_, fields)| fields.split_ascii_whitespace());
        let Some(mut fields) = fields else { return false };
        let alive = !matches!(fields.next(), Some("Z" | "X") | None);
        let flags = fields.nth(5).and_then(|flags| flags.parse::<u32>().ok());
        alive && flags.is_some_and(|flags| flags & KERNEL_THREAD == 0)
    }

    impl Found {
        /// Kills it, if it is still the same process. True if it was there to be killed.
        pub(super) fn kill(&self) -> bool {
            let Some(pid) = Pid::from_raw(self.pid) else {
                return false;
            };
            // The descriptor is tied to one process. If that one started when ours did, it is ours.
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
                return false;
            };
            start_time(self.pid).is_some_and(|started| started == self.started)
                && pidfd_send_signal(process, Signal::KILL).is_ok()
        }
    }

    /// When a process started, in clock ticks since boot. None for one that is gone or a zombie.
    fn start_time(pid: i32) -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, also spaces and parentheses.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        if state == "Z" || state == "X" {
            None
        } else {
            fields.nth(18).map(str::to_owned)
        }
    }
}
