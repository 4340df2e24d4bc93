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

#[test]
fn a_file_that_is_not_there() {
    let bed = TestBed::new();
    insta::assert_snapshot!(refused(&bed, "run harnes.json --model noop"), @r#"
    $ bench-cli run harnes.json --model noop
    exit 2
    ── stderr
    error: there is no such file or folder
    --> harnes.json
     = help: paths start at the current folder

    1 error
    "#);
}

#[test]
fn a_file_that_cannot_be_read() {
    // Permissions do not stop the superuser, so the way to it is a file.
    let bed = TestBed::new();
    bed.write("file", "");
    insta::assert_snapshot!(refused(&bed, "run file/harness.json --model noop"), @r#"
    $ bench-cli run file/harness.json --model noop
    exit 2
    ── stderr
    error: cannot read it: Not a directory (os error 20)
    --> file/harness.json

    1 error
    "#);
}

#[test]
fn an_empty_folder() {
    let bed = TestBed::new();
    fs::create_dir(bed.path("tasks")).unwrap();
    insta::assert_snapshot!(refused(&bed, "run tasks --model noop"), @r#"
    $ bench-cli run tasks --model noop
    exit 2
    ── stderr
    error: there is no harness file in it
    --> tasks
     = help: a folder is read as its *.json and *.jsonl files, without subfolders

    1 error
    "#);
}

#[test]
fn a_folder_with_two_broken_files() {
    let bed = TestBed::new();
    bed.write("tasks/a.json", "{\"scenarios\": []}");
    bed.write("tasks/b.json", "[1]");
    bed.write_json("tasks/c.json", &harness([creates_issue("good")]));
    insta::assert_snapshot!(refused(&bed, "run tasks --model noop"), @r#"
    $ bench-cli run tasks --model noop
    exit 2
    ── stderr
    error: `scenarios` is empty
     --> tasks/a.json:1:15
      |
    1 | {"scenarios": []}
      |               ^
      |
      = note: at /scenarios
      = help: a harness file holds at least one scenario

    error: each element must be an object, not 1
     --> tasks/b.json:1:2
      |
    1 | [1]
      |  ^
      |
      = note: at /0

    2 errors
    "#);
}

#[test]
fn no_harness_at_all() {
    let bed = TestBed::new();
    insta::assert_snapshot!(refused(&bed, "run --model noop"), @r#"
    $ bench-cli run --model noop
    exit 2
    ── stderr
    error: no harness is given
      try: name a harness file or a folder of them: `bench-cli run harness.json --model oracle`
    "#);
}

#[test]
fn a_gym_file_that_is_not_json() {
    insta::assert_snapshot!(run_with_gyms("{\"gyms\": {\"jira\": {\"url\": \"http://127.0.0.1:9/mcp}}}"), @r#"
    $ bench-cli run harness.json --model noop --gym-config gyms.json
    exit 2
    ── stderr
    error: not JSON: unterminated string literal
     --> gyms.json:1:27
      |
    1 | {"gyms": {"jira": {"url": "http://127.0.0.1:<port>/mcp}}}
      |                           ^^^^^^^^^^^^^^^^^^^^^^^^^^

    1 error
    "#);
}

#[test]
fn unset_variables_all_at_once() {
    insta::assert_snapshot!(run_with_gyms(
        "{\"gyms\": {\"jira\": {\"url\": \"${JIRA_URL}\",\n  \"headers\": {\"authorization\": \"Bearer ${JIRA_TOKEN}\"}}}, \"default\": \"jira\"}"
    ), @r#"
    $ bench-cli run harness.json --model noop --gym-config gyms.json
    exit 2
    ── stderr
    error: the gym `jira` needs the variable `JIRA_TOKEN`, which is not set
    --> gyms.json:2:32
     = note: at /gyms/jira/headers/authorization
     = help: set it, or pass it with --env-file

    error: the gym `jira` needs the variable `JIRA_URL`, which is not set
     --> gyms.json:1:27
      |
    1 | {"gyms": {"jira": {"url": "${JIRA_URL}",
      |                           ^^^^^^^^^^^^^
      |
      = note: at /gyms/jira/url
      = help: set it, or pass it with --env-file

    2 errors
    "#);
}

#[test]
fn a_default_gym_that_is_not_in_the_file() {
    insta::assert_snapshot!(run_with_gyms("{\"gyms\": {\"jira\": {\"url\": \"http://127.0.0.1:9/mcp\"}}, \"default\": \"jra\"}"), @r#"
    $ bench-cli run harness.json --model noop --gym-config gyms.json
    exit 2
    ── stderr
    error: there is no gym `jra`
     --> gyms.json:1:66
      |
    1 | {"gyms": {"jira": {"url": "http://127.0.0.1:<port>/mcp"}}, "default": "jra"}
      |                                                                  ^^^^^
      |
      = note: at /default
      = help: did you mean `jira`?

    1 error
    "#);
}

#[test]
fn a_gym_file_that_is_not_there() {
    insta::assert_snapshot!(run_with("--model noop --gym-config gymz.json"), @r#"
    $ bench-cli run harness.json --model noop --gym-config gymz.json
    exit 2
    ── stderr
    error: there is no such file or folder
    --> gymz.json
     = help: paths start at the current folder

    1 error
    "#);
}

#[test]
fn no_model() {
    insta::assert_snapshot!(run_with(""), @r#"
    $ bench-cli run harness.json 
    exit 2
    ── stderr
    error: no model is given
      try: `--model oracle` plays the solutions, `--model noop` does nothing; neither needs a key
      try: for others, set their variables: openai (OPENAI_API_KEY); anthropic (ANTHROPIC_API_KEY); google (GOOGLE_API_KEY); xai (XAI_API_KEY); openrouter (OPENROUTER_API_KEY); compatible (COMPATIBLE_BASE_URL)
    "#);
}

#[test]
fn a_model_of_an_unknown_provider() {
    insta::assert_snapshot!(run_with("--model opnai:gpt-4o --model llama"), @r"
    $ bench-cli run harness.json --model opnai:gpt-4o --model llama
    exit 2
    ── stderr
    error: `--model opnai:gpt-4o` and `--model llama` name no model
      because: unknown provider `opnai`; did you mean `openai:gpt-4o`?
      because: cannot tell which provider serves `llama`; write provider:llama, such as openai:llama
    ");
}

#[test]
fn a_key_that_is_not_set() {
    insta::assert_snapshot!(run_with("--model anthropic:claude-sonnet-4-5"), @r#"
    $ bench-cli run harness.json --model anthropic:claude-sonnet-4-5
    exit 2
    ── stderr
    gym tracker: built in (no other is named)
    error: anthropic: no key; set ANTHROPIC_API_KEY in the environment or in the file given with --env-file
    "#);
}

#[test]
fn a_script_that_is_not_there() {
    insta::assert_snapshot!(run_with("--model script:play.json"), @r#"
    $ bench-cli run harness.json --model script:play.json
    exit 2
    ── stderr
    gym tracker: built in (no other is named)
    error: cannot read the script `<bed>/play.json`
      because: No such file or directory (os error 2)
    "#);
}

#[test]
fn an_unknown_gym_on_the_command_line() {
    insta::assert_snapshot!(run_with("--model noop --gym traker"), @r#"
    $ bench-cli run harness.json --model noop --gym traker
    exit 2
    ── stderr
    error: there is no gym `traker`
      try: available: tracker; `--gym-config FILE` reads another gym file
    "#);
}

#[test]
fn filters_that_leave_nothing() {
    insta::assert_snapshot!(run_with("--model noop --scenario goood --tag smoke"), @r"
    $ bench-cli run harness.json --model noop --scenario goood --tag smoke
    exit 2
    ── stderr
    error: no scenario is left after filtering; the harness holds 1
     = help: did you mean the scenario `good`?

    1 error
    ");
}

#[test]
fn numbers_that_make_no_sense() {
    insta::assert_snapshot!(run_with("--model noop --runs 0"), @r#"
    $ bench-cli run harness.json --model noop --runs 0
    exit 2
    ── stderr
    error: invalid value '0' for '--runs <N>': must be at least 1

    For more information, try '--help'.
    "#);
}

#[test]
fn an_unknown_flag() {
    insta::assert_snapshot!(run_with("--model noop --max-concurency 3"), @r#"
    $ bench-cli run harness.json --model noop --max-concurency 3
    exit 2
    ── stderr
    error: unexpected argument '--max-concurency' found

      tip: a similar argument exists: '--max-concurrency'

    Usage: bench-cli run --model <MODEL> --max-concurrency <N> <HARNESS>...

    For more information, try '--help'.
    "#);
}

#[test]
fn a_system_prompt_that_is_not_there() {
    insta::assert_snapshot!(run_with("--model noop --system-prompt prompt.txt"), @r#"
    $ bench-cli run harness.json --model noop --system-prompt prompt.txt
    exit 2
    ── stderr
    error: cannot read `--system-prompt prompt.txt`
      because: No such file or directory (os error 2)
    "#);
}

#[test]
fn an_env_file_that_is_not_there() {
    insta::assert_snapshot!(run_with("--model noop --env-file .env"), @r#"
    $ bench-cli run harness.json --model noop --env-file .env
    exit 2
    ── stderr
    error: cannot read `--env-file .env`
      because: No such file or directory (os error 2)
    "#);
}
