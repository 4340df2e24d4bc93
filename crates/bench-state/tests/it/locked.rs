//! Somebody keeps a state lock: a stopped process, a backup program, a careless tool. Runs go on, readers answer.
//!
//! Each is tried against a holder in this process and against one in another.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bench_state::{CancelReason, Ending, RunId, StateError};
use chrono::TimeDelta;

use crate::job::{Bed, now, packed, told};

const LOCK: &str = "BENCH_STATE_TEST_LOCK";

/// Keeps the lock that it is told until its standard input ends.
#[test]
#[ignore = "the child of other tests"]
fn child_holds() {
    let mut lock = fd_lock::RwLock::new(
        File::options()
            .write(true)
            .open(std::env::var(LOCK).unwrap())
            .unwrap(),
    );
    let held = lock.write().unwrap();
    println!("\nheld");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    drop(held);
}

/// Somebody who keeps a lock.
enum Holder {
    Thread(File),
    Process(Child),
}

impl Holder {
    /// One of each kind, one after the other.
    fn each(mut attack: impl FnMut(fn(PathBuf) -> Self)) {
        attack(Self::in_a_thread);
        attack(Self::in_a_process);
    }

    fn in_a_thread(path: PathBuf) -> Self {
        let file = File::options().write(true).open(path).unwrap();
        file.lock().unwrap();
        Self::Thread(file)
    }

    fn in_a_process(path: PathBuf) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "locked::child_holds", "--ignored", "--nocapture"])
            .env(LOCK, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "held"));
        Self::Process(child)
    }

    fn let_go(self) {
        match self {
            Self::Thread(file) => file.unlock().unwrap(),
            Self::Process(mut child) => {
                child.stdin.take().unwrap().write_all(b"\n").unwrap();
                assert!(child.wait().unwrap().success());
            }
        }
    }
}

fn lock_of(dir: &Path) -> PathBuf {
    dir.join("state.lock")
}

#[test]
fn a_run_goes_on_although_somebody_keeps_its_state_lock() {
    Holder::each(|hold| {
        let bed = Bed::new();
        let run = bed.start();
        let later = |seconds| now() + TimeDelta::seconds(seconds);
        let holder = hold(lock_of(run.dir()));
        let started = Instant::now();
        for round in 1..=3 {
            run.record(packed(1), later(round * 2)).unwrap();
            assert!(!run.snapshot_if_due(later(round * 2)).unwrap(), "not written");
            assert!(!run.snapshot_if_due(later(round * 2 + 1)).unwrap(), "not due");
            assert_eq!(bed.only().state.progress.packed, u32::try_from(round).unwrap());
        }
        assert!(
            started.elapsed() < Duration::from_secs(12), // a full wait in each round takes longer
            "the work waited {:?}",
            started.elapsed()
        );
        holder.let_go();
        assert!(run.snapshot_if_due(later(8)).unwrap(), "made up for");
        run.finish(Ending::Completed, later(9)).unwrap();
        assert_eq!(told(&bed.only()), "completed 3/3");
    });
}

#[test]
fn an_ending_waits_for_somebody_who_keeps_the_state_lock() {
    let bed = Bed::new();
    let run = bed.start();
    let holder = Holder::in_a_thread(lock_of(run.dir()));
    thread::scope(|scope| {
        let finished = scope.spawn(|| run.finish(Ending::Completed, now()));
        // The ending is in the journal before it is anywhere else.
        let deadline = Instant::now() + Duration::from_secs(60);
        while !bed.only().state.status.is_over() {
            assert!(Instant::now() < deadline, "the ending is not seen");
        }
        // Longer than snapshots and readers wait.
        thread::sleep(Duration::from_millis(1500));
        holder.let_go();
        assert!(finished.join().unwrap().unwrap().state.status.is_over());
    });
    assert_eq!(told(&bed.only()), "completed 0/3");
}

#[test]
fn orphans_are_told_as_over_although_their_state_locks_are_kept() {
    Holder::each(|hold| {
        let bed = Bed::new();
        let orphans: [RunId; 12] = std::array::from_fn(|_| bed.orphan());
        let good = bed.finished(now());
        let holders = orphans.each_ref().map(|run| hold(lock_of(&bed.dir(run))));
        let started = Instant::now();
        let listing = bed.store.list(None, now()).unwrap();
        let took = started.elapsed();
        // A second for all of them, not for each.
        assert!(took < Duration::from_secs(10), "the list took {took:?}");
        assert_eq!(listing.runs.len(), 13);
        for run in &listing.runs {
            let lost = "failed 2/3 worker_lost";
            let expected = if run.state.id == good { "completed" } else { lost };
            assert!(told(run).starts_with(expected), "{}", told(run));
        }
        assert_eq!(listing.problems.len(), 12, "{:?}", listing.problems);
        for problem in &listing.problems {
            let lock = lock_of(&problem.path).display().to_string();
            assert!(problem.to_string().contains(&lock), "{problem}");
        }
        let view = bed.view(&orphans[0]);
        assert_eq!(
            told(view.summary()),
            told(
                listing
                    .runs
                    .iter()
                    .find(|run| run.state.id == orphans[0])
                    .unwrap()
            )
        );
        assert_eq!(view.session().unwrap().weights, [1, 2]);

        holders.into_iter().for_each(Holder::let_go);
        let settled = bed.store.list(None, now()).unwrap();
        assert!(settled.problems.is_empty(), "{:?}", settled.problems);
        let words = |runs: &[bench_state::RunSummary<_>]| runs.iter().map(told).collect::<Vec<_>>();
        assert_eq!(words(&settled.runs), words(&listing.runs), "as was told before");
    });
}

#[test]
fn a_damaged_state_is_read_although_its_lock_is_kept() {
    let bed = Bed::new();
    let run = bed.finished(now());
    std::fs::write(bed.dir(&run).join("state.json"), "{").unwrap();
    let holder = Holder::in_a_thread(lock_of(&bed.dir(&run)));
    let listing = bed.store.list(None, now()).unwrap();
    assert_eq!(told(&listing.runs[0]), "completed 2/3");
    let lock = lock_of(&bed.dir(&run)).display().to_string();
    assert!(
        listing
            .problems
            .iter()
            .any(|problem| problem.to_string().contains(&lock)),
        "{:?}",
        listing.problems
    );
    holder.let_go();
    assert_eq!(bed.view(&run).problems().len(), 1, "rebuilt");
    assert!(bed.view(&run).problems().is_empty());
}

#[test]
fn a_request_that_cannot_be_written_down_is_refused_with_the_lock() {
    let bed = Bed::new();
    let run = bed.start();
    let holder = Holder::in_a_thread(lock_of(run.dir()));
    let refused = bed.store.request_cancel(run.id(), CancelReason::Requested, now());
    let Err(StateError::LockTimeout { path, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(path, lock_of(run.dir()));
    holder.let_go();
    assert!(run.cancel_requested().unwrap().is_none());
    run.finish(Ending::Completed, now()).unwrap();
}
