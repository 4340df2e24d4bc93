//! What a killed worker leaves outside of the results (databases in gyms, processes), and that `cleanup` shows it,
//! removes it, and says in the run that it did.

use std::collections::BTreeSet;

use bench_tests::bed::{PATIENCE, TestBed, binary};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Fault, Reply, Script, Turn, call};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{GymServe, answers, harness, scenario};

/// A bed whose model changes something, and then never answers again.
fn silent_model() -> (ModelStub, TestBed) {
    let issue = json!({"projectKey": "WEB", "issueType": "Bug", "summary": "Left behind"});
    let turns = [
        Turn::call([call("create_issue", issue)]),
        Turn::from(Reply::Fault(Fault::Hang)),
    ];
    let stub = ModelStub::start(Script::always(turns));
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    let scenarios = [scenario("a", [answers("done")]), scenario("b", [answers("done")])];
    bed.write_json("harness.json", &harness(scenarios));
    (stub, bed)
}

/// Starts a run, and kills it when all its trials wait for the model.
fn killed(stub: &ModelStub, bed: &TestBed, arguments: &str) {
    let started = bed.start(&format!(
        "run harness.json --model openai:m --ui quiet {arguments}"
    ));
    stub.await_calls(4, PATIENCE);
    started.signal(Signal::KILL);
    started.finish(PATIENCE);
}

fn cleanup(bed: &TestBed, arguments: &str) -> Value {
    let shot = bed.bench(&format!("cleanup --json {arguments}"));
    assert_eq!(shot.code, Some(0), "{shot}");
    serde_json::from_str(&shot.stdout).unwrap()
}

#[test]
fn databases_of_a_killed_worker_are_shown_and_then_removed_by_cleanup() {
    let (stub, bed) = silent_model();
    let served = GymServe::start(&bed);
    bed.write_json("gyms.json", &served.gym_file());
    killed(&stub, &bed, "");
    assert_eq!(served.databases().len(), 2);

    let shown = cleanup(&bed, "");
    let left = &shown["left_behind"][0];
    assert_eq!(left["run_id"], json!(bed.the_run().id()));
    assert_eq!(left["databases"].as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(served.databases().len(), 2, "a dry run");
    assert_eq!(bed.the_run().status(), "running", "a dry run settles nothing");
    let text = bed.bench("cleanup");
    assert!(
        text.stdout.contains("2 databases") && text.stdout.contains("gym served"),
        "{text}"
    );

    let done = cleanup(&bed, "--no-dry-run");
    assert_eq!(done["databases_removed"], 2, "{done}");
    assert_eq!(served.databases(), [""; 0]);
    let run = bed.the_run();
    let state = run.state();
    assert_eq!(
        (&state["status"], &state["cause"], &state["generation"]),
        (&json!("failed"), &json!("worker_lost"), &json!(1)),
        "it stays over as it ended"
    );
    let ids = |kind: &str| -> BTreeSet<String> {
        let events = run.events().into_iter().filter(|event| event["event"] == kind);
        events.map(|event| event["database_id"].to_string()).collect()
    };
    assert_eq!(
        ids("database_removed"),
        ids("database_named"),
        "the run says what was done"
    );
    assert!(run.session().get("databases").is_none());
    assert_eq!(cleanup(&bed, "")["left_behind"], json!([]), "once is enough");
}

#[test]
fn a_database_that_cannot_be_removed_stays_on_the_list_and_is_an_error() {
    let (stub, bed) = silent_model();
    let served = GymServe::start(&bed);
    bed.write_json("gyms.json", &served.gym_file());
    killed(&stub, &bed, "");
    drop(served);
    let shot = bed.bench("cleanup --no-dry-run");
    assert_eq!(shot.code, Some(3), "{shot}");
    assert!(shot.stderr.contains("may still be there"), "{shot}");
    let left = cleanup(&bed, "");
    let databases = left["left_behind"][0]["databases"].as_array().map(Vec::len);
    assert_eq!(databases, Some(2), "{left}");
    let shown = bed.bench("show latest").stdout;
    assert!(
        shown.contains("2 databases") && shown.contains("cleanup --no-dry-run"),
        "{shown}"
    );
}

#[test]
fn databases_of_the_built_in_tracker_end_with_its_worker() {
    let (stub, bed) = silent_model();
    killed(&stub, &bed, "");
    let shown = cleanup(&bed, "");
    assert_eq!(shown["left_behind"], json!([]));
    assert_eq!(shown["rows"][0]["why"], "orphaned");
}

#[test]
fn processes_that_escaped_are_counted_before_cleanup_ends_them() {
    let (stub, bed) = silent_model();
    let bad = binary::own("bad-stdio-gym").display().to_string();
    let server = json!({"command": "sh", "args": ["-c", format!("{bad} --fault escaped-grandchild")]});
    bed.write_json("gyms.json", &json!({"mcpServers": {"bad": server}}));
    killed(&stub, &bed, "--gym-config gyms.json");
    let run = bed.the_run();
    let alive = run.processes().len();
    assert!(
        alive >= 2,
        "the grandchildren have sessions of their own: {:?}",
        run.processes()
    );

    let shown = cleanup(&bed, "");
    assert!(
        shown["left_behind"][0]["processes"].as_u64().unwrap() >= 2,
        "{shown}"
    );
    assert!(run.processes().len() >= 2, "a dry run ends nothing");
    let shot = bed.bench("cleanup --no-dry-run");
    assert_eq!(shot.code, Some(0), "{shot}");
    assert_eq!(run.left_behind(), [""; 0], "{shot}");
    assert_eq!(cleanup(&bed, "")["left_behind"], json!([]));
}

#[test]
fn scratch_folders_of_a_killed_worker_are_removed() {
    let temporary = tempfile::tempdir().unwrap();
    let (stub, bed) = silent_model();
    let bed = bed.env("TMPDIR", temporary.path().display().to_string());
    let server = json!({"command": binary::own("bad-stdio-gym"), "args": ["{{trial_dir}}"]});
    bed.write_json("gyms.json", &json!({"mcpServers": {"fine": server}}));
    let folders = || std::fs::read_dir(temporary.path()).unwrap().count();
    killed(&stub, &bed, "--gym-config gyms.json");
    assert_eq!(folders(), 2, "one of each trial");

    let shown = cleanup(&bed, "");
    assert_eq!(shown["left_behind"][0]["scratch_folders"], 2, "{shown}");
    assert_eq!(folders(), 2, "a dry run removes nothing");
    let other = bed.bench("list --results elsewhere");
    assert_eq!(
        folders(),
        2,
        "a run of another folder is not known to be over: {other}"
    );
    let list = bed.bench("list");
    assert_eq!(folders(), 0, "{list}");
    assert_eq!(cleanup(&bed, "")["left_behind"], json!([]));
}
