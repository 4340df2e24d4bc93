//! The view of a run in the process that does it, and of one that is attached to: what ends the view does not end the run,
//! what ends the run ends it as without a view, and exit codes stay.

use bench_tests::bed::{PATIENCE, Terminal, TestBed};

use crate::dashboard::settings;
use crate::harness::half_done;

const RUN: &str = "bench-cli run harness.json --model openai:m --ui tui; echo ended with $?";

/// Starts a run under its view.
fn under_its_view(terminal: &Terminal) {
    terminal.enter(&format!("clear; {RUN}"));
    terminal.wait_for(PATIENCE, |screen| {
        screen.contains("UNDER WAY  1") && screen.contains("1/2 trials")
    });
    let screen = terminal.screen();
    assert!(
        screen.contains("q leave the view") && screen.contains("^C end the run"),
        "{screen}"
    );
}

/// The exit code of the command, once it is over.
fn exit_code(terminal: &Terminal) -> i32 {
    code_after(terminal, "ended with")
}

/// The number that is echoed after these words.
fn code_after(terminal: &Terminal, words: &str) -> i32 {
    let line = format!("\n{words} ");
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains(&line));
    let (_, code) = screen.rsplit_once(&line).expect("just seen");
    let code = code.lines().next().unwrap_or_default();
    code.trim().parse().expect("a number")
}

#[test]
fn ctrl_c_in_the_view_ends_the_run_as_without_it() {
    let (_stub, bed) = half_done();
    let Some(terminal) = Terminal::open(&bed, 100, 30) else {
        return;
    };
    let before = settings(&terminal, &bed);
    under_its_view(&terminal);
    terminal.press("C-c");
    assert_eq!(exit_code(&terminal), 130);
    let run = bed.the_run();
    assert_eq!(run.status(), "cancelled");
    assert_eq!(run.outcomes()["quick~openai-m~1"], "passed");
    let screen = terminal.screen();
    assert!(screen.contains("SIGINT: waiting for running trials"), "{screen}");
    assert!(
        screen.contains(&format!("bench-cli resume {}", run.id())),
        "{screen}"
    );
    assert_eq!(settings(&terminal, &bed), before, "the terminal is as it was");
}

#[test]
fn a_view_that_is_left_makes_way_for_the_bars() {
    let (_stub, bed) = half_done();
    let Some(terminal) = Terminal::open(&bed, 100, 30) else {
        return;
    };
    let before = settings(&terminal, &bed);
    under_its_view(&terminal);
    // There is nowhere to go back to; and an Escape before another key would be Alt.
    terminal.press("BSpace");
    terminal.press("q");
    let screen = terminal.wait_for(PATIENCE, |screen| {
        screen.contains("1 running") && screen.contains("━") && !screen.contains("UNDER WAY")
    });
    assert!(screen.contains("openai:m") && screen.contains("1/2"), "{screen}");
    assert_eq!(bed.the_run().status(), "running");
    terminal.press("C-c");
    assert_eq!(exit_code(&terminal), 130);
    assert_eq!(settings(&terminal, &bed), before, "the terminal is as it was");
}

#[test]
fn a_run_whose_view_panics_goes_on() {
    if !cfg!(debug_assertions) {
        return; // a release has no such switch
    }
    let (stub, bed) = half_done();
    let Some(terminal) = Terminal::open(&bed, 100, 30) else {
        return;
    };
    let before = settings(&terminal, &bed);
    stub.hold();
    terminal.enter(&format!(
        "clear; export BENCH_TEST_PANIC=drawing; {}",
        RUN.replace("--model", "--scenario quick --model")
    ));
    terminal.wait_for(PATIENCE, |screen| {
        screen.contains("made to panic") && screen.contains("1 running")
    });
    stub.release();
    assert_eq!(exit_code(&terminal), 0);
    assert_eq!(bed.the_run().status(), "completed");
    assert_eq!(settings(&terminal, &bed), before, "the terminal is as it was");
}

#[test]
fn the_view_closes_when_the_run_is_over() {
    let (stub, bed) = half_done();
    let Some(terminal) = Terminal::open(&bed, 100, 30) else {
        return;
    };
    let before = settings(&terminal, &bed);
    stub.hold();
    terminal.enter(&format!(
        "clear; {}",
        RUN.replace("--model", "--scenario quick --model")
    ));
    terminal.wait_for(PATIENCE, |screen| screen.contains("UNDER WAY  1"));
    stub.release();
    assert_eq!(exit_code(&terminal), 0);
    let screen = terminal.screen();
    assert!(
        screen.contains("completed") && !screen.contains("UNDER WAY"),
        "{screen}"
    );

    // The same run's kind in the background, attached to.
    stub.hold();
    terminal.run(
        "bench-cli run harness.json --scenario quick --model openai:m --background",
        PATIENCE,
    );
    terminal.enter("clear; bench-cli attach");
    terminal.wait_for(PATIENCE, |screen| {
        // What comes after its first line is said when it listens to Ctrl-C.
        screen.contains("--ui tui` shows it on the whole screen") && screen.contains("quick~openai-m~1 |")
    });
    terminal.press("C-c");
    terminal.wait_for(PATIENCE, |screen| screen.contains("detached; the run goes on"));
    terminal.enter("clear; bench-cli attach --ui tui; echo detached with $?");
    terminal.wait_for(PATIENCE, |screen| screen.contains("UNDER WAY  1"));
    terminal.press("q");
    assert_eq!(code_after(&terminal, "detached with"), 0);
    terminal.enter("clear; bench-cli attach --ui tui; echo watched with $?");
    terminal.wait_for(PATIENCE, |screen| screen.contains("UNDER WAY  1"));
    stub.release();
    assert_eq!(code_after(&terminal, "watched with"), 0);
    assert!(terminal.screen().contains("completed"), "{}", terminal.screen());
    assert_eq!(settings(&terminal, &bed), before, "the terminal is as it was");
}

#[test]
fn a_view_that_cannot_be_is_refused_before_anything_runs() {
    let (_stub, bed) = half_done();
    let run = "run harness.json --model openai:m --ui tui";
    for (more, said) in [
        ("", "needs a terminal"),
        (" --json", "both want stdout"),
        (" --background", "not in the background"),
    ] {
        let shot = bed.bench(&format!("{run}{more}"));
        assert_eq!(shot.code, Some(2), "{shot}");
        assert!(shot.stderr.contains(said), "`{said}` is missing: {shot}");
        assert!(bed.runs().is_empty(), "{more}");
    }
    let bed = TestBed::new();
    let shot = bed.bench("attach --ui tui --json");
    assert_eq!(shot.code, Some(2), "{shot}");
}
