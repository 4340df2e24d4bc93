//! Background runs: handing a run over, workers that do not come up, and what asks a worker to end.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bench_state::{CancelReason, Ending, Launched, RunId, RunStore, Signal, Standing, StateError};
use chrono::Utc;
use rustix::process::{Pid, getsid};

use crate::job::{Bed, Packing, now, packed, told};

const ROOT: &str = "BENCH_STATE_TEST_ROOT";
const RUN: &str = "BENCH_STATE_TEST_RUN";
const MODE: &str = "BENCH_STATE_TEST_MODE";
const LONG: Duration = Duration::from_mins(1);

/// The worker of these tests.
#[test]
#[ignore = "the child of other tests"]
#[expect(
    clippy::zombie_processes,
    reason = "leaving a process behind is what is tried"
)]
fn child_worker() {
    let mode = std::env::var(MODE).unwrap();
    let id: RunId = std::env::var(RUN).unwrap().parse().unwrap();
    let store = RunStore::<Packing>::open(std::env::var(ROOT).unwrap()).unwrap();
    if mode == "stillborn" {
        eprintln!("no licence for packing");
        panic!("on purpose");
    }
    let run = match store.adopt(&id, now()) {
        Ok(run) => run,
        Err(error) => panic!("{error}"),
    };
    let mut input = String::new();
    std::io::Read::read_to_string(&mut std::io::stdin(), &mut input).unwrap();
    assert_eq!(
        input, "",
        "standard input is empty once the lease was taken from it"
    );
    println!("adopted");
    run.record(packed(7), now()).unwrap();
    if mode == "leaves a child" {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        println!("child {}.", child.id());
    }
    if mode != "finishes" {
        let started = Instant::now();
        while run.cancel_requested().unwrap().is_none() {
            assert!(started.elapsed() < LONG, "nobody asked");
            run.snapshot(now()).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        let reason = run.cancel_requested().unwrap().unwrap().reason;
        run.finish(Ending::Cancelled { reason }, now()).unwrap();
        return;
    }
    run.finish(Ending::Completed, now()).unwrap();
}

/// This test binary as the worker of a run.
fn worker(root: &Path, run: &RunId, mode: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "background::child_worker", "--ignored", "--nocapture"])
        .env(ROOT, root)
        .env(RUN, run.as_str())
        .env(MODE, mode);
    command
}

fn launch(bed: &Bed, mode: &str) -> Result<Launched, StateError> {
    let run = bed.start();
    let command = worker(bed.store.root(), run.id(), mode);
    run.launch(command, now())
}

/// Waits for the end of a run and of the process that worked on it.
fn reap(bed: &Bed, mut launched: Launched) -> String {
    let over = bed.store.wait_over(&launched.id, LONG, now()).unwrap();
    launched.child.wait().unwrap();
    told(&over.unwrap())
}

#[test]
fn a_run_is_handed_over_and_ends_in_its_worker() {
    let bed = Bed::new();
    let run = bed.start();
    let (id, straggler) = (run.id().clone(), run.clone());
    run.record(packed(3), now()).unwrap();
    let command = worker(bed.store.root(), &id, "waits");
    let launched = run.launch(command, now()).unwrap();

    assert_eq!(
        (&launched.id, launched.dir.as_path()),
        (&id, bed.dir(&id).as_path())
    );
    let seen = bed.only();
    assert_eq!(seen.standing, Standing::Alive);
    assert_eq!(seen.state.worker.as_ref().unwrap().pid, launched.pid);
    let pid = Pid::from_raw(i32::try_from(launched.pid).unwrap());
    assert_eq!(getsid(pid).unwrap(), pid.unwrap(), "no session of its own");
    for refused in [
        straggler.record(packed(4), now()),
        straggler.snapshot(now()),
        straggler.put_item(&crate::job::id("x"), &String::new()).map(drop),
    ] {
        assert!(
            matches!(refused, Err(StateError::HandedOver { .. })),
            "{refused:?}"
        );
    }

    let request = bed
        .store
        .request_cancel(&id, CancelReason::Requested, now())
        .unwrap();
    let request = request.request;
    assert_eq!((request.at, request.reason), (now(), CancelReason::Requested));
    let log = launched.log.clone();
    assert_eq!(reap(&bed, launched), "cancelled 2/3 requested");
    assert_eq!(bed.view(&id).session().unwrap().weights, [3, 7]);
    assert!(fs::read_to_string(log).unwrap().contains("adopted"));
}

#[test]
fn a_worker_that_ends_at_once_is_no_failed_launch() {
    let bed = Bed::new();
    assert_eq!(
        launch(&bed, "finishes")
            .map(|launched| reap(&bed, launched))
            .unwrap(),
        "completed 1/3"
    );
}

#[test]
fn a_resumed_run_can_be_handed_over_too_and_loses_nothing_if_that_fails() {
    let bed = Bed::new();
    let id = bed.finished(now());
    let run = bed.store.resume(&id, now()).unwrap();
    let error = run.launch(Command::new("/no/such/program"), now()).unwrap_err();
    assert!(matches!(error, StateError::LaunchFailed { .. }), "{error:?}");
    assert!(told(&bed.only()).starts_with("failed 2/3 launch"));

    let run = bed.store.resume(&id, now()).unwrap();
    run.record(packed(3), now()).unwrap();
    let launched = run
        .launch(worker(bed.store.root(), &id, "finishes"), now())
        .unwrap();
    assert_eq!(reap(&bed, launched), "completed 4/3");
    let view = bed.view(&id);
    assert_eq!(view.session().unwrap().weights, [1, 2, 3, 7]);
    assert_eq!(view.summary().state.generation, 3);
    let generations: Vec<u32> = view
        .events()
        .unwrap()
        .map(|event| event.unwrap().generation)
        .collect();
    assert_eq!(generations, [1, 1, 3, 3]);

    // The journal alone knows who worked on it last.
    let worker = view.summary().state.worker.clone();
    fs::remove_file(bed.dir(&id).join("state.json")).unwrap();
    let rebuilt = bed.store.list(None, now()).unwrap().runs.remove(0);
    assert_eq!((rebuilt.state.worker, rebuilt.state.generation), (worker, 3));
}

#[test]
fn a_worker_that_does_not_come_up_ends_the_run_with_its_last_words() {
    let bed = Bed::new();
    let error = launch(&bed, "stillborn").unwrap_err().to_string();
    assert!(
        error.contains("could not be started in the background: the worker ended (exit status: 101)"),
        "{error}"
    );
    assert!(error.contains("no licence for packing"), "{error}");
    let told = told(&bed.only());
    assert!(
        told.starts_with("failed 0/3 launch: not started in the background: "),
        "{told}"
    );
    assert!(told.contains("no licence for packing"), "{told}");
}

#[test]
fn a_program_that_does_not_exist_or_knows_nothing_of_runs() {
    let bed = Bed::new();
    let error = bed
        .start()
        .launch(Command::new("/no/such/program"), now())
        .unwrap_err();
    assert!(matches!(&error, StateError::LaunchFailed { .. }), "{error:?}");
    insta::assert_snapshot!(told(&bed.only()), @"failed 0/3 launch: not started in the background: cannot start a worker for `/no/such/program`: No such file or directory (os error 2)");

    let bed = Bed::new();
    let error = bed.start().launch(Command::new("true"), now()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the worker ended (exit status: 0) before it took the run over, and said nothing"),
        "{error}"
    );
    assert!(bed.only().state.status.is_over());
}

#[test]
fn only_the_process_that_was_given_the_lease_can_adopt() {
    let bed = Bed::new();
    let run = bed.start();
    let lease = run.dir().join("lease.lock");
    for (stdin, complaint) in [
        (Stdio::null(), "its standard input is not the run's lease"),
        (
            Stdio::from(File::open(&lease).unwrap()),
            "another process holds the run's lease",
        ),
    ] {
        let mut command = worker(bed.store.root(), run.id(), "finishes");
        let output = command.stdin(stdin).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(complaint), "{said}");
        assert_eq!(told(&bed.only()), "running 0/3");
    }
    let id = run.id().clone();
    run.finish(Ending::Completed, now()).unwrap();
    let mut command = worker(bed.store.root(), &id, "finishes");
    let output = command.stdin(File::open(&lease).unwrap()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("nobody holds the run's lease"));
    assert_eq!(told(&bed.only()), "completed 0/3");
}

#[test]
fn a_grandchild_does_not_keep_a_background_run_alive() {
    let bed = Bed::new();
    let mut launched = launch(&bed, "leaves a child").unwrap();
    let pid = loop {
        let log = fs::read_to_string(&launched.log).unwrap();
        if let Some((_, rest)) = log.split_once("child ")
            && let Some((pid, _)) = rest.split_once('.')
        {
            break pid.parse().unwrap();
        }
        thread::yield_now();
    };
    assert!(bed.store.signal(&launched.id, Signal::Kill).unwrap());
    launched.child.wait().unwrap();
    let over = bed.store.wait_over(&launched.id, LONG, now()).unwrap().unwrap();
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    assert!(
        told(&over).starts_with("failed 1/3 worker_lost"),
        "{}",
        told(&over)
    );
    assert!(
        !bed.store.signal(&launched.id, Signal::Kill).unwrap(),
        "nobody is left to be signalled"
    );
}

/// The window between spawn and lease, which a design without hand-over cannot close.
#[test]
fn two_hundred_launches_under_the_eyes_of_a_prober() {
    let bed = Bed::in_memory();
    let (done, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                for run in bed.store.list(Some(2), now()).unwrap().runs {
                    let lost = told(&run);
                    assert!(!lost.contains("worker_lost"), "{lost}");
                    looks.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let _stop = Stop(&done);
        for _ in 0..100 {
            // Two at a time: the parent must not pass one run's lease to the other's worker.
            let pair = thread::scope(|both| {
                let other = both.spawn(|| launch(&bed, "finishes").map(|launched| reap(&bed, launched)));
                [
                    launch(&bed, "finishes").map(|launched| reap(&bed, launched)),
                    other.join().unwrap(),
                ]
            });
            for outcome in pair {
                assert_eq!(outcome.unwrap(), "completed 1/3");
            }
        }
    });
    assert!(looks.into_inner() > 200);
}

/// Lets the prober end when its launcher panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_request_to_end_survives_snapshots_and_the_death_of_the_worker() {
    let bed = Bed::new();
    let run = bed.start();
    assert_eq!(run.cancel_requested().unwrap(), None);
    let reason = CancelReason::Other("too_expensive".to_owned());
    let first = bed.store.request_cancel(run.id(), reason, now()).unwrap();
    let later = now() + chrono::TimeDelta::seconds(9);
    assert!(!first.repeated);
    let second = bed
        .store
        .request_cancel(run.id(), CancelReason::Requested, later)
        .unwrap();
    assert!(second.repeated);
    assert_eq!(second.request, first.request, "the first stands");
    run.record(packed(1), now()).unwrap();
    run.snapshot(now()).unwrap();
    assert_eq!(run.cancel_requested().unwrap(), Some(first.request));
    let state = fs::read_to_string(run.dir().join("state.json")).unwrap();
    assert!(
        state.contains(r#""cancel_requested_at": "2026-01-02T03:04:05.678Z""#),
        "{state}"
    );

    let dead = Bed::new();
    bed.copy_into(&dead);
    assert_eq!(told(&dead.only()), "cancelled 1/3 too_expensive");
    let error = dead
        .store
        .request_cancel(run.id(), CancelReason::Requested, now())
        .unwrap_err();
    assert!(matches!(error, StateError::AlreadyOver { .. }));
    run.finish(Ending::Completed, now()).unwrap();
    assert_eq!(told(&bed.only()), "completed 1/3", "a worker may finish first");
}

#[test]
fn a_run_that_died_before_the_request_was_lost() {
    let bed = Bed::new();
    let run = bed.orphan();
    assert!(matches!(
        bed.store.request_cancel(&run, CancelReason::Requested, now()),
        Err(StateError::AlreadyOver { .. })
    ));
    assert!(told(&bed.only()).contains("worker_lost"));
    let unknown = "run_20200101_000000_00000000".parse().unwrap();
    assert!(matches!(
        bed.store.request_cancel(&unknown, CancelReason::Requested, now()),
        Err(StateError::UnknownRun { .. })
    ));
    assert!(matches!(
        bed.store.signal(&unknown, Signal::Kill),
        Err(StateError::UnknownRun { .. })
    ));
    assert!(!bed.store.signal(&run, Signal::Kill).unwrap());
}

#[test]
fn a_worker_elsewhere_is_never_signalled_but_can_be_asked() {
    let bed = Bed::new();
    let run = bed.start();
    let worker = bed.only().state.worker.unwrap();
    bed.edit(
        run.id(),
        "state.json",
        &worker.boot_id.unwrap(),
        "00000000-0000-0000-0000-000000000000",
    );
    bed.edit(
        run.id(),
        "state.json",
        &format!("{:?}", worker.host),
        "\"elsewhere\"",
    );
    // Ours is the pid that would be hit.
    assert!(!bed.store.signal(run.id(), Signal::Kill).unwrap());
    bed.store
        .request_cancel(run.id(), CancelReason::Requested, now())
        .unwrap();
    assert!(run.cancel_requested().unwrap().is_some());
    run.finish(Ending::Completed, now()).unwrap();
}

#[test]
fn waiting_gives_up_in_time() {
    let bed = Bed::new();
    let run = bed.start();
    let started = Instant::now();
    assert!(
        bed.store
            .wait_over(run.id(), Duration::from_millis(30), Utc::now())
            .unwrap()
            .is_none()
    );
    assert!(started.elapsed() >= Duration::from_millis(30));
    let id = run.id().clone();
    run.finish(Ending::Completed, now()).unwrap();
    assert!(
        bed.store
            .wait_over(&id, Duration::ZERO, Utc::now())
            .unwrap()
            .is_some()
    );
}
