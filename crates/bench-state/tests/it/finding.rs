//! Finding runs: by name, by prefix, by age.

use std::fs;

use bench_state::StateError;

use crate::job::{Bed, at, now};

#[test]
fn runs_are_found_by_id_prefix_or_latest() {
    let bed = Bed::new();
    assert!(matches!(
        bed.store.resolve("latest"),
        Err(StateError::NoRuns { .. })
    ));
    let old = bed.finished(at("2026-01-02T03:04:05Z"));
    let new = bed.finished(at("2026-01-03T03:04:05Z"));
    let resolve = |text: &str| bed.store.resolve(text);
    assert_eq!(resolve("latest").unwrap(), new);
    assert_eq!(resolve(old.as_str()).unwrap(), old);
    assert_eq!(resolve("run_20260102").unwrap(), old);
    assert_eq!(resolve("20260103").unwrap(), new);
    let told = |text: &str| {
        let root = bed.store.root().display().to_string();
        let message = resolve(text).unwrap_err().to_string();
        message
            .replace(&root, "ROOT")
            .replace(old.as_str(), "OLD")
            .replace(new.as_str(), "NEW")
    };
    insta::assert_snapshot!(told("run_2026"), @"`run_2026` fits 2 runs in `ROOT/runs`; give more of the id: NEW, OLD");
    insta::assert_snapshot!(told("run_2025"), @"no run `run_2025` in `ROOT/runs`");
    insta::assert_snapshot!(told("../x"), @"no run `../x` in `ROOT/runs`");
    insta::assert_snapshot!(told(""), @"no run `` in `ROOT/runs`");
}

#[test]
fn the_list_is_newest_first_and_opens_only_what_it_shows() {
    let bed = Bed::new();
    let ids: Vec<_> = (1..=5)
        .map(|day| bed.finished(at(&format!("2026-01-0{day}T00:00:00Z"))))
        .collect();
    fs::write(bed.dir(&ids[0]).join("state.json"), "broken").unwrap();
    let listing = bed.store.list(Some(3), now()).unwrap();
    let shown: Vec<_> = listing.runs.iter().map(|run| run.state.id.clone()).collect();
    assert_eq!(shown, [ids[4].clone(), ids[3].clone(), ids[2].clone()]);
    assert_eq!((listing.problems.len(), listing.not_shown), (0, 2));
    assert_eq!(bed.store.list(None, now()).unwrap().problems.len(), 1);
}
