//! The data side of a gym: SQL runner, seeding, removal of databases.
//!
//! Every request carries the gym's headers with `x-database-id`, exactly as the MCP requests do. Errors
//! are texts for people; whose fault they are is decided by the callers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::client::{Ways, causes};
use super::sql::{self, SqlFailure};

/// The header that names the database of a trial.
pub(crate) const DATABASE_ID: &str = "x-database-id";

/// How long an SQL query may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long each of two tries to remove a database may take.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long seeding may take: large files take minutes.
const SEED_TIMEOUT: Duration = Duration::from_mins(10);

/// Largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// The data side of one gym, shared by its trials.
#[derive(Debug)]
pub(crate) struct GymApi {
    pub(crate) ways: Ways,
    /// Ends in `/api/`.
    pub(crate) base: Url,
    pub(crate) sql_runner: Option<Url>,
    /// Those of every request, without `x-database-id`.
    pub(crate) headers: HeaderMap,
    /// Whether there should be an API at all: an ordinary MCP server has none.
    pub(crate) expected: bool,
    /// Whether the server ever answered anything.
    pub(crate) answered: AtomicBool,
}

/// What came back.
struct Answer {
    status: StatusCode,
    body: String,
}

/// Why a request has no answer.
#[derive(Debug)]
struct Failure {
    reason: String,
    /// Whether a second try may help.
    transient: bool,
    /// Nobody listens there.
    nobody: bool,
}

impl GymApi {
    /// The headers of requests that are about one database.
    pub(crate) fn headers_with(&self, database_id: Option<&str>) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(Ok(value)) = database_id.map(HeaderValue::from_str) {
            headers.insert(DATABASE_ID, value);
        }
        headers
    }

    /// The value of one read-only query. Without a name it is asked of the runner's only database.
    pub(crate) async fn query(&self, database_id: Option<&str>, sql: &str) -> Result<Value, SqlFailure> {
        let no_runner = || SqlFailure::refused("it has no SQL runner; give its `sql_runner_url`");
        let url = self.sql_runner.clone().ok_or_else(no_runner)?;
        let mut body = json!({"query": sql, "read_only": true, "return_data": true});
        if let Some(id) = database_id {
            body["database_id"] = id.into();
        }
        let answer = self
            .send(Method::POST, url, database_id, Some(body), QUERY_TIMEOUT)
            .await;
        let answer = answer.map_err(|failure| SqlFailure {
            reason: failure.reason,
            may_heal: failure.transient,
        })?;
        sql::value_of(answer.status.as_u16(), &answer.body, sql)
    }

    /// The SQL of the gym's own sample data.
    pub(crate) async fn sample_data(&self, database_id: &str) -> Result<String, String> {
        let answer = self
            .ask(Method::GET, "sample-data", database_id, None, SEED_TIMEOUT)
            .await?;
        let sql = answer.get("sql_content").and_then(Value::as_str);
        sql.map(str::to_owned)
            .ok_or_else(|| "GET /api/sample-data: no `sql_content` in the answer".to_owned())
    }

    /// Replaces the database by what `sql` creates.
    pub(crate) async fn seed(&self, database_id: &str, trial: &str, sql: &str) -> Result<(), String> {
        let body = json!({
            "database_id": database_id,
            "name": format!("bench {trial}"),
            "description": "made for one trial, removed after it",
            "sql_content": sql,
        });
        self.ask(
            Method::POST,
            "seed-database",
            database_id,
            Some(body),
            SEED_TIMEOUT,
        )
        .await
        .map(|_| ())
    }

    /// Removes a database that was made, or was about to be, by this process. Where nobody listens and nobody ever
    /// answered there is none.
    pub(crate) async fn remove_own(&self, database_id: &str) -> Result<(), String> {
        match self.try_to_remove(database_id).await {
            Err(failure) if failure.nobody && !self.answered.load(Ordering::Relaxed) => Ok(()),
            removed => removed.map_err(|failure| failure.reason),
        }
    }

    /// Removes the database. A gym that knows none of this name, or no removal, is fine.
    pub(crate) async fn remove(&self, database_id: &str) -> Result<(), String> {
        let removed = self.try_to_remove(database_id).await;
        removed.map_err(|failure| failure.reason)
    }

    async fn try_to_remove(&self, database_id: &str) -> Result<(), Failure> {
        let retry = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_times(1);
        let removal = || self.remove_once(database_id);
        removal.retry(retry).when(|failure| failure.transient).await
    }

    async fn remove_once(&self, database_id: &str) -> Result<(), Failure> {
        let body = json!({"database_id": database_id});
        let url = self.endpoint("delete-database");
        let answer = self
            .send(
                Method::DELETE,
                url,
                Some(database_id),
                Some(body),
                REMOVAL_TIMEOUT,
            )
            .await?;
        let nothing_there = [
            StatusCode::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::NOT_IMPLEMENTED,
        ];
        let status = answer.status;
        if nothing_there.contains(&status) || (!self.expected && status.is_client_error()) {
            return Ok(());
        }
        let transient = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let checked = checked("DELETE /api/delete-database", &answer);
        checked.map(|_| ()).map_err(|reason| Failure {
            reason,
            transient,
            nobody: false,
        })
    }

    /// One request to the API whose answer has to be a success.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        database_id: &str,
        body: Option<Value>,
        patience: Duration,
    ) -> Result<Value, String> {
        let what = format!("{method} /api/{path}");
        let answer = self
            .send(method, self.endpoint(path), Some(database_id), body, patience)
            .await;
        checked(
            &what,
            &answer.map_err(|failure| format!("{what}: {}", failure.reason))?,
        )
    }

    fn endpoint(&self, path: &str) -> Url {
        // `base` ends in a slash and `path` is a word of ours, so joining cannot fail.
        self.base.join(path).unwrap_or_else(|_| self.base.clone())
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        database_id: Option<&str>,
        body: Option<Value>,
        patience: Duration,
    ) -> Result<Answer, Failure> {
        let mut request = self
            .ways
            .client()
            .request(method, url)
            .headers(self.headers_with(database_id))
            .timeout(patience);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = async {
            let response = request.send().await?;
            let status = response.status();
            Ok((status, read_bounded(response).await?))
        };
        let (status, body) = answer.await.map_err(|error: reqwest::Error| Failure {
            nobody: error.is_connect(),
            // The URL may hold credentials.
            reason: causes(&error.without_url()),
            transient: true,
        })?;
        self.answered.store(true, Ordering::Relaxed);
        let body = body.ok_or_else(|| Failure {
            reason: format!("its answer is over {} MiB", LARGEST_ANSWER >> 20),
            transient: false,
            nobody: false,
        })?;
        Ok(Answer { status, body })
    }
}

/// The body as text; none if it is too large.
pub(crate) async fn read_bounded(mut response: reqwest::Response) -> Result<Option<String>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(String::from_utf8_lossy(&body).into_owned()))
}

fn checked(what: &str, answer: &Answer) -> Result<Value, String> {
    let parsed: Option<Value> = serde_json::from_str(&answer.body).ok();
    if !answer.status.is_success() {
        let reason = sql::refusal(answer.status.as_u16(), parsed.as_ref(), &answer.body);
        return Err(format!("{what}: {reason}"));
    }
    match parsed.as_ref().and_then(|answer| sql::failure(answer, "")) {
        Some(reason) => Err(format!("{what}: {reason}")),
        None => Ok(parsed.unwrap_or_default()),
    }
}

/// Where `/api/…` of a gym is: beside its SQL runner, else beside its MCP end point.
pub(crate) fn api_base(mcp: &Url, sql_runner: Option<&Url>) -> Url {
    let from_sql = sql_runner.and_then(|url| Some((url, url.path().split_once("/api/")?.0.to_owned())));
    let (url, prefix) = from_sql.unwrap_or_else(|| {
        let path = mcp.path().trim_end_matches('/');
        (mcp, path.strip_suffix("/mcp").unwrap_or(path).to_owned())
    });
    let mut base = url.clone();
    base.set_path(&format!("{prefix}/api/"));
    base.set_query(None);
    base.set_fragment(None);
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_stands_beside_the_sql_runner_or_the_mcp_end_point() {
        for (mcp, sql, want) in [
            ("http://h:1/mcp", None, "http://h:1/api/"),
            ("http://h:1/mcp/", None, "http://h:1/api/"),
            ("http://h:1/gyms/jira/mcp?x=1", None, "http://h:1/gyms/jira/api/"),
            ("http://h:1/", None, "http://h:1/api/"),
            (
                "http://h:1/mcp",
                Some("http://data:2/api/sql-runner"),
                "http://data:2/api/",
            ),
            (
                "http://h:1/mcp",
                Some("http://data:2/a/api/v1/sql?k=v"),
                "http://data:2/a/api/",
            ),
            ("http://h:1/mcp", Some("http://data:2/sql"), "http://h:1/api/"),
        ] {
            let (mcp, sql) = (mcp.parse().unwrap(), sql.map(|url| url.parse().unwrap()));
            assert_eq!(api_base(&mcp, sql.as_ref()).as_str(), want, "{mcp} {sql:?}");
        }
    }
}
