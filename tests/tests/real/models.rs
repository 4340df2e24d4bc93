//! A real model server: scenarios of the quickstart over every API that it speaks, whole and streamed.
//!
//! What is checked is not the model, which may be small and wrong, but what a run makes of it: conversations in order,
//! tool calls with their results, tokens, stop reasons, evidence, and the same verdicts when the run is replayed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bench_tests::bed::{RunFolder, Shot, TestBed};
use serde_json::{Value, json};

/// A small model on a busy machine needs a while.
const PATIENCE: Duration = Duration::from_mins(15);

/// Each way to ask: a provider, and settings.
const WAYS: [(&str, &str); 6] = [
    ("compatible", ""),
    ("compatible", "?stream=true"),
    ("openai", "?api=responses"),
    ("openai", "?api=responses&stream=true"),
    ("anthropic", ""),
    ("anthropic", "?stream=true"),
];

/// Scenarios of the quickstart, one of them with two prompts, and the tools that are offered for each: the definitions of
/// all would be most of what such a model reads.
const SCENARIOS: [(&str, &[&str]); 2] = [
    ("assign-unowned-issue", &["assign_issue", "find_assignable_users"]),
    ("log-work", &["add_worklog", "get_issue"]),
];

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The name of the first model that the server lists.
fn first_model(url: &str) -> String {
    rustls::crypto::ring::default_provider().install_default().ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let listed = runtime.unwrap().block_on(async {
        let answer = reqwest::get(format!("{url}/models")).await.unwrap();
        answer.text().await.unwrap()
    });
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let name = listed["data"][0]["id"].as_str();
    name.unwrap_or_else(|| panic!("no model in {listed:#}"))
        .to_owned()
}

/// The scenarios, with fewer tools.
fn harness() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart/harness.json");
    let quickstart: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let scenarios = SCENARIOS.map(|(id, tools)| {
        let all = quickstart["scenarios"].as_array().unwrap();
        let mut scenario = all.iter().find(|s| s["scenario_id"] == id).unwrap().clone();
        scenario["allowed_tools"] = json!(tools);
        scenario
    });
    json!({ "scenarios": scenarios })
}

#[test]
fn quickstart_scenarios_over_every_api_of_a_model_server() {
    let Some(url) = variable("BENCH_TEST_LLM_URL") else {
        eprintln!(
            "SKIPPED quickstart_scenarios_over_every_api_of_a_model_server: BENCH_TEST_LLM_URL is not set; \
             it names a server, such as http://127.0.0.1:8080/v1"
        );
        return;
    };
    let url = url.trim_end_matches('/');
    let name = variable("BENCH_TEST_LLM_MODEL").unwrap_or_else(|| first_model(url));
    let key = variable("BENCH_TEST_LLM_KEY").unwrap_or_else(|| "no-key-is-needed".to_owned());
    let bed = ["COMPATIBLE", "OPENAI", "ANTHROPIC"]
        .into_iter()
        .fold(TestBed::new(), |bed, provider| {
            bed.env(&format!("{provider}_BASE_URL"), url)
                .env(&format!("{provider}_API_KEY"), &key)
        });
    bed.write_json("harness.json", &harness());
    let models = WAYS.map(|(provider, settings)| format!("{provider}:{name}{settings}"));
    let asked = models.join(" --model ");
    let shot = run(
        &bed,
        &format!(
            "run harness.json --model {asked} --temperature 0 --max-output-tokens 300 --max-turns 6 \
             --max-concurrency 2 --retries 0 --ui quiet"
        ),
    );
    assert_eq!(shot.code, Some(0), "{shot}");
    eprintln!("{}", shot.table());
    let recorded = bed.the_run();
    assert_eq!(recorded.status(), "completed");

    let trials = recorded.trials();
    assert_eq!(trials.len(), SCENARIOS.len() * WAYS.len());
    let mut judged = BTreeSet::new();
    for (id, trial) in &trials {
        let turns = check_transcript(id, &recorded.transcript(id), trial);
        check_evidence(&bed, id, &name, turns, trial);
        if trial["outcome"] != "errored" {
            judged.insert(trial["model"].as_str().unwrap().to_owned());
        }
    }
    let want: BTreeSet<_> = models.into_iter().collect();
    assert_eq!(judged, want, "each API has a trial with a verdict");

    let shot = run(
        &bed,
        &format!(
            "run harness.json --model replay:{} --retries 0 --ui quiet",
            recorded.id()
        ),
    );
    assert_eq!(shot.code, Some(0), "{shot}");
    let replayed = bed.runs().pop().unwrap();
    assert_eq!(verdicts(&replayed, &recorded), verdicts(&recorded, &recorded));
}

fn run(bed: &TestBed, arguments: &str) -> Shot {
    bed.start(arguments).finish(PATIENCE)
}

/// What was said is in order; returns how many replies there were.
fn check_transcript(id: &str, entries: &[Value], trial: &Value) -> usize {
    let streamed = trial["model"].as_str().unwrap().contains("stream=true");
    let (mut turns, mut input, mut output) = (0, 0, 0);
    let mut ids = BTreeSet::new();
    let mut open: Vec<Value> = Vec::new();
    let mut before = "nothing";
    for entry in entries {
        let said = |name: &str| entry[name].as_u64().unwrap_or_default();
        let kind = entry["type"].as_str().unwrap();
        match kind {
            "user" => assert!(
                open.is_empty() && before != "user",
                "{id}: {entry} after {before}"
            ),
            "assistant" => {
                assert!(
                    open.is_empty() && before != "assistant",
                    "{id}: {entry} after {before}"
                );
                turns += 1;
                assert_eq!(said("turn"), turns, "{id}: {entry}");
                let usage = |name: &str| entry["usage"][name].as_u64().unwrap_or_default();
                input += usage("input_tokens");
                output += usage("output_tokens");
                assert!(
                    usage("input_tokens") > 0 && usage("output_tokens") > 0,
                    "{id}: {entry}"
                );
                assert!(usage("cached_tokens") <= usage("input_tokens"), "{id}: {entry}");
                for name in ["stop_reason", "served_by"] {
                    assert!(
                        entry[name].as_str().is_some_and(|word| !word.is_empty()),
                        "{id}: no {name}: {entry}"
                    );
                }
                assert_eq!(entry["first_token_ms"].is_u64(), streamed, "{id}: {entry}");
                assert!(said("first_token_ms") <= said("took_ms"), "{id}: {entry}");
                open = entry["tool_calls"].as_array().cloned().unwrap_or_default();
                for call in &open {
                    assert!(
                        ids.insert(call["id"].as_str().unwrap().to_owned()),
                        "{id}: twice: {call}"
                    );
                }
            }
            "tool_result" => {
                assert!(!open.is_empty(), "{id}: an answer to no call: {entry}");
                let call = open.remove(0);
                assert_eq!(
                    (&call["id"], &call["name"]),
                    (&entry["call_id"], &entry["tool"]),
                    "{id}"
                );
                assert_eq!(said("turn"), turns, "{id}: {entry}");
            }
            _ => continue,
        }
        before = kind;
    }
    assert!(open.is_empty(), "{id}: without an answer: {open:?}");
    if trial["outcome"] == "errored" {
        return turns.try_into().unwrap();
    }
    assert_eq!(trial["turns"], turns, "{id}");
    assert_eq!(
        (&trial["usage"]["input_tokens"], &trial["usage"]["output_tokens"]),
        (&json!(input), &json!(output)),
        "{id}"
    );
    assert_eq!(trial["cost"]["usd"], 0.0, "{id}: nobody knows a price");
    assert!(
        trial["cost"]["unknown_calls"].as_u64().unwrap() >= turns,
        "{id}: {}",
        trial["cost"]
    );
    turns.try_into().unwrap()
}

/// Requests and replies were kept; whatever failed, it was the server that said so.
fn check_evidence(bed: &TestBed, id: &str, model: &str, turns: usize, trial: &Value) {
    let shown = bed.bench(&format!("show latest --trial {id} --raw --json"));
    assert_eq!(shown.code, Some(0), "{shown}");
    let records: Vec<Value> = serde_json::from_str(&shown.stdout).unwrap();
    let (replied, failed): (Vec<_>, Vec<_>) = records.iter().partition(|r| r["ended"] == "replied");
    assert_eq!(replied.len(), turns, "{id}: one reply for each turn");
    let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let mut called: Vec<String> = Vec::new();
    for record in replied {
        assert_eq!(record["status"], 200, "{id}");
        let (request, body) = (text(record, "request"), text(record, "body"));
        let asked: Value = serde_json::from_str(&request).unwrap();
        assert_eq!(asked["model"], model, "{id}");
        assert!(
            called.iter().all(|call| request.contains(call)),
            "{id}: a call is missing: {request}"
        );
        assert!(body.contains("usage"), "{id}: {body}");
        called = calls_of_turn(bed, id, &record["turn"]);
        assert!(
            called.iter().all(|call| body.contains(call)),
            "{id}: whose calls? {body}"
        );
    }
    for record in failed {
        let (status, body) = (record["status"].as_u64(), text(record, "body"));
        eprintln!("{id}: {status:?} {}", record["error"]);
        let server_said = body.contains("\"error\"") || body.contains("server_error");
        let ours = status.is_none_or(|status| (300..500).contains(&status)) || !server_said;
        assert!(!ours, "{id}: {record:#}");
    }
    if trial["outcome"] == "errored" {
        eprintln!("{id} errored: {}", trial["cause"]);
    }
}

/// The ids of the tool calls of a turn.
fn calls_of_turn(bed: &TestBed, id: &str, turn: &Value) -> Vec<String> {
    let entries = bed.runs().pop().unwrap().transcript(id);
    let reply = entries
        .iter()
        .find(|e| e["type"] == "assistant" && e["turn"] == *turn)
        .unwrap();
    let calls = reply["tool_calls"].as_array().cloned().unwrap_or_default();
    calls
        .iter()
        .map(|call| call["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Outcome and verdicts, by scenario and recorded model.
fn verdicts(run: &RunFolder, recorded: &RunFolder) -> BTreeMap<String, Value> {
    let of = |trial: Value| {
        let model = trial["model"].as_str().unwrap();
        let model = model
            .strip_prefix(&format!("replay:{}/", recorded.id()))
            .unwrap_or(model);
        let verdicts = trial["verdicts"].as_array().unwrap().iter();
        let verdicts: Vec<_> = verdicts
            .map(|v| [v["verifier"].clone(), v["verdict"].clone()])
            .collect();
        (
            format!("{} {model}", trial["scenario_id"]),
            json!([trial["outcome"], verdicts]),
        )
    };
    run.trials().into_values().map(of).collect()
}
