//! Signals in the middle of a run: it ends as cancelled, keeps what is finished, and leaves nothing.

use std::process::{Command, Stdio};

use bench_tests::bed::{PATIENCE, Shot, Started, TestBed};
use rustix::process::Signal;

use crate::harness::{half_done, stubborn};

/// Waits until the quick trial is on disk.
fn started(bed: &TestBed) -> Started {
    let started = bed.start("run harness.json --model openai:m --json");
    await_half(&started);
    started
}

fn await_half(started: &Started) {
    started.stdout_line(PATIENCE, |line| {
        line.contains("\"trial_finished\"") && line.contains("\"quick\"")
    });
}

fn assert_cancelled(bed: &TestBed, shot: &Shot) {
    assert_eq!(shot.code, Some(130), "{shot}");
    let run = bed.the_run();
    let state = run.state();
    assert_eq!(state["status"], "cancelled", "{state}");
    assert!(state["completed_at"].is_string(), "{state}");
    assert_eq!(
        run.outcomes()["quick~openai-m~1"],
        "passed",
        "finished trials are kept"
    );
    assert_eq!(run.left_behind(), [""; 0], "left behind");
    let list = bed.bench("list --json");
    assert!(list.stdout.contains("cancelled"), "{list}");
}

#[test]
fn every_polite_signal_cancels_the_run() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (_stub, bed) = half_done();
        let started = started(&bed);
        started.signal(signal);
        let shot = started.finish(PATIENCE);
        assert_cancelled(&bed, &shot);
    }
}

/// A shell that ignores signals for whatever it becomes: what `nohup` does, and `&` in a script.
const IGNORING: [&str; 3] = ["sh", "-c", r#"trap "" HUP INT; exec "$0" "$@""#];

#[test]
fn the_test_before_ends_also_where_signals_are_ignored() {
    let mut tests = Command::new(IGNORING[0])
        .args(&IGNORING[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "interrupted::every_polite_signal_cancels_the_run"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(tests.wait().unwrap().success(), "each wait inside has a deadline");
}

#[test]
fn signals_that_are_ignored_on_purpose_stay_ignored() {
    let (_stub, bed) = half_done();
    let arguments = "run harness.json --model openai:m --json";
    let started = bed.start_through(&IGNORING.map(str::to_owned), arguments, Stdio::null());
    await_half(&started);
    started.signal(Signal::HUP);
    started.signal(Signal::INT);
    started.signal(Signal::TERM);
    let shot = started.finish(PATIENCE);
    assert_cancelled(&bed, &shot);
    assert!(shot.stderr.contains("SIGTERM: waiting"), "{shot}");
}

#[test]
fn a_second_signal_does_not_lose_the_ending() {
    let (_stub, bed) = half_done();
    let started = started(&bed);
    started.signal(Signal::INT);
    started.signal(Signal::INT);
    let shot = started.finish(PATIENCE);
    assert_cancelled(&bed, &shot);
}

#[test]
fn kill_nine_is_seen_by_the_next_reader() {
    let (_stub, bed) = half_done();
    let started = started(&bed);
    started.signal(Signal::KILL);
    let shot = started.finish(PATIENCE);
    assert_eq!(shot.code, None, "{shot}");
    let show = bed.bench("list --json");
    assert_eq!(show.code, Some(0), "{show}");
    let run = bed.the_run();
    let state = run.state();
    assert_eq!(state["status"], "failed", "{state}");
    assert!(
        state["completed_at"].is_string() && state["cause"].is_string(),
        "{state}"
    );
    assert_eq!(
        run.outcomes()["quick~openai-m~1"],
        "passed",
        "finished trials are kept"
    );
    assert_eq!(state["progress"]["passed"], 1, "{state}");
}

#[test]
fn a_tool_that_hangs_does_not_hold_up_the_end() {
    let (stub, bed) = stubborn();
    let started = bed.start("run harness.json --model openai:m --gym-config gyms.json --json");
    started.stdout_line(PATIENCE, |line| line.contains("\"trial_started\""));
    // The server is asked to hang once the model has answered.
    stub.await_calls(1, PATIENCE);
    started.signal(Signal::INT);
    let shot = started.finish(PATIENCE);
    assert_eq!(shot.code, Some(130), "{shot}");
    let run = bed.the_run();
    assert_eq!(run.status(), "cancelled");
    assert_eq!(run.left_behind(), [""; 0], "left behind");
}
