//! An ordinary life: create, record, read, end; names, times, permissions, and what the files look like.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::thread;

use bench_state::{CancelReason, Ending, ItemRef, RunStatus, Standing, StateError};
use chrono::TimeDelta;

use crate::job::{Bed, Event, Plan, Session, at, id, now, packed, told};

#[test]
fn readers_are_never_behind_although_snapshots_are_rare() {
    let bed = Bed::new();
    let run = bed.start();
    run.record(packed(7), now()).unwrap();
    assert!(
        !run.snapshot_if_due(now() + TimeDelta::milliseconds(1999))
            .unwrap()
    );
    assert!(
        fs::read_to_string(run.dir().join("state.json"))
            .unwrap()
            .contains(r#""packed": 0"#)
    );

    assert_eq!(told(&bed.only()), "running 1/3");
    assert_eq!(bed.only().standing, Standing::Alive);
    assert_eq!(bed.view(run.id()).session().unwrap().weights, [7]);

    assert!(run.snapshot_if_due(now() + TimeDelta::seconds(2)).unwrap());
    assert!(
        fs::read_to_string(run.dir().join("state.json"))
            .unwrap()
            .contains(r#""packed": 1"#)
    );
    run.record(packed(8), now()).unwrap();
    assert_eq!(
        told(&bed.only()),
        "running 2/3",
        "snapshot plus the line after it"
    );
    assert_eq!(bed.view(run.id()).session().unwrap().weights, [7, 8]);
    assert!(
        run.snapshot_if_due(now() - TimeDelta::hours(1)).unwrap(),
        "a clock set back stops nothing"
    );
    run.finish(Ending::Completed, now()).unwrap();
}

#[test]
fn the_files_of_a_run_that_is_over() {
    let bed = Bed::new();
    let run = bed.start();
    run.put_item(&id("one"), &"first".to_owned()).unwrap();
    run.record(packed(5), now()).unwrap();
    let reason = CancelReason::Interrupted;
    run.finish(Ending::Cancelled { reason }, at("2026-01-02T04:00:00Z"))
        .unwrap();

    insta::assert_snapshot!(anonymous(&bed, "state.json"), @r#"
    {
      "format": 1,
      "run_id": "<run>",
      "status": "cancelled",
      "started_at": "2026-01-02T03:04:05.678Z",
      "completed_at": "2026-01-02T04:00:00.000Z",
      "error": null,
      "cause": "interrupted",
      "progress": {
        "packed": 1,
        "of": 3
      },
      "label": "red",
      "worker": {
        "pid": <pid>,
        "host": "<host>",
        "boot_id": "<boot>",
        "start_ticks": <ticks>,
        "exe": "<exe>"
      },
      "generation": 1,
      "updated_at": "2026-01-02T04:00:00.000Z",
      "journal": {
        "seq": 3,
        "bytes": <length of the journal>
      }
    }
    "#);
    insta::assert_snapshot!(anonymous(&bed, "session.json"), @r#"
    {
      "store": {
        "format": 1,
        "run_id": "<run>",
        "journal": {
          "seq": 3,
          "bytes": <length of the journal>
        }
      },
      "weights": [
        5
      ]
    }
    "#);
    insta::assert_snapshot!(anonymous(&bed, "events.jsonl"), @r#"
    {"seq":1,"at":"2026-01-02T03:04:05.678Z","generation":1,"store":{"begun":{"format":1,"run_id":"<run>","summary":{"label":"red"},"worker":{"pid": <pid>,"host":"<host>","boot_id":"<boot>","start_ticks": <ticks>,"exe":"<exe>"},"plan":{"sha256":"75de1b2d2973ceecad323eb6c2b3b34324d96e196e41bfa8542f9d80b79ff0dc","len":17}}},"crc":"<crc>"}
    {"seq":2,"at":"2026-01-02T03:04:05.678Z","generation":1,"event":"packed","weight":5,"crc":"<crc>"}
    {"seq":3,"at":"2026-01-02T04:00:00.000Z","generation":1,"store":{"over":{"status":"cancelled","error":null,"cause":"interrupted"}},"crc":"<crc>"}
    "#);
    insta::assert_snapshot!(anonymous(&bed, "plan.json"), @r#"
    {
      "boxes": 3
    }
    "#);
    let mut names: Vec<String> = fs::read_dir(bed.only().dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    insta::assert_snapshot!(names.join(" "), @"events.jsonl lease.lock logs plan.json session.json state.json state.lock trials");
}

/// A file without what differs from run to run and from machine to machine.
fn anonymous(bed: &Bed, file: &str) -> String {
    let run = bed.only();
    let worker = run.state.worker.as_ref().unwrap();
    let mut text = fs::read_to_string(run.dir.join(file)).unwrap();
    let mut hide = |what: String, with: &str| text = text.replace(&what, with);
    hide(run.state.id.to_string(), "<run>");
    hide(format!("{:?}", worker.host), "\"<host>\"");
    hide(format!("{:?}", worker.exe.as_ref().unwrap()), "\"<exe>\"");
    hide(format!("{:?}", worker.boot_id.as_ref().unwrap()), "\"<boot>\"");
    for space in ["", " "] {
        hide(format!("\"pid\":{space}{}", worker.pid), "\"pid\": <pid>");
        hide(
            format!("\"start_ticks\":{space}{}", worker.start_ticks.unwrap()),
            "\"start_ticks\": <ticks>",
        );
        hide(
            format!("\"bytes\":{space}{}", journal_length(&run.dir)),
            "\"bytes\": <length of the journal>",
        );
    }
    let crc = |line: &str| match line.split_once(r#""crc":""#) {
        Some((before, _)) => format!(r#"{before}"crc":"<crc>"}}"#),
        None => line.to_owned(),
    };
    text.lines().map(crc).collect::<Vec<_>>().join("\n")
}

fn journal_length(dir: &Path) -> u64 {
    fs::metadata(dir.join("events.jsonl")).unwrap().len()
}

#[test]
fn everything_put_in_comes_out() {
    let bed = Bed::new();
    let run = bed.start();
    let one = id("one");
    let mut log = run.item_log(&one).unwrap();
    log.append(&packed(1)).unwrap();
    assert!(
        bed.view(run.id())
            .item_log::<Event>(&one)
            .unwrap()
            .unwrap()
            .next()
            .is_none(),
        "still buffered"
    );
    log.append(&packed(2)).unwrap();
    let log_ref = log.sync().unwrap();
    writeln!(run.text_log(&one).unwrap(), "hello").unwrap();
    let item_ref = run.put_item(&one, &"first".to_owned()).unwrap();
    run.record(packed(1), now()).unwrap();
    let id_of_run = run.id().clone();
    let finished = run.finish(Ending::Completed, now()).unwrap();
    assert_eq!(finished.session, Session { weights: vec![1] });

    let view = bed.view(&id_of_run);
    assert_eq!(view.plan().unwrap(), Plan { boxes: 3 });
    assert_eq!(view.session().unwrap(), finished.session);
    assert_eq!(view.items().unwrap(), std::slice::from_ref(&one));
    assert_eq!(view.item(&one).unwrap().unwrap(), "first");
    assert_eq!(view.item(&id("two")).unwrap(), None);
    let lines: Vec<Event> = view
        .item_log(&one)
        .unwrap()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(lines, [packed(1), packed(2)]);
    assert!(view.item_log::<Event>(&id("two")).unwrap().is_none());
    let mut text = String::new();
    view.text_log(&one)
        .unwrap()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "hello\n");
    assert!(view.text_log(&id("two")).unwrap().is_none());
    let mut events = view.events().unwrap();
    let recorded: Vec<_> = events.by_ref().map(Result::unwrap).collect();
    assert_eq!(
        recorded
            .iter()
            .map(|r| (r.seq, r.at, r.generation))
            .collect::<Vec<_>>(),
        [(2, now(), 1)]
    );
    assert_eq!(events.report(), bench_state::JournalReport::default());
    let of = |file: &str| ItemRef::of(&fs::read(view.dir().join("trials").join(file)).unwrap());
    assert_eq!((item_ref, log_ref), (of("one.json"), of("one.jsonl")));
}

#[test]
fn the_first_ending_stands() {
    let bed = Bed::new();
    let (guard, recorder) = bed.start().split();
    let other = recorder.clone();
    guard.finish(Ending::Completed, now()).unwrap();
    for outcome in [
        recorder.record(packed(1), now()),
        other.snapshot(now()),
        other.snapshot_if_due(now()).map(drop),
        other.progress().map(drop),
        other.put_item(&id("late"), &String::new()).map(drop),
        other.item_log(&id("late")).map(drop),
    ] {
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, StateError::AlreadyOver { completed_at, .. } if completed_at == now()),
            "{error}"
        );
    }
    assert_eq!(told(&bed.only()), "completed 0/3");
}

#[test]
fn an_ending_that_somebody_else_wrote_stands_too() {
    let bed = Bed::new();
    let (guard, recorder) = bed.start().split();
    let settled = r#""failed", "completed_at": "2026-01-02T05:00:00Z", "cause": "worker_lost", "error": "gone", "x": """#;
    bed.edit(guard.id(), "state.json", r#""completed_at": null,"#, "");
    bed.edit(guard.id(), "state.json", r#""cause": null,"#, "");
    bed.edit(guard.id(), "state.json", r#""error": null,"#, "");
    bed.edit(guard.id(), "state.json", r#""running""#, settled);
    assert!(matches!(
        recorder.snapshot(now()),
        Err(StateError::AlreadyOver { .. })
    ));
    let error = guard.finish(Ending::Completed, now()).unwrap_err();
    assert!(matches!(error, StateError::AlreadyOver { .. }), "{error}");
    assert_eq!(told(&bed.only()), "failed 0/3 worker_lost: gone");
}

#[test]
fn a_worker_whose_run_was_continued_by_another_one_is_told_to_stop() {
    let bed = Bed::new();
    let (guard, recorder) = bed.start().split();
    bed.edit(
        guard.id(),
        "state.json",
        r#""generation": 1"#,
        r#""generation": 2"#,
    );
    let error = recorder.snapshot(now()).unwrap_err();
    assert!(
        matches!(
            error,
            StateError::Superseded {
                ours: 1,
                current: 2,
                ..
            }
        ),
        "{error}"
    );
    let error = guard.finish(Ending::Completed, now()).unwrap_err();
    assert!(matches!(error, StateError::Superseded { .. }), "{error}");
}

#[test]
fn a_run_never_ends_before_it_started() {
    let bed = Bed::new();
    let run = bed.start();
    let finished = run.finish(Ending::Completed, now() - TimeDelta::days(1)).unwrap();
    assert_eq!(
        finished.state.status,
        RunStatus::Over {
            completed_at: now(),
            ending: Ending::Completed
        }
    );
    assert_eq!(bed.only().state.status, finished.state.status);
}

#[test]
fn many_threads_record_into_one_dense_journal() {
    let bed = Bed::new();
    let (guard, recorder) = bed.start().split();
    thread::scope(|scope| {
        for thread in 0..8 {
            let recorder = recorder.clone();
            scope.spawn(move || {
                for n in 0..20 {
                    recorder
                        .record_batch(&[(packed(thread), now()), (packed(n), now())])
                        .unwrap();
                    recorder.snapshot(now()).unwrap();
                }
            });
        }
    });
    let run = guard.finish(Ending::Completed, now()).unwrap().state;
    assert_eq!(run.progress.packed, 320);
    let mut events = bed.view(&run.id).events().unwrap();
    let seqs: Vec<u64> = events.by_ref().map(|recorded| recorded.unwrap().seq).collect();
    assert_eq!(seqs, (2..=321).collect::<Vec<_>>());
    assert!(events.report().faults.is_empty());
}

#[test]
fn a_summary_serializes_like_state_json_with_the_present_added() {
    let bed = Bed::new();
    let run = bed.start();
    let json = serde_json::to_value(bed.only()).unwrap();
    assert_eq!(json["status"], "running");
    assert_eq!(json["label"], "red");
    assert_eq!(json["progress"]["of"], 3);
    assert_eq!(json["standing"], "alive");
    assert_eq!(json["dir"], bed.dir(run.id()).to_str().unwrap());
    assert!(json["heartbeat_at"].is_string());
    run.finish(Ending::Completed, now()).unwrap();
    assert!(serde_json::to_value(bed.only()).unwrap()["heartbeat_at"].is_null());
}
