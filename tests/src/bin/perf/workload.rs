//! What is played: samples, tool calls, latency, how many at once, and how many requests the provider allows.

use std::fs;
use std::path::Path;

use bench_tests::model_stub::load::{FINAL_ANSWER, Limit};
use serde_json::{Value, json};

use crate::Failure;

/// One kind of work.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) samples: u64,
    pub(crate) tool_calls: u64,
    pub(crate) latency_ms: u64,
    pub(crate) concurrency: u64,
    /// Each plays every sample.
    pub(crate) models: &'static [&'static str],
    pub(crate) limit: Option<Limit>,
}

const ONE: &[&str] = &["openai:stub"];

/// 200 trials of 5 model calls each, at a provider that answers 50 a second.
const fn limited(
    name: &'static str,
    what: &'static str,
    samples: u64,
    models: &'static [&'static str],
    retry_after: Option<u64>,
) -> Workload {
    Workload {
        name,
        what,
        samples,
        tool_calls: 4,
        latency_ms: 100,
        concurrency: 200,
        models,
        limit: Some(Limit {
            per_second: 50,
            burst: 50,
            retry_after,
            first_together: 0,
        }),
    }
}

/// The first four are those on which other tools were measured too.
pub(crate) const ALL: [Workload; 9] = [
    Workload {
        name: "w1",
        what: "throughput",
        samples: 200,
        tool_calls: 10,
        latency_ms: 0,
        concurrency: 50,
        models: ONE,
        limit: None,
    },
    Workload {
        name: "w2",
        what: "hiding latency",
        samples: 200,
        tool_calls: 5,
        latency_ms: 200,
        concurrency: 100,
        models: ONE,
        limit: None,
    },
    Workload {
        name: "w3",
        what: "one trial, cold",
        samples: 1,
        tool_calls: 10,
        latency_ms: 0,
        concurrency: 1,
        models: ONE,
        limit: None,
    },
    Workload {
        name: "w4",
        what: "200 in flight",
        samples: 200,
        tool_calls: 5,
        latency_ms: 200,
        concurrency: 200,
        models: ONE,
        limit: None,
    },
    limited("r1", "chat", 200, ONE, None),
    limited("r2", "chat, Retry-After", 200, ONE, Some(1)),
    limited("r3", "messages", 200, &["anthropic:stub"], None),
    limited(
        "r4",
        "messages streamed, Retry-After",
        200,
        &["anthropic:stub?stream=true"],
        Some(1),
    ),
    limited(
        "r5",
        "two models, one streamed",
        100,
        &["openai:stub", "openai:other?stream=true"],
        None,
    ),
];

impl Workload {
    /// Trials of the whole workload.
    pub(crate) fn trials(&self) -> u64 {
        self.samples * self.models.len() as u64
    }

    /// Model calls of the whole workload that are answered.
    pub(crate) fn model_calls(&self) -> u64 {
        self.trials() * (self.tool_calls + 1)
    }

    /// The least wall time, in seconds, that the model's latency and its rate limit leave; none without either.
    pub(crate) fn ideal_s(&self) -> Option<f64> {
        if let Some(limit) = self.limit {
            let per_second = f64::from(limit.per_second);
            let calls = u32::try_from(self.model_calls()).ok()?;
            let beyond_the_first = f64::from(calls - limit.burst);
            return Some(beyond_the_first / per_second);
        }
        let rounds = self.samples.div_ceil(self.concurrency) * (self.tool_calls + 1);
        let milliseconds = u32::try_from(rounds * self.latency_ms).ok()?;
        (milliseconds > 0).then(|| f64::from(milliseconds) / 1000.0)
    }
}

/// Writes the harness and the gym file.
pub(crate) fn write_files(workload: &Workload, mcp_url: &str, folder: &Path) -> Result<(), Failure> {
    let scenarios: Vec<Value> = (1..=workload.samples)
        .map(|n| {
            json!({
                "scenario_id": format!("sample-{n}"),
                "name": format!("Sample {n}"),
                "prompts": [{
                    "prompt_text": "Call the tools, then say that the work is done.",
                    "verifier": {
                        "verifier_type": "response_check",
                        "validation_config": {"contains": FINAL_ANSWER},
                    },
                }],
            })
        })
        .collect();
    let gyms = json!({"gyms": {"echo": {"url": mcp_url}}, "default": "echo"});
    fs::write(
        folder.join("harness.json"),
        json!({"scenarios": scenarios}).to_string(),
    )?;
    fs::write(folder.join("gyms.json"), gyms.to_string())?;
    Ok(())
}

/// Fails unless the only run under `results` passed every sample and kept every transcript.
pub(crate) fn check_all_passed(workload: &Workload, results: &Path) -> Result<(), Failure> {
    let mut runs = fs::read_dir(results.join("runs"))?;
    let run = runs.next().ok_or("no run was written")??.path();
    let state: Value = serde_json::from_slice(&fs::read(run.join("state.json"))?)?;
    let passed = state.pointer("/progress/passed").and_then(Value::as_u64);
    if passed != Some(workload.trials()) {
        return Err(format!("{}: not every sample passed: {state}", workload.name).into());
    }
    let transcripts = fs::read_dir(run.join("trials"))?
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "jsonl"));
    if transcripts.count() as u64 != workload.trials() {
        return Err(format!("{}: transcripts are missing", workload.name).into());
    }
    Ok(())
}
