//! Tests of the inside that need processes: death before every single step on the disk, power cuts, and many writers.
//!
//! A test starts this test binary again and has it run one of the ignored `child_…` tests, with its orders in the
//! environment. `arm` makes one step of the child fatal, so that every state a crash can leave is really left, or has
//! the steps written down, from which `power_loss` works out what is left when the power goes. `contention` has many of
//! them do things at the same time.

mod contention;
mod disk;
mod inspection;
mod later_life;
mod power_loss;
#[cfg(target_os = "linux")]
mod real_disk;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::durable::crash;
use crate::journal::Checkpoint;
use crate::journal::line::{Line, Said};
use crate::journal::reader::JournalReader;
use crate::layout::RunDir;
use crate::{Ending, Job, Recorder, RunStore, RunSummary};

const FOLDER: &str = "BENCH_STATE_TEST_FOLDER";
const FATAL: &str = "BENCH_STATE_TEST_FATAL";
const TRACE: &str = "BENCH_STATE_TEST_TRACE";

/// Kills that each test must come to at least. Together they are the thousand that are asked for.
const KILLS: [(&str, u64); 8] = [
    ("working", 100),
    ("settling after a kill", 700),
    ("resuming", 65),
    ("adopting", 25),
    ("launching", 35),
    ("cleaning up", 60),
    ("pruning", 22),
    ("adding after the end", 10),
];

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
    was_killed_as(child(test, folder, fatal), &format!("{test} at {fatal}"))
}

fn was_killed_as(mut child: Command, place: &str) -> bool {
    let status = child.status().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        assert!(
            status.success() || status.signal() == Some(9),
            "{place}: {status}"
        );
    }
    !status.success()
}

/// Takes up the orders: where to die, and whether to write down the steps.
fn arm() {
    crash::arm(ordered_death());
    write_down();
}

fn ordered_death() -> u64 {
    std::env::var(FATAL).unwrap().parse().unwrap()
}

fn write_down() {
    if let Some(trace) = std::env::var_os(TRACE) {
        crash::trace_to(Path::new(&trace));
    }
}

/// Tells how much a test has tried. Not for `println`, which tests that succeed keep to themselves.
fn tell(what: &str) {
    io::stderr().write_all(format!("{what}\n").as_bytes()).unwrap();
}

/// Tells how many kills a test came to, and sees to it that they do not get fewer unnoticed.
fn tell_kills(of: &str, kills: u64) {
    let (_, least) = KILLS.into_iter().find(|(name, _)| *name == of).unwrap();
    tell(&format!("kill -9 while {of}: {kills} points, no violation"));
    assert!(
        kills >= least,
        "only {kills} of {least} kills while {of}: are the steps still announced?"
    );
}

#[test]
fn a_thousand_kills_are_the_least() {
    let least: u64 = KILLS.iter().map(|(_, least)| least).sum();
    assert!(least >= 1000, "{least}");
}

/// Says that something was promised to the user: it was reported as done.
fn acknowledge(folder: &Path, what: &str) {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("promised"))
        .unwrap();
    // In one piece: others may append at the same moment.
    file.write_all(format!("{what}\n").as_bytes()).unwrap();
    crash::promised(what);
}

/// What was promised, in order.
fn acknowledged(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("promised")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn promised(folder: &Path, what: &str) -> bool {
    acknowledged(folder).iter().any(|promise| promise == what)
}

/// One piece of work as a job does it: a log, a record, the event that names them.
fn work(run: &Recorder<Tally>, name: &str, folder: &Path) {
    let id = name.parse().unwrap();
    let event = Named {
        name: name.to_owned(),
    };
    let mut log = run.item_log(&id).unwrap();
    log.append(&event).unwrap();
    log.sync().unwrap();
    run.put_item(&id, &event).unwrap();
    run.record(event, now()).unwrap();
    acknowledge(folder, name);
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
        work(&run, name, &folder);
        run.snapshot(now()).unwrap();
    }
    run.finish(Ending::Completed, now()).unwrap();
    acknowledge(&folder, "finished");
}

/// What a list says of a run that is over: never to be taken back.
fn told(run: &RunSummary<Tally>) -> String {
    let state = &run.state;
    let end = state.status.completed_at().unwrap();
    format!(
        "told {} {} {end} {}",
        state.id,
        state.status.word(),
        state.progress.done
    )
}

#[test]
#[ignore = "the child of other tests"]
fn child_lists() {
    let folder = ordered_folder();
    arm();
    for run in store(&folder).list(None, now()).unwrap().runs {
        acknowledge(&folder, &told(&run));
    }
}

/// Whether the journal has the run's ending in its last whole line.
fn ending_is_noted(dir: &RunDir) -> bool {
    let mut reader = JournalReader::<Named>::open(&dir.journal(), Checkpoint::default()).unwrap();
    let last = std::iter::from_fn(|| reader.next_line().unwrap()).last();
    matches!(last, Some(Line { said: Said::Store(note), .. }) if note.ending().is_some())
}

/// What must be true after any crash, as soon as somebody looks.
fn check(folder: &Path, place: &str) {
    let promises = acknowledged(folder);
    let promised = |what: &str| promises.iter().any(|promise| promise == what);
    let store = store(folder);
    let noted = store
        .resolve("latest")
        .is_ok_and(|id| ending_is_noted(&store.dirs().run(&id)));
    let listing = store.list(None, now()).unwrap();
    assert!(listing.problems.is_empty(), "{place}: {:?}", listing.problems);
    assert!(listing.runs.len() <= 1, "{place}");
    assert!(
        !promised("created") || listing.runs.len() == 1,
        "{place}: run lost"
    );
    for run in &listing.runs {
        let status = &run.state.status;
        assert!(status.is_over(), "{place}: still {}", status.word());
        assert!(status.completed_at().unwrap() >= run.state.started_at, "{place}");
        let whole = status.ending() == Some(&Ending::Completed);
        assert!(whole || !promised("finished"), "{place}: ending lost");
        assert!(
            whole || !noted,
            "{place}: the ending is in the journal, but was not told"
        );
        check_work(&store, run, &promises, place);
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

/// What was reported as done is there, with its record and its log, and counted once.
fn check_work(store: &RunStore<Tally>, run: &RunSummary<Tally>, promises: &[String], place: &str) {
    let view = store.read(&run.state.id, now()).unwrap();
    let mut names = view.session().unwrap().names;
    let done = run.state.progress.done as usize;
    // Events that are added after the end have no items, and one that nobody was told of may not be counted yet.
    let adding = promises.iter().any(|what| what == "adding");
    let all = names.len();
    names.retain(|name| !(adding && name == "z"));
    assert!(
        done == all || adding && (names.len()..all).contains(&done),
        "{place}: counters disagree: {done} of {all}"
    );
    let in_order = names.is_sorted_by(|one, next| one < next);
    assert!(in_order, "{place}: {names:?}");
    let finished = promises.iter().filter(|what| what.len() == 1);
    assert!(
        finished.clone().all(|name| names.contains(name)),
        "{place}: finished work lost: {names:?} of {promises:?}"
    );
    for name in &names {
        let id = name.parse().unwrap();
        assert_eq!(view.item(&id).unwrap().unwrap().name, *name, "{place}");
        let log = view.item_log::<Named>(&id).unwrap().unwrap();
        let lines: Vec<String> = log.map(|line| line.unwrap().name).collect();
        assert_eq!(lines, std::slice::from_ref(name), "{place}");
    }
}

#[test]
fn killed_before_any_step_nothing_promised_is_lost_and_nothing_stays_running() {
    let mut fatal = 0;
    loop {
        let folder = folder();
        let killed = was_killed("child_works", folder.path(), fatal);
        check(folder.path(), &format!("step {fatal}"));
        if !killed {
            assert!(promised(folder.path(), "finished"));
            break;
        }
        fatal += 1;
    }
    tell_kills("working", fatal);
}

#[test]
fn a_reader_killed_while_settling_leaves_it_to_the_next_reader() {
    let mut kills = 0;
    // From before the run is visible to after its ending.
    for fatal in 0.. {
        let mut worker_killed = false;
        for reader_fatal in 0.. {
            let folder = folder();
            worker_killed = was_killed("child_works", folder.path(), fatal);
            let killed = was_killed("child_lists", folder.path(), reader_fatal);
            check(folder.path(), &format!("step {fatal}, reader's {reader_fatal}"));
            if !killed {
                break;
            }
            kills += 1;
        }
        if !worker_killed {
            break;
        }
    }
    tell_kills("settling after a kill", kills);
}
