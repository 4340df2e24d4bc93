//! Journals that lack lines, have changed ones or foreign ones, or are gone: every reader tells, nobody goes on with them.

use std::fs;

use bench_state::{Action, FaultKind, StateError, Why};
use chrono::TimeDelta;

use crate::damage::problems;
use crate::job::{Bed, now, told};

#[test]
fn damage_inside_a_journal_is_reported_and_the_rest_counts() {
    let bed = Bed::new();
    let run = bed.orphan();
    bed.edit(&run, "events.jsonl", r#""weight":1"#, r#""weight":9"#);
    let listing = bed.store.list(None, now()).unwrap();
    assert!(told(&listing.runs[0]).starts_with("failed 1/3"));
    assert_eq!(listing.problems.len(), 1);
    let message = listing.problems[0].to_string();
    insta::assert_snapshot!(message.rsplit("events.jsonl` ").next().unwrap(), @"is damaged in 2 place(s), first at line 2: the line is damaged; the other lines were used");
    let view = bed.view(&run);
    assert_eq!(view.session().unwrap().weights, [2]);
    let mut events = view.events().unwrap();
    assert_eq!(events.by_ref().count(), 1);
    let kinds: Vec<FaultKind> = events
        .report()
        .faults
        .into_iter()
        .map(|fault| fault.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            FaultKind::Unreadable,
            FaultKind::Missing {
                expected: 2,
                found: 3
            }
        ]
    );
}

/// Cut since, or copied while the run went on and the other files after its end.
#[test]
fn a_journal_that_lacks_its_end_is_told_to_every_reader_and_counted_as_it_is() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let journal = bed.dir(&run).join("events.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    let state = fs::read(bed.dir(&run).join("state.json")).unwrap();
    let ends: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
    assert_eq!(bed.store.inspect(&run, now()).unwrap().problems().len(), 0);
    // A note, two events, a note.
    for (length, packed) in [(ends[2], 2), (ends[1] + 5, 1), (ends[1], 1), (ends[0], 0), (3, 0)] {
        fs::write(&journal, &whole[..length]).unwrap();
        let said = problems(&bed);
        assert_eq!(said.len(), 1, "{length}: {said:?}");
        assert!(
            said[0].contains("it ends there, but 4 lines were recorded"),
            "{said:?}"
        );
        assert_eq!(
            told(&bed.store.list(None, now()).unwrap().runs[0]),
            format!("completed {packed}/3")
        );
        for view in [bed.view(&run), bed.store.inspect(&run, now()).unwrap()] {
            assert_eq!(view.problems().len(), 1);
            assert_eq!(view.summary().state.progress.packed, packed);
            assert_eq!(view.session().unwrap().weights.len(), packed as usize);
            assert_eq!(view.events().unwrap().count(), packed as usize);
        }
        let plan = bed.store.plan_cleanup(now(), TimeDelta::hours(1)).unwrap();
        assert_eq!((plan.rows.len(), plan.problems.len()), (1, 1));
        assert_eq!(
            (plan.rows[0].why, plan.rows[0].action),
            (Why::Broken, Action::Leave)
        );
        let refused = bed.store.resume(&run, now()).map(drop).unwrap_err();
        assert!(matches!(refused, StateError::NotResumable { .. }), "{refused}");
        assert_eq!(
            fs::read(bed.dir(&run).join("state.json")).unwrap(),
            state,
            "left as it was"
        );
    }
    fs::remove_file(&journal).unwrap();
    assert_eq!(problems(&bed).len(), 1, "there is none at all");
    assert_eq!(bed.store.inspect(&run, now()).unwrap().problems().len(), 1);
    fs::write(&journal, whole).unwrap();
    assert_eq!(problems(&bed), Vec::<String>::new());
    assert_eq!(told(&bed.only()), "completed 2/3");
}

/// Every reader tells that lines are missing, whatever others did before; nobody goes on behind them.
fn expect_cut(bed: &Bed, run: &bench_state::RunId, packed: u32, recorded: u64) {
    for round in 0..2 {
        let said = problems(bed).join(" ");
        let reason = format!("it ends there, but {recorded} lines were recorded");
        assert!(said.contains(&reason), "{round}: {said}");
        for view in [bed.view(run), bed.store.inspect(run, now()).unwrap()] {
            assert_eq!(view.problems().len(), 1, "{round}: {:?}", view.problems());
            assert_eq!(view.summary().state.progress.packed, packed, "{round}");
            assert_eq!(view.session().unwrap().weights.len(), packed as usize, "{round}");
        }
        let plan = bed.store.plan_cleanup(now(), TimeDelta::hours(1)).unwrap();
        assert_eq!((plan.rows.len(), plan.problems.len()), (1, 1), "{round}");
        let refused = bed.store.resume(run, now()).map(drop).unwrap_err();
        assert!(matches!(refused, StateError::NotResumable { .. }), "{refused}");
        let refused = bed
            .store
            .add_after_end(run, &[(crate::job::packed(1), now())])
            .unwrap_err();
        assert!(matches!(refused, StateError::NotResumable { .. }), "{refused}");
    }
}

/// The worker is dead, and its journal was cut before anybody looked: whoever looks first ends the run, and says so, but
/// must not take what is left for all there was.
#[test]
fn who_ends_a_run_does_not_forget_how_far_its_journal_went() {
    for left in [2, 1] {
        let other = Bed::new();
        let alive = other.start();
        let events = [1, 2].map(|weight| (crate::job::packed(weight), now()));
        alive.record_batch(&events).unwrap();
        alive.snapshot(now()).unwrap();
        let bed = Bed::new();
        other.copy_into(&bed);
        let run = alive.id().clone();
        let dir = bed.dir(&run);
        let session = fs::read(dir.join("session.json")).unwrap();
        cut(&dir, left);
        expect_cut(&bed, &run, u32::try_from(left).unwrap() - 1, 3);
        let stored = fs::read_to_string(dir.join("state.json")).unwrap();
        assert!(
            stored.contains(r#""packed": 2"#),
            "what was counted stays: {stored}"
        );
        assert!(stored.contains("worker_lost"), "{stored}");
        assert_eq!(fs::read(dir.join("session.json")).unwrap(), session);
    }
}

/// `session.json` knows, too, how far the journal went.
#[test]
fn who_rebuilds_a_state_does_not_take_a_cut_journal_for_a_whole_one() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let dir = bed.dir(&run);
    cut(&dir, 2);
    fs::remove_file(dir.join("state.json")).unwrap();
    let said = problems(&bed);
    assert_eq!(said.len(), 2, "{said:?}");
    expect_cut(&bed, &run, 1, 4);
}

/// Leaves so many lines of a journal.
fn cut(dir: &std::path::Path, lines: usize) {
    let journal = dir.join("events.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    let left: String = whole.split_inclusive('\n').take(lines).collect();
    assert!(left.len() < whole.len());
    fs::write(&journal, left).unwrap();
}

#[test]
fn a_journal_that_is_gone_is_told_with_what_is_left() {
    let bed = Bed::new();
    let run = bed.finished(now());
    let journal = bed.dir(&run).join("events.jsonl");
    fs::remove_file(&journal).unwrap();
    let said = problems(&bed).join("").replace(run.as_str(), "RUN");
    insta::assert_snapshot!(said, @"`ROOT/runs/RUN/events.jsonl` is missing, which tells what happened in the run; put it back from a copy; without it, `list` shows the totals, and what is left is in `session.json` and `trials` beside it");
    let view = bed.store.inspect(&run, now()).unwrap();
    assert_eq!(view.session().unwrap().weights, [1, 2], "its sums are there");
    let told = [
        view.events().map(drop).unwrap_err(),
        bed.store.resume(&run, now()).map(drop).unwrap_err(),
        bed.store
            .follow(&run, now())
            .unwrap()
            .next_within(std::time::Duration::ZERO)
            .map(drop)
            .unwrap_err(),
    ];
    for error in told {
        assert!(
            matches!(&error, StateError::JournalMissing { path } if *path == journal),
            "{error}"
        );
    }
}

#[test]
fn a_changed_line_of_a_run_that_is_over_is_told_by_who_reads_all_of_it() {
    let bed = Bed::new();
    let run = bed.finished(now());
    bed.edit(&run, "events.jsonl", r#""weight":1"#, r#""weight":9"#);
    let view = bed.store.inspect(&run, now()).unwrap();
    assert!(matches!(
        view.problems(),
        [StateError::JournalDamaged {
            faults: 2,
            line: 2,
            ..
        }]
    ));
    assert_eq!(view.summary().state.progress.packed, 1);
    assert_eq!(view.session().unwrap().weights, [2]);
    let plan = bed.store.plan_cleanup(now(), TimeDelta::hours(1)).unwrap();
    assert_eq!((plan.rows.len(), plan.problems.len()), (1, 1));
    assert_eq!(problems(&bed), Vec::<String>::new(), "a list opens no journal");
}

/// Two lines copied to the end, a line of somebody else's: the run is over, and nobody wrote them.
#[test]
fn whole_lines_behind_the_end_of_a_run_are_told_to_every_reader() {
    let mut runs = vec![Bed::new(), Bed::new()];
    let of = [runs[0].finished(now()), runs[1].orphan()];
    runs[1].store.list(None, now()).unwrap();
    for (bed, run) in runs.drain(..).zip(of) {
        let journal = bed.dir(&run).join("events.jsonl");
        let whole = fs::read_to_string(&journal).unwrap();
        let state = fs::read(bed.dir(&run).join("state.json")).unwrap();
        let copied: String = whole.split_inclusive('\n').skip(1).take(2).collect();
        for (behind, word) in [
            (copied.as_str(), "event 2 is there twice"),
            ("hello\n", "the line is damaged"),
        ] {
            fs::write(&journal, format!("{whole}{behind}")).unwrap();
            let line = whole.lines().count() + 1;
            for round in 0..2 {
                let said = problems(&bed);
                assert_eq!(said.len(), 1, "{round}: {said:?}");
                assert!(said[0].contains(&format!("at line {line}: {word}")), "{said:?}");
            }
            for view in [bed.view(&run), bed.store.inspect(&run, now()).unwrap()] {
                assert_eq!(view.problems().len(), 1, "{:?}", view.problems());
                assert_eq!(view.summary().state.progress.packed, 2);
                assert_eq!(view.session().unwrap().weights, [1, 2]);
            }
            let plan = bed.store.plan_cleanup(now(), TimeDelta::hours(1)).unwrap();
            assert_eq!((plan.rows.len(), plan.problems.len()), (1, 1));
            let refused = bed.store.resume(&run, now()).map(drop).unwrap_err();
            assert!(matches!(refused, StateError::NotResumable { .. }), "{refused}");
            assert_eq!(fs::read(bed.dir(&run).join("state.json")).unwrap(), state);
        }
        // What a crash leaves of a line is none.
        for torn in [r#"{"seq":9,"at":"2026"#, "\0\0\0\0"] {
            fs::write(&journal, format!("{whole}{torn}")).unwrap();
            assert_eq!(problems(&bed), Vec::<String>::new());
        }
    }
}
