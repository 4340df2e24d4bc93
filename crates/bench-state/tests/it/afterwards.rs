//! What is recorded after the end of a run changes its sums, never its ending.

use std::fs;

use bench_state::{Ending, StateError};
use chrono::TimeDelta;

use crate::job::{Bed, now, packed, told};

#[test]
fn what_is_added_after_the_end_leaves_the_end_as_it_was() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let later = now() + TimeDelta::hours(3);
    bed.store.add_after_end(&run, &[(packed(7), later)]).unwrap();
    for rebuilt in [false, true] {
        if rebuilt {
            fs::remove_file(bed.dir(&run).join("state.json")).unwrap();
            fs::remove_file(bed.dir(&run).join("session.json")).unwrap();
        }
        let view = bed.view(&run);
        let state = &view.summary().state;
        assert_eq!(told(view.summary()), "completed 3/3", "rebuilt: {rebuilt}");
        assert_eq!((state.status.completed_at(), state.generation), (Some(now()), 1));
        assert_eq!(view.session().unwrap().weights, [1, 2, 7]);
    }
    // And the journal goes on behind it.
    let again = bed.store.resume(&run, later).unwrap();
    again.record(packed(8), later).unwrap();
    let finished = again.finish(Ending::Completed, later).unwrap();
    assert_eq!(finished.session.weights, [1, 2, 7, 8]);
}

#[test]
fn nothing_is_added_to_a_run_that_goes_on_or_is_not_there() {
    let bed = Bed::new();
    let run = bed.start();
    let (id, event) = (run.id().clone(), (packed(7), now()));
    let refused = bed
        .store
        .add_after_end(&id, std::slice::from_ref(&event))
        .unwrap_err();
    assert!(matches!(refused, StateError::StillRunning { .. }), "{refused}");
    run.finish(Ending::Completed, now()).unwrap();
    assert_eq!(bed.view(&id).session().unwrap().weights, [0; 0]);
    fs::remove_dir_all(bed.dir(&id)).unwrap();
    let refused = bed.store.add_after_end(&id, &[event]).unwrap_err();
    assert!(matches!(refused, StateError::UnknownRun { .. }), "{refused}");
    assert!(!bed.dir(&id).exists());
}

#[test]
fn looking_without_settling_changes_nothing() {
    let bed = Bed::new();
    let orphan = bed.orphan();
    let before = fs::read(bed.dir(&orphan).join("state.json")).unwrap();
    let seen = bed.store.read_without_settling(&orphan, now()).unwrap();
    assert_eq!(seen.session().unwrap().weights, [1, 2]);
    assert!(!seen.summary().state.status.is_over());
    assert_eq!(fs::read(bed.dir(&orphan).join("state.json")).unwrap(), before);
}
