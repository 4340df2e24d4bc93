//! Results of the Python tool: listed beside ours, and settled as its author did by hand.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::SystemTime;

use bench_state::{LegacyFault, LegacyKind, Subject, Why};
use chrono::{DateTime, TimeDelta, Utc};

use crate::job::{Bed, at};

/// The five background runs of its author's note, as they were before he cleaned up.
fn bed() -> Bed {
    let bed = Bed::new();
    let stuck = r#"{
  "run_id": "bg_20251028_210801_aa84f604",
  "status": "running",
  "started_at": "2025-10-28T21:08:01.482910",
  "completed_at": null,
  "progress": {"passed": 3, "total": 40},
  "session_dir": "results/jira_harness_4",
  "harness_name": "jira_harness",
  "model_summary": [{"provider": "openai", "model": "gpt-4o", "count": 2}],
  "error": null,
  "run_configs": [{"label": "gpt-4o-1"}]
}"#;
    let broken = r#"{"run_id": "bg_20251031_145250_2c83b3a1", "status": "failed", "started_at": "2025-10-31T14:52:50",
        "completed_at": null, "progress": {"passed": 0, "total": 0}, "harness_name": "jira_harness", "model_summary": "gpt-4o x 2",
        "error": "TypeError: Scenario serialization bug (fixed in latest code)"}"#;
    write(
        &bed,
        "background_runs/bg_20251028_210801_aa84f604/state.json",
        stuck,
        "2025-10-28T22:00:00Z",
    );
    write(
        &bed,
        "background_runs/bg_20251031_145250_2c83b3a1/state.json",
        broken,
        "2025-10-31T14:52:51Z",
    );
    for (id, began, ended) in [
        (
            "bg_20251031_145620_e815e9ba",
            "2025-10-31T14:56:20",
            "2025-10-31T15:00:45",
        ),
        (
            "bg_20251031_160539_b4e46a96",
            "2025-10-31T16:05:39",
            "2025-10-31T17:26:06",
        ),
        (
            "bg_20251031_170021_cf1cafd0",
            "2025-10-31T17:00:21",
            "2025-10-31T17:31:02",
        ),
    ] {
        let text = format!(
            r#"{{"run_id": "{id}", "status": "completed", "started_at": "{began}", "completed_at": "{ended}", "progress": {{"passed": 12, "total": 15}}}}"#
        );
        write(
            &bed,
            &format!("background_runs/{id}/state.json"),
            &text,
            "2025-10-31T17:31:02Z",
        );
    }
    bed
}

fn write(bed: &Bed, name: &str, text: &str, when: &str) -> PathBuf {
    let path = bed.store.root().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(SystemTime::from(at(when)))
        .unwrap();
    path
}

fn cleaned_at() -> DateTime<Utc> {
    at("2025-10-31T17:32:52Z")
}

#[test]
fn its_runs_and_sessions_are_listed_newest_first() {
    let bed = bed();
    let session = r#"{"created_at": "2025-10-30T10:00:00", "harness_name": "crm", "model_summary_text": "claude x 1",
        "verifier_totals": {"passed": 4, "total": 5}, "runs": []}"#;
    write(&bed, "crm_1/session.json", session, "2025-10-30T10:30:00Z");
    write(&bed, "jira_harness_4/session.json", "{}", "2025-10-28T22:30:00Z");
    write(
        &bed,
        "sdk_2/session.json",
        r#"{"session_name": "sdk", "timestamp": "2025-10-29T10:00:00Z"}"#,
        "2025-10-29T10:30:00Z",
    );
    write(
        &bed,
        "background_runs/bg_20251031_000000_00000000/state.json",
        "",
        "2025-10-31T00:00:00Z",
    );
    let listing = bed.store.legacy().unwrap();
    let told: Vec<String> = listing
        .rows
        .iter()
        .map(|row| {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let time = |time: Option<DateTime<Utc>>| {
                time.map_or("-".to_owned(), |time| time.format("%d %H:%M:%S").to_string())
            };
            let (began, ended) = (time(row.started_at), time(row.completed_at));
            let (harness, models) = (text(&row.harness_name), text(&row.model_summary));
            format!(
                "{} {:?} {} {began} {ended} {}/{} {harness} {models}",
                row.id, row.kind, row.status, row.passed, row.total
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @"
    bg_20251031_170021_cf1cafd0 Background completed 31 17:00:21 31 17:31:02 12/15 - -
    bg_20251031_160539_b4e46a96 Background completed 31 16:05:39 31 17:26:06 12/15 - -
    bg_20251031_145620_e815e9ba Background completed 31 14:56:20 31 15:00:45 12/15 - -
    bg_20251031_145250_2c83b3a1 Background failed 31 14:52:50 - 0/0 jira_harness gpt-4o x 2
    crm_1 Session completed 30 10:00:00 30 10:30:00 4/5 crm claude x 1
    sdk_2 Session completed 29 10:00:00 29 10:30:00 0/0 sdk -
    bg_20251028_210801_aa84f604 Background running 28 21:08:01 - 3/40 jira_harness openai:gpt-4o
    ");
    assert_eq!(
        listing
            .rows
            .iter()
            .filter(|row| row.kind == LegacyKind::Session)
            .count(),
        2,
        "a background run's session is its own"
    );
    assert_eq!(listing.problems.len(), 1);
    assert!(
        listing.problems[0]
            .to_string()
            .contains("bg_20251031_000000_00000000/state.json` is not readable as JSON")
    );
}

#[test]
fn cleaning_up_settles_the_stuck_and_the_broken_and_nothing_else() {
    let bed = bed();
    let file = |id: &str| {
        bed.store
            .root()
            .join("background_runs")
            .join(id)
            .join("state.json")
    };
    let finished = fs::read(file("bg_20251031_160539_b4e46a96")).unwrap();
    let plan = bed
        .store
        .plan_cleanup(cleaned_at(), TimeDelta::hours(24))
        .unwrap();
    let rows: Vec<_> = plan
        .rows
        .iter()
        .map(|row| (row.id().to_owned(), row.why))
        .collect();
    assert_eq!(
        rows,
        [
            ("bg_20251031_145250_2c83b3a1".to_owned(), Why::Broken),
            ("bg_20251028_210801_aa84f604".to_owned(), Why::Stale)
        ]
    );
    assert!(
        plan.rows
            .iter()
            .all(|row| matches!(row.subject, Subject::Legacy(_)))
    );
    assert_eq!(bed.store.apply(&plan).unwrap().settled.len(), 2);

    insta::assert_snapshot!(fs::read_to_string(file("bg_20251028_210801_aa84f604")).unwrap(), @r#"
    {
      "run_id": "bg_20251028_210801_aa84f604",
      "status": "failed",
      "started_at": "2025-10-28T21:08:01.482910",
      "completed_at": "2025-10-31T17:32:52",
      "progress": {
        "passed": 3,
        "total": 40
      },
      "session_dir": "results/jira_harness_4",
      "harness_name": "jira_harness",
      "model_summary": [
        {
          "provider": "openai",
          "model": "gpt-4o",
          "count": 2
        }
      ],
      "error": "Run marked as stale after 24h with no completion",
      "run_configs": [
        {
          "label": "gpt-4o-1"
        }
      ]
    }
    "#);
    let broken: serde_json::Value =
        serde_json::from_slice(&fs::read(file("bg_20251031_145250_2c83b3a1")).unwrap()).unwrap();
    assert_eq!(broken["completed_at"], "2025-10-31T17:32:52");
    assert_eq!(
        broken["error"],
        "TypeError: Scenario serialization bug (fixed in latest code)"
    );
    assert_eq!(fs::read(file("bg_20251031_160539_b4e46a96")).unwrap(), finished);
    assert!(
        bed.store
            .plan_cleanup(cleaned_at(), TimeDelta::hours(24))
            .unwrap()
            .rows
            .is_empty()
    );
    assert_eq!(bed.store.apply(&plan).unwrap().settled.len(), 0, "twice is once");
}

#[test]
fn a_run_that_still_writes_is_not_stale_however_old() {
    let bed = bed();
    let stuck = |bed: &Bed| {
        let rows = bed.store.legacy().unwrap().rows;
        let row = rows.into_iter().find(|row| row.status == "running").unwrap();
        row.fault(cleaned_at(), TimeDelta::hours(24))
    };
    assert_eq!(stuck(&bed), Some(LegacyFault::Stale));
    let plan = bed
        .store
        .plan_cleanup(cleaned_at(), TimeDelta::hours(24))
        .unwrap();
    // Its worker writes a log in the folder of its session, and later than the plan was made.
    write(
        &bed,
        "jira_harness_4/run_gpt-4o-1.log",
        "calling tool…",
        "2025-10-31T17:32:00Z",
    );
    assert_eq!(stuck(&bed), None);
    assert_eq!(
        bed.store.apply(&plan).unwrap().settled,
        ["bg_20251031_145250_2c83b3a1"]
    );
    assert!(
        bed.store
            .legacy()
            .unwrap()
            .rows
            .iter()
            .any(|row| row.status == "running")
    );
}

#[test]
fn a_row_that_is_damaged_meanwhile_is_reported_and_left() {
    let bed = bed();
    let plan = bed
        .store
        .plan_cleanup(cleaned_at(), TimeDelta::hours(24))
        .unwrap();
    let path = write(
        &bed,
        "background_runs/bg_20251028_210801_aa84f604/state.json",
        "{\"status\": \"run",
        "2025-10-28T22:00:00Z",
    );
    let applied = bed.store.apply(&plan).unwrap();
    assert_eq!((applied.settled.len(), applied.problems.len()), (1, 1));
    assert_eq!(fs::read_to_string(path).unwrap(), "{\"status\": \"run");
}
