//! The schemas and the readers agree: what loads fits the schema, what has a wrong type does not.

use bench_core::schema::{gym_schema, harness_schema, model_schema};
use serde_json::Value;

use super::{fixture, say, say_gyms};

fn fits(schema: &Value, text: &str) -> Result<(), String> {
    // The one fixture with comments and trailing commas is what editors write.
    let text: String = text
        .lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .collect();
    let text = text.replace(",  }", "}").replace(",}", "}");
    let value: Value = serde_json::from_str(&text).unwrap();
    jsonschema::validator_for(schema)
        .unwrap()
        .validate(&value)
        .map_err(|error| format!("{} at {}", error, error.instance_path()))
}

#[test]
fn what_loads_fits_the_schema() {
    let schema = harness_schema();
    for name in [
        "old_scenarios.json",
        "noop.json",
        "every_verifier.json",
        "task_nested.json",
        "task_flat.json",
        "task_list.json",
        "folder/20_task.json",
    ] {
        assert_eq!(fits(&schema, &fixture(name).text), Ok(()), "{name}");
    }
    for row in fixture("rows.jsonl").text.lines().filter(|row| !row.is_empty()) {
        assert_eq!(fits(&schema, row), Ok(()), "{row}");
    }
    for name in ["gyms.json", "mcp_servers.json", "vscode.json", "folder/gyms.json"] {
        assert_eq!(fits(&gym_schema(), &fixture(name).text), Ok(()), "{name}");
    }
}

#[test]
fn what_has_a_wrong_type_does_not() {
    let schema = harness_schema();
    let scenario = |members: &str| {
        format!(
            r#"{{"scenarios": [{{"scenario_id": "s", "prompts": [{{"prompt_text": "x"}}], {members}}}]}}"#
        )
    };
    let verifier = |text: &str| scenario(&format!(r#""verifier": {text}"#));
    for text in [
        "{}".to_owned(),
        "[]".to_owned(),
        r#"{"scenarios": []}"#.to_owned(),
        r#"{"scenarios": {}}"#.to_owned(),
        r#"{"scenarios": [{"scenario_id": "a"}]}"#.to_owned(),
        r#"{"scenarios": [{"scenario_id": 5, "prompts": []}]}"#.to_owned(),
        r#"{"scenarios": [{"scenario_id": "a", "prompts": [{}]}]}"#.to_owned(),
        scenario(r#""tags": ["a", 2]"#),
        scenario(r#""limits": {"max_turns": "many"}"#),
        scenario(r#""solution": {"calls": [{}]}"#),
        verifier("5"),
        verifier("{}"),
        verifier(r#"{"verifier_type": "database_state"}"#),
        verifier(r#"{"verifier_type": "llm", "validation_config": {}}"#),
        verifier(
            r#"{"verifier_type": "database_state", "validation_config": {"query": 5, "expected_value": 1}}"#,
        ),
        verifier(r#"{"verifier_type": "database_state", "validation_config": {"query": "SELECT 1"}}"#),
        verifier(r#"{"verifier_type": "command", "validation_config": {"command": ["x"]}}"#),
        verifier(r#"{"verifier_type": "tool_result", "validation_config": {"expected_value": 1}}"#),
        r#"{"user_prompt": 5}"#.to_owned(),
        r#"{"user_prompt": "x", "number_of_runs": 0}"#.to_owned(),
        r#"{"user_prompt": "x", "gym_servers_config": [{"mcp_server_url": "http://h"}]}"#.to_owned(),
        r#"[{"user_prompt": "x"}, 5]"#.to_owned(),
    ] {
        assert!(say(&text).contains("error:"), "the reader refuses {text}");
        assert!(fits(&schema, &text).is_err(), "the schema refuses {text}");
    }
    for text in [
        "{}",
        r#"{"gyms": []}"#,
        r#"{"gyms": {}}"#,
        r#"{"gyms": {"a": 5}}"#,
        r#"{"gyms": {"a": {"url": 5}}}"#,
        r#"{"mcpServers": {"a": {"command": "x", "args": [["y"]]}}}"#,
        r#"{"servers": {"a": {"command": "x", "env": {"A": []}}}}"#,
    ] {
        assert!(say_gyms(text).contains("error:"), "the reader refuses {text}");
        assert!(fits(&gym_schema(), text).is_err(), "the schema refuses {text}");
    }
}

#[test]
fn schemas_are_self_contained_and_say_what_fields_mean() {
    for schema in [harness_schema(), gym_schema()] {
        let text = schema.to_string();
        assert!(text.contains("\"description\""));
        let definitions = schema["$defs"].as_object().unwrap();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let name = reference
                .split('"')
                .next()
                .unwrap()
                .strip_prefix("#/$defs/")
                .unwrap();
            assert!(definitions.contains_key(name), "{name}");
        }
    }
}

#[test]
fn model_files_fit_their_schema_and_wrong_types_do_not() {
    let schema = model_schema();
    let file =
        |members: &str| format!(r#"{{"models": {{"a": {{"provider": "xai", "name": "m"{members}}}}}}}"#);
    for good in [
        "",
        r#", "base_url": "https://${HOST}/v1", "api": "chat", "body": {"a": [1]}, "headers": {"x-n": 1}"#,
        r#", "settings": {"temperature": 0, "thinking": "adaptive", "effort": "low", "seed": 1}"#,
        r#", "price": {"input": 1, "output": 2, "long": {"above_input_tokens": 9, "input": 1, "output": 2}}"#,
    ] {
        let text = file(good);
        assert_eq!(fits(&schema, &text), Ok(()), "{good}");
        bench_core::model::config::read(&bench_core::Source::new("/m.json", text.as_str())).unwrap();
    }
    for bad in [
        r#", "base_url": 5"#,
        r#", "api": "grpc""#,
        r#", "body": []"#,
        r#", "settings": {"temperature": "hot"}"#,
        r#", "price": {"input": 1}"#,
        r#", "provider": "oracle""#,
    ] {
        let text = file(bad);
        assert!(fits(&schema, &text).is_err(), "{bad}");
        let read = bench_core::model::config::read(&bench_core::Source::new("/m.json", text.as_str()));
        assert!(read.is_err(), "{bad}");
    }
}
