//! Where crash tests strike: before every step that changes the disk.
//!
//! A child process of a test is told to die at one step, as by `kill -9`, or to write its steps down in a trace, from
//! which [`power_loss`](crate::process_tests) works out what a power cut may leave. Both are of one thread.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Step;

thread_local! {
    static PASSED: Cell<u64> = const { Cell::new(0) };
    static FATAL: Cell<u64> = const { Cell::new(u64::MAX) };
    static TRACE: RefCell<Option<File>> = const { RefCell::new(None) };
}

/// A step as it is read from a trace.
#[derive(Debug, Clone, Deserialize)]
pub(crate) enum Traced {
    CreateFolder(PathBuf),
    CreateFile(PathBuf),
    Append(PathBuf, Vec<u8>),
    Fill(serde::de::IgnoredAny),
    Truncate(PathBuf, u64),
    SyncFile(PathBuf),
    Rename(PathBuf, PathBuf),
    RemoveFile(PathBuf),
    RemoveFolder(PathBuf),
    SyncFolder(PathBuf),
    /// Not a step: something was told to the user as done.
    Promised(String),
}

/// Counts, and at the armed step kills this process as the kernel would: nothing runs after it.
pub(crate) fn before(step: &Step<'_>) {
    if PASSED.replace(PASSED.get() + 1) == FATAL.get() {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::thread::park();
    }
    note(step);
}

/// From now on, the step number `index` (from 0) is fatal.
pub(crate) fn arm(index: u64) {
    PASSED.set(0);
    FATAL.set(index);
}

/// Steps passed since the thread started or was armed.
pub(crate) fn passed() -> u64 {
    PASSED.get()
}

/// From now on, every step is written to the end of a file as well.
pub(crate) fn trace_to(path: &Path) {
    let file = File::options().append(true).create(true).open(path);
    TRACE.set(Some(file.unwrap()));
}

/// Notes that something was told to the user.
pub(crate) fn promised(what: &str) {
    #[derive(Serialize)]
    enum Noted<'a> {
        Promised(&'a str),
    }
    note(&Noted::Promised(what));
}

/// One line, in one write: several processes may share a trace.
fn note(what: &impl Serialize) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(file) = trace {
            let mut line = serde_json::to_vec(what).unwrap();
            line.push(b'\n');
            file.write_all(&line).unwrap();
        }
    });
}

/// Reads a trace.
pub(crate) fn read_trace(path: &Path) -> Vec<Traced> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
