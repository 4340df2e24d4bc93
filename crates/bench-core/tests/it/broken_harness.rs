//! Broken harness files: what a person is told. Each text should name the place, say what is wrong in
//! plain words, and say what to try next where we know.

use super::{say, say_file};

/// A scenario with this text for its verifier.
fn with_verifier(verifier: &str) -> String {
    say(&format!(
        "{{\"scenarios\": [{{\"scenario_id\": \"s\", \"prompts\": [{{\"prompt_text\": \"x\",\n\"verifier\": {verifier}}}]}}]}}"
    ))
}

/// A verifier of a type with this text for its configuration.
fn with_config(kind: &str, config: &str) -> String {
    with_verifier(&format!(
        "{{\"verifier_type\": \"{kind}\", \"validation_config\":\n{config}}}"
    ))
}

/// A scenario with these further members.
fn with_members(members: &str) -> String {
    say(&format!(
        "{{\"scenarios\": [{{\"scenario_id\": \"s\", \"prompts\": [],\n{members}}}]}}"
    ))
}

#[test]
fn not_json() {
    insta::assert_snapshot!(say(""), @"error: h.json:1:1: not JSON: it is empty");
    insta::assert_snapshot!(say("{\"scenarios\": [\n  {\"scenario_id\": \"a\"\n   \"prompts\": []}]}"), @"error: h.json:2:22: not JSON: expected comma (hint: put a comma between the two elements)");
    insta::assert_snapshot!(say("{\"scenarios\": [],}"), @"error: h.json:1:17: not JSON: trailing commas are not allowed (hint: remove the comma after the last element)");
    insta::assert_snapshot!(say("{'scenarios': []}"), @"error: h.json:1:2: not JSON: single-quoted strings are not allowed (hint: strings need double quotes)");
    insta::assert_snapshot!(say("{\"scenarios\": [{\"scenario_id\": \"a\", \"prompts\": ["), @"error: h.json:1:48: not JSON: unterminated array (hint: a closing bracket is missing; was the file cut off?)");
    insta::assert_snapshot!(say("scenarios:\n  - scenario_id: a\n"), @"error: h.json:1:1: not JSON: unexpected word (hint: a JSON file begins with { or [)");
}

#[test]
fn not_a_harness() {
    insta::assert_snapshot!(say("{}"), @r#"error: h.json:1:1: neither `scenarios` nor `user_prompt` is in it: this is no harness file (hint: write {"scenarios": [ … ]}; `bench-cli schema` prints the form)"#);
    insta::assert_snapshot!(say("3"), @r#"error: h.json:1:1: this is no harness file: it holds neither an object nor a list of tasks (hint: write {"scenarios": [ … ]}; `bench-cli schema` prints the form)"#);
    insta::assert_snapshot!(say("[]"), @"error: h.json:1:1: the list is empty (hint: a file holds at least one task)");
    insta::assert_snapshot!(say("[1]"), @"error: h.json:1:2 at /0: each element must be an object, not 1");
    insta::assert_snapshot!(say("{\"scenaros\": []}"), @"error: h.json:1:1: neither `scenarios` nor `user_prompt` is in it: this is no harness file (hint: did you mean `scenarios` instead of `scenaros`?)");
    insta::assert_snapshot!(say("{\"scenario_id\": \"a\", \"prompts\": []}"), @r#"error: h.json:1:1: neither `scenarios` nor `user_prompt` is in it: this is no harness file (hint: put the scenario into a list: {"scenarios": [ … ]})"#);
    insta::assert_snapshot!(say("{\"mcpServers\": {}}"), @"error: h.json:1:1: this is a gym file, not a harness file (hint: give it with --gym-config, and a harness file beside it)");
    insta::assert_snapshot!(say("{\"scenarios\": []}"), @"error: h.json:1:15 at /scenarios: `scenarios` is empty (hint: a harness file holds at least one scenario)");
    insta::assert_snapshot!(say("{\"scenarios\": {\"a\": 1}}"), @"error: h.json:1:15 at /scenarios: `scenarios` must be a list, not an object");
}

#[test]
fn nothing_to_read() {
    let none = bench_core::Harness::from_sources("tasks", &[], &super::read_file).unwrap_err();
    insta::assert_snapshot!(none, @"tasks: there is no harness file in it (hint: a folder is read as its *.json and *.jsonl files)");
    insta::assert_snapshot!(say_file("empty.jsonl", "\n\n"), @"error: empty.jsonl: the file holds no rows");
}

#[test]
fn scenarios() {
    insta::assert_snapshot!(say(r#"{"scenarios": [{"prompts": []}]}"#), @"error: h.json:1:16 at /scenarios/0: `scenario_id` is missing (hint: give each scenario an id of its own)");
    insta::assert_snapshot!(say(r#"{"scenarios": [{"scenario_id": " ", "prompts": []}]}"#), @"error: h.json:1:16 at /scenarios/0: `scenario_id` is empty");
    insta::assert_snapshot!(say(r#"{"scenarios": [{"scenario_id": "one\ntwo", "prompts": []}]}"#), @r"error: h.json:1:32 at /scenarios/0/scenario_id: an id must not hold control characters, this one holds `\n` (hint: ids are names in lists and logs: write it in one line)");
    insta::assert_snapshot!(say(r#"{"scenarios": [{"name": "one\u001b[2Jtwo", "prompts": []}]}"#), @r"error: h.json:1:25 at /scenarios/0/name: an id must not hold control characters, this one holds `\u{1b}` (hint: ids are names in lists and logs: write it in one line)");
    insta::assert_snapshot!(say(r#"{"task_id": "one\ttwo", "user_prompt": "x"}"#), @r"error: h.json:1:13 at /task_id: an id must not hold control characters, this one holds `\t` (hint: ids are names in lists and logs: write it in one line)");
    insta::assert_snapshot!(say(r#"{"scenarios": [{"scenario_id": 7, "prompts": []}]}"#), @"error: h.json:1:32 at /scenarios/0/scenario_id: `scenario_id` must be a string, not 7");
    insta::assert_snapshot!(say(r#"{"scenarios": [{"scenario_id": "a", "promts": []}]}"#), @r#"
    error: h.json:1:16 at /scenarios/0 (scenario `a`): `prompts` is missing (hint: write what the user says, or [] to only reach the gym)
    warning: h.json:1:37 at /scenarios/0/promts (scenario `a`): unknown field `promts` is ignored (hint: did you mean `prompts`?)
    "#);
    insta::assert_snapshot!(say(r#"{"scenarios": [{"scenario_id": "a", "prompts": "Do it"}, "b"]}"#), @r#"
    error: h.json:1:48 at /scenarios/0/prompts (scenario `a`): `prompts` must be a list, not a string
    error: h.json:1:58 at /scenarios/1: each element must be an object, not a string
    "#);
    insta::assert_snapshot!(say(r#"{"scenarios": [{"scenario_id": "a", "prompts": [{"prompt": "Do it"}]}]}"#), @r#"
    error: h.json:1:49 at /scenarios/0/prompts/0 (scenario `a`): `prompt_text` is missing (hint: is it misspelt as `prompt`?)
    warning: h.json:1:50 at /scenarios/0/prompts/0/prompt (scenario `a`): unknown field `prompt` is ignored (hint: did you mean `prompt_text`?)
    "#);
    insta::assert_snapshot!(say("{\"scenarios\": [{\"scenario_id\": \"a\", \"prompts\": []},\n{\"scenario_id\": \"b\", \"prompts\": []},\n{\"scenario_id\": \"a\", \"prompts\": []}]}"), @"error: h.json:3:17 at /scenarios/2/scenario_id (scenario `a`): the scenario id `a` is used twice: first at h.json:1:32 (hint: give each scenario an id of its own)");
}

#[test]
fn members_of_scenarios() {
    insta::assert_snapshot!(with_members(r#""tags": ["a", 2], "weight": -1, "name": ["x"], "metadata": "hard""#), @r#"
    error: h.json:2:15 at /scenarios/0/tags/1 (scenario `s`): each element must be a string, not 2
    error: h.json:2:29 at /scenarios/0/weight (scenario `s`): `weight` must not be negative
    error: h.json:2:41 at /scenarios/0/name (scenario `s`): `name` must be a string, not a list
    error: h.json:2:60 at /scenarios/0/metadata (scenario `s`): `metadata` must be an object, not a string
    "#);
    insta::assert_snapshot!(with_members(r#""limits": {"max_turns": 0, "max_seconds": "90", "max_tool_calls": -3, "max_token": 5}"#), @r#"
    error: h.json:2:25 at /scenarios/0/limits/max_turns (scenario `s`): `max_turns` must be 1 or more, not 0
    error: h.json:2:43 at /scenarios/0/limits/max_seconds (scenario `s`): `max_seconds` must be a number, not a string
    error: h.json:2:67 at /scenarios/0/limits/max_tool_calls (scenario `s`): `max_tool_calls` must be 0 or more, not -3
    warning: h.json:2:71 at /scenarios/0/limits/max_token (scenario `s`): unknown field `max_token` is ignored (hint: did you mean `max_tokens`?)
    "#);
    insta::assert_snapshot!(with_members(r#""limits": {"max_turns": 1.5, "max_seconds": 1e300, "max_tokens": 99999999999999999999, "max_cost": 0}"#), @r#"
    error: h.json:2:25 at /scenarios/0/limits/max_turns (scenario `s`): `max_turns` must be a whole number, not 1.5
    error: h.json:2:45 at /scenarios/0/limits/max_seconds (scenario `s`): `max_seconds` must be more than 0 seconds and at most a year, not 1e+300
    error: h.json:2:66 at /scenarios/0/limits/max_tokens (scenario `s`): `max_tokens` must be a whole number, not 1e+20
    error: h.json:2:100 at /scenarios/0/limits/max_cost (scenario `s`): `max_cost` must be more than 0 US dollars, not 0
    "#);
}

#[test]
fn solutions() {
    insta::assert_snapshot!(with_members(r#""solution": {"calls": [{"tool": "a", "arguments": {"id": "{{issue/id}}"}, "as": "issue"}]}"#), @r#"error: h.json:2:51 at /scenarios/0/solution/calls/0/arguments (scenario `s`): no earlier call saves its result as `issue` (hint: add `"as": "issue"` to the call whose result it is)"#);
    insta::assert_snapshot!(with_members(r#""solution": {"calls": [{"tool": "a", "as": "issue"}, {"tool": "b", "as": "issue"}, {"tool": "c", "arguments": {"x": ["{{isue/id}} {{trial_dir}}"]}, "as": "a b"}], "answer": 5}"#), @r#"
    error: h.json:2:74 at /scenarios/0/solution/calls/1/as (scenario `s`): the name `issue` is taken (hint: save each result under a name of its own)
    error: h.json:2:111 at /scenarios/0/solution/calls/2/arguments (scenario `s`): no earlier call saves its result as `isue` (hint: did you mean `issue`?)
    error: h.json:2:155 at /scenarios/0/solution/calls/2/as (scenario `s`): `a b` cannot name a result (hint: use letters, digits, `_` and `-`)
    error: h.json:2:174 at /scenarios/0/solution/answer (scenario `s`): `answer` must be a string, not 5
    "#);
    insta::assert_snapshot!(with_members(r#""solution": {"call": [], "calls": [{"arguments": []}]}"#), @r#"
    warning: h.json:2:14 at /scenarios/0/solution/call (scenario `s`): unknown field `call` is ignored (hint: did you mean `calls`?)
    error: h.json:2:36 at /scenarios/0/solution/calls/0 (scenario `s`): `tool` is missing
    error: h.json:2:50 at /scenarios/0/solution/calls/0/arguments (scenario `s`): `arguments` must be an object, not a list
    "#);
}

#[test]
fn verifiers() {
    insta::assert_snapshot!(with_verifier("\"x\""), @"error: h.json:2:13 at /scenarios/0/prompts/0/verifier (scenario `s`): `verifier` must be an object or a list of objects, not a string");
    insta::assert_snapshot!(with_verifier("[1, null]"), @r#"
    error: h.json:2:14 at /scenarios/0/prompts/0/verifier/0 (scenario `s`): each element must be an object, not 1
    error: h.json:2:17 at /scenarios/0/prompts/0/verifier/1 (scenario `s`): each element must be an object, not null
    "#);
    insta::assert_snapshot!(with_verifier("{}"), @r#"
    error: h.json:2:13 at /scenarios/0/prompts/0/verifier (scenario `s`): `verifier_type` is missing
    error: h.json:2:13 at /scenarios/0/prompts/0/verifier (scenario `s`): `validation_config` is missing
    "#);
    insta::assert_snapshot!(with_config("database_stat", "{}"), @"error: h.json:2:31 at /scenarios/0/prompts/0/verifier/verifier_type (scenario `s`): unknown verifier type `database_stat` (hint: did you mean `database_state`?)");
    insta::assert_snapshot!(with_config("llm", "{}"), @"error: h.json:2:31 at /scenarios/0/prompts/0/verifier/verifier_type (scenario `s`): unknown verifier type `llm` (hint: known are `database_state`, `response_check`, `tool_execution`, `tool_result`, `http` and `command`)");
    insta::assert_snapshot!(with_verifier(r#"{"verifier_type": "database_state", "name": 5, "gym_name": ["a"], "validation_config": []}"#), @r#"
    error: h.json:2:57 at /scenarios/0/prompts/0/verifier/name (scenario `s`): `name` must be a string, not 5
    error: h.json:2:72 at /scenarios/0/prompts/0/verifier/gym_name (scenario `s`): `gym_name` must be a string, not a list
    error: h.json:2:100 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): `validation_config` must be an object, not a list
    "#);
}

#[test]
fn database_state() {
    insta::assert_snapshot!(with_config("database_state", r#"{"query": "  ", "expected_value": 1}"#), @"error: h.json:3:11 at /scenarios/0/prompts/0/verifier/validation_config/query (scenario `s`): `query` is empty");
    insta::assert_snapshot!(with_config("database_state", r#"{"qeury": "SELECT 1", "expected": 1}"#), @r#"
    error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): `query` is missing (hint: is it misspelt as `qeury`?)
    error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): `expected_value` is missing (hint: is it misspelt as `expected`?)
    warning: h.json:3:2 at /scenarios/0/prompts/0/verifier/validation_config/qeury (scenario `s`): unknown field `qeury` is ignored (hint: did you mean `query`?)
    warning: h.json:3:23 at /scenarios/0/prompts/0/verifier/validation_config/expected (scenario `s`): unknown field `expected` is ignored (hint: did you mean `expected_value`?)
    "#);
    insta::assert_snapshot!(with_config("database_state", r#"{"query": "SELECT 1", "expected_value": 1, "comparison_type": "equls"}"#), @"error: h.json:3:63 at /scenarios/0/prompts/0/verifier/validation_config/comparison_type (scenario `s`): unknown comparison `equls` (hint: did you mean `equals`?)");
    insta::assert_snapshot!(with_config("database_state", r#"{"query": "SELECT 1", "expected_value": 1, "comparison_type": "like"}"#), @"error: h.json:3:63 at /scenarios/0/prompts/0/verifier/validation_config/comparison_type (scenario `s`): unknown comparison `like` (hint: known are `equals`, `not_equals`, `greater_than`, `greater_than_or_equal`, `less_than`, `less_than_or_equal`, `contains`, `not_contains`, `in`, `between` and `matches`)");
    insta::assert_snapshot!(with_config("database_state", r#"{"query": "SELECT 1", "expected_value": "a", "comparison_type": "in"}"#), @r#"error: h.json:3:41 at /scenarios/0/prompts/0/verifier/validation_config/expected_value (scenario `s`): `in` needs a list of values to compare with, not "a""#);
    insta::assert_snapshot!(with_config("database_state", r#"{"query": "SELECT 1", "expected_value": [5, 1], "comparison_type": "between"}"#), @"error: h.json:3:41 at /scenarios/0/prompts/0/verifier/validation_config/expected_value (scenario `s`): `between` needs a list [low, high] of two numbers or two texts, low first, to compare with, not [5,1]");
    insta::assert_snapshot!(with_config("database_state", r#"{"query": "SELECT 1", "expected_value": "(", "comparison_type": "regex"}"#), @"error: h.json:3:41 at /scenarios/0/prompts/0/verifier/validation_config/expected_value (scenario `s`): the pattern `(` is not a regular expression: unclosed group");
    insta::assert_snapshot!(with_config("database_state", r#"{"query": "SELECT 1", "expected_value": null, "comparison_type": ">"}"#), @"error: h.json:3:41 at /scenarios/0/prompts/0/verifier/validation_config/expected_value (scenario `s`): `greater_than` needs a number or a text to compare with, not null");
}

#[test]
fn response_check() {
    insta::assert_snapshot!(with_config("response_check", "{}"), @"error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): this check checks nothing (hint: give `contains`, `not_contains`, `equals`, `matches`, `expected_value`, `json_schema`, `json_path` or `comparison_prompt`)");
    insta::assert_snapshot!(with_config("response_check", r#"{"contains": "a", "not_contains": "b"}"#), @"error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): this check asks several things at once (hint: write one verifier for each)");
    insta::assert_snapshot!(with_config("response_check", r#"{"contains": ["a", "b"]}"#), @"error: h.json:3:14 at /scenarios/0/prompts/0/verifier/validation_config/contains (scenario `s`): `contains` must be a string, not a list");
    insta::assert_snapshot!(with_config("response_check", r#"{"matches": "a{2,1}"}"#), @"error: h.json:3:13 at /scenarios/0/prompts/0/verifier/validation_config/matches (scenario `s`): the pattern `a{2,1}` is not a regular expression: invalid repetition count range, the start must be <= the end");
    insta::assert_snapshot!(with_config("response_check", r#"{"expected_value": 5}"#), @"error: h.json:3:20 at /scenarios/0/prompts/0/verifier/validation_config/expected_value (scenario `s`): `expected_value` must be a string, because it is compared with a text");
    insta::assert_snapshot!(with_config("response_check", r#"{"expected_value": 5, "comparison_type": ">"}"#), @"error: h.json:3:20 at /scenarios/0/prompts/0/verifier/validation_config/expected_value (scenario `s`): `expected_value` must be a string, because it is compared with a text");
    insta::assert_snapshot!(with_config("response_check", r#"{"json_schema": {"type": "objekt"}}"#), @r#"error: h.json:3:17 at /scenarios/0/prompts/0/verifier/validation_config/json_schema (scenario `s`): `json_schema` is not a JSON Schema at /type: "objekt" is not valid under any of the schemas listed in the 'anyOf' keyword"#);
    insta::assert_snapshot!(with_config("response_check", r#"{"json_path": "issues[0", "expected_value": 1}"#), @"error: h.json:3:15 at /scenarios/0/prompts/0/verifier/validation_config/json_path (scenario `s`): `issues[0` is not a JSON path: at position 0, parser error (hint: write it like `$.issues[0].key`)");
    insta::assert_snapshot!(with_config("response_check", r#"{"json_path": "$.a"}"#), @"error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): `expected_value` is missing");
    insta::assert_snapshot!(with_config("response_check", r#"{"json_pointer": "a", "expected_value": 1}"#), @"error: h.json:3:18 at /scenarios/0/prompts/0/verifier/validation_config/json_pointer (scenario `s`): `a` is not a JSON pointer (hint: write it like `/issues/0/key`)");
    insta::assert_snapshot!(with_config("response_check", r#"{"minimum_comparison_value": 11}"#), @r#"
    error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): `comparison_prompt` is missing
    error: h.json:3:30 at /scenarios/0/prompts/0/verifier/validation_config/minimum_comparison_value (scenario `s`): `minimum_comparison_value` must be a score from 1 to 10, not 11
    "#);
}

#[test]
fn other_verifiers() {
    insta::assert_snapshot!(with_config("tool_execution", "{}"), @"error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): this check checks nothing (hint: name tools in `required`, `forbidden` or `ordered`, or give `calls` or a number of calls)");
    insta::assert_snapshot!(with_config("tool_execution", r#"{"selected_tools": ["a"], "required": ["b"], "minimum_tool_calls": 3, "maximum_tool_calls": 2}"#), @r#"
    error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): both `selected_tools` and `required` are given (hint: they mean the same: keep one of them)
    error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): `minimum_tool_calls` 3 is more than `maximum_tool_calls` 2
    "#);
    insta::assert_snapshot!(with_config("tool_execution", r#"{"calls": [{"name": "a"}], "required": [1]}"#), @r#"
    error: h.json:3:12 at /scenarios/0/prompts/0/verifier/validation_config/calls/0 (scenario `s`): `tool` is missing
    warning: h.json:3:13 at /scenarios/0/prompts/0/verifier/validation_config/calls/0/name (scenario `s`): unknown field `name` is ignored (hint: known here are `tool` and `arguments`)
    error: h.json:3:41 at /scenarios/0/prompts/0/verifier/validation_config/required/0 (scenario `s`): each element must be a string, not 1
    "#);
    insta::assert_snapshot!(with_config("tool_result", r#"{"arguments": [], "expected_value": 1}"#), @r#"
    error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): `tool` is missing
    error: h.json:3:15 at /scenarios/0/prompts/0/verifier/validation_config/arguments (scenario `s`): `arguments` must be an object, not a list
    "#);
    insta::assert_snapshot!(with_config("http", r#"{"url": "localhost:80", "status": 20}"#), @r#"
    error: h.json:3:9 at /scenarios/0/prompts/0/verifier/validation_config/url (scenario `s`): this is not an address to send requests to (hint: write it like `http://127.0.0.1:8080`)
    error: h.json:3:35 at /scenarios/0/prompts/0/verifier/validation_config/status (scenario `s`): `status` must be an HTTP status from 100 to 599, not 20
    "#);
    insta::assert_snapshot!(with_config("http", r#"{"url": "http://h/x", "json_pointer": "/a"}"#), @"error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): `expected_value` is missing");
    insta::assert_snapshot!(with_config("command", r#"{"args": "-x", "env": {"A": 1, "API_KEY": "sk-0123456789"}, "timeout_seconds": 0}"#), @r#"
    error: h.json:3:1 at /scenarios/0/prompts/0/verifier/validation_config (scenario `s`): `command` is missing
    error: h.json:3:43 at /scenarios/0/prompts/0/verifier/validation_config/env/API_KEY (scenario `s`): `API_KEY` looks like a secret, and a plan holds no secrets (hint: write "${API_KEY}" and set the variable before the run)
    warning: h.json:3:43 at /scenarios/0/prompts/0/verifier/validation_config/env/API_KEY (scenario `s`): `API_KEY` looks like a secret that is written in the file (hint: write ${NAME} and set the variable, or pass it with --env-file)
    error: h.json:3:80 at /scenarios/0/prompts/0/verifier/validation_config/timeout_seconds (scenario `s`): `timeout_seconds` must be more than 0 seconds and at most a year, not 0
    "#);
    insta::assert_snapshot!(with_config("command", r#"{"command": "x", "stdout": {"expected_value": 5}}"#), @"error: h.json:3:47 at /scenarios/0/prompts/0/verifier/validation_config/stdout/expected_value (scenario `s`): `expected_value` must be a string, because it is compared with a text");
    insta::assert_snapshot!(with_config("command", r#"{"command": "x", "stdout": {}, "stdout_contains": "a"}"#), @"error: h.json:3:28 at /scenarios/0/prompts/0/verifier/validation_config/stdout (scenario `s`): both `stdout` and `stdout_contains` are given (hint: keep one of them)");
}

#[test]
fn tasks() {
    insta::assert_snapshot!(say(r#"{"task_id": "t", "verifiers": 5}"#), @r#"
    error: h.json:1:1 (scenario `t`): `user_prompt` is missing
    error: h.json:1:31 at /verifiers (scenario `t`): `verifiers` must be an object or a list of objects, not 5
    "#);
    insta::assert_snapshot!(say(r#"{"user_prompt": "", "number_of_runs": 0}"#), @r#"
    error: h.json:1:17 at /user_prompt (scenario `h`): `user_prompt` is empty
    error: h.json:1:39 at /number_of_runs (scenario `h`): `number_of_runs` must be 1 or more, not 0
    "#);
    insta::assert_snapshot!(say(r#"{"user_prompt": "x", "gym_servers_config": [{"mcp_server_url": "localhost:8001"}, {"mcp_server_name": "b"}]}"#), @r#"
    error: h.json:1:45 at /gym_servers_config/0 (scenario `h`): `mcp_server_name` is missing
    error: h.json:1:64 at /gym_servers_config/0/mcp_server_url (scenario `h`): this is not an address to send requests to (hint: write it like `http://127.0.0.1:8080`)
    error: h.json:1:83 at /gym_servers_config/1 (scenario `h`): `mcp_server_url` is missing
    "#);
    insta::assert_snapshot!(say(r#"{"user_prompt": "x", "gym_servers_config": [{"mcp_server_name": "a", "mcp_server_url": "http://h"}, {"mcp_server_name": "a", "mcp_server_url": "http://i"}]}"#), @"error: h.json:1:101 at /gym_servers_config/1 (scenario `h`): two servers are named `a` (hint: verifiers name a server: give each its own name)");
    insta::assert_snapshot!(say(r#"{"user_prompt": "x", "mcp_server_url": "http://me:pw@h", "seed_database_file": "no.sql"}"#), @r#"
    error: h.json:1:40 at /mcp_server_url (scenario `h`): the URL holds a user or password (hint: leave them out and use `auth_config`, or write them as ${VARIABLES})
    error: h.json:1:80 at /seed_database_file (scenario `h`): there is no seed file `no.sql` (hint: it is looked for beside the task file and in each folder above it; leave it empty for the gym's sample data)
    "#);
    insta::assert_snapshot!(say(r#"{"user_prompt": "x", "mcp_server_url": "http://h/${a b}", "auth_config": {"type": "oauth", "token": "x"}, "context": {"a": []}}"#), @r#"
    error: h.json:1:40 at /mcp_server_url (scenario `h`): `${a b}` is not a variable (hint: write ${NAME}, ${NAME:-default} or ${env:NAME})
    error: h.json:1:74 at /auth_config (scenario `h`): unknown `type` of auth_config `oauth` (hint: known are `bearer`, `api_key` and `none`)
    error: h.json:1:124 at /context/a (scenario `h`): `a` must be a string, not a list
    "#);
    insta::assert_snapshot!(say(r#"{"user_prompt": "x", "llm_api_key": "sk-0123456789", "reset_database_between_runs": false}"#), @r"
    loads with warning: h.json:1:37 at /llm_api_key (scenario `h`): `llm_api_key` is ignored (hint: models are chosen with --model, keys come from the environment)
    warning: h.json:1:37 at /llm_api_key (scenario `h`): `llm_api_key` looks like a secret that is written in the file (hint: take it out of the file: no variable is replaced here)
    warning: h.json:1:85 at /reset_database_between_runs (scenario `h`): databases are fresh for every trial (hint: a trial that needs the state of another is one scenario)
    ");
}

#[test]
fn rows() {
    let rows = "{\"user_prompt\": \"a\", \"verifiers\": \"[{\\\"verifier_type\\\": \\\"x\\\", \\\"validation_config\\\": {}}]\"}\n{\"user_prompt\": \"b\", \"verifiers\": \"[{\"}\n{oops}\n{\"user_prompt\": 5}\n";
    insta::assert_snapshot!(say_file("t.jsonl", rows), @r#"
    error: t.jsonl:1:35 at /verifiers/0/verifier_type (scenario `t-1`): unknown verifier type `x` (hint: known are `database_state`, `response_check`, `tool_execution`, `tool_result`, `http` and `command`)
    error: t.jsonl:2:35 at /verifiers: the string in `verifiers` is not JSON: unterminated object (hint: a closing bracket is missing; was the file cut off?)
    error: t.jsonl:3:2: not JSON: unexpected token (hint: strings need double quotes)
    error: t.jsonl:4:17 at /user_prompt (scenario `t-4`): `user_prompt` must be a string, not 5
    "#);
}

#[test]
fn a_seed_file_that_cannot_be_read() {
    let task = r#"{"user_prompt": "x", "mcp_server_url": "http://h", "seed_database_file": "a.sql"}"#;
    let source = bench_core::Source::new("/h/t.json", task);
    let denied = |_: &std::path::Path| Err(std::io::ErrorKind::PermissionDenied.into());
    let problems = bench_core::Harness::from_sources("t", &[source], &denied).unwrap_err();
    insta::assert_snapshot!(problems, @"/h/t.json:1:74 at /seed_database_file (scenario `t`): cannot read the seed file `/h/a.sql`: permission denied");
}

#[test]
fn no_message_shows_a_secret() {
    for text in [
        r#"{"user_prompt": "x", "mcp_server_url": "http://h", "auth_config": "canary-0123456789"}"#,
        r#"{"user_prompt": "x", "mcp_server_url": "http://u:canary-0123456789@h"}"#,
        r#"{"user_prompt": "x", "llm_api_key": "canary-0123456789"}"#,
        r#"{"scenarios": [{"scenario_id": "s", "prompts": [], "verifier": {"verifier_type": "command",
            "validation_config": {"command": "x", "env": {"API_KEY": "canary-0123456789"}}}}]}"#,
    ] {
        assert!(!say(text).contains("canary"), "{}", say(text));
    }
}
