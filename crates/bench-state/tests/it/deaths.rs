//! However a worker ends, the next reader sees the run over, with a cause.

use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bench_state::{Ending, Standing, StateError};
use rustix::process::{Pid, Signal, kill_process};

use crate::job::{Bed, Event, now, packed, told};

const FOLDER: &str = "BENCH_STATE_TEST_FOLDER";
const DEATH: &str = "BENCH_STATE_TEST_DEATH";

#[test]
fn returning_without_a_word_is_a_failure() {
    let bed = Bed::new();
    let run = bed.start();
    run.record(packed(1), now()).unwrap();
    drop(run);
    insta::assert_snapshot!(told(&bed.only()), @"failed 1/3 stopped_without_reporting: the worker stopped without reporting how the run ended");
}

#[test]
fn an_error_on_the_way_out_is_a_failure() {
    fn work(bed: &Bed) -> Result<(), StateError> {
        let run = bed.start();
        let _id: bench_state::ItemId = "../evil".parse()?;
        run.finish(Ending::Completed, now()).map(drop)
    }
    let bed = Bed::new();
    work(&bed).unwrap_err();
    insta::assert_snapshot!(told(&bed.only()), @"failed 0/3 stopped_without_reporting: the worker stopped without reporting how the run ended");
}

#[test]
fn a_panic_in_the_frame_of_the_guard_is_told_as_one() {
    let bed = Bed::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let run = bed.start();
        run.record(packed(1), now()).unwrap();
        panic!("on purpose");
    }));
    assert!(outcome.is_err());
    insta::assert_snapshot!(told(&bed.only()), @"failed 1/3 panicked: the worker panicked");
}

#[test]
fn a_panic_of_a_thread_that_records_is_told_as_one() {
    let bed = Bed::new();
    let (guard, recorder) = bed.start().split();
    let dispatcher = thread::spawn(move || {
        recorder.record(packed(1), now()).unwrap();
        panic!("on purpose");
    });
    assert!(dispatcher.join().is_err());
    assert_eq!(told(&bed.only()), "running 1/3", "the guard still lives");
    drop(guard);
    insta::assert_snapshot!(told(&bed.only()), @"failed 1/3 panicked: a thread of the worker panicked");
}

#[test]
fn after_a_panic_in_a_thread_the_frame_may_still_decide_how_it_ended() {
    let bed = Bed::new();
    let (guard, recorder) = bed.start().split();
    assert!(
        thread::spawn(move || drop((recorder, "x".parse::<u8>().unwrap())))
            .join()
            .is_err()
    );
    guard
        .finish(Ending::failed("the dispatcher panicked"), now())
        .unwrap();
    insta::assert_snapshot!(told(&bed.only()), @"failed 0/3 error: the dispatcher panicked");
}

#[test]
fn a_fold_that_panics_costs_neither_the_ending_nor_the_last_snapshot() {
    let bed = Bed::new();
    let (guard, recorder) = bed.start().split();
    recorder.record(packed(1), now()).unwrap();
    recorder.snapshot(now()).unwrap();
    let cursed = recorder.clone();
    assert!(
        thread::spawn(move || cursed.record(Event::Cursed, now()))
            .join()
            .is_err()
    );
    assert!(matches!(
        recorder.record(packed(2), now()),
        Err(StateError::JournalBroken { .. })
    ));
    drop(guard);
    insta::assert_snapshot!(told(&bed.only()), @"failed 1/3 panicked: a thread of the worker panicked");
}

#[test]
fn a_guard_that_is_forgotten_holds_the_run_until_the_process_ends() {
    let bed = Bed::new();
    Box::leak(Box::new(bed.start()));
    assert_eq!(bed.only().standing, Standing::Alive);
    // What the end of the process does to the lease is seen in the tests below.
}

/// The worker of the tests below: creates a run, records two events, says so, and dies as ordered.
#[test]
#[ignore = "the child of other tests"]
#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "leaving by exit is one of the deaths"
)]
fn child_dies() {
    let store = bench_state::RunStore::<crate::job::Packing>::open(std::env::var(FOLDER).unwrap()).unwrap();
    let summary = crate::job::Summary {
        label: "x".to_owned(),
    };
    let run = store
        .create(&crate::job::Plan { boxes: 3 }, summary, now())
        .unwrap();
    run.record(packed(1), now()).unwrap();
    run.snapshot(now()).unwrap();
    run.record(packed(2), now()).unwrap();
    let death = std::env::var(DEATH).unwrap();
    let grandchild =
        (death == "kill with a child").then(|| Command::new("sleep").arg("600").spawn().unwrap());
    println!("ready {}", grandchild.map_or(0, |child| child.id()));
    match death.as_str() {
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        _ => loop {
            thread::park();
        },
    }
}

/// Starts the worker, waits until it has said that it is ready, and returns what it said.
fn worker(bed: &Bed, death: &str) -> (Child, Option<Pid>) {
    let mut child = with_default_signals(std::env::current_exe().unwrap())
        .args(["--exact", "deaths::child_dies", "--ignored", "--nocapture"])
        .env(FOLDER, bed.store.root())
        .env(DEATH, death)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ready = BufReader::new(child.stdout.as_mut().unwrap())
        .lines()
        .find_map(|line| {
            line.unwrap()
                .split_once("ready ")
                .map(|(_, pid)| pid.parse().unwrap())
        })
        .unwrap();
    (child, Pid::from_raw(ready))
}

/// A program that no signal passes by, also where whoever runs the tests ignores some (`nohup`, or `&` in a script):
/// children inherit that.
fn with_default_signals(program: impl AsRef<std::ffi::OsStr>) -> Command {
    const HUP_INT_QUIT_TERM: u64 = 0b100_0000_0000_0111;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    if mask & HUP_INT_QUIT_TERM == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program);
    command
}

/// Waits for the end of a child that is about to end.
fn reaped(child: &mut Child) -> ExitStatus {
    let patience = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if patience.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the child did not end");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

const LOST: &str =
    "worker_lost: the worker (pid PID) is gone and left no ending: killed, out of memory or crashed";

fn told_without_pid(bed: &Bed, child: &Child) -> String {
    told(&bed.only()).replace(&format!("pid {}", child.id()), "pid PID")
}

#[test]
fn killed_by_any_signal_that_leaves_no_time() {
    for signal in [
        Signal::KILL,
        Signal::TERM,
        Signal::HUP,
        Signal::INT,
        Signal::ABORT,
    ] {
        let bed = Bed::new();
        let (mut child, _) = worker(&bed, "wait for a signal");
        assert_eq!(told(&bed.only()), "running 2/3", "{signal:?}");
        kill_process(Pid::from_child(&child), signal).unwrap();
        reaped(&mut child);
        assert_eq!(
            told_without_pid(&bed, &child),
            format!("failed 2/3 {LOST}"),
            "{signal:?}"
        );
        let run = bed.only();
        let view = bed.view(&run.state.id);
        assert_eq!(view.session().unwrap().weights, [1, 2]);
        assert!(view.summary().state.status.completed_at().unwrap() >= run.state.started_at);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_test_before_ends_also_where_signals_are_ignored() {
    let ignoring = r#"trap "" HUP INT QUIT TERM; exec "$0" "$@""#;
    let mut tests = Command::new("sh")
        .args(["-c", ignoring])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "deaths::killed_by_any_signal_that_leaves_no_time"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(reaped(&mut tests).success());
}

#[test]
fn leaving_by_exit_or_abort() {
    for death in ["exit", "abort"] {
        let bed = Bed::new();
        let (mut child, _) = worker(&bed, death);
        reaped(&mut child);
        assert_eq!(
            told_without_pid(&bed, &child),
            format!("failed 2/3 {LOST}"),
            "{death}"
        );
    }
}

#[test]
fn a_child_process_that_lives_on_does_not_keep_the_run_alive() {
    let bed = Bed::new();
    let (mut child, grandchild) = worker(&bed, "kill with a child");
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    reaped(&mut child);
    let told = told_without_pid(&bed, &child);
    kill_process(grandchild.unwrap(), Signal::KILL).unwrap();
    assert_eq!(told, format!("failed 2/3 {LOST}"));
}

#[test]
fn a_zombie_is_dead() {
    let bed = Bed::new();
    let (mut child, _) = worker(&bed, "wait for a signal");
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    // Not reaped: the pid is still there. Dying takes the kernel a moment, and the lease is free at its end.
    let patience = Instant::now();
    while !bed.only().state.status.is_over() {
        assert!(patience.elapsed().as_secs() < 60, "the lease was not freed");
        thread::yield_now();
    }
    assert_eq!(told_without_pid(&bed, &child), format!("failed 2/3 {LOST}"));
    reaped(&mut child);
}
