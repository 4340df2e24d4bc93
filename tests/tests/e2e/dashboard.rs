//! The dashboard in a real terminal: runs that go on, one that is opened, one that ends, and the terminal afterwards.

use std::fs;
use std::time::{Duration, Instant};

use bench_tests::bed::{PATIENCE, Terminal, TestBed};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::half_done;

/// The screen once the shell waits for a command: what is typed before may go to whatever still has the terminal.
pub(crate) fn prompted(terminal: &Terminal) -> String {
    terminal.wait_for(PATIENCE, |screen| screen.trim_end().ends_with("bed$"))
}

/// What the shell's line discipline is set to, once whatever has the terminal has left it.
pub(crate) fn settings(terminal: &Terminal, bed: &TestBed) -> String {
    prompted(terminal);
    let file = bed.path("stty.txt");
    fs::remove_file(&file).ok();
    terminal.enter("stty -a > stty.new && mv stty.new stty.txt");
    let began = Instant::now();
    loop {
        if let Ok(said) = fs::read_to_string(&file) {
            // Whoever types next counts prompts.
            prompted(terminal);
            return said;
        }
        assert!(began.elapsed() < PATIENCE, "{}", terminal.screen());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_run_in_the_background_is_seen_opened_and_seen_to_end() {
    let (_stub, bed) = half_done();
    let Some(terminal) = Terminal::open(&bed, 80, 24) else {
        return;
    };
    let before = settings(&terminal, &bed);
    assert!(before.contains("icanon"), "{before}");
    terminal.run(
        "bench-cli run harness.json --model openai:m --background",
        PATIENCE,
    );
    let run = bed.the_run();

    terminal.enter("clear; bench-cli view");
    terminal.wait_for(PATIENCE, |screen| {
        screen.contains("IN PROGRESS  1") && screen.contains("1/2")
    });
    let screen = terminal.wait_for(PATIENCE, |screen| {
        screen.contains("waiting") && screen.contains("given up in")
    });
    assert!(
        screen.contains(&run.id()) && screen.contains("reply of openai:m"),
        "{screen}"
    );

    terminal.press("?");
    terminal.wait_for(PATIENCE, |screen| screen.contains("leave; runs go on"));
    terminal.press("x");
    terminal.wait_for(PATIENCE, |screen| !screen.contains("leave; runs go on"));

    terminal.press("Enter");
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains("UNDER WAY  1"));
    assert!(
        screen.contains("openai:m") && screen.contains("scenario 1/2"),
        "{screen}"
    );
    assert!(screen.contains("✓") && screen.contains("▶"), "{screen}");

    // Somebody else ends it meanwhile.
    let killed = bed.bench(&format!("kill {} --grace 1m", run.id()));
    assert_eq!(killed.code, Some(0), "{killed}");
    terminal.wait_for(PATIENCE, |screen| screen.contains("– cancelled"));
    terminal.press("Escape");
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains("COMPLETED  1"));
    assert!(!screen.contains("IN PROGRESS"), "{screen}");

    terminal.press("q");
    assert_eq!(settings(&terminal, &bed), before, "the terminal is as it was");
    assert!(
        !terminal.screen().contains("COMPLETED"),
        "the shell's own screen is back"
    );
}

#[test]
fn a_worker_that_is_killed_is_shown_with_its_cause_within_a_second() {
    let (_stub, bed) = half_done();
    let Some(terminal) = Terminal::open(&bed, 120, 24) else {
        return;
    };
    terminal.run(
        "bench-cli run harness.json --model openai:m --background",
        PATIENCE,
    );
    let run = bed.the_run();
    terminal.enter("clear; bench-cli view");
    terminal.wait_for(PATIENCE, |screen| screen.contains("IN PROGRESS  1"));
    let pid = run.state()["worker"]["pid"].as_i64().unwrap();
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
    let killed = Instant::now();
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains("COMPLETED  1"));
    assert!(
        screen.contains("failed: worker_lost, `resume` continues it"),
        "{screen}"
    );
    // A second is promised; a busy machine gets some more. A heartbeat that stays away is noticed after a minute.
    assert!(
        killed.elapsed() < Duration::from_secs(20),
        "{:?}",
        killed.elapsed()
    );
    terminal.press("q");
    assert!(settings(&terminal, &bed).contains("icanon"));
}

/// Starts the dashboard, and says its process.
fn view(terminal: &Terminal, bed: &TestBed) -> Pid {
    let file = bed.path("pid");
    fs::remove_file(&file).ok();
    terminal.enter("clear; sh -c 'echo $$ > pid; exec bench-cli view'");
    terminal.wait_for(PATIENCE, |screen| screen.contains("no runs here yet"));
    let pid = fs::read_to_string(&file).unwrap();
    Pid::from_raw(pid.trim().parse().unwrap()).unwrap()
}

#[test]
fn the_terminal_is_given_back_whatever_ends_the_dashboard() {
    let bed = TestBed::new();
    let Some(terminal) = Terminal::open(&bed, 80, 24) else {
        return;
    };
    let before = settings(&terminal, &bed);
    for (signal, name) in [
        (Signal::TERM, "SIGTERM"),
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
    ] {
        kill_process(view(&terminal, &bed), signal).unwrap();
        let screen = terminal.wait_for(PATIENCE, |screen| {
            screen.contains(&format!("interrupted by {name}"))
        });
        assert!(!screen.contains("no runs here yet"), "{screen}");
        assert_eq!(settings(&terminal, &bed), before, "after {name}");
    }
    view(&terminal, &bed);
    terminal.press("C-c");
    assert_eq!(settings(&terminal, &bed), before, "after Ctrl-C");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    if !cfg!(debug_assertions) {
        return; // a release has no such switch
    }
    let bed = TestBed::new();
    let Some(terminal) = Terminal::open(&bed, 80, 24) else {
        return;
    };
    let before = settings(&terminal, &bed);
    for (thread, said) in [
        ("drawing", "panicked at"),
        ("runs", "the thread `runs` of the dashboard panicked"),
    ] {
        terminal.enter(&format!("BENCH_TEST_PANIC={thread} bench-cli view"));
        terminal.wait_for(PATIENCE, |screen| screen.contains(said));
        let screen = prompted(&terminal);
        assert!(
            screen.contains(said) && screen.contains("made to panic"),
            "{screen}"
        );
        assert!(!screen.contains("no runs here yet"), "{screen}");
        let after = settings(&terminal, &bed);
        assert_eq!(after, before, "after a panic of the thread {thread}");
    }
}

#[test]
fn without_a_terminal_it_says_what_else_there_is() {
    let bed = TestBed::new();
    let shot = bed.bench("view");
    assert_eq!(shot.code, Some(2), "{shot}");
    for said in ["needs a terminal", "bench-cli view list", "bench-cli show RUN"] {
        assert!(shot.stderr.contains(said), "`{said}` is missing: {shot}");
    }
}
