//! Somebody keeps the state lock of a run: it goes on, is listed, and can be ended all the same.

use std::fs::{self, File};

use crate::background::{bed, json, launch, lives, until};

#[test]
fn a_run_whose_state_lock_is_kept_goes_on_and_can_be_killed() {
    let bed = bed();
    let (run, pid) = launch(&bed, "--model script:play.json");
    let dir = bed.path().join("results/runs").join(&run);
    let lock = dir.join("state.lock");
    let holder = File::options().write(true).open(&lock).unwrap();
    holder.lock().unwrap();
    let late = || {
        let log = fs::read_to_string(dir.join("worker.log")).unwrap();
        log.matches("state.json is behind").count()
    };
    until("a snapshot is given up", || late() > 0);
    assert!(lives(pid));
    assert_eq!(json(&bed, "show latest")["status"], "running");

    let output = bed.output("kill latest --grace 1s");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(
        out.contains("cancelled"),
        "the worker noted why before it was killed: {out}"
    );
    assert!(err.contains("could not be written down"), "{err}");
    let named = fs::canonicalize(&lock).unwrap().display().to_string();
    assert!(err.contains(&named) || err.contains("state.lock"), "{err}");
    until("the worker is gone", || !lives(pid));
    assert_eq!(late(), 1, "said once");

    // Nobody could store it yet, and everybody is told the same.
    let row = |args: &str| json(&bed, args)["runs"][0]["status"].clone();
    assert_eq!(row("list"), "cancelled");
    let stored = || fs::read_to_string(dir.join("state.json")).unwrap();
    assert!(stored().contains("\"running\""));
    holder.unlock().unwrap();
    assert_eq!(row("list"), "cancelled");
    assert!(stored().contains("\"cancelled\""));
    assert_eq!(json(&bed, "kill latest")["runs"][0]["how"], "already_over");
}
