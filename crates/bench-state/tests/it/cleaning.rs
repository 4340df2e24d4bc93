//! Cleaning up and pruning: what is found, what is done about it, and what is left alone.

mod beside;
mod pruned;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::slice;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bench_state::{Action, CleanupPlan, Ending, Standing, StateError, Subject, Why};
use chrono::{DateTime, TimeDelta, Utc};

use crate::job::{Bed, Packing, at, now, packed, told};

fn day() -> TimeDelta {
    TimeDelta::hours(24)
}

/// Every file and folder with its content and time.
fn everything(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let content = if metadata.is_dir() {
                pending.push(entry.path());
                Vec::new()
            } else {
                fs::read(entry.path()).unwrap()
            };
            found.insert(
                entry.path().display().to_string(),
                (content, metadata.modified().unwrap()),
            );
        }
    }
    found
}

fn told_of(plan: &CleanupPlan<Packing>) -> Vec<String> {
    let row = |row: &bench_state::CleanupRow<Packing>| format!("{} {:?}", row.why.word(), row.action);
    plan.rows.iter().map(row).collect()
}

/// Makes a run look as if its worker were on another machine.
fn exile(bed: &Bed, run: &bench_state::RunId) {
    let text = fs::read_to_string(bed.dir(run).join("state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&text).unwrap();
    bed.edit(
        run,
        "state.json",
        state["worker"]["boot_id"].as_str().unwrap(),
        "another",
    );
    bed.edit(
        run,
        "state.json",
        &state["worker"]["host"].to_string(),
        "\"elsewhere\"",
    );
}

#[test]
fn a_plan_finds_everything_and_changes_nothing() {
    let bed = Bed::new();
    bed.finished(now());
    let orphan = bed.orphan();
    let far = bed.orphan();
    exile(&bed, &far);
    let damaged = bed.finished(now());
    fs::write(bed.dir(&damaged).join("state.json"), "{").unwrap();
    let hopeless = bed.finished(now());
    for file in ["state.json", "plan.json"] {
        fs::write(bed.dir(&hopeless).join(file), "").unwrap();
    }
    let live = bed.start();
    let before = everything(bed.folder());

    // The heartbeat of `far` is the moment its lease was copied, so its silence counts from the present.
    let later = Utc::now() + TimeDelta::hours(25);
    let plan = bed.store.plan_cleanup(later, day()).unwrap();
    let listing = bed.store.list_without_settling(None, later).unwrap();
    let pruned = bed.store.prune(day(), 0, true, later).unwrap();
    assert_eq!(everything(bed.folder()), before, "something was touched");

    let mut found = told_of(&plan);
    found.sort();
    assert_eq!(
        found,
        [
            "broken Leave",
            "broken Repair",
            "orphaned Settle",
            "overdue Leave",
            "unknown Settle"
        ]
    );
    let standing = |id| {
        listing
            .runs
            .iter()
            .find(|run| &run.state.id == id)
            .unwrap()
            .standing
    };
    assert_eq!(standing(&orphan), Standing::Orphaned { rebooted: false });
    assert_eq!(standing(live.id()), Standing::Alive);
    assert_eq!(
        pruned.runs.len(),
        2,
        "the finished one and the damaged one: {pruned:?}"
    );
    let young = bed.store.plan_cleanup(Utc::now(), day()).unwrap();
    let mut found = told_of(&young);
    found.sort();
    assert_eq!(found[..3], ["broken Leave", "broken Repair", "orphaned Settle"]);
    live.finish(Ending::Completed, now()).unwrap();
}

#[test]
fn applying_ends_what_is_dead_repairs_what_is_damaged_and_leaves_what_lives() {
    let bed = Bed::new();
    let (orphan, far, damaged) = (bed.orphan(), bed.orphan(), bed.finished(now()));
    exile(&bed, &far);
    fs::write(bed.dir(&damaged).join("state.json"), "{").unwrap();
    let live = bed.start();
    let later = Utc::now() + TimeDelta::hours(30);
    let plan = bed.store.plan_cleanup(later, day()).unwrap();
    let applied = bed.store.apply(&plan).unwrap();
    assert!(applied.problems.is_empty(), "{applied:?}");
    let mut settled = applied.settled;
    settled.sort();
    let mut expected: Vec<String> = [&orphan, &far, &damaged].map(ToString::to_string).into();
    expected.sort();
    assert_eq!(settled, expected);

    let told_of_run = |run| told(bed.store.read(run, later).unwrap().summary());
    assert!(told_of_run(&orphan).starts_with("failed 2/3 worker_lost"));
    let given_up = told_of_run(&far);
    assert!(
        given_up.starts_with("failed 2/3 unreachable: the worker on `elsewhere` gave no sign of life since"),
        "{given_up}"
    );
    assert_eq!(told_of_run(&damaged), "completed 2/3");
    assert_eq!(
        told_of_run(live.id()),
        "running 0/3",
        "an old run with a worker is only pointed out"
    );
    live.record(packed(1), now()).unwrap();
    live.finish(Ending::Completed, now()).unwrap();
    assert!(bed.store.plan_cleanup(later, day()).unwrap().rows.is_empty());
    assert!(
        bed.store
            .apply(&plan)
            .unwrap()
            .settled
            .iter()
            .all(|id| id != far.as_str()),
        "twice is once"
    );
}

#[test]
fn a_plan_that_became_outdated_does_no_harm() {
    let bed = Bed::new();
    let (orphan, far) = (bed.orphan(), bed.orphan());
    exile(&bed, &far);
    let later = Utc::now() + TimeDelta::hours(30);
    let plan = bed.store.plan_cleanup(later, day()).unwrap();
    assert_eq!(plan.rows.len(), 2);
    let resumed = bed.store.resume(&orphan, now()).unwrap();
    // The worker over there shows itself again.
    let lease = File::options()
        .write(true)
        .open(bed.dir(&far).join("lease.lock"))
        .unwrap();
    lease.set_modified(SystemTime::from(later)).unwrap();
    let applied = bed.store.apply(&plan).unwrap();
    assert_eq!(
        (applied.settled.len(), applied.problems.len()),
        (0, 0),
        "{applied:?}"
    );
    resumed.record(packed(3), now()).unwrap();
    let finished = resumed.finish(Ending::Completed, now()).unwrap();
    assert_eq!(finished.session.weights, [1, 2, 3]);
}

fn age(path: &Path, when: DateTime<Utc>) {
    File::open(path)
        .unwrap()
        .set_modified(SystemTime::from(when))
        .unwrap();
}

#[test]
fn leftovers_are_swept_when_they_are_old_and_nobody_holds_them() {
    let bed = Bed::new();
    let over = bed.finished(now());
    let live = bed.start();
    let own = bed.store.root().join(".store");
    let held = own.join("new-run_20260101_000000_00000001");
    let abandoned = own.join("new-run_20260101_000000_00000002");
    let young = own.join("new-run_20260101_000000_00000003");
    for folder in [&held, &abandoned, &young] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("lease.lock"), "").unwrap();
    }
    let lease = File::open(held.join("lease.lock")).unwrap();
    lease.lock().unwrap();
    let temporary = [
        own.join(".tmp+a"),
        bed.dir(&over).join(".tmp+b"),
        bed.dir(&over).join("trials/.tmp+c"),
    ];
    let of_live = live.dir().join(".tmp+d");
    for file in temporary.iter().chain([&of_live]) {
        fs::write(file, "half").unwrap();
    }
    let trash = own.join("trash/run_20260101_000000_00000004");
    fs::create_dir_all(trash.join("trials")).unwrap();
    let present = Utc::now();
    assert_eq!(
        bed.store.plan_cleanup(present, day()).unwrap().leftovers,
        slice::from_ref(&trash),
        "all else is young"
    );
    let old = present - TimeDelta::minutes(61);
    for path in temporary.iter().chain([&of_live, &held, &abandoned]) {
        age(path, old);
    }

    let plan = bed.store.plan_cleanup(present, day()).unwrap();
    let applied = bed.store.apply(&plan).unwrap();
    assert!(applied.problems.is_empty(), "{applied:?}");
    assert_eq!(applied.removed.len(), 5, "{applied:?}");
    for gone in temporary.iter().chain([&abandoned, &trash]) {
        assert!(!gone.exists(), "{}", gone.display());
    }
    for kept in [&held, &young, &of_live] {
        assert!(kept.exists(), "{}", kept.display());
    }
    live.finish(Ending::Completed, now()).unwrap();
}
