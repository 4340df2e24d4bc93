//! Every form of gym file loads, and says what it should.

use bench_core::gym::config::GymFile;
use bench_core::{Setting, Source};

use super::{load_gyms, say_gyms};

fn shown(file: &GymFile) -> String {
    let gyms: Vec<String> = file
        .gyms
        .iter()
        .map(|gym| serde_json::to_string(gym).unwrap())
        .collect();
    format!("default {:?}\n{}", file.default, gyms.join("\n"))
}

#[test]
fn the_gym_file_of_the_python_tool_loads_with_its_quirks() {
    insta::assert_snapshot!(shown(&load_gyms("gyms.json")), @r#"
    default ["jira"]
    {"key":"jira","name":"jira","description":"Jira: the issue tracker","transport":{"type":"http","url":"http://localhost:8010/mcp/"},"sql_runner_url":"http://localhost:8010/api/sql-runner","headers":{"Authorization":{"secret":{"file":"/h/gyms.json","pointer":"/gyms/jira/headers/Authorization","sha256":"b76253076f6add2bd61595aecb250ed8f126ea251c8751017d962883387130c8"}},"x-tenant":"acme"},"seed":{"from":"untouched"}}
    {"key":"wiki","name":"wiki","transport":{"type":"http","url":"${WIKI_URL}/mcp"},"sql_runner_url":"${WIKI_URL:-http://localhost:8011}/sql","seed":{"from":"untouched"}}
    {"key":"files","name":"files","transport":{"type":"stdio","command":"/h/bin/files","args":["--root","{{trial_dir}}"],"files":"/h/start"},"context":{"team":"7"},"seed":{"from":"untouched"}}
    "#);
}

#[test]
fn files_of_assistants_and_editors_load() {
    insta::assert_snapshot!(shown(&load_gyms("mcp_servers.json")), @r#"
    default ["filesystem", "postgres", "search"]
    {"key":"filesystem","name":"filesystem","transport":{"type":"stdio","command":"npx","args":["-y","@modelcontextprotocol/server-filesystem","."],"env":{"API_KEY":{"secret":{"file":"/h/mcp_servers.json","pointer":"/mcpServers/filesystem/env/API_KEY","sha256":"7d2b82ac29cec0f38c8f23a6fc906511d5e9b62cf2c485dceefd53a826ffab87"}},"NODE_ENV":"test"}},"seed":{"from":"untouched"}}
    {"key":"postgres","name":"postgres","transport":{"type":"stdio","command":"npx","args":["-y","server-postgres",{"secret":{"file":"/h/mcp_servers.json","pointer":"/mcpServers/postgres/args/2","sha256":"62f3752837d06ef52f45aeee752532ef8db59ef009a89dbeb46384fb8e57702c"}},"--token",{"secret":{"file":"/h/mcp_servers.json","pointer":"/mcpServers/postgres/args/4","sha256":"65f8d362084fc4f34557661bc12391686bbb6d21fc642fe22422d9895392352a"}}]},"seed":{"from":"untouched"}}
    {"key":"search","name":"search","transport":{"type":"http","url":"https://mcp.example.org/mcp?api_key=${env:SEARCH_KEY}"},"headers":{"Authorization":"Bearer ${SEARCH_KEY}"},"seed":{"from":"untouched"}}
    "#);
    let vscode = load_gyms("vscode.json");
    insta::assert_snapshot!(shown(&vscode), @r#"
    default ["time", "docs"]
    {"key":"time","name":"time","transport":{"type":"stdio","command":"uvx","args":["mcp-server-time"]},"seed":{"from":"untouched"}}
    {"key":"docs","name":"docs","transport":{"type":"http","url":"https://docs.example.org/sse"},"seed":{"from":"untouched"}}
    "#);
    insta::assert_snapshot!(vscode.warnings[0], @"vscode.json:6:22 at /servers/docs/type: the transport `sse` is the old one (hint: streamable HTTP is spoken to this address)");
}

#[test]
fn secrets_of_gym_files_can_be_found_again() {
    let text = super::fixture("mcp_servers.json").text;
    let file = load_gyms("mcp_servers.json");
    let secrets = file
        .gyms
        .iter()
        .flat_map(|gym| gym.settings())
        .filter_map(|setting| match setting {
            Setting::Secret { secret } => Some(secret.find_in(&text).unwrap()),
            Setting::Text(_) => None,
        });
    let secrets: Vec<String> = secrets.collect();
    assert_eq!(
        secrets,
        [
            "fs-0123456789",
            "postgresql://me:secret@localhost/db",
            "pg-0123456789"
        ]
    );
    assert!(!shown(&file).contains("0123456789"));
}

#[test]
fn one_gym_is_the_default_and_several_need_one() {
    insta::assert_snapshot!(say_gyms(r#"{"gyms": {"a": {"url": "http://a/mcp"}}}"#), @"loads with no problem");
    insta::assert_snapshot!(say_gyms(r#"{"gyms": {"a": {"url": "http://a/mcp"}, "b": {"url": "http://b", "timeout": 3}}, "default": ["a", "b"]}"#), @"loads with warning: gyms.json:1:66 at /gyms/b/timeout: unknown field `timeout` is ignored (hint: known here are `name`, `description`, `mcp_url`, `url`, `transport`, `type`, `mcp_transport`, `command`, `sql_runner_url`, `headers` and `context`)");
}

/// Also one whose name says nothing: it must not get into a plan.
#[test]
fn a_secret_written_literally_is_told_and_left_where_it_is() {
    let key = ["ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"].concat();
    let text =
        format!(r#"{{"gyms": {{"a": {{"command": "x", "env": {{"MODE": "{key}"}}, "args": ["{key}"]}}}}}}"#);
    let file = bench_core::gym::config::read(&Source::new("gyms.json", text.as_str()), &|_| true).unwrap();
    insta::assert_snapshot!(say_gyms(&text), @r"
    loads with warning: gyms.json:1:49 at /gyms/a/env/MODE: `MODE` looks like a secret that is written in the file (hint: write ${NAME} and set the variable, or pass it with --env-file)
    warning: gyms.json:1:103 at /gyms/a/args/0: `args` looks like a secret that is written in the file (hint: write ${NAME} and set the variable, or pass it with --env-file)
    ");
    let plan = serde_json::to_string(&file.gyms).unwrap();
    assert!(plan.contains("sha256") && !plan.contains("ghp_"), "{plan}");
}
