//! `check`: every fault with its place, and nothing else, on the real tracker.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{Bed, filters};

/// Two good scenarios, and twelve with one fault each.
const FAULTS: &str = include_str!("twelve_faults.json");

fn checked(bed: &Bed, args: &str) -> (Option<i32>, Value) {
    let output = bed.output(args);
    // Without a document the test fails with what was said instead.
    let said = || Value::from(String::from_utf8_lossy(&output.stderr));
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| said());
    (output.status.code(), document)
}

fn found(document: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let problems = document["problems"].as_array().unwrap().iter();
    problems
        .map(|problem| (text(&problem["place"]["scenario"]), text(&problem["message"])))
        .collect()
}

#[test]
fn twelve_planted_faults_are_found_and_nothing_else() {
    let bed = Bed::new().with("faults.json", FAULTS);
    let (code, document) = checked(&bed, "check faults.json --json");
    assert_eq!(code, Some(1), "{document}");
    let mut scenarios: Vec<String> = found(&document)
        .into_iter()
        .map(|(scenario, _)| scenario)
        .collect();
    scenarios.sort_unstable();
    let harness: Value = serde_json::from_str(FAULTS).unwrap();
    let planted = harness["scenarios"].as_array().unwrap().iter();
    let planted = planted.map(|scenario| scenario["scenario_id"].as_str().unwrap());
    let planted: Vec<&str> = planted.filter(|id| !id.starts_with("good")).collect();
    assert_eq!(planted.len(), 12);
    assert_eq!(scenarios, planted, "{document:#}");
    assert!(document["problems"].as_array().unwrap().iter().all(|problem| {
        problem["place"]["file"] == "faults.json" && problem["place"]["line"].as_u64() > Some(1)
    }));
    assert!(
        !document.to_string().contains("sk-abc"),
        "a secret is named, not shown"
    );
    filters().bind(|| {
        insta::assert_snapshot!(bed.bench("check faults.json"), @r#"
    $ bench-cli check faults.json
       place            scenario           fault
    ────────────────────────────────────────────────────────────────────────────────────────────────────
    ✗  faults.json:49   01-contradiction   the verifiers `it is closed` and `it is in work` ask the same
                                           and expect "Closed" and in ["In Progress","In Review"]; both
                                           cannot be true: verifiers are judged at the end of the
                                           scenario
    !  faults.json:69   02-duplicate       the verifiers `a comment was added` and `there is one
                                           comment` ask the same; remove one: it counts twice in the
                                           verifier totals
    !  faults.json:80   03-true-before     the verifier `it is open` is true before the first step; ask
                                           for what has to change; for what must not change, write
                                           `"guard": true`
    ✗  faults.json:95   04-nothing-to-do   doing nothing passes it; at least one verifier has to be
                                           false before the first step
    !  faults.json:102  05-unknown-tool    `expected_tools` names the tool `teleport`, which no gym of
                                           the scenario offers; `bench-cli gym tools tracker` lists the
                                           tools
    ✗  faults.json:113  06-broken-sql      the verifier `there is a bug more` gives no verdict: SQL
                                           runner of gym `tracker`: HTTP 400: near "FROM": syntax error
                                           in SELECT count(* FROM issue at offset 15; trials with it are
                                           errored, whatever a model does
    !  faults.json:124  07-no-table        the query of the verifier `it is closed` touches no table;
                                           its value is the same whatever a model does: select FROM a
                                           table
    ✗  faults.json:131  08-tight-limit     `max_tool_calls` is 1, but a verifier needs at least 2; raise
                                           the limit
    !  faults.json:145  09-secret          `prompt_text` looks like a secret that is written in the
                                           file; take it out of the file: no variable is replaced here
    ✗  faults.json:150  10-hidden-tool     tools that a verifier requires are hidden from the model:
                                           `get_issue`; take them out of `restricted_tools`
    ✗  faults.json:162  11-wrong-solution  its own solution does not pass it: the verifier `the comment
                                           is there`: equals 1, found 0; `bench-cli run … --model
                                           oracle`, then `show latest --trial …`, tells what happened
    ✗  faults.json:179  12-no-such-column  the verifier `it has the new name` gives no verdict: SQL
                                           runner of gym `tracker`: HTTP 400: no such column: titel in
                                           SELECT titel FROM issue WHERE key = 'WEB-31' at offset 7;
                                           trials with it are errored, whatever a model does

    7 errors and 5 warnings in 14 scenarios
    --- stderr
    gym tracker: built in (no other is named)
    14 trials of noop and oracle, which cost nothing
    not looked at: 3 scenarios (`01-contradiction`, `08-tight-limit`, `10-hidden-tool`) but for tools and the state before the first step: mend the errors first
    --- exit 1
    "#);
    });
    assert!(!bed.path().join("results").exists(), "nothing is written down");
}

#[test]
fn the_quickstart_is_clean() {
    let quickstart = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/quickstart");
    let args = format!("check {} --json", quickstart.display());
    let (code, document) = checked(&Bed::new(), &args);
    assert_eq!(found(&document), []);
    assert_eq!(code, Some(0));
    let scenarios = document["scenarios"].as_u64().unwrap();
    assert!(scenarios >= 14);
    assert_eq!(document["tried"], json!({"noop": scenarios, "oracle": scenarios}));
    assert_eq!(document["not_looked_at"], json!([]));
}

#[test]
fn without_its_gyms_a_harness_is_looked_at_as_far_as_possible() {
    let good: Value = serde_json::from_str(FAULTS).unwrap();
    let good = json!({"scenarios": [good["scenarios"][0]]}).to_string();
    let bed = Bed::new().with("h.json", &good).with(
        "gyms.json",
        r#"{"gyms": {"dead": {"url": "http://127.0.0.1:9/mcp"}}}"#,
    );
    let (code, document) = checked(&bed, "check h.json --json");
    assert_eq!(code, Some(3), "not to be looked at is no success: {document}");
    assert_eq!(found(&document), []);
    let missed = document["not_looked_at"][0].as_str().unwrap();
    assert!(
        missed.starts_with("1 scenario, whose gyms cannot be reached: gym `dead` could not be opened"),
        "{missed}"
    );
    let shown = bed.output("check h.json");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("but not everything was looked at: 1 scenario, whose gyms"),
        "who reads only this must not take it for praise: {shown}"
    );
    let bed = bed.with("faults.json", FAULTS);
    let (code, document) = checked(&bed, "check faults.json --json");
    assert_eq!(code, Some(1), "what was found counts more: {document}");
    let (code, document) = checked(&bed, "check faults.json --offline --json");
    let planted: Vec<String> = found(&document)
        .into_iter()
        .map(|(scenario, _)| scenario)
        .collect();
    let of_the_file = [
        "01-contradiction",
        "02-duplicate",
        "07-no-table",
        "08-tight-limit",
        "09-secret",
        "10-hidden-tool",
    ];
    assert_eq!(
        planted.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        BTreeSet::from(of_the_file)
    );
    assert_eq!(code, Some(1));
    assert_eq!(
        document["not_looked_at"].as_array().map(Vec::len),
        Some(1),
        "{document}"
    );
    insta::assert_snapshot!(bed.bench("check h.json --offline"), @r"
    $ bench-cli check h.json --offline
    1 scenario: nothing to complain about
    --- stderr
    gym dead: http://127.0.0.1:9/mcp (gyms.json beside the harness)
    not looked at: the gyms, so neither tools nor queries nor what `noop` and `oracle` do (`--offline`)
    --- exit 0
    ");
}

#[test]
fn what_a_model_judges_is_left_to_the_run() {
    let judged = r#"{"verifier_type": "response_check", "name": "is polite",
        "validation_config": {"comparison_prompt": "Is it polite?"}}"#;
    let named = r#"{"verifier_type": "response_check", "name": "names her", "validation_config": {"contains": "Sarah"}}"#;
    let scenario = |id: &str, verifiers: &str| {
        format!(
            r#"{{"scenario_id": "{id}", "prompts": [{{"prompt_text": "Who?"}}], "verifiers": [{verifiers}],
            "solution": {{"calls": [], "answer": "Sarah, please."}}}}"#
        )
    };
    let scenarios = [
        scenario("only", judged),
        scenario("both", &format!("{judged}, {named}")),
    ];
    let bed = Bed::new().with(
        "h.json",
        &format!(r#"{{"scenarios": [{}]}}"#, scenarios.join(", ")),
    );
    filters().bind(|| {
        insta::assert_snapshot!(bed.bench("check h.json"), @r"
    $ bench-cli check h.json
    2 scenarios: nothing to complain about; noop passes none of 1, oracle all of 1
    --- stderr
    gym tracker: built in (no other is named)
    4 trials of noop and oracle, which cost nothing
    not looked at: 2 verifiers that a model judges: `run` needs `--judge-model provider:name` for that
    --- exit 0
    ");
    });
}

/// A scenario with these verifiers and other members.
fn scenario(id: &str, verifiers: &[Value], more: &Value) -> Value {
    let mut scenario = json!({"scenario_id": id, "prompts": [{"prompt_text": "x"}], "verifiers": verifiers});
    for (name, value) in more.as_object().unwrap() {
        scenario[name] = value.clone();
    }
    scenario
}

fn asks(name: &str, query: &str, expected: i64) -> Value {
    json!({"verifier_type": "database_state", "name": name,
        "validation_config": {"query": query, "expected_value": expected}})
}

#[test]
fn faults_behind_other_faults_are_told_at_once() {
    let comments = "SELECT count(*) FROM comment WHERE body = 'x'";
    let solution = json!({"solution": {"calls": [{"tool": "add_issue_coment"}]}});
    let needs =
        json!({"verifier_type": "tool_execution", "name": "t", "validation_config": {"required": ["foo"]}});
    let none = json!({});
    let scenarios = [
        scenario(
            "solution",
            &[asks("a", "SELECT count(*) FROM nix1", 1)],
            &solution,
        ),
        scenario(
            "tool",
            &[asks("b", "SELECT count(*) FROM nix2", 1), needs.clone()],
            &none,
        ),
        scenario(
            "clash",
            &[
                asks("c", comments, 0),
                asks("d", comments, 1),
                asks("e", "SELECT count(*) FROM nix3", 1),
            ],
            &json!({"expected_tools": ["assign_isue"]}),
        ),
        scenario("only-tool", &[needs], &none),
        scenario("fine", &[asks("f", comments, 1)], &none),
    ];
    let bed = Bed::new().with("h.json", &json!({ "scenarios": scenarios }).to_string());
    let (code, document) = checked(&bed, "check h.json --json");
    assert_eq!(code, Some(1), "{document}");
    let mut told: Vec<String> = found(&document)
        .into_iter()
        .map(|(scenario, message)| format!("{scenario}: {}", message.chars().take(62).collect::<String>()))
        .collect();
    told.sort_unstable();
    insta::assert_snapshot!(told.join("\n"), @r"
    clash: `expected_tools` names the tool `assign_isue`, which no gym of
    clash: the verifier `c` is true before the first step
    clash: the verifier `e` gives no verdict: SQL runner of gym `tracker`
    clash: the verifiers `c` and `d` ask the same and expect 0 and 1
    only-tool: the verifier `t` requires the tool `foo`, which no gym of the 
    solution: the solution calls the tool `add_issue_coment`, which no gym o
    solution: the verifier `a` gives no verdict: SQL runner of gym `tracker`
    tool: the verifier `b` gives no verdict: SQL runner of gym `tracker`
    tool: the verifier `t` requires the tool `foo`, which no gym of the
    ");
    assert_eq!(
        document["tried"],
        json!({"noop": 1, "oracle": 0}),
        "of the whole scenarios"
    );
    assert_eq!(
        document["not_looked_at"],
        json!([
            "4 scenarios (`clash`, `only-tool`, `solution`, `tool`) but for tools and the state before the first step: \
            mend the errors first"
        ])
    );
}

#[test]
fn queries_that_the_gym_refuses_are_one_error_each() {
    let queries = [
        "UPDATE issue SET summary = 'x'",
        "WITH x AS (SELECT 1) DELETE FROM issue RETURNING 1",
        "SELECT 1 FROM issue; SELECT 2 FROM issue",
    ];
    let scenarios: Vec<Value> = (queries.iter().enumerate())
        .map(|(n, query)| scenario(&format!("s{n}"), &[asks("v", query, 1)], &json!({})))
        .collect();
    let bed = Bed::new().with("h.json", &json!({ "scenarios": scenarios }).to_string());
    let (code, document) = checked(&bed, "check h.json --json");
    assert_eq!(code, Some(1), "{document}");
    // What a glance at the query had suspected is no second fault; what helps is still said.
    let problems = document["problems"].as_array().unwrap();
    assert_eq!(problems.len(), queries.len(), "{document:#}");
    for problem in problems {
        let said = |member: &str| problem[member].as_str().unwrap_or_default().to_owned();
        assert_eq!(said("severity"), "error", "{document:#}");
        assert!(
            said("message").starts_with("the verifier `v` gives no verdict"),
            "{document:#}"
        );
        assert!(said("hint").starts_with("a verifier reads"), "{document:#}");
    }
}
