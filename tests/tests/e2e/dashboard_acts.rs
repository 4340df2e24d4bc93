//! What can be done from the dashboard, in a real terminal: a run is ended and resumed, one survives the dashboard that
//! started it, one that dies is shown, and nothing is done that was not confirmed.

use std::time::{Duration, Instant};

use bench_tests::bed::{PATIENCE, RunFolder, Terminal, TestBed};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Conversation, Fault, Script, Turn};
use rustix::process::{Pid, Signal, kill_process};

use crate::dashboard::settings;
use crate::harness::{answers, half_done, harness, scenario};

/// A run of one trial that finishes at once, and one whose model answers only when it is asked again.
fn stuck_once() -> (ModelStub, TestBed) {
    let stub = ModelStub::start(Script {
        conversations: vec![
            Conversation::when("[quick]", [Turn::say("done")]),
            Conversation::when("[slow]", [Turn::say("done").after([Fault::Hang])]),
        ],
    });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    let scenarios = ["quick", "slow"].map(|name| scenario(name, [answers("done")]));
    bed.write_json("harness.json", &harness(scenarios));
    (stub, bed)
}

/// Starts a run in the background and shows it: one trial is over, and the request of the other was sent.
fn launch(terminal: &Terminal, stub: &ModelStub, bed: &TestBed) -> RunFolder {
    terminal.run(
        "bench-cli run harness.json --model openai:m --background",
        PATIENCE,
    );
    stub.await_calls(2, PATIENCE);
    terminal.enter("clear; bench-cli view");
    terminal.wait_for(PATIENCE, |screen| {
        screen.contains("IN PROGRESS  1") && screen.contains("1/2")
    });
    bed.the_run()
}

fn worker(run: &RunFolder) -> Pid {
    let pid = run.state()["worker"]["pid"].as_i64().expect("a worker");
    Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid")
}

#[test]
fn a_run_is_ended_resumed_and_removed_from_the_dashboard() {
    let (stub, bed) = stuck_once();
    let Some(terminal) = Terminal::open(&bed, 80, 24) else {
        return;
    };
    let before = settings(&terminal, &bed);
    let run = launch(&terminal, &stub, &bed);
    let id = run.id();

    terminal.press("x");
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains(&format!("End {id}?")));
    assert!(screen.contains(&format!("     bench-cli kill {id}")), "{screen}");
    assert!(screen.contains("1 of 2 trials are over"), "{screen}");
    terminal.press("Enter");
    terminal.wait_for(PATIENCE, |screen| !screen.contains("leave everything as it is"));
    assert_eq!(run.status(), "running", "Enter is No");
    terminal.press("x");
    terminal.wait_for(PATIENCE, |screen| screen.contains(&format!("End {id}?")));
    terminal.press("y");
    terminal.wait_for(PATIENCE, |screen| {
        screen.contains("COMPLETED  1") && !screen.contains("IN PROGRESS")
    });
    terminal.wait_for(PATIENCE, |screen| screen.contains("cancelled: it ended in order"));
    assert_eq!(run.status(), "cancelled");

    terminal.press("r");
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains(&format!("Resume {id}?")));
    assert!(
        screen.contains("Runs 1 of 2 trials in the background"),
        "{screen}"
    );
    terminal.press("y");
    terminal.wait_for(PATIENCE, |screen| screen.contains("2 trials in the background"));
    terminal.wait_for(PATIENCE, |screen| {
        screen.contains("COMPLETED  1") && screen.contains("2/2 (100%)")
    });
    assert_eq!(run.status(), "completed");

    terminal.press("R");
    let report = format!("report-{id}.html");
    terminal.wait_for(PATIENCE, |screen| screen.contains(&format!("✓ {report}")));
    assert!(bed.path(&report).exists());
    terminal.press("R");
    terminal.wait_for(PATIENCE, |screen| {
        screen.contains("replaced the file that was there")
    });

    terminal.press("D");
    terminal.wait_for(PATIENCE, |screen| {
        screen.contains(&format!("bench-cli prune {id} --no-dry-run"))
    });
    terminal.press("y");
    terminal.wait_for(PATIENCE, |screen| screen.contains("no runs here yet"));
    assert!(!run.path().exists());
    terminal.press("q");
    assert_eq!(settings(&terminal, &bed), before, "the terminal is as it was");
}

#[test]
fn a_run_that_the_dashboard_resumed_survives_it_and_its_death_harms_nobody() {
    let (stub, bed) = half_done();
    let Some(terminal) = Terminal::open(&bed, 120, 24) else {
        return;
    };
    let before = settings(&terminal, &bed);
    let run = launch(&terminal, &stub, &bed);
    let killed = bed.bench(&format!("kill {} --grace 1m", run.id()));
    assert_eq!(killed.code, Some(0), "{killed}");
    terminal.wait_for(PATIENCE, |screen| screen.contains("COMPLETED  1"));
    terminal.press("r");
    terminal.wait_for(PATIENCE, |screen| screen.contains("Resume "));
    terminal.press("y");
    terminal.wait_for(PATIENCE, |screen| screen.contains("IN PROGRESS  1"));
    terminal.press("q");
    assert_eq!(settings(&terminal, &bed), before);
    assert_eq!(run.status(), "running", "it goes on without the dashboard");

    terminal.enter("clear; bench-cli view latest");
    terminal.wait_for(PATIENCE, |screen| screen.contains("UNDER WAY  1"));
    kill_process(worker(&run), Signal::KILL).unwrap();
    let killed = Instant::now();
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains("✗ failed"));
    assert!(screen.contains("worker_lost"), "{screen}");
    // A second is promised; a busy machine gets some more. A heartbeat that stays away is noticed after a minute.
    assert!(
        killed.elapsed() < Duration::from_secs(20),
        "{:?}",
        killed.elapsed()
    );
    terminal.press("t");
    terminal.wait_for(PATIENCE, |screen| {
        screen.contains(&format!("bench-cli retry {} --background", run.id()))
    });
    terminal.press("Escape");
    terminal.wait_for(PATIENCE, |screen| !screen.contains("bench-cli retry"));
    terminal.press("q");
    assert_eq!(settings(&terminal, &bed), before, "the terminal is as it was");
    assert_eq!(bed.runs().len(), 1, "nothing was confirmed");
}

#[test]
fn a_run_that_is_resumed_elsewhere_and_over_at_once_is_shown_as_it_is() {
    let (stub, bed) = stuck_once();
    let Some(terminal) = Terminal::open(&bed, 80, 24) else {
        return;
    };
    let run = launch(&terminal, &stub, &bed);
    let killed = bed.bench(&format!("kill {} --grace 1m", run.id()));
    assert_eq!(killed.code, Some(0), "{killed}");
    terminal.wait_for(PATIENCE, |screen| screen.contains("1/1 (100%)  cancelled"));
    let resumed = bed.bench(&format!("resume {}", run.id()));
    assert_eq!(resumed.code, Some(0), "{resumed}");
    terminal.wait_for(PATIENCE, |screen| screen.contains("2/2 (100%)  completed"));
    terminal.press("q");
}

#[test]
fn two_marked_runs_are_compared() {
    let bed = TestBed::new();
    let scenarios = ["one", "two"].map(|name| scenario(name, [answers("done")]));
    bed.write_json("harness.json", &harness(scenarios));
    let Some(terminal) = Terminal::open(&bed, 120, 30) else {
        return;
    };
    for _ in 0..2 {
        let run = bed.bench("run harness.json --model noop --ui quiet");
        assert_eq!(run.code, Some(0), "{run}");
    }
    let [old, new] = bed.runs().try_into().expect("two runs");
    terminal.enter("clear; bench-cli view");
    terminal.wait_for(PATIENCE, |screen| screen.contains("COMPLETED  2"));
    for key in ["Down", "Space", "Up", "Space"] {
        terminal.press(key);
    }
    terminal.wait_for(PATIENCE, |screen| screen.contains("2 marked"));
    terminal.press("c");
    let command = format!("bench-cli compare {} {}", old.id(), new.id());
    let screen = terminal.wait_for(PATIENCE, |screen| {
        screen.contains(&command) && screen.contains("closes")
    });
    assert!(!screen.contains("exit status"), "{screen}");
    terminal.press("q");
    terminal.wait_for(PATIENCE, |screen| !screen.contains("closes"));
    terminal.press("q");
}

#[test]
fn what_is_pasted_is_not_taken_for_keys() {
    let bed = TestBed::new();
    bed.write_json("harness.json", &harness([scenario("one", [answers("done")])]));
    let Some(terminal) = Terminal::open(&bed, 80, 24) else {
        return;
    };
    let before = settings(&terminal, &bed);
    let run = bed.bench("run harness.json --model noop --ui quiet");
    assert_eq!(run.code, Some(0), "{run}");
    terminal.enter("clear; bench-cli view");
    terminal.wait_for(PATIENCE, |screen| screen.contains("COMPLETED  1"));

    terminal.paste("Dynamic", true);
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains("what is pasted is not taken"));
    assert!(!screen.contains("Remove "), "{screen}");
    terminal.press("/");
    terminal.wait_for(PATIENCE, |screen| screen.contains("/_"));
    terminal.paste("har\nq\n", true);
    terminal.wait_for(PATIENCE, |screen| screen.contains("/har q_"));
    terminal.press("Escape");
    terminal.wait_for(PATIENCE, |screen| !screen.contains("/har"));

    // A terminal that does not tell sends keys: the first opens the box, the others are no answers to it.
    terminal.paste("Dynamic", false);
    terminal.wait_for(PATIENCE, |screen| screen.contains("Remove "));
    terminal.press("Down");
    terminal.press("Escape");
    terminal.wait_for(PATIENCE, |screen| !screen.contains("Remove "));
    terminal.press("q");
    assert_eq!(settings(&terminal, &bed), before, "the terminal is as it was");
    assert_eq!(bed.runs().len(), 1, "nothing was removed");
    // Nor is the shell told what is pasted, unless it asks for it.
    terminal.paste("echo pasted", true);
    terminal.press("Enter");
    terminal.wait_for(PATIENCE, |screen| screen.contains("\npasted"));
}
