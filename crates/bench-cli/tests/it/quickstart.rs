//! Runs on the built-in tracker, without key or network.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::Value;

use crate::{Bed, filters};

/// Two scenarios with solutions: one writes to the tracker, one only answers.
const HARNESS: &str = r#"{"scenarios": [
  {"scenario_id": "create-bug", "prompts": [{
    "prompt_text": "Create a bug in WEB titled Checkout crashes.",
    "verifier": {"verifier_type": "database_state", "name": "the bug exists", "validation_config": {
      "query": "SELECT count(*) FROM issue WHERE summary = 'Checkout crashes'", "expected_value": 1}},
    "solution": {"calls": [{"tool": "create_issue",
      "arguments": {"projectKey": "WEB", "issueType": "Bug", "summary": "Checkout crashes"}, "as": "new"}],
      "answer": "Created {{new/key}}."}}]},
  {"scenario_id": "say-hello", "tags": ["easy"], "prompts": [{
    "prompt_text": "Say hello.",
    "verifier": {"verifier_type": "response_check", "name": "hello is said",
      "validation_config": {"contains": "hello"}},
    "solution": {"answer": "hello"}}]}
]}"#;

fn bed() -> Bed {
    Bed::new().with("h.json", HARNESS)
}

#[test]
fn oracle_passes_and_noop_does_not() {
    let bed = bed();
    filters().bind(|| {
        insta::assert_snapshot!(bed.bench("run h.json --model oracle --model noop --max-concurrency 1"), @r"
        $ bench-cli run h.json --model oracle --model noop --max-concurrency 1
        model   trials  passed  failed  pass rate (95%)  verifiers  turns  calls  tokens  time/trial
        ────────────────────────────────────────────────────────────────────────────────────────────
        oracle     2/2       2       0     100% (1–100)        2/2      3      1       — TIME
        noop       2/2       0       2      0.0% (0–99)        0/2      2      0       — TIME
        few scenarios (2): ranges may miss the true rate more than 1 time in 20

        Not passed by every model:
        scenario    oracle    noop
        ───────────────────────────────
        create-bug  ✓ passed  ✗ failed
        say-hello   ✓ passed  ✗ failed
        --- stderr
        gym tracker: built in (no other is named)
        run_ID: 4 trials, results/runs/run_ID
        gym tracker: N tools of tracker VERSION, MCP DATE, reached in TIME
        [1/4] ✓ passed    create-bug~oracle~1    1/1 verifiers TIME
        [2/4] ✗ failed    create-bug~noop~1      0/1 verifiers TIME
        [3/4] ✓ passed    say-hello~oracle~1     1/1 verifiers TIME
        [4/4] ✗ failed    say-hello~noop~1       0/1 verifiers TIME

        completed · results/runs/run_ID
          bench-cli show run_ID
          bench-cli show run_ID --trial create-bug~noop~1
        --- exit 0
        ");
    });
    let show = String::from_utf8(bed.output("show latest").stdout).unwrap();
    for part in ["harness  h", "completed after", "oracle", "✓ passed", "✗ failed"] {
        assert!(show.contains(part), "{part}: {show}");
    }
    let list = String::from_utf8(bed.output("list").stdout).unwrap();
    assert!(list.contains("(4/4)") && list.contains("50.0%"), "{list}");
    let trial = String::from_utf8(bed.output("show --trial create-bug~oracle~1").stdout).unwrap();
    for part in ["✓ true", "the bug exists", "→ create_issue", "--- user"] {
        assert!(trial.contains(part), "{part}: {trial}");
    }
}

#[test]
fn a_gate_that_is_not_met_is_exit_code_1() {
    let bed = bed();
    let args = "run h.json --ui quiet --model noop --fail-under 90%";
    let output = bed.output(args);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("--fail-under: noop passed 0.0%, under 90.0%"),
        "{err}"
    );
    assert_eq!(bed.output(&args.replace("noop", "oracle")).status.code(), Some(0));
}

#[test]
fn programs_get_an_event_a_line_and_the_summary_last() {
    let output = bed().output("run h.json --json --model oracle");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(kinds.first(), Some(&"run_created"));
    assert_eq!(kinds.iter().filter(|kind| **kind == "trial_finished").count(), 2);
    let last = lines.last().unwrap();
    assert_eq!(last["event"], "run_over");
    assert_eq!(
        (&last["status"], &last["progress"]["passed"]),
        (&Value::from("completed"), &Value::from(2))
    );
    assert_eq!(last["session"]["models"][0]["model"], "oracle");
    assert_eq!(last["run_id"], lines[0]["run_id"]);
}

#[test]
fn a_dry_run_leaves_nothing() {
    let bed = bed();
    insta::assert_snapshot!(bed.bench("run h.json --model oracle --tag easy --runs 3 --dry-run"), @r"
    $ bench-cli run h.json --model oracle --tag easy --runs 3 --dry-run
    scenario   prompts  verifiers  solution  gyms     tags
    ───────────────────────────────────────────────────────
    say-hello        1          1  yes       tracker  easy

    1 scenario × 1 model × 3 runs = 3 trials, 3 verifiers, at most 3 at once, at most 200 model replies each

    model   trials  model replies  input tokens  output tokens  cost
    ────────────────────────────────────────────────────────────────
    oracle       3        unknown             0              0    $0
      oracle: no past run: unknown
    no past runs in results
    --- stderr
    gym tracker: built in (no other is named)
    nothing was run; leave out `--dry-run` to run it
    --- exit 0
    ");
    let plan: Value =
        serde_json::from_slice(&bed.output("run h.json --model oracle --dry-run --json").stdout).unwrap();
    assert_eq!(plan["scenarios"].as_array().unwrap().len(), 2);
    assert_eq!(plan["estimate"]["total"]["calls"]["unknown_trials"], 2);
    assert!(!bed.path().join("results").exists());
}

#[test]
fn a_signal_cancels_the_run_and_keeps_what_is_finished() {
    let play =
        r#"{"scenarios": {"create-bug": [{"never_answer": true}], "say-hello": [{"answer": "hello"}]}}"#;
    let bed = bed().with("play.json", play);
    let mut child = bed
        .command("run h.json --model script:play.json --json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let finished = lines
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("trial_finished"))
        .unwrap();
    assert!(finished.contains("passed"), "{finished}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let last: Value = serde_json::from_str(&lines.map(Result::unwrap).last().unwrap()).unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{err}");
    assert_eq!(
        (&last["status"], &last["cause"]),
        (&Value::from("cancelled"), &Value::from("interrupted"))
    );
    assert_eq!(last["progress"]["passed"], 1, "{last}");
    assert!(err.contains("SIGINT"), "{err}");
}

#[test]
fn a_reader_that_leaves_early_does_not_end_the_run() {
    let bed = bed();
    let mut child = bed
        .command("run h.json --model oracle --json")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "a closed pipe is no error");
    let list: Value = serde_json::from_slice(&bed.output("list --json").stdout).unwrap();
    assert_eq!(list["runs"][0]["status"], "completed");
    assert_eq!(list["runs"][0]["progress"]["passed"], 2);
}

#[test]
fn a_gym_that_cannot_be_reached_fails_the_run_before_the_first_trial() {
    let bed = bed().with(
        "gyms.json",
        r#"{"gyms": {"dead": {"url": "http://127.0.0.1:9/mcp"}}}"#,
    );
    let output = bed.output("run h.json --model oracle");
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{err}");
    assert!(
        err.contains("error: the run failed") && err.contains("gym `dead`"),
        "{err}"
    );
    let show = String::from_utf8(bed.output("show").stdout).unwrap();
    assert!(
        show.contains("failed after") && show.contains("gym `dead`"),
        "{show}"
    );
}

#[test]
fn a_worker_that_is_killed_leaves_a_run_that_is_over() {
    let bed = bed().with("play.json", r#"{"scenarios": {"*": [{"never_answer": true}]}}"#);
    let mut child = bed
        .command("run h.json --model script:play.json --json")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("trial_started")));
    let running: Value = serde_json::from_slice(&bed.output("list --json").stdout).unwrap();
    assert_eq!(running["runs"][0]["status"], "running");
    child.kill().unwrap();
    child.wait().unwrap();
    let over: Value = serde_json::from_slice(&bed.output("list --json").stdout).unwrap();
    assert_eq!(
        (&over["runs"][0]["status"], &over["runs"][0]["cause"]),
        (&"failed".into(), &"worker_lost".into())
    );
    assert!(over["runs"][0]["completed_at"].is_string());
}

#[test]
fn secrets_reach_no_file_and_no_screen() {
    const SECRET: &str = "canary-4f8a-value";
    let play = format!(r#"{{"scenarios": {{"*": [{{"answer": "hello, my key is {SECRET}"}}]}}}}"#);
    let bed = bed()
        .with("play.json", &play)
        .with(".env", &format!("MY_API_KEY={SECRET}\nPIN={SECRET}2\n"));
    let args = "run h.json --model script:play.json --env-file .env --secret PIN --json";
    let output = bed.output(args);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let trial = bed.output("show --trial say-hello --full");
    for stream in [&output.stdout, &output.stderr, &trial.stdout, &trial.stderr] {
        assert!(!String::from_utf8_lossy(stream).contains(SECRET));
    }
    assert!(String::from_utf8_lossy(&trial.stdout).contains("my key is [secret]"));
    let mut folders = vec![bed.path().join("results")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read(&path).unwrap();
                assert!(
                    !String::from_utf8_lossy(&text).contains(SECRET),
                    "{}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn gyms_can_be_looked_at_and_called() {
    let bed = bed();
    let args = "gym call tracker get_issue --arg issueIdOrKey=WEB-1 --json --sql SELECT(1)";
    let called: Value = serde_json::from_slice(&bed.output(args).stdout).unwrap();
    assert_eq!(called["tool"]["structured"]["key"], "WEB-1", "{called}");
    assert_eq!(called["sql"], 1);
    assert_eq!(
        bed.output("gym call tracker get_issue --arg issueIdOrKey=WEB-99999")
            .status
            .code(),
        Some(1)
    );
    let tools: Value = serde_json::from_slice(&bed.output("gym tools --json").stdout).unwrap();
    assert!(
        tools["tools"]
            .as_array()
            .unwrap()
            .iter()
            .any(|tool| tool["name"] == "create_issue")
    );
}

#[test]
fn a_model_that_is_not_named_is_said_to_be_missing() {
    let bed = bed();
    bed.output("run h.json --model oracle --model noop --ui quiet");
    filters().bind(|| {
        insta::assert_snapshot!(bed.bench("compare latest#"), @r"
        $ bench-cli compare latest#
        --- stderr
        error: the name of a model is missing behind `run_ID#`
          try: one of oracle, noop
        --- exit 2
        ");
    });
}

#[test]
fn nothing_that_a_model_says_commands_a_terminal_through_json() {
    let said = "hello \u{9b}2J \u{85}\u{202e}\u{2066}\u{2028}\u{2029}\u{7f} é😀";
    let play = serde_json::json!({"scenarios": {"*": [{"answer": said}]}});
    let bed = bed().with("play.json", &play.to_string());
    let mut shown = String::new();
    for args in [
        "run h.json --model script:play.json --json",
        "attach latest --json",
        "show latest --json",
        "show latest --trial say-hello --json",
        "report latest --format json -o -",
    ] {
        let output = String::from_utf8(bed.output(args).stdout).unwrap();
        assert!(output.len() > 100, "{args}: {output}");
        let harmless = bench_report::text::clean(&output);
        assert_eq!(harmless, output, "{args}");
        shown += &output;
    }
    assert!(shown.contains(r"hello \u009b2J \u0085\u202e"), "{shown}");
    assert!(shown.contains("é😀"), "{shown}");
    let trial = bed.output("show latest --trial say-hello --json").stdout;
    let trial: Value = serde_json::from_slice(&trial).unwrap();
    assert!(
        trial.to_string().contains(said),
        "the values are the same: {trial}"
    );
}

#[test]
fn a_run_in_which_every_trial_errored_says_at_a_glance_that_nothing_was_judged() {
    let script = r#"{"scenarios": {"*": [{"error": "bad_request", "status": 400}]}}"#;
    let bed = Bed::new().with("h.json", HARNESS).with("script.json", script);
    let run = bed.bench("run h.json --model script:script.json --ui quiet");
    assert!(run.contains("! completed, but no trial has a verdict"), "{run}");
    let list = bed.bench("list");
    assert!(
        list.contains("! 0/2 judged") && list.contains(" completed "),
        "{list}"
    );
    let show = bed.bench("show latest");
    assert!(
        show.contains("! 0 of 2 have a verdict; `bench-cli resume run_"),
        "{show}"
    );
    assert!(show.contains("` runs all 2\n"), "{show}");
    for (form, want) in [
        (
            "md",
            "# ! `h`: completed, no verdict: 0 of 2 trials could be judged",
        ),
        ("html", ">! completed, no verdict: 0 of 2 trials could be judged<"),
        ("csv", "warning: no verdict: 0 of 2 trials could be judged"),
    ] {
        let report = bed.bench(&format!("report latest -o - --format {form}"));
        assert!(report.contains(want), "{form}");
    }
    let state = bed.bench("show latest --json");
    assert!(state.contains(r#""status": "completed""#), "{state}");
    assert!(!show.contains("with pauses"), "{show}");
    bed.bench("resume latest --ui quiet");
    let show = bed.bench("show latest");
    assert!(
        show.contains(" with pauses, from "),
        "nothing ran in a part of the time: {show}"
    );
}
