//! That a log, as Inspect reads it, says the same as the files of the run.

use bench_tests::bed::RunFolder;
use serde_json::{Value, json};

/// A model as Inspect names it.
pub(super) fn inspects(model: &str) -> String {
    model.replacen(':', "/", 1)
}

pub(super) fn samples(log: &Value) -> &[Value] {
    log["samples"].as_array().unwrap()
}

/// The log of a model adds up to what `session.json` says of it.
pub(super) fn is_in_session(log: &Value, model: &Value) {
    let name = model["model"].as_str().unwrap();
    for same in ["same_header", "same_alone", "same_summaries"] {
        assert_eq!(log[same], true, "{name}: {same}");
    }
    let count = |outcome: &str| model[outcome].as_u64().unwrap();
    let scored = count("passed") + count("failed") + count("limit");
    let broken = count("errored") + count("cancelled");
    let passed = &log["scores"]["passed"];
    assert_eq!(
        (&passed["scored"], &passed["unscored"]),
        (&json!(scored), &json!(broken + count("unscored"))),
        "{name}"
    );
    let number =
        |fits: &dyn Fn(&Value) -> bool| samples(log).iter().filter(|sample| fits(sample)).count() as u64;
    let with = |value: &str| number(&|sample| sample["scores"]["passed"] == value);
    let wrong = scored - count("passed");
    assert_eq!((with("C"), with("I")), (count("passed"), wrong), "{name}");
    assert_eq!(number(&|sample| !sample["error"].is_null()), broken, "{name}");
    for (scorer, metric) in [("passed", "accuracy"), ("verifiers", "mean")] {
        let told = log["scores"][scorer]["metrics"][metric].as_f64().unwrap();
        let computed = log["rates"][scorer].as_f64().unwrap();
        assert!(
            (told - computed).abs() < 1e-9,
            "{name} {scorer}: {told} {computed}"
        );
    }
    used(&log["usage"], model, name);
}

/// What a trial, or all of a model, used up: its tokens, those of judges, and what both cost together.
fn used(usage: &Value, ours: &Value, model: &str) {
    let of = usage.as_object().unwrap();
    let own = &usage[inspects(model)];
    let judges: Vec<&Value> = of
        .iter()
        .filter(|(name, _)| **name != inspects(model))
        .map(|(_, used)| used)
        .collect();
    for (n, tokens) in ["input_tokens", "output_tokens"].into_iter().enumerate() {
        let told = own[n].as_u64().unwrap_or(0);
        assert_eq!(
            told,
            ours["usage"][tokens].as_u64().unwrap_or(0),
            "{model}: {tokens}"
        );
        let told: u64 = judges.iter().filter_map(|used| used[n].as_u64()).sum();
        assert_eq!(
            told,
            ours["judge_usage"][tokens].as_u64().unwrap_or(0),
            "{model}: {tokens} of judges"
        );
    }
    if ours["cost"]["unknown_calls"] == 0 {
        let told: f64 = of.values().filter_map(|used| used[2].as_f64()).sum();
        let paid = ours["cost"]["usd"].as_f64().unwrap();
        assert!((told - paid).abs() < 1e-9, "{model}: {told} {paid}");
    } else {
        assert_eq!(own[2], Value::Null, "{model}: what is not all known is not told");
    }
}

/// A sample says what the record of its trial says.
pub(super) fn is_recorded(sample: &Value, run: &RunFolder) {
    let trial = sample["metadata"]["trial"].as_str().unwrap();
    let record = &run.trials()[trial];
    let outcome = record["outcome"].as_str().unwrap();
    assert_eq!(sample["metadata"]["outcome"], outcome, "{trial}");
    let verdicts = record["verdicts"].as_array().map_or(&[][..], Vec::as_slice);
    let held = verdicts
        .iter()
        .filter(|verdict| verdict["verdict"] == "true")
        .count();
    #[expect(clippy::cast_precision_loss, reason = "a few verifiers")]
    let share = held as f64 / verdicts.len() as f64;
    let scores = match outcome {
        "passed" => json!({"passed": "C", "verifiers": 1.0}),
        "failed" | "limit" => json!({"passed": "I", "verifiers": share}),
        _ => json!({}),
    };
    assert_eq!(sample["scores"], scores, "{trial}");
    let cause = record["cause"].as_str();
    let broken = matches!(outcome, "errored" | "cancelled");
    assert_eq!(sample["error"], json!(cause.filter(|_| broken)), "{trial}");
    assert_eq!(
        sample["limit"][2],
        json!(cause.filter(|_| outcome == "limit")),
        "{trial}"
    );
    assert_eq!(sample["turns"], record["turns"], "{trial}");
    used(&sample["usage"], record, record["model"].as_str().unwrap());
}

/// A sample tells the last attempt of the transcript as messages, and all attempts as events.
pub(super) fn is_transcribed(sample: &Value, run: &RunFolder) {
    let trial = sample["metadata"]["trial"].as_str().unwrap();
    let lines = run.transcript(trial);
    let attempts: Vec<&[Value]> = lines.split(|line| line["type"] == "attempt").skip(1).collect();
    let counts = attempts.last().copied().unwrap_or_default();
    let said: Vec<Value> = counts.iter().filter_map(message).collect();
    assert_eq!(sample["messages"], json!(said), "{trial}");
    let called: Vec<Value> = counts
        .iter()
        .filter_map(|line| line["tool_calls"].as_array())
        .flatten()
        .map(call)
        .collect();
    assert_eq!(sample["calls"], json!(called), "{trial}");
    let events = sample["events"].as_array().unwrap();
    for (ours, theirs) in [("tool_result", "tool"), ("assistant", "model")] {
        let judged = if theirs == "model" {
            of(&lines, "judge_replied")
        } else {
            0
        };
        let told = events.iter().filter(|event| *event == theirs).count();
        assert_eq!(told, of(&lines, ours) + judged, "{trial}: {theirs}");
    }
    assert_eq!(
        sample["asked"],
        json!(
            attempts
                .iter()
                .flat_map(|attempt| requests(attempt))
                .collect::<Vec<_>>()
        ),
        "{trial}"
    );
}

fn of(lines: &[Value], kind: &str) -> usize {
    lines.iter().filter(|line| line["type"] == kind).count()
}

/// A line of a transcript as role and text.
fn message(line: &Value) -> Option<Value> {
    let role = match line["type"].as_str()? {
        "tool_result" => "tool",
        role @ ("system" | "user" | "assistant") => role,
        _ => return None,
    };
    Some(json!([role, line["text"]]))
}

fn call(call: &Value) -> Value {
    let arguments = call["arguments"].as_object().cloned().unwrap_or_default();
    json!([call["name"], arguments])
}

/// Who had spoken before each reply of an attempt.
fn requests(attempt: &[Value]) -> Vec<Vec<Value>> {
    let roles: Vec<Value> = attempt
        .iter()
        .filter_map(message)
        .map(|message| message[0].clone())
        .collect();
    let replies = roles.iter().enumerate().filter(|(_, role)| **role == "assistant");
    replies.map(|(n, _)| roles[..n].to_vec()).collect()
}
