//! Random histories against a model: whatever was done, and wherever it was cut off, what was recorded is told.

use std::fs;
use std::io::Write;
use std::time::Duration;

use bench_state::{ActiveRun, Ending, Followed, RunId, Standing};
use chrono::TimeDelta;
use proptest::prelude::*;

use crate::job::{Bed, Packing, now, packed};

#[derive(Debug, Clone)]
enum Step {
    Record(Vec<u32>),
    Snapshot,
    /// A reader looks at the live run, so many hours later by its own clock, or earlier.
    Look(i64),
    /// The machine dies here: what is on the disk, with this done to it, is read by a fresh process.
    Crash(Damage),
    /// The same, and then the run is taken up from the wreck.
    Survive(Damage),
    /// The worker lets go of the run, or ends it, and takes it up again.
    Reopen {
        completes: bool,
    },
}

/// What a crash or a clumsy hand may do to files without losing anything that was recorded.
#[derive(Debug, Clone, Copy)]
enum Damage {
    None,
    TornLine(u8),
    StateLost,
    StateTorn(u8),
    SessionLost,
    SessionTorn(u8),
    /// All that is not the runs themselves.
    StoreLost,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::None),
        any::<u8>().prop_map(Damage::TornLine),
        Just(Damage::StateLost),
        any::<u8>().prop_map(Damage::StateTorn),
        Just(Damage::SessionLost),
        any::<u8>().prop_map(Damage::SessionTorn),
        Just(Damage::StoreLost),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(any::<u32>(), 0..4).prop_map(Step::Record),
        2 => Just(Step::Snapshot),
        1 => (-100_000..100_000_i64).prop_map(Step::Look),
        2 => damage().prop_map(Step::Crash),
        2 => damage().prop_map(Step::Survive),
        1 => any::<bool>().prop_map(|completes| Step::Reopen { completes }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_recorded_is_told(steps in prop::collection::vec(step(), 1..12), completes in any::<bool>()) {
        let mut bed = Bed::in_memory();
        let mut run = bed.start();
        let id = run.id().clone();
        let mut model: Vec<u32> = Vec::new();
        for step in steps {
            match step {
                Step::Record(weights) => {
                    let events: Vec<_> = weights.iter().map(|weight| (packed(*weight), now())).collect();
                    run.record_batch(&events).unwrap();
                    model.extend(weights);
                }
                Step::Snapshot => run.snapshot(now()).unwrap(),
                Step::Look(hours) => {
                    let runs = bed.store.list(None, now() + TimeDelta::hours(hours)).unwrap().runs;
                    prop_assert_eq!(runs[0].standing, Standing::Alive);
                    expect(&bed, &id, "running", &model);
                }
                Step::Crash(damage) => drop(wreck_of(&bed, &id, damage, &model)),
                Step::Survive(damage) => {
                    let wreck = wreck_of(&bed, &id, damage, &model);
                    drop(run);
                    bed = wreck;
                    run = bed.store.resume(&id, now()).unwrap();
                    expect(&bed, &id, "running", &model);
                }
                Step::Reopen { completes } => {
                    let word = end(run, completes);
                    expect(&bed, &id, word, &model);
                    run = bed.store.resume(&id, now()).unwrap();
                    expect(&bed, &id, "running", &model);
                }
            }
        }
        let word = end(run, completes);
        expect(&bed, &id, word, &model);
    }
}

/// Ends a run properly, or not; says how it is to be seen from then on.
fn end(run: ActiveRun<Packing>, completes: bool) -> &'static str {
    if completes {
        run.finish(Ending::Completed, now()).unwrap();
        "completed"
    } else {
        drop(run);
        "failed"
    }
}

/// The run as it is on the disk now, damaged, in a bed without its worker.
fn wreck_of(bed: &Bed, id: &RunId, damage: Damage, model: &[u32]) -> Bed {
    let wreck = Bed::in_memory();
    bed.copy_into(&wreck);
    hurt(&wreck, id, damage);
    expect(&wreck, id, "failed", model);
    expect(&wreck, id, "failed", model);
    wreck
}

fn expect(bed: &Bed, id: &RunId, word: &str, model: &[u32]) {
    let view = bed.view(id);
    let state = &view.summary().state;
    assert_eq!(state.status.word(), word);
    assert_eq!(state.progress.packed as usize, model.len());
    assert_eq!(view.session().unwrap().weights, model);
    let events = view.events().unwrap().map(|recorded| recorded.unwrap().event);
    assert!(events.eq(model.iter().map(|weight| packed(*weight))));
    let unfinished = bed.store.unfinished(now()).unwrap().runs;
    assert_eq!(unfinished.len(), usize::from(word == "running"));
    let mut follow = bed.store.follow(id, now()).unwrap();
    for weight in model {
        match follow.next_within(Duration::ZERO).unwrap() {
            Followed::Event(recorded) => assert_eq!(recorded.event, packed(*weight)),
            other => panic!("{other:?} instead of {weight}"),
        }
    }
    let last = follow.next_within(Duration::ZERO).unwrap();
    assert_eq!(matches!(last, Followed::Over(_)), word != "running", "{last:?}");
}

fn hurt(bed: &Bed, id: &RunId, damage: Damage) {
    let path = |file: &str| bed.dir(id).join(file);
    let tear = |file: &str, at: u8| {
        let whole = fs::read(path(file)).unwrap();
        fs::write(path(file), &whole[..whole.len() * usize::from(at) / 256]).unwrap();
    };
    match damage {
        Damage::None => {}
        Damage::TornLine(at) => {
            let journal = fs::read(path("events.jsonl")).unwrap();
            let line = &journal[..journal.iter().position(|byte| *byte == b'\n').unwrap()];
            let mut file = fs::OpenOptions::new()
                .append(true)
                .open(path("events.jsonl"))
                .unwrap();
            file.write_all(&line[..line.len() * usize::from(at) / 256])
                .unwrap();
        }
        Damage::StateLost => fs::remove_file(path("state.json")).unwrap(),
        Damage::StateTorn(at) => tear("state.json", at),
        Damage::SessionLost => fs::remove_file(path("session.json")).unwrap(),
        Damage::SessionTorn(at) => tear("session.json", at),
        Damage::StoreLost => fs::remove_dir_all(bed.store.root().join(".store")).unwrap(),
    }
}
