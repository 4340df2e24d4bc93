//! Many at once: writers of one state, readers of one orphan, and all who want to end one run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};

use super::{
    Label, Planned, Tally, acknowledge, acknowledged, arm, check, child, ending_is_noted, folder, now,
    ordered_folder, promised, store, tell, told, was_killed, work,
};
use crate::durable::crash::{Traced, read_trace};
use crate::journal::Checkpoint;
use crate::journal::line::Said;
use crate::journal::reader::JournalReader;
use crate::state_file::{self, Found};
use crate::{CancelReason, Ending, RunId, RunStore, Signal, StateError};

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that another process does.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::yield_now();
    }
}

/// Lets children that [`wait_for_go`] begin at the same moment.
fn go(folder: &Path) {
    fs::write(folder.join("go"), "").unwrap();
}

fn wait_for_go(folder: &Path) {
    acknowledge(folder, "ready");
    wait_until("to be let go", || folder.join("go").exists());
}

/// Adds one to the counter in `state.json` the way every change is made, `times` times.
fn add_up(store: &RunStore<Tally>, id: &RunId, times: u32) {
    let dir = store.dirs().run(id);
    let add_one = || {
        state_file::locked(&dir, |found: Found<Tally>| {
            let Found::Good(mut state) = found else {
                panic!("state.json was not whole")
            };
            state.progress.done += 1;
            state_file::write_state(&dir, &state)
        })
    };
    for _ in 0..times {
        // So many writers may starve one on a slow disk. Giving up is fine, and must have changed nothing.
        while let Err(error) = add_one() {
            assert!(matches!(error, StateError::LockTimeout { .. }), "{error}");
        }
    }
}

#[test]
#[ignore = "the child of other tests"]
fn child_adds_up() {
    let store = store(&ordered_folder());
    add_up(&store, &store.resolve("latest").unwrap(), 500);
}

#[test]
fn eight_processes_with_five_hundred_updates_each_lose_none_and_no_thread_does() {
    let folder = folder();
    let store = store(folder.path());
    let run = store
        .create(&Planned { total: 0 }, Label { label: "x".into() }, now())
        .unwrap();
    let children: Vec<_> = (0..8)
        .map(|_| {
            child("contention::child_adds_up", folder.path(), u64::MAX)
                .spawn()
                .unwrap()
        })
        .collect();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| add_up(&store, run.id(), 25));
        }
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let Found::Good(state) = state_file::read::<Tally>(&store.dirs().run(run.id())).unwrap() else {
        panic!("state.json is not whole");
    };
    assert_eq!(state.progress.done, 8 * 500 + 8 * 25);
    run.finish(Ending::Completed, now()).unwrap();
}

#[test]
fn readers_that_find_an_orphan_at_the_same_time_agree() {
    let folder = folder();
    assert!(was_killed("child_works", folder.path(), 60));
    let store = store(folder.path());
    let seen = thread::scope(|scope| {
        let readers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| store.list(None, now()).unwrap().runs[0].state.status.clone()))
            .collect();
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(seen[0].is_over());
    assert!(seen.iter().all(|status| status == &seen[0]), "{seen:?}");
    check(folder.path(), "after eight readers");
}

#[test]
#[ignore = "the child of other tests"]
fn child_lists_with_others() {
    let folder = ordered_folder();
    arm();
    wait_for_go(&folder);
    for run in store(&folder).list(None, now()).unwrap().runs {
        acknowledge(&folder, &told(&run));
    }
}

/// How often a trace has the state of a run replaced.
fn transitions(trace: &Path) -> usize {
    let replaces = |step: &Traced| matches!(step, Traced::Rename(_, to) if to.ends_with("state.json"));
    read_trace(trace).iter().filter(|step| replaces(step)).count()
}

#[test]
fn six_processes_that_settle_an_orphan_at_the_same_time_make_one_transition() {
    let mut orphans = 0;
    for fatal in (20..110).step_by(6) {
        let folder = folder();
        let (trace, place) = (folder.path().join("trace"), format!("worker killed at {fatal}"));
        was_killed("child_works", folder.path(), fatal);
        let running = store(folder.path()).list_without_settling(None, now()).unwrap();
        let orphaned = running.runs.iter().any(|run| !run.state.status.is_over());
        let ready = |count: usize| {
            acknowledged(folder.path())
                .iter()
                .filter(|what| *what == "ready")
                .count()
                == count
        };
        let start = |_| {
            let mut reader = child("contention::child_lists_with_others", folder.path(), u64::MAX);
            reader.env(super::TRACE, &trace).spawn().unwrap()
        };
        let readers: Vec<Child> = (0..6).map(start).collect();
        wait_until("six readers", || ready(6));
        go(folder.path());
        for mut reader in readers {
            assert!(reader.wait().unwrap().success(), "{place}");
        }
        let promises = acknowledged(folder.path());
        let told: BTreeSet<_> = promises.iter().filter(|what| what.starts_with("told ")).collect();
        assert_eq!(told.len(), running.runs.len(), "{place}: {told:?}");
        // A noted ending that never came into `state.json` is told as over, and need not be stored by a reader.
        assert!(
            transitions(&trace) <= 1 && (!orphaned || transitions(&trace) == 1),
            "{place}"
        );
        orphans += usize::from(orphaned);
        check(folder.path(), &place);
    }
    tell(&format!(
        "six processes settling at once: {orphans} orphans, one transition each"
    ));
    assert!(orphans > 8);
}

#[test]
#[ignore = "the child of other tests"]
fn child_finishes_when_let_go() {
    let folder = ordered_folder();
    let run = store(&folder)
        .create(&Planned { total: 1 }, Label { label: "x".into() }, now())
        .unwrap();
    acknowledge(&folder, "created");
    work(&run, "a", &folder);
    wait_for_go(&folder);
    run.finish(Ending::Completed, now()).unwrap();
    acknowledge(&folder, "finished");
}

#[test]
fn a_worker_that_finishes_while_it_is_killed_and_cleaned_up_ends_exactly_once() {
    let mut endings = [0, 0];
    for round in 0..40 {
        let folder = folder();
        let mut worker = child("contention::child_finishes_when_let_go", folder.path(), u64::MAX)
            .spawn()
            .unwrap();
        wait_until("the worker", || promised(folder.path(), "ready"));
        let ended = end_from_all_sides(folder.path(), round, &mut worker);
        endings[usize::from(ended == Ending::Completed)] += 1;
    }
    tell(&format!(
        "finished, cleaned up and killed at once: {} times killed, {} times finished",
        endings[0], endings[1]
    ));
    assert!(endings.iter().all(|times| *times >= 10), "too few of either");
}

/// Lets the worker finish, and everybody else do what they can; returns the one ending that anybody ever saw.
fn end_from_all_sides(folder: &Path, round: u64, worker: &mut Child) -> Ending {
    let store = store(folder);
    let id = store.resolve("latest").unwrap();
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let cleaner = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let plan = store
                    .plan_cleanup(Utc::now() + TimeDelta::days(3), TimeDelta::hours(1))
                    .unwrap();
                assert!(store.apply(&plan).unwrap().problems.is_empty());
            }
        });
        let looker = scope.spawn(|| {
            let mut seen = Vec::new();
            while !done.load(Ordering::SeqCst) {
                seen.extend(
                    store
                        .read(&id, now())
                        .unwrap()
                        .summary()
                        .state
                        .status
                        .ending()
                        .cloned(),
                );
                seen.dedup();
            }
            seen
        });
        // Before, while and after it ends the run, and whenever it happens to be.
        match round % 4 {
            0 => assert!(store.signal(&id, Signal::Kill).unwrap()),
            1 => {
                go(folder);
                wait_until("its ending", || ending_is_noted(&store.dirs().run(&id)));
            }
            2 => {
                go(folder);
                wait_until("its end", || promised(folder, "finished"));
            }
            _ => go(folder),
        }
        let asked = store.request_cancel(&id, CancelReason::Requested, now());
        let killed = store.signal(&id, Signal::Kill).unwrap();
        worker.wait().unwrap();
        assert!(
            asked.is_ok() || matches!(asked, Err(StateError::AlreadyOver { .. })),
            "{asked:?}"
        );
        let over = store.wait_over(&id, PATIENCE, now()).unwrap().unwrap().state;
        done.store(true, Ordering::SeqCst);
        cleaner.join().unwrap();
        let mut seen = looker.join().unwrap();
        seen.extend(over.status.ending().cloned());
        seen.dedup();
        let place = format!("round {round}, killed: {killed}, asked: {asked:?}");
        assert_eq!(seen.len(), 1, "{place}: {seen:?}");
        seen
    });
    let path = store.dirs().run(&id).journal();
    let mut journal = JournalReader::<super::Named>::open(&path, Checkpoint::default()).unwrap();
    let lines = std::iter::from_fn(|| journal.next_line().unwrap());
    let noted = lines.filter(|line| matches!(&line.said, Said::Store(note) if note.ending().is_some()));
    assert!(noted.count() <= 1, "round {round}: ended twice");
    check(folder, &format!("round {round}"));
    seen.into_iter().next().unwrap()
}
