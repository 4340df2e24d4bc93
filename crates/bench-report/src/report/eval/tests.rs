//! What is in an archive, read back.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use bench_core::transcript::{Entry, Line, ToolCall};
use bench_core::{Outcome, TrialId, TrialRecord, Usage};
use serde_json::json;
use zip::ZipArchive;

use super::*;
use crate::report::tests::{Fixture, report, report_of};
use crate::report::{Lines, Trial};

/// Every trial's transcript has these lines, a second apart.
struct Told(Vec<Result<Entry, String>>);

impl Files for Told {
    fn record(&self, _: &TrialId) -> Result<Option<TrialRecord>, String> {
        Ok(None)
    }

    fn transcript(&self, _: &TrialId) -> Result<Option<Lines>, String> {
        let line = |(n, entry): (usize, Result<Entry, String>)| {
            let at = format!("2026-01-02T03:04:{n:02}Z").parse().unwrap();
            entry.map(|entry| Line { at, entry })
        };
        Ok(Some(Box::new(self.0.clone().into_iter().enumerate().map(line))))
    }

    fn transcript_path(&self, trial: &TrialId) -> String {
        format!("trials/{trial}.jsonl")
    }
}

/// Documents by name.
struct Documents(Vec<(String, Value)>);

impl Documents {
    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn get(&self, name: &str) -> &Value {
        let found = self.0.iter().find(|(found, _)| found == name);
        &found
            .unwrap_or_else(|| panic!("no `{name}` in {:?}", self.names()))
            .1
    }
}

fn bytes(report: &Report, model: usize, files: &dyn Files) -> Vec<u8> {
    let mut out = Vec::new();
    write(report, &report.models[model], files, &mut out).unwrap();
    out
}

fn read(bytes: Vec<u8>) -> Documents {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let count = archive.len();
    let document = |n| {
        let mut entry = archive.by_index(n).unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (
            entry.name().unwrap().into_owned(),
            serde_json::from_str(&text).unwrap(),
        )
    };
    Documents((0..count).map(document).collect())
}

fn log(report: &Report, model: usize, files: &dyn Files) -> Documents {
    read(bytes(report, model, files))
}

fn reply(turn: u32, text: &str, tool_calls: Vec<ToolCall>) -> Entry {
    Entry::Assistant {
        turn,
        text: text.into(),
        reasoning: if turn == 1 {
            "Let me see.".into()
        } else {
            String::new()
        },
        stop_reason: if tool_calls.is_empty() {
            "end_turn"
        } else {
            "tool_use"
        }
        .into(),
        tool_calls,
        served_by: None,
        request_id: None,
        usage: Usage {
            input_tokens: Some(10),
            output_tokens: Some(2),
            ..Usage::default()
        },
        cost_usd: None,
        unknown_calls: 0,
        took_ms: 500,
        first_token_ms: None,
        raw: Value::Null,
    }
}

fn user() -> Entry {
    Entry::User {
        prompt: 0,
        text: "File a bug.".into(),
    }
}

fn answered(call_id: &str) -> Entry {
    Entry::ToolResult {
        turn: 1,
        call_id: call_id.into(),
        tool: "create_issue".into(),
        gym: "tracker".into(),
        is_error: true,
        text: "no such project".into(),
        structured: Value::Null,
        cut_bytes: 7,
        took_ms: 30,
    }
}

/// An attempt that broke off, and one with a tool call, a judge, a line that cannot be read.
fn told() -> Told {
    let call = ToolCall {
        id: "c1".into(),
        name: "create_issue".into(),
        arguments: json!({"key": "WEB", "parent": null}),
    };
    let judged = Entry::JudgeReplied {
        verifier: 0,
        text: "8".into(),
        reasoning: String::new(),
        stop_reason: "stop".into(),
        served_by: None,
        request_id: None,
        usage: Usage {
            input_tokens: Some(100),
            ..Usage::default()
        },
        cost_usd: Some(0.03125.into()),
        unknown_calls: 0,
        took_ms: 1,
    };
    Told(vec![
        Ok(Entry::Attempt { attempt: 1 }),
        Ok(user()),
        Ok(reply(1, "I begin.", vec![])),
        Ok(Entry::Attempt { attempt: 2 }),
        Ok(Entry::System {
            text: "Be good.".into(),
        }),
        Ok(user()),
        Ok(reply(1, "", vec![call])),
        Ok(answered("c1")),
        Err("line 9 is torn".into()),
        Ok(reply(2, "Done <think>nothing</think>.", vec![])),
        Ok(Entry::JudgeAsked {
            verifier: 0,
            name: "good".into(),
            model: "openai:judge".into(),
            text: "Is it good?".into(),
        }),
        Ok(judged),
    ])
}

const FIRST: &str = "samples/create-bug_epoch_1.json";

#[test]
fn there_is_a_sample_for_each_trial_of_the_model_and_the_header_says_what_it_came_to() {
    let report = report();
    let log = log(&report, 0, &Told(vec![]));
    let names = log.names();
    assert_eq!(names.len(), 8 + 2, "{names:?}");
    assert_eq!(names[8..], ["summaries.json", "header.json"]);
    assert!(names.contains(&"samples/assign_epoch_2.json"), "{names:?}");
    let header = log.get("header.json");
    assert_eq!(header["status"], "success");
    assert_eq!(header["eval"]["model"], "anthropic/claude");
    assert_eq!(header["eval"]["task"], "quickstart");
    assert_eq!(header["eval"]["config"]["epochs"], 2);
    assert_eq!(
        header["eval"]["dataset"]["sample_ids"].as_array().unwrap().len(),
        4
    );
    let passed = &header["results"]["scores"][0];
    let rate = report.models[0].statistics.pass_rate.unwrap();
    assert_eq!(passed["name"], "passed");
    assert_eq!(passed["metrics"]["accuracy"]["value"], json!(rate.rate));
    assert_eq!(passed["metrics"]["low_95"]["value"], json!(rate.interval.low));
    assert_eq!(passed["metadata"]["few_scenarios"], true);
    assert_eq!(
        (&passed["scored_samples"], &passed["unscored_samples"]),
        (&json!(8), &json!(0))
    );
    let usage = &header["stats"]["model_usage"]["anthropic/claude"];
    assert_eq!(usage["input_tokens"], 10_000);
    assert_eq!(usage["total_cost"], 0.35);
}

#[test]
fn what_is_in_no_rate_has_no_score() {
    let report = report();
    for model in [0, 1] {
        let log = log(&report, model, &Told(vec![]));
        let of_model = |trial: &&Trial| trial.model == report.models[model].totals.model;
        for trial in report.trials.iter().filter(of_model) {
            let name = format!("samples/{}_epoch_{}.json", trial.scenario_id, trial.repetition);
            let sample = log.get(&name);
            let want = match trial.outcome {
                Outcome::Passed => json!("C"),
                Outcome::Failed | Outcome::Limit => json!("I"),
                _ => Value::Null,
            };
            assert_eq!(sample["scores"]["passed"]["value"], want, "{name}");
            let broken = matches!(trial.outcome, Outcome::Errored | Outcome::Cancelled);
            assert_eq!(sample.get("error").is_some(), broken, "{name}");
            let last = sample["events"].as_array().unwrap().last().unwrap();
            let want = match trial.outcome {
                Outcome::Errored | Outcome::Cancelled => "error",
                Outcome::Unscored => "sample_init",
                _ => "score",
            };
            assert_eq!(last["event"], want, "{name}");
        }
        let scored = &log.get("header.json")["results"]["scores"][1]["scored_samples"];
        assert_eq!(*scored, [8, 3][model]);
    }
}

#[test]
fn only_the_attempt_that_counts_is_the_conversation_and_all_are_events() {
    let log = log(&report(), 0, &told());
    let sample = log.get(FIRST);
    let said: Vec<_> = sample["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["system", "user", "assistant", "tool", "assistant"]);
    let happened: Vec<_> = sample["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        happened,
        [
            "sample_init",
            "span_begin",
            "model",
            "span_end",
            "span_begin",
            "model",
            "tool",
            "info",
            "model",
            "model",
            "score",
            "span_end"
        ]
    );
    assert_eq!(sample["error_retries"].as_array().unwrap().len(), 1);
    assert_eq!(sample["input"], "File a bug.");
    assert_eq!(sample["output"]["completion"], "Done <think>nothing</think>.");
    assert_eq!(sample["output"]["choices"][0]["stop_reason"], "stop");
    assert_eq!(
        sample["scores"]["passed"]["answer"],
        "Done <think>nothing</think>."
    );
    let summary = &log.get("summaries.json")[0];
    assert_eq!(
        (&summary["message_count"], &summary["retries"]),
        (&json!(5), &json!(1))
    );
    assert_eq!(summary["scores"]["passed"]["value"], "C");
}

#[test]
fn requests_refer_to_what_was_said_before_them() {
    let log = log(&report(), 0, &told());
    let sample = log.get(FIRST);
    let pool = sample["events_data"]["messages"].as_array().unwrap();
    let events = sample["events"].as_array().unwrap();
    let of_model = |event: &&Value| event["event"] == "model" && event.get("role").is_none();
    let asked: Vec<Vec<&str>> = events
        .iter()
        .filter(of_model)
        .map(|event| {
            let ends = event["input_refs"][0].as_array().unwrap();
            let [from, to] = [0, 1].map(|n| usize::try_from(ends[n].as_u64().unwrap()).unwrap());
            pool[from..to]
                .iter()
                .map(|message| message["role"].as_str().unwrap())
                .collect()
        })
        .collect();
    assert_eq!(
        asked,
        [
            vec!["user"],
            vec!["system", "user"],
            vec!["system", "user", "assistant", "tool"]
        ]
    );
    let judge = events.iter().find(|event| event["role"] == "judge").unwrap();
    assert_eq!(judge["model"], "openai/judge");
    assert_eq!(judge["input"][0]["content"], "Is it good?");
    let tool = events.iter().find(|event| event["event"] == "tool").unwrap();
    assert_eq!(tool["arguments"], json!({"key": "WEB", "parent": null}));
    assert_eq!(tool["error"]["message"], "no such project");
    let ids: BTreeSet<&str> = pool
        .iter()
        .map(|message| message["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), pool.len(), "each has an id of its own");
    assert!(ids.contains(tool["message_id"].as_str().unwrap()));
    let info = events.iter().find(|event| event["event"] == "info").unwrap();
    assert_eq!(info["data"], "line 9 is torn");
}

#[test]
fn judges_are_paid_under_their_own_name() {
    let log = log(&report(), 0, &told());
    let usage = &log.get("header.json")["stats"];
    assert_eq!(usage["model_usage"]["openai/judge"]["input_tokens"], 800);
    assert_eq!(usage["model_usage"]["openai/judge"]["total_cost"], 0.25);
    assert_eq!(
        usage["model_usage"]["anthropic/claude"]["total_cost"], 0.1,
        "what the run cost holds both"
    );
    assert_eq!(usage["role_usage"]["judge"]["input_tokens"], 800);
    let sample = &log.get(FIRST)["role_usage"]["judge"];
    assert_eq!(sample["input_tokens"], 100);
}

#[test]
fn a_long_transcript_makes_the_same_as_a_short_one_and_nothing_depends_on_the_clock() {
    let mut report = report();
    let first = bytes(&report, 0, &told());
    report.made_at = "2031-01-01T00:00:00Z".parse().unwrap();
    assert!(bytes(&report, 0, &told()) == first, "the same bytes");
    // Made ahead; read once, written while it is made; read again for each part.
    for length in [1024, 1024 * 1024, 100 * 1024 * 1024] {
        for trial in &mut report.trials {
            trial.transcript_bytes = length;
        }
        let documents = log(&report, 0, &told()).0;
        assert!(documents == read(first.clone()).0, "{length} bytes");
    }
}

#[test]
fn an_attempt_that_was_not_made_has_no_conversation() {
    let mut report = report();
    report.trials[0].attempt = 0;
    let id = report.trials[0].scenario_id.clone();
    let log = log(&report, 0, &told());
    let sample = log.get(&format!("samples/{id}_epoch_1.json"));
    assert_eq!(sample["messages"], json!([]));
    assert_eq!(sample["output"]["choices"], json!([]));
}

#[test]
fn no_name_is_a_path_and_different_names_stay_different() {
    for attack in ["../../", "..\\", "/etc/", "a\0b\n", "%2F"] {
        let report = report_of(&Fixture::saying(&[]), |name| format!("{attack}{name}"));
        let log = log(&report, 0, &Told(vec![]));
        for name in log.names().into_iter().filter(|name| name.starts_with("samples")) {
            let file = name.strip_prefix("samples/").unwrap();
            assert!(!file.contains(['/', '\\', '\0', '\n']), "{name:?}");
        }
        assert_eq!(log.get("summaries.json").as_array().unwrap().len(), 8);
    }
    let names = ["a/b", "a%2Fb", "a\\b", "a b", "ä"];
    let ids: BTreeSet<String> = names.iter().map(|name| sample_id(name)).collect();
    assert_eq!(ids.len(), names.len(), "{ids:?}");
    assert_eq!(sample_id("a/b"), "a%2Fb");
}

#[test]
fn limits_have_inspects_names_and_their_values() {
    let mut trial = report()
        .trials
        .into_iter()
        .find(|t| t.outcome == Outcome::Limit)
        .unwrap();
    for (cause, want) in [
        ("turn limit reached (200 turns)", Some(("turn", 200.0))),
        ("tool call limit reached (1000 calls)", Some(("custom", 1000.0))),
        ("token limit reached (500 tokens)", Some(("token", 500.0))),
        ("time limit reached (0.5 s)", Some(("time", 0.5))),
        ("cost limit reached ($0.0100 of $0.02)", Some(("cost", 0.02))),
        ("who knows", None),
    ] {
        trial.cause = Some(cause.into());
        assert_eq!(events::limit(&trial), want, "{cause}");
    }
    trial.outcome = Outcome::Failed;
    trial.cause = Some("time limit reached (1 s)".into());
    assert_eq!(events::limit(&trial), None);
}

/// Takes so many bytes, and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told() {
    let report = report();
    let whole = bytes(&report, 0, &told()).len();
    for room in [0, 100, whole / 2, whole - 1] {
        let written = write(&report, &report.models[0], &told(), &mut Full(room));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull, "{room}");
    }
    assert!(write(&report, &report.models[0], &told(), &mut Full(whole)).is_ok());
}
