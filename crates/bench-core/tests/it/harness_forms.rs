//! Every form of harness file loads, and says what it should.

use bench_core::gym::Seed;
use bench_core::harness::World;
use bench_core::{Check, Harness, Setting, Transport};
use serde_json::json;

use super::{load, say, say_file};

/// One line per scenario: id, prompts, verifiers, world.
fn summary(harness: &Harness) -> String {
    let line = |s: &bench_core::Scenario| {
        let verifiers: Vec<String> = s
            .verifiers
            .iter()
            .map(|v| format!("{}@{:?}", v.name, v.prompt))
            .collect();
        let world = match &s.world {
            World::Default => "default".to_owned(),
            World::Named(names) => names.join("+"),
            World::Own(gyms) => format!(
                "own {}",
                gyms.iter().map(|g| g.name.as_str()).collect::<Vec<_>>().join("+")
            ),
            _ => unreachable!(),
        };
        format!(
            "{} | {} prompts | {} | {world} | line {} {}",
            s.scenario_id,
            s.prompts.len(),
            verifiers.join(", "),
            s.origin.line,
            s.origin.pointer
        )
    };
    harness.scenarios.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn warnings(harness: &Harness) -> String {
    harness
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn files_of_the_python_tool_load_as_they_are() {
    let harness = load(&["old_scenarios.json"]);
    insta::assert_snapshot!(summary(&harness), @r#"
    create_login_bug | 3 prompts | bug exists@Some(0), database_state@Some(1), database_state@Some(1) | default | line 3 /scenarios/0
    only a name | 1 prompts |  | default | line 59 /scenarios/1
    "#);
    insta::assert_snapshot!(warnings(&harness), @"");
    let scenario = &harness.scenarios[0];
    assert_eq!(scenario.prompts[1].expected_tools, ["update_issue"]);
    assert_eq!(scenario.metadata["challenge_factors"], json!(["ids", "workflow"]));
    let value = serde_json::to_value(&scenario.verifiers[2]).unwrap();
    assert_eq!(
        value["validation_config"]["comparison"]["operator"],
        "greater_than_or_equal"
    );
    assert_eq!(harness.sources[0].path, "/h/old_scenarios.json");
    assert_eq!(harness.sources[0].sha256.len(), 64);
}

#[test]
fn a_scenario_without_prompts_only_reaches_the_gym() {
    let harness = load(&["noop.json"]);
    insta::assert_snapshot!(summary(&harness), @"noop | 0 prompts |  | default | line 1 /scenarios/0");
}

#[test]
fn every_field_and_every_verifier_is_understood() {
    let harness = load(&["every_verifier.json"]);
    assert_eq!(warnings(&harness), "");
    let scenario = &harness.scenarios[0];
    let checks: Vec<String> = scenario
        .verifiers
        .iter()
        .map(|v| serde_json::to_string(&v.check).unwrap())
        .collect();
    insta::assert_snapshot!(checks.join("\n"), @r#"
    {"verifier_type":"database_state","validation_config":{"query":"SELECT status_id FROM issue","comparison":{"operator":"in","expected":[6,1]}}}
    {"verifier_type":"response_check","validation_config":{"check":"text","comparison":{"operator":"contains","expected":"web-"},"ignore_case":true}}
    {"verifier_type":"response_check","validation_config":{"check":"text","comparison":{"operator":"matches","expected":"WEB-\\d+"},"ignore_case":false}}
    {"verifier_type":"response_check","validation_config":{"check":"text","comparison":{"operator":"not_contains","expected":"sorry"},"ignore_case":false}}
    {"verifier_type":"response_check","validation_config":{"check":"json_schema","schema":{"type":"object","required":["key"]}}}
    {"verifier_type":"response_check","validation_config":{"check":"json","select":{"by":"json_path","path":"$.issues[0].key"},"comparison":{"operator":"equals","expected":"WEB-1"}}}
    {"verifier_type":"response_check","validation_config":{"check":"judge","comparison_prompt":"Is it polite?","minimum_comparison_value":8.0,"sql_query":"SELECT 1"}}
    {"verifier_type":"tool_execution","validation_config":{"required":["create_issue"],"forbidden":["bulk_edit_issues"],"ordered":["create_issue","get_issue"],"calls":[{"tool":"create_issue","arguments":{"project_id":1}}],"minimum_tool_calls":2,"maximum_tool_calls":9,"count_failed":true}}
    {"verifier_type":"tool_execution","validation_config":{"required":["get_issue"],"minimum_tool_calls":1,"count_failed":false}}
    {"verifier_type":"tool_result","validation_config":{"tool":"read_file","arguments":{"path":"a.txt"},"select":{"by":"pointer","path":"/content"},"comparison":{"operator":"contains","expected":"done"}}}
    {"verifier_type":"http","validation_config":{"url":"http://127.0.0.1:8080/health","status":200,"select":{"by":"whole"}}}
    {"verifier_type":"http","validation_config":{"url":"http://127.0.0.1:8080/x","status":404,"select":{"by":"pointer","path":"/error"},"comparison":{"operator":"equals","expected":null}}}
    {"verifier_type":"command","validation_config":{"command":"/h/check.sh","args":["{{trial_dir}}/out"],"cwd":"/h/scripts","env":{"API_TOKEN":"${API_TOKEN}","MODE":"strict"},"exit_code":3,"stdout":{"operator":"contains","expected":"ok"},"timeout_seconds":5.0}}
    {"verifier_type":"command","validation_config":{"command":"test","args":["-e","x"],"exit_code":0,"stdout":{"operator":"matches","expected":"^$"},"timeout_seconds":60.0}}
    "#);
    assert_eq!(scenario.verifiers[0].gym.as_deref(), Some("tracker"));
    assert_eq!(scenario.verifiers[9].gym.as_deref(), Some("files"));
    insta::assert_snapshot!(serde_json::to_string(&scenario.limits).unwrap(), @r#"{"max_turns":20,"max_tool_calls":30,"max_seconds":90.5,"max_tokens":50000,"tool_timeout_seconds":10.0,"model_timeout_seconds":60.0,"tool_result_bytes":4096}"#);
    insta::assert_snapshot!(serde_json::to_string(&scenario.solution).unwrap(), @r#"{"calls":[{"tool":"create_issue","server":"tracker","arguments":{"summary":"Login"},"as":"issue"},{"tool":"add_issue_comment","arguments":{"issue_id":"{{issue/id}}","body":"see {{issue/key}}"}}]}"#);
    assert_eq!(
        scenario.world,
        World::Named(vec!["tracker".into(), "files".into()])
    );
    assert!((scenario.weight - 2.0).abs() < f64::EPSILON);
    let again: bench_core::Scenario =
        serde_json::from_value(serde_json::to_value(scenario).unwrap()).unwrap();
    // All but the places for people, which no plan keeps.
    let mut kept = scenario.clone();
    kept.origin.shown = bench_core::Place::default();
    for verifier in &mut kept.verifiers {
        verifier.place = bench_core::Place::default();
    }
    assert_eq!(again, kept, "a plan on disk says the same");
}

#[test]
fn a_task_brings_its_own_gyms() {
    let harness = load(&["task_nested.json"]);
    insta::assert_snapshot!(summary(&harness), @"hr_017 | 1 prompts | moved@None, moved@None | own hr+mail | line 1");
    insta::assert_snapshot!(warnings(&harness), @r"
    task_nested.json:11:50 at /gym_servers_config/0/auth_config/token (scenario `hr_017`): `token` looks like a secret that is written in the file (hint: write ${NAME} and set the variable, or pass it with --env-file)
    task_nested.json:12:55 at /gym_servers_config/0/context/x-team-token (scenario `hr_017`): `x-team-token` looks like a secret that is written in the file (hint: write ${NAME} and set the variable, or pass it with --env-file)
    ");
    let World::Own(gyms) = &harness.scenarios[0].world else {
        panic!()
    };
    insta::assert_snapshot!(serde_json::to_string_pretty(gyms).unwrap(), @r#"
    [
      {
        "key": "hr",
        "name": "hr",
        "transport": {
          "type": "http",
          "url": "http://localhost:8001/mcp"
        },
        "sql_runner_url": "http://localhost:8001/api/sql-runner",
        "headers": {
          "authorization": {
            "secret": {
              "file": "/h/task_nested.json",
              "pointer": "/gym_servers_config/0/auth_config/token",
              "sha256": "d830ac66204047bf75cc80920d1081d83e24a21984b9096aeb8e2d637e1ef1e1",
              "prefix": "Bearer "
            }
          }
        },
        "context": {
          "actingUserId": "42",
          "x-team-token": {
            "secret": {
              "file": "/h/task_nested.json",
              "pointer": "/gym_servers_config/0/context/x-team-token",
              "sha256": "07e1a8aa2aec01434a76513deb2dca698cc219b7204db351e2a5f4d15c0ec7ed"
            }
          }
        },
        "seed": {
          "from": "file",
          "path": "/h/seeds/hr.sql",
          "sha256": "a21eb6a34043f25604f4785a00e0e95d6f9597deb2b24674370b7d3d70258bd3"
        }
      },
      {
        "key": "mail",
        "name": "mail",
        "transport": {
          "type": "http",
          "url": "http://localhost:8002/rpc"
        },
        "sql_runner_url": "http://localhost:8002/api/sql-runner",
        "headers": {
          "x-mail-key": "${MAIL_KEY}"
        },
        "seed": {
          "from": "sample_data"
        }
      }
    ]
    "#);
    assert_eq!(
        (
            harness.number_of_runs,
            harness.temperature,
            harness.max_output_tokens
        ),
        (Some(3), Some(0.2), Some(4096))
    );
    let scenario = &harness.scenarios[0];
    assert_eq!(
        scenario.allowed_tools.as_deref(),
        Some(["move_employee".to_owned(), "send_mail".to_owned()].as_slice())
    );
    assert_eq!(scenario.tags, ["hr"]);
    let Check::ToolExecution(check) = &scenario.verifiers[1].check else {
        panic!()
    };
    assert_eq!(check.minimum_tool_calls, Some(1));
}

#[test]
fn literal_secrets_are_left_in_the_file_and_can_be_found_again() {
    for (name, secret) in [
        ("task_nested.json", "hr-token-0123456789"),
        ("rows.jsonl", "row-token-0123456789"),
    ] {
        let harness = load(&[name]);
        let World::Own(gyms) = &harness.scenarios[0].world else {
            panic!()
        };
        let Some(Setting::Secret { secret: reference }) = gyms[0].headers.get("authorization") else {
            panic!()
        };
        let text = super::fixture(name).text;
        assert_eq!(
            reference.find_in(&text),
            Some(format!("Bearer {secret}")),
            "{name}"
        );
        assert_eq!(reference.find_in(&text.replace(secret, "changed")), None);
        let plan = serde_json::to_string(&harness.scenarios).unwrap();
        assert!(!plan.contains(secret), "{name}: no secret reaches a plan");
    }
}

#[test]
fn the_flat_form_is_one_gym_called_as_its_verifiers_call_it() {
    let harness = load(&["task_flat.json"]);
    insta::assert_snapshot!(summary(&harness), @"task_flat | 1 prompts | database_state@None | own calendar | line 1");
    insta::assert_snapshot!(warnings(&harness), @r#"
    task_flat.json:7:19 at /llm_provider (scenario `task_flat`): `llm_provider` is ignored (hint: models are chosen with --model, keys come from the environment)
    task_flat.json:8:16 at /llm_model (scenario `task_flat`): `llm_model` is ignored (hint: models are chosen with --model, keys come from the environment)
    "#);
    let World::Own(gyms) = &harness.scenarios[0].world else {
        panic!()
    };
    assert_eq!(
        gyms[0].transport,
        Transport::Http {
            url: "http://localhost:8004/mcp".into()
        }
    );
    assert_eq!(
        gyms[0].sql_runner_url,
        Some("http://localhost:8004/api/sql-runner".into())
    );
    assert_eq!(gyms[0].seed, Seed::SampleData);
}

#[test]
fn rows_may_hold_json_in_strings_and_equal_ids_are_told_apart() {
    let harness = load(&["rows.jsonl"]);
    insta::assert_snapshot!(summary(&harness), @r#"
    1 | 1 prompts | database_state@None | own itsm | line 1 
    rows-2 | 1 prompts |  | default | line 3 
    1-2 | 1 prompts |  | default | line 4
    "#);
    assert_eq!(harness.scenarios[0].restricted_tools, ["delete_ticket"]);
    assert_eq!(
        harness.scenarios[0].allowed_tools, None,
        "an empty list means all tools"
    );
}

#[test]
fn a_list_of_tasks_and_rows_without_the_ending_are_read_too() {
    insta::assert_snapshot!(summary(&load(&["task_list.json"])), @r#"
    first | 1 prompts |  | default | line 2 /0
    task_list-2 | 1 prompts |  | tracker | line 3 /1
    "#);
    let rows = "{\"user_prompt\": \"a\"}\n{\"user_prompt\": \"b\"}\n";
    insta::assert_snapshot!(say_file("rows.json", rows), @"loads with no problem");
}

#[test]
fn a_folder_is_read_in_order_and_its_gym_file_is_passed_over() {
    let names = [
        "folder/10_noop.json",
        "folder/20_task.json",
        "folder/30_task.json",
        "folder/gyms.json",
    ];
    let harness = load(&names);
    insta::assert_snapshot!(summary(&harness), @r#"
    noop | 0 prompts |  | default | line 1 /scenarios/0
    same | 1 prompts |  | own gym | line 1 
    same-2 | 1 prompts |  | default | line 1
    "#);
    insta::assert_snapshot!(warnings(&harness), @"folder/30_task.json:1:1 (scenario `same`): `number_of_runs` is not what an earlier task says (hint: a run has one value for all trials: the largest one is used)");
    assert_eq!(harness.number_of_runs, Some(4));
    assert_eq!(harness.sources.len(), 3);
    let World::Own(gyms) = &harness.scenarios[1].world else {
        panic!()
    };
    let Seed::File { path, .. } = &gyms[0].seed else {
        panic!()
    };
    assert_eq!(path, "/h/folder/seed.sql");
}

#[test]
fn a_seed_file_is_looked_for_in_the_folders_above_too() {
    let task = r#"{"user_prompt": "x", "mcp_server_url": "http://h", "seed_database_file": "seeds/hr.sql"}"#;
    assert_eq!(say_file("folder/deep/task.json", task), "loads with no problem");
}

#[test]
fn unknown_fields_are_said_and_ignored() {
    insta::assert_snapshot!(say(r#"{"scenarios": [{"scenario_id": "a", "desciption": "x", "prompts": [{"prompt_text": "x", "verfier": null, "colour": 1}]}], "verion": 2}"#), @r#"
    loads with warning: h.json:1:37 at /scenarios/0/desciption (scenario `a`): unknown field `desciption` is ignored (hint: did you mean `description`?)
    warning: h.json:1:89 at /scenarios/0/prompts/0/verfier (scenario `a`): unknown field `verfier` is ignored (hint: did you mean `verifier`?)
    warning: h.json:1:106 at /scenarios/0/prompts/0/colour (scenario `a`): unknown field `colour` is ignored (hint: known here are `prompt_text`, `expected_tools`, `restricted_tools`, `verifier`, `verifiers` and `solution`)
    warning: h.json:1:123 at /verion: unknown field `verion` is ignored (hint: known here are `scenarios`, `name`, `description` and `metadata`)
    "#);
}
