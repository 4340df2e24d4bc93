//! Runs that are removed, never one that is still worked on, held or taken up again.

use super::*;

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
