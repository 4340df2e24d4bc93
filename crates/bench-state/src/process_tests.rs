//! Tests of the inside that need processes: death before every single disk operation, and many writers.
//!
//! A test starts this test binary again and has it run one of the ignored `child_…` tests, with its orders in the
//! environment. `arm` makes one operation of the child fatal, so that every state a crash can leave is really left.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
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

#[test]
#[ignore = "the child of other tests"]
fn child_resumes() {
    let folder = ordered_folder();
    arm();
    let store = store(&folder);
    let id = store.resolve("latest").unwrap();
    let run = store.resume(&id, now()).unwrap();
    let name = "d".to_owned();
    run.record(Named { name }, now()).unwrap();
    acknowledge(&folder, "d");
    run.finish(Ending::Completed, now()).unwrap();
    acknowledge(&folder, "finished again");
}

#[test]
#[ignore = "the child of other tests"]
fn child_adopts() {
    let folder = ordered_folder();
    arm();
    let store = store(&folder);
    let run = store.adopt(&store.resolve("latest").unwrap(), now()).unwrap();
    acknowledge(&folder, "adopted");
    run.record(Named { name: "a".to_owned() }, now()).unwrap();
    acknowledge(&folder, "a");
    run.finish(Ending::Completed, now()).unwrap();
    acknowledge(&folder, "finished");
}

#[test]
#[ignore = "the child of other tests"]
fn child_launches() {
    let folder = ordered_folder();
    arm();
    let run = store(&folder)
        .create(&Planned { total: 1 }, Label { label: "x".into() }, now())
        .unwrap();
    acknowledge(&folder, "created");
    run.launch(child("child_adopts", &folder, u64::MAX), now())
        .unwrap();
    acknowledge(&folder, "launched");
}

#[test]
#[ignore = "the child of other tests"]
fn child_cleans() {
    let folder = ordered_folder();
    arm();
    let store = store(&folder);
    let applied = store
        .apply(&store.plan_cleanup(later(), TimeDelta::hours(1)).unwrap())
        .unwrap();
    assert!(applied.problems.is_empty(), "{applied:?}");
}

#[test]
#[ignore = "the child of other tests"]
fn child_prunes() {
    let folder = ordered_folder();
    arm();
    let pruned = store(&folder)
        .prune(TimeDelta::hours(1), 0, false, later())
        .unwrap();
    assert!(pruned.problems.is_empty(), "{pruned:?}");
}

/// Long after everything that happens here, by the clock of the file system.
fn later() -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(3)
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

#[test]
fn killed_at_any_operation_of_a_resume_the_run_is_over_whole_and_can_be_resumed_again() {
    // From a run that was killed in its middle, with a torn end, and from one that finished.
    for (worker_fatal, torn) in [(45, true), (u64::MAX, false)] {
        let mut fatal = 0;
        loop {
            let folder = folder();
            was_killed("child_works", folder.path(), worker_fatal);
            let store = store(folder.path());
            let id = store.resolve("latest").unwrap();
            let before = store.read(&id, now()).unwrap().summary().state.progress.done;
            if torn {
                let journal = store.dirs().run(&id).journal();
                let mut file = fs::OpenOptions::new().append(true).open(journal).unwrap();
                file.write_all(b"{\"seq\":").unwrap();
            }
            let killed = was_killed("child_resumes", folder.path(), fatal);
            let place = format!("operation {fatal} after {worker_fatal}");

            let listing = store.list(None, now()).unwrap();
            assert!(listing.problems.is_empty(), "{place}: {:?}", listing.problems);
            let state = &listing.runs[0].state;
            assert!(state.status.is_over(), "{place}: still running");
            let names = store.read(&id, now()).unwrap().session().unwrap().names;
            assert_eq!(names.len(), state.progress.done as usize, "{place}: {names:?}");
            let resumed = names.iter().filter(|name| *name == "d").count();
            assert_eq!(names.len() - resumed, before as usize, "{place}: {names:?}");
            assert!(
                resumed == 1 || !acknowledged(folder.path()).contains("d"),
                "{place}: lost"
            );
            let done_again = acknowledged(folder.path()).contains("finished again");
            assert!(
                !done_again || (state.status.ending() == Some(&Ending::Completed) && state.generation == 2)
            );

            let run = store.resume(&id, now()).unwrap();
            run.record(Named { name: "e".to_owned() }, now()).unwrap();
            let finished = run.finish(Ending::Completed, now()).unwrap();
            assert_eq!(finished.session.names.len(), names.len() + 1, "{place}");
            assert!(store.read(&id, now()).unwrap().problems().is_empty(), "{place}");
            if !killed {
                break;
            }
            fatal += 1;
        }
        assert!(fatal > 15, "only {fatal} operations");
    }
}

#[test]
fn killed_at_any_operation_before_during_or_after_its_adoption_a_run_is_over() {
    let mut fatal = 0;
    loop {
        let folder = folder();
        let store = store(folder.path());
        let run = store
            .create(&Planned { total: 1 }, Label { label: "x".into() }, now())
            .unwrap();
        let id = run.id().clone();
        let launched = run.launch(child("child_adopts", folder.path(), fatal), now());
        let adopted = launched.is_ok();
        if let Ok(mut launched) = launched {
            launched.child.wait().unwrap();
        }
        let place = format!("operation {fatal}");
        let over = store.wait_over(&id, Duration::from_secs(10), now()).unwrap();
        let state = over.expect("over").state;
        let promised = acknowledged(folder.path());
        assert!(
            adopted || !promised.contains("adopted"),
            "{place}: a worker was taken for dead"
        );
        assert!(
            state.progress.done == 1 || !promised.contains("a"),
            "{place}: lost"
        );
        let cause = match state.status.ending() {
            Some(Ending::Failed { cause }) => cause.kind.code(),
            _ => "none",
        };
        if promised.contains("finished") {
            assert_eq!(state.status.ending(), Some(&Ending::Completed), "{place}");
            break;
        }
        // The ending may have reached the journal although the worker could not say so.
        let expected: &[&str] = if adopted {
            &["worker_lost", "none"]
        } else {
            &["launch", "worker_lost"]
        };
        assert!(expected.contains(&cause), "{place}: {:?}", state.status);
        fatal += 1;
    }
    assert!(fatal > 15, "only {fatal} operations");
}

#[test]
fn a_launcher_killed_at_any_operation_leaves_a_run_that_ends() {
    let mut fatal = 0;
    loop {
        let folder = folder();
        let killed = was_killed("child_launches", folder.path(), fatal);
        let store = store(folder.path());
        if let Ok(id) = store.resolve("latest") {
            let over = store.wait_over(&id, Duration::from_secs(10), now()).unwrap();
            assert!(over.is_some(), "operation {fatal}");
        } else {
            assert!(
                !acknowledged(folder.path()).contains("created"),
                "operation {fatal}: lost"
            );
        }
        if !killed {
            assert!(acknowledged(folder.path()).contains("launched"));
            break;
        }
        fatal += 1;
    }
    assert!(fatal > 20, "only {fatal} operations");
}

#[test]
fn killed_at_any_operation_of_a_cleanup_the_next_one_finishes_it() {
    let mut kills = 0;
    // An orphan, a folder that never became a run, and a run that the worker ended.
    for worker_fatal in [45, 20, u64::MAX] {
        for fatal in 0.. {
            let folder = folder();
            was_killed("child_works", folder.path(), worker_fatal);
            was_killed("child_works", folder.path(), 30);
            let old = folder
                .path()
                .join("results/background_runs/bg_20251028_210801_aa84f604/state.json");
            fs::create_dir_all(old.parent().unwrap()).unwrap();
            fs::write(&old, r#"{"status": "running", "completed_at": null}"#).unwrap();
            let killed = was_killed("child_cleans", folder.path(), fatal);
            if killed && fatal % 2 == 0 {
                was_killed("child_cleans", folder.path(), fatal / 2);
            }
            let place = format!("operation {fatal} after {worker_fatal}");

            let text = fs::read_to_string(&old).unwrap();
            let row: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                row["status"] == "failed",
                row["completed_at"].is_string(),
                "{place}: {text}"
            );
            let store = store(folder.path());
            for run in store.list_without_settling(None, now()).unwrap().runs {
                assert_eq!(
                    run.state.status.is_over(),
                    run.state.status.completed_at().is_some()
                );
            }
            let plan = store.plan_cleanup(later(), TimeDelta::hours(1)).unwrap();
            assert!(store.apply(&plan).unwrap().problems.is_empty(), "{place}");
            let plan = store.plan_cleanup(later(), TimeDelta::hours(1)).unwrap();
            assert!(
                plan.rows.is_empty() && plan.leftovers.is_empty(),
                "{place}: {plan:?}"
            );
            let listing = store.list(None, now()).unwrap();
            assert!(listing.problems.is_empty() && listing.runs.iter().all(|run| run.state.status.is_over()));
            assert!(store.unfinished(now()).unwrap().runs.is_empty());
            assert_eq!(
                fs::read_dir(store.dirs().active()).unwrap().count(),
                0,
                "{place}: a marker stayed"
            );
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 30, "only {kills} operations");
}

#[test]
fn killed_at_any_operation_of_a_pruning_a_run_is_whole_or_gone() {
    let mut fatal = 0;
    loop {
        let folder = folder();
        was_killed("child_works", folder.path(), u64::MAX);
        was_killed("child_works", folder.path(), 45);
        let killed = was_killed("child_prunes", folder.path(), fatal);
        let store = store(folder.path());
        let listing = store.list(None, now()).unwrap();
        assert!(
            listing.problems.is_empty(),
            "operation {fatal}: {:?}",
            listing.problems
        );
        for run in &listing.runs {
            let view = store.read(&run.state.id, now()).unwrap();
            assert_eq!(
                view.session().unwrap().names.len(),
                run.state.progress.done as usize
            );
            assert!(
                view.items().unwrap().len() >= run.state.progress.done as usize,
                "operation {fatal}"
            );
        }
        assert!(
            store
                .prune(TimeDelta::hours(1), 0, false, later())
                .unwrap()
                .problems
                .is_empty()
        );
        assert!(
            store.list(None, now()).unwrap().runs.is_empty(),
            "operation {fatal}"
        );
        assert_eq!(
            fs::read_dir(store.dirs().trash()).unwrap().count(),
            0,
            "operation {fatal}"
        );
        if !killed {
            assert!(listing.runs.is_empty());
            break;
        }
        fatal += 1;
    }
    assert!(fatal > 12, "only {fatal} operations");
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
