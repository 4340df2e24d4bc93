//! What `--dry-run` says a run will need: by what earlier runs have needed, and by nothing else.

use bench_tests::bed::TestBed;
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Conversation, Script, Turn, call};
use serde_json::{Value, json};

use crate::harness::{answers, harness, scenario};

/// Two scenarios that `openai:m` can solve: `near` in one reply, `far` in two. A reply costs $0.10.
fn bed() -> (ModelStub, TestBed) {
    let calls = Turn::call([call("list_projects", json!({}))]);
    let stub = ModelStub::start(Script {
        conversations: vec![
            Conversation::when("[near]", [Turn::say("done")]),
            Conversation::when("[far]", [calls, Turn::say("done")]),
        ],
    });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    let both = [
        scenario("near", [answers("done")]),
        scenario("far", [answers("done")]),
    ];
    bed.write_json("harness.json", &harness(both));
    let price = |model: &str| json!({"model": model, "input": 1000, "output": 0, "source": "test"});
    bed.write_json(
        "prices.json",
        &json!({"prices": [price("openai:m"), price("openai:n")]}),
    );
    (stub, bed)
}

fn estimate(bed: &TestBed, args: &str) -> Value {
    let shot = bed.bench(&format!(
        "run harness.json --prices prices.json --dry-run --json {args}"
    ));
    assert_eq!(shot.code, Some(0), "{shot}");
    let plan: Value = serde_json::from_str(&shot.stdout).unwrap();
    plan["estimate"].clone()
}

#[test]
fn an_estimate_says_what_it_stands_on_and_what_nobody_knows() {
    let (stub, bed) = bed();
    let before = estimate(&bed, "--model openai:m --runs 5");
    assert_eq!(before["models"][0]["from"][0]["basis"], "nothing");
    assert_eq!(
        before["total"]["cost_usd"],
        json!({"median": 0.0, "p90": 0.0, "unknown_trials": 10})
    );

    let far = "run harness.json --prices prices.json --model openai:m --ui quiet --scenario far --runs 2";
    assert_eq!(bed.bench(far).code, Some(0));
    let sent = stub.requests().len();
    let one = estimate(&bed, "--model openai:m --runs 5 --max-cost 1.5");
    let run = bed.the_run().id();
    let cells = one["cells"].as_array().unwrap();
    let known = |cell: &Value| {
        (
            cell["basis"].clone(),
            cell["past_trials"].clone(),
            cell["per_trial"]["calls"]["p90"].clone(),
        )
    };
    assert_eq!(
        known(&cells[0]),
        (json!("other_scenarios"), json!(2), json!(2)),
        "near was not run"
    );
    assert_eq!(known(&cells[1]), (json!("same"), json!(2), json!(2)));
    let warmer = estimate(&bed, "--model openai:m --temperature 0.5 --runs 5");
    let bases = [&warmer["cells"][0]["basis"], &warmer["cells"][1]["basis"]];
    assert_eq!(
        bases,
        ["nothing", "other_models"],
        "asked otherwise, it is another model"
    );
    assert_eq!(one["models"][0]["from"][0]["runs"], json!([run]));
    let cost = &one["total"]["cost_usd"];
    assert!((cost["median"].as_f64().unwrap() - 2.0).abs() < 1e-9, "{cost}");
    assert_eq!(one["budgets"][0]["ends_after_at_median"], 7, "{one}");

    let shown = bed.bench(
        "run harness.json --prices prices.json --model openai:m --model openai:n --max-cost 9 --dry-run",
    );
    let table: Vec<&str> = shown
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("model "))
        .collect();
    let table = table.join("\n").replace(&run, "RUN");
    insta::assert_snapshot!(table, @r"
    model     trials  model replies  input tokens  output tokens       cost
    ───────────────────────────────────────────────────────────────────────
    openai:m       2              4           400             40    $0.4000
    openai:n       2            ≥ 2         ≥ 200           ≥ 20    unknown
    all            4            ≥ 6         ≥ 600           ≥ 60  ≥ $0.4000
    estimated: median – 90th percentile of past trials, times the number of trials
      openai:m: 1 of 2 trials: 2 past trials of the same scenario and model, from RUN
      openai:m: 1 of 2 trials: 2 past trials of the same model with other scenarios, from RUN
      openai:n: 1 of 2 trials: 2 past trials of the same scenario with other models, from RUN
      openai:n: 1 of 2 trials: no past run: unknown
    looked at the newest 1 run in results
    --max-cost $9.00: enough for what is known; of 2 trials it is unknown
    ");
    assert_eq!(stub.requests().len(), sent, "nothing is asked");
}

#[test]
fn a_scenario_that_was_changed_and_a_run_that_cannot_be_read_are_told() {
    let (_stub, bed) = bed();
    let near = "run harness.json --prices prices.json --model openai:m --ui quiet --scenario near";
    assert_eq!(bed.bench(near).code, Some(0));
    bed.write_json(
        "harness.json",
        &harness([scenario("near", [answers("do"), answers("ne")])]),
    );
    let changed = estimate(&bed, "--model openai:m");
    assert_eq!(changed["cells"][0]["basis"], "scenario_changed");
    std::fs::write(bed.the_run().path().join("plan.json"), "{").unwrap();
    let unreadable = estimate(&bed, "--model openai:m");
    assert_eq!(unreadable["cells"][0]["basis"], "nothing");
    assert_eq!(unreadable["read"]["unreadable_runs"], 1);
}
