//! 500 trials at once on one tracker: each sees its own changes and nobody else's.

use bench_tests::bed::{PATIENCE, TestBed};
use serde_json::{Value, json};

use crate::harness::{SAMPLE_ENDS, harness, scenario, sql};

/// Creates an issue named after the scenario, and finds exactly its own.
fn own_world(n: u32) -> Value {
    let summary = format!("Only in world {n}");
    let new = format!("FROM issue WHERE created_at >= '{SAMPLE_ENDS}'");
    let mut scenario = scenario(
        &format!("world-{n}"),
        [
            sql(&format!("SELECT count(*) {new}"), &json!(2)),
            sql(
                &format!("SELECT group_concat(DISTINCT summary) {new}"),
                &json!(summary),
            ),
            sql(&format!("SELECT min(key) {new}"), &json!("WEB-35")),
        ],
    );
    let create = json!({
        "tool": "create_issue",
        "arguments": {"projectKey": "WEB", "issueType": "Task", "summary": summary},
    });
    scenario["solution"] = json!({"calls": [create, create], "answer": "Two issues."});
    // So many at once have little of a busy machine each.
    scenario["limits"] = json!({"tool_timeout_seconds": 600});
    scenario
}

#[test]
fn five_hundred_trials_at_once_never_see_each_others_data() {
    let bed = TestBed::new();
    let scenarios: Vec<Value> = (1..=50).map(own_world).collect();
    bed.write_json("harness.json", &harness(scenarios));
    let run = "run harness.json --model oracle --runs 10 --max-concurrency 500 --ui quiet";
    let shot = bed.start(run).finish(5 * PATIENCE);
    assert_eq!(shot.code, Some(0), "{shot}");
    let outcomes = bed.the_run().outcomes();
    assert_eq!(outcomes.len(), 500);
    let others: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome != "passed")
        .collect();
    assert!(others.is_empty(), "{others:?}");
}
