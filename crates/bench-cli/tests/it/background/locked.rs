//! Somebody keeps the state lock of a run: it goes on, is listed, and can be ended all the same.

use std::fs::{self, File};
use std::process::Stdio;

use super::{bed, json, launch, lives, until};

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

    let mut kill = bed.command("kill latest --grace 1m");
    kill.stdout(Stdio::piped()).stderr(Stdio::piped());
    let kill = kill.spawn().unwrap();
    // The worker has noted its ending and waits for the lock. Everybody sees it, and nobody can store it.
    let row = || json(&bed, "list")["runs"][0]["status"].clone();
    until("the ending is noted", || row() == "cancelled");
    let stored = || fs::read_to_string(dir.join("state.json")).unwrap();
    assert!(stored().contains("\"running\""));
    assert!(lives(pid));

    holder.unlock().unwrap();
    let output = kill.wait_with_output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("cancelled: it ended in order"), "{out}");
    assert!(
        err.contains("could not be written down") && err.contains("state.lock"),
        "{err}"
    );
    assert!(stored().contains("\"cancelled\""));
    assert_eq!(late(), 1, "said once");
    assert_eq!(row(), "cancelled");
    assert_eq!(json(&bed, "kill latest")["runs"][0]["how"], "already_over");
}
