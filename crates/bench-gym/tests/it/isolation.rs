//! Databases side by side.

use bench_gym::{GymOptions, GymServer};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{ERAS, call, connect, connect_with, http, sql};

/// Each of 500 databases gets its own marks; afterwards each holds its own marks and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_databases_never_see_each_other() {
    const DATABASES: usize = 500;
    let gym = GymServer::start(GymOptions::default()).await.unwrap();
    let (mcp, runner) = (gym.url(), gym.sql_runner_url());
    let client = http();
    let mut trials = JoinSet::new();
    for index in 0..DATABASES {
        let (mcp, runner, client) = (mcp.clone(), runner.clone(), client.clone());
        trials.spawn(async move {
            let id = format!("trial-{index}");
            let session =
                connect_with(client.clone(), &mcp, ERAS[index % 2], &[("x-database-id", &id)]).await;
            for round in 0..3 {
                let summary = format!("mark {index} {round}");
                let arguments = json!({"projectKey": "WEB", "issueType": "Task", "summary": summary});
                let made = call(&session, "create_issue", arguments).await.unwrap();
                assert_eq!(
                    made["key"],
                    format!("WEB-{}", 35 + round),
                    "somebody else wrote into {id}"
                );
                tokio::task::yield_now().await;
            }
            session.cancel().await.unwrap();
            let query = "SELECT group_concat(summary, ',' ORDER BY id) AS marks FROM issue WHERE id > 76";
            let request = client
                .post(&runner)
                .header("x-database-id", &id)
                .json(&json!({"query": query}));
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            let expected: Vec<String> = (0..3).map(|round| format!("mark {index} {round}")).collect();
            assert_eq!(answer["data"][0]["marks"], expected.join(","));
        });
    }
    while let Some(trial) = trials.join_next().await {
        trial.unwrap();
    }
    assert_eq!(gym.databases().len(), DATABASES);
    gym.shutdown().await;
}

/// Many clients on one database: every change arrives once, and no key is given twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_database_takes_turns() {
    let gym = GymServer::start(GymOptions::default()).await.unwrap();
    let mut clients = JoinSet::new();
    for index in 0..40 {
        let url = gym.url();
        clients.spawn(async move {
            let session = connect(&url, ERAS[index % 2], &[]).await;
            let arguments =
                json!({"projectKey": "MOB", "issueType": "Task", "summary": format!("task {index}")});
            let made = call(&session, "create_issue", arguments).await.unwrap();
            session.cancel().await.unwrap();
            made["key"].as_str().unwrap().to_owned()
        });
    }
    let mut keys = clients.join_all().await;
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 40);
    let url = gym.sql_runner_url();
    let counter = sql(&url, "default", "SELECT issue_counter FROM project WHERE id = 2").await;
    assert_eq!(counter, json!(63));
}
