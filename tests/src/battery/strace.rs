//! `strace` as a saboteur: it kills a process just before a chosen system call, or lets that call fail.
//!
//! `strace` counts calls per thread and per kind, so a point in a program's life is a kind and a number, in one
//! thread: the first, where `strace` starts the program, or one that it is attached to. A dry trace lists the points.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::bed::PATIENCE;

/// Calls that change what is on a disk.
pub const WRITING: [&str; 12] = [
    "openat",
    "mkdir",
    "write",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "rmdir",
    "ftruncate",
    "utimensat",
];

/// Calls that only look, or let go.
pub const READING: [&str; 6] = ["read", "close", "statx", "lseek", "flock", "getdents64"];

/// The `n`-th call of its kind in a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Name of the system call.
    pub call: String,
    /// Counted from 1.
    pub nth: usize,
}

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// The process is killed before the call takes effect.
    Kill,
    /// The call does nothing and fails with this error.
    Error(&'static str),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call, self.nth)
    }
}

/// A command that notes every call of the first thread of what it starts.
pub fn noting(log: &Path) -> Vec<String> {
    let calls = [WRITING.join(","), READING.join(",")].join(",");
    wrapper(log, &[format!("trace={calls}")])
}

/// A command that strikes at a point of the first thread of what it starts.
pub fn striking(point: &Point, blow: Blow, log: &Path) -> Vec<String> {
    wrapper(log, &expressions(point, blow))
}

fn wrapper(log: &Path, expressions: &[String]) -> Vec<String> {
    // -y: paths of descriptors. -qq: nothing on the program's stderr.
    let mut words: Vec<String> = ["strace", "-qq", "-y", "-o"].map(str::to_owned).into();
    words.push(log.display().to_string());
    for expression in expressions {
        words.extend(["-e".to_owned(), expression.clone()]);
    }
    words.push("--".to_owned());
    words
}

fn expressions(point: &Point, blow: Blow) -> [String; 2] {
    let how = match blow {
        Blow::Kill => "signal=SIGKILL".to_owned(),
        Blow::Error(name) => format!("error={name}"),
    };
    [
        format!("trace={}", point.call),
        format!("inject={}:{how}:when={}", point.call, point.nth),
    ]
}

/// `strace` attached to one thread of a process. It ends with that thread.
#[derive(Debug)]
pub struct Attached {
    strace: Child,
}

impl Attached {
    /// Attaches; returns when it has taken hold.
    pub fn noting(process: i32, thread: i32, log: &Path) -> Self {
        let calls = [WRITING.join(","), READING.join(",")].join(",");
        Self::attach(process, thread, &[format!("trace={calls}")], log)
    }

    /// The same, to strike at a point that is counted from now on.
    pub fn striking(process: i32, thread: i32, point: &Point, blow: Blow, log: &Path) -> Self {
        Self::attach(process, thread, &expressions(point, blow), log)
    }

    fn attach(process: i32, thread: i32, expressions: &[String], log: &Path) -> Self {
        let mut command = Command::new("strace");
        command
            .args(["-qq", "-y", "-p", &thread.to_string(), "-o"])
            .arg(log);
        for expression in expressions {
            command.args(["-e", expression]);
        }
        let strace = command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace starts");
        let status = format!("/proc/{process}/task/{thread}/status");
        let deadline = Instant::now() + PATIENCE;
        let is_traced = || {
            let text = fs::read_to_string(&status).unwrap_or_default();
            text.lines()
                .find_map(|line| line.strip_prefix("TracerPid:"))
                .is_some_and(|tracer| tracer.trim() != "0")
        };
        while !is_traced() {
            assert!(Instant::now() < deadline, "strace does not attach to {status}");
            thread::yield_now();
        }
        Self { strace }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.strace.kill().ok(); // gone already, as a rule
        self.strace.wait().ok();
    }
}

/// The thread of a process with this name; waits for it to appear.
pub fn thread_named(process: i32, name: &str) -> i32 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("threads of a process");
        for task in tasks.flatten() {
            let comm = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if comm.trim() == name {
                return task.file_name().to_string_lossy().parse().expect("a thread id");
            }
        }
        assert!(
            Instant::now() < deadline,
            "process {process} has no thread `{name}`"
        );
        thread::yield_now();
    }
}

/// Every call in a note, in order, with what it was given.
pub fn points(log: &Path) -> Vec<(Point, String)> {
    let text = fs::read_to_string(log).expect("what strace noted");
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    let call = |line: &str| {
        let (name, rest) = line.split_once('(')?;
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_')
            .then(|| (name.to_owned(), rest.to_owned()))
    };
    text.lines()
        .filter_map(call)
        .map(|(call, rest)| {
            let nth = seen.entry(call.clone()).or_default();
            *nth += 1;
            (Point { call, nth: *nth }, rest)
        })
        .collect()
}

/// The path that a call was about which was made to fail; none if it was not reached.
pub fn failed_on(log: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let line = text.lines().find(|line| line.contains("(INJECTED)"))?;
    let quoted = || line.split('"').nth(1);
    let (_, arguments) = line.split_once('(')?;
    let path = if arguments.starts_with(|c: char| c.is_ascii_digit()) {
        // `12</the/path>`
        line.split_once('<')?.1.split_once('>')?.0
    } else {
        quoted().unwrap_or_default()
    };
    Some(PathBuf::from(path))
}
