//! Mistakes of people, and what they are told.

use crate::{Bed, filters};

#[test]
fn an_unknown_flag_or_command_is_named_with_the_nearest_one() {
    let bed = Bed::new();
    insta::assert_snapshot!(bed.bench("run h.json --modle oracle"), @r"
    $ bench-cli run h.json --modle oracle
    --- stderr
    error: unexpected argument '--modle' found

      tip: a similar argument exists: '--model'

    Usage: bench-cli run --model <MODEL> <HARNESS>...

    For more information, try '--help'.
    --- exit 2
    ");
    insta::assert_snapshot!(bed.bench("runn"), @r"
    $ bench-cli runn
    --- stderr
    error: unrecognized subcommand 'runn'

      tip: some similar subcommands exist: 'prune', 'run'

    Usage: bench-cli [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn no_model_lists_what_could_be_given() {
    insta::assert_snapshot!(Bed::new().bench("run h.json"), @r"
    $ bench-cli run h.json
    --- stderr
    error: no model is given
      try: `--model oracle` plays the solutions, `--model noop` does nothing; neither needs a key
      try: for others, set their variables: openai (OPENAI_API_KEY); anthropic (ANTHROPIC_API_KEY); google (GOOGLE_API_KEY); xai (XAI_API_KEY); openrouter (OPENROUTER_API_KEY); compatible (COMPATIBLE_BASE_URL)
    --- exit 2
    ");
}

#[test]
fn every_fault_of_a_harness_is_shown_at_once_in_its_place() {
    let harness = r#"{"scenarios": [
  {"scenario_id": "a", "prompts": [{"prompt_text": "Go.", "verifier": {
    "verifier_type": "database_state",
    "validation_config": {"query": "SELECT 1", "expected_value": 1, "comparison_type": "eqals"}}}]},
  {"scenario_id": "a", "promts": []}
]}"#;
    let bed = Bed::new().with("h.json", harness);
    insta::assert_snapshot!(bed.bench("run h.json --model oracle"), @r#"
    $ bench-cli run h.json --model oracle
    --- stderr
    warning: unknown field `promts` is ignored
     --> h.json:5:24
      |
    5 |   {"scenario_id": "a", "promts": []}
      |                        ^^^^^^^^
      |
      = note: in scenario `a`, at /scenarios/1/promts
      = help: did you mean `prompts`?

    error: unknown comparison `eqals`
     --> h.json:4:88
      |
    4 | ... "expected_value": 1, "comparison_type": "eqals"}}}]},
      |                                             ^^^^^^^
      |
      = note: in scenario `a`, at /scenarios/0/prompts/0/verifier/validation_config/comparison_type
      = help: did you mean `equals`?

    error: `prompts` is missing
     --> h.json:5:3
      |
    5 |   {"scenario_id": "a", "promts": []}
      |   ^
      |
      = note: in scenario `a`, at /scenarios/1
      = help: write what the user says, or [] to only reach the gym

    error: the scenario id `a` is used twice: first at h.json:2:19
     --> h.json:5:19
      |
    5 |   {"scenario_id": "a", "promts": []}
      |                   ^^^
      |
      = note: in scenario `a`, at /scenarios/1/scenario_id
      = help: give each scenario an id of its own

    3 errors and 1 warning
    --- exit 2
    "#);
    assert!(!bed.path().join("results").exists(), "nothing was begun");
    assert_eq!(bed.output("check h.json").status.code(), Some(2));
}

/// A harness of one scenario with these members besides its id and prompt.
fn scenario(members: &str) -> String {
    format!(r#"{{"scenarios": [{{"scenario_id": "a", "prompts": [{{"prompt_text": "Go."}}]{members}}}]}}"#)
}

#[test]
fn check_and_run_say_the_same() {
    let verified =
        r#", "verifiers": [{"verifier_type": "tool_execution", "validation_config": {"required": ["t"]}}]"#;
    let hidden = format!(r#"{verified}, "restricted_tools": ["t"]"#);
    let unset = r#"{"gyms": {"g": {"url": "http://${NOT_SET_ANYWHERE}/mcp"}}}"#;
    for (harness, gyms, check_exits, run_exits) in [
        (scenario(verified), None, 0, 0),
        (scenario(""), None, 1, 0),
        (scenario(&hidden), None, 1, 2),
        (scenario(&format!(r#"{hidden}, "gym": "x""#)), None, 2, 2),
        (scenario(r#", "gym": "traker""#), None, 2, 2),
        (verified_by_gym("jira"), None, 2, 2),
        (scenario(verified), Some(unset), 2, 2),
        (scenario(verified), Some("{"), 2, 2),
        ("{".to_owned(), None, 2, 2),
        (r#"{"scenarios": []}"#.to_owned(), None, 2, 2),
    ] {
        let mut bed = Bed::new().with("h.json", &harness);
        if let Some(gyms) = gyms {
            bed = bed.with("gyms.json", gyms);
        }
        let check = bed.output("check h.json --offline --json");
        let run = bed.output("run h.json --model noop --dry-run");
        let codes = (check.status.code(), run.status.code());
        assert_eq!(codes, (Some(check_exits), Some(run_exits)), "{harness} {gyms:?}");
        let said = String::from_utf8(run.stderr).unwrap();
        let said = said
            .lines()
            .filter(|l| l.starts_with("error: ") || l.starts_with("warning: "));
        let mut said: Vec<&str> = said.filter_map(|line| Some(line.split_once(": ")?.1)).collect();
        let found: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
        let problems = found["problems"].as_array().unwrap().iter();
        let mut told: Vec<&str> = problems
            .map(|problem| problem["message"].as_str().unwrap())
            .collect();
        said.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, said, "{harness} {gyms:?}");
    }
}

fn verified_by_gym(gym: &str) -> String {
    let query = r#""validation_config": {"query": "SELECT a FROM t", "expected_value": 1}"#;
    scenario(&format!(
        r#", "verifiers": [{{"verifier_type": "database_state", "gym_name": "{gym}", {query}}}]"#
    ))
}

#[test]
fn a_tool_that_no_gym_offers_is_told_before_the_first_trial() {
    let bed = Bed::new().with(
        "h.json",
        &scenario(
            r#", "restricted_tools": ["delete_isue"], "solution": {"calls": [{"tool": "add_isue_comment"}]}, "verifiers":
            [{"verifier_type": "tool_execution", "name": "asks", "validation_config": {"required": ["fly"]}}]"#,
        ),
    );
    filters().bind(|| {
        insta::assert_snapshot!(bed.bench("run h.json --model oracle --ui quiet"), @r"
        $ bench-cli run h.json --model oracle --ui quiet
        --- stderr
        gym tracker: built in (no other is named)
        run_ID: 1 trial, results/runs/run_ID

        failed · results/runs/run_ID
          bench-cli show run_ID
        error: the run failed
          because: the harness names tools that its gyms do not offer:
            h.json:2:14 at /scenarios/0/verifiers/0 (scenario `a`): the verifier `asks` requires the tool `fly`, which no gym of the scenario offers (hint: `bench-cli gym tools tracker` lists the tools)
            h.json:1:16 at /scenarios/0 (scenario `a`): the solution calls the tool `add_isue_comment`, which no gym of the scenario offers (hint: did you mean `add_issue_comment`?)
            h.json:1:16 at /scenarios/0 (scenario `a`): `restricted_tools` names the tool `delete_isue`, which no gym of the scenario offers (hint: did you mean `delete_issue`?)
        --- exit 3
        ");
    });
    let trials = bed.output("show latest --json").stdout;
    let trials: serde_json::Value = serde_json::from_slice(&trials).unwrap();
    assert_eq!(trials["status"], "failed", "{trials}");
}

#[test]
fn check_takes_gyms_and_variables_as_run_does() {
    let bed = Bed::new()
        .with("h.json", &verified_by_gym("jira"))
        .with(
            "g.json",
            r#"{"gyms": {"jira": {"url": "http://${JIRA_HOST}/mcp"}}}"#,
        )
        .with("jira.env", "JIRA_HOST=127.0.0.1:1\n");
    insta::assert_snapshot!(bed.bench("check h.json --gym-config g.json --env-file jira.env --offline"), @r"
    $ bench-cli check h.json --gym-config g.json --env-file jira.env --offline
    1 scenario: nothing to complain about
    --- stderr
    gym jira: http://${JIRA_HOST}/mcp (--gym-config g.json)
    not looked at: the gyms, so neither tools nor queries nor what `noop` and `oracle` do (`--offline`)
    --- exit 0
    ");
    insta::assert_snapshot!(bed.bench("check h.json --gym-config g.json"), @r#"
    $ bench-cli check h.json --gym-config g.json
    error: the gym `jira` needs the variable `JIRA_HOST`, which is not set
     --> g.json:1:27
      |
    1 | {"gyms": {"jira": {"url": "http://${JIRA_HOST}/mcp"}}}
      |                           ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = note: at /gyms/jira/url
      = help: set it, or pass it with --env-file

    1 error
    --- stderr
    not looked at: the gyms: mend the errors first
    --- exit 2
    "#);
}

#[test]
fn a_key_that_is_missing_is_named_before_anything_is_begun() {
    let harness = r#"{"scenarios": [{"scenario_id": "a", "prompts": [{"prompt_text": "Go."}]}]}"#;
    let bed = Bed::new().with("h.json", harness);
    insta::assert_snapshot!(bed.bench("run h.json --model claude-sonnet-4-5"), @r#"
    $ bench-cli run h.json --model claude-sonnet-4-5
    --- stderr
    warning: it has no verifier
     --> h.json:1:16
      |
    1 | {"scenarios": [{"scenario_id": "a", "prompts": [{"prompt_text": "Go."}]}]}
      |                ^
      |
      = note: in scenario `a`, at /scenarios/0
      = help: a trial without a verifier is `unscored`, never passed
    gym tracker: built in (no other is named)
    error: anthropic: no key; set ANTHROPIC_API_KEY in the environment or in the file given with --env-file
    --- exit 2
    "#);
    assert!(!bed.path().join("results").exists(), "nothing was begun");
}

#[test]
fn what_keeps_a_plan_from_being_run_is_shown_where_it_is_written() {
    let harness = r#"{"scenarios": [
  {"scenario_id": "a", "gym": "jria", "prompts": [{"prompt_text": "Go."}]},
  {"scenario_id": "b", "gym": "jira", "prompts": [{"prompt_text": "Go."}]}
]}"#;
    let gyms = r#"{"gyms": {
  "jira": {"url": "http://127.0.0.1:1/mcp", "headers": {
    "x-tenant": "${JIRA_TENANT}"}},
  "other": {"url": "${NOT_USED}"}
}}"#;
    let bed = Bed::new().with("h.json", harness).with("gyms.json", gyms);
    insta::assert_snapshot!(bed.bench("run h.json --model noop"), @r#"
    $ bench-cli run h.json --model noop
    --- stderr
    warning: it has no verifier
     --> h.json:2:3
      |
    2 |   {"scenario_id": "a", "gym": "jria", "prompts": [{"prompt_text": "Go."}]},
      |   ^
      |
      = note: in scenario `a`, at /scenarios/0
      = help: a trial without a verifier is `unscored`, never passed

    warning: it has no verifier
     --> h.json:3:3
      |
    3 |   {"scenario_id": "b", "gym": "jira", "prompts": [{"prompt_text": "Go."}]}
      |   ^
      |
      = note: in scenario `b`, at /scenarios/1
      = help: a trial without a verifier is `unscored`, never passed

    error: there is no gym `jria`
     --> h.json:2:3
      |
    2 |   {"scenario_id": "a", "gym": "jria", "prompts": [{"prompt_text": "Go."}]},
      |   ^
      |
      = note: in scenario `a`, at /scenarios/0
      = help: did you mean `jira`?

    error: the gym `jira` needs the variable `JIRA_TENANT`, which is not set
     --> gyms.json:3:17
      |
    3 |     "x-tenant": "${JIRA_TENANT}"}},
      |                 ^^^^^^^^^^^^^^^^
      |
      = note: at /gyms/jira/headers/x-tenant
      = help: set it, or pass it with --env-file

    2 errors and 2 warnings
    --- exit 2
    "#);
    assert!(!bed.path().join("results").exists(), "nothing was begun");
}

#[test]
fn suggested_commands_look_where_this_one_looked() {
    let harness = r#"{"scenarios": [{"scenario_id": "a", "prompts": [{"prompt_text": "Go."}]}]}"#;
    let bed = Bed::new().with("h.json", harness);
    let shown = bed.bench("run h.json --model noop --results elsewhere --ui quiet");
    assert!(shown.contains(": 1 trial, elsewhere/runs/"), "{shown}");
    let suggested = shown.lines().filter(|line| line.starts_with("  bench-cli "));
    let suggested: Vec<_> = suggested.collect();
    assert!(!suggested.is_empty(), "{shown}");
    for command in suggested {
        assert!(command.ends_with(" --results elsewhere"), "{command}");
        let again = bed.output(command.trim().trim_start_matches("bench-cli "));
        assert_eq!(again.status.code(), Some(0), "{command}");
    }
}

#[test]
fn a_run_that_does_not_exist_says_where_was_looked() {
    let bed = Bed::new();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&regex_escape(&bed.path().to_string_lossy()), "DIR");
    settings.bind(|| {
        insta::assert_snapshot!(bed.bench("show latest"), @r"
        $ bench-cli show latest
        --- stderr
        error: no runs in `DIR/results/runs` yet
          try: start one with `bench-cli run`, or look elsewhere with `--results DIR`
        --- exit 2
        ");
        insta::assert_snapshot!(bed.bench("show run_20260102_030405_0badcafe"), @r"
        $ bench-cli show run_20260102_030405_0badcafe
        --- stderr
        error: no run `run_20260102_030405_0badcafe` in `DIR/results/runs`
          try: `bench-cli list` shows the runs there are; `--results DIR` looks elsewhere
        --- exit 2
        ");
        insta::assert_snapshot!(bed.bench("list"), @r"
        $ bench-cli list
        --- stderr
        no runs in results
        --- exit 0
        ");
        insta::assert_snapshot!(bed.bench("view list"), @r"
        $ bench-cli view list
        --- stderr
        no runs in results
        --- exit 0
        ");
    });
    assert!(!bed.path().join("results").exists(), "looking makes nothing");
}

#[test]
fn results_that_cannot_be_written_are_named() {
    let harness = r#"{"scenarios": [{"scenario_id": "a", "prompts": [{"prompt_text": "Go."}]}]}"#;
    let bed = Bed::new().with("h.json", harness).with("file", "");
    let output = bed.output("run h.json --model noop --results file/results");
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.contains("file/results"), "{err}");
}

fn regex_escape(text: &str) -> String {
    text.replace('.', r"\.")
}

#[test]
fn evidence_that_was_changed_after_the_run_is_named() {
    let harness = r#"{"scenarios": [{"scenario_id": "a", "prompts": [{"prompt_text": "Go.", "verifier": {
        "verifier_type": "response_check", "validation_config": {"contains": "done"}}}],
        "solution": {"calls": [], "answer": "done"}}]}"#;
    let bed = Bed::new().with("h.json", harness);
    assert_eq!(bed.output("run h.json --model oracle").status.code(), Some(0));
    let runs = std::fs::read_dir(bed.path().join("results/runs")).unwrap();
    let run = runs.map(|run| run.unwrap().path()).next().unwrap();
    let (record, transcript) = (
        run.join("trials/a~oracle~1.json"),
        run.join("trials/a~oracle~1.jsonl"),
    );
    let shown = bed.bench("show latest --trial a~oracle~1") + &bed.bench("show latest");
    assert!(!shown.contains("after the run wrote it"), "{shown}");

    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace("passed", "failed")).unwrap();
    let shown = bed.bench("show latest --trial a~oracle~1");
    assert!(
        shown.contains("a~oracle~1.json` was changed after the run wrote it"),
        "{shown}"
    );

    std::fs::remove_file(&transcript).unwrap();
    for command in ["show latest --trial a~oracle~1", "show latest"] {
        let shown = bed.bench(command);
        assert!(shown.contains("a~oracle~1.jsonl` is missing"), "{shown}");
    }

    let plan = std::fs::read_to_string(run.join("plan.json")).unwrap();
    std::fs::write(run.join("plan.json"), plan.replace("Go.", "No.")).unwrap();
    let refused = bed.bench("resume latest");
    assert!(
        refused.contains("plan.json` was changed after the run was created"),
        "{refused}"
    );
}

#[test]
fn a_deleted_current_folder_is_named_where_it_is_needed() {
    let bed = Bed::new().with("gone/x", "");
    let gone = |args: &str| {
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                "rm x; rmdir ../gone; exec \"$0\" $1",
                env!("CARGO_BIN_EXE_bench-cli"),
                args,
            ])
            .current_dir(bed.path().join("gone"))
            .output()
            .unwrap();
        std::fs::create_dir(bed.path().join("gone")).unwrap();
        std::fs::write(bed.path().join("gone/x"), "").unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = gone("list");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("cannot tell the current folder"), "{said}");
    let (code, said) = gone(&format!("list --results {}", bed.path().join("r").display()));
    assert_eq!(code, Some(0), "{said}");
}
