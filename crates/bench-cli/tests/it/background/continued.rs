//! Runs that are gone on with: `resume` under the same id, `retry` as a new run.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{PLAY, bed, json, launch, lives, signal, until};
use crate::Bed;

/// How many trials were begun, and the lines of prompts said in all transcripts.
fn started(bed: &Bed, run: &str) -> Vec<String> {
    let journal = fs::read_to_string(bed.path().join("results/runs").join(run).join("events.jsonl")).unwrap();
    let events = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let starts = events.filter(|event| event["event"] == "trial_started");
    starts
        .map(|event| event["trial"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn resume_runs_exactly_what_has_no_verdict() {
    let bed = bed();
    let (run, pid) = launch(&bed, "--model script:play.json --runs 2 --max-concurrency 1");
    assert!(started(&bed, &run).len() <= 2);
    let transcript = bed
        .path()
        .join("results/runs")
        .join(&run)
        .join("trials/stuck~script-play.json~1.jsonl");
    let attempts = || {
        let text = fs::read_to_string(&transcript).unwrap_or_default();
        text.matches(r#""type":"attempt","attempt":1"#).count()
    };
    until("what is said is not only in memory", || attempts() == 1);
    let refused = bed.bench(&format!("resume {run}"));
    assert!(
        refused.contains("exit 3") && refused.contains("bench-cli attach"),
        "{refused}"
    );
    signal(pid, rustix::process::Signal::KILL);
    until("it is gone", || !lives(pid));
    // Another script is another model.
    fs::write(
        bed.path().join("play.json"),
        PLAY.replace("never_answer", "empty"),
    )
    .unwrap();
    let refused = bed.bench(&format!("resume {run}"));
    assert!(
        refused.contains("changed") && refused.contains("exit 2"),
        "{refused}"
    );
    fs::write(bed.path().join("play.json"), PLAY).unwrap();
    fs::remove_file(bed.path().join("h.json")).unwrap();

    let (before, resumed) = (
        started(&bed, &run),
        json(&bed, &format!("resume {run} --background")),
    );
    assert_eq!(
        (&resumed["run_id"], &resumed["event"]),
        (&run.as_str().into(), &"run_launched".into())
    );
    until("it has begun again", || started(&bed, &run).len() > before.len());
    json(&bed, &format!("kill {run}"));
    let shown = json(&bed, "show latest");
    assert_eq!(
        (&shown["generation"], &shown["progress"]["passed"]),
        (&2.into(), &1.into())
    );
    assert_eq!(
        attempts(),
        2,
        "what the dead worker was told is told apart from what comes after it"
    );
    let trial = bed.bench("show latest --trial stuck~script-play.json~1");
    assert_eq!(trial.matches("=== attempt 1 ===").count(), 1, "{trial}");
    let again = &started(&bed, &run)[before.len()..];
    assert!(
        !again.contains(&"quick~script-play.json~1".to_owned()),
        "{again:?}"
    );
    assert_eq!(
        again.first().map(String::as_str),
        Some("stuck~script-play.json~1"),
        "{again:?}"
    );
}

#[test]
fn resume_of_a_finished_run_has_nothing_to_do() {
    let bed = bed();
    let run = |args: &str| bed.output(args).status.code();
    assert_eq!(
        run("run h.json --scenario quick --ui quiet --model script:play.json"),
        Some(0)
    );
    let before = json(&bed, "show latest");
    let output = bed.output("resume");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to do"));
    let after = json(&bed, "show latest");
    assert_eq!(
        (&before["generation"], &before["updated_at"]),
        (&after["generation"], &after["updated_at"])
    );
}

#[test]
fn retry_is_a_new_run_of_what_did_not_pass() {
    let bed = bed();
    let args = "run h.json --ui quiet --model noop --model script:play.json --scenario quick";
    assert_eq!(bed.output(args).status.code(), Some(0));
    let first = json(&bed, "show latest")["run_id"].as_str().unwrap().to_owned();
    assert_eq!(
        bed.output("retry --errored").status.code(),
        Some(2),
        "none errored"
    );
    assert_eq!(bed.output("retry --ui quiet --failed").status.code(), Some(0));
    let list = json(&bed, "list");
    let second = &list["runs"][0];
    assert_ne!(
        second["run_id"],
        first.as_str(),
        "the younger one is the first, also within a second"
    );
    assert_eq!(
        (&second["progress"]["trials_total"], &second["model_summary"]),
        (&1.into(), &"noop".into())
    );
    let folder = second["dir"].as_str().unwrap();
    let plan: Value =
        serde_json::from_slice(&fs::read(Path::new(folder).join("plan.json")).unwrap()).unwrap();
    assert_eq!(
        (&plan["retries_of"], &plan["only_trials"][0]),
        (&first.as_str().into(), &"quick~noop~1".into())
    );
}

#[test]
fn trials_that_never_began_did_not_pass_either() {
    let bed = bed();
    let (run, _) = launch(&bed, "--model script:play.json --runs 3 --max-concurrency 1");
    assert_eq!(bed.output("kill latest").status.code(), Some(0));

    let failed = bed.output("retry --failed");
    let err = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(2), "{err}");
    assert!(
        err.contains(&format!(
            "`bench-cli resume {run}` runs the 4 trials that never ended"
        )),
        "{err}"
    );
    let launched = json(&bed, "retry --background");
    let folder = launched["dir"].as_str().unwrap();
    bed.output("kill latest");
    let plan: Value =
        serde_json::from_slice(&fs::read(Path::new(folder).join("plan.json")).unwrap()).unwrap();
    let chosen = plan["only_trials"].as_array().unwrap();
    assert_eq!(chosen.len(), 5, "all but the one that passed: {chosen:?}");
}
