//! What is recorded after the end of a run changes its sums, never its ending.

use std::fs;

use bench_state::{Ending, RunId, StateError};
use chrono::{DateTime, TimeDelta, Utc};

use crate::job::{Bed, at, now, packed, told};

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

/// A `state.json` from before a resume, put back after it: a copy made at the wrong time.
struct Restored {
    bed: Bed,
    run: RunId,
    state: Vec<u8>,
}

impl Restored {
    /// A dead run that was told as over, then resumed, which records one event.
    fn resumed(end: Option<Ending>) -> Self {
        let bed = Bed::new();
        let run = bed.orphan();
        assert!(told(&bed.only()).starts_with("failed 2/3 worker_lost"));
        let path = bed.dir(&run).join("state.json");
        let state = fs::read(&path).unwrap();
        let again = bed.store.resume(&run, later()).unwrap();
        again.record(packed(7), later()).unwrap();
        let bed = if let Some(ending) = end {
            again.finish(ending, later()).unwrap();
            bed
        } else {
            // As `kill -9` leaves it: without a lease that somebody holds.
            let copy = Bed::new();
            bed.copy_into(&copy);
            copy
        };
        let restored = Self { bed, run, state };
        restored.put_back();
        restored
    }

    fn put_back(&self) {
        fs::write(self.bed.dir(&self.run).join("state.json"), &self.state).unwrap();
    }
}

fn later() -> DateTime<Utc> {
    at("2026-01-02T06:00:00Z")
}

#[test]
fn a_state_that_is_older_than_the_journal_of_its_run_hides_nothing() {
    for end in [Ending::Completed, Ending::failed("the disk broke")] {
        let word = end.word();
        let Restored { bed, run, state } = Restored::resumed(Some(end));
        let seen = bed.only();
        assert!(told(&seen).starts_with(&format!("{word} 3/3")), "{}", told(&seen));
        assert_eq!(
            (seen.state.generation, seen.state.status.completed_at()),
            (2, Some(later()))
        );
        for view in [
            bed.view(&run),
            bed.store.inspect(&run, now()).unwrap(),
            bed.store.read_without_settling(&run, now()).unwrap(),
        ] {
            assert!(view.problems().is_empty(), "{:?}", view.problems());
            assert!(told(view.summary()).starts_with(&format!("{word} 3/3")));
            assert_eq!(view.session().unwrap().weights, [1, 2, 7]);
        }
        // What comes after it goes on behind all of it.
        bed.store.add_after_end(&run, &[(packed(8), later())]).unwrap();
        assert!(
            told(&bed.only()).starts_with(&format!("{word} 4/3")),
            "{}",
            told(&bed.only())
        );
        fs::write(bed.dir(&run).join("state.json"), state).unwrap();
        let third = bed.store.resume(&run, later()).unwrap();
        third.record(packed(9), later()).unwrap();
        let third = third.finish(Ending::Completed, later()).unwrap();
        assert_eq!(
            (third.state.generation, third.session.weights),
            (3, vec![1, 2, 7, 8, 9])
        );
        let events = bed.view(&run).events().unwrap();
        let generations: Vec<u32> = events.map(|event| event.unwrap().generation).collect();
        assert_eq!(generations, [1, 1, 2, 2, 3]);
    }
}

#[test]
fn a_later_worker_that_died_is_found_behind_an_old_state() {
    let restored = Restored::resumed(None);
    let (bed, run) = (&restored.bed, &restored.run);
    let looked = bed.store.read_without_settling(run, now()).unwrap();
    assert!(
        !looked.summary().state.status.is_over(),
        "its worker has no ending yet"
    );
    for round in ["ends it", "finds it"] {
        let seen = bed.only();
        assert!(
            told(&seen).starts_with("failed 3/3 worker_lost"),
            "{round}: {}",
            told(&seen)
        );
        assert_eq!(seen.state.generation, 2, "{round}");
    }
    restored.put_back();
    let again = bed.store.resume(run, later()).unwrap();
    assert_eq!(
        again.finish(Ending::Completed, later()).unwrap().state.generation,
        3
    );
}

/// Killed after it had written that it begins, and before it said that the run is running.
#[test]
fn a_resume_that_went_no_further_than_the_journal_changes_nothing_but_the_next_number() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let state = fs::read(bed.dir(&run).join("state.json")).unwrap();
    let taken_up = bed.store.resume(&run, later()).unwrap();
    let copy = Bed::new();
    bed.copy_into(&copy);
    fs::write(copy.dir(&run).join("state.json"), &state).unwrap();
    let seen = copy.only();
    assert_eq!(told(&seen), "completed 2/3");
    assert_eq!(
        (seen.state.generation, seen.state.status.completed_at()),
        (1, Some(now()))
    );
    assert_eq!(copy.view(&run).session().unwrap().weights, [1, 2]);
    assert_eq!(fs::read(copy.dir(&run).join("state.json")).unwrap(), state);
    let next = copy.store.resume(&run, later()).unwrap();
    assert_eq!(
        next.finish(Ending::Completed, later()).unwrap().state.generation,
        3
    );
    drop(taken_up);
}

/// `session.json` says that there was more, and neither of the others does.
#[test]
fn a_journal_that_was_cut_together_with_an_old_state_is_told_by_whoever_reads_all() {
    let Restored { bed, run, .. } = Restored::resumed(Some(Ending::Completed));
    let journal = bed.dir(&run).join("events.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    let cut: String = whole.split_inclusive('\n').take(3).collect();
    fs::write(&journal, cut).unwrap();
    let problems = bed.store.inspect(&run, now()).unwrap().problems()[0].to_string();
    assert!(
        problems.contains("it ends there, but 6 lines were recorded"),
        "{problems}"
    );
    let refused = bed.store.resume(&run, later()).map(drop).unwrap_err();
    assert!(matches!(refused, StateError::NotResumable { .. }), "{refused}");
}
