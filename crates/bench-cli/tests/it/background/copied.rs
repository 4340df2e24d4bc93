//! Copies of results: what is done to them does no harm to the run that they are copies of.

use std::fs;

use super::{bed, begin, json, launched, lives, processes_with, signal, until};
use crate::Bed;

/// How many processes a run has.
fn servers(marker: &str) -> usize {
    processes_with(marker).len()
}

/// How many of them have become what their shells are to become: meanwhile a process has no environment for a moment.
fn sleeping(marker: &str) -> usize {
    let found = processes_with(marker);
    found.iter().filter(|line| line.starts_with("sleep")).count()
}

#[test]
fn a_copy_of_the_results_does_no_harm_to_the_run_that_is_worked_on() {
    let gyms = r#"{"gyms": {"local": {"command": "sh", "args": ["-c", "exec sleep 600"]}}}"#;
    let bed = bed().with("gyms.json", gyms);
    let (run, pid) = begin(&bed, "--model script:play.json");
    let marker = format!("BENCH_RUN_ID={run}");
    until("a server is there", || sleeping(&marker) > 0);
    copy(&bed, "results", "backup");
    let before = servers(&marker);

    let why = format!("looks like a copy of a run that is still worked on (pid {pid})");
    let plan = bed.bench("cleanup --results backup");
    let now = processes_with(&marker);
    assert!(plan.contains("left alone: a copy"), "{plan}\n{now:?}");
    for command in ["list", "cleanup --no-dry-run", "resume latest"] {
        let said = bed.bench(&format!("{command} --results backup"));
        assert!(said.contains(&why), "{said}");
        assert_eq!(servers(&marker), before, "{said}");
    }
    assert_eq!(
        json(&bed, "kill latest --results backup")["runs"][0]["how"],
        "already_over"
    );
    assert_eq!(servers(&marker), before);
    assert_eq!(json(&bed, "list")["runs"][0]["status"], "running");
    json(&bed, "kill latest");
    until("nothing is left", || servers(&marker) == 0);
}

#[test]
fn a_copy_made_before_its_original_was_resumed_does_no_harm_to_it() {
    let gyms =
        r#"{"gyms": {"local": {"command": "sh", "args": ["-c", "echo {{trial_dir}}; exec sleep 600"]}}}"#;
    let bed = bed().with("gyms.json", gyms).with("tmp/keep", "");
    let launch = |args: &str| {
        let mut command = bed.command(&format!("{args} --background --json"));
        let output = command.env("TMPDIR", bed.path().join("tmp")).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        launched(&serde_json::from_slice(&output.stdout).unwrap())
    };
    let look = |args: &str| {
        let output = bed
            .command(args)
            .env("TMPDIR", bed.path().join("tmp"))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8(said).unwrap()
    };
    let folders = || fs::read_dir(bed.path().join("tmp")).unwrap().count() - 1;

    let (run, pid) = launch("run h.json --model script:play.json");
    let marker = format!("BENCH_RUN_ID={run}");
    until("a server is there", || sleeping(&marker) > 0);
    signal(pid, rustix::process::Signal::KILL);
    until("it is gone", || !lives(pid));
    copy(&bed, "results", "backup");
    look("list");
    until("its servers are ended", || servers(&marker) == 0);
    assert_eq!(folders(), 0);

    let (_, again) = launch("resume latest");
    until("a server is there again", || {
        (servers(&marker), sleeping(&marker), folders()) == (1, 1, 1)
    });
    let why = format!("still worked on (pid {again})");
    for (command, word) in [
        ("cleanup", "left alone: a copy"),
        ("list", why.as_str()),
        ("cleanup --no-dry-run", why.as_str()),
        ("list", why.as_str()),
        ("kill latest", "over already"),
    ] {
        let said = look(&format!("{command} --results backup"));
        assert_eq!((servers(&marker), folders()), (1, 1), "{command}: {said}");
        assert!(said.contains(word), "{command}: {said}");
    }
    // Who continues the copy gets servers of its own, by the same names, and ends only those.
    let (_, copied) = launch("resume latest --results backup");
    until("the copy's server is there too", || sleeping(&marker) == 2);
    look("kill latest --results backup");
    until("that one is gone", || !lives(copied));
    assert_eq!((servers(&marker), folders()), (1, 1));
    assert_eq!(json(&bed, "list")["runs"][0]["status"], "running");

    // Without its worker, what is left is an orphan for everybody.
    signal(again, rustix::process::Signal::KILL);
    until("it is gone", || !lives(again));
    look("list --results backup");
    until("nothing is left", || servers(&marker) == 0 && folders() == 0);
}

fn copy(bed: &Bed, from: &str, to: &str) {
    let copied = std::process::Command::new("cp")
        .args(["-r", from, to])
        .current_dir(bed.path())
        .status();
    assert!(copied.unwrap().success());
}
