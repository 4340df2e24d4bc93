//! Continuing a run that is over: what is kept, who may, and who gets it.

use std::fs;
use std::io::Write;
use std::thread;

use bench_state::{CancelReason, Ending, RunId, StateError};
use chrono::TimeDelta;

use crate::job::{Bed, id, now, packed, told};

#[test]
fn a_resumed_run_keeps_its_work_its_start_and_its_name() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let later = now() + TimeDelta::hours(30);
    let again = bed.store.resume(&run, later).unwrap();
    let seen = bed.only();
    assert_eq!(told(&seen), "running 2/3");
    assert_eq!((seen.state.generation, seen.state.started_at), (2, now()));
    assert_eq!(again.progress().unwrap().packed, 2);
    again.put_item(&id("three"), &"third".to_owned()).unwrap();
    again.record(packed(3), later).unwrap();
    assert_eq!(bed.view(&run).session().unwrap().weights, [1, 2, 3]);
    let end = later + TimeDelta::hours(1);
    again.finish(Ending::Completed, end).unwrap();

    let view = bed.view(&run);
    assert_eq!(told(view.summary()), "completed 3/3");
    assert_eq!(view.summary().state.status.completed_at(), Some(end));
    assert_eq!(view.session().unwrap().weights, [1, 2, 3]);
    assert_eq!(view.items().unwrap(), [id("one"), id("three")]);
    let events: Vec<_> = view.events().unwrap().map(Result::unwrap).collect();
    let told: Vec<_> = events.iter().map(|event| (event.seq, event.generation)).collect();
    assert_eq!(
        told,
        [(2, 1), (3, 1), (6, 2)],
        "the store's own lines are 1, 4, 5 and 7"
    );

    fs::remove_file(bed.dir(&run).join("state.json")).unwrap();
    let rebuilt = bed.store.list(None, now()).unwrap().runs.remove(0);
    assert_eq!(crate::job::told(&rebuilt), "completed 3/3");
    assert_eq!((rebuilt.state.generation, rebuilt.state.started_at), (2, now()));
}

#[test]
fn whatever_ended_a_run_it_can_be_resumed() {
    let bed = Bed::new();
    let orphan = bed.orphan();
    let run = bed.store.resume(&orphan, now()).unwrap();
    assert_eq!(told(&bed.only()), "running 2/3");
    bed.store
        .request_cancel(&orphan, CancelReason::Requested, now())
        .unwrap();
    let reason = CancelReason::Requested;
    run.finish(Ending::Cancelled { reason }, now()).unwrap();
    let run = bed.store.resume(&orphan, now()).unwrap();
    assert_eq!(
        run.cancel_requested().unwrap(),
        None,
        "the request was for the generation before"
    );
    drop(run);
    assert!(told(&bed.only()).contains("stopped_without_reporting"));
    let run = bed.store.resume(&orphan, now()).unwrap();
    run.record(packed(3), now()).unwrap();
    let finished = run.finish(Ending::Completed, now()).unwrap();
    assert_eq!(
        (finished.state.generation, finished.session.weights),
        (4, vec![1, 2, 3])
    );
}

#[test]
fn a_run_that_is_worked_on_is_refused_and_left_alone() {
    let bed = Bed::new();
    let run = bed.start();
    let before = fs::read(run.dir().join("state.json")).unwrap();
    let error = bed.store.resume(run.id(), now()).unwrap_err();
    assert!(matches!(error, StateError::StillRunning { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&format!("pid {}", std::process::id())),
        "{error}"
    );
    assert_eq!(fs::read(run.dir().join("state.json")).unwrap(), before);
    run.record(packed(1), now()).unwrap();
    run.finish(Ending::Completed, now()).unwrap();
    let unknown = "run_20200101_000000_00000000".parse().unwrap();
    assert!(matches!(
        bed.store.resume(&unknown, now()),
        Err(StateError::UnknownRun { .. })
    ));
}

#[test]
fn a_silent_worker_elsewhere_might_still_be_at_it() {
    let bed = Bed::new();
    let run = bed.orphan();
    let worker = fs::read_to_string(bed.dir(&run).join("state.json")).unwrap();
    let worker: serde_json::Value = serde_json::from_str(&worker).unwrap();
    bed.edit(
        &run,
        "state.json",
        worker["worker"]["boot_id"].as_str().unwrap(),
        "another",
    );
    bed.edit(
        &run,
        "state.json",
        &worker["worker"]["host"].to_string(),
        "\"elsewhere\"",
    );
    let later = chrono::Utc::now() + TimeDelta::days(400);
    assert!(matches!(
        bed.store.resume(&run, later),
        Err(StateError::StillRunning { .. })
    ));
}

#[test]
fn a_torn_end_is_cut_and_damage_inside_is_refused() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let journal = bed.dir(&run).join("events.jsonl");
    let whole = fs::read(&journal).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&journal).unwrap();
    file.write_all(br#"{"seq":5,"at":"2026"#).unwrap();
    let again = bed.store.resume(&run, now()).unwrap();
    again.record(packed(3), now()).unwrap();
    again.finish(Ending::Completed, now()).unwrap();
    assert_eq!(bed.view(&run).session().unwrap().weights, [1, 2, 3]);
    assert_eq!(
        bed.view(&run).events().unwrap().report(),
        bench_state::JournalReport::default()
    );

    let mut damaged = whole.clone();
    let second_line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 20;
    damaged[second_line] ^= 1;
    fs::write(&journal, &damaged).unwrap();
    let error = bed.store.resume(&run, now()).unwrap_err();
    assert!(
        matches!(error, StateError::NotResumable { line: 2, .. }),
        "{error:?}"
    );
    assert_eq!(fs::read(&journal).unwrap(), damaged);
    said_before(&bed, &run);

    // Whole lines missing at the end are not a torn end: they had been recorded.
    let cut = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    fs::write(&journal, &whole[..cut]).unwrap();
    let error = bed.store.resume(&run, now()).unwrap_err();
    assert!(matches!(error, StateError::NotResumable { .. }), "{error:?}");
    assert_eq!(fs::read(&journal).unwrap(), &whole[..cut]);
    said_before(&bed, &run);
    assert!(
        told(bed.view(&run).summary()).starts_with("completed"),
        "refusing changes nothing"
    );
}

/// Whoever asks beforehand is told what a resume says.
fn said_before(bed: &Bed, run: &RunId) {
    let view = bed.store.inspect(run, now()).unwrap();
    let asked = view.check_resumable().err().map(|error| error.to_string());
    let refused = bed.store.resume(run, now()).err().map(|error| error.to_string());
    assert!(asked.is_some());
    assert_eq!(asked, refused);
}

#[test]
fn of_many_who_resume_at_once_one_gets_the_run() {
    for _ in 0..10 {
        let bed = Bed::new();
        let run = bed.finished(now());
        let outcomes = thread::scope(|scope| {
            let tries: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| bed.store.resume(&run, now())))
                .collect();
            tries
                .into_iter()
                .map(|one| one.join().unwrap())
                .collect::<Vec<_>>()
        });
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 5));
        for error in lost {
            assert!(matches!(error, Err(StateError::StillRunning { .. })), "{error:?}");
        }
        let summary = bed.only();
        assert_eq!(
            (told(&summary).as_str(), summary.state.generation),
            ("running 2/3", 2)
        );
        for run in won {
            run.unwrap().finish(Ending::Completed, now()).unwrap();
        }
    }
}

#[test]
fn a_plan_that_was_changed_meanwhile_is_refused_with_its_path() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let path = bed.dir(&run).join("plan.json");
    let plan = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{plan} ")).unwrap();
    let refused = |error: Option<StateError>| match error {
        Some(StateError::PlanChanged { path: named }) => assert_eq!(named, path),
        other => panic!("{other:?}"),
    };
    refused(bed.store.resume(&run, now()).err());
    refused(bed.view(&run).check_plan().err());
    said_before(&bed, &run);
    assert_eq!(told(&bed.only()), "completed 2/3", "as before");

    fs::write(&path, &plan).unwrap();
    bed.view(&run).check_plan().unwrap();
    bed.view(&run).check_resumable().unwrap();
    let again = bed.store.resume(&run, now()).unwrap();
    again.finish(Ending::Completed, now()).unwrap();
    // The resumed run still knows it.
    fs::write(&path, format!("{plan} ")).unwrap();
    refused(bed.store.resume(&run, now()).err());
}
