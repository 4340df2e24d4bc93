//! Runs written by released versions, kept for ever: every later version reads them.

use std::fs;
use std::path::Path;

use bench_state::{CancelReason, Ending, Standing};

use crate::job::{Bed, Event, at, copy, id, now, packed, told};

/// A run that failed after two events, as format 1 has it on the disk.
fn format_1() -> Bed {
    fixture("format_1")
}

fn fixture(name: &str) -> Bed {
    let bed = Bed::new();
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name),
        bed.store.root(),
    );
    bed
}

/// One that was cancelled, resumed, handed to a background worker on another machine, and asked to end.
#[test]
fn format_1_with_all_that_a_run_can_go_through_is_read() {
    let bed = fixture("format_1_resumed");
    let later = now() + chrono::TimeDelta::days(4000);
    let check = |run: &bench_state::RunSummary<crate::job::Packing>| {
        assert_eq!(told(run), "running 2/3");
        assert!(
            matches!(run.standing, Standing::Unknown { .. }),
            "{:?}",
            run.standing
        );
        assert_eq!(
            (run.state.generation, run.state.worker.as_ref().unwrap().pid),
            (2, 5001)
        );
        assert_eq!(run.state.started_at, at("2026-01-02T03:04:05.678Z"));
    };
    let run = bed.store.list(None, later).unwrap().runs.remove(0);
    check(&run);
    let request = run.state.cancel_requested.as_ref().unwrap();
    assert_eq!(
        (request.at, &request.reason),
        (at("2026-01-02T04:00:40Z"), &CancelReason::Requested)
    );
    assert_eq!(bed.view(&run.state.id).session().unwrap().weights, [5, 7]);

    let plan = bed
        .store
        .plan_cleanup(later, chrono::TimeDelta::hours(24))
        .unwrap();
    assert_eq!(
        bed.store.apply(&plan).unwrap().settled,
        [run.state.id.to_string()]
    );
    assert_eq!(
        told(&bed.only()),
        "cancelled 2/3 requested",
        "it was asked to end before it fell silent"
    );

    let bed = fixture("format_1_resumed");
    fs::remove_file(bed.dir(&run.state.id).join("state.json")).unwrap();
    check(&bed.store.list(None, later).unwrap().runs[0]);
}

#[test]
fn format_1_is_read() {
    let bed = format_1();
    let run = bed.only();
    assert_eq!(told(&run), "failed 2/3 error: the tape ran out");
    assert_eq!(run.state.summary.label, "red");
    assert_eq!(run.state.worker.as_ref().unwrap().host, "fixture");
    let view = bed.view(&run.state.id);
    assert_eq!(view.plan().unwrap().boxes, 3);
    assert_eq!(view.session().unwrap().weights, [5, 7]);
    assert_eq!(view.item(&id("one")).unwrap().unwrap(), "first");
    let lines: Vec<Event> = view
        .item_log(&id("one"))
        .unwrap()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(lines, [packed(5)]);
    let mut events = view.events().unwrap();
    assert_eq!(
        events
            .by_ref()
            .map(|recorded| recorded.unwrap().seq)
            .collect::<Vec<_>>(),
        [2, 3]
    );
    assert_eq!(events.report(), bench_state::JournalReport::default());
}

#[test]
fn format_1_can_be_rebuilt_from_its_journal() {
    let bed = format_1();
    let run = bed.store.resolve("latest").unwrap();
    for file in ["state.json", "session.json"] {
        fs::remove_file(bed.dir(&run).join(file)).unwrap();
    }
    let listing = bed.store.list(None, now()).unwrap();
    let status = &listing.runs[0].state.status;
    assert_eq!(status.ending(), Some(&Ending::failed("the tape ran out")));
    assert_eq!(
        status.completed_at().unwrap().to_rfc3339(),
        "2026-01-02T03:07:00+00:00"
    );
    assert_eq!(bed.view(&run).session().unwrap().weights, [5, 7]);
}
