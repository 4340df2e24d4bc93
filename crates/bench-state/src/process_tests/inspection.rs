//! What must be true when the machine is up again after a power cut.

use std::fs;
use std::path::Path;

use chrono::TimeDelta;
use serde_json::Value;

use super::later_life::OLD_RUN;
use super::{Label, Named, Planned, Tally, acknowledged, check_work, now, promised, store, told};
use crate::journal::Checkpoint;
use crate::journal::reader::JournalReader;
use crate::layout::RunDir;
use crate::{Ending, RunSummary, StateError};

/// Looks at the files as they are, then asks the store, then goes on with everything.
pub(super) fn inspect(folder: &Path, place: &str) {
    check_files(folder, place);
    check_old_run(folder, place);
    check_run(folder, place);
    check_life_goes_on(folder, place);
}

/// Before anybody repairs anything: a run is there with all its files, or not at all; none is torn, none is ahead of
/// the journal, and the marker of one that runs is there.
fn check_files(folder: &Path, place: &str) {
    let store = store(folder);
    for id in store
        .dirs()
        .run_ids(|_, error| panic!("{place}: {error}"))
        .unwrap()
    {
        let dir = store.dirs().run(&id);
        for path in [dir.lease(), dir.state_lock(), dir.items(), dir.logs()] {
            assert!(path.exists(), "{place}: no {}", path.display());
        }
        let parsed = |path: &Path| -> Value {
            let text = fs::read(path).unwrap_or_else(|error| panic!("{place}: {}: {error}", path.display()));
            serde_json::from_slice(&text)
                .unwrap_or_else(|error| panic!("{place}: {}: {error}", path.display()))
        };
        parsed(&dir.plan());
        parsed(&dir.session());
        let lines = dense_lines(&dir, place);
        let damaged = promised(folder, "damaged") && !is_whole(&dir.state());
        if damaged {
            continue;
        }
        let state = parsed(&dir.state());
        let known = state["journal"]["seq"].as_u64().unwrap();
        assert!(
            known <= lines,
            "{place}: state.json knows of line {known}, the journal ends with {lines}"
        );
        // A marker too many is as good as none: only a folder that lacks one would hide a run.
        let marked = dir.marker().exists() || !store.dirs().active().exists();
        assert!(
            marked || state["status"] != "running",
            "{place}: a run under way has no marker"
        );
    }
}

fn is_whole(path: &Path) -> bool {
    fs::read(path).is_ok_and(|text| serde_json::from_slice::<Value>(&text).is_ok())
}

/// The old tool's run, if there is one, is over or not, and neither half.
fn check_old_run(folder: &Path, place: &str) {
    let old = folder.join(OLD_RUN);
    if let Ok(text) = fs::read_to_string(&old) {
        let row: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{place}: {error}: {text}"));
        assert_eq!(
            row["status"] == "failed",
            row["completed_at"].is_string(),
            "{place}: {text}"
        );
    }
}

/// How many valid lines the journal has, from the first one without a gap.
fn dense_lines(dir: &RunDir, place: &str) -> u64 {
    let mut reader = JournalReader::<Named>::open(&dir.journal(), Checkpoint::default()).unwrap();
    let mut lines = 0;
    while let Some(line) = reader.next_line().unwrap() {
        lines += 1;
        assert_eq!(line.seq, lines, "{place}");
    }
    assert_eq!(reader.report().faults, [], "{place}");
    lines
}

/// Somebody looks: what was promised is kept.
fn check_run(folder: &Path, place: &str) {
    let promises = acknowledged(folder);
    let promised = |what: &str| promises.iter().any(|promise| promise == what);
    let adding = promised("adding");
    let reopened = promises
        .iter()
        .rposition(|promise| promise == "reopened")
        .unwrap_or(0);
    let still = |what: &str| promises[reopened..].iter().any(|promise| promise == what);
    let store = store(folder);
    let listing = store.list(None, now()).unwrap();
    let repaired = |error: &StateError| promised("damaged") && matches!(error, StateError::Rebuilt { .. });
    assert!(
        listing.problems.iter().all(|problem| repaired(&problem.error)),
        "{place}: {:?}",
        listing.problems
    );
    let created = promises.iter().filter(|promise| *promise == "created").count();
    assert!(
        promised("pruning") || listing.runs.len() >= created,
        "{place}: run lost"
    );
    for run in &listing.runs {
        let status = &run.state.status;
        assert!(status.is_over(), "{place}: still running");
        // Of two runs, promises do not say which one they are about.
        if created < 2 && listing.runs.len() == 1 {
            if adding {
                check_added(run, &promises, place);
            }
            check_work(&store, run, &promises, place);
            let completed = status.ending() == Some(&Ending::Completed);
            assert!(
                completed || !(still("finished") || still("finished again")),
                "{place}: ending lost: {status:?}"
            );
            let cancelled = matches!(status.ending(), Some(Ending::Cancelled { .. }));
            assert!(
                cancelled || !still("cancelled"),
                "{place}: cancelling lost: {status:?}"
            );
        }
        let id = format!("told {} ", run.state.id);
        for earlier in promises[reopened..]
            .iter()
            .filter(|promise| promise.starts_with(&id))
        {
            let same = *earlier == told(run);
            // What is added is counted, and nothing else changes.
            let but_for_the_count = |text: &str| text.rsplit_once(' ').map(|(rest, _)| rest.to_owned());
            assert!(
                same || adding && but_for_the_count(earlier) == but_for_the_count(&told(run)),
                "{place}: it was told otherwise: {earlier}, {}",
                told(run)
            );
        }
    }
}

/// What was added after the end, and acknowledged, is counted.
fn check_added(run: &RunSummary<Tally>, promises: &[String], place: &str) {
    let times = |what: &str| promises.iter().filter(|promise| *promise == what).count();
    let work = promises.iter().filter(|promise| promise.len() == 1).count();
    let done = run.state.progress.done as usize;
    assert!(
        done >= work + times("added"),
        "{place}: what was added is lost: {done} of {promises:?}"
    );
}

/// Every run can be continued, a new one begun, and all of them removed.
fn check_life_goes_on(folder: &Path, place: &str) {
    let store = store(folder);
    for run in store.list(None, now()).unwrap().runs {
        let known = store
            .read(&run.state.id, now())
            .unwrap()
            .session()
            .unwrap()
            .names
            .len();
        let resumed = store
            .resume(&run.state.id, now())
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        resumed.record(Named { name: "z".to_owned() }, now()).unwrap();
        let finished = resumed.finish(Ending::Completed, now()).unwrap();
        let done = finished.state.progress.done as usize;
        // What was added and never acknowledged may be in the journal all the same, and counts from now on.
        let most = known + 1 + if promised(folder, "adding") { 2 } else { 0 };
        assert!((known + 1..=most).contains(&done), "{place}: {done} of {known}");
        let read = store.read(&run.state.id, now()).unwrap();
        assert!(read.problems().is_empty(), "{place}: {:?}", read.problems());
    }
    let new = store.create(&Planned { total: 0 }, Label { label: "y".into() }, now());
    new.unwrap_or_else(|error| panic!("{place}: {error}"))
        .finish(Ending::Completed, now())
        .unwrap();
    let pruned = store
        .prune(TimeDelta::zero(), 0, false, now() + TimeDelta::days(400_000))
        .unwrap();
    assert!(pruned.problems.is_empty(), "{place}: {:?}", pruned.problems);
    assert_eq!(store.list(None, now()).unwrap().runs.len(), 0, "{place}");
}
