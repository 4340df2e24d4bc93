//! What a cleanup finds beside the dead: runs that live, runs of newer versions, rows that nobody can read.

use super::*;

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
