//! Files and folders that are not there or not readable, and gym files.

use std::fs;

use bench_tests::bed::TestBed;

use super::{refused, run_with, run_with_gyms};
use crate::harness::{creates_issue, harness};

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
