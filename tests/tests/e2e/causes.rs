//! What keeps a run from going on stands on the dashboard, in the list and in the run: the cause, and what follows by
//! itself; then that follows.

use bench_tests::bad_gym::{BadGym, Faults};
use bench_tests::bed::{PATIENCE, Terminal, TestBed};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Fault, RetryAfter, Script, Turn};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::harness::{answers, half_done, harness, scenario};

/// Seconds that are announced: the list and the run are looked at meanwhile, on a busy machine too.
const SOMEWHAT: u64 = 20;

/// The dashboard, open before there is any run, on a terminal on which its sentences are whole.
fn dashboard(bed: &TestBed) -> Option<Terminal> {
    let terminal = Terminal::open(bed, 200, 30)?;
    terminal.enter("clear; bench-cli view");
    terminal.wait_for(PATIENCE, |screen| screen.contains("no runs here yet"));
    Some(terminal)
}

fn start(bed: &TestBed, options: &str) {
    let launched = bed.bench(&format!("run harness.json --background --retries 0 {options}"));
    assert_eq!(launched.code, Some(0), "{launched}");
}

fn shows(terminal: &Terminal, words: &[&str]) -> String {
    terminal.wait_for(PATIENCE, |screen| words.iter().all(|word| screen.contains(word)))
}

/// The list shows these words, and so does the run.
fn told(terminal: &Terminal, words: &[&str]) {
    shows(terminal, words);
    terminal.press("Enter");
    shows(terminal, &[words, &["scenario 1/"]].concat());
}

#[test]
fn a_stuck_tool_is_named_with_the_time_that_it_has_left() {
    let bad = BadGym::start(Faults::default());
    let bed = TestBed::new();
    bed.write_json(
        "gyms.json",
        &json!({"gyms": {"bad": {"url": bad.mcp_url()}}, "default": "bad"}),
    );
    let mut stuck = scenario("stuck", [answers("done")]);
    stuck["limits"] = json!({"tool_timeout_seconds": SOMEWHAT});
    stuck["solution"] = json!({"calls": [{"tool": "hang", "arguments": {}}], "answer": "done"});
    bed.write_json("harness.json", &harness([stuck]));
    let Some(terminal) = dashboard(&bed) else { return };
    start(&bed, "--model oracle --gym-config gyms.json");
    told(
        &terminal,
        &["waiting", "given up in ", " · tool hang of bad · waits "],
    );
    // What was announced follows, and whoever looked away is told.
    shows(
        &terminal,
        &["errored: tool `hang` of gym `bad` did not answer within"],
    );
    terminal.press("Escape");
    shows(
        &terminal,
        &["COMPLETED  1", &format!("{} completed", bed.the_run().id())],
    );
}

#[test]
fn a_rate_limit_is_named_with_the_time_until_the_next_request() {
    let refused = Fault::Status {
        status: 429,
        retry_after: Some(RetryAfter::Seconds(SOMEWHAT)),
    };
    let stub = ModelStub::start(Script::always([Turn::say("done").after([refused])]));
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json("harness.json", &harness([scenario("a", [answers("done")])]));
    let Some(terminal) = dashboard(&bed) else { return };
    start(&bed, "--model openai:m");
    told(
        &terminal,
        &[
            "next request in ",
            " · 429 rate limit · ",
            "openai:m: 429",
            "waiting",
        ],
    );
    shows(&terminal, &["completed", "1 passed"]);
}

#[test]
fn a_stopped_worker_and_a_dead_one_are_told_with_what_helps() {
    let (_stub, bed) = half_done();
    let Some(terminal) = dashboard(&bed) else { return };
    start(&bed, "--model openai:m");
    let run = bed.the_run();
    shows(&terminal, &["s · reply of openai:m"]);
    let pid = run.state()["worker"]["pid"].as_i64().unwrap();
    let worker = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();

    kill_process(worker, Signal::STOP).unwrap();
    told(
        &terminal,
        &[
            "stopped",
            "worker stopped",
            &format!("`kill -CONT {pid}` continues it"),
        ],
    );
    kill_process(worker, Signal::CONT).unwrap();
    terminal.wait_for(PATIENCE, |screen| !screen.contains("stopped"));
    shows(&terminal, &["s · reply of openai:m"]);

    kill_process(worker, Signal::KILL).unwrap();
    let dead = "worker_lost, `resume` continues it: the worker";
    shows(&terminal, &["✗ failed", dead]);
    terminal.press("Escape");
    let screen = shows(&terminal, &["COMPLETED  1", dead]);
    assert!(!screen.contains("IN PROGRESS"), "{screen}");
}
