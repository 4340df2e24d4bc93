//! Cleaning up and pruning: what is found, what is done about it, and what is left alone.

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

#[test]
fn pruning_removes_the_old_and_never_what_runs() {
    let bed = Bed::new();
    let ids: Vec<_> = (1..=6)
        .map(|day| bed.finished(at(&format!("2026-01-0{day}T00:00:00Z"))))
        .collect();
    let live = bed.start_at(at("2025-12-01T00:00:00Z"));
    let present = at("2026-01-07T00:00:00Z");
    let dry = bed.store.prune(TimeDelta::days(3), 0, true, present).unwrap();
    assert_eq!(dry.runs, [ids[2].clone(), ids[1].clone(), ids[0].clone()]);
    let kept = bed.store.prune(TimeDelta::days(3), 5, true, present).unwrap();
    assert_eq!(kept.runs, [ids[0].clone()], "the newest five stay, however old");
    assert_eq!(bed.store.list(None, present).unwrap().runs.len(), 7);

    let pruned = bed.store.prune(TimeDelta::days(3), 0, false, present).unwrap();
    assert_eq!(pruned.runs, dry.runs);
    let left: Vec<_> = bed.store.list(None, present).unwrap().runs;
    assert_eq!(left.len(), 4);
    assert_eq!(told(&left[3]), "running 0/3");
    assert_eq!(
        fs::read_dir(bed.store.root().join(".store/trash"))
            .unwrap()
            .count(),
        0
    );
    assert!(matches!(
        bed.store.read(&ids[0], present),
        Err(StateError::UnknownRun { .. })
    ));
    live.finish(Ending::Completed, now()).unwrap();
}

#[test]
fn runs_that_are_named_are_removed_unless_they_are_not_over() {
    let bed = Bed::new();
    let (old, young) = (bed.finished(now()), bed.finished(now() + TimeDelta::hours(1)));
    let live = bed.start();
    let named = [young.clone(), live.id().clone()];
    let later = now() + TimeDelta::hours(2);
    let dry = bed.store.remove(&named, true, later).unwrap();
    assert_eq!(dry.runs.as_slice(), slice::from_ref(&young));
    assert_eq!(
        bed.store.list(None, later).unwrap().runs.len(),
        3,
        "nothing is changed"
    );
    let removed = bed.store.remove(&named, false, later).unwrap();
    assert_eq!(removed.runs.as_slice(), slice::from_ref(&young));
    let [problem] = removed.problems.as_slice() else {
        panic!("{removed:?}");
    };
    assert!(
        matches!(&problem.error, StateError::StillRunning { run, .. } if run == live.id()),
        "{problem}"
    );
    assert!(bed.dir(live.id()).exists() && bed.dir(&old).exists() && !bed.dir(&young).exists());
    live.finish(Ending::Completed, now()).unwrap();

    // One that is over, but held: somebody takes it up just now.
    let holder = File::open(bed.dir(&old).join("lease.lock")).unwrap();
    holder.lock().unwrap();
    let held = bed.store.remove(slice::from_ref(&old), false, later).unwrap();
    assert!(held.runs.is_empty() && held.problems.len() == 1, "{held:?}");
    drop(holder);
    assert_eq!(
        bed.store
            .remove(slice::from_ref(&old), false, later)
            .unwrap()
            .runs,
        [old]
    );
}

#[test]
fn a_run_that_somebody_still_holds_is_not_pruned() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let later = now() + TimeDelta::days(40);
    let worker = File::open(bed.dir(&run).join("lease.lock")).unwrap();
    worker.lock().unwrap();
    let pruned = bed.store.prune(day(), 0, false, later).unwrap();
    assert!(pruned.runs.is_empty() && pruned.problems.is_empty(), "{pruned:?}");
    assert_eq!(told(&bed.only()), "completed 2/3");
    drop(worker);
    assert_eq!(bed.store.prune(day(), 0, false, later).unwrap().runs, [run]);
}

#[test]
fn pruning_never_takes_a_run_from_who_resumes_it() {
    let bed = Bed::new();
    for _ in 0..20 {
        let run = bed.finished(now());
        let later = now() + TimeDelta::days(40);
        let (pruned, resumed) = thread::scope(|scope| {
            let pruner = scope.spawn(|| bed.store.prune(day(), 0, false, later).unwrap());
            let resumed = bed.store.resume(&run, later);
            (pruner.join().unwrap(), resumed)
        });
        assert!(pruned.problems.is_empty(), "{pruned:?}");
        match resumed {
            Ok(resumed) => {
                assert!(pruned.runs.is_empty());
                resumed.record(packed(3), later).unwrap();
                resumed.finish(Ending::Completed, later).unwrap();
                assert_eq!(bed.view(&run).session().unwrap().weights, [1, 2, 3]);
                // Another test that forks at this moment holds a copy of the lease for that moment, and a held
                // lease is respected: then pruning again is right.
                let deadline = Instant::now() + Duration::from_secs(30);
                let prune = || {
                    bed.store
                        .prune(day(), 0, false, later + TimeDelta::days(9))
                        .unwrap()
                };
                while prune().runs.is_empty() && Instant::now() < deadline {
                    thread::yield_now();
                }
            }
            Err(error) => {
                assert!(matches!(error, StateError::UnknownRun { .. }), "{error:?}");
                assert_eq!(pruned.runs, [run]);
            }
        }
        assert!(bed.store.list(None, later).unwrap().runs.is_empty());
    }
}

/// Everybody at once on the same dead run: it ends once, or goes on in one worker's hands, and stays readable.
#[test]
fn resuming_cleaning_and_listing_at_once() {
    for _ in 0..15 {
        let bed = Bed::new();
        let run = bed.orphan();
        let later = now() + TimeDelta::days(2);
        let resumed = thread::scope(|scope| {
            let lists = (0..2).map(|_| {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let listing = bed.store.list(None, later).unwrap();
                        assert!(listing.problems.is_empty(), "{:?}", listing.problems);
                        assert_eq!(listing.runs[0].state.progress.packed, 2);
                    }
                })
            });
            let cleanup = scope.spawn(|| {
                let applied = bed
                    .store
                    .apply(&bed.store.plan_cleanup(later, day()).unwrap())
                    .unwrap();
                assert!(applied.problems.is_empty(), "{applied:?}");
            });
            let others: Vec<_> = lists.collect();
            let resumed: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| bed.store.resume(&run, later)))
                .collect();
            let resumed: Vec<_> = resumed.into_iter().map(|one| one.join().unwrap()).collect();
            for other in others.into_iter().chain([cleanup]) {
                other.join().unwrap();
            }
            resumed
        });
        assert_eq!(resumed.iter().filter(|one| one.is_ok()).count(), 1, "{resumed:?}");
        assert_eq!(told(&bed.only()), "running 2/3");
        for run in resumed.into_iter().flatten() {
            run.finish(Ending::Completed, later).unwrap();
        }
        assert_eq!(told(&bed.only()), "completed 2/3");
    }
}

#[test]
fn what_runs_is_found_among_any_number_of_newer_runs() {
    let bed = Bed::new();
    let live = bed.start_at(at("2026-01-01T00:00:00Z"));
    let orphan = bed.orphan();
    for day in 3..9 {
        bed.finished(at(&format!("2026-01-0{day}T00:00:00Z")));
    }
    assert!(
        bed.store
            .list(Some(3), now())
            .unwrap()
            .runs
            .iter()
            .all(|run| run.state.status.is_over())
    );
    let unfinished = |bed: &Bed| -> Vec<String> {
        let listing = bed.store.unfinished(now()).unwrap();
        assert!(listing.problems.is_empty(), "{:?}", listing.problems);
        listing.runs.iter().map(|run| run.state.id.to_string()).collect()
    };
    let marker = |run: &bench_state::RunId| bed.store.root().join(".store/active").join(run.as_str());
    assert_eq!(unfinished(&bed), [live.id().to_string()]);

    assert!(!marker(&orphan).exists());
    let settled = bed.store.list_without_settling(None, now()).unwrap();
    assert!(
        settled.runs.iter().any(|run| told(run).contains("worker_lost")),
        "dead ones are ended on the way"
    );

    // Copied in without a marker, a run is not looked at; a list of all finds it.
    let copied = bed.orphan();
    fs::remove_file(marker(&copied)).unwrap();
    assert_eq!(unfinished(&bed), [live.id().to_string()]);
    let running = r#""completed_at": null"#;
    assert!(
        fs::read_to_string(bed.dir(&copied).join("state.json"))
            .unwrap()
            .contains(running)
    );
    bed.store.list(None, now()).unwrap();
    assert!(
        !fs::read_to_string(bed.dir(&copied).join("state.json"))
            .unwrap()
            .contains(running)
    );

    // All that is kept about runs may go: it is made anew.
    let again = bed.orphan();
    fs::remove_dir_all(bed.store.root().join(".store")).unwrap();
    fs::create_dir(bed.store.root().join(".store")).unwrap();
    assert_eq!(unfinished(&bed), [live.id().to_string()]);
    let state = fs::read_to_string(bed.dir(&again).join("state.json")).unwrap();
    assert!(state.contains("worker_lost"), "the orphan was settled on the way");
    assert!(!marker(&again).exists());

    // Markers of runs that are over or gone do not stay.
    let gone = "run_20200101_000000_00000000".parse().unwrap();
    for stale in [&again, &gone] {
        fs::write(marker(stale), "").unwrap();
    }
    assert_eq!(unfinished(&bed), [live.id().to_string()]);
    assert!(!marker(&again).exists() && !marker(&gone).exists());
    assert!(marker(live.id()).exists());

    // One that lost its marker gets it back from whoever reads it.
    fs::remove_file(marker(live.id())).unwrap();
    bed.store.list(None, now()).unwrap();
    assert_eq!(unfinished(&bed), [live.id().to_string()]);
    let id = live.id().clone();
    live.finish(Ending::Completed, now()).unwrap();
    assert!(!marker(&id).exists() && unfinished(&bed).is_empty());
    let resumed = bed.store.resume(&id, now()).unwrap();
    assert_eq!(unfinished(&bed), [id.to_string()]);
    resumed.finish(Ending::Completed, now()).unwrap();
}

#[test]
fn a_newer_versions_store_and_runs_are_left_alone() {
    let bed = Bed::new();
    let over = bed.finished(now());
    let (orphan, far) = (bed.orphan(), bed.orphan());
    exile(&bed, &far);
    for run in [&over, &orphan, &far] {
        bed.edit(run, "state.json", r#""format": 1"#, r#""format": 2"#);
    }
    let before = everything(&bed.store.root().join("runs"));
    let later = Utc::now() + TimeDelta::days(40);
    let plan = bed.store.plan_cleanup(later, day()).unwrap();
    let applied = bed.store.apply(&plan).unwrap();
    assert_eq!(
        (applied.settled.len(), applied.problems.len()),
        (0, 2),
        "{applied:?}"
    );
    let pruned = bed.store.prune(day(), 0, false, later).unwrap();
    assert!(
        pruned.runs.is_empty() && !pruned.problems.is_empty(),
        "{pruned:?}"
    );
    assert!(matches!(
        bed.store.resume(&over, later),
        Err(StateError::NewerFormat { .. })
    ));
    let files = |all: BTreeMap<String, (Vec<u8>, SystemTime)>| -> Vec<(String, Vec<u8>)> {
        let file = |(path, (content, _)): (String, (Vec<u8>, SystemTime))| (path, content);
        all.into_iter().map(file).collect()
    };
    assert_eq!(files(everything(&bed.store.root().join("runs"))), files(before));

    fs::write(bed.store.root().join(".store/format"), "2").unwrap();
    assert!(matches!(
        bed.store.apply(&plan),
        Err(StateError::NewerFormat { .. })
    ));
    assert!(matches!(
        bed.store.prune(day(), 0, false, later),
        Err(StateError::NewerFormat { .. })
    ));
    assert!(bed.store.prune(day(), 0, true, later).is_ok(), "looking is fine");
}

#[test]
fn trouble_is_told_for_lists_too() {
    let bed = Bed::new();
    let run = bed.start();
    assert_eq!(
        bed.only().trouble(now() + day(), day()),
        None,
        "not a moment too early"
    );
    assert_eq!(
        bed.only().trouble(now() + day() + TimeDelta::seconds(1), day()),
        Some(Why::Overdue)
    );
    run.record(packed(1), now() + TimeDelta::hours(20)).unwrap();
    assert_eq!(
        bed.only().trouble(now() + TimeDelta::hours(40), day()),
        None,
        "it counts from the last event"
    );
    run.finish(Ending::Completed, now()).unwrap();
    assert_eq!(bed.only().trouble(now() + TimeDelta::days(400), day()), None);
}

#[test]
fn unreadable_rows_name_the_run() {
    let bed = Bed::new();
    fs::create_dir_all(bed.store.root().join("runs/run_20260105_000000_00000000")).unwrap();
    let plan = bed.store.plan_cleanup(now(), day()).unwrap();
    let row = &plan.rows[0];
    assert_eq!(
        (row.id(), row.started_at(), row.action),
        ("run_20260105_000000_00000000", None, Action::Leave)
    );
    assert!(matches!(row.subject, Subject::Unreadable { .. }));
    assert_eq!(plan.problems.len(), 1);
}
