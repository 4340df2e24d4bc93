//! The quickstart, played through the library on the embedded tracker.

use std::path::Path;
use std::time::Duration;

use bench_core::{GymChoice, ModelSpec, Outcome, Plan, TrialRecord};
use bench_gym::{GymOptions, GymServer};
use bench_runner::env::Environment;
use bench_runner::gym::{Cleaner, TrackerAddress};
use bench_runner::model::connect::Connector;
use bench_runner::{MemoryJournal, RunEnd, Runner};

use crate::shape::{LEFT_ALONE, harness};

/// The records of all trials of the quickstart with these models; nothing is left behind.
async fn play(models: &[&str]) -> Vec<TrialRecord> {
    let specs = models.iter().map(|name| ModelSpec::new(name.parse().unwrap()));
    let plan = Plan::builder(harness("quickstart"))
        .models(specs)
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
    for record in play(&["oracle"]).await {
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
    for record in play(&["noop"]).await {
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
