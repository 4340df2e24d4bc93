//! What went over the wire: kept beside the trial, shown, and no more than was asked for.

use std::fs;

use bench_tests::bed::TestBed;
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Script, Turn, call, status};
use serde_json::{Value, json};

use crate::harness::{answers, harness, scenario};

const TRIAL: &str = "a~openai-m~1";

/// A model that is overloaded at first, calls a tool, and answers.
fn bed() -> (ModelStub, TestBed) {
    let stub = ModelStub::start(Script::always([
        Turn::call([call("list_projects", json!({}))]).after([status(503)]),
        Turn::say("done"),
    ]));
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json("harness.json", &harness([scenario("a", [answers("done")])]));
    (stub, bed)
}

/// Turn, request and end of each record, as `show --raw` has them.
fn records(bed: &TestBed) -> Vec<(u64, u64, String)> {
    let shown = bed.bench(&format!("show latest --trial {TRIAL} --raw --json"));
    assert_eq!(shown.code, Some(0), "{shown}");
    let records: Vec<Value> = serde_json::from_str(&shown.stdout).unwrap();
    let of = |record: &Value| {
        let number = |name: &str| record[name].as_u64().unwrap();
        (
            number("turn"),
            number("attempt"),
            record["ended"].as_str().unwrap().to_owned(),
        )
    };
    records.iter().map(of).collect()
}

#[test]
fn every_request_is_kept_as_it_was_sent_and_as_much_as_is_asked_for() {
    for (option, want) in [
        ("", vec![(1, 1, "failed"), (1, 2, "replied"), (2, 1, "replied")]),
        ("--evidence errors", vec![(1, 1, "failed")]),
        ("--evidence off", vec![]),
    ] {
        // Each run finds the model overloaded once.
        let (_stub, bed) = bed();
        let shot = bed.bench(&format!("run harness.json --model openai:m --ui quiet {option}"));
        assert_eq!(shot.code, Some(0), "{shot}");
        let want: Vec<_> = want
            .into_iter()
            .map(|(t, a, e): (u64, u64, &str)| (t, a, e.to_owned()))
            .collect();
        assert_eq!(records(&bed), want, "{option}");
    }
}

#[test]
fn the_raw_form_is_what_went_over_the_wire_without_the_key() {
    let (_stub, bed) = bed();
    let shot = bed.bench("run harness.json --model openai:m --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let shown = bed.bench(&format!("show latest --trial {TRIAL} --raw"));
    for want in [
        "POST http://127.0.0.1",
        "authorization: [secret]",
        "\"messages\":",
        "← 503",
        "← 200",
        "turn 1, request 2",
    ] {
        assert!(shown.stdout.contains(want), "no `{want}`: {shown}");
    }
    assert!(!shown.stdout.contains("sk-canary"), "{shown}");
    // A worker that was killed while it wrote: what is torn hides only itself.
    let file = bed
        .the_run()
        .path()
        .join(format!("trials/{TRIAL}.evidence.jsonl.gz"));
    let content = fs::read(&file).unwrap();
    fs::write(&file, &content[..content.len() - 9]).unwrap();
    assert_eq!(records(&bed).len(), 2);
    // A model that sends nothing has no evidence, which is no error.
    bed.bench("run harness.json --model noop --ui quiet");
    let none = bed.bench("show latest --trial a~noop~1 --raw");
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none}");
    assert!(none.stderr.contains("no request"), "{none}");
}
