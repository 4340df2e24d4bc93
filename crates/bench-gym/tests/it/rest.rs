//! The REST interface, as harnesses use it.

use bench_gym::{GymOptions, GymServer};
use serde_json::{Value, json};

use crate::client::{Era, call, connect, http, sql};

struct Rest {
    gym: GymServer,
}

impl Rest {
    async fn start(change: impl FnOnce(&mut GymOptions)) -> Self {
        let mut options = GymOptions::default();
        change(&mut options);
        Self {
            gym: GymServer::start(options).await.unwrap(),
        }
    }

    /// Status and JSON body of a request.
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
        let url = format!("http://{}{path}", self.gym.addr());
        let mut request = http().request(method.parse().unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, &[], body).await
    }
}

#[tokio::test]
async fn the_sql_runner_answers_in_the_shape_of_public_gyms() {
    let rest = Rest::start(|_| {}).await;
    let query = "SELECT id, name FROM issue_type ORDER BY id LIMIT 2";
    let (status, answer) = rest
        .send(
            "POST",
            "/api/sql-runner",
            &[("x-database-id", "a")],
            json!({"query": query}),
        )
        .await;
    assert_eq!(status, 200);
    insta::assert_snapshot!(answer.to_string(), @r#"{"success":true,"message":"ok","data":[{"id":1,"name":"Bug"},{"id":2,"name":"Task"}],"columns":["id","name"],"row_count":2,"query":"SELECT id, name FROM issue_type ORDER BY id LIMIT 2"}"#);
    let (_, answer) = rest
        .post("/api/sql-runner", json!({"query": query, "return_data": false}))
        .await;
    assert_eq!((&answer["data"], &answer["row_count"]), (&json!([]), &json!(2)));
    // Without a header or a body field it is `default`; a body field beats the header.
    let body = json!({"query": "SELECT 1", "database_id": "b"});
    rest.send("POST", "/api/sql-runner", &[("x-database-id", "c")], body)
        .await;
    let (_, listed) = rest.send("GET", "/api/databases", &[], Value::Null).await;
    assert_eq!(listed, json!({"databases": ["a", "b", "default"]}));
}

#[tokio::test]
async fn the_sql_runner_refuses_clearly() {
    let rest = Rest::start(|_| {}).await;
    let mut messages = String::new();
    for body in [
        json!({"query": "SELEKT 1"}),
        json!({"query": "SELECT nope FROM issue"}),
        json!({"query": ""}),
        json!({"query": "SELECT 1; SELECT 2"}),
        json!({"query": "DELETE FROM issue"}),
        // Asking for it does not make it so.
        json!({"query": "DELETE FROM issue", "read_only": false}),
        json!({"query": "PRAGMA query_only = off"}),
        json!({"query": "ATTACH DATABASE ':memory:' AS other"}),
        json!({"query": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"}),
        json!({"query": "SELECT 1", "database_id": "../x"}),
        json!({"sql": "SELECT 1"}),
        json!([]),
    ] {
        let (status, answer) = rest.post("/api/sql-runner", body).await;
        messages.push_str(&format!("{status} {}\n", answer["detail"].as_str().unwrap()));
    }
    insta::assert_snapshot!(messages, @r#"
    400 near "SELEKT": syntax error in SELEKT 1 at offset 0
    400 no such column: nope in SELECT nope FROM issue at offset 7
    400 the query is empty
    400 only one statement is allowed; remove what follows the first `;`
    400 not authorized; only SELECT is allowed here
    400 not authorized; only SELECT is allowed here
    400 not authorized; only SELECT is allowed here
    400 not authorized; only SELECT is allowed here
    400 more than 10000 rows; add a LIMIT or count in SQL
    400 `../x` is no database id; use 1 to 128 characters of A-Z a-z 0-9 . _ -
    400 bad request body: missing field `query` at line 1 column 18
    400 bad request body: invalid length 0, expected struct SqlRequest with 4 elements at line 1 column 2
    "#);
    assert_eq!(
        sql(
            &rest.gym.sql_runner_url(),
            "default",
            "SELECT count(*) FROM issue"
        )
        .await,
        json!(76)
    );
}

#[tokio::test]
async fn a_server_that_allows_writes_still_needs_to_be_asked() {
    let rest = Rest::start(|options| options.allow_writes = true).await;
    let (status, _) = rest
        .post("/api/sql-runner", json!({"query": "DELETE FROM comment"}))
        .await;
    assert_eq!(status, 400);
    let (status, _) = rest
        .post(
            "/api/sql-runner",
            json!({"query": "DELETE FROM comment", "read_only": false}),
        )
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        sql(
            &rest.gym.sql_runner_url(),
            "default",
            "SELECT count(*) FROM comment"
        )
        .await,
        json!(0)
    );
}

#[tokio::test]
async fn a_query_that_never_ends_is_ended_and_blocks_nobody() {
    let rest = Rest::start(|_| {}).await;
    let forever = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";
    let slow = async {
        let body = json!({"query": forever});
        let headers = [("x-database-id", "slow")];
        let answered = rest.send("POST", "/api/sql-runner", &headers, body).await;
        (answered, std::time::Instant::now())
    };
    let other = async {
        assert_eq!(
            sql(&rest.gym.sql_runner_url(), "quick", "SELECT 1").await,
            json!(1)
        );
        std::time::Instant::now()
    };
    let (((status, answer), slow_ended), other_ended) = tokio::join!(slow, other);
    assert_eq!(
        (status, &answer["detail"]),
        (400, &json!("stopped after 5s; the query is too expensive"))
    );
    assert!(other_ended < slow_ended, "it waited for the slow one");
}

#[tokio::test]
async fn seeding_replaces_a_database_or_leaves_it_alone() {
    let rest = Rest::start(|_| {}).await;
    let (_, sample) = rest.send("GET", "/api/sample-data", &[], Value::Null).await;
    assert_eq!(sample["format"], "sql");
    let content = sample["sql_content"].as_str().unwrap();
    let url = rest.gym.sql_runner_url();

    let changed = format!("{content}\nUPDATE project SET name = 'Renamed' WHERE id = 1;");
    let seed = |sql: &str| json!({"database_id": "s", "name": "n", "description": "d", "sql_content": sql});
    assert_eq!(rest.post("/api/seed-database", seed(&changed)).await.0, 200);
    assert_eq!(
        sql(&url, "s", "SELECT name FROM project WHERE id = 1").await,
        json!("Renamed")
    );

    let (status, answer) = rest
        .post(
            "/api/seed-database",
            seed("CREATE TABLE t (a); INSERT INTO u VALUES (1)"),
        )
        .await;
    assert_eq!(status, 400);
    assert!(
        answer["detail"].as_str().unwrap().contains("no such table: u"),
        "{answer}"
    );
    assert_eq!(
        sql(&url, "s", "SELECT name FROM project WHERE id = 1").await,
        json!("Renamed")
    );

    assert_eq!(
        rest.post("/api/reset-database", json!({"database_id": "s"}))
            .await
            .0,
        200
    );
    assert_eq!(
        sql(&url, "s", "SELECT name FROM project WHERE id = 1").await,
        json!("Web Storefront")
    );
    assert_eq!(rest.post("/api/seed-database", seed("")).await.0, 200);
    // Agents work on a seeded database as on any other.
    let session = connect(&rest.gym.url(), Era::Stateless, &[("x-database-id", "s")]).await;
    call(
        &session,
        "add_issue_label",
        json!({"issueIdOrKey": "WEB-1", "label": "seeded"}),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn clones_part_ways_and_deletion_is_once() {
    let rest = Rest::start(|_| {}).await;
    let url = rest.gym.sql_runner_url();
    let session = connect(&rest.gym.url(), Era::Stateless, &[("x-database-id", "source")]).await;
    call(&session, "delete_issue", json!({"issueIdOrKey": "INFRA-19"}))
        .await
        .unwrap();
    let clone = json!({"source_database_id": "source", "database_id": "copy"});
    assert_eq!(rest.post("/api/clone-database", clone).await.0, 200);
    call(&session, "delete_issue", json!({"issueIdOrKey": "INFRA-18"}))
        .await
        .unwrap();
    assert_eq!(sql(&url, "source", "SELECT count(*) FROM issue").await, json!(74));
    assert_eq!(sql(&url, "copy", "SELECT count(*) FROM issue").await, json!(75));
    let unknown = json!({"source_database_id": "nobody", "database_id": "copy"});
    assert_eq!(rest.post("/api/clone-database", unknown).await.0, 404);

    let delete = |path: &'static str, body: Value| rest.send("DELETE", path, &[], body);
    assert_eq!(
        delete("/api/delete-database", json!({"database_id": "copy"}))
            .await
            .0,
        200
    );
    assert_eq!(
        delete("/api/delete-database?database_id=source", Value::Null)
            .await
            .0,
        200
    );
    let (status, answer) = delete("/api/delete-database", json!({"database_id": "copy"})).await;
    assert_eq!(
        (
            status,
            answer["detail"].as_str().unwrap().contains("no database `copy`")
        ),
        (404, true)
    );
    assert!(rest.gym.databases().is_empty());
}

#[tokio::test]
async fn the_number_of_databases_is_bounded() {
    let rest = Rest::start(|options| options.max_databases = 2).await;
    let use_one =
        |id: &'static str| rest.post("/api/sql-runner", json!({"query": "SELECT 1", "database_id": id}));
    assert_eq!(use_one("a").await.0, 200);
    assert_eq!(use_one("b").await.0, 200);
    let (status, answer) = use_one("c").await;
    assert_eq!(status, 507);
    assert_eq!(
        answer["detail"],
        "2 databases are live, which is the limit; delete those you have finished with"
    );
    assert_eq!(use_one("a").await.0, 200);
    // Replacing needs no room.
    assert_eq!(
        rest.post("/api/reset-database", json!({"database_id": "b"}))
            .await
            .0,
        200
    );
    let session = connect(&rest.gym.url(), Era::Stateless, &[("x-database-id", "d")]).await;
    let refused = call(&session, "list_projects", json!({})).await.unwrap_err();
    assert!(refused.contains("which is the limit"), "{refused}");
}

#[tokio::test]
async fn health_is_cheap_to_ask() {
    let rest = Rest::start(|_| {}).await;
    let (status, answer) = rest.send("GET", "/health", &[], Value::Null).await;
    assert_eq!(
        (status, &answer["status"], &answer["databases"]),
        (200, &json!("ok"), &json!(0))
    );
}
