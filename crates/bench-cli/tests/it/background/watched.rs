//! Runs that are looked at from elsewhere: `attach`, `list`, `view list`, `show`, and what these tell to type next.

use std::process::Stdio;

use super::{bed, json, launch, lives, signal, until};

#[test]
fn a_person_sees_the_id_and_what_to_type() {
    let bed = bed();
    let shown = bed.bench("run h.json --model script:play.json --background --fail-under 90%");
    bed.output("kill latest");
    crate::filters().bind(|| {
        insta::with_settings!({filters => vec![(r"pid \d+", "pid PID"), (r"run_\d{8}_\d{6}_[0-9a-f]{8}", "run_ID")]}, {
            insta::assert_snapshot!(shown, @r"
            $ bench-cli run h.json --model script:play.json --background --fail-under 90%
            run_ID
            --- stderr
            gym tracker: built in (no other is named)
            2 trials in the background, pid PID, results/runs/run_ID
              bench-cli attach run_ID  watch it
              bench-cli view list  all runs
              bench-cli kill run_ID  end it
            --- exit 0
            ");
        });
    });
}

#[test]
fn attach_shows_logs_and_progress_until_it_is_over_and_ends_as_run_would() {
    let bed = bed();
    let (run, pid) = launch(&bed, "--model script:play.json");
    let mut attached = bed.command("attach latest");
    let attached = attached
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut again = bed.command("attach").stderr(Stdio::piped()).spawn().unwrap();
    let mut err = std::io::BufReader::new(again.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("passed") {
        line.clear();
        assert!(
            std::io::BufRead::read_line(&mut err, &mut line).unwrap() > 0,
            "no progress"
        );
    }
    signal(again.id(), rustix::process::Signal::INT);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut err, &mut rest).unwrap();
    assert!(rest.contains("the run goes on"), "{rest}");
    assert_eq!(again.wait().unwrap().code(), Some(0));
    assert!(lives(pid));
    json(&bed, &format!("kill {run}"));
    let shown = attached.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&shown.stderr);
    assert_eq!(shown.status.code(), Some(130), "{err}");
    assert!(
        err.contains("[1/2] ✓ passed") && err.contains("cancelled ·"),
        "{err}"
    );
    assert_eq!(
        bed.output("attach latest").status.code(),
        Some(130),
        "also afterwards"
    );
}

#[test]
fn view_lists_what_is_in_progress_and_what_is_over() {
    let bed = bed();
    let code = bed
        .output("run h.json --scenario quick --runs 3 --ui quiet --model script:play.json")
        .status
        .code();
    assert_eq!(code, Some(0));
    launch(&bed, "--model script:play.json");
    let list = String::from_utf8(bed.output("view list").stdout).unwrap();
    bed.output("kill latest");
    let shown = steady(&list);
    insta::assert_snapshot!(shown, @r"
    IN PROGRESS
    1. 🔄 h • script:play.json (1/2) | TIME | run_ID

    COMPLETED
    2. ✓ TIME • h • script:play.json ×3 • 3/3 (100%) | run_ID
    ");
    let bare = bed.bench("view");
    assert!(bare.contains("view list") && bare.contains("exit 2"), "{bare}");
}

/// Without what differs from run to run.
fn steady(text: &str) -> String {
    let words = text.split(' ').map(|word| match word {
        word if word.starts_with("run_") => {
            format!("run_ID{}", &word["run_20260102_030405_0badcafe".len()..])
        }
        word if word.starts_with("20") && word.ends_with('Z') => "TIME".to_owned(),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_run_that_stands_still_or_ended_early_says_what_goes_on_with_it() {
    let bed = bed();
    let (run, pid) = launch(&bed, "--model script:play.json");
    let word = || {
        bed.bench("list")
            .lines()
            .find(|line| line.contains(&run))
            .map(str::to_owned)
            .unwrap_or_default()
    };
    let shown = bed.bench("show latest");
    assert!(
        word().contains(" running ") && shown.contains("trials   1 of 2 over"),
        "{shown}"
    );
    signal(pid, rustix::process::Signal::STOP);
    until("it is stopped", || word().contains(" stopped "));
    let shown = bed.bench("show latest");
    assert!(
        shown.contains("status   stopped for") && shown.contains(&format!("`kill -CONT {pid}`")),
        "{shown}"
    );
    assert_eq!(
        json(&bed, "show latest")["status"],
        "running",
        "for programs it is as in its file"
    );
    signal(pid, rustix::process::Signal::CONT);
    until("it goes on", || word().contains(" running "));
    signal(pid, rustix::process::Signal::KILL);
    until("it is gone", || !lives(pid));
    let shown = bed.bench("show latest");
    let want = format!("trials   1 of 2 have a verdict; `bench-cli resume {run}` runs the other 1");
    assert!(shown.contains(&want), "{shown}");
    let lists = ["list", "view list"].map(|command| bed.bench(command));
    for listed in lists {
        let why = listed
            .lines()
            .find(|line| line.contains("✗") && line.contains("worker_lost"));
        assert!(
            why.is_some_and(|why| why.ends_with(&format!("`bench-cli show {run}`"))),
            "{listed}"
        );
    }
    let trial = bed.bench("show latest --trial stuck~script-play.json~1");
    assert!(trial.contains(&format!("`resume {run}` runs again")), "{trial}");
    let logs = bed.bench("logs latest");
    assert!(
        logs.contains("the run failed: ") && logs.contains("worker.log"),
        "{logs}"
    );
}

#[test]
fn a_filter_that_fits_no_run_is_named() {
    let bed = bed();
    bed.output("run h.json --ui quiet --model noop --scenario quick");
    let list = bed.bench("list --status running");
    assert!(list.contains("no running runs in results"), "{list}");
}
