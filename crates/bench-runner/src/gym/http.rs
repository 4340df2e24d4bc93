//! Gyms over streamable HTTP: a fresh database and one MCP session per trial.
//!
//! Life of a trial: a new id is journaled, the database is seeded if the gym's [`Seed`] says so, the MCP
//! session is begun with the header `x-database-id`, and the tools are listed. Later the session is
//! ended and the database removed: by [`GymSession::close`], or, when opening fails or anything is
//! dropped on the way, by the same work in the background ([`Cleaner`]).
//!
//! What is found out once about a server, and not anew by each trial, stands in `server`.
//!
//! The built-in tracker is such a gym on a loopback port.

pub(crate) mod server;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bench_core::event::Connections;
use bench_core::gym::Seed;
use bench_core::hash::sha256_hex;
use bench_core::{Event, GymSpec, TrialId};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;

use super::api::GymApi;
use super::cleaner::Cleaner;
use super::mcp::{Mcp, McpError};
use super::{Gym, GymError, GymSession, OpenRequest, ToolDeadline, ToolOutput};
use crate::model::ToolSpec;
use server::{Begun, Server};

/// How long the end of an MCP session may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A gym over streamable HTTP.
pub struct HttpGym {
    pub(crate) spec: GymSpec,
    pub(crate) server: Arc<Server>,
    pub(crate) api: Arc<GymApi>,
    /// The SQL that seeds each database, once it was read.
    pub(crate) seed: OnceCell<Arc<str>>,
    pub(crate) cleaner: Cleaner,
}

impl Gym for HttpGym {
    fn spec(&self) -> &GymSpec {
        &self.spec
    }

    fn open<'a>(&'a self, request: &'a OpenRequest) -> BoxFuture<'a, Result<Box<dyn GymSession>, GymError>> {
        Box::pin(async move {
            let mut holdings = Holdings {
                gym: self.spec.clone(),
                trial: request.trial.clone(),
                api: Arc::clone(&self.api),
                database_id: Some(Uuid::new_v4().to_string()),
                mcp: None,
                report: Arc::clone(&request.report),
                cleaner: self.cleaner.clone(),
                runtime: Handle::current(),
            };
            match self.prepare(&mut holdings, request).await {
                Ok(session) => {
                    let (database_id, tools) = session;
                    Ok(Box::new(HttpSession {
                        holdings,
                        server: Arc::clone(&self.server),
                        database_id,
                        tools,
                    }) as Box<dyn GymSession>)
                }
                Err(error) => {
                    // What could not be removed is in the journal; the first error says more.
                    drop(holdings.give_back().await);
                    Err(error)
                }
            }
        })
    }

    fn remove_database<'a>(&'a self, database_id: &'a str) -> BoxFuture<'a, Result<(), GymError>> {
        Box::pin(async move {
            let removed = self.api.remove(database_id).await;
            removed.map_err(|reason| GymError::Cleanup {
                gym: self.spec.name.clone(),
                reason,
            })
        })
    }
}

impl HttpGym {
    async fn prepare(
        &self,
        holdings: &mut Holdings,
        request: &OpenRequest,
    ) -> Result<(String, Vec<ToolSpec>), GymError> {
        let id = holdings.database_id.clone().unwrap_or_default();
        let named = Event::DatabaseNamed {
            trial: request.trial.clone(),
            gym: self.spec.key.clone(),
            database_id: id.clone(),
        };
        (request.report)(named).await;
        self.seed(&id, request).await.map_err(|reason| GymError::Seed {
            gym: self.spec.name.clone(),
            reason,
        })?;
        let started = Instant::now();
        let rest = || request.timeout.saturating_sub(started.elapsed());
        let headers = self.api.headers_with(Some(&id));
        let begun = self.server.begin(&headers, rest()).await;
        let begun = holdings.mcp.insert(begun.map_err(|e| self.not_opened(&e))?);
        self.api.answered.store(true, Ordering::Relaxed);
        let tools = begun.mcp.list_tools(rest()).await;
        let tools = tools.map_err(|e| self.not_opened(&e))?;
        self.server.choose_connections(begun, rest(), &request.log).await;
        Ok((id, tools))
    }

    async fn seed(&self, database_id: &str, request: &OpenRequest) -> Result<(), String> {
        // Read once: all trials of a run begin alike.
        let sql = match &self.spec.seed {
            Seed::Untouched => return Ok(()),
            Seed::SampleData => {
                let fetch = || async { self.api.sample_data(database_id).await.map(Arc::from) };
                self.seed.get_or_try_init(fetch).await?
            }
            Seed::File { path, sha256 } => self.seed.get_or_try_init(|| read_seed(path, sha256)).await?,
            _ => return Err("this kind of seed is not supported".to_owned()),
        };
        self.api.seed(database_id, request.trial.as_str(), sql).await
    }

    fn not_opened(&self, error: &McpError) -> GymError {
        let reason = format!("{error} ({})", without_secrets(&self.server.url));
        GymError::Open {
            gym: self.spec.name.clone(),
            reason,
        }
    }
}

async fn read_seed(path: &str, sha256: &str) -> Result<Arc<str>, String> {
    let sql = tokio::fs::read_to_string(path)
        .await
        .map_err(|e| format!("cannot read `{path}`: {e}"))?;
    if sha256_hex(&sql) == sha256 {
        Ok(Arc::from(sql))
    } else {
        Err(format!(
            "`{path}` has changed since the run was planned; start a new run"
        ))
    }
}

/// A URL for people: without user, password and query.
pub(crate) fn without_secrets(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for URLs that cannot have a user.
    if shown.set_username("").is_ok() && shown.set_password(None).is_ok() {
        shown.set_query(None);
    }
    shown.to_string()
}

/// What a trial holds of a gym, and gives back at the latest when it is dropped.
struct Holdings {
    gym: GymSpec,
    trial: TrialId,
    api: Arc<GymApi>,
    database_id: Option<String>,
    mcp: Option<Begun>,
    report: Arc<dyn Fn(Event) -> BoxFuture<'static, ()> + Send + Sync>,
    cleaner: Cleaner,
    runtime: Handle,
}

impl Holdings {
    /// Ends the session and removes the database. Goes on in the background if it is dropped.
    async fn give_back(&mut self) -> Result<(), GymError> {
        let gone = match self.start_giving_back() {
            Some(task) => task.await.unwrap_or_else(|error| Err(error.to_string())),
            None => Ok(()),
        };
        gone.map_err(|reason| GymError::Cleanup {
            gym: self.gym.name.clone(),
            reason,
        })
    }

    fn start_giving_back(&mut self) -> Option<JoinHandle<Result<(), String>>> {
        let database_id = self.database_id.take()?;
        let mcp = self.mcp.take();
        let (api, report) = (Arc::clone(&self.api), Arc::clone(&self.report));
        let (trial, gym) = (self.trial.clone(), self.gym.key.clone());
        Some(self.cleaner.start(&self.runtime, async move {
            if let Some(Begun { mcp, .. }) = mcp {
                mcp.close(CLOSE_TIMEOUT).await;
            }
            let removed = api.remove_own(&database_id).await;
            let problem = removed.as_ref().err().cloned();
            report(Event::DatabaseRemoved {
                trial,
                gym,
                database_id,
                problem,
            })
            .await;
            removed
        }))
    }
}

impl Drop for Holdings {
    /// The spare way; [`Holdings::give_back`] is the proper one.
    fn drop(&mut self) {
        drop(self.start_giving_back());
    }
}

struct HttpSession {
    holdings: Holdings,
    server: Arc<Server>,
    database_id: String,
    tools: Vec<ToolSpec>,
}

impl HttpSession {
    fn gym(&self) -> String {
        self.holdings.gym.name.clone()
    }

    fn mcp(&self) -> Option<&Mcp> {
        self.holdings.mcp.as_ref().map(|begun| &begun.mcp)
    }
}

impl GymSession for HttpSession {
    fn protocol(&self) -> &str {
        self.mcp().map_or("", Mcp::protocol)
    }

    fn server(&self) -> String {
        self.mcp().map_or("", Mcp::server).to_owned()
    }

    fn connections(&self) -> Option<Connections> {
        self.server.connections()
    }

    fn database_id(&self) -> Option<&str> {
        Some(&self.database_id)
    }

    fn tools(&self) -> &[ToolSpec] {
        &self.tools
    }

    fn call_tool<'a>(
        &'a self,
        tool: &'a str,
        arguments: Map<String, Value>,
        deadline: ToolDeadline,
    ) -> BoxFuture<'a, Result<ToolOutput, GymError>> {
        Box::pin(async move {
            let Some(mcp) = self.mcp() else {
                return Err(GymError::Broken {
                    gym: self.gym(),
                    reason: "the session is closed".into(),
                });
            };
            mcp.call_tool(tool, arguments, deadline)
                .await
                .map_err(|e| e.of_call(self.gym(), tool))
        })
    }

    fn query<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<Value, GymError>> {
        Box::pin(async move {
            let value = self.holdings.api.query(Some(&self.database_id), sql).await;
            value.map_err(|failure| failure.of(self.gym()))
        })
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, Result<(), GymError>> {
        Box::pin(async move { self.holdings.give_back().await })
    }
}
