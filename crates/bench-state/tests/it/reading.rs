//! What a reader may touch: nothing, unless there is something to settle.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::SystemTime;

use bench_state::{Ending, RunStore, RunView};

use crate::job::{Bed, Packing, id, now, packed, told};

/// Everything below a folder: content and time of the last change.
fn contents(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, (Vec::new(), modified));
        } else {
            found.insert(path.clone(), (fs::read(&path).unwrap(), modified));
        }
    }
    found
}

#[test]
fn reading_runs_that_are_well_writes_nothing() {
    let bed = Bed::new();
    let over = bed.finished(now());
    let run = bed.start();
    run.record(packed(1), now()).unwrap();
    let before = contents(bed.folder());
    for _ in 0..2 {
        let listing = bed.store.list(None, now()).unwrap();
        assert_eq!((listing.runs.len(), listing.problems.len()), (2, 0));
        for id_of_run in [&over, run.id()] {
            let view = bed.view(id_of_run);
            view.plan().unwrap();
            view.session().unwrap();
            view.events().unwrap().for_each(drop);
            view.item(&id("one")).unwrap();
        }
        bed.store.resolve("latest").unwrap();
    }
    assert_eq!(contents(bed.folder()), before);
    run.finish(Ending::Completed, now()).unwrap();
}

#[test]
fn what_a_view_of_a_live_run_tells_is_all_of_the_same_moment() {
    let bed = Bed::new();
    let run = bed.start();
    run.record(packed(1), now()).unwrap();
    let view = bed.view(run.id());
    let counts = |view: &RunView<Packing>| {
        let session = view.session().unwrap().weights.len();
        let events = view.events().unwrap();
        (
            view.summary().state.progress.packed as usize,
            session,
            events.count(),
        )
    };
    assert_eq!(counts(&view), (1, 1, 1));
    run.record(packed(2), now()).unwrap();
    assert_eq!(counts(&view), (1, 1, 1), "nothing that came later");
    run.snapshot(now()).unwrap();
    assert_eq!(counts(&view), (1, 1, 1), "not from `session.json` either");
    run.finish(Ending::Completed, now()).unwrap();
    assert_eq!(counts(&view), (1, 1, 1), "nor of its end");
    assert_eq!(counts(&bed.view(view.id())), (2, 2, 2));
}

#[test]
fn a_store_that_does_not_exist_reads_as_empty_and_is_not_created() {
    let bed = Bed::new();
    let listing = bed.store.list(None, now()).unwrap();
    assert_eq!(
        (listing.runs.len(), listing.problems.len(), listing.not_shown),
        (0, 0, 0)
    );
    assert!(
        bed.store
            .read(&"run_20260102_030405_0badcafe".parse().unwrap(), now())
            .is_err()
    );
    assert!(!bed.store.root().exists());
}

#[test]
fn an_orphan_is_settled_once_and_on_the_disk() {
    let bed = Bed::new();
    let run = bed.orphan();
    let first = bed.only();
    let after = contents(bed.folder());
    assert!(
        fs::read_to_string(bed.dir(&run).join("state.json"))
            .unwrap()
            .contains(r#""status": "failed""#)
    );
    assert_eq!(bed.only().state.status, first.state.status);
    assert_eq!(contents(bed.folder()), after, "settled twice");
}

#[test]
fn an_orphan_that_cannot_be_written_is_told_as_over_all_the_same() {
    let bed = Bed::new();
    let run = bed.orphan();
    // A folder where the lock file should be: nobody can settle anything here, as on a read-only disk.
    fs::remove_file(bed.dir(&run).join("state.lock")).unwrap();
    fs::create_dir(bed.dir(&run).join("state.lock")).unwrap();
    let before = fs::read(bed.dir(&run).join("state.json")).unwrap();
    let listing = bed.store.list(None, now()).unwrap();
    assert!(told(&listing.runs[0]).starts_with("failed 2/3 worker_lost"));
    assert!(listing.problems[0].to_string().contains("state.lock"));
    assert_eq!(fs::read(bed.dir(&run).join("state.json")).unwrap(), before);
}

#[test]
fn another_handle_to_the_same_store_in_the_same_process_does_not_mistake_a_live_run() {
    let bed = Bed::new();
    let run = bed.start();
    let other = RunStore::<Packing>::open(bed.store.root()).unwrap();
    for _ in 0..100 {
        assert!(!other.list(None, now()).unwrap().runs[0].state.status.is_over());
    }
    run.finish(Ending::Completed, now()).unwrap();
}

#[test]
fn readers_that_look_all_the_time_never_see_half_a_run_and_never_end_a_live_one() {
    let bed = Bed::new();
    let working = AtomicBool::new(true);
    let looks = thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| look_while(&bed, &working)))
            .collect();
        let no_longer = StopOnDrop(&working);
        for _ in 0..25 {
            let run = bed.start();
            for weight in 0..3 {
                run.record(packed(weight), now()).unwrap();
                run.snapshot(now()).unwrap();
            }
            run.finish(Ending::Completed, now()).unwrap();
        }
        drop(no_longer);
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .sum::<usize>()
    });
    assert!(looks > 25, "readers looked only {looks} times");
    assert_eq!(bed.store.list(None, now()).unwrap().runs.len(), 25);
}

/// Ends the readers also when the test fails, instead of waiting for them for ever.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Lists again and again; returns how often.
fn look_while(bed: &Bed, working: &AtomicBool) -> usize {
    let mut looks = 0;
    while working.load(Ordering::SeqCst) {
        let listing = bed.store.list(Some(2), now()).unwrap();
        assert!(listing.problems.is_empty(), "{:?}", listing.problems);
        for run in &listing.runs {
            let word = run.state.status.word();
            assert!(word == "running" || word == "completed", "{}", told(run));
            assert!(
                word == "running" || run.state.progress.packed == 3,
                "{}",
                told(run)
            );
        }
        looks += 1;
    }
    looks
}
