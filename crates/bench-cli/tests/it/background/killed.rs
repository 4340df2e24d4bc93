//! Runs that are killed: by `kill`, in order or not, and by the system. What is left of them is seen and ended.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use super::{bed, begin, json, launch, lives, processes_with, signal, until};
use crate::Bed;

/// A server whose child hides: in a session of its own, and deaf to the end of its input.
const HIDING: &str =
    r#"{"gyms": {"local": {"command": "sh", "args": ["-c", "setsid sleep 600 & exec cat > /dev/null"]}}}"#;

/// Begins a run: its id, its worker's, and what the environment of its server and of that one's child holds.
fn begin_with_servers(bed: &Bed) -> (String, u32, String) {
    let (run, pid) = begin(bed, "--model script:play.json");
    let marker = format!("BENCH_RUN_ID={run}");
    until("a server and its child are there", || {
        processes_with(&marker).len() >= 2
    });
    (run, pid, marker)
}

#[test]
fn a_run_in_the_background_is_listed_and_ends_when_it_is_killed() {
    let bed = bed();
    let (run, pid) = launch(&bed, "--model script:play.json");
    let list = json(&bed, "list");
    assert_eq!(list["runs"][0]["status"], "running");
    assert_eq!(list["runs"][0]["worker"]["pid"], pid);
    let killed = json(&bed, &format!("kill {run} --grace 1m"));
    assert_eq!(killed["runs"][0]["how"], "in_order", "{killed}");
    let shown = json(&bed, "show latest");
    assert_eq!(
        (&shown["status"], &shown["cause"]),
        (&"cancelled".into(), &"requested".into())
    );
    assert_eq!(shown["progress"]["passed"], 1, "what is finished is kept");
    let cut = "the run is cancelled: 1 of 2 trials have no verdict";
    let junit = bed.bench("report latest --format junit -o -");
    assert!(junit.contains(&format!("<error message=\"{cut}\"")), "{junit}");
    // Rows have no place for it.
    let rows = bed.bench("report latest --format csv -o -");
    assert!(rows.contains(&format!("warning: {cut}")), "{rows}");
    until("nothing is left", || {
        !lives(pid) && processes_with(&run).is_empty()
    });
    assert_eq!(json(&bed, "kill latest")["runs"][0]["how"], "already_over");
    let log = fs::read_to_string(bed.path().join("results/runs").join(&run).join("worker.log")).unwrap();
    assert!(
        log.contains("[1/2] ✓ passed") && log.contains("asked to end") || log.contains("SIGTERM"),
        "{log}"
    );
}

#[test]
fn two_kills_at_the_same_time_are_one_request_and_keep_the_grace() {
    let bed = bed();
    let (run, _) = launch(&bed, "--model script:play.json");
    let kill = || {
        let mut command = bed.command(&format!("kill {run} --grace 1m"));
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    for mut kill in [kill(), kill()] {
        assert!(kill.wait().unwrap().success());
    }
    let dir = bed.path().join("results/runs").join(&run);
    let log = fs::read_to_string(dir.join("worker.log")).unwrap();
    let impatient = log.contains("stopping at once") || log.contains("leaving without waiting");
    assert!(!impatient, "{log}");
    let journal = fs::read_to_string(dir.join("events.jsonl")).unwrap();
    let ends = journal
        .lines()
        .filter(|line| line.contains(r#""event":"trial_finished""#));
    assert_eq!(ends.count(), 2, "the trial under way has its end: {journal}");
}

#[test]
fn a_worker_that_is_killed_is_seen_at_once_and_its_servers_are_ended() {
    let bed = bed().with("gyms.json", HIDING);
    let (run, pid, marker) = begin_with_servers(&bed);
    signal(pid, rustix::process::Signal::KILL);
    until("the kernel has freed the lease", || !lives(pid));
    let output = bed.output("list --json");
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&list["runs"][0]["status"], &list["runs"][0]["cause"]),
        (&"failed".into(), &"worker_lost".into())
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("its worker is gone and left"), "{said}");
    let shown = bed.bench("show latest");
    assert!(
        shown.contains(&format!("log      results/runs/{run}/worker.log")),
        "{shown}"
    );
    until("nothing is left", || processes_with(&marker).is_empty());
}

#[test]
fn a_worker_that_does_not_obey_is_killed_with_everything_it_started() {
    let bed = bed().with("gyms.json", HIDING);
    let (run, pid, marker) = begin_with_servers(&bed);
    signal(pid, rustix::process::Signal::STOP);
    let killed = json(&bed, &format!("kill {run} --grace 1s"));
    let row = &killed["runs"][0];
    assert_eq!(
        (&row["how"], &row["status"]),
        (&"killed".into(), &"cancelled".into())
    );
    assert!(
        row["processes_ended"].as_u64() >= Some(1),
        "the one that hides: {killed}"
    );
    until("nothing is left", || {
        processes_with(&marker).is_empty() && !lives(pid)
    });
}
