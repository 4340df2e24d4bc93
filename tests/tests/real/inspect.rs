//! Logs for Inspect AI, as its own tools read them: scores as in `session.json`, samples as in the records of trials,
//! transcripts as they were. In its viewer, text of models is text.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench_tests::bed::{PATIENCE, Started, TestBed};
use serde_json::{Value, json};

use self::same::{inspects, is_in_session, is_recorded, is_transcribed, samples};
use crate::{browser, driven, installed};

mod lived;
mod same;

/// What no viewer may run or show as something else, and no reader stumble over.
const ATTACK: &str =
    "\0\u{1b}[31m\u{202e}\u{2028}<img src=x onerror=alert(1)><script>alert(1)</script> attachment://0";

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

/// The logs of each folder, as Inspect reads them.
fn read(real: &Path, folders: &[PathBuf]) -> Vec<Vec<Value>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("real/inspect_log.py");
    let mut arguments = vec![script.to_str().unwrap()];
    arguments.extend(folders.iter().map(|folder| folder.to_str().unwrap()));
    let seen = ran(real, "python", &arguments);
    serde_json::from_str(&seen).unwrap_or_else(|error| panic!("{error}: {seen}"))
}

/// Logs of the youngest run, in this folder.
fn log(bed: &TestBed, folder: &str) -> PathBuf {
    let shot = bed.bench("report latest --format eval");
    assert_eq!(shot.code, Some(0), "{shot}");
    std::fs::create_dir(bed.path(folder)).unwrap();
    for name in shot.stdout.lines() {
        std::fs::rename(bed.path(name), bed.path(folder).join(name)).unwrap();
    }
    bed.path(folder)
}

/// A run with every outcome that needs no second to come about, a scenario whose id is no file name, and attacks.
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
            scenario("evil", json!([answers]), json!([])),
            short,
        ]}),
    );
    let usage = json!({"input_tokens": 900, "output_tokens": 12});
    let turns = json!([
        {"calls": [{"tool": "no_such_tool", "arguments": "{\"torn"}], "say": "<think>Hm.</think> Let me see.", "usage": usage},
        {"answer": "I gave up.", "usage": usage},
    ]);
    let evil = json!([
        {"calls": [{"tool": "list_projects", "arguments": {ATTACK: ATTACK}}, {"tool": ATTACK, "arguments": {}}], "say": ATTACK},
        {"answer": format!("{} the end", ATTACK.repeat(2_000))},
    ]);
    bed.write_json("bad.json", &json!({"scenarios": {"evil": evil, "*": turns}}));
    let line = "run harness.json --model oracle --model script:bad.json --runs 2 --retries 0 --ui quiet";
    let shot = bed.bench(line);
    assert_eq!(shot.code, Some(0), "{shot}");
    bed
}

#[test]
fn logs_say_what_the_session_the_records_and_the_transcripts_say() {
    let Some(real) = installed("logs_say_what_the_session_the_records_and_the_transcripts_say") else {
        return;
    };
    let bed = logged();
    let folder = log(&bed, "logs");
    let (run, session) = (bed.the_run(), bed.the_run().session());
    let logs = &read(&real, &[folder])[0];
    let models = session["models"].as_array().unwrap();
    assert_eq!(logs.len(), models.len());
    for model in models {
        let ours = json!(inspects(model["model"].as_str().unwrap()));
        let log = logs.iter().find(|log| log["model"] == ours).unwrap();
        assert_eq!(
            (&log["status"], &log["run_id"], &log["epochs"]),
            (&json!("success"), &json!(run.id()), &json!(2))
        );
        is_in_session(log, model);
        for sample in samples(log) {
            is_recorded(sample, &run);
            is_transcribed(sample, &run);
        }
    }
}

#[test]
fn inspects_commands_take_our_logs() {
    let Some(real) = installed("inspects_commands_take_our_logs") else {
        return;
    };
    let bed = logged();
    let logs = log(&bed, "logs");
    let file = std::fs::read_dir(&logs).unwrap().next().unwrap().unwrap().path();
    let dumped = ran(&real, "inspect", &["log", "dump", file.to_str().unwrap()]);
    let dumped: Value = serde_json::from_str(&dumped).unwrap();
    assert_eq!(samples(&dumped).len(), 10);
    let mut folders = vec![logs.clone()];
    for form in ["json", "eval"] {
        let converted = bed.path(form);
        let arguments = ["log", "convert", "--to", form, "--output-dir"];
        let paths = [converted.to_str().unwrap(), logs.to_str().unwrap()];
        ran(&real, "inspect", &[&arguments[..], &paths[..]].concat());
        folders.push(converted);
    }
    let read = read(&real, &folders);
    assert_eq!(read[0].len(), 2);
    assert!(
        read[1] == read[0] && read[2] == read[0],
        "converted logs say the same"
    );
}

#[test]
fn inspects_viewer_shows_our_logs_and_runs_nothing_of_them() {
    const TEST: &str = "inspects_viewer_shows_our_logs_and_runs_nothing_of_them";
    let (Some(real), Some(browser)) = (installed(TEST), browser(TEST)) else {
        return;
    };
    let bed = logged();
    let logs = log(&bed, "logs");
    let (_server, address) = viewer(&bed, &real, &logs);
    let run = bed.the_run().id();
    let log = format!("{address}/#/logs/report-{run}-script-bad.json.eval");
    let pages = [
        (address.clone(), "script/bad.json"),
        (log.clone(), "10 Samples"),
        (
            format!("{log}/samples/sample/short/1/transcript"),
            "turn limit reached (1 turns)",
        ),
        (
            format!("{log}/samples/sample/evil/2/messages"),
            "There is no tool",
        ),
    ];
    let words: Vec<&str> = pages
        .iter()
        .flat_map(|(address, text)| [address.as_str(), text])
        .collect();
    let shots = real.join("inspect");
    std::fs::create_dir_all(&shots).unwrap();
    let seen = driven(&real, &browser, "view.js", &words, &shots);
    for ((page, _), seen) in pages.iter().zip(seen.as_array().unwrap()) {
        assert_eq!(
            (&seen["errors"], &seen["dialogs"]),
            (&json!([]), &json!(0)),
            "{page}"
        );
    }
    let text = |n: usize| seen[n]["text"].as_str().unwrap();
    assert!(
        text(1).contains("2 of 10 samples (20%) completed due to exceeding a limit"),
        "{}",
        text(1)
    );
    assert!(
        text(2).contains("list_projects") || text(2).contains("no_such_tool"),
        "{}",
        text(2)
    );
    assert!(text(3).contains("<script>alert(1)</script>"), "{}", text(3));
}

/// The viewer's server, and where it is.
fn viewer(bed: &TestBed, real: &Path, logs: &Path) -> (Started, String) {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut command = bed.command_of(real.join("venv/bin/inspect"));
    command.args(["view", "start", "--port", &port.to_string(), "--log-dir"]);
    command.arg(logs).env("PYTHONUNBUFFERED", "1");
    let server = bed.start_other(command, "inspect view");
    server.stdout_line(PATIENCE, |line| line.contains("Running on"));
    (server, format!("http://127.0.0.1:{port}"))
}
