//! How long things take. Printed, not asserted: `cargo test -p bench-gym --release -- --nocapture speed`.

use std::time::Instant;

use bench_gym::{GymOptions, GymServer};
use serde_json::json;

use crate::client::{Era, call, connect, http};

/// Enough for a figure; few, because the tests run without optimisation.
const REQUESTS: u32 = 200;
const CALLS: u32 = 50;

fn report(what: &str, count: u32, started: Instant) {
    let each = started.elapsed() / count;
    println!("{what}: {each:?} each ({count} of them)");
}

#[tokio::test]
async fn clones_and_calls() {
    let started = Instant::now();
    let gym = GymServer::start(GymOptions::default()).await.unwrap();
    report("start, template included", 1, started);
    let client = http();
    let reset = format!("http://{}/api/reset-database", gym.addr());

    let health = format!("http://{}/health", gym.addr());
    client.get(&health).send().await.unwrap();
    let started = Instant::now();
    for _ in 0..REQUESTS {
        client.get(&health).send().await.unwrap();
    }
    report("empty request", REQUESTS, started);
    let started = Instant::now();
    for index in 0..REQUESTS {
        let body = json!({"database_id": format!("db-{index}")});
        assert!(
            client
                .post(&reset)
                .json(&body)
                .send()
                .await
                .unwrap()
                .status()
                .is_success()
        );
    }
    report("new database, request included", REQUESTS, started);

    for era in [Era::Stateless, Era::Handshake] {
        let session = connect(&gym.url(), era, &[("x-database-id", "db-1")]).await;
        for (tool, arguments) in [
            ("list_projects", json!({})),
            ("get_issue", json!({"issueIdOrKey": "WEB-1"})),
            (
                "create_issue",
                json!({"projectKey": "WEB", "issueType": "Task", "summary": "x"}),
            ),
            (
                "enhanced_search_get",
                json!({"jql": "project = WEB AND statusCategory != Done ORDER BY priority"}),
            ),
        ] {
            let started = Instant::now();
            for _ in 0..CALLS {
                call(&session, tool, arguments.clone()).await.unwrap();
            }
            report(&format!("{era:?} {tool}"), CALLS, started);
        }
        session.cancel().await.unwrap();
    }
    gym.shutdown().await;
}
