//! What happens to runs when people press Ctrl-C, twice, close the terminal, come back: in a real terminal, and with
//! the command lines of the older tool word for word.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use bench_tests::bed::{PATIENCE, Terminal, TestBed};
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{half_done, stubborn};

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Trials that are over, according to the journal of the only run.
fn finished(bed: &TestBed) -> usize {
    let runs = bed.runs();
    let events = runs.first().map(|run| run.path().join("events.jsonl"));
    let text = events
        .and_then(|path| fs::read_to_string(path).ok())
        .unwrap_or_default();
    text.matches("\"event\":\"trial_finished\"").count()
}

#[test]
fn a_closed_terminal_cancels_the_run_in_its_foreground() {
    let (_stub, bed) = half_done();
    let Some(terminal) = Terminal::open(&bed, 100, 30) else {
        return;
    };
    terminal.enter("bench-cli run harness.json --model openai:m");
    until("one trial is over", || finished(&bed) == 1);
    terminal.close();
    let run = bed.the_run();
    until("the run is over", || run.status() != "running");
    let state = run.state();
    assert_eq!(
        (&state["status"], &state["cause"]),
        (&json!("cancelled"), &json!("interrupted"))
    );
    assert_eq!(
        run.outcomes()["quick~openai-m~1"],
        "passed",
        "finished trials are kept"
    );
    until("no process is left", || run.processes().is_empty());
}

#[test]
fn the_older_tools_way_with_a_run_in_the_background_works_word_for_word() {
    let (_stub, bed) = half_done();
    let bed = bed.env("OPENAI_MODEL", "gpt-4o");
    let Some(terminal) = Terminal::open(&bed, 200, 50) else {
        return;
    };
    let screen = terminal.run(
        "bench-cli run --harness-file harness.json --model gpt-4o --runs 5 --background",
        PATIENCE,
    );
    let run = bed.the_run();
    let pid = run.state()["worker"]["pid"].to_string();
    for said in [
        run.id().as_str(),
        &format!("pid {pid}"),
        "results/runs/",
        "bench-cli attach",
    ] {
        assert!(screen.contains(said), "`{said}` is missing in\n{screen}");
    }
    until("the quick trials are over", || finished(&bed) == 5);

    let screen = terminal.run("bench-cli view list", PATIENCE);
    assert!(
        screen.contains("IN PROGRESS") && screen.contains("openai:gpt-4o"),
        "{screen}"
    );
    assert!(
        screen.contains("(5/10)") && screen.contains(&run.id()),
        "{screen}"
    );

    terminal.enter(&format!("bench-cli attach {}", run.id()));
    terminal.wait_for(PATIENCE, |screen| screen.matches("✓ passed").count() == 5);
    terminal.press("C-c");
    terminal.wait_for(PATIENCE, |screen| screen.contains("detached; the run goes on"));
    assert_eq!(run.status(), "running", "Ctrl-C ends the watching, not the run");

    terminal.close();
    let again = Terminal::open(&bed, 80, 24).unwrap();
    let screen = again.run("bench-cli view list", PATIENCE);
    assert!(
        screen.contains("IN PROGRESS") && screen.contains(&run.id()),
        "{screen}"
    );
    assert_eq!(
        run.state()["worker"]["pid"].to_string(),
        pid,
        "it is still the same worker"
    );

    let screen = again.run("bench-cli kill latest --grace 1m", PATIENCE);
    assert!(screen.contains("cancelled: it ended in order"), "{screen}");
    let screen = again.run("bench-cli view list", PATIENCE);
    assert!(
        screen.contains("COMPLETED") && !screen.contains("IN PROGRESS"),
        "{screen}"
    );
    assert_eq!(run.left_behind(), [""; 0]);
}

/// What the older tool left: a run that says it is running, one that failed without an end, one that is well.
fn left_by_the_older_tool(bed: &TestBed) {
    let write = |id: &str, rest: &str| {
        let text = format!(r#"{{"run_id": "{id}", "progress": {{"passed": 3, "total": 40}}, {rest}}}"#);
        let path = bed.write(&format!("results/background_runs/{id}/state.json"), text);
        let long_ago = SystemTime::now() - Duration::from_hours(48);
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(long_ago).unwrap();
    };
    write(
        "bg_20251028_210801_aa84f604",
        r#""status": "running", "started_at": "2025-10-28T21:08:01.482910", "completed_at": null, "error": null,
           "harness_name": "jira_harness", "model_summary": [{"provider": "openai", "model": "gpt-4o", "count": 2}]"#,
    );
    write(
        "bg_20251031_145250_2c83b3a1",
        r#""status": "failed", "started_at": "2025-10-31T14:52:50", "completed_at": null,
           "error": "TypeError: Scenario serialization bug (fixed in latest code)""#,
    );
    write(
        "bg_20251031_160539_b4e46a96",
        r#""status": "completed", "started_at": "2025-10-31T16:05:39", "completed_at": "2025-10-31T17:26:06""#,
    );
}

#[test]
fn the_older_tools_clean_up_settles_its_rows() {
    let bed = TestBed::new();
    left_by_the_older_tool(&bed);
    let Some(terminal) = Terminal::open(&bed, 200, 50) else {
        return;
    };
    let row = |id: &str| -> serde_json::Value {
        let path = bed.results().join("background_runs").join(id).join("state.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let before = row("bg_20251028_210801_aa84f604");
    let screen = terminal.run("bench-cli cleanup --stale-hours 24", PATIENCE);
    for said in [
        "bg_20251028_210801_aa84f604",
        "bg_20251031_145250_2c83b3a1",
        "stale",
        "broken",
        "3/40",
        "openai:gpt-4o",
        "--no-dry-run",
    ] {
        assert!(screen.contains(said), "`{said}` is missing in\n{screen}");
    }
    assert!(
        !screen.contains("bg_20251031_160539_b4e46a96"),
        "it is well:\n{screen}"
    );
    assert_eq!(row("bg_20251028_210801_aa84f604"), before, "a dry run");

    let screen = terminal.run("bench-cli cleanup --stale-hours 24 --no-dry-run", PATIENCE);
    assert!(screen.contains("2 runs settled"), "{screen}");
    let (stuck, broken) = (
        row("bg_20251028_210801_aa84f604"),
        row("bg_20251031_145250_2c83b3a1"),
    );
    assert_eq!(
        (&stuck["status"], &stuck["error"]),
        (
            &json!("failed"),
            &json!("Run marked as stale after 24h with no completion")
        )
    );
    assert_eq!(
        broken["error"],
        "TypeError: Scenario serialization bug (fixed in latest code)"
    );
    assert!(stuck["completed_at"].is_string() && broken["completed_at"].is_string());
    let screen = terminal.run("bench-cli cleanup --stale-hours 24", PATIENCE);
    assert!(screen.contains("every run is as it should be"), "{screen}");
}

#[test]
fn a_second_signal_waits_for_nobody_and_still_leaves_nothing() {
    for second in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (stub, bed) = stubborn();
        let started = bed.start("run harness.json --model openai:m --gym-config gyms.json --ui plain");
        stub.await_calls(1, PATIENCE);
        let run = bed.the_run();
        until("the server is there", || !run.processes().is_empty());
        started.signal(Signal::INT);
        started.stderr_line(PATIENCE, |line| line.contains("once more to stop at once"));
        started.signal(second);
        let shot = started.finish(PATIENCE);
        assert_eq!(shot.code, Some(130), "{shot}");
        let state = run.state();
        assert_eq!(state["status"], "cancelled", "{state}");
        assert!(state["completed_at"].is_string(), "{state}");
        assert_eq!(run.left_behind(), [""; 0], "left behind after {second:?}: {shot}");
    }
}
