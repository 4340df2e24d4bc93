//! The HTTP interface beside MCP: SQL for verifiers, and the life of databases.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /health` | | `{status, version, databases}` |
//! | `POST /api/sql-runner` | `{query, database_id?, read_only?, return_data?}` | `{success, message, data, columns, row_count, query}` |
//! | `GET /api/sample-data` | | `{format: "sql", sql_content}` |
//! | `POST /api/seed-database` | `{database_id, sql_content, name?, description?}` | `{success, message, database_id}` |
//! | `POST /api/clone-database` | `{source_database_id, database_id}` | the same |
//! | `POST /api/reset-database` | `{database_id}` | the same |
//! | `DELETE /api/delete-database` | `{database_id}`, or as query parameter | the same; 404 if unknown |
//! | `GET /api/databases` | | `{databases: [id, …]}` |
//!
//! The database may also be named by the header `x-database-id`; the body wins. What cannot be done is
//! answered with a status of 400 and up and `{detail}`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;

use crate::databases::{DatabaseError, DatabaseId, Databases, sample_data_sql};
use crate::mcp::{DATABASE_HEADER, header};
use crate::sql::{self, Bounds, SqlError};

/// Largest request body, in bytes: seeds are SQL dumps.
const MAX_BODY_BYTES: usize = 64 << 20;

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct RestState {
    pub(crate) databases: Arc<Databases>,
    /// Whether `read_only: false` is obeyed.
    pub(crate) allow_writes: bool,
    /// The database of requests that name none.
    pub(crate) fallback: DatabaseId,
}

/// All routes but `/mcp`.
pub(crate) fn routes(state: RestState) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/api/sql-runner", post(sql_runner))
        .route("/api/sample-data", get(sample_data))
        .route("/api/seed-database", post(seed_database))
        .route("/api/clone-database", post(clone_database))
        .route("/api/reset-database", post(reset_database))
        .route("/api/delete-database", delete(delete_database))
        .route("/api/databases", get(list_databases))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(state)
}

/// Why a request was refused.
#[derive(Debug, Error)]
enum RestError {
    #[error("{0}")]
    BadRequest(String),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error("the work was given up: {0}")]
    GivenUp(#[from] tokio::task::JoinError),
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Database(DatabaseError::Unknown { .. }) => StatusCode::NOT_FOUND,
            Self::Database(DatabaseError::TooMany { .. }) => StatusCode::INSUFFICIENT_STORAGE,
            Self::GivenUp(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, detail(&self.to_string())).into_response()
    }
}

/// An error as the public gyms spell it.
pub(crate) fn detail(message: &str) -> Json<Value> {
    Json(json!({ "detail": message }))
}

/// Reads a JSON body whatever its content type says: not all harnesses set one.
fn decode<T: DeserializeOwned>(body: &Bytes) -> Result<T, RestError> {
    serde_json::from_slice(body).map_err(|error| RestError::BadRequest(format!("bad request body: {error}")))
}

impl RestState {
    /// The database a request means: by body, by header, or the default one.
    fn database(&self, body: Option<&str>, headers: &HeaderMap) -> Result<DatabaseId, DatabaseError> {
        match body
            .map(str::to_owned)
            .or_else(|| header(Some(headers), DATABASE_HEADER))
        {
            Some(id) => id.parse(),
            None => Ok(self.fallback.clone()),
        }
    }
}

fn done(message: &str, id: &DatabaseId) -> Json<Value> {
    Json(json!({ "success": true, "message": message, "database_id": id.as_str() }))
}

async fn health(State(state): State<RestState>) -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "databases": state.databases.len() }))
}

#[derive(Deserialize)]
struct SqlRequest {
    query: String,
    database_id: Option<String>,
    read_only: Option<bool>,
    return_data: Option<bool>,
}

async fn sql_runner(
    State(state): State<RestState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, RestError> {
    let request: SqlRequest = decode(&body)?;
    let id = state.database(request.database_id.as_deref(), &headers)?;
    let database = state.databases.get(&id)?;
    let bounds = Bounds {
        writable: state.allow_writes && request.read_only == Some(false),
        ..Bounds::READ
    };
    // Off the async threads: a query may take as long as its deadline.
    let mut database = database.lock_owned().await;
    let query = request.query.clone();
    let answer =
        tokio::task::spawn_blocking(move || sql::run(database.connection(), &query, bounds)).await??;
    let row_count = answer.data.len();
    let data = if request.return_data == Some(false) {
        Vec::new()
    } else {
        answer.data
    };
    Ok(Json(json!({
        "success": true,
        "message": "ok",
        "data": data,
        "columns": answer.columns,
        "row_count": row_count,
        "query": request.query,
    })))
}

async fn sample_data() -> Json<Value> {
    Json(json!({ "format": "sql", "sql_content": sample_data_sql() }))
}

#[derive(Deserialize)]
struct SeedRequest {
    database_id: Option<String>,
    #[serde(default)]
    sql_content: Option<String>,
}

async fn seed_database(
    State(state): State<RestState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, RestError> {
    let request: SeedRequest = decode(&body)?;
    let id = state.database(request.database_id.as_deref(), &headers)?;
    let seeded = id.clone();
    let sql = request.sql_content.unwrap_or_default();
    tokio::task::spawn_blocking(move || state.databases.seed(&seeded, &sql)).await??;
    Ok(done("seeded", &id))
}

#[derive(Deserialize)]
struct CloneRequest {
    source_database_id: String,
    database_id: Option<String>,
}

async fn clone_database(
    State(state): State<RestState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, RestError> {
    let request: CloneRequest = decode(&body)?;
    let id = state.database(request.database_id.as_deref(), &headers)?;
    state
        .databases
        .clone_database(&request.source_database_id.parse()?, &id)
        .await?;
    Ok(done("cloned", &id))
}

#[derive(Default, Deserialize)]
struct DatabaseRequest {
    database_id: Option<String>,
}

async fn reset_database(
    State(state): State<RestState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, RestError> {
    let request: DatabaseRequest = if body.is_empty() {
        DatabaseRequest::default()
    } else {
        decode(&body)?
    };
    let id = state.database(request.database_id.as_deref(), &headers)?;
    state.databases.seed(&id, "")?;
    Ok(done("reset to the sample data", &id))
}

async fn delete_database(
    State(state): State<RestState>,
    headers: HeaderMap,
    Query(parameters): Query<DatabaseRequest>,
    body: Bytes,
) -> Result<Json<Value>, RestError> {
    let request: DatabaseRequest = if body.is_empty() {
        parameters
    } else {
        decode(&body)?
    };
    let id = state.database(request.database_id.as_deref(), &headers)?;
    state.databases.delete(&id)?;
    Ok(done("deleted", &id))
}

async fn list_databases(State(state): State<RestState>) -> Json<Value> {
    let ids = state.databases.ids();
    let ids: Vec<&str> = ids.iter().map(DatabaseId::as_str).collect();
    Json(json!({ "databases": ids }))
}
