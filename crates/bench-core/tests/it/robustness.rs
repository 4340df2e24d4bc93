//! Whatever stands in a file, reading it never panics, and an error always names an error.

use bench_core::gym::config;
use bench_core::lint::lint;
use bench_core::{Harness, Problems, Source};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::read_file;

/// Names that the readers look for, so that arbitrary documents get deep into them.
const NAMES: [&str; 48] = [
    "scenarios",
    "scenario_id",
    "prompts",
    "prompt_text",
    "verifier",
    "verifiers",
    "verifier_type",
    "validation_config",
    "query",
    "expected_value",
    "comparison_type",
    "gym",
    "gym_name",
    "limits",
    "max_turns",
    "max_seconds",
    "solution",
    "calls",
    "tool",
    "arguments",
    "as",
    "answer",
    "tags",
    "weight",
    "metadata",
    "task_id",
    "user_prompt",
    "mcp_server_url",
    "gym_servers_config",
    "mcp_server_name",
    "auth_config",
    "type",
    "token",
    "context",
    "seed_database_file",
    "gyms",
    "mcpServers",
    "servers",
    "url",
    "command",
    "args",
    "env",
    "headers",
    "transport",
    "default",
    "json_schema",
    "json_path",
    "stdout",
];

/// Values that the readers know, and some that they do not.
const TEXTS: [&str; 20] = [
    "",
    "a",
    "database_state",
    "response_check",
    "tool_execution",
    "tool_result",
    "http",
    "command",
    "in",
    "between",
    "matches",
    "(",
    "http://h/mcp",
    "http://u:p@h?token=x",
    "${A}",
    "${",
    "{{a/b}}",
    "[{",
    "[{\"a\": 1}]",
    "ä\u{0}\n/~",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        prop::sample::select(&TEXTS[..]).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 80, 8, |inner| {
        let name = prop_oneof![6 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => ".{0,6}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((name, inner), 0..8)
                .prop_map(|m| Value::Object(m.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Documents that are right in the outer shape, so that the inner readers are reached.
fn nearly_a_harness() -> impl Strategy<Value = Value> {
    let types = prop::sample::select(&TEXTS[2..8]);
    let verifier = (types, any_json())
        .prop_map(|(kind, config)| json!({"verifier_type": kind, "validation_config": config, "name": "v"}));
    let scenario = (any_json(), prop::collection::vec(verifier, 0..3), any_json()).prop_map(|(extra, verifiers, solution)| {
        let mut scenario = json!({"scenario_id": "s", "prompts": [{"prompt_text": "x", "verifier": verifiers, "solution": solution}]});
        if let (Value::Object(scenario), Value::Object(extra)) = (&mut scenario, extra) {
            for (name, value) in extra {
 scenario.entry(name).or_insert(value);
 }
        }
        scenario
    });
    prop::collection::vec(scenario, 1..3).prop_map(|scenarios| json!({"scenarios": scenarios}))
}

/// Reads the text as everything it could be.
fn read_all_ways(text: &str) {
    for path in ["/h/x.json", "/h/x.jsonl"] {
        let source = Source::new(path, text);
        match Harness::from_sources("x", std::slice::from_ref(&source), &read_file) {
            Ok(harness) => {
                assert!(
                    !harness.scenarios.is_empty(),
                    "a harness that loads has scenarios"
                );
                harness.scenarios.iter().for_each(|scenario| drop(lint(scenario)));
                let plan = serde_json::to_string(&harness.scenarios).unwrap();
                drop(serde_json::from_str::<Vec<bench_core::Scenario>>(&plan).unwrap());
            }
            Err(problems) => check(&problems),
        }
        match config::read(&source, &|_| true) {
            Ok(file) => drop(serde_json::to_string(&file.gyms).unwrap()),
            Err(problems) => check(&problems),
        }
    }
}

fn check(problems: &Problems) {
    assert!(problems.any_error(), "an error says what is wrong");
    for problem in &problems.0 {
        assert!(
            !problem.message.is_empty() && !problem.message.ends_with('.'),
            "{problem}"
        );
    }
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(value in any_json()) {
        read_all_ways(&value.to_string());
        read_all_ways(&serde_json::to_string_pretty(&value).unwrap());
    }

    #[test]
    fn anything_in_the_right_places_is_read_or_refused(value in nearly_a_harness()) {
        read_all_ways(&value.to_string());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*|[\\[\\]{}\",:/*0-9a-z\\n ]{0,60}") {
        read_all_ways(&text);
    }
}
