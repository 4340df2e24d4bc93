//! One harness, three ways to the same tracker: embedded, over HTTP in another process, over stdio. The
//! verdicts are the same, and nothing is left behind whatever the outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use bench_tests::bed::{RunFolder, TestBed, binary};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Conversation, Fault, Reply, Script, Turn, call};
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{GymServe, answers, creates_issue, harness, quickstart, scenario};

/// Outcome and verdicts of every trial.
fn verdicts(run: &RunFolder) -> BTreeMap<String, String> {
    let trials = run.trials().into_iter();
    let verdict = |v: &serde_json::Value| format!("{} {}", v["verifier"], v["verdict"]);
    trials
        .map(|(id, trial)| {
            let verdicts: Vec<String> = trial["verdicts"]
                .as_array()
                .unwrap()
                .iter()
                .map(verdict)
                .collect();
            (id, format!("{} [{}]", trial["outcome"], verdicts.join(", ")))
        })
        .collect()
}

/// Every database that was named in the journal was removed, without a problem.
fn assert_databases_removed(run: &RunFolder) {
    let mut named = Vec::new();
    let mut removed = Vec::new();
    for event in run.events() {
        let id = event["database_id"].as_str().map(str::to_owned);
        match event["event"].as_str() {
            Some("database_named") => named.extend(id),
            Some("database_removed") => {
                assert!(event.get("problem").is_none(), "{event}");
                removed.extend(id);
            }
            _ => {}
        }
    }
    named.sort();
    removed.sort();
    assert_eq!(named, removed);
}

#[test]
fn the_quickstart_gives_the_same_verdicts_over_every_transport() {
    let embedded = TestBed::new();
    let run = format!(
        "run {} --model oracle --model noop --ui quiet",
        quickstart().display()
    );
    let shot = embedded.bench(&run);
    assert_eq!(shot.code, Some(0), "{shot}");
    let expected = verdicts(&embedded.the_run());
    assert_databases_removed(&embedded.the_run());
    for (id, outcome) in embedded.the_run().outcomes() {
        let due = if id.contains("~oracle~") {
            "passed"
        } else {
            "failed"
        };
        assert_eq!(outcome, due, "{id}");
    }

    let http = TestBed::new();
    let served = GymServe::start(&http);
    http.write_json("gyms.json", &served.gym_file());
    let shot = http.bench(&format!("{run} --gym-config gyms.json"));
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(verdicts(&http.the_run()), expected, "over HTTP");
    assert_databases_removed(&http.the_run());
    assert_eq!(served.databases(), [""; 0], "databases left behind");

    let stdio = TestBed::new();
    let server = json!({"command": binary::bench_cli(), "args": ["gym", "serve", "--stdio"]});
    stdio.write_json(
        "gyms.json",
        &json!({"mcpServers": {"tracker-over-stdio": server}}),
    );
    let shot = stdio.bench(&format!("{run} --gym-config gyms.json"));
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(verdicts(&stdio.the_run()), expected, "over stdio");
    assert_eq!(stdio.the_run().left_behind(), [""; 0], "processes left behind");
}

#[test]
fn nothing_is_left_behind_after_success_failure_error_and_cancel() {
    let works_then_hangs = [
        Turn::call([call("list_projects", json!({}))]),
        Turn::from(Reply::Fault(Fault::Hang)),
    ];
    let stub = ModelStub::start(
        Script {
            conversations: vec![Conversation::when("[hangs]", works_then_hangs)],
        }
        .and(Conversation::when("", [Turn::say("done")])),
    );
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    let served = GymServe::start(&bed);
    bed.write_json("gyms.json", &served.gym_file());
    let mut cannot_judge = scenario(
        "errors",
        [crate::harness::sql("SELECT x FROM nowhere", &json!(1))],
    );
    cannot_judge["gym"] = json!("served");
    bed.write_json(
        "harness.json",
        &harness([
            scenario("succeeds", [answers("done")]),
            scenario("fails", [answers("sorry")]),
            cannot_judge,
            creates_issue("hangs"),
        ]),
    );
    let started = bed.start("run harness.json --model openai:m --gym-config gyms.json --json --retries 0");
    for id in ["succeeds", "fails", "errors"] {
        started.stdout_line(Duration::from_secs(30), |line| {
            line.contains("\"trial_finished\"") && line.contains(&format!("\"{id}\""))
        });
    }
    // Three models that say `done`, and the second request of the one that hangs: its database exists.
    stub.await_calls(3 + 2, Duration::from_secs(30));
    assert_eq!(served.databases().len(), 1, "the hanging trial has its database");
    started.signal(Signal::INT);
    let shot = started.finish(Duration::from_secs(20));
    assert_eq!(shot.code, Some(130), "{shot}");
    let run = bed.the_run();
    insta::assert_snapshot!(run.outcome_lines(), @r#"
    errors~openai-m~1 errored: verifier `database_state`: SQL runner of gym `served`: HTTP 400: no such table: nowhere
    fails~openai-m~1 failed
    hangs~openai-m~1 cancelled: the run was cancelled
    succeeds~openai-m~1 passed
    "#);
    assert_eq!(served.databases(), [""; 0], "databases left behind");
    assert_databases_removed(&run);
    assert_eq!(run.left_behind(), [""; 0], "processes left behind");
}
