//! Gyms over stdio: one child process per trial, which is the isolation.
//!
//! The trial's scratch folder is the server's world: `files` are copied into it, `{{trial_dir}}` stands
//! for it in command, arguments, environment and working folder. The process ends with its whole tree
//! when the session is closed or dropped ([`crate::process`]).
//!
//! SQL goes to the gym's `sql_runner_url`, else to the runner that the server announces in its MCP
//! capability `bench/sql-runner` (`{"url": …}`), as our own tracker does. An announced runner belongs to
//! this one process, so its requests name no database; others get the id that the server finds in
//! `BENCH_DATABASE_ID`.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bench_core::GymSpec;
use bench_core::event::Awaited;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::api::{GymApi, api_base};
use super::client::{Ways, causes, client};
use super::mcp::{Elicitation, Era, Mcp, McpError, McpOptions};
use super::slots::{Slot, Slots};
use super::sql::SqlFailure;
use super::{Admission, Gym, GymError, GymSession, OpenRequest, ToolDeadline, ToolOutput};
use crate::model::ToolSpec;
use crate::process::{ChildGuard, ChildSpec, CleanEnvironment, Marker, patiently, spawn};
use crate::watch::{LONG_WAIT, Waiting};

/// How long the server may take to leave after its input was closed, and again after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// How long the MCP session may take to close the server's input.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a server that hung up may take to be gone, before its exit status is left unsaid.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What stands for the trial's scratch folder.
const TRIAL_DIR: &str = "{{trial_dir}}";

/// A gym whose server is a child process per trial.
pub struct StdioGym {
    pub(crate) spec: GymSpec,
    /// As configured, variables expanded, `{{trial_dir}}` not yet.
    pub(crate) child: ChildSpec,
    /// The working folder as configured; the scratch folder without it.
    pub(crate) cwd: Option<String>,
    /// Copied into the scratch folder before the start.
    pub(crate) files: Option<PathBuf>,
    pub(crate) sql_runner: Option<Url>,
    pub(crate) environment: CleanEnvironment,
    pub(crate) era: OnceLock<Era>,
    pub(crate) slots: Slots,
}

/// A started server with the beginning of its session.
struct Started {
    mcp: Mcp,
    guard: ChildGuard,
}

impl Gym for StdioGym {
    fn spec(&self) -> &GymSpec {
        &self.spec
    }

    fn admit<'a>(&'a self, request: &'a OpenRequest) -> BoxFuture<'a, Admission> {
        Box::pin(async move {
            Admission {
                _slot: Some(self.slot(request).await),
            }
        })
    }

    fn open<'a>(&'a self, request: &'a OpenRequest) -> BoxFuture<'a, Result<Box<dyn GymSession>, GymError>> {
        Box::pin(async move {
            // At once after an admission.
            let slot = self.slot(request).await;
            let started = Instant::now();
            if let Some(files) = self.files.clone() {
                let scratch = request.scratch.path();
                let scratch = scratch.map_err(|error| self.not_opened(error.to_string()))?;
                copy_files(files, scratch)
                    .await
                    .map_err(|reason| self.not_opened(reason))?;
            }
            let database_id = Uuid::new_v4().to_string();
            let mut server = self.start(&database_id, request).await?;
            let rest = request.timeout.saturating_sub(started.elapsed());
            let tools = match server.mcp.list_tools(rest).await {
                Ok(tools) => tools,
                Err(error) => {
                    let reason = last_words(&mut server.guard, &error.to_string()).await;
                    server.guard.end(GRACE).await;
                    return Err(self.not_opened(reason));
                }
            };
            let session = StdioSession {
                gym: self.spec.name.clone(),
                data: self
                    .data_side(&server.mcp, &database_id)
                    .map_err(|reason| self.not_opened(reason))?,
                mcp: server.mcp,
                guard: server.guard,
                tools,
                slot,
            };
            Ok(Box::new(session) as Box<dyn GymSession>)
        })
    }
}

impl StdioGym {
    /// Waits for the trial's slot. A longer wait is told.
    async fn slot(&self, request: &OpenRequest) -> Slot {
        let mut slot = Box::pin(self.slots.take(&request.trial));
        if let Ok(slot) = tokio::time::timeout(LONG_WAIT, &mut slot).await {
            return slot;
        }
        let waiting = Waiting {
            kind: Awaited::Turn,
            what: format!("its turn to start the server of gym `{}`", self.spec.name),
            then: "started when another trial's servers have ended",
            at: None,
        };
        (request.report)(waiting.event(&request.trial, LONG_WAIT, true)).await;
        slot.await
    }

    async fn start(&self, database_id: &str, request: &OpenRequest) -> Result<Started, GymError> {
        let begun = Instant::now();
        let era = self.era.get().copied();
        let mut server = self.start_once(database_id, request, era, request.timeout).await;
        let rest = request.timeout.saturating_sub(begun.elapsed());
        if server.is_err() && era.is_none() && !rest.is_zero() {
            // Some servers die of the question which era they speak.
            server = self
                .start_once(database_id, request, Some(Era::Handshake), rest)
                .await;
        }
        let server = server?;
        self.era.get_or_init(|| server.mcp.era());
        Ok(server)
    }

    async fn start_once(
        &self,
        database_id: &str,
        request: &OpenRequest,
        era: Option<Era>,
        timeout: Duration,
    ) -> Result<Started, GymError> {
        let marker = Marker::new(&request.run_id, request.trial.as_str(), &self.spec.key);
        let scratch = request.scratch.path();
        let scratch = scratch.map_err(|error| self.not_opened(error.to_string()))?;
        let child = self.child_in(&scratch, database_id);
        let spawned = spawn(&child, &self.environment, &marker, Arc::clone(&request.log));
        let mut spawned = spawned.map_err(|error| self.not_opened(error.to_string()))?;
        let (Some(output), Some(input)) = (spawned.stdout.take(), spawned.stdin.take()) else {
            return Err(self.not_opened("its pipes are missing".to_owned()));
        };
        let options = McpOptions {
            era,
            elicitation: Elicitation::Decline,
            timeout,
        };
        match Mcp::over_pipes(output, input, options, Arc::clone(&request.log)).await {
            Ok(mcp) => Ok(Started {
                mcp,
                guard: spawned.guard,
            }),
            Err(error) => {
                let reason = last_words(&mut spawned.guard, &error.to_string()).await;
                spawned.guard.end(GRACE).await;
                Err(self.not_opened(reason))
            }
        }
    }

    /// What is started for one trial.
    fn child_in(&self, scratch: &Path, database_id: &str) -> ChildSpec {
        let folder = scratch.to_string_lossy();
        let here = |text: &String| text.replace(TRIAL_DIR, &folder);
        let mut env: std::collections::BTreeMap<_, _> = self
            .child
            .env
            .iter()
            .map(|(name, value)| (name.clone(), here(value)))
            .collect();
        env.entry("BENCH_DATABASE_ID".to_owned())
            .or_insert_with(|| database_id.to_owned());
        ChildSpec {
            program: here(&self.child.program),
            args: self.child.args.iter().map(here).collect(),
            cwd: self
                .cwd
                .as_ref()
                .map_or_else(|| scratch.to_owned(), |cwd| PathBuf::from(here(cwd))),
            env,
            stdin: true,
        }
    }

    /// The SQL runner, if there is one.
    fn data_side(&self, mcp: &Mcp, database_id: &str) -> Result<Option<Data>, String> {
        let announced = || mcp.sql_runner().and_then(|url| Url::parse(url).ok());
        let given = self
            .sql_runner
            .clone()
            .map(|url| (url, Some(database_id.to_owned())));
        let Some((url, database_id)) = given.or_else(|| Some((announced()?, None))) else {
            return Ok(None);
        };
        let api = GymApi {
            ways: Ways::only(client(&url, false).map_err(|error| causes(&error))?),
            base: api_base(&url, Some(&url)),
            sql_runner: Some(url),
            headers: HeaderMap::new(),
            expected: true,
            answered: AtomicBool::new(false),
        };
        Ok(Some(Data { api, database_id }))
    }

    fn not_opened(&self, reason: String) -> GymError {
        GymError::Open {
            gym: self.spec.name.clone(),
            reason,
        }
    }
}

/// An error with what the server said on stderr, and its exit status if it has left.
async fn last_words(guard: &mut ChildGuard, error: &str) -> String {
    let status = patiently(LAST_WORDS, guard.wait()).await;
    let ended = match status {
        Some(Ok(status)) => format!("the server ended ({status}): {error}"),
        _ => error.to_owned(),
    };
    let words = guard.last_words(Duration::from_millis(200)).await;
    if words.is_empty() {
        ended
    } else {
        format!("{ended}; it wrote last:\n{words}")
    }
}

/// Copies a folder's content. Links to files are followed, so that the trial cannot change the original.
async fn copy_files(from: PathBuf, to: PathBuf) -> Result<(), String> {
    let copied = tokio::task::spawn_blocking(move || {
        copy_folder(&from, &to).map_err(|error| format!("cannot copy `{}`: {error}", from.display()))
    });
    copied.await.unwrap_or_else(|error| Err(error.to_string()))
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            std::fs::create_dir_all(&target)?;
            copy_folder(&source, &target)?;
        } else if kind.is_symlink() && source.is_dir() {
            let words = format!(
                "`{}` is a link to a folder, which is not copied",
                source.display()
            );
            return Err(std::io::Error::other(words));
        } else {
            std::fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// The data side of one server.
struct Data {
    api: GymApi,
    /// None where the runner knows only one.
    database_id: Option<String>,
}

struct StdioSession {
    gym: String,
    mcp: Mcp,
    guard: ChildGuard,
    data: Option<Data>,
    tools: Vec<ToolSpec>,
    /// Last, so that it is free only when the process has ended.
    slot: Slot,
}

impl GymSession for StdioSession {
    fn protocol(&self) -> &str {
        self.mcp.protocol()
    }

    fn server(&self) -> String {
        self.mcp.server().to_owned()
    }

    fn database_id(&self) -> Option<&str> {
        self.data.as_ref()?.database_id.as_deref()
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
            let output = self.mcp.call_tool(tool, arguments, deadline).await;
            output.map_err(|error: McpError| error.of_call(self.gym.clone(), tool))
        })
    }

    fn query<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<Value, GymError>> {
        Box::pin(async move {
            let value = match &self.data {
                Some(data) => data.api.query(data.database_id.as_deref(), sql).await,
                None => Err(SqlFailure::refused(
                    "no SQL runner: give `sql_runner_url`, or check with `tool_result` or `command`",
                )),
            };
            value.map_err(|failure| failure.of(self.gym.clone()))
        })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), GymError>> {
        Box::pin(async move {
            let Self {
                gym,
                mcp,
                guard,
                slot,
                ..
            } = *self;
            // Dropped on the way, the guard still ends the process at once.
            mcp.close(CLOSE_TIMEOUT).await;
            let ended = guard.end(GRACE).await;
            drop(slot);
            match ended.status {
                Some(_) => Ok(()),
                None => Err(GymError::Cleanup {
                    gym,
                    reason: "its process could not be ended".to_owned(),
                }),
            }
        })
    }
}
