//! A finished run as a recording: played again without any model server, and judged again with other verifiers.

use std::collections::BTreeMap;

use bench_tests::bed::{RunFolder, TestBed};
use serde_json::{Value, json};

use crate::harness::{answers, creates_issue, harness, quickstart, scenario, sql};

fn youngest(bed: &TestBed) -> RunFolder {
    bed.runs().pop().expect("a run")
}

/// Every verdict, by scenario, recorded model, repetition and verifier.
fn verdicts(run: &RunFolder) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for trial in run.trials().into_values() {
        let model = trial["model"].as_str().unwrap();
        let model = model.rsplit('/').next().unwrap();
        for (place, verdict) in trial["verdicts"].as_array().unwrap().iter().enumerate() {
            let key = format!("{} {model} {} {place}", trial["scenario_id"], trial["repetition"]);
            all.insert(key, verdict["verdict"].clone());
        }
    }
    all
}

/// The summary that the last line of `--json` holds.
fn summary(stdout: &str) -> Value {
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn the_quickstart_played_again_and_judged_again() {
    let bed = TestBed::new();
    let harness = quickstart();
    let shot = bed.bench(&format!(
        "run {} --model oracle --model noop --ui quiet",
        harness.display()
    ));
    assert_eq!(shot.code, Some(0), "{shot}");
    let recorded = bed.the_run();

    // No key, no server: the same verdicts.
    let shot = bed.bench(&format!(
        "run {} --model replay:latest --ui quiet --json",
        harness.display()
    ));
    assert_eq!(shot.code, Some(0), "{shot}");
    let replayed = youngest(&bed);
    assert_eq!(verdicts(&replayed), verdicts(&recorded));
    assert_eq!(
        summary(&shot.stdout)["drift"],
        Value::Null,
        "nothing was otherwise: {shot}"
    );
    let models = replayed.json("plan.json")["models"].clone();
    assert_eq!(models[0]["model"], format!("replay:{}/oracle", recorded.id()));
    assert_eq!(models[0]["recorded_in"], bed.results().to_str().unwrap());

    // One verifier is another: exactly that is told.
    let mut text: Value =
        serde_json::from_str(&std::fs::read_to_string(harness.join("harness.json")).unwrap()).unwrap();
    let scenarios = text["scenarios"].as_array_mut().unwrap();
    let log_work = scenarios
        .iter_mut()
        .find(|s| s["scenario_id"] == "log-work")
        .unwrap();
    let verifier = &mut log_work["prompts"][0]["verifier"];
    let verifier = if verifier.is_array() {
        &mut verifier[0]
    } else {
        verifier
    };
    verifier["validation_config"]["expected_value"] = json!(1);
    let name = verifier["name"].clone();
    bed.write_json("changed.json", &text);
    let shot = bed.bench(&format!(
        "rescore {} --harness changed.json --ui quiet --json",
        recorded.id()
    ));
    assert_eq!(shot.code, Some(0), "{shot}");
    let rescored = youngest(&bed);
    let rescore = summary(&shot.stdout)["rescore"].clone();
    assert_eq!(rescore["of"], recorded.id());
    let changed = rescore["changed"].as_array().unwrap();
    assert_eq!(changed.len(), 1, "{rescore:#}");
    assert_eq!(
        json!([
            changed[0]["scenario_id"],
            changed[0]["model"],
            changed[0]["verifier"],
            changed[0]["before"],
            changed[0]["after"]
        ]),
        json!(["log-work", "oracle", name, "true", "false"])
    );
    let rate = |model: usize, when: &str| rescore["models"][model][when]["passed"].clone();
    assert_eq!(
        [rate(0, "before"), rate(0, "after"), rate(1, "after")],
        [16, 15, 0]
    );
    let plan = rescored.json("plan.json");
    assert_eq!(plan["rescores"], recorded.id(), "the new run names the old one");
    let differs: Vec<String> = verdicts(&rescored)
        .into_iter()
        .filter(|(key, verdict)| verdicts(&recorded)[key] != *verdict)
        .map(|(key, _)| key)
        .collect();
    assert_eq!(differs, [r#""log-work" oracle 1 0"#]);
    // Whoever looks later sees it too.
    let shown = bed.bench(&format!("show {}", rescored.id())).stdout;
    assert!(
        shown.contains(&format!("Judged again, {}:", recorded.id())),
        "{shown}"
    );
    assert!(shown.contains("1 of 156 verdicts changed (32 trials)"), "{shown}");
}

/// A run of two scenarios, one of which a limit ended.
fn recording() -> TestBed {
    let bed = TestBed::new();
    let list = json!({"calls": [{"tool": "list_projects"}]});
    let mut far = scenario("far", [answers("done")]);
    far["solution"] = list.clone();
    let mut near = scenario("near", [answers("done")]);
    near["solution"] = list;
    bed.write_json("harness.json", &harness([near, far, creates_issue("fine")]));
    let shot = bed.bench("run harness.json --model oracle --scenario near --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    bed
}

#[test]
fn what_was_never_recorded_is_refused_all_at_once_and_before_anything_starts() {
    let bed = recording();
    insta::assert_snapshot!(bed.bench("run harness.json --model replay:latest"), @r"
        $ bench-cli run harness.json --model replay:latest
        exit 2
        ── stderr
        error: run `run_YYYYMMDD_HHMMSS_xxxxxxxx` has no trial of it with `oracle` to play
          --> harness.json:27:5
           |
        27 |     {
           |     ^
           |
           = note: in scenario `far`, at /scenarios/1
           = help: leave it out with --scenario, --tag or --limit, or play a run that has it

        error: run `run_YYYYMMDD_HHMMSS_xxxxxxxx` has no trial of it with `oracle` to play
          --> harness.json:51:5
           |
        51 |     {
           |     ^
           |
           = note: in scenario `fine`, at /scenarios/2
           = help: leave it out with --scenario, --tag or --limit, or play a run that has it

        2 errors
        ");
    let copies = bed.bench("run harness.json --model replay:latest --scenario near --runs 10");
    let why = "has 1 repetition of `near` with `oracle`, and 10 are asked for: more would be copies";
    assert_eq!(copies.code, Some(2), "{copies}");
    assert!(copies.stderr.contains(why), "{copies}");
    insta::assert_snapshot!(bed.bench("run harness.json --model replay:latest/noop --scenario near"), @r"
        $ bench-cli run harness.json --model replay:latest/noop --scenario near
        exit 2
        ── stderr
        error: the run `run_YYYYMMDD_HHMMSS_xxxxxxxx` has nothing of a model `noop` to play; it has `oracle`
        ");
    insta::assert_snapshot!(bed.bench("run harness.json --model replay:run_1999"), @r"
        $ bench-cli run harness.json --model replay:run_1999
        exit 2
        ── stderr
        error: no run `run_1999` in `<bed>/results/runs`
          try: `bench-cli list` shows the runs there are; `--results DIR` looks elsewhere
        ");
    assert_eq!(bed.runs().len(), 1, "nothing was started");
}

/// An MCP server over stdio that answers the call of its one tool like this, as a gym file.
fn shell_gym(bed: &TestBed, answer: &Value) -> Value {
    let introduction = json!({
        "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
        "serverInfo": {"name": "shell", "version": "1"},
    });
    let tools = json!({"tools": [{"name": "greet", "inputSchema": {"type": "object"}}]});
    let script = format!(
        r#"while IFS= read -r line; do
                id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
                case $line in
                    *'"method":"initialize"'*) result='{introduction}' ;;
                    *'"method":"tools/list"'*) result='{tools}' ;;
                    *'"method":"tools/call"'*) result='{answer}' ;;
                    *'"id"'*) printf '{{"jsonrpc":"2.0","id":%s,"error":{{"code":-32601,"message":"?"}}}}\n' "$id"; continue ;;
                    *) continue ;;
                esac
                printf '{{"jsonrpc":"2.0","id":%s,"result":%s}}\n' "$id" "$result"
            done"#
    );
    let path = bed.write("server.sh", &script);
    json!({"mcpServers": {"shell": {"command": "sh", "args": [path]}}})
}

#[test]
fn a_server_that_answers_otherwise_is_told_in_log_record_and_summary() {
    let bed = TestBed::new();
    let mut near = scenario("near", [answers("done")]);
    near["solution"] = json!({"calls": [{"tool": "greet"}], "answer": "done"});
    bed.write_json("harness.json", &harness([near]));
    let text =
        |text: &str, failed: bool| json!({"content": [{"type": "text", "text": text}], "isError": failed});
    bed.write_json("gyms.json", &shell_gym(&bed, &text("hello", false)));
    let shot = bed.bench("run harness.json --gym-config gyms.json --model oracle --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let recorded = bed.the_run().id();
    shell_gym(&bed, &text("out of order", true));
    let launched = bed.bench(&format!(
        "run harness.json --gym-config gyms.json --model replay:{recorded} --background"
    ));
    assert_eq!(launched.code, Some(0), "{launched}");
    assert!(!launched.stderr.contains("warning"), "{launched}");
    let attached = bed.bench("attach");
    assert_eq!(attached.code, Some(0), "{attached}");
    let run = youngest(&bed);
    let (id, record) = run.trials().pop_first().unwrap();
    let drift = record["drift"].as_array().unwrap();
    let what: Vec<&str> = drift.iter().map(|d| d["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["it succeeded when it was recorded, and failed now"]);
    let shown = bed.bench("show latest").stdout;
    assert!(
        shown.contains(&format!("Not as recorded:\n! {id}: 1 difference")),
        "{shown}"
    );
    let logs = bed.bench("logs latest").stdout;
    assert!(logs.contains("drift: greet: it succeeded"), "{logs}");
}

#[test]
fn a_scenario_that_asks_for_something_else_than_was_recorded_is_refused_and_a_server_elsewhere_is_told() {
    let bed = recording();
    let recorded = bed.the_run().id();
    let mut near = scenario("near", [answers("done")]);
    near["prompts"][0]["prompt_text"] = json!("Something else.");
    near["restricted_tools"] = json!(["list_projects"]);
    bed.write_json("other.json", &harness([near]));
    insta::assert_snapshot!(bed.bench(&format!("run other.json --model replay:{recorded}")), @r"
    $ bench-cli run other.json --model replay:run_YYYYMMDD_HHMMSS_xxxxxxxx
    exit 2
    ── stderr
    error: its prompts and tools are not those of run `run_YYYYMMDD_HHMMSS_xxxxxxxx`: what was said there is no answer to them
     --> other.json:3:5
      |
    3 |     {
      |     ^
      |
      = note: in scenario `near`, at /scenarios/0
      = help: put them back, leave the scenario out with --scenario, --tag or --limit, or ask a model

    1 error
    ");
    assert_eq!(bed.runs().len(), 1, "nothing was started");
    // To judge this as an answer to other prompts would be wrong, too.
    let refused = bed.bench(&format!("rescore {recorded} --harness other.json"));
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(
        refused.stderr.contains("its prompts are not the recorded ones"),
        "{refused}"
    );

    bed.write_json(
        "gyms.json",
        &json!({"gyms": {"tracker": {"url": "http://127.0.0.1:9/mcp"}}}),
    );
    let planned = format!(
        "run harness.json --scenario near --gym-config gyms.json --model replay:{recorded} --dry-run"
    );
    let planned = bed.bench(&planned);
    assert_eq!(planned.code, Some(0), "{planned}");
    assert!(
        planned
            .stderr
            .contains("the gym `tracker` is reached otherwise than in run"),
        "{planned}"
    );
}

#[test]
fn a_limit_ends_a_replay_where_it_ended_the_recording_and_a_resume_goes_on_playing() {
    let bed = TestBed::new();
    let mut far = scenario("far", [answers("done")]);
    far["solution"] = json!({"calls": [{"tool": "list_projects"}, {"tool": "list_projects"}]});
    let broken = scenario("broken", [sql("SELECT x FROM nowhere", &json!(1))]);
    let mut broken_too = broken;
    broken_too["solution"] = json!({"calls": [], "answer": "done"});
    bed.write_json("harness.json", &harness([far, broken_too]));
    let shot = bed.bench("run harness.json --model oracle --max-turns 2 --retries 0 --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let recorded = bed.the_run();
    let shot = bed.bench("run harness.json --model replay:latest --retries 0 --ui quiet");
    assert_eq!(shot.code, Some(0), "{shot}");
    let replayed = youngest(&bed);
    let outcomes = |run: &RunFolder| run.outcomes().into_values().collect::<Vec<_>>();
    assert_eq!(outcomes(&replayed), ["errored", "limit"]);
    assert_eq!(outcomes(&replayed), outcomes(&recorded));
    assert!(
        replayed
            .trials()
            .values()
            .any(|trial| trial["cause"] == "turn limit reached (2 turns)")
    );
    // What could not be judged is played once more.
    let resumed = bed.bench("resume --ui quiet");
    assert_eq!(resumed.code, Some(0), "{resumed}");
    let finished = replayed
        .events()
        .into_iter()
        .filter(|event| event["event"] == "trial_finished");
    assert_eq!(finished.count(), 3);
    // Judged again with a check that works, nothing is errored any more.
    let mut far = scenario("far", [answers("done")]);
    far["scenario_id"] = json!("far");
    bed.write_json(
        "mended.json",
        &harness([far, scenario("broken", [answers("done")])]),
    );
    let shot = bed.bench(&format!(
        "rescore {} --harness mended.json --ui quiet --json",
        recorded.id()
    ));
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(outcomes(&youngest(&bed)), ["passed", "limit"]);
    let changed = &summary(&shot.stdout)["rescore"]["changed"];
    assert_eq!(
        (&changed[0]["before"], &changed[0]["after"]),
        (&Value::Null, &json!("true")),
        "{changed:#}"
    );
}
