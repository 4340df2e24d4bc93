//! Folders that are not where they should be: moved away under a live run, or only linked to.

use std::fs;
use std::os::unix::fs::symlink;

use bench_state::{CauseKind, Ending, RunStore, StateError};
use chrono::TimeDelta;

use crate::job::{Bed, Packing, id, now, packed, told};

fn is_moved<T>(outcome: &Result<T, StateError>) -> bool {
    matches!(outcome, Err(StateError::Moved { .. }))
}

#[test]
fn a_run_whose_folder_was_moved_says_so_and_is_whole_where_it_is_now() {
    let bed = Bed::new();
    let run = bed.start();
    run.put_item(&id("one"), &"first".to_owned()).unwrap();
    run.record(packed(1), now()).unwrap();
    let elsewhere = bed.folder().join("moved");
    fs::rename(bed.store.root(), &elsewhere).unwrap();

    assert!(is_moved(&run.snapshot(now())));
    assert!(is_moved(&run.item_log(&id("two"))));
    assert!(is_moved(&run.text_log(&id("two"))));
    let error = run.put_item(&id("two"), &"second".to_owned()).unwrap_err();
    let dir = run.dir().display().to_string();
    assert!(error.to_string().contains(&dir), "{error}");
    let (id, ending) = (run.id().clone(), CauseKind::Error.because(error.to_string()));
    assert!(is_moved(&run.finish(ending, now())));
    assert!(!bed.store.root().exists(), "nothing is created where it was");

    let there = RunStore::<Packing>::open(&elsewhere).unwrap();
    let seen = there.read(&id, now()).unwrap();
    assert!(
        told(seen.summary()).starts_with("failed 1/3 error: "),
        "{}",
        told(seen.summary())
    );
    let again = there.resume(&id, now()).unwrap();
    again.record(packed(2), now()).unwrap();
    again.finish(Ending::Completed, now()).unwrap();
    assert_eq!(there.read(&id, now()).unwrap().session().unwrap().weights, [1, 2]);
}

#[test]
fn a_link_in_place_of_a_run_is_a_problem_and_left_alone() {
    let bed = Bed::new();
    let (other, good) = (Bed::new(), bed.finished(now()));
    let linked = other.orphan();
    symlink(other.dir(&linked), bed.dir(&linked)).unwrap();
    // As an earlier run of that name may have left it.
    fs::write(bed.store.root().join(".store/active").join(linked.as_str()), "").unwrap();
    let before = fs::read(other.dir(&linked).join("state.json")).unwrap();
    let is_link =
        |problem: &StateError| matches!(problem, StateError::IsALink { path } if *path == bed.dir(&linked));

    let listing = bed.store.list(None, now()).unwrap();
    assert_eq!(listing.runs.len(), 1);
    assert_eq!(listing.runs[0].state.id, good);
    assert_eq!(listing.problems.len(), 1);
    assert!(is_link(&listing.problems[0].error), "{}", listing.problems[0]);
    let unfinished = bed.store.unfinished(now()).unwrap();
    assert!(unfinished.runs.is_empty());
    assert_eq!(bed.store.resolve("latest").unwrap(), good);
    assert!(is_link(&bed.store.read(&linked, now()).err().unwrap()));
    assert!(is_link(&bed.store.resume(&linked, now()).err().unwrap()));
    let added = bed.store.add_after_end(&linked, &[(packed(1), now())]);
    assert!(is_link(&added.unwrap_err()));

    let later = now() + TimeDelta::days(400);
    let plan = bed.store.plan_cleanup(later, TimeDelta::hours(1)).unwrap();
    assert!(plan.rows.is_empty());
    assert!(plan.problems.iter().any(|problem| is_link(&problem.error)));
    bed.store.apply(&plan).unwrap();
    let pruned = bed.store.prune(TimeDelta::zero(), 0, false, later).unwrap();
    assert_eq!(pruned.runs, [good]);
    assert!(
        fs::symlink_metadata(bed.dir(&linked)).unwrap().is_symlink(),
        "the link is still there"
    );
    assert_eq!(before, fs::read(other.dir(&linked).join("state.json")).unwrap());
}
