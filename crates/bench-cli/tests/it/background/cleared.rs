//! Results that are put in order: `cleanup` settles, `prune` removes, monitors are told what waits for that.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::{bed, json, launch, lives, signal, until};

/// A run that the older tool left.
const OLD: &str = r#"{"run_id": "bg_20251029_abc12345", "status": "running", "started_at": "2025-10-29T10:00:00",
    "completed_at": null, "harness_file": "task.json", "harness_name": "task.json",
    "model_summary": "claude-sonnet-4", "total_runs": 5, "completed_runs": 3, "error": null}"#;
const OLD_FILE: &str = "results/background_runs/bg_20251029_abc12345/state.json";

#[test]
fn cleanup_changes_nothing_unless_told_and_then_settles_what_the_older_tool_left() {
    let bed = bed().with(OLD_FILE, OLD);
    let path = bed.path().join(OLD_FILE);
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(48 * 3_600);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    let (run, pid) = launch(&bed, "--model script:play.json");
    signal(pid, rustix::process::Signal::KILL);
    // Its last thread may hold the lease for a moment longer than its first one lives.
    until("the kernel has freed the lease", || {
        json(&bed, "cleanup")["rows"]
            .as_array()
            .is_some_and(|rows| rows.len() == 2)
    });
    let folder = bed.path().join("results/runs").join(&run);
    let state = || fs::read_to_string(folder.join("state.json")).unwrap();
    let (before, old_before) = (state(), fs::read_to_string(&path).unwrap());

    let shown = bed.bench("cleanup --stale-hours 24");
    assert!(
        shown.contains("orphaned") && shown.contains("stale") && shown.contains("--no-dry-run"),
        "{shown}"
    );
    assert_eq!(
        (state(), fs::read_to_string(&path).unwrap()),
        (before, old_before),
        "a dry run"
    );
    let done = json(&bed, "cleanup --no-dry-run");
    assert_eq!(done["settled"], serde_json::json!([run, "bg_20251029_abc12345"]));
    assert!(state().contains("worker_lost"));
    let old: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(old["status"], "failed");
    assert!(old["completed_at"].is_string());
    assert_eq!(json(&bed, "cleanup")["rows"], serde_json::json!([]));
    let list = bed.bench("list");
    assert!(
        list.contains("bg_20251029_abc12345") && list.contains(&run),
        "{list}"
    );
    let shown = bed.bench("show bg_20251029_abc12345");
    assert!(
        shown.contains("the older tool") && shown.contains("exit 0"),
        "{shown}"
    );
}

#[test]
fn prune_removes_what_is_named_or_old_once_it_is_told_to() {
    let bed = bed().with(OLD_FILE, OLD);
    bed.output("run h.json --scenario quick --ui quiet --model script:play.json");
    let run = json(&bed, "list --limit 1")["runs"][0]["run_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let folder = bed.path().join("results/runs").join(&run);
    assert_eq!(
        bed.output("prune").status.code(),
        Some(2),
        "everything is too much to mean by nothing"
    );
    assert_eq!(
        json(&bed, "prune --older-than 30d")["runs"],
        serde_json::json!([])
    );
    assert_eq!(json(&bed, "prune --keep 0")["runs"], serde_json::json!([run]));
    assert_eq!(
        json(&bed, &format!("prune {run}"))["runs"],
        serde_json::json!([run])
    );
    assert!(folder.exists(), "only shown");
    assert_eq!(
        bed.output(&format!("prune {run} --keep 1")).status.code(),
        Some(2),
        "either by name or by age"
    );
    json(&bed, &format!("prune {run} --no-dry-run"));
    assert!(!folder.exists());
    assert_eq!(bed.output(&format!("prune {run}")).status.code(), Some(2));
}

#[test]
fn monitors_are_told_of_runs_that_do_nothing() {
    let bed = bed();
    let code = |args: &str| bed.output(args).status.code();
    assert_eq!(code("list --status overdue --exit-code"), Some(0));
    let (run, pid) = launch(&bed, "--model script:play.json");
    assert_eq!(code("list --status overdue --exit-code"), Some(0), "it is young");
    let removed = bed.bench(&format!("prune {run} --no-dry-run"));
    assert!(
        removed.contains("is still running") && removed.contains("--- exit 3"),
        "{removed}"
    );
    // A threshold of no hours: whoever lives is late.
    assert_eq!(code("list --status overdue --exit-code --stale-hours 0"), Some(1));
    let done = json(&bed, "cleanup --stale-hours 0 --kill-overdue --no-dry-run");
    assert_eq!(done["settled"], serde_json::json!([run]));
    until("it is gone", || !lives(pid));
    assert_eq!(json(&bed, "show latest")["status"], "cancelled");
}
