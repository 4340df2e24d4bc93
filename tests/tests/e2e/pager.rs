//! A transcript in a pager that the dashboard starts: what it shows, who hears Ctrl-C, and the terminal afterwards.

use std::fs;
use std::time::Instant;

use bench_tests::bed::{PATIENCE, Terminal, TestBed};
use bench_tests::model_stub::ModelStub;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::dashboard::{prompted, settings};
use crate::trial_view::talkative;

/// A finished run in a bed with pagers of all kinds, and a terminal in it.
fn run_to_read() -> Option<(ModelStub, TestBed, Terminal)> {
    let (stub, bed) = talkative();
    let pagers = [
        // Keeps what it was given, hears Ctrl-C, makes the terminal smaller, and ends with Enter.
        (
            "my pager.sh",
            "trap 'echo it heard that' INT; cat > seen.new; mv seen.new seen.txt; stty cols 60 < /dev/tty\n\
             echo read to the end; while ! read line < /dev/tty; do echo still there; done",
        ),
        ("hasty.sh", "cat > /dev/null; echo once >> times"),
        ("plain.sh", "cat > /dev/null; echo plain; read line < /dev/tty"),
        ("raw.sh", "stty raw -echo < /dev/tty; kill -9 $$"),
        (
            "quiet.sh",
            "stty -echo < /dev/tty; echo $$ > pager.pid; echo quiet; read line < /dev/tty",
        ),
    ];
    for (name, script) in pagers {
        bed.write(name, script);
    }
    let terminal = Terminal::open(&bed, 80, 24)?;
    terminal.run("bench-cli run harness.json --model openai:m", PATIENCE);
    Some((stub, bed, terminal))
}

/// Opens the trial of the run in a dashboard with this pager.
fn open_trial(terminal: &Terminal, pager: &str) {
    terminal.enter(&format!(
        r#"clear; export PAGER="{pager}"; sh -c 'echo $$ > pid; exec bench-cli view latest'"#
    ));
    terminal.wait_for(PATIENCE, |screen| screen.contains("❯ a"));
    terminal.press("Enter");
    terminal.wait_for(PATIENCE, in_view);
}

/// Whether the trial is on the screen.
fn in_view(screen: &str) -> bool {
    screen.contains("conversation  verifiers") && screen.contains("? help")
}

fn pid(bed: &TestBed, file: &str) -> Pid {
    let pid = fs::read_to_string(bed.path(file)).unwrap();
    Pid::from_raw(pid.trim().parse().unwrap()).unwrap()
}

#[test]
fn a_transcript_is_read_in_the_pager_and_the_dashboard_is_drawn_again() {
    let Some((_stub, bed, terminal)) = run_to_read() else {
        return;
    };
    let before = settings(&terminal, &bed);
    open_trial(&terminal, "sh 'my pager.sh'");
    terminal.press("o");
    let screen = terminal.wait_for(PATIENCE, |screen| screen.contains("read to the end"));
    assert!(!in_view(&screen), "{screen}");
    let seen = fs::read_to_string(bed.path("seen.txt")).unwrap();
    for said in ["[a] Do your work.", "second line", "It is done.", "never said"] {
        assert!(seen.contains(said), "`{said}` is missing:\n{seen}");
    }
    assert!(!seen.contains('\u{1b}'), "{seen:?}");
    let show = format!("show {} --trial a --full", bed.the_run().id());
    terminal.press("C-c");
    terminal.wait_for(PATIENCE, |screen| screen.contains("it heard that"));

    terminal.press("Enter");
    let screen = terminal.wait_for(PATIENCE, in_view);
    let title = screen.lines().find(|line| line.trim_end().ends_with("✗ failed"));
    let title = title.unwrap_or_else(|| panic!("no title:\n{screen}"));
    assert!(title.trim_end().chars().count() <= 60, "the new size:\n{screen}");
    // Keys are the dashboard's again, and nothing was kept back for it.
    terminal.press("Tab");
    terminal.wait_for(PATIENCE, |screen| screen.contains("SELECT count(*)"));
    terminal.press("q");
    prompted(&terminal);
    terminal.run("stty cols 80", PATIENCE);
    assert_eq!(settings(&terminal, &bed), before, "the terminal is as it was");

    let shot = bed.env("COLUMNS", "80").bench(&show);
    assert_eq!(seen, shot.stdout, "{shot}");
}

/// A pager that ends as soon as it has read everything, and counts how often it did.
const HASTY: &str = "sh hasty.sh";

/// Opens the hasty pager again until the dashboard says this of it. Nothing is said of one that took its time, which to a
/// busy machine happens, but not each time.
fn until_at_once(terminal: &Terminal, bed: &TestBed, said: &str) {
    let times = || fs::read_to_string(bed.path("times")).map_or(0, |times| times.lines().count());
    for time in 1..=20 {
        let screen = terminal.wait_for(PATIENCE, |screen| times() == time && in_view(screen));
        if screen.contains(said) {
            return;
        }
        terminal.press("o");
    }
    panic!("{}", terminal.screen());
}

#[test]
fn the_dashboard_comes_back_whatever_the_pager_does() {
    let Some((_stub, bed, terminal)) = run_to_read() else {
        return;
    };
    let before = settings(&terminal, &bed);
    for (pager, said) in [
        (
            "no-such-pager -R",
            "`no-such-pager -R` was not found: set PAGER to",
        ),
        ("less 'never closed", "PAGER is no command"),
        (HASTY, "`sh hasty.sh` was over at once: set PAGER to"),
        ("sh -c 'sleep 1; exit 3'", "ended with exit status 3"),
        ("sh raw.sh", "`sh raw.sh` was killed by signal 9"),
    ] {
        open_trial(&terminal, pager);
        terminal.press("o");
        if pager == HASTY {
            until_at_once(&terminal, &bed, said);
        }
        let screen = terminal.wait_for(PATIENCE, |screen| in_view(screen) && screen.contains(said));
        terminal.press("End");
        terminal.wait_for(PATIENCE, |screen| in_view(screen) && !screen.contains(said));
        terminal.press("q");
        assert_eq!(settings(&terminal, &bed), before, "after {pager}:\n{screen}");
    }

    open_trial(&terminal, "sh plain.sh");
    terminal.press("o");
    terminal.wait_for(PATIENCE, |screen| screen.contains("plain") && !in_view(screen));
    terminal.press("C-c");
    terminal.wait_for(PATIENCE, in_view);
    terminal.press("Escape");
    terminal.wait_for(PATIENCE, |screen| screen.contains("n not passed"));
    terminal.press("q");
    assert_eq!(settings(&terminal, &bed), before, "after Ctrl-C");
}

#[test]
fn a_signal_that_ends_the_dashboard_ends_the_pager() {
    let Some((_stub, bed, terminal)) = run_to_read() else {
        return;
    };
    let before = settings(&terminal, &bed);
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP")] {
        open_trial(&terminal, "sh quiet.sh");
        terminal.press("o");
        terminal.wait_for(PATIENCE, |screen| screen.contains("quiet") && !in_view(screen));
        let pager = pid(&bed, "pager.pid");
        kill_process(pid(&bed, "pid"), signal).unwrap();
        terminal.wait_for(PATIENCE, |screen| {
            screen.contains(&format!("interrupted by {name}"))
        });
        assert_eq!(settings(&terminal, &bed), before, "after {name}");
        let began = Instant::now();
        while test_kill_process(pager).is_ok() {
            assert!(began.elapsed() < PATIENCE, "the pager is still there");
        }
    }
}
