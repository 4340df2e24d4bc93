//! Whose child a process is: the worker that started it, as its environment says, and whether that one lives.
//!
//! Folders of results can be copied, and a copy tells of a run what was true when it was made. So what a folder says is
//! no reason to end a process: its own worker must be gone as well. Parents do not tell, because a server may leave its
//! parent, and orphans are given to whatever a container has as its first process. So each child bears its worker's
//! number, start and namespace of numbers, which together name one process until the machine stops.
//!
//! Linux only. Elsewhere nobody looks for processes, and a mark means nothing.

use std::sync::OnceLock;

/// The mark of this process, for `BENCH_WORKER`: `<number>.<start in clock ticks since boot>.<namespace>`.
pub(super) fn own() -> &'static str {
    static OWN: OnceLock<String> = OnceLock::new();
    OWN.get_or_init(|| {
        let pid = std::process::id();
        let started = stat::of(pid).map_or(0, |stat| stat.started);
        format!("{pid}.{started}.{}", namespace())
    })
}

/// A worker that lives, or cannot be told from one that does: in its own namespace of numbers these two name one process
/// until the machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct LivingWorker {
    /// Its process id.
    pub pid: u32,
    /// Its start, in clock ticks since boot.
    pub start_ticks: u64,
}

/// The marked worker if it lives. One of another namespace of numbers (a container) cannot be told from
/// here, and is taken for living: who shares its namespace knows better.
#[cfg(target_os = "linux")]
pub(super) fn living(mark: &str) -> Option<LivingWorker> {
    let mut parts = mark.split('.');
    let pid: u32 = parts.next()?.parse().ok()?;
    let start_ticks: u64 = parts.next()?.parse().ok()?;
    let elsewhere = parts.next()? != namespace().to_string();
    let lives = || stat::of(pid).is_some_and(|stat| stat.started == start_ticks && !stat.exiting);
    (elsewhere || lives()).then_some(LivingWorker { pid, start_ticks })
}

/// Within which processes are numbered; 0 where that cannot be told.
fn namespace() -> u64 {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits = link
        .to_str()
        .and_then(|link| link.strip_prefix("pid:[")?.strip_suffix(']'));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What `/proc` says of a process.
pub(super) mod stat {
    /// The part of `/proc/<pid>/stat` that is needed here.
    #[derive(Debug, PartialEq, Eq)]
    pub(in super::super) struct Stat {
        /// In clock ticks since boot: with the number it names one process, not its successor.
        pub(in super::super) started: u64,
        /// A zombie, or on its way to become one.
        pub(in super::super) exiting: bool,
        /// A thread of the kernel, which never has an environment.
        pub(in super::super) kernel: bool,
    }

    /// None for a process that is gone.
    pub(in super::super) fn of(pid: u32) -> Option<Stat> {
        parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(stat: &str) -> Option<Stat> {
        const EXITING: u32 = 0x4;
        const KERNEL_THREAD: u32 = 0x0020_0000;
        // The name in parentheses may hold anything, also spaces and parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let flags: u32 = fields.get(6)?.parse().ok()?;
        Some(Stat {
            started: fields.get(19)?.parse().ok()?,
            exiting: matches!(*fields.first()?, "Z" | "X") || flags & EXITING != 0,
            kernel: flags & KERNEL_THREAD != 0,
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn any_name_is_read_over() {
            let line = |state: &str, flags: u32| {
                format!(
                    "12 (a) b) ({state}) {state} 1 2 3 4 5 {flags} 7 8 9 10 11 12 13 14 15 16 17 18 4242 0"
                )
            };
            let stat = |state, flags| parse(&line(state, flags)).unwrap();
            assert_eq!(
                stat("S", 0),
                Stat {
                    started: 4242,
                    exiting: false,
                    kernel: false
                }
            );
            assert!(stat("Z", 0).exiting && stat("R", 4).exiting && stat("I", 0x0020_0000).kernel);
            assert_eq!(parse("12 (a"), None);
            assert_eq!(parse(""), None);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_worker_lives_as_itself_only() {
        let pid = std::process::id();
        let pid_of = |mark: &str| living(mark).map(|worker| worker.pid);
        assert_eq!(pid_of(own()), Some(pid));
        let parts: Vec<&str> = own().split('.').collect();
        let [_, started, namespace] = parts[..] else {
            panic!("{parts:?}")
        };
        assert_eq!(
            pid_of(&format!("{pid}.1{started}.{namespace}")),
            None,
            "another process of this number"
        );
        assert_eq!(pid_of(&format!("0.{started}.{namespace}")), None);
        assert_eq!(
            pid_of(&format!("0.{started}.1")),
            Some(0),
            "not to be told from here"
        );
        for nonsense in ["", ".", "1", "1.2", "a.b.c", "..", "-1.2.3"] {
            assert_eq!(living(nonsense), None, "{nonsense:?}");
        }
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mark = format!(
            "{}.{}.{namespace}",
            child.id(),
            stat::of(child.id()).unwrap().started
        );
        let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
        while living(&mark).is_some() {
            assert!(std::time::Instant::now() < deadline, "a zombie lives");
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(living(&mark), None);
    }
}
