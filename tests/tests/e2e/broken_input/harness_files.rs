//! Harness files that are none, or say what cannot be.

use bench_tests::bed::TestBed;
use serde_json::json;

use super::{refused, run, run_json, with_query};
use crate::harness::{creates_issue, harness, scenario, sql};

#[test]
fn not_json() {
    insta::assert_snapshot!(run("{\"scenarios\": [\n  {\"scenario_id\": \"a\"\n   \"prompts\": []}]}"), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: not JSON: expected comma
     --> harness.json:2:22
      |
    2 |   {"scenario_id": "a"
      |                      ^
      |
      = help: put a comma between the two elements

    1 error
    "#);
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(run(""), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: not JSON: it is empty
     --> harness.json:1:1
      |
    1 |
      | ^

    1 error
    "#);
}

#[test]
fn not_text() {
    let bed = TestBed::new();
    bed.write("harness.json", b"{\"scenarios\": \xff\xfe}");
    insta::assert_snapshot!(refused(&bed, "run harness.json --model noop"), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: the file is no UTF-8 text
    --> harness.json

    1 error
    "#);
}

#[test]
fn wrong_types_all_at_once() {
    let broken = json!({"scenarios": [{"scenario_id": 7, "prompts": "Do it"}, "b"]});
    insta::assert_snapshot!(run_json(&broken), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: `scenario_id` must be a string, not 7
     --> harness.json:4:22
      |
    4 |       "scenario_id": 7,
      |                      ^
      |
      = note: at /scenarios/0/scenario_id

    error: `prompts` must be a list, not a string
     --> harness.json:5:18
      |
    5 |       "prompts": "Do it"
      |                  ^^^^^^^
      |
      = note: at /scenarios/0/prompts

    error: each element must be an object, not a string
     --> harness.json:7:5
      |
    7 |     "b"
      |     ^^^
      |
      = note: at /scenarios/1

    3 errors
    "#);
}

#[test]
fn a_missing_field_and_a_misspelt_one() {
    insta::assert_snapshot!(run("{\"scenarios\": [\n  {\"scenario_id\": \"a\",\n   \"promts\": []}]}"), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    warning: unknown field `promts` is ignored
     --> harness.json:3:4
      |
    3 |    "promts": []}]}
      |    ^^^^^^^^
      |
      = note: in scenario `a`, at /scenarios/0/promts
      = help: did you mean `prompts`?

    error: `prompts` is missing
     --> harness.json:2:3
      |
    2 |   {"scenario_id": "a",
      |   ^
      |
      = note: in scenario `a`, at /scenarios/0
      = help: write what the user says, or [] to only reach the gym

    1 error and 1 warning
    "#);
}

#[test]
fn a_duplicate_id() {
    insta::assert_snapshot!(run("{\"scenarios\": [\n  {\"scenario_id\": \"a\", \"prompts\": []},\n  {\"scenario_id\": \"a\", \"prompts\": []}]}"), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: the scenario id `a` is used twice: first at harness.json:2:19
     --> harness.json:3:19
      |
    3 |   {"scenario_id": "a", "prompts": []}]}
      |                   ^^^
      |
      = note: in scenario `a`, at /scenarios/1/scenario_id
      = help: give each scenario an id of its own

    1 error
    "#);
}

#[test]
fn an_unknown_comparison() {
    let config = json!({"query": "SELECT 1", "expected_value": 1, "comparison_type": "equls"});
    insta::assert_snapshot!(run_json(&with_query(&config)), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: unknown comparison `equls`
      --> harness.json:15:36
       |
    15 |                 "comparison_type": "equls"
       |                                    ^^^^^^^
       |
       = note: in scenario `a`, at /scenarios/0/prompts/0/verifier/0/validation_config/comparison_type
       = help: did you mean `equals`?

    1 error
    "#);
}

#[test]
fn empty_sql() {
    insta::assert_snapshot!(run_json(&with_query(&json!({"query": " ", "expected_value": 1}))), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: `query` is empty
      --> harness.json:13:26
       |
    13 |                 "query": " ",
       |                          ^^^
       |
       = note: in scenario `a`, at /scenarios/0/prompts/0/verifier/0/validation_config/query

    1 error
    "#);
}

#[test]
fn an_unknown_verifier_type() {
    let mut broken = harness([scenario("a", [sql("SELECT 1", &json!(1))])]);
    broken["scenarios"][0]["prompts"][0]["verifier"][0]["verifier_type"] = json!("database_stat");
    insta::assert_snapshot!(run_json(&broken), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: unknown verifier type `database_stat`
      --> harness.json:11:32
       |
    11 |               "verifier_type": "database_stat",
       |                                ^^^^^^^^^^^^^^^
       |
       = note: in scenario `a`, at /scenarios/0/prompts/0/verifier/0/verifier_type
       = help: did you mean `database_state`?

    1 error
    "#);
}

#[test]
fn a_pattern_that_is_none() {
    let config = json!({"query": "SELECT 1", "expected_value": "(", "comparison_type": "matches"});
    insta::assert_snapshot!(run_json(&with_query(&config)), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: the pattern `(` is not a regular expression: unclosed group
      --> harness.json:14:35
       |
    14 |                 "expected_value": "(",
       |                                   ^^^
       |
       = note: in scenario `a`, at /scenarios/0/prompts/0/verifier/0/validation_config/expected_value

    1 error
    "#);
}

#[test]
fn an_unknown_gym_of_a_scenario() {
    let mut broken = harness([creates_issue("a")]);
    broken["scenarios"][0]["gym"] = json!("traker");
    insta::assert_snapshot!(run_json(&broken), @r"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: there is no gym `traker`
     --> harness.json:3:5
      |
    3 |     {
      |     ^
      |
      = note: in scenario `a`, at /scenarios/0
      = help: did you mean `tracker`?

    1 error
    ");
}

#[test]
fn an_unknown_gym_of_a_verifier() {
    let mut broken = harness([scenario("a", [sql("SELECT 1", &json!(1))])]);
    broken["scenarios"][0]["prompts"][0]["verifier"][0]["gym_name"] = json!("jira");
    insta::assert_snapshot!(run_json(&broken), @r"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: the verifier `database_state` asks the gym `jira`, which is not the scenario's
     --> harness.json:3:5
      |
    3 |     {
      |     ^
      |
      = note: in scenario `a`, at /scenarios/0
      = help: available: `tracker`

    1 error
    ");
}

#[test]
fn a_gym_file_in_the_place_of_a_harness() {
    insta::assert_snapshot!(run("{\"mcpServers\": {}}"), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: this is a gym file, not a harness file
     --> harness.json:1:1
      |
    1 | {"mcpServers": {}}
      | ^
      |
      = help: give it with --gym-config, and a harness file beside it

    1 error
    "#);
}

#[test]
fn a_broken_row_among_rows() {
    let bed = TestBed::new();
    let row = json!({
        "task_id": "t1", "user_prompt": "x", "mcp_server_url": "http://127.0.0.1:9",
        "verifiers": "[]", "gym_servers_config": "[]",
    });
    bed.write(
        "rows.jsonl",
        format!("{row}\n{{\"task_id\": \"t2\", \"user_prompt\": 5}}\n"),
    );
    insta::assert_snapshot!(refused(&bed, "run rows.jsonl --model noop"), @r#"
    $ bench-cli run rows.jsonl --model noop
    exit 2
    ── stderr
    error: `user_prompt` must be a string, not 5
     --> rows.jsonl:2:34
      |
    2 | {"task_id": "t2", "user_prompt": 5}
      |                                  ^
      |
      = note: in scenario `t2`, at /user_prompt

    1 error
    "#);
}

#[test]
fn a_seed_that_is_not_there() {
    let task = json!({
        "user_prompt": "x", "mcp_server_url": "http://127.0.0.1:9", "seed_database_file": "seeds/none.sql",
        "verifiers": [sql("SELECT 1", &json!(1))],
    });
    insta::assert_snapshot!(run_json(&task), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: there is no seed file `seeds/none.sql`
     --> harness.json:4:25
      |
    4 |   "seed_database_file": "seeds/none.sql",
      |                         ^^^^^^^^^^^^^^^^
      |
      = note: in scenario `harness`, at /seed_database_file
      = help: it is looked for beside the task file and in each folder above it; leave it empty for the gym's sample data

    1 error
    "#);
}

#[test]
fn a_solution_that_refers_to_nothing() {
    let mut broken = harness([creates_issue("a")]);
    broken["scenarios"][0]["solution"]["answer"] = json!("{{isue/key}}");
    insta::assert_snapshot!(run_json(&broken), @r#"
    $ bench-cli run harness.json --model noop
    exit 2
    ── stderr
    error: no earlier call saves its result as `isue`
    --> harness.json:39:19
     = note: in scenario `a`, at /scenarios/0/solution/answer
     = help: did you mean `issue`?

    1 error
    "#);
}
