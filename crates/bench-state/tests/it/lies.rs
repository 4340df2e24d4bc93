//! Everything that made the tool before this one declare healthy runs dead: old age, clocks that jump, process ids that
//! are somebody else's now, machines that restarted according to a file. The worker lives, so the run runs.

use std::process::{Command, Stdio};

use bench_state::{Ending, Signal, Standing, StateError};
use chrono::{DateTime, TimeDelta, Utc};

use crate::job::{Bed, now, packed, told};

/// Whatever reads or cleans up, at whatever time it takes it to be, leaves a live run alone.
fn expect_alive_at(bed: &Bed, clock: DateTime<Utc>, place: &str) {
    let place = format!("{place}, at {clock}");
    let store = &bed.store;
    for listing in [
        store.list(None, clock),
        store.unfinished(clock),
        store.list_without_settling(None, clock),
    ] {
        let listing = listing.unwrap();
        assert!(listing.problems.is_empty(), "{place}: {:?}", listing.problems);
        let run = &listing.runs[0];
        assert_eq!(
            (run.standing, told(run).as_str()),
            (Standing::Alive, "running 1/3"),
            "{place}"
        );
        let resumed = store.resume(&run.state.id, clock).map(drop);
        assert!(
            matches!(resumed, Err(StateError::StillRunning { .. })),
            "{place}: {resumed:?}"
        );
    }
    let plan = store.plan_cleanup(clock, TimeDelta::hours(24)).unwrap();
    let applied = store.apply(&plan).unwrap();
    assert!(
        applied.settled.is_empty() && applied.problems.is_empty(),
        "{place}: {applied:?}"
    );
    let pruned = store.prune(TimeDelta::hours(24), 0, false, clock).unwrap();
    assert!(pruned.runs.is_empty(), "{place}: {pruned:?}");
}

#[test]
fn a_live_run_survives_everything_that_made_the_old_tool_lie() {
    let bed = Bed::new();
    let started = Utc::now() - TimeDelta::hours(40);
    let run = bed.start_at(started);
    run.record(packed(1), started).unwrap();
    run.snapshot(started).unwrap();
    let stranger = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn();
    let mut stranger = stranger.unwrap();
    let worker = bed.only().state.worker.unwrap();
    let lies: [(&str, Vec<(String, String)>); 4] = [
        ("as it is", vec![]),
        (
            "a pid that nobody has",
            vec![(format!("\"pid\": {}", worker.pid), "\"pid\": 4194304".into())],
        ),
        (
            "a pid that is somebody else's now",
            vec![("\"pid\": 4194304".into(), format!("\"pid\": {}", stranger.id()))],
        ),
        (
            "a boot that is past",
            vec![(
                worker.boot_id.unwrap(),
                "00000000-0000-0000-0000-000000000000".into(),
            )],
        ),
    ];
    for (lie, edits) in lies {
        for (from, to) in edits {
            bed.edit(run.id(), "state.json", &from, &to);
        }
        for hours in [0, 1, 25, 40, 24 * 365 * 10, -1, -39, -41, -24 * 365 * 10] {
            expect_alive_at(&bed, Utc::now() + TimeDelta::hours(hours), lie);
        }
        // Without the last lie only the worker itself would be hit, which is this process.
        if lie.starts_with("a pid") {
            assert!(!bed.store.signal(run.id(), Signal::Kill).unwrap(), "{lie}");
            assert!(stranger.try_wait().unwrap().is_none(), "a stranger was killed");
        }
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();

    // A worker whose own clock jumps back goes on, and ends no earlier than it began.
    run.record(packed(2), now() - TimeDelta::days(400)).unwrap();
    assert!(run.snapshot_if_due(now() - TimeDelta::days(400)).unwrap());
    let ended = run
        .finish(Ending::Completed, now() - TimeDelta::days(400))
        .unwrap()
        .state;
    assert!(ended.status.completed_at().unwrap() >= ended.started_at);
    assert_eq!(told(&bed.only()), "completed 2/3");
}
