//! Logs for Inspect AI, as its own tools read them: scores as in `session.json`, transcripts as they were.

use std::path::Path;
use std::process::Command;

use bench_tests::bed::TestBed;
use serde_json::{Value, json};

use crate::installed;

/// Runs a program of the environment of Python, and gives back what it wrote to stdout.
fn ran(real: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(real.join("venv/bin").join(program))
        .args(arguments)
        .output()
        .unwrap();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {trouble}");
    String::from_utf8(output.stdout).unwrap()
}

fn read(real: &Path, folder: &Path) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("real/inspect_log.py");
    let seen = ran(
        real,
        "python",
        &[script.to_str().unwrap(), folder.to_str().unwrap()],
    );
    serde_json::from_str(&seen).unwrap_or_else(|error| panic!("{error}: {seen}"))
}

/// A run with every outcome that needs no second to come about, and a scenario whose id is no file name. Its logs are in
/// `logs`.
fn logged() -> TestBed {
    let bed = TestBed::new();
    let answers = json!({"verifier_type": "response_check", "validation_config": {"contains": "done"}});
    let broken = json!({"verifier_type": "database_state",
        "validation_config": {"query": "SELECT x FROM nowhere", "expected_value": 1}});
    let look = json!({"tool": "list_projects", "arguments": {}});
    let scenario = |id: &str, verifiers: Value, calls: Value| {
        json!({
            "scenario_id": id, "name": id,
            "prompts": [{"prompt_text": format!("[{id}] Do your work."), "verifier": verifiers}],
            "solution": {"calls": calls, "answer": "done"},
        })
    };
    let mut short = scenario("short", json!([answers]), json!([look]));
    short["limits"] = json!({"max_turns": 1});
    bed.write_json(
        "harness.json",
        &json!({"scenarios": [
            scenario("../looks/50%", json!([answers]), json!([look])),
            scenario("broken", json!([broken, answers]), json!([])),
            scenario("free", Value::Null, json!([])),
            short,
        ]}),
    );
    let usage = json!({"input_tokens": 900, "output_tokens": 12});
    let turns = json!([
        {"calls": [{"tool": "no_such_tool", "arguments": "{\"torn"}], "say": "<think>Hm.</think> Let me see.", "usage": usage},
        {"answer": "I gave up.", "usage": usage},
    ]);
    bed.write_json("bad.json", &json!({"scenarios": {"*": turns}}));
    let line = "run harness.json --model oracle --model script:bad.json --runs 2 --retries 0 --ui quiet";
    let shot = bed.bench(line);
    assert_eq!(shot.code, Some(0), "{shot}");
    let shot = bed.bench("report latest --format eval");
    assert_eq!(shot.code, Some(0), "{shot}");
    std::fs::create_dir(bed.path("logs")).unwrap();
    for name in shot.stdout.lines() {
        std::fs::rename(bed.path(name), bed.path("logs").join(name)).unwrap();
    }
    bed
}

#[test]
fn logs_are_read_by_inspect_with_the_scores_of_the_session() {
    let Some(real) = installed("logs_are_read_by_inspect_with_the_scores_of_the_session") else {
        return;
    };
    let bed = logged();
    let (run, session) = (bed.the_run(), bed.the_run().session());
    let logs = read(&real, &bed.path("logs"));
    let models = session["models"].as_array().unwrap();
    assert_eq!(logs.len(), models.len());
    for model in models {
        let name = model["model"].as_str().unwrap();
        let ours = json!(name.replacen(':', "/", 1));
        let log = logs.iter().find(|log| log["model"] == ours).unwrap();
        assert_eq!(
            (&log["status"], &log["run_id"], &log["epochs"]),
            (&json!("success"), &json!(run.id()), &json!(2))
        );
        for same in ["same_header", "same_alone", "same_summaries"] {
            assert_eq!(log[same], true, "{name}: {same}");
        }
        let count = |outcome: &str| model[outcome].as_u64().unwrap();
        let scored = count("passed") + count("failed") + count("limit");
        let passed = &log["scores"]["passed"];
        assert_eq!(
            (&passed["scored"], &passed["unscored"]),
            (&json!(scored), &json!(count("errored") + count("unscored"))),
            "{name}"
        );
        let samples = log["samples"].as_array().unwrap();
        let with = |value: &str| samples.iter().filter(|s| s["scores"]["passed"] == value).count() as u64;
        assert_eq!(
            (with("C"), with("I")),
            (count("passed"), scored - count("passed")),
            "{name}"
        );
        let errors = samples.iter().filter(|sample| !sample["error"].is_null()).count() as u64;
        assert_eq!(errors, count("errored"), "{name}");
        for (scorer, metric) in [("passed", "accuracy"), ("verifiers", "mean")] {
            let told = log["scores"][scorer]["metrics"][metric].as_f64();
            let computed = log["rates"][scorer].as_f64();
            let far = told.zip(computed).map(|(a, b)| (a - b).abs());
            assert!(
                far.is_some_and(|far| far < 1e-9),
                "{name} {scorer}: {told:?} {computed:?}"
            );
        }
        let used = &log["usage"][name.replacen(':', "/", 1)];
        assert_eq!(used.get(0), model["usage"].get("input_tokens"), "{name}");
        assert_eq!(used.get(1), model["usage"].get("output_tokens"), "{name}");
    }
}

#[test]
fn transcripts_are_read_by_inspect_as_they_were() {
    let Some(real) = installed("transcripts_are_read_by_inspect_as_they_were") else {
        return;
    };
    let bed = logged();
    let run = bed.the_run();
    for log in read(&real, &bed.path("logs")) {
        for sample in log["samples"].as_array().unwrap() {
            let trial = sample["metadata"]["trial"].as_str().unwrap();
            let lines = run.transcript(trial);
            let said: Vec<Value> = lines.iter().filter_map(message).collect();
            assert_eq!(sample["messages"], json!(said), "{trial}");
            let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
            let events = sample["events"].as_array().unwrap();
            let told = |kind: &str| events.iter().filter(|event| *event == kind).count();
            assert_eq!(told("model"), of("assistant"), "{trial}");
            assert_eq!(told("tool"), of("tool_result"), "{trial}");
            let mut before = Vec::new();
            let mut asked = Vec::new();
            for role in said.iter().map(|message| &message[0]) {
                if role == "assistant" {
                    asked.push(json!(before));
                }
                before.push(role);
            }
            assert_eq!(
                sample["asked"],
                json!(asked),
                "{trial}: what each request was told"
            );
            let limit = (sample["metadata"]["outcome"] == "limit").then(|| json!(["turn", 1.0]));
            assert_eq!(sample["limit"], json!(limit), "{trial}");
        }
    }
}

/// A line of a transcript as role and text.
fn message(line: &Value) -> Option<Value> {
    let role = match line["type"].as_str()? {
        "tool_result" => "tool",
        role @ ("system" | "user" | "assistant") => role,
        _ => return None,
    };
    Some(json!([role, line["text"]]))
}

#[test]
fn inspects_commands_take_our_logs() {
    let Some(real) = installed("inspects_commands_take_our_logs") else {
        return;
    };
    let bed = logged();
    let logs = bed.path("logs");
    for entry in std::fs::read_dir(&logs).unwrap() {
        let file = entry.unwrap().path();
        let dumped = ran(&real, "inspect", &["log", "dump", file.to_str().unwrap()]);
        let dumped: Value = serde_json::from_str(&dumped).unwrap();
        assert_eq!(dumped["samples"].as_array().unwrap().len(), 8);
    }
    let listed = ran(
        &real,
        "inspect",
        &["log", "list", "--json", "--log-dir", logs.to_str().unwrap()],
    );
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let before = read(&real, &logs);
    for form in ["json", "eval"] {
        let converted = bed.path(form);
        let arguments = ["log", "convert", "--to", form, "--output-dir"];
        let folders = [converted.to_str().unwrap(), logs.to_str().unwrap()];
        ran(&real, "inspect", &[&arguments[..], &folders[..]].concat());
        assert_eq!(read(&real, &converted), before, "converted to {form}");
    }
    let bundle = bed.path("bundle");
    let program = "import sys, inspect_ai.log as log; log.bundle_log_dir(sys.argv[1], sys.argv[2])";
    let folders = [logs.to_str().unwrap(), bundle.to_str().unwrap()];
    ran(&real, "python", &[&["-c", program], &folders[..]].concat());
    assert!(bundle.join("index.html").is_file());
}
