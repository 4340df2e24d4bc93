//! What a resume may say anew (budgets, and what the results have to be), what it may not (what is tried), and the
//! gate that a run in the background keeps until somebody asks.

use std::fs;

use bench_tests::bed::{PATIENCE, TestBed};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Conversation, Script, Turn, call, status};
use serde_json::{Value, json};

use crate::harness::{GymServe, answers, harness, scenario};

fn show(bed: &TestBed) -> Value {
    let shot = bed.bench("show latest --json");
    assert_eq!(shot.code, Some(0), "{shot}");
    serde_json::from_str(&shot.stdout).unwrap()
}

/// One scenario whose model is out of order at first, and then takes ten turns.
fn long_way() -> (ModelStub, TestBed) {
    let broken: Vec<_> = (0..1).map(|_| status(401)).collect();
    let mut turns = vec![Turn::call([call("list_projects", json!({}))]).after(broken)];
    turns.extend((0..9).map(|_| Turn::call([call("list_projects", json!({}))])));
    turns.push(Turn::say("done"));
    let stub = ModelStub::start(Script {
        conversations: vec![Conversation::when("[far]", turns)],
    });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json("harness.json", &harness([scenario("far", [answers("done")])]));
    (stub, bed)
}

#[test]
fn a_resume_may_change_budgets_which_are_journaled_and_shown_while_the_plan_stays() {
    let (_stub, bed) = long_way();
    let first = bed.bench("run harness.json --model openai:m --retries 0 --max-turns 50 --ui quiet");
    assert_eq!(first.code, Some(3), "nothing could be judged: {first}");
    let run = bed.the_run();
    assert_eq!(
        run.outcomes()["far~openai-m~1"],
        "errored",
        "the provider was out of order"
    );
    let plan = fs::read(run.path().join("plan.json")).unwrap();

    let done = show(&bed)["progress"]["trials_done"].clone();
    assert_eq!(done, 1);
    let again = bed.bench("resume --max-turns 3 --max-concurrency 2 --fail-under 100% --ui quiet");
    assert_eq!(again.code, Some(1), "the new gate is not met: {again}");
    assert!(again.stderr.contains("max_turns 50 → 3"), "{again}");
    assert_eq!(run.outcomes()["far~openai-m~1"], "limit", "the new limit holds");
    assert_eq!(
        fs::read(run.path().join("plan.json")).unwrap(),
        plan,
        "the plan stays"
    );
    let events = run.events();
    let changes: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "plan_changed")
        .collect();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["generation"], 2);
    let shown = show(&bed);
    let progress = &shown["progress"];
    assert_eq!(
        (&progress["trials_done"], &progress["errored"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        shown["changes"][0]["changes"],
        json!([
            {"what": "max_turns", "from": "50", "to": "3"},
            {"what": "max_concurrency", "from": "8", "to": "2"},
            {"what": "fail_under", "from": "none", "to": "1"},
        ])
    );
    let text = bed.bench("show latest").stdout;
    assert!(text.contains("max_turns 50 → 3, max_concurrency 8 → 2"), "{text}");
    for (format, words) in [
        ("md", "max_turns 50 → 3, max_concurrency 8 → 2"),
        ("html", "max_turns 50 → 3, max_concurrency 8 → 2"),
        ("json", r#"{"what":"max_turns","from":"50","to":"3"}"#),
    ] {
        let report = bed.bench(&format!("report latest --format {format} -o -"));
        assert!(report.stdout.contains(words), "{report}");
    }
}

/// Half of a run before a change and half after it is no setting that could be compared as one.
#[test]
fn a_run_whose_limits_changed_halfway_is_not_compared_as_one_setting() {
    let mut far = vec![Turn::call([call("list_projects", json!({}))]).after(vec![status(401)])];
    far.push(Turn::say("done"));
    let stub = ModelStub::start(Script {
        conversations: vec![
            Conversation::when("[near]", vec![Turn::say("done")]),
            Conversation::when("[far]", far),
        ],
    });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    let both = ["near", "far"].map(|id| scenario(id, [answers("done")]));
    bed.write_json("harness.json", &harness(both));
    bed.bench("run harness.json --model openai:m --retries 0 --max-turns 50 --max-concurrency 1 --ui quiet");
    let mixed = bed.the_run();
    let resumed = bed.bench("resume --max-turns 20 --ui quiet");
    assert_eq!(resumed.code, Some(0), "{resumed}");
    assert_eq!(
        bed.bench("run harness.json --model openai:m --max-turns 30 --ui quiet")
            .code,
        Some(0)
    );
    let compared = bed.bench(&format!("compare latest {}", mixed.id()));
    for words in [
        "B is not one setting: a resume changed limits after 1 of 2 trials:\n  max_turns 50 → 20\n",
        "not the same: limits max_turns 30 → 50, then 20",
    ] {
        assert!(compared.stdout.contains(words), "{words}: {compared}");
    }
}

#[test]
fn what_was_changed_once_holds_for_later_resumes_and_nothing_new_is_no_change() {
    let (_stub, bed) = long_way();
    bed.bench("run harness.json --model openai:m --retries 0 --ui quiet");
    let run = bed.the_run();
    // Every trial has a verdict after this; what is journaled must not be forgotten all the same.
    bed.bench("resume --max-turns 3 --ui quiet");
    let text = fs::read_to_string(run.path().join("events.jsonl")).unwrap();
    let attached = bed.bench("attach latest --fail-under 1 --json");
    assert_eq!(attached.code, Some(1), "{attached}");
    let nothing = bed.bench("resume --max-turns 3");
    assert!(nothing.stderr.contains("nothing to do"), "{nothing}");
    assert_eq!(fs::read_to_string(run.path().join("events.jsonl")).unwrap(), text);
    // A retry is a run of its own, with the budgets that hold now and what is said anew.
    let retried = bed.bench("retry --failed --retries 0 --ui quiet");
    assert_eq!(retried.code, Some(0), "{retried}");
    let second = bed.runs().pop().unwrap();
    assert_ne!(second.id(), run.id());
    let plan = second.json("plan.json");
    assert_eq!(
        (&plan["limits"]["max_turns"], &plan["retries"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(
        show(&bed)["run_id"],
        json!(second.id()),
        "the younger one is the latest"
    );
}

#[test]
fn the_gate_of_a_run_in_the_background_is_kept_until_somebody_asks() {
    let stub = ModelStub::start(Script::always([Turn::say("wrong")]));
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json("harness.json", &harness([scenario("a", [answers("done")])]));
    let launched = bed.bench("run harness.json --model openai:m --fail-under 90% --background");
    assert_eq!(launched.code, Some(0), "{launched}");
    let attached = bed.bench("attach");
    assert_eq!(attached.code, Some(1), "{attached}");
    assert!(
        attached.stderr.contains("--fail-under: openai:m passed 0.0%"),
        "{attached}"
    );
    let shown = show(&bed);
    assert_eq!(
        shown["gate"],
        json!({
            "fail_under": 0.9, "min_verdicts": 0.9, "strict": false, "met": false, "exit_code": 1,
            "missed": ["--fail-under: openai:m passed 0.0%, under 90.0%"],
        })
    );
    let text = bed.bench("show latest").stdout;
    assert!(
        text.contains("--fail-under 90.0%: not met\n")
            && text.contains("✗ --fail-under: openai:m passed 0.0%"),
        "{text}"
    );
    // Whoever asks may ask for something else.
    assert_eq!(bed.bench("attach --fail-under 0").code, Some(0));
    assert_eq!(
        bed.bench("resume").code,
        Some(1),
        "nothing to do, and the gate is not met"
    );
}

#[test]
fn a_seed_file_that_has_changed_refuses_to_be_resumed() {
    let bed = TestBed::new();
    let served = GymServe::start(&bed);
    let url = served.gym_file()["gyms"]["served"]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let seed = "CREATE TABLE t (a); INSERT INTO t VALUES (1);";
    bed.write("seed.sql", seed);
    bed.write("play.json", r#"{"scenarios": {"*": [{"never_answer": true}]}}"#);
    bed.write_json(
        "task.json",
        &json!({
            "user_prompt": "Go.", "verifiers": [],
            "gym_servers_config": [{"mcp_server_name": "served", "mcp_server_url": url, "seed_database_file": "seed.sql"}],
        }),
    );
    let started = bed.start("run task.json --model script:play.json --ui plain --json");
    started.stdout_line(PATIENCE, |line| line.contains("\"trial_started\""));
    started.signal(rustix::process::Signal::KILL);
    started.finish(PATIENCE);
    bed.write("seed.sql", seed.replace('1', "2"));
    let refused = bed.bench("resume latest");
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(
        refused.stderr.contains("seed.sql") && refused.stderr.contains("changed"),
        "{refused}"
    );
    let state = bed.the_run().state();
    assert_eq!(
        (&state["status"], &state["generation"], &state["cause"]),
        (&json!("failed"), &json!(1), &json!("worker_lost")),
        "it is over as it was"
    );
}
