//! MCP over HTTP, in both eras.

use bench_gym::{GymOptions, GymServer};
use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

use crate::client::{ERAS, Era, call, connect, http, sql};

#[tokio::test]
async fn tools_are_listed_and_called_in_both_eras() {
    let gym = GymServer::start(GymOptions::default()).await.unwrap();
    let mut lists = Vec::new();
    for era in ERAS {
        let database = format!("{era:?}");
        let session = connect(&gym.url(), era, &[("x-database-id", &database)]).await;
        let version = session.peer_info().unwrap().protocol_version.clone();
        assert_eq!(
            version == ProtocolVersion::V_2026_07_28,
            era == Era::Stateless,
            "{version}"
        );

        let tools = session.list_all_tools().await.unwrap();
        assert_eq!(tools.len(), 29);
        lists.push(serde_json::to_value(&tools).unwrap());

        let arguments = json!({"projectKey": "WEB", "issueType": "Bug", "summary": "From outside"});
        let made = call(&session, "create_issue", arguments).await.unwrap();
        assert_eq!(made["key"], "WEB-35");
        let mistake = call(&session, "get_issue", json!({"issueIdOrKey": "WEB-77"}))
            .await
            .unwrap_err();
        assert!(mistake.starts_with("there is no issue `WEB-77`"), "{mistake}");
        let unknown = call(&session, "drop_everything", json!({})).await.unwrap_err();
        assert!(
            unknown.contains("there is no tool `drop_everything`"),
            "{unknown}"
        );

        let url = gym.sql_runner_url();
        let query = "SELECT count(*) FROM issue WHERE summary = 'From outside'";
        assert_eq!(sql(&url, &database, query).await, json!(1));
        session.cancel().await.unwrap();
    }
    assert_eq!(lists[0], lists[1]);
    gym.shutdown().await;
}

#[tokio::test]
async fn a_session_says_where_sql_is_answered() {
    let gym = GymServer::start(GymOptions::default()).await.unwrap();
    for era in ERAS {
        let session = connect(&gym.url(), era, &[]).await;
        let info = session.peer_info().unwrap();
        let announced = &info.capabilities.experimental.as_ref().unwrap()["bench/sql-runner"]["url"];
        assert_eq!(announced, &json!(gym.sql_runner_url()));
        assert!(info.instructions.as_ref().unwrap().contains("JQL"));
        session.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn headers_choose_database_and_user() {
    let gym = GymServer::start(GymOptions::default()).await.unwrap();
    for era in ERAS {
        let session = connect(
            &gym.url(),
            era,
            &[("x-database-id", "mine"), ("x-user-id", "Emily Davis")],
        )
        .await;
        assert_eq!(
            call(&session, "get_user", json!({})).await.unwrap()["accountId"],
            "4"
        );
        session.cancel().await.unwrap();

        let session = connect(&gym.url(), era, &[("x-database-id", "no/such")]).await;
        let refused = call(&session, "list_projects", json!({})).await.unwrap_err();
        assert!(refused.contains("`no/such` is no database id"), "{refused}");
        session.cancel().await.unwrap();

        let session = connect(&gym.url(), era, &[]).await;
        call(&session, "list_projects", json!({})).await.unwrap();
        session.cancel().await.unwrap();
    }
    let ids: Vec<String> = gym.databases().ids().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["default", "mine"]);
}

#[tokio::test]
async fn old_clients_are_answered_in_their_version() {
    let gym = GymServer::start(GymOptions::default()).await.unwrap();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}});
        let request = http()
            .post(gym.url())
            .json(&hello)
            .header("accept", "application/json, text/event-stream");
        let answer = request.send().await.unwrap();
        assert!(answer.headers().contains_key("mcp-session-id"), "{version}");
        // An event stream: the last data line holds the answer.
        let text = answer.text().await.unwrap();
        let data = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("data: "))
            .unwrap();
        let answer: Value = serde_json::from_str(data).unwrap();
        assert_eq!(answer["result"]["protocolVersion"], version);
    }
}

#[tokio::test]
async fn strangers_from_other_hosts_and_pages_are_refused() {
    let gym = GymServer::start(GymOptions::default()).await.unwrap();
    let health = format!("http://{}/health", gym.addr());
    for path in [gym.url(), health] {
        for (name, value) in [
            ("host", "evil.example"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let answer = http().get(&path).header(name, value).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{path} {name}: {value}");
        }
    }
}

#[test]
fn a_single_threaded_runtime_is_enough_and_dropping_stops() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let gym = GymServer::start(GymOptions::default()).await.unwrap();
        let session = connect(&gym.url(), Era::Stateless, &[]).await;
        call(&session, "list_projects", json!({})).await.unwrap();
        let addr = gym.addr();
        drop(gym);
        // The port is free again as soon as the runtime has had its turn.
        let rebound = async {
            loop {
                let options = GymOptions {
                    addr,
                    ..GymOptions::default()
                };
                if let Ok(gym) = GymServer::start(options).await {
                    break gym;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), rebound)
            .await
            .unwrap()
            .shutdown()
            .await;
    });
}

#[tokio::test]
async fn shutdown_ends_open_sessions() {
    // Those that do not end are waited for, for 3 s. A busy machine may take as long once, but not each time.
    for _ in 0..5 {
        let gym = GymServer::start(GymOptions::default()).await.unwrap();
        let session = connect(&gym.url(), Era::Handshake, &[]).await;
        call(&session, "list_projects", json!({})).await.unwrap();
        let started = std::time::Instant::now();
        gym.shutdown().await;
        if started.elapsed() < std::time::Duration::from_secs(2) {
            return;
        }
    }
    panic!("open sessions are waited for");
}

#[tokio::test]
async fn an_address_in_use_is_a_clear_error() {
    let gym = GymServer::start(GymOptions::default()).await.unwrap();
    let options = GymOptions {
        addr: gym.addr(),
        ..GymOptions::default()
    };
    let error = GymServer::start(options).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "cannot listen on {}; choose another port, or 0 for a free one",
            gym.addr()
        )
    );
}
