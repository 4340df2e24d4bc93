//! One session on standard input and output, or on any two streams.

use std::process::Stdio;
use std::time::Duration;

use bench_gym::{GymOptions, serve_stdio, serve_streams};
use rmcp::service::ClientServiceExt;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::client::{ERAS, Session, call, config, http, sql};

fn announced(session: &Session) -> String {
    let info = session.peer_info().unwrap();
    let url = &info.capabilities.experimental.as_ref().unwrap()["bench/sql-runner"]["url"];
    url.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_on_streams_shares_its_database_with_the_sql_runner() {
    for era in ERAS {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let (reader, writer) = tokio::io::split(theirs);
        let server = tokio::spawn(serve_streams(GymOptions::default(), reader, writer));
        let session = config()
            .serve_with_lifecycle(tokio::io::split(ours), era.lifecycle())
            .await
            .unwrap();

        assert_eq!(session.list_all_tools().await.unwrap().len(), 29);
        call(
            &session,
            "add_issue_comment",
            json!({"issueIdOrKey": "WEB-1", "body": "by pipe"}),
        )
        .await
        .unwrap();
        let url = announced(&session);
        let count = sql(
            &url,
            "default",
            "SELECT count(*) FROM comment WHERE body = 'by pipe'",
        )
        .await;
        assert_eq!(count, json!(1), "{era:?}");

        session.cancel().await.unwrap();
        server.await.unwrap().unwrap();
        assert!(
            http().get(&url).send().await.is_err(),
            "the port closes with the session"
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_at_once_is_no_error() {
    let (ours, theirs) = tokio::io::duplex(1024);
    drop(ours);
    let (reader, writer) = tokio::io::split(theirs);
    serve_streams(GymOptions::default(), reader, writer)
        .await
        .unwrap();
}

/// Not a test of its own: the other process of the test below.
#[tokio::test]
#[ignore = "serves standard input and output until they close"]
async fn child() {
    let options = GymOptions {
        user: Some("Mike Chen".to_owned()),
        ..GymOptions::default()
    };
    serve_stdio(options).await.unwrap();
    // The exit status belongs to the test harness, whose stdout nobody reads any more.
    eprintln!("ended well");
}

#[tokio::test]
async fn a_process_announces_its_sql_runner_on_stderr_too_and_ends_with_its_input() {
    for era in ERAS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stdio::child", "--ignored", "--nocapture"])
            // With one thread, as on one processor, the harness says the test's name on stdout, and ends no line there.
            .arg("--test-threads=2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pipes = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let session = config()
            .serve_with_lifecycle(pipes, era.lifecycle())
            .await
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        assert_eq!(line, format!("bench-gym: sql-runner {}", announced(&session)));

        assert_eq!(
            call(&session, "get_user", json!({})).await.unwrap()["displayName"],
            "Mike Chen"
        );
        session.cancel().await.unwrap();
        let last = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await;
        assert_eq!(
            last.expect("ends by itself").unwrap().unwrap(),
            "ended well",
            "{era:?}"
        );
        tokio::time::timeout(Duration::from_secs(20), child.wait())
            .await
            .expect("and leaves")
            .unwrap();
    }
}
