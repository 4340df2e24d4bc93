//! The run folder as a script of the user sees it, and the commands that read it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bench_tests::bed::TestBed;
use serde_json::Value;

use crate::harness::{creates_issue, harness};

/// One finished run of two trials.
fn finished() -> TestBed {
    let bed = TestBed::new();
    bed.write_json("harness.json", &harness([creates_issue("create")]));
    let shot = bed.bench("run harness.json --model oracle --model noop --ui quiet --label nightly");
    assert_eq!(shot.code, Some(0), "{shot}");
    bed
}

/// Every file and folder below, with its permissions, a line each.
fn tree(folder: &Path, indent: usize, run_id: &str) -> Vec<String> {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    let mut lines = Vec::new();
    for path in entries {
        let meta = fs::symlink_metadata(&path).unwrap();
        let name = path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace(run_id, "<run>");
        let mode = meta.permissions().mode() & 0o7777;
        lines.push(format!("{:indent$}{name} {mode:04o}", ""));
        if meta.is_dir() {
            lines.extend(tree(&path, indent + 2, run_id));
        }
    }
    lines
}

#[test]
fn the_run_folder_is_what_the_documents_say() {
    let bed = finished();
    let run = bed.the_run();
    insta::assert_snapshot!(tree(&bed.results(), 0, &run.id()).join("\n"), @r#"
    .store 0700
      active 0700
      format 0600
    runs 0700
      <run> 0700
        events.jsonl 0600
        lease.lock 0600
        logs 0700
          create~noop~1.log 0600
          create~oracle~1.log 0600
        plan.json 0600
        session.json 0600
        state.json 0600
        state.lock 0600
        trials 0700
          create~noop~1.json 0600
          create~noop~1.jsonl 0600
          create~oracle~1.json 0600
          create~oracle~1.jsonl 0600
    "#);
    let state = run.state();
    let names: Vec<&str> = state.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(names.join(" "), @"format run_id status started_at completed_at error cause progress label harness_name model_summary runs worker generation updated_at journal");
    assert_eq!(state["progress"]["passed"], 1);
    assert_eq!(state["progress"]["failed"], 1);
    assert_eq!(state["label"], "nightly");
    let numbers: Vec<Value> = run.events().iter().map(|event| event["seq"].clone()).collect();
    let first = numbers[0].as_u64().unwrap();
    let dense: Vec<Value> = (first..).take(numbers.len()).map(Value::from).collect();
    assert_eq!(numbers, dense, "sequence numbers are dense");
}

#[test]
fn what_the_journal_names_is_on_disk_unchanged() {
    let bed = finished();
    let run = bed.the_run();
    let finished: Vec<Value> = run
        .events()
        .into_iter()
        .filter(|e| e["event"] == "trial_finished")
        .collect();
    assert_eq!(finished.len(), 2);
    for event in finished {
        let trial = event["trial"].as_str().unwrap();
        for (name, field) in [
            (format!("{trial}.json"), "record"),
            (format!("{trial}.jsonl"), "transcript"),
        ] {
            let length = fs::metadata(run.path().join("trials").join(&name)).unwrap().len();
            assert_eq!(event[field]["len"], length, "{name}");
        }
    }
}

#[test]
fn a_finished_run_is_listed_and_shown() {
    let bed = finished();
    insta::assert_snapshot!(bed.bench("list").table(), @r"
    $ bench-cli list
    exit 0
    ── stdout
    run  status  started  time  trials  verifiers  pass rate  harness
    ────
    run_YYYYMMDD_HHMMSS_xxxxxxxx  completed  <time>  <took>  (2/2)  3/4  50.0%  bed-xxxxxx (nightly)
    ");
    insta::assert_snapshot!(bed.bench("show latest").table(), @r#"
    $ bench-cli show latest
    exit 0
    ── stdout
    run  run_YYYYMMDD_HHMMSS_xxxxxxxx
    harness  bed-xxxxxx (nightly)
    models  oracle, noop
    status  completed after <took>, from <time>
    folder  results/runs/run_YYYYMMDD_HHMMSS_xxxxxxxx

    model  trials  passed  failed  pass rate (95%)  verifiers  turns  calls  tokens  time/trial
    ────
    oracle  1/1  1  0  100% (21–100)  2/2  2  1  —  <took>
    noop  1/1  0  1  0.0% (0–79)  1/2  1  0  —  <took>
    few scenarios (1): the range is that of this one, and says nothing of others

    Not passed by every model:
    scenario  oracle  noop
    ────
    create  ✓ passed  ✗ failed
    "#);
    insta::assert_snapshot!(bed.bench("show latest --trial create~oracle~1").table(), @r#"
    $ bench-cli show latest --trial create~oracle~1
    exit 0
    ── stdout
    trial  create~oracle~1
    scenario  create
    model  oracle
    outcome  passed
    time  <took> from <time>
    talk  2 turns, 1 tool call
    tokens  —
    gym  tracker (MCP 2026-07-28, database <uuid>)

    verifier  verdict  type  comparison  expected  actual
    ────
    database_state  ✓ true  database_state  equals  1  1
    database_state  ✓ true  database_state  equals  1  1

    --- user
    [create] Do your work.

    --- assistant, turn 1 (<took>)
    → create_issue {"projectKey":"WEB","issueType":"Bug","summary":"Made by create"}
    ← create_issue: ok (<took>)
      {"id":"77","key":"WEB-35","fields":{"summary":"Made by create","description":null,"environment":null,"project":{"id":"1","key":"WEB","name":"Web Storefront"},"issuetype":{"id":"1","name":"Bug","subtask":false},"status":{"id":"6","name":"To Do","statusCategory":"To Do"},"priority":{"id":"3","name":"Medium"},"resolution":null,"assignee":null,"reporter":{"accountId":"1","displayName":"John Smith","e…

    --- assistant, turn 2 (<took>)
    Created WEB-35.
    "#);
    insta::assert_snapshot!(bed.bench("logs latest --trial create~oracle~1").table(), @r#"
    $ bench-cli logs latest --trial create~oracle~1
    exit 0
    ── stdout
    hh:mm:ss.mmm attempt 1 with oracle
    hh:mm:ss.mmm turn 1: calls create_issue
    hh:mm:ss.mmm  create_issue → 733 bytes in <took>
    hh:mm:ss.mmm turn 2: answer of 15 characters
    hh:mm:ss.mmm passed
    "#);
}

#[test]
fn json_is_one_document_with_stable_names() {
    let bed = finished();
    let id = bed.the_run().id();
    let list: Value = serde_json::from_str(&bed.bench("list --json").stdout).unwrap();
    assert!(list.to_string().contains(&id), "{list}");
    for command in [
        "show latest --json".to_owned(),
        format!("show {id} --trial create~noop~1 --json"),
    ] {
        let shot = bed.bench(&command);
        assert_eq!(shot.code, Some(0), "{shot}");
        serde_json::from_str::<Value>(&shot.stdout).unwrap_or_else(|e| panic!("{e}: {shot}"));
    }
}

#[test]
fn what_is_not_there_is_said_with_the_folder_that_was_searched() {
    let bed = finished();
    for line in [
        "show run_20200101",
        "show ../../etc",
        "show latest --trial no~such~1",
        "logs nothing",
    ] {
        let shot = bed.bench(line);
        assert_eq!(shot.code, Some(2), "{shot}");
        assert_eq!(shot.stdout, "", "{shot}");
    }
    insta::assert_snapshot!(bed.bench("show run_20200101"), @r#"
    $ bench-cli show run_20200101
    exit 2
    ── stderr
    error: no run `run_20200101` in `<bed>/results/runs`
      try: `bench-cli list` shows the runs there are; `--results DIR` looks elsewhere
    "#);
    let empty = TestBed::new();
    insta::assert_snapshot!(empty.bench("list"), @r#"
    $ bench-cli list
    exit 0
    ── stderr
    no runs in results
    "#);
    insta::assert_snapshot!(empty.bench("show latest"), @r#"
    $ bench-cli show latest
    exit 2
    ── stderr
    error: no runs in `<bed>/results/runs` yet
      try: start one with `bench-cli run`, or look elsewhere with `--results DIR`
    "#);
    assert!(!empty.results().exists(), "looking created something");
}

#[test]
fn one_bad_folder_does_not_hide_the_good_runs() {
    let bed = finished();
    let id = bed.the_run().id();
    bed.write("results/runs/run_20250101_000000_0badcafe/state.json", "\0\0\0\0");
    bed.write("results/runs/notes.txt", "mine");
    let shot = bed.bench("list");
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(shot.stdout.contains(&id), "{shot}");
    assert!(
        (shot.stdout + &shot.stderr).contains("0badcafe"),
        "the bad one is named"
    );
}

#[test]
fn results_that_cannot_be_written_are_refused_by_name() {
    let bed = TestBed::new();
    bed.write_json("harness.json", &harness([creates_issue("a")]));
    bed.write("results", "a file where the folder should be");
    let shot = bed.bench("run harness.json --model noop --ui quiet");
    assert!(shot.code.is_some_and(|code| code == 2 || code == 3), "{shot}");
    assert!(shot.stderr.contains("results"), "{shot}");
}
