//! The quickstart, played through the library on the embedded tracker.

use std::path::Path;
use std::time::Duration;

use bench_core::{GymChoice, Harness, ModelSpec, Outcome, Plan, Scenario, TrialRecord};
use bench_gym::{GymOptions, GymServer};
use bench_runner::env::Environment;
use bench_runner::gym::{Cleaner, TrackerAddress};
use bench_runner::model::connect::Connector;
use bench_runner::{MemoryJournal, RunEnd, Runner};

use crate::shape::{LEFT_ALONE, harness};

/// The records of all trials of a harness on the tracker; nothing is left behind.
async fn play(harness: Harness, model: &str) -> Vec<TrialRecord> {
    let spec = ModelSpec::new(model.parse().unwrap());
    let plan = Plan::builder(harness)
        .model(spec)
        .gyms(GymChoice::tracker())
        .retries(0);
    let (plan, warnings) = plan.build().unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(warnings, []);

    let server = GymServer::start(GymOptions::default()).await.unwrap();
    let address = TrackerAddress {
        mcp_url: server.url(),
        sql_runner_url: server.sql_runner_url(),
    };
    let (env, cleaner, journal) = (Environment::default(), Cleaner::new(), MemoryJournal::default());
    let gyms = bench_runner::gym::connect(&plan.gyms, &env, Some(&address), &cleaner).unwrap();
    let mut connector = Connector::new(&env, Path::new("/"), 8);
    let mut runner = Runner::builder("quickstart", plan.clone()).journal(journal.clone());
    for spec in &plan.models {
        runner = runner.model(connector.connect(spec).unwrap());
    }
    for gym in gyms {
        runner = runner.gym(gym);
    }
    let end = runner.build().unwrap().run().await;
    assert!(matches!(end, RunEnd::Completed), "{end:?}");
    cleaner.finish(Duration::from_secs(30)).await.unwrap();
    assert!(server.databases().is_empty(), "databases are left behind");
    server.shutdown().await;

    let records: Vec<TrialRecord> = journal.snapshot().records.into_values().collect();
    assert_eq!(records.len(), plan.trials().len());
    records
}

#[tokio::test]
async fn oracle_passes_everything() {
    for record in play(harness("quickstart"), "oracle").await {
        let verdicts = serde_json::to_string_pretty(&record.verdicts).unwrap();
        assert_eq!(
            record.outcome,
            Outcome::Passed,
            "{}: {:?}\n{verdicts}",
            record.trial,
            record.cause
        );
        assert!(record.tool_calls > 0, "{} needs no tools", record.trial);
    }
}

/// Doing nothing passes nothing, and makes nothing true but what guards against doing too much.
#[tokio::test]
async fn noop_makes_nothing_true_but_what_was_to_be_left_alone() {
    for record in play(harness("quickstart"), "noop").await {
        assert_eq!(
            record.outcome,
            Outcome::Failed,
            "{}: {:?}",
            record.trial,
            record.cause
        );
        for verdict in &record.verdicts {
            let guards = verdict.verifier.starts_with(LEFT_ALONE);
            assert_eq!(
                verdict.is_true(),
                guards,
                "{}: {}",
                record.trial,
                verdict.verifier
            );
        }
    }
}

/// Leaving out any one change makes a scenario fail: its verifiers look at every step. Two calls are there to
/// be refused.
#[tokio::test]
async fn no_step_of_a_solution_can_be_left_out() {
    let mut incomplete = harness("quickstart");
    incomplete.scenarios = incomplete
        .scenarios
        .iter()
        .flat_map(with_one_change_less)
        .collect();
    assert!(
        incomplete.scenarios.len() > 30,
        "only {} changes are made",
        incomplete.scenarios.len()
    );
    let records = play(incomplete, "oracle").await;
    let passed = records.iter().filter(|record| record.outcome == Outcome::Passed);
    let passed: Vec<&str> = passed.map(|record| record.scenario_id.as_str()).collect();
    assert_eq!(
        passed,
        [
            "assignable-fallback without assign_issue 1",
            "finish-a-review without do_transition 0"
        ]
    );
}

/// The scenario, once for each call of its solutions that changes something, without that call.
fn with_one_change_less(scenario: &Scenario) -> Vec<Scenario> {
    let mut variants = Vec::new();
    for part in 0..=scenario.prompts.len() {
        for index in 0.. {
            let mut variant = scenario.clone();
            let solution = match part.checked_sub(1) {
                None => variant.solution.as_mut(),
                Some(prompt) => variant.prompts[prompt].solution.as_mut(),
            };
            let Some(solution) = solution.filter(|solution| index < solution.calls.len()) else {
                break;
            };
            let tool = solution.calls.remove(index).tool;
            if !["get_", "list_", "find_", "enhanced_search"]
                .iter()
                .any(|reads| tool.starts_with(reads))
            {
                variant.scenario_id = format!("{} without {tool} {index}", scenario.scenario_id);
                variants.push(variant);
            }
        }
    }
    variants
}
