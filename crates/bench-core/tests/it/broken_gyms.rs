//! Broken gym files: what a person is told.

use super::say_gyms;

#[test]
fn not_a_gym_file() {
    insta::assert_snapshot!(say_gyms("{"), @"error: gyms.json:1:1: not JSON: unterminated object (hint: a closing bracket is missing; was the file cut off?)");
    insta::assert_snapshot!(say_gyms("{}"), @"error: gyms.json:1:1: neither `gyms` nor `mcpServers` nor `servers` is in it: this is no gym file (hint: `bench-cli schema` prints the forms)");
    insta::assert_snapshot!(say_gyms("{\"mcpservers\": {}}"), @"error: gyms.json:1:1: neither `gyms` nor `mcpServers` nor `servers` is in it: this is no gym file (hint: did you mean `mcpServers` instead of `mcpservers`?)");
    insta::assert_snapshot!(say_gyms("{\"scenarios\": []}"), @"error: gyms.json:1:1: this is a harness file, not a gym file (hint: give it without --gym-config)");
    insta::assert_snapshot!(say_gyms("{\"gyms\": {}}"), @"error: gyms.json:1:10 at /gyms: the file names no gym");
    insta::assert_snapshot!(say_gyms("{\"gyms\": []}"), @"error: gyms.json:1:10 at /gyms: `gyms` must be an object, not a list");
    insta::assert_snapshot!(say_gyms("{\"gyms\": {\"a\": 5}}"), @"error: gyms.json:1:16 at /gyms/a: `a` must be an object, not 5");
    insta::assert_snapshot!(say_gyms("{\"mcpServers\": {}}"), @"error: gyms.json:1:16 at /mcpServers: the file names no server");
}

#[test]
fn how_a_gym_is_reached() {
    insta::assert_snapshot!(say_gyms(r#"{"gyms": {"a": {"uri": "http://h"}}}"#), @"error: gyms.json:1:16 at /gyms/a: it has neither a `url` nor a `command` (hint: did you mean `url` instead of `uri`?)");
    insta::assert_snapshot!(say_gyms(r#"{"gyms": {"a": {"url": "ws://h", "transport": {"type": "websocket"}}}}"#), @"error: gyms.json:1:56 at /gyms/a/transport/type: unknown transport `websocket` (hint: known are `http` (also `streamable_http`) and `stdio`)");
    insta::assert_snapshot!(say_gyms(r#"{"gyms": {"a": {"url": "h:80"}}}"#), @"error: gyms.json:1:24 at /gyms/a/url: this is not an address to send requests to (hint: write it like `http://127.0.0.1:8080`)");
    insta::assert_snapshot!(say_gyms(r#"{"mcpServers": {"a": {"command": "x", "url": "http://h"}}}"#), @r#"error: gyms.json:1:22 at /mcpServers/a: it has both a `command` and a `url` (hint: say which with "type": "stdio" or "http")"#);
    insta::assert_snapshot!(say_gyms(r#"{"mcpServers": {"a": {"type": "http", "command": "x"}, "b": {"type": "stdio"}, "c": {}}}"#), @r#"
    error: gyms.json:1:22 at /mcpServers/a: `url` is missing
    error: gyms.json:1:61 at /mcpServers/b: `command` is missing
    error: gyms.json:1:85 at /mcpServers/c: it has neither a `url` nor a `command`
    "#);
    insta::assert_snapshot!(say_gyms(r#"{"mcpServers": {"a": {"command": "x", "args": [["y"]], "env": {"A": null, "B": {}}}}}"#), @r#"
    error: gyms.json:1:48 at /mcpServers/a/args/0: each element must be a string, not a list
    error: gyms.json:1:80 at /mcpServers/a/env/B: `B` must be a string, not an object
    "#);
    insta::assert_snapshot!(say_gyms(r#"{"gyms": {"a": {"url": "http://u:p@h/mcp"}}}"#), @"error: gyms.json:1:24 at /gyms/a/url: the URL holds credentials, so no address of the SQL runner can be made from it (hint: give `sql_runner_url` too, or put the credentials into `headers`)");
}

#[test]
fn the_default_gym() {
    insta::assert_snapshot!(say_gyms(r#"{"gyms": {"jira": {"url": "http://h"}, "wiki": {"url": "http://i"}}, "default": "jria"}"#), @"error: gyms.json:1:81 at /default: there is no gym `jria` (hint: did you mean `jira`?)");
    insta::assert_snapshot!(say_gyms(r#"{"gyms": {"jira": {"url": "http://h"}, "wiki": {"url": "http://i"}}, "default": "tracker"}"#), @"error: gyms.json:1:81 at /default: there is no gym `tracker` (hint: available: `jira` and `wiki`)");
    insta::assert_snapshot!(say_gyms(r#"{"gyms": {"jira": {"url": "http://h"}}, "default": 1}"#), @"error: gyms.json:1:52 at /default: `default` must be a string or a list of strings, not 1");
}

#[test]
fn variables() {
    insta::assert_snapshot!(say_gyms(r#"{"gyms": {"a": {"url": "${GYM_URL}/mcp", "headers": {"x-key": "${env:GYM_KEY}", "y": "${WIKI_URL}", "z": "${NO:-1}"}}}}"#), @r#"
    error: gyms.json:1:24 at /gyms/a/url: the variable `GYM_URL` is not set (hint: set it, pass it with --env-file, or give it a default: ${GYM_URL:-default})
    error: gyms.json:1:63 at /gyms/a/headers/x-key: the variable `GYM_KEY` is not set (hint: set it, pass it with --env-file, or give it a default: ${GYM_KEY:-default})
    "#);
    insta::assert_snapshot!(say_gyms(r#"{"servers": {"a": {"command": "x", "args": ["${input:api-token}", "${workspaceFolder}/x", "${", "$HOME"], "envFile": ".env"}}}"#), @r#"
    error: gyms.json:1:45 at /servers/a/args/0: `${input:api-token}` asks the editor's user, and a run cannot ask (hint: write ${API_TOKEN} and set that variable)
    error: gyms.json:1:67 at /servers/a/args/1: the variable `workspaceFolder` is not set (hint: it is the editor's; write a path relative to this file)
    error: gyms.json:1:91 at /servers/a/args/2: `${` is not a variable (hint: write ${NAME}, ${NAME:-default} or ${env:NAME})
    error: gyms.json:1:118 at /servers/a/envFile: `envFile` is not read (hint: write the variables in `env`, or pass the file with --env-file)
    "#);
}
