//! One trial in the dashboard, in a real terminal: while it runs, and step by step when it is over.

use bench_tests::bed::{PATIENCE, Terminal, TestBed};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Script, Turn, call};
use serde_json::json;

use crate::harness::{answers, harness, one_new_issue, scenario};

/// A model that files a bug and says so, with something in it that no terminal should obey.
pub(crate) fn talkative() -> (ModelStub, TestBed) {
    let arguments = json!({
        "projectKey": "WEB", "issueType": "Bug", "summary": "\u{1b}]0;owned\u{7}the start page crashes at once",
        "description": "first line\nsecond line",
    });
    let stub = ModelStub::start(Script::always([
        Turn::call([call("create_issue", arguments)]),
        Turn::say("It is done.\u{1b}[2J"),
    ]));
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json(
        "harness.json",
        &harness([scenario("a", [one_new_issue(), answers("never said")])]),
    );
    (stub, bed)
}

#[test]
fn a_trial_is_seen_to_advance_and_then_replayed_step_by_step() {
    let (stub, bed) = talkative();
    let Some(terminal) = Terminal::open(&bed, 80, 24) else {
        return;
    };
    stub.hold();
    terminal.run(
        "bench-cli run harness.json --model openai:m --background",
        PATIENCE,
    );
    let run = bed.the_run();
    terminal.enter(&format!("clear; bench-cli view {}", run.id()));
    terminal.wait_for(PATIENCE, |screen| screen.contains("a~openai-m~1 · under way"));
    terminal.press("Enter");
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains("[a] Do your work."));
    assert!(
        screen.contains("under way") && screen.contains("entries, following"),
        "{screen}"
    );
    assert!(!screen.contains("create_issue"), "{screen}");

    stub.release();
    // That it is over comes another way than what was said.
    let last = [
        "✗ failed",
        "assistant, turn 2",
        "It is done.␛[2J",
        "❯ outcome",
        "failed · 1/2 verifiers",
    ];
    terminal.wait_for(PATIENCE, |screen| last.iter().all(|said| screen.contains(said)));

    terminal.press("Home");
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains("❯ attempt 1"));
    assert!(screen.contains("entry 1 of "), "{screen}");
    let mut step = 1;
    let screen = loop {
        terminal.press("Right");
        step += 1;
        let screen = terminal.wait_for(PATIENCE, |screen| screen.contains(&format!("step {step} of ")));
        if screen.contains("→ create_issue") {
            break screen;
        }
        assert!(!screen.contains("← create_issue"), "{screen}");
    };
    assert!(screen.contains(r#""summary": "\u001b]0;owned"#), "{screen}");
    assert!(!screen.contains("← create_issue"), "that comes later:\n{screen}");
    terminal.press("n");
    terminal.wait_for(PATIENCE, |screen| screen.contains("← create_issue: ok"));

    terminal.press("Tab");
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains("✗ false"));
    assert!(
        screen.contains("✓ true") && screen.contains("SELECT count(*)"),
        "{screen}"
    );
    terminal.press("Tab");
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains("POST http://"));
    assert!(
        screen.contains("turn 1, ") && !screen.contains("sk-canary"),
        "{screen}"
    );
    terminal.press("Tab");
    terminal.wait_for(PATIENCE, |screen| {
        screen.contains("create_issue") && !screen.contains("POST http://")
    });
    terminal.press("y");
    terminal.wait_for(PATIENCE, |screen| {
        screen.replace('\n', "").contains("trials/a~openai-m~1.jsonl")
    });
    terminal.press("Escape");
    terminal.wait_for(PATIENCE, |screen| screen.contains("a~openai-m~1 · failed"));
    terminal.press("Escape");
    terminal.wait_for(PATIENCE, |screen| screen.contains("COMPLETED  1"));
    terminal.press("q");
    terminal.wait_for(PATIENCE, |screen| screen.trim_end().ends_with("bed$"));
}
