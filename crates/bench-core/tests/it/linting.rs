//! What is said of harnesses that load.

use bench_core::lint::{constant_queries, lint};
use bench_core::{Harness, Source};

use super::{list, load, read_file, say};

/// What is said of a scenario with these members.
fn said(members: &str) -> String {
    let text = format!(r#"{{"scenarios": [{{"scenario_id": "s", {members}}}]}}"#);
    let source = Source::new("/h/h.json", text).shown_as("h.json");
    let harness = Harness::from_sources("h", std::slice::from_ref(&source), &read_file).unwrap();
    list(&bench_core::Problems(lint(&harness.scenarios[0])))
}

fn with_verifiers(verifiers: &str) -> String {
    said(&format!(
        r#""prompts": [{{"prompt_text": "x", "verifier": [{verifiers}]}}]"#
    ))
}

fn sql(query: &str, expected: &str) -> String {
    format!(
        r#"{{"verifier_type": "database_state", "name": "{expected}",
            "validation_config": {{"query": "{query}", "expected_value": {expected}}}}}"#
    )
}

#[test]
fn good_harnesses_are_quiet() {
    assert_eq!(with_verifiers(&sql("SELECT 1", "1")), "no problem");
    assert_eq!(said(r#""prompts": []"#), "no problem", "it only reaches the gym");
}

#[test]
fn verifiers() {
    insta::assert_snapshot!(said(r#""prompts": [{"prompt_text": "x"}, {"prompt_text": " "}]"#), @r"
    warning: h.json:1:16 at /scenarios/0 (scenario `s`): it has no verifier (hint: a trial without a verifier is `unscored`, never passed)
    warning: h.json:1:16 at /scenarios/0 (scenario `s`): prompt 2 has no text (hint: most providers refuse an empty message)
    ");
    insta::assert_snapshot!(with_verifiers(&[sql("SELECT 1", "1"), sql("SELECT 1", "1")].join(",")), @"warning: h.json:2:78 at /scenarios/0/prompts/0/verifier/1 (scenario `s`): the verifiers `1` (number 1) and `1` (number 2) ask the same (hint: remove one: it counts twice in the verifier totals)");
    insta::assert_snapshot!(with_verifiers(&[sql("SELECT  1;", "1"), sql("SELECT 1", "2")].join(",")), @"error: h.json:2:80 at /scenarios/0/prompts/0/verifier/1 (scenario `s`): the verifiers `1` and `2` ask the same and expect 1 and 2 (hint: both cannot be true: verifiers are judged at the end of the scenario)");
    assert_eq!(
        with_verifiers(&[sql("SELECT 1", "1"), sql("SELECT 1", "true")].join(",")),
        "no problem"
    );
    insta::assert_snapshot!(with_verifiers(&sql("DELETE FROM issue; SELECT 1", "1")), @"warning: h.json:1:83 at /scenarios/0/prompts/0/verifier/0 (scenario `s`): the query of the verifier `1` is more than one statement (hint: a verifier reads: write one SELECT or WITH … SELECT statement)");
    insta::assert_snapshot!(with_verifiers(&sql("UPDATE issue SET x = 1", "1")), @"warning: h.json:1:83 at /scenarios/0/prompts/0/verifier/0 (scenario `s`): the query of the verifier `1` changes the database (hint: a verifier reads: write one SELECT or WITH … SELECT statement)");
}

#[test]
fn an_empty_list_holds_no_value() {
    let empty = r#"{"verifier_type": "database_state", "name": "v", "validation_config":
        {"query": "SELECT a FROM t", "comparison_type": "in", "expected_value": []}}"#;
    insta::assert_snapshot!(with_verifiers(empty), @"error: h.json:1:83 at /scenarios/0/prompts/0/verifier/0 (scenario `s`): the verifier `v` expects one of an empty list (hint: no value is in it: write down those that will do)");
}

#[test]
fn verifiers_without_a_name_are_told_apart_by_their_numbers() {
    let unnamed = r#"{"verifier_type": "response_check", "validation_config": {"contains": "a"}}"#;
    let other = r#"{"verifier_type": "response_check", "validation_config": {"not_contains": "a"}}"#;
    let named = r#"{"verifier_type": "response_check", "name": "n", "validation_config": {"contains": "a"}}"#;
    let most = r#"{"verifier_type": "tool_execution", "validation_config": {"maximum_tool_calls": 1}}"#;
    let least = r#"{"verifier_type": "tool_execution", "validation_config": {"minimum_tool_calls": 2}}"#;
    let all = [
        [unnamed, unnamed],
        [unnamed, other],
        [unnamed, named],
        [most, least],
    ];
    insta::assert_snapshot!(all.map(|both| with_verifiers(&both.join(","))).join("\n"), @r#"
    warning: h.json:1:159 at /scenarios/0/prompts/0/verifier/1 (scenario `s`): the verifiers `response_check` (number 1) and `response_check` (number 2) ask the same (hint: remove one: it counts twice in the verifier totals)
    error: h.json:1:159 at /scenarios/0/prompts/0/verifier/1 (scenario `s`): the verifiers `response_check` (number 1) and `response_check` (number 2) ask the same and expect contains "a" and not_contains "a" (hint: both cannot be true: verifiers are judged at the end of the scenario)
    warning: h.json:1:159 at /scenarios/0/prompts/0/verifier/1 (scenario `s`): the verifiers `response_check` and `n` ask the same (hint: remove one: it counts twice in the verifier totals)
    error: h.json:1:167 at /scenarios/0/prompts/0/verifier/1 (scenario `s`): the verifier `tool_execution` (number 2) needs at least 2 tool calls, and `tool_execution` (number 1) allows at most 1 (hint: raise the maximum)
    "#);
}

#[test]
fn tools() {
    insta::assert_snapshot!(said(r#""restricted_tools": ["a", "b"],
        "solution": {"calls": [{"tool": "a"}]},
        "prompts": [{"prompt_text": "x", "expected_tools": ["b", "c"], "verifier":
            {"verifier_type": "tool_execution", "validation_config": {"required": ["a"], "forbidden": ["a"]}}}]"#), @r"
    warning: h.json:1:16 at /scenarios/0 (scenario `s`): tools that are expected are hidden from the model: `b` (hint: take them out of `restricted_tools`)
    error: h.json:1:16 at /scenarios/0 (scenario `s`): tools that a verifier requires are hidden from the model: `a` (hint: take them out of `restricted_tools`)
    error: h.json:1:16 at /scenarios/0 (scenario `s`): the solution calls tools that are hidden from the model: `a` (hint: `oracle` is refused them like any other model)
    error: h.json:4:13 at /scenarios/0/prompts/0/verifier (scenario `s`): a verifier both requires and forbids `a` (hint: keep one of the two)
    ");
    insta::assert_snapshot!(said(r#""allowed_tools": ["a"], "expected_tools": "z",
        "prompts": [{"prompt_text": "x", "verifier":
            {"verifier_type": "tool_execution", "validation_config": {"ordered": ["a", "z"]}}}]"#), @r"
            warning: h.json:1:16 at /scenarios/0 (scenario `s`): tools that are expected are hidden from the model: `z` (hint: add those that a gym offers to `allowed_tools`)
            error: h.json:1:16 at /scenarios/0 (scenario `s`): tools that a verifier requires are hidden from the model: `z` (hint: add those that a gym offers to `allowed_tools`)
            ");
}

#[test]
fn limits() {
    insta::assert_snapshot!(said(r#""limits": {"max_turns": 1, "max_tool_calls": 0},
        "solution": {"calls": [{"tool": "a"}]},
        "prompts": [{"prompt_text": "x"}, {"prompt_text": "y", "verifier":
            {"verifier_type": "tool_execution", "validation_config": {"selected_tools": ["a"]}}}]"#), @r"
            error: h.json:1:16 at /scenarios/0 (scenario `s`): `max_turns` is 1 for 2 prompts (hint: each prompt needs at least one reply)
            error: h.json:1:16 at /scenarios/0 (scenario `s`): `max_tool_calls` is 0, but a verifier needs at least 1 (hint: raise the limit)
            error: h.json:1:16 at /scenarios/0 (scenario `s`): `max_tool_calls` is 0, but the solution makes 1 (hint: raise the limit)
            ");
}

#[test]
fn secrets_in_files_are_named_but_not_shown() {
    let mut said = Vec::new();
    for name in [
        "task_nested.json",
        "rows.jsonl",
        "task_flat.json",
        "old_scenarios.json",
    ] {
        let warnings = load(&[name]).warnings.into_iter();
        let secrets = warnings.filter(|p| p.message.contains("secret"));
        said.extend(secrets.map(|problem| {
            assert_eq!(problem.place.source_line, None);
            problem.to_string()
        }));
    }
    let said = said.join("\n");
    insta::assert_snapshot!(said, @r"
    task_nested.json:11:50 at /gym_servers_config/0/auth_config/token (scenario `hr_017`): `token` looks like a secret that is written in the file (hint: write ${NAME} and set the variable, or pass it with --env-file)
    task_nested.json:12:55 at /gym_servers_config/0/context/x-team-token (scenario `hr_017`): `x-team-token` looks like a secret that is written in the file (hint: write ${NAME} and set the variable, or pass it with --env-file)
    rows.jsonl:1:90 at /gym_servers_config/0/auth_config/token (scenario `1`): `token` looks like a secret that is written in the file (hint: write ${NAME} and set the variable, or pass it with --env-file)
    ");
    assert!(!said.contains("0123456789"));
    let prompt = say(
        r#"{"scenarios": [{"scenario_id": "s", "prompts": [{"prompt_text": "use sk-abcdefghijklmnop0123 now"}]}]}"#,
    );
    assert!(
        prompt.contains("`prompt_text` looks like a secret") && !prompt.contains("sk-abc"),
        "{prompt}"
    );
    let hint = "(hint: take it out of the file: no variable is replaced here)";
    assert!(prompt.contains(hint), "{prompt}");
}

#[test]
fn verifiers_of_tool_calls_beside_each_other() {
    let executes = |config: &str| {
        format!(r#"{{"verifier_type": "tool_execution", "name": "v", "validation_config": {config}}}"#)
    };
    let both = |one: &str, other: &str| with_verifiers(&[executes(one), executes(other)].join(","));
    insta::assert_snapshot!([
        both(r#"{"required": ["a"]}"#, r#"{"forbidden": ["a", "b"]}"#),
        both(r#"{"ordered": ["a", "a", "b"]}"#, r#"{"maximum_tool_calls": 2}"#),
        with_verifiers(&executes(r#"{"required": ["a", "b", "c"], "maximum_tool_calls": 2}"#)),
        // Failed calls may be enough for the one, and are not counted by the other.
        both(r#"{"minimum_tool_calls": 3, "count_failed": true}"#, r#"{"maximum_tool_calls": 2}"#),
        both(r#"{"minimum_tool_calls": 2}"#, r#"{"maximum_tool_calls": 2}"#),
    ].join("\n"), @r"
    error: h.json:1:83 at /scenarios/0/prompts/0/verifier/0 (scenario `s`): the verifier `v` (number 1) requires `a`, which `v` (number 2) forbids (hint: keep one of the two)
    error: h.json:1:83 at /scenarios/0/prompts/0/verifier/0 (scenario `s`): the verifier `v` (number 1) needs at least 3 tool calls, and `v` (number 2) allows at most 2 (hint: raise the maximum)
    error: h.json:1:83 at /scenarios/0/prompts/0/verifier/0 (scenario `s`): the verifier `v` needs at least 3 tool calls and allows at most 2 (hint: raise the maximum)
    no problem
    no problem
    ");
}

#[test]
fn limits_that_cannot_be_kept_or_reached() {
    let with = |limits: &str, config: &str| {
        said(&format!(
            r#""limits": {limits}, "prompts": [{{"prompt_text": "x", "verifier":
            {{"verifier_type": "tool_execution", "validation_config": {config}}}}}]"#
        ))
    };
    insta::assert_snapshot!([
        with(r#"{"max_turns": 1}"#, r#"{"required": ["a"]}"#),
        with(r#"{"max_turns": 1}"#, r#"{"forbidden": ["a"]}"#),
        with(r#"{"max_turns": 2}"#, r#"{"required": ["a", "b"]}"#),
        with(r#"{"max_seconds": 60, "tool_timeout_seconds": 61, "model_timeout_seconds": 60}"#, r#"{"required": ["a"]}"#),
    ].join("\n"), @r"
    error: h.json:1:16 at /scenarios/0 (scenario `s`): `max_turns` is 1, but a verifier needs tool calls (hint: a reply that calls tools is one more than the answers)
    no problem
    no problem
    warning: h.json:1:16 at /scenarios/0 (scenario `s`): `tool_timeout_seconds` is 61, but the trial is over after `max_seconds`: 60 (hint: it is never reached: lower it, or raise `max_seconds`)
    ");
}

#[test]
fn queries_that_do_not_depend_on_what_was_done() {
    let verifiers = [
        sql("SELECT 1", "1"),
        sql("SELECT a FROM t", "2"),
        sql("DROP TABLE t", "3"),
    ]
    .join(",");
    let text =
        format!(r#"{{"scenarios": [{{"scenario_id": "s", "prompts": [], "verifiers": [{verifiers}]}}]}}"#);
    let source = Source::new("/h/h.json", text).shown_as("h.json");
    let harness = Harness::from_sources("h", &[source], &read_file).unwrap();
    let problems = constant_queries(&harness.scenarios[0], &|query| !query.contains("FROM"));
    insta::assert_snapshot!(list(&bench_core::Problems(problems)), @"warning: h.json:1:66 at /scenarios/0/verifiers/0 (scenario `s`): the query of the verifier `1` touches no table (hint: its value is the same whatever a model does: select FROM a table)");
}

#[test]
fn a_guard_is_read_and_kept() {
    let guard = sql("SELECT a FROM t", "1").replacen('{', r#"{"guard": true, "#, 1);
    assert_eq!(with_verifiers(&guard), "no problem");
    assert!(
        say(&format!(
            r#"{{"scenarios": [{{"scenario_id": "s", "prompts": [], "verifiers": [{}]}}]}}"#,
            guard.replace("true", "\"yes\"")
        ))
        .contains("`guard` must be")
    );
}
