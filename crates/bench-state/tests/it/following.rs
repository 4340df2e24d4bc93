//! Following runs live: nothing is missed, nothing comes twice, and the end comes last.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use bench_state::{Ending, Follow, Followed, LogSource, StateError};

use crate::job::{Bed, Event, Packing, id, now, packed, told};

const SOON: Duration = Duration::from_mins(1);

/// Everything until the end: weights of events, log text by source, and how it ended.
fn to_the_end(mut follow: Follow<Packing>) -> (Vec<u32>, String, String) {
    let (mut weights, mut logs) = (Vec::new(), String::new());
    loop {
        match follow.next_within(SOON).unwrap() {
            Followed::Event(recorded) => match recorded.event {
                Event::Packed { weight } => weights.push(weight),
                Event::Cursed => panic!("nobody recorded that"),
            },
            Followed::Log(lines) => {
                write!(logs, "{:?} {}", lines.source, lines.text).unwrap();
            }
            Followed::Over(run) => {
                assert!(
                    matches!(follow.next_within(SOON).unwrap(), Followed::Over(_)),
                    "the end stays the end"
                );
                return (weights, logs, told(&run));
            }
            Followed::Quiet => panic!("nothing came"),
        }
    }
}

#[test]
fn every_event_comes_once_and_in_order_while_they_are_written() {
    let bed = Bed::new();
    let run = bed.start();
    run.record(packed(0), now()).unwrap();
    let follow = bed.store.follow(run.id(), now()).unwrap();
    let late = bed.store.follow(run.id(), now()).unwrap().only_new().unwrap();
    let all: Vec<u32> = (0..200).collect();
    let (seen, seen_late) = thread::scope(|scope| {
        let followers = [
            scope.spawn(|| to_the_end(follow)),
            scope.spawn(|| to_the_end(late)),
        ];
        for chunk in all[1..].chunks(3) {
            let batch: Vec<_> = chunk.iter().map(|weight| (packed(*weight), now())).collect();
            run.record_batch(&batch).unwrap();
            if chunk[0] % 5 == 0 {
                run.snapshot(now()).unwrap();
            }
        }
        run.finish(Ending::Completed, now()).unwrap();
        let [one, two] = followers.map(|follower| follower.join().unwrap());
        (one, two)
    });
    assert_eq!((seen.0, seen.2.as_str()), (all.clone(), "completed 200/3"));
    assert_eq!(seen_late.0, all[1..], "only what was new");
}

#[test]
fn a_run_that_is_over_is_told_in_one_go_and_a_line_half_written_is_not() {
    let bed = Bed::new();
    let run = bed.finished(now());
    // Nothing is waited for; on a busy machine that shows in one of several tries.
    let at_once = (0..10).any(|_| {
        let started = Instant::now();
        let (weights, _, end) = to_the_end(bed.store.follow(&run, now()).unwrap());
        assert_eq!((weights, end.as_str()), (vec![1, 2], "completed 2/3"));
        started.elapsed() < Duration::from_millis(400)
    });
    assert!(at_once, "it is waited for something");

    let run = bed.start();
    let journal = run.dir().join("events.jsonl");
    let whole = fs::read(&journal).unwrap();
    run.record(packed(5), now()).unwrap();
    let line = fs::read(&journal).unwrap()[whole.len()..].to_vec();
    let mut follow = bed.store.follow(run.id(), now()).unwrap();
    for length in 0..line.len() {
        fs::write(&journal, [&whole, &line[..length]].concat()).unwrap();
        assert!(
            matches!(follow.next_within(Duration::ZERO).unwrap(), Followed::Quiet),
            "{length} bytes"
        );
    }
    fs::write(&journal, [&whole[..], &line].concat()).unwrap();
    assert!(matches!(follow.next_within(SOON).unwrap(), Followed::Event(_)));
    assert!(
        matches!(follow.next_within(Duration::ZERO).unwrap(), Followed::Quiet),
        "once is enough"
    );
    run.finish(Ending::Completed, now()).unwrap();
}

#[test]
fn patience_ends_and_dead_workers_are_noticed() {
    let bed = Bed::new();
    let live = bed.start();
    let mut follow = bed.store.follow(live.id(), now()).unwrap();
    let started = Instant::now();
    assert!(matches!(
        follow.next_within(Duration::from_millis(30)).unwrap(),
        Followed::Quiet
    ));
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(30) && waited < SOON, "{waited:?}");
    live.finish(Ending::Completed, now()).unwrap();

    let (weights, _, end) = to_the_end(bed.store.follow(&bed.orphan(), now()).unwrap());
    assert_eq!(weights, [1, 2]);
    assert!(end.starts_with("failed 2/3 worker_lost"), "{end}");
}

#[test]
fn logs_come_in_whole_lines_from_files_that_appear_on_the_way_and_to_the_last_byte() {
    let bed = Bed::new();
    let run = bed.start();
    run.text_log(&id("early"))
        .unwrap()
        .write_all(b"before\n")
        .unwrap();
    let logs = bed.store.tail_logs(run.id(), None);
    let late_logs = bed.store.tail_logs(run.id(), None).only_new().unwrap();
    let one = bed.store.tail_logs(run.id(), Some(LogSource::Item(id("item-2"))));
    let follow = |logs| bed.store.follow(run.id(), now()).unwrap().with_logs(logs);
    let tails = [logs, late_logs, one].map(follow);
    let seen = thread::scope(|scope| {
        let tails = tails.map(|follow| scope.spawn(|| to_the_end(follow).1));
        for item in 0..20 {
            let mut log = run.text_log(&id(&format!("item-{item}"))).unwrap();
            writeln!(log, "{item} begins").unwrap();
            run.record(packed(item), now()).unwrap();
            writeln!(log, "{item} ends").unwrap();
        }
        let mut worker = fs::File::create(run.dir().join("worker.log")).unwrap();
        worker.write_all(b"warning: f\xff\nno newline").unwrap();
        run.finish(Ending::Completed, now()).unwrap();
        tails.map(|tail| tail.join().unwrap())
    });
    let [all, late, one] = seen;
    assert!(all.contains(r#"Item(ItemId("early")) before"#), "{all}");
    assert!(!late.contains("before"), "{late}");
    for text in [&all, &late] {
        // The first line of what comes at once has its source before it.
        let lines: Vec<&str> = text
            .lines()
            .map(|line| line.rsplit(") ").next().unwrap())
            .collect();
        for item in 0..20 {
            for what in ["begins", "ends"] {
                let line = format!("{item} {what}");
                assert_eq!(
                    lines.iter().filter(|found| **found == line).count(),
                    1,
                    "{line:?} in {text}"
                );
            }
        }
        assert!(
            text.contains("warning: f\u{fffd}\n") && text.ends_with("no newline"),
            "{text}"
        );
    }
    assert_eq!(one.replace("Item(ItemId(\"item-2\")) ", ""), "2 begins\n2 ends\n");
}

#[test]
fn a_log_of_any_size_arrives_whole() {
    let bed = Bed::new();
    let run = bed.start();
    let text: String = "a line of a log\n".repeat(40_000) + &"x".repeat(600_000);
    fs::write(run.dir().join("logs/big.log"), &text).unwrap();
    let mut tail = bed.store.tail_logs(run.id(), None);
    let (mut seen, mut parts) = (String::new(), 0);
    loop {
        let part = tail.poll().unwrap();
        if part.is_empty() {
            break;
        }
        parts += 1;
        seen.extend(part.into_iter().map(|lines| lines.text));
    }
    assert!(parts > 2 && text.starts_with(&seen));
    seen.extend(tail.drain().unwrap().into_iter().map(|lines| lines.text));
    assert_eq!(seen.len(), text.len());
    assert!(seen == text);
    assert!(tail.drain().unwrap().is_empty());
    run.finish(Ending::Completed, now()).unwrap();
}

#[test]
fn a_run_that_is_removed_meanwhile_is_unknown() {
    let bed = Bed::new();
    let run = bed.start();
    let mut follow = bed.store.follow(run.id(), now()).unwrap();
    fs::remove_dir_all(run.dir()).unwrap();
    let error = follow.next_within(SOON).unwrap_err();
    assert!(matches!(error, StateError::UnknownRun { .. }), "{error:?}");
}

#[test]
fn following_goes_on_through_a_resume_and_ends_with_it() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let again = bed.store.resume(&run, now()).unwrap();
    let follow = bed.store.follow(&run, now()).unwrap();
    let (weights, _, end) = thread::scope(|scope| {
        let follower = scope.spawn(|| to_the_end(follow));
        again.record(packed(3), now()).unwrap();
        again.finish(Ending::Completed, now()).unwrap();
        follower.join().unwrap()
    });
    assert_eq!((weights, end.as_str()), (vec![1, 2, 3], "completed 3/3"));
}
