//! Broken input: each kind gives one clear message with a place and a hint, exit code 2, and nothing on
//! disk.

use std::fs;

use bench_tests::bed::{Shot, TestBed};
use serde_json::{Value, json};

use crate::harness::{creates_issue, harness, scenario, sql};

/// Runs a harness text with the model `noop`; nothing may be written.
fn run(text: &str) -> Shot {
    let bed = TestBed::new();
    bed.write("harness.json", text);
    refused(&bed, "run harness.json --model noop")
}

fn run_json(value: &Value) -> Shot {
    run(&format!("{value:#}"))
}

/// Runs a good harness with a broken gym file.
fn run_with_gyms(text: &str) -> Shot {
    let bed = TestBed::new();
    bed.write_json("harness.json", &harness([creates_issue("good")]));
    bed.write("gyms.json", text);
    refused(&bed, "run harness.json --model noop --gym-config gyms.json")
}

/// Runs a good harness with these further arguments.
fn run_with(arguments: &str) -> Shot {
    let bed = TestBed::new();
    bed.write_json("harness.json", &harness([creates_issue("good")]));
    refused(&bed, &format!("run harness.json {arguments}"))
}

fn refused(bed: &TestBed, line: &str) -> Shot {
    let shot = bed.bench(line);
    assert_eq!(shot.code, Some(2), "{shot}");
    assert_eq!(shot.stdout, "", "data on stdout although nothing was done");
    assert!(!bed.results().exists(), "a refused run left something on disk");
    shot
}

/// A scenario with a verifier of this configuration.
fn with_query(config: &Value) -> Value {
    let mut verifier = sql("SELECT 1", &json!(1));
    verifier["validation_config"] = config.clone();
    harness([scenario("a", [verifier])])
}

#[test]
fn not_json() {
    insta::assert_snapshot!(run("{\"scenarios\": [\n  {\"scenario_id\": \"a\"\n   \"prompts\": []}]}"), @"");
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(run(""), @"");
}

#[test]
fn not_text() {
    let bed = TestBed::new();
    bed.write("harness.json", b"{\"scenarios\": \xff\xfe}");
    insta::assert_snapshot!(refused(&bed, "run harness.json --model noop"), @"");
}

#[test]
fn wrong_types_all_at_once() {
    let broken = json!({"scenarios": [{"scenario_id": 7, "prompts": "Do it"}, "b"]});
    insta::assert_snapshot!(run_json(&broken), @"");
}

#[test]
fn a_missing_field_and_a_misspelt_one() {
    insta::assert_snapshot!(run("{\"scenarios\": [\n  {\"scenario_id\": \"a\",\n   \"promts\": []}]}"), @"");
}

#[test]
fn a_duplicate_id() {
    insta::assert_snapshot!(run("{\"scenarios\": [\n  {\"scenario_id\": \"a\", \"prompts\": []},\n  {\"scenario_id\": \"a\", \"prompts\": []}]}"), @"");
}

#[test]
fn an_unknown_comparison() {
    let config = json!({"query": "SELECT 1", "expected_value": 1, "comparison_type": "equls"});
    insta::assert_snapshot!(run_json(&with_query(&config)), @"");
}

#[test]
fn empty_sql() {
    insta::assert_snapshot!(run_json(&with_query(&json!({"query": " ", "expected_value": 1}))), @"");
}

#[test]
fn an_unknown_verifier_type() {
    let mut broken = harness([scenario("a", [sql("SELECT 1", &json!(1))])]);
    broken["scenarios"][0]["prompts"][0]["verifier"][0]["verifier_type"] = json!("database_stat");
    insta::assert_snapshot!(run_json(&broken), @"");
}

#[test]
fn a_pattern_that_is_none() {
    let config = json!({"query": "SELECT 1", "expected_value": "(", "comparison_type": "matches"});
    insta::assert_snapshot!(run_json(&with_query(&config)), @"");
}

#[test]
fn an_unknown_gym_of_a_scenario() {
    let mut broken = harness([creates_issue("a")]);
    broken["scenarios"][0]["gym"] = json!("traker");
    insta::assert_snapshot!(run_json(&broken), @"");
}

#[test]
fn an_unknown_gym_of_a_verifier() {
    let mut broken = harness([scenario("a", [sql("SELECT 1", &json!(1))])]);
    broken["scenarios"][0]["prompts"][0]["verifier"][0]["gym_name"] = json!("jira");
    insta::assert_snapshot!(run_json(&broken), @"");
}

#[test]
fn a_gym_file_in_the_place_of_a_harness() {
    insta::assert_snapshot!(run("{\"mcpServers\": {}}"), @"");
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
    insta::assert_snapshot!(refused(&bed, "run rows.jsonl --model noop"), @"");
}

#[test]
fn a_seed_that_is_not_there() {
    let task = json!({
        "user_prompt": "x", "mcp_server_url": "http://127.0.0.1:9", "seed_database_file": "seeds/none.sql",
        "verifiers": [sql("SELECT 1", &json!(1))],
    });
    insta::assert_snapshot!(run_json(&task), @"");
}

#[test]
fn a_solution_that_refers_to_nothing() {
    let mut broken = harness([creates_issue("a")]);
    broken["scenarios"][0]["solution"]["answer"] = json!("{{isue/key}}");
    insta::assert_snapshot!(run_json(&broken), @"");
}

#[test]
fn a_file_that_is_not_there() {
    let bed = TestBed::new();
    insta::assert_snapshot!(refused(&bed, "run harnes.json --model noop"), @"");
}

#[test]
fn a_file_that_cannot_be_read() {
    // Permissions do not stop the superuser; a file that is a pipe's end without a writer would hang.
    let bed = TestBed::new();
    bed.write("file", "");
    insta::assert_snapshot!(refused(&bed, "run file/harness.json --model noop"), @"");
}

#[test]
fn an_empty_folder() {
    let bed = TestBed::new();
    fs::create_dir(bed.path("tasks")).unwrap();
    insta::assert_snapshot!(refused(&bed, "run tasks --model noop"), @"");
}

#[test]
fn a_folder_with_two_broken_files() {
    let bed = TestBed::new();
    bed.write("tasks/a.json", "{\"scenarios\": []}");
    bed.write("tasks/b.json", "[1]");
    bed.write_json("tasks/c.json", &harness([creates_issue("good")]));
    insta::assert_snapshot!(refused(&bed, "run tasks --model noop"), @"");
}

#[test]
fn no_harness_at_all() {
    let bed = TestBed::new();
    insta::assert_snapshot!(refused(&bed, "run --model noop"), @"");
}

#[test]
fn a_gym_file_that_is_not_json() {
    insta::assert_snapshot!(run_with_gyms("{\"gyms\": {\"jira\": {\"url\": \"http://127.0.0.1:9/mcp\"},}}"), @"");
}

#[test]
fn unset_variables_all_at_once() {
    insta::assert_snapshot!(run_with_gyms(
        "{\"gyms\": {\"jira\": {\"url\": \"${JIRA_URL}\",\n  \"headers\": {\"authorization\": \"Bearer ${JIRA_TOKEN}\"}}}, \"default\": \"jira\"}"
    ), @"");
}

#[test]
fn a_default_gym_that_is_not_in_the_file() {
    insta::assert_snapshot!(run_with_gyms("{\"gyms\": {\"jira\": {\"url\": \"http://127.0.0.1:9/mcp\"}}, \"default\": \"jra\"}"), @"");
}

#[test]
fn a_gym_file_that_is_not_there() {
    insta::assert_snapshot!(run_with("--model noop --gym-config gymz.json"), @"");
}

#[test]
fn no_model() {
    insta::assert_snapshot!(run_with(""), @"");
}

#[test]
fn a_model_of_an_unknown_provider() {
    insta::assert_snapshot!(run_with("--model opnai:gpt-4o --model llama"), @"");
}

#[test]
fn a_key_that_is_not_set() {
    insta::assert_snapshot!(run_with("--model anthropic:claude-sonnet-4-5"), @"");
}

#[test]
fn a_script_that_is_not_there() {
    insta::assert_snapshot!(run_with("--model script:play.json"), @"");
}

#[test]
fn an_unknown_gym_on_the_command_line() {
    insta::assert_snapshot!(run_with("--model noop --gym traker"), @"");
}

#[test]
fn filters_that_leave_nothing() {
    insta::assert_snapshot!(run_with("--model noop --scenario goood --tag smoke"), @"");
}

#[test]
fn numbers_that_make_no_sense() {
    insta::assert_snapshot!(run_with("--model noop --runs 0"), @"");
}

#[test]
fn an_unknown_flag() {
    insta::assert_snapshot!(run_with("--model noop --max-concurency 3"), @"");
}

#[test]
fn a_system_prompt_that_is_not_there() {
    insta::assert_snapshot!(run_with("--model noop --system-prompt prompt.txt"), @"");
}

#[test]
fn an_env_file_that_is_not_there() {
    insta::assert_snapshot!(run_with("--model noop --env-file .env"), @"");
}
