//! `run --verify-each-step`: when each check first held and was lost, over the whole way to people.

use std::fs;

use bench_tests::bed::TestBed;
use serde_json::{Value, json};

use crate::harness::{answers, harness, one_new_issue, scenario};

/// One issue is wanted, and a second one is made.
fn bed() -> TestBed {
    let bed = TestBed::new();
    let reads = json!({"tool": "list_projects", "json_path": "$..key", "expected_value": "WEB", "comparison_type": "contains"});
    let changes = json!({"tool": "create_issue", "arguments": {"projectKey": "WEB"}, "expected_value": 1});
    let result = |config: &Value| json!({"verifier_type": "tool_result", "validation_config": config});
    let mut one = scenario(
        "one",
        [one_new_issue(), answers("done"), result(&reads), result(&changes)],
    );
    let create = json!({"tool": "create_issue",
        "arguments": {"projectKey": "WEB", "issueType": "Bug", "summary": "It is broken"}});
    let look = json!({"tool": "list_projects", "arguments": {}});
    one["solution"] = json!({"calls": [look, create, create], "answer": "done"});
    bed.write_json("harness.json", &harness([one]));
    bed
}

fn record(bed: &TestBed, run: &str, trial: &str) -> Value {
    let shot = bed.bench(&format!("show {run} --trial {trial} --json"));
    assert_eq!(shot.code, Some(0), "{shot}");
    serde_json::from_str::<Value>(&shot.stdout).unwrap()["record"].clone()
}

#[test]
fn the_step_at_which_a_check_held_and_was_lost_is_shown_everywhere() {
    let bed = bed();
    let shot = bed.bench("run harness.json --model oracle --retries 0 --verify-each-step --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let record = record(&bed, "latest", "one~oracle~1");
    let checks = &record["timeline"]["checks"];
    assert_eq!(
        checks[0]["changes"],
        json!([{"step": 0, "verdict": "false"}, {"step": 2, "verdict": "true"}, {"step": 3, "verdict": "false"}])
    );
    assert_eq!(
        checks[2]["changes"],
        json!([{"step": 0, "verdict": "true"}]),
        "it only reads"
    );
    assert_eq!(checks[3].get("changes"), None, "it does not");
    assert_eq!(record["timeline"]["last_step"], record["tool_calls"]);
    let shown = bed.bench("show latest --trial one");
    for line in [
        "held at step 2; lost at step 3",
        "held from the start",
        "it is about the final answer",
    ] {
        assert!(shown.stdout.contains(line), "`{line}` is missing: {shown}");
    }
    assert!(
        shown.stdout.contains(": held after tool call 2"),
        "in the conversation: {shown}"
    );
    assert_eq!(bed.bench("report latest -o page.html").code, Some(0));
    let page = fs::read_to_string(bed.path("page.html")).unwrap();
    assert!(page.contains("held at step 2; lost at step 3"));
    let json = bed.bench("report latest --format json -o -");
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["trials"][0]["steps"]["checks"][0]["first_held"], 2);
}

#[test]
fn a_run_that_was_paid_is_looked_at_later() {
    let bed = bed();
    let shot = bed.bench("run harness.json --model oracle --retries 0 --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let paid = bed.the_run().id();
    assert_eq!(record(&bed, &paid, "one").get("timeline"), None);
    let shown = bed.bench(&format!("show {paid} --trial one"));
    assert!(!shown.stdout.contains("step by step"), "{shown}");
    let shot = bed.bench(&format!("rescore {paid} --verify-each-step --ui quiet"));
    assert_eq!(shot.code, Some(0), "{shot}");
    let again = record(&bed, "latest", "one");
    assert_eq!(again["timeline"]["checks"][0]["changes"][1]["step"], 2);
    assert_eq!(again["outcome"], record(&bed, &paid, "one")["outcome"]);
}
