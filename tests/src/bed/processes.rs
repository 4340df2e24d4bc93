//! Which processes a run left behind, found as an outsider would: in `/proc`.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Ids and command lines of all processes whose environment holds this text, such as `BENCH_RUN_ID=…`.
pub fn processes_with(text: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(text) {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            found.push(format!("{} {command}", entry.file_name().to_string_lossy()));
        }
    }
    found
}

/// Processes of a run.
pub fn processes_of(run_id: &str) -> Vec<String> {
    processes_with(&format!("BENCH_RUN_ID={run_id}"))
}

/// Waits until a run has no processes any more: what was killed a moment ago may still be going. Returns those
/// that stay, after half a minute.
pub fn await_none(run_id: &str) -> Vec<String> {
    /// However busy the machine is: what lives on after this was not killed.
    const GOING: Duration = Duration::from_secs(30);
    let deadline = Instant::now() + GOING;
    loop {
        let left = processes_of(run_id);
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether the very process lives that is named as a worker in `state.json` or a list: the same number and the same start.
pub fn worker_lives(worker: &Value) -> bool {
    let Some(process) = worker["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()) else {
        return false;
    };
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let started = fields.split_ascii_whitespace().nth(19);
    let started = started.and_then(|ticks| ticks.parse::<u64>().ok());
    started == worker["start_ticks"].as_u64() && is_alive(process)
}

/// Whether a process still does anything or holds anything. A zombie does not, once all its threads have ended.
pub fn is_alive(process: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return false;
    };
    let threads = fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count);
    !matches!(fields.split_ascii_whitespace().next(), Some("Z" | "X")) || threads > 1
}
