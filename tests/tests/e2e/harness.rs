//! Scenarios to write harness files with, and servers to try them on.

use std::path::PathBuf;

pub(crate) use bench_tests::bed::GymServe;
use bench_tests::bed::{TestBed, binary};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Conversation, Fault, Reply, Script, Turn, call};
use serde_json::{Value, json};

/// When the tracker's sample world ends: what is younger was made by a trial.
pub(crate) const SAMPLE_ENDS: &str = "2025-12-01";

/// A harness of scenarios.
pub(crate) fn harness(scenarios: impl Into<Vec<Value>>) -> Value {
    json!({"scenarios": scenarios.into()})
}

/// A scenario with one prompt, which is also its id, and these verifiers.
pub(crate) fn scenario(id: &str, verifiers: impl Into<Vec<Value>>) -> Value {
    json!({
        "scenario_id": id,
        "name": id,
        "prompts": [{"prompt_text": format!("[{id}] Do your work."), "verifier": verifiers.into()}],
    })
}

/// A scenario of the tracker that creates one issue, with its solution.
pub(crate) fn creates_issue(id: &str) -> Value {
    let mut scenario = scenario(id, [one_new_issue(), sql("SELECT 1", &json!(1))]);
    let arguments = json!({"projectKey": "WEB", "issueType": "Bug", "summary": format!("Made by {id}")});
    scenario["solution"] = json!({
        "calls": [{"tool": "create_issue", "arguments": arguments, "as": "issue"}],
        "answer": "Created {{issue/key}}.",
    });
    scenario
}

/// True when exactly one issue was made since the sample world ended.
pub(crate) fn one_new_issue() -> Value {
    let query = format!("SELECT count(*) FROM issue WHERE created_at >= '{SAMPLE_ENDS}'");
    sql(&query, &json!(1))
}

/// A check of a SQL scalar.
pub(crate) fn sql(query: &str, expected: &Value) -> Value {
    json!({
        "verifier_type": "database_state",
        "validation_config": {"query": query, "expected_value": expected},
    })
}

/// A check that the final answer contains a text.
pub(crate) fn answers(text: &str) -> Value {
    json!({"verifier_type": "response_check", "validation_config": {"contains": text}})
}

/// The quickstart of the repository.
pub(crate) fn quickstart() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart")
}

/// A run of one trial that finishes at once and one whose model never answers.
pub(crate) fn half_done() -> (ModelStub, TestBed) {
    let never = Turn::from(Reply::Fault(Fault::Hang));
    let stub = ModelStub::start(Script {
        conversations: vec![
            Conversation::when("[quick]", [Turn::say("done")]),
            Conversation::when("[hangs]", [never]),
        ],
    });
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    bed.write_json(
        "harness.json",
        &harness([
            scenario("quick", [answers("done")]),
            scenario("hangs", [answers("done")]),
        ]),
    );
    (stub, bed)
}

/// A server that ignores SIGTERM and the end of its input, asked by a tool call that it never answers.
pub(crate) fn stubborn() -> (ModelStub, TestBed) {
    let stub = ModelStub::start(Script::always([Turn::call([call("hang", json!({}))])]));
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", "sk-canary-openai");
    let server = json!({"command": binary::own("bad-stdio-gym"), "args": ["--fault", "ignore-sigterm"]});
    bed.write_json("gyms.json", &json!({"mcpServers": {"stubborn": server}}));
    bed.write_json("harness.json", &harness([scenario("a", [answers("done")])]));
    (stub, bed)
}
