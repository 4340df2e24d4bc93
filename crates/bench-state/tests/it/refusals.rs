//! What the store refuses, and what it does not let others see.

use std::fs;
use std::path::Path;

use bench_state::{Ending, RunStore, StateError};

use crate::job::{Bed, Packing, Plan, Session, Summary, id, now};

#[cfg(unix)]
#[test]
fn nobody_else_can_read_what_is_written() {
    use std::os::unix::fs::PermissionsExt;

    fn check(path: &Path, seen: &mut usize) {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        *seen += 1;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            for entry in fs::read_dir(path).unwrap() {
                check(&entry.unwrap().path(), seen);
            }
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }

    let bed = Bed::new();
    let run = bed.start();
    run.item_log(&id("one")).unwrap();
    run.text_log(&id("one")).unwrap();
    run.finish(Ending::Completed, now()).unwrap();
    bed.finished(now());
    let mut seen = 0;
    check(bed.store.root(), &mut seen);
    assert!(seen > 20, "only {seen} files and folders");
}

#[test]
fn values_that_do_not_fit_their_place_are_refused_before_anything_exists() {
    struct Odd;
    impl bench_state::Job for Odd {
        type Plan = Plan;
        type Summary = serde_json::Value;
        type Progress = u32;
        type Session = serde_json::Value;
        type Event = serde_json::Value;
        type Item = u32;

        fn begin(plan: &Plan) -> (u32, serde_json::Value) {
            let session = match plan.boxes {
                1 => serde_json::json!([]),
                2 => serde_json::json!({"store": "mine"}),
                _ => serde_json::json!({}),
            };
            (0, session)
        }

        fn fold(
            _: &mut u32,
            _: &mut serde_json::Value,
            _: &serde_json::Value,
            _: chrono::DateTime<chrono::Utc>,
        ) {
        }
    }
    let bed = Bed::new();
    let store = RunStore::<Odd>::open(bed.store.root()).unwrap();
    let refused = |boxes, summary| {
        store
            .create(&Plan { boxes }, summary, now())
            .map(drop)
            .unwrap_err()
            .to_string()
    };
    let fine = serde_json::json!({"label": "x"});
    assert_eq!(
        refused(1, fine.clone()),
        "cannot store the job's session: it is not a JSON object"
    );
    assert_eq!(
        refused(2, fine),
        "cannot store the job's session: `store` is the store's own name"
    );
    assert_eq!(
        refused(3, "x".into()),
        "cannot store the job's summary: it is not a JSON object"
    );
    let taken = serde_json::json!({"status": "great"});
    assert_eq!(
        refused(3, taken),
        "cannot store the job's summary: `status` is the store's own name"
    );
    assert!(store.list(None, now()).unwrap().runs.is_empty());
    assert_eq!(
        fs::read_dir(bed.store.root().join(".store")).unwrap().count(),
        2,
        "staging left behind, beside the format and the folder of markers"
    );
}

#[test]
fn a_refused_event_stops_nothing() {
    let bed = Bed::new();
    let store = RunStore::<Loose>::open(bed.store.root()).unwrap();
    let run = store
        .create(&Plan { boxes: 1 }, Summary { label: String::new() }, now())
        .unwrap();
    let event = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
    let good = (event(r#"{"n": 1}"#), now());
    let bad = (event(r#"{"seq": 1}"#), now());
    assert!(matches!(
        run.record_batch(&[good.clone(), bad]),
        Err(StateError::Unstorable { .. })
    ));
    run.record(good.0, now()).unwrap();
    assert_eq!(
        run.progress().unwrap(),
        1,
        "nothing of the refused batch was taken"
    );
    run.finish(Ending::Completed, now()).unwrap();
}

struct Loose;

impl bench_state::Job for Loose {
    type Plan = Plan;
    type Summary = Summary;
    type Progress = u32;
    type Session = Session;
    type Event = serde_json::Value;
    type Item = u32;

    fn begin(_: &Plan) -> (u32, Session) {
        (0, Session::default())
    }

    fn fold(progress: &mut u32, _: &mut Session, _: &serde_json::Value, _: chrono::DateTime<chrono::Utc>) {
        *progress += 1;
    }
}

#[test]
fn obstacles_are_named_with_their_path() {
    let told = |bed: &Bed| {
        let store = RunStore::<Packing>::open(bed.store.root());
        let outcome =
            store.and_then(|store| store.create(&Plan { boxes: 1 }, Summary { label: "x".into() }, now()));
        outcome
            .map(drop)
            .unwrap_err()
            .to_string()
            .replace(bed.folder().to_str().unwrap(), "FOLDER")
    };
    let bed = Bed::new();
    fs::write(bed.folder().join("results"), "a file").unwrap();
    assert_eq!(told(&bed), "cannot open `FOLDER/results`");
    let bed = Bed::new();
    fs::create_dir(bed.folder().join("results")).unwrap();
    fs::write(bed.folder().join("results/runs"), "a file").unwrap();
    assert_eq!(told(&bed), "cannot create folder `FOLDER/results/runs`");
    let bed = Bed::new();
    bed.finished(now());
    fs::write(bed.folder().join("results/.store/format"), "2").unwrap();
    assert!(
        told(&bed).starts_with("`FOLDER/results/.store/format` has format 2, this version writes up to 1")
    );
}
