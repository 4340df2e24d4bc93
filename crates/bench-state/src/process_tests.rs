//! Tests of the inside that need processes: death before every single disk operation, and many writers.
//!
//! A test starts this test binary again and has it run one of the ignored `child_…` tests, with its orders in the
//! environment. `arm` makes one operation of the child fatal, so that every state a crash can leave is really left.

mod later_life;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::durable::crash;
use crate::state_file::{self, Found};
use crate::{Ending, Job, RunId, RunStore, StateError};

const FOLDER: &str = "BENCH_STATE_TEST_FOLDER";
const FATAL: &str = "BENCH_STATE_TEST_FATAL";

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) total: u32,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Label {
    pub(crate) label: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) done: u32,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Names {
    pub(crate) names: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
}

pub(crate) struct Tally;

impl Job for Tally {
    type Plan = Planned;
    type Summary = Label;
    type Progress = Done;
    type Session = Names;
    type Event = Named;
    type Item = Named;

    fn begin(_: &Planned) -> (Done, Names) {
        (Done { done: 0 }, Names { names: Vec::new() })
    }

    fn fold(progress: &mut Done, session: &mut Names, event: &Named, _: DateTime<Utc>) {
        progress.done += 1;
        session.names.push(event.name.clone());
    }
}

pub(crate) fn now() -> DateTime<Utc> {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A folder in memory where there is one: these tests are about dying, not about the disk, and die often.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

fn store(folder: &Path) -> RunStore<Tally> {
    RunStore::open(folder.join("results")).unwrap()
}

fn ordered_folder() -> std::path::PathBuf {
    std::env::var_os(FOLDER).expect("started by another test").into()
}

/// This test binary, ordered to run `test` on `folder` and to die at operation `fatal`.
fn child(test: &str, folder: &Path, fatal: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            &format!("process_tests::{test}"),
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .env(FATAL, fatal.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Runs the child; returns whether it was killed. Anything but that or success is a failure.
fn was_killed(test: &str, folder: &Path, fatal: u64) -> bool {
    let status = child(test, folder, fatal).status().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        assert!(
            status.success() || status.signal() == Some(9),
            "{test} at {fatal}: {status}"
        );
    }
    !status.success()
}

fn arm() {
    crash::arm(std::env::var(FATAL).unwrap().parse().unwrap());
}

/// Says that something was promised to the user: it was reported as done.
fn acknowledge(folder: &Path, what: &str) {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("promised"))
        .unwrap();
    writeln!(file, "{what}").unwrap();
}

fn acknowledged(folder: &Path) -> BTreeSet<String> {
    fs::read_to_string(folder.join("promised"))
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
#[ignore = "the child of other tests"]
fn child_works() {
    let folder = ordered_folder();
    arm();
    let run = store(&folder)
        .create(&Planned { total: 3 }, Label { label: "x".into() }, now())
        .unwrap();
    acknowledge(&folder, "created");
    for name in ["a", "b", "c"] {
        let id = name.parse().unwrap();
        let event = Named {
            name: name.to_owned(),
        };
        let mut log = run.item_log(&id).unwrap();
        log.append(&event).unwrap();
        log.sync().unwrap();
        run.put_item(&id, &event).unwrap();
        run.record(event, now()).unwrap();
        acknowledge(&folder, name);
        run.snapshot(now()).unwrap();
    }
    run.finish(Ending::Completed, now()).unwrap();
    acknowledge(&folder, "finished");
}

#[test]
#[ignore = "the child of other tests"]
fn child_lists() {
    let folder = ordered_folder();
    arm();
    store(&folder).list(None, now()).unwrap();
}

/// What must be true after any crash, as soon as somebody looks.
fn check(folder: &Path, place: &str) {
    let promised = acknowledged(folder);
    let store = store(folder);
    let noted = store.resolve("latest").is_ok_and(|id| {
        fs::read_to_string(store.dirs().run(&id).journal())
            .unwrap()
            .contains(r#""status":"completed""#)
    });
    let listing = store.list(None, now()).unwrap();
    assert!(listing.problems.is_empty(), "{place}: {:?}", listing.problems);
    assert!(listing.runs.len() <= 1, "{place}");
    assert!(
        !promised.contains("created") || listing.runs.len() == 1,
        "{place}: run lost"
    );
    for run in &listing.runs {
        let status = &run.state.status;
        assert!(status.is_over(), "{place}: still {}", status.word());
        assert!(status.completed_at().unwrap() >= run.state.started_at, "{place}");
        let whole = status.ending() == Some(&Ending::Completed);
        assert!(whole || !promised.contains("finished"), "{place}: ending lost");
        assert!(
            whole || !noted,
            "{place}: the ending is in the journal, but was not told"
        );

        let view = store.read(&run.state.id, now()).unwrap();
        let names = view.session().unwrap().names;
        assert_eq!(
            names.len(),
            run.state.progress.done as usize,
            "{place}: counters disagree"
        );
        assert!(!whole || names == ["a", "b", "c"], "{place}: {names:?}");
        let finished = promised.iter().filter(|what| what.len() == 1);
        assert!(
            finished.clone().all(|name| names.contains(name)),
            "{place}: finished work lost"
        );
        for name in &names {
            let id = name.parse().unwrap();
            assert_eq!(view.item(&id).unwrap().unwrap().name, *name, "{place}");
            assert_eq!(
                view.item_log::<Named>(&id).unwrap().unwrap().count(),
                1,
                "{place}"
            );
        }
        let (before, _) = (
            fs::read(run.dir.join("state.json")).unwrap(),
            store.list(None, now()).unwrap(),
        );
        assert_eq!(
            before,
            fs::read(run.dir.join("state.json")).unwrap(),
            "{place}: settled twice"
        );
    }
}

#[test]
fn killed_before_any_disk_operation_nothing_promised_is_lost_and_nothing_stays_running() {
    let mut fatal = 0;
    loop {
        let folder = folder();
        let killed = was_killed("child_works", folder.path(), fatal);
        check(folder.path(), &format!("operation {fatal}"));
        if !killed {
            assert!(acknowledged(folder.path()).contains("finished"));
            break;
        }
        fatal += 1;
    }
    assert!(
        fatal > 60,
        "only {fatal} operations were found: are the crash points still in place?"
    );
}

#[test]
fn a_reader_killed_while_settling_leaves_it_to_the_next_reader() {
    let mut kills = 0;
    // Every seventh operation of the worker: from before the run is visible to after its ending.
    for fatal in (0..100).step_by(7) {
        for reader_fatal in 0.. {
            let folder = folder();
            was_killed("child_works", folder.path(), fatal);
            let killed = was_killed("child_lists", folder.path(), reader_fatal);
            check(
                folder.path(),
                &format!("operation {fatal}, reader's {reader_fatal}"),
            );
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 50, "readers were killed only {kills} times");
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
    add_up(&store, &store.resolve("latest").unwrap(), 25);
}

#[test]
fn eight_processes_and_eight_threads_lose_no_update() {
    let folder = folder();
    let store = store(folder.path());
    let run = store
        .create(&Planned { total: 0 }, Label { label: "x".into() }, now())
        .unwrap();
    let children: Vec<_> = (0..8)
        .map(|_| child("child_adds_up", folder.path(), u64::MAX).spawn().unwrap())
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
    assert_eq!(state.progress.done, 16 * 25);
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
