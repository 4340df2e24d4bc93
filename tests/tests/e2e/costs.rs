//! What a run costs: counted per call, trial, model and run, also across a worker that was killed.

use bench_tests::bed::{PATIENCE, TestBed};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Conversation, Fault, Script, Turn, call};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{answers, harness, scenario};

/// One trial of two tool calls and an answer. Its last request is not answered the first time.
fn hangs_once() -> (ModelStub, TestBed) {
    let calls = || Turn::call([call("list_projects", json!({}))]);
    let stub = ModelStub::start(Script {
        conversations: vec![Conversation::when(
            "[far]",
            [calls(), calls(), Turn::say("done").after([Fault::Hang])],
        )],
    });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json("harness.json", &harness([scenario("far", [answers("done")])]));
    let price = json!({"model": "openai:m", "input": 1000, "output": 0, "source": "test"});
    bed.write_json("prices.json", &json!({"prices": [price]}));
    (stub, bed)
}

fn show(bed: &TestBed) -> Value {
    let shot = bed.bench("show latest --json");
    assert_eq!(shot.code, Some(0), "{shot}");
    serde_json::from_str(&shot.stdout).unwrap()
}

/// Dollars of the replies in a transcript, one after another.
fn replies(transcript: &[Value]) -> Vec<f64> {
    let replies = transcript.iter().filter(|line| line["type"] == "assistant");
    replies.map(|line| line["cost_usd"].as_f64().unwrap()).collect()
}

#[test]
fn what_a_killed_worker_paid_is_counted_with_the_call_that_was_under_way() {
    let (_stub, bed) = hangs_once();
    let started = bed.start("run harness.json --model openai:m --prices prices.json --ui plain --json");
    let waits = |line: &str| line.contains("\"trial_waiting\"") && line.contains("reply of");
    started.stdout_line(PATIENCE, waits);
    started.signal(Signal::KILL);
    started.finish(PATIENCE);
    let run = bed.the_run();
    let paid = replies(&run.transcript("far~openai-m~1"));
    assert_eq!(paid.len(), 2, "every reply outlives the worker");

    let page = show(&bed);
    assert_eq!(
        (&page["cost"]["usd"], &page["trials_not_counted"]),
        (&json!(0.0), &json!(1))
    );
    let shown = bed.bench("show latest").stdout;
    assert!(
        shown.contains("1 trial without an end not counted: `resume` finds what they cost"),
        "{shown}"
    );

    let resumed = bed.bench("resume --ui quiet");
    assert_eq!(resumed.code, Some(0), "{resumed}");
    let all = replies(&run.transcript("far~openai-m~1"));
    assert_eq!(all.len(), 5, "two, then all three");
    let page = show(&bed);
    let cost = &page["cost"];
    assert_eq!(cost["unknown_calls"], 1, "{cost}");
    let sum: f64 = all.iter().sum();
    assert!(
        (cost["usd"].as_f64().unwrap() - sum).abs() < 1e-9,
        "{cost} is not {sum}"
    );
    assert_eq!(page["trials_not_counted"], 0);
    assert_eq!(run.session()["models"][0]["cost"], *cost);
    let record = &run.trials()["far~openai-m~1"];
    assert_eq!(
        record["cost"]["unknown_calls"], 0,
        "the trial itself knows what it paid: {record}"
    );
    assert!(
        bed.bench("show latest")
            .stdout
            .contains("+ 1 call of unknown cost")
    );
    // Counted once, however often it is resumed.
    bed.bench("resume --ui quiet");
    assert_eq!(show(&bed)["cost"], *cost);
    let interrupted = run
        .events()
        .into_iter()
        .filter(|event| event["event"] == "trial_interrupted");
    assert_eq!(interrupted.count(), 1);
}

#[test]
fn an_unknown_price_is_unknown() {
    let stub = ModelStub::start(Script {
        conversations: vec![Conversation::when("[near]", [Turn::say("done")])],
    });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json("harness.json", &harness([scenario("near", [answers("done")])]));
    let shot = bed.bench("run harness.json --model openai:gpt-4o --model noop --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let run = bed.the_run();
    let price = &run.json("plan.json")["models"][0]["price"];
    assert!(
        price.is_null(),
        "the provider's price does not hold at another address: {price}"
    );
    let models = &run.session()["models"];
    assert_eq!(models[0]["cost"], json!({"usd": 0.0, "unknown_calls": 1}));
    assert_eq!(
        models[1]["cost"],
        json!({"usd": 0.0, "unknown_calls": 0}),
        "nobody is paid"
    );
    assert!(shot.stdout.contains("unknown"), "{shot}");
}
