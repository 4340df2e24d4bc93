//! The life of runs in the background. Here: how one is started, and what of it can be seen from outside.
//!
//! | module | subject |
//! |---|---|
//! | `detached` | the worker, free of the terminal |
//! | `watched` | what is shown of it meanwhile |
//! | `killed` | its end, wanted or not |
//! | `continued` | `resume` and `retry` |
//! | `copied` | copies of its folder |
//! | `cleared` | `cleanup` and `prune` |
//! | `locked` | its state lock is kept by somebody else |

mod cleared;
mod continued;
mod copied;
mod detached;
mod killed;
mod locked;
mod watched;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Bed;

const HARNESS: &str = r#"{"scenarios": [
  {"scenario_id": "quick", "prompts": [{"prompt_text": "Say hello.",
    "verifier": {"verifier_type": "response_check", "validation_config": {"contains": "hello"}}}]},
  {"scenario_id": "stuck", "prompts": [{"prompt_text": "Say hello.",
    "verifier": {"verifier_type": "response_check", "validation_config": {"contains": "hello"}}}]}
]}"#;
/// The second scenario gets no answer, so the run goes on until somebody ends it.
const PLAY: &str = r#"{"scenarios": {"quick": [{"answer": "hello"}], "stuck": [{"never_answer": true}]}}"#;
/// Nothing here takes longer on a busy machine.
const LONG: Duration = Duration::from_secs(60);

fn bed() -> Bed {
    Bed::new().with("h.json", HARNESS).with("play.json", PLAY)
}

/// What a command printed as JSON.
fn json(bed: &Bed, args: &str) -> Value {
    let output = bed.output(&format!("{args} --json"));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args}: {err}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Starts a run in the background, and waits until its quick trial is over.
fn launch(bed: &Bed, args: &str) -> (String, u32) {
    let run = begin(bed, args);
    until("the quick trial is over", || {
        json(bed, "show latest")["progress"]["trials_done"] == 1
    });
    run
}

/// Starts a run in the background: its id, and its worker's.
fn begin(bed: &Bed, args: &str) -> (String, u32) {
    launched(&json(bed, &format!("run h.json --background {args}")))
}

/// What a command says that started a worker: the id of the run, and the worker's.
fn launched(said: &Value) -> (String, u32) {
    assert_eq!(said["event"], "run_launched");
    let pid = u32::try_from(said["pid"].as_u64().unwrap()).unwrap();
    (said["run_id"].as_str().unwrap().to_owned(), pid)
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < LONG, "not within {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Processes whose environment holds this text.
fn processes_with(text: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let holds = |path: PathBuf| {
        let environ = fs::read(path.join("environ")).unwrap_or_default();
        let holds = environ.windows(text.len()).any(|part| part == text.as_bytes());
        holds.then(|| fs::read_to_string(path.join("cmdline")).unwrap_or_default())
    };
    entries.filter_map(|entry| holds(entry.path())).collect()
}

/// Whether a process is alive, and no zombie. One whose first thread is a zombie lives, and holds its locks, as long as
/// another thread of it does.
fn lives(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    if threads > 1 {
        return true;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.starts_with(" Z"))
}
