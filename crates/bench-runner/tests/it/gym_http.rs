//! Life of a trial's database and session in an HTTP gym, whatever happens on the way.

use std::time::Duration;

use bench_core::GymSpec;
use bench_core::gym::Seed;
use bench_core::hash::sha256_hex;
use bench_gym::{GymOptions, GymServer};
use bench_runner::gym::{GymError, GymSession, ToolDeadline, TrackerAddress};
use futures_util::FutureExt;
use serde_json::{Map, Value, json};

use crate::gym_stub::{Asked, Reply, Stub, Visit, no_time_before, nobody_listens, refusal, result, tool};

const DEADLINE: ToolDeadline = ToolDeadline {
    idle: Duration::from_secs(20),
    total: Duration::from_secs(20),
};

const REMOVAL: &str = "DELETE /api/delete-database";

fn arguments(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn two_trials_on_the_tracker_never_meet_and_leave_nothing() {
    let server = GymServer::start(GymOptions::default()).await.unwrap();
    let address = TrackerAddress {
        mcp_url: server.url(),
        sql_runner_url: server.sql_runner_url(),
    };
    let visit = Visit::new();
    let gym = visit.connect_to(&GymSpec::tracker(), Some(&address));
    let (one, other) = (
        gym.open(&visit.request).await.unwrap(),
        gym.open(&visit.request).await.unwrap(),
    );
    assert_eq!(one.protocol(), "2026-07-28");
    assert!(
        one.tools().iter().any(|tool| tool.name == "create_issue"),
        "{:?}",
        one.tools()
    );
    assert_ne!(one.database_id(), other.database_id());

    let count = "SELECT count(*) FROM comment";
    let before = one.query(count).await.unwrap();
    let call = arguments(json!({"issueIdOrKey": "WEB-1", "body": "seen"}));
    let output = one.call_tool("add_issue_comment", call, DEADLINE).await.unwrap();
    assert!(!output.is_error, "{}", output.text);
    assert_eq!(
        one.query(count).await.unwrap().as_i64(),
        before.as_i64().map(|n| n + 1)
    );
    assert_eq!(other.query(count).await.unwrap(), before);
    let error = one.query("SELECT nothing FROM nowhere").await.unwrap_err();
    assert!(
        matches!(&error, GymError::SqlRefused { reason, .. } if reason.contains("nowhere")),
        "{error}"
    );
    let unknown = one.call_tool("no_such_tool", Map::new(), DEADLINE).await.unwrap();
    assert!(unknown.is_error, "the model's mistake: {}", unknown.text);

    one.close().await.unwrap();
    other.close().await.unwrap();
    assert_eq!(visit.told(), ["named", "named", "removed", "removed"]);
    assert!(server.databases().is_empty());
}

#[tokio::test]
async fn a_loose_gym_gets_its_headers_everywhere_and_its_seed_first() {
    let stub = Stub::start(|_| None).await;
    let visit = Visit::new();
    let seed = visit.request.scratch.path().unwrap().join("seed.sql");
    std::fs::write(&seed, "CREATE TABLE t (n);").unwrap();
    let mut spec = stub.spec();
    spec.seed = Seed::File {
        path: seed.to_string_lossy().into_owned(),
        sha256: sha256_hex("CREATE TABLE t (n);"),
    };
    spec.headers
        .insert("Authorization".into(), "Bearer token-of-the-gym".into());
    spec.headers
        .insert("X-Database-ID".into(), "not theirs to say".into());
    spec.context.insert("actingUserId".into(), "7".into());
    let gym = visit.connect(&spec);
    let session = gym.open(&visit.request).await.unwrap();
    assert_eq!(
        (session.protocol(), session.server().as_str()),
        ("2024-11-05", "loose 1")
    );
    assert_eq!(session.query("SELECT 3").await.unwrap(), json!(3));
    let id = session.database_id().unwrap().to_owned();
    session.close().await.unwrap();

    let mut asked = stub.list();
    asked.dedup(); // the list of tools is asked for several times, to see how quickly it comes
    insta::assert_snapshot!(asked.join("\n"), @r"
    POST /api/seed-database
    POST /mcp server/discover
    POST /mcp initialize
    POST /mcp notifications/initialized
    POST /mcp tools/list
    POST /api/sql-runner
    DELETE /api/delete-database
    ");
    for asked in stub.asked() {
        let sent =
            ["x-database-id", "x-actinguserid", "authorization"].map(|name| asked.header(name).to_owned());
        assert_eq!(
            sent,
            [id.clone(), "7".into(), "Bearer token-of-the-gym".into()],
            "{}",
            asked.what
        );
    }
    let body = |what| {
        let asked = stub.asked().into_iter().find(|asked| asked.what == what);
        asked.unwrap().body
    };
    assert_eq!(
        body("POST /api/seed-database")["sql_content"],
        "CREATE TABLE t (n);"
    );
    assert_eq!(
        body("POST /api/sql-runner"),
        json!({"query": "SELECT 3", "database_id": id, "read_only": true, "return_data": true})
    );
    assert_eq!(body(REMOVAL), json!({"database_id": id}));

    // The era is known now: the second trial is not probed again.
    gym.open(&visit.request).await.unwrap().close().await.unwrap();
    assert_eq!(stub.count("POST /mcp server/discover"), 1);
}

#[tokio::test]
async fn sample_data_is_fetched_once_and_seeded_each_time() {
    let stub = Stub::start(|_| None).await;
    let visit = Visit::new();
    let gym = visit.connect(&GymSpec {
        seed: Seed::SampleData,
        ..stub.spec()
    });
    for _ in 0..2 {
        gym.open(&visit.request).await.unwrap().close().await.unwrap();
    }
    assert_eq!(
        (
            stub.count("GET /api/sample-data"),
            stub.count("POST /api/seed-database")
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn a_changed_seed_and_a_refused_one_are_said_and_nothing_stays() {
    let stub = Stub::start(|asked| {
        let refused = asked.what == "POST /api/seed-database";
        refused.then(|| Reply::Json(400, json!({"detail": "near \"CRATE\": syntax error"})))
    })
    .await;
    let visit = Visit::new();
    let seed = visit.request.scratch.path().unwrap().join("seed.sql");
    std::fs::write(&seed, "CRATE TABLE").unwrap();
    let path = seed.to_string_lossy().into_owned();
    let open = async |sha256: String| {
        let gym = visit.connect(&GymSpec {
            seed: Seed::File {
                path: path.clone(),
                sha256,
            },
            ..stub.spec()
        });
        gym.open(&visit.request).await.err().unwrap().to_string()
    };
    let changed = open(sha256_hex("CREATE TABLE")).await;
    assert!(
        changed.contains("has changed since the run was planned"),
        "{changed}"
    );
    let refused = open(sha256_hex("CRATE TABLE")).await;
    assert!(
        refused.ends_with("POST /api/seed-database: HTTP 400: near \"CRATE\": syntax error"),
        "{refused}"
    );
    assert_eq!(visit.told(), ["named", "removed", "named", "removed"]);
}

#[tokio::test]
async fn every_way_of_not_opening_is_named_and_cleaned_up() {
    fn on(asked: &Asked, what: &str, reply: impl FnOnce() -> Reply) -> Option<Reply> {
        asked
            .what
            .strip_prefix("POST /mcp ")
            .is_some_and(|method| method.starts_with(what))
            .then(reply)
    }
    type Rule = fn(&Asked) -> Option<Reply>;
    let (long, short) = (Duration::from_mins(1), Duration::from_millis(1500));
    let cases: [(Rule, Duration); 8] = [
        (
            |asked| on(asked, "", || Reply::Text(500, "<h1>Internal Server Error</h1>")),
            long,
        ),
        (
            |asked| on(asked, "", || Reply::Text(200, "<html>a portal</html>")),
            long,
        ),
        (
            |asked| on(asked, "", || Reply::Json(200, json!({"hello": 1}))),
            long,
        ),
        (
            |asked| on(asked, "", || Reply::Json(401, json!({"detail": "who are you?"}))),
            long,
        ),
        (
            |asked| {
                on(asked, "initialize", || {
                    refusal(asked, -32_602, "Unsupported protocol version")
                })
            },
            long,
        ),
        (
            |asked| {
                on(asked, "tools/list", || {
                    refusal(asked, -32_000, "Server not initialized")
                })
            },
            long,
        ),
        (|asked| on(asked, "tools/list", || Reply::Break), long),
        (|asked| on(asked, "initialize", || Reply::Never), short),
    ];
    let mut errors = String::new();
    for (rule, timeout) in cases {
        let stub = Stub::start(rule).await;
        let mut visit = Visit::new();
        visit.request.timeout = timeout;
        let gym = visit.connect(&stub.spec());
        let open = gym.open(&visit.request);
        let opened = if timeout == short {
            let asked = || stub.count("POST /mcp initialize") > 0;
            no_time_before(asked, timeout, open).await
        } else {
            open.await
        };
        let error = opened.err().unwrap();
        assert!(matches!(error, GymError::Open { .. }), "{error:?}");
        assert_eq!(visit.told(), ["named", "removed"], "{error}");
        assert_eq!(
            stub.count("POST /mcp initialize"),
            1,
            "the other era is tried once: {error}"
        );
        errors.push_str(&error.to_string().replace(&stub.base, "http://STUB"));
        errors.push('\n');
    }
    insta::assert_snapshot!(errors, @r#"
    gym `stub` could not be opened: HTTP 500 (http://STUB/mcp)
    gym `stub` could not be opened: it answers with text/html, which is no MCP; check the URL (http://STUB/mcp)
    gym `stub` could not be opened: could not parse JSON response as ServerJsonRpcMessage: unrecognized JSON-RPC message: {"hello":1} (http://STUB/mcp)
    gym `stub` could not be opened: HTTP 401 Unauthorized: {"detail":"who are you?"}; check the gym's headers and the variables in them (http://STUB/mcp)
    gym `stub` could not be opened: MCP error -32602: Unsupported protocol version (http://STUB/mcp)
    gym `stub` could not be opened: MCP error -32000: Server not initialized (http://STUB/mcp)
    gym `stub` could not be opened: client error (SendRequest): connection closed before message completed (http://STUB/mcp)
    gym `stub` could not be opened: the MCP handshake got no answer within 1.5 s (http://STUB/mcp)
    "#);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let visit = Visit::new();
    let (_nobody, address) = nobody_listens();
    let url = format!("http://someone:pass-word-9@{address}/mcp");
    let spec = GymSpec {
        transport: bench_core::Transport::Http { url: url.into() },
        ..Stub::start(|_| None).await.spec()
    };
    let error = visit
        .connect(&spec)
        .open(&visit.request)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("onnection refused") && !error.contains("pass-word-9"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_dropped_while_opening_is_cleaned_up_in_the_background() {
    let stub = Stub::start(|asked| (asked.what == "POST /mcp tools/list").then_some(Reply::Never)).await;
    let visit = Visit::new();
    let gym = visit.connect(&stub.spec());
    let mut opening = gym.open(&visit.request);
    tokio::select! {
        _ = &mut opening => panic!("it cannot open"),
        () = stub.until("POST /mcp tools/list") => {}
    }
    drop(opening);
    visit.cleaned_up().await;
    assert_eq!(stub.count(REMOVAL), 1);
    assert_eq!(visit.told(), ["named", "removed"]);
}

#[tokio::test]
async fn a_session_that_is_dropped_and_a_close_that_is_dropped_remove_the_database() {
    let stub = Stub::start(|_| None).await;
    let visit = Visit::new();
    let gym = visit.connect(&stub.spec());
    drop(gym.open(&visit.request).await.unwrap());
    let close = gym.open(&visit.request).await.unwrap().close();
    assert!(close.now_or_never().is_none(), "dropped after its first step");
    visit.cleaned_up().await;
    assert_eq!(stub.count(REMOVAL), 2);
    assert_eq!(visit.told(), ["named", "named", "removed", "removed"]);
}

#[tokio::test]
async fn removal_is_tried_again_and_a_gym_without_removal_is_fine() {
    let first_fails = std::sync::atomic::AtomicBool::new(true);
    let stub = Stub::start(move |asked| {
        let fails = asked.what == REMOVAL && first_fails.swap(false, std::sync::atomic::Ordering::SeqCst);
        fails.then(|| Reply::Text(503, "busy"))
    })
    .await;
    let visit = Visit::new();
    visit
        .connect(&stub.spec())
        .open(&visit.request)
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    assert_eq!(
        (visit.told(), stub.count(REMOVAL)),
        (vec!["named".to_owned(), "removed".to_owned()], 2)
    );

    for status in [404, 405, 501] {
        let stub = Stub::start(move |asked| (asked.what == REMOVAL).then_some(Reply::Text(status, ""))).await;
        let visit = Visit::new();
        visit
            .connect(&stub.spec())
            .open(&visit.request)
            .await
            .unwrap()
            .close()
            .await
            .unwrap();
        assert_eq!(visit.told(), ["named", "removed"], "{status}");
    }
}

#[tokio::test]
async fn what_could_not_be_removed_is_journaled_and_returned() {
    let stub =
        Stub::start(|asked| (asked.what == REMOVAL).then(|| Reply::Json(403, json!({"detail": "no"})))).await;
    let visit = Visit::new();
    let error = visit
        .connect(&stub.spec())
        .open(&visit.request)
        .await
        .unwrap()
        .close()
        .await
        .unwrap_err();
    let problem = "DELETE /api/delete-database: HTTP 403: no";
    assert_eq!(
        error.to_string(),
        format!("gym `stub` was not cleaned up: {problem}")
    );
    assert_eq!(
        visit.told(),
        ["named".to_owned(), format!("not removed: {problem}")]
    );
}

#[tokio::test]
async fn a_list_of_tools_is_read_to_its_last_page_and_no_further() {
    let pages = |asked: &Asked| {
        let page = asked.body["params"]["cursor"]
            .as_str()
            .unwrap_or("1")
            .parse::<u32>()
            .unwrap();
        let mut list = json!({"tools": [tool(&format!("tool_{page}"))]});
        if page < 3 {
            list["nextCursor"] = json!((page + 1).to_string());
        }
        result(asked, &list)
    };
    let stub = Stub::start(move |asked| (asked.what == "POST /mcp tools/list").then(|| pages(asked))).await;
    let visit = Visit::new();
    let session: Box<dyn GymSession> = visit.connect(&stub.spec()).open(&visit.request).await.unwrap();
    let names: Vec<&str> = session.tools().iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["tool_1", "tool_2", "tool_3"]);

    let endless = Stub::start(|asked| {
        let list = json!({"tools": [], "nextCursor": "again"});
        (asked.what == "POST /mcp tools/list").then(|| result(asked, &list))
    })
    .await;
    let error = visit
        .connect(&endless.spec())
        .open(&visit.request)
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("its tool list has no end"), "{error}");
}
