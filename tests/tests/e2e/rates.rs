//! Providers that limit their rate: they are used up, without a storm, and no trial is lost.

use std::net::Ipv4Addr;
use std::time::Duration;

use bench_tests::bed::TestBed;
use bench_tests::loopback::ask;
use bench_tests::mcp_echo;
use bench_tests::model_stub::Stats;
use bench_tests::model_stub::load::{self, FINAL_ANSWER, Limit, LoadOptions};
use serde_json::{Value, json};

use crate::harness::{answers, harness, scenario};

/// Trials of each of the four models.
const TRIALS: u32 = 12;

/// Model calls of a trial.
const CALLS: u32 = 4;

/// Four models of two providers, each of which answers 20 requests a second.
fn play(retry_after: Option<u64>) {
    let options = LoadOptions {
        tool_calls: CALLS as usize - 1,
        latency: Duration::from_millis(20),
        limit: Some(Limit {
            per_second: 20,
            burst: 10,
            retry_after,
            // Of each provider's two models.
            first_together: 2 * TRIALS as usize,
        }),
    };
    let stub = load::start((Ipv4Addr::LOCALHOST, 0).into(), options);
    let gym = mcp_echo::start((Ipv4Addr::LOCALHOST, 0).into());
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.url() + "/v1")
        .env("OPENAI_API_KEY", "sk-canary-openai")
        .env("ANTHROPIC_BASE_URL", stub.url())
        .env("ANTHROPIC_API_KEY", "sk-canary-anthropic");
    let scenarios: Vec<Value> = (0..TRIALS)
        .map(|n| scenario(&format!("s{n}"), [answers(FINAL_ANSWER)]))
        .collect();
    bed.write_json("harness.json", &harness(scenarios));
    let gyms = json!({"gyms": {"echo": {"url": gym.url() + "/mcp"}}, "default": "echo"});
    bed.write_json("gyms.json", &gyms);
    let shot = bed.bench(
        "run harness.json --gym-config gyms.json --model openai:a --model openai:b?stream=true \
         --model anthropic:a --model anthropic:b?stream=true --max-concurrency 100 --retries 0 --ui quiet",
    );
    assert_eq!(shot.code, Some(0), "{shot}");
    let run = bed.the_run();
    assert_eq!(run.state()["progress"]["passed"], 4 * TRIALS, "{}", run.state());
    let stats: Stats = serde_json::from_str(&ask("GET", &(stub.url() + "/stats")).unwrap()).unwrap();
    assert!(stats.refused > 0, "the limit was never met: {stats:?}");
    let calls = u64::from(4 * TRIALS * CALLS);
    assert_eq!(stats.calls - stats.refused, calls);
    assert!(stats.calls * 10 <= calls * 13, "a storm: {stats:?}");
    let told = run
        .events()
        .into_iter()
        .filter(|event| event["event"] == "pace_changed");
    let told: Vec<Value> = told.collect();
    for provider in ["openai", "anthropic"] {
        assert!(told.iter().any(|event| event["provider"] == provider), "{told:?}");
    }
}

#[test]
fn a_rate_limit_costs_few_requests_and_no_trial() {
    play(None);
}

#[test]
fn a_rate_limit_that_says_how_long_costs_few_requests_and_no_trial() {
    play(Some(1));
}
