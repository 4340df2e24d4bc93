//! Gyms at run time: reach them, prepare a fresh database, call tools, ask SQL, clean up.
//!
//! | part | what it does |
//! |---|---|
//! | [`Gym`], [`GymSession`] | the seam: a gym can be opened for a trial, and is closed after it |
//! | [`mcp`] | the only module that knows the MCP library |
//! | [`http`], [`stdio`] | gyms over streamable HTTP, and as a child process per trial |
//! | `api`, `sql` | the data side of a gym: seeding, removal, SQL; the SQL runner's forms of answers |
//! | `deadlines`, `slots` | how long gyms may take, how many processes there may be |
//! | [`Cleaner`] | cleaning up that outlives whoever asked for it |
//! | [`connect()`] | from [`bench_core::GymSpec`]s and the environment to gyms |

pub(crate) mod api;
mod cleaner;
pub(crate) mod client;
mod connect;
pub(crate) mod deadlines;
pub mod http;
pub mod mcp;
mod seeds;
mod slots;
mod sql;
pub mod stdio;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bench_core::event::Connections;
use bench_core::gym::Seed;
use bench_core::{Event, GymSpec, TrialId};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::model::ToolSpec;
use crate::process::LineLog;
use crate::scratch::Scratch;

pub use cleaner::Cleaner;
pub use connect::{TrackerAddress, connect, connect_with};
pub use seeds::check_seeds;
pub use slots::default_processes;

/// A world that trials act on. Shared by all trials; opened once per trial.
pub trait Gym: Send + Sync {
    /// What the plan says of it.
    fn spec(&self) -> &GymSpec;

    /// Waits until there is room for one more trial, where room is scarce (child processes).
    ///
    /// May last as long as other trials do, so it belongs before any deadline or lock that opening has.
    /// Keep the result until the gym is open; the session then has a share in it. One trial's admissions
    /// to several gyms never wait for each other.
    fn admit<'a>(&'a self, _request: &'a OpenRequest) -> BoxFuture<'a, Admission> {
        Box::pin(std::future::ready(Admission::default()))
    }

    /// Prepares a fresh database (or process) and one MCP session for a trial.
    ///
    /// Whatever was created is journaled through [`OpenRequest::report`] before it is created, and is
    /// removed again if opening fails half way.
    fn open<'a>(&'a self, request: &'a OpenRequest) -> BoxFuture<'a, Result<Box<dyn GymSession>, GymError>>;

    /// Removes a database that an earlier worker of the run named and did not live to remove. One that is not there
    /// is no error, and gyms without databases have nothing to do.
    fn remove_database<'a>(&'a self, _database_id: &'a str) -> BoxFuture<'a, Result<(), GymError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What of a gym decides whether and how it is reached: all but what its databases hold.
pub(crate) fn server_of(gym: &GymSpec) -> GymSpec {
    GymSpec {
        key: String::new(),
        context: BTreeMap::new(),
        seed: Seed::Untouched,
        ..gym.clone()
    }
}

/// One trial's session with a gym.
pub trait GymSession: Send + Sync {
    /// The MCP protocol version that is spoken, such as `2025-11-25`.
    fn protocol(&self) -> &str;

    /// The server's own name and version, such as `tracker 0.1.0`.
    fn server(&self) -> String;

    /// How its requests travel, where that is known.
    fn connections(&self) -> Option<Connections> {
        None
    }

    /// Value of the `x-database-id` header, for gyms that have databases.
    fn database_id(&self) -> Option<&str>;

    /// The tools it offers, in the server's order.
    fn tools(&self) -> &[ToolSpec];

    /// Calls a tool. A tool that answers with an error is `Ok` with [`ToolOutput::is_error`]; `Err` means
    /// that the gym itself failed.
    fn call_tool<'a>(
        &'a self,
        tool: &'a str,
        arguments: Map<String, Value>,
        deadline: ToolDeadline,
    ) -> BoxFuture<'a, Result<ToolOutput, GymError>>;

    /// The value of one read-only SQL query: one row with one column is that value, one row with several
    /// columns the row, several rows the list, none null.
    fn query<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<Value, GymError>>;

    /// Ends the session, ends its processes, removes its database. Says what could not be removed.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), GymError>>;
}

/// Room for one trial's child processes; given back when it and all sessions of the trial are dropped.
#[derive(Clone, Default)]
pub struct Admission {
    _slot: Option<slots::Slot>,
}

/// Journals an event, durably before it returns.
pub type ReportEvent = Arc<dyn Fn(Event) -> BoxFuture<'static, ()> + Send + Sync>;

/// What a gym needs to know of the trial it is opened for.
#[derive(Clone)]
pub struct OpenRequest {
    /// The run, for `BENCH_RUN_ID` of children.
    pub run_id: String,
    /// The trial. The preflight opens gyms under a trial id of its own.
    pub trial: TrialId,
    /// The trial's own scratch folder.
    pub scratch: Scratch,
    /// Journals an event, durably before it returns.
    pub report: ReportEvent,
    /// Writes a line to the trial's log (a server's stderr).
    pub log: LineLog,
    /// How long opening may take, the seeding of a database not counted.
    pub timeout: Duration,
}

/// How long a tool may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolDeadline {
    /// Without any progress notification.
    pub idle: Duration,
    /// In all.
    pub total: Duration,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToolOutput {
    /// All text content, joined by newlines; other content is named in brackets.
    pub text: String,
    /// Structured content; null without it.
    pub structured: Value,
    /// The tool says that it failed.
    pub is_error: bool,
}

/// Why a gym could not do what was asked: says nothing about the model.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum GymError {
    /// It could not be reached, or did not answer the handshake.
    #[error("gym `{gym}` could not be opened: {reason}")]
    Open {
        /// Name of the gym.
        gym: String,
        /// What happened.
        reason: String,
    },
    /// Its database could not be prepared.
    #[error("gym `{gym}` could not prepare the database: {reason}")]
    Seed {
        /// Name of the gym.
        gym: String,
        /// What happened.
        reason: String,
    },
    /// A tool did not answer in time. The call was cancelled.
    #[error("tool `{tool}` of gym `{gym}` did not answer within {:.1} s", after.as_secs_f64())]
    ToolTimeout {
        /// Name of the gym.
        gym: String,
        /// Name of the tool.
        tool: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The server went away, or answers what is no MCP.
    #[error("gym `{gym}` broke: {reason}")]
    Broken {
        /// Name of the gym.
        gym: String,
        /// What happened.
        reason: String,
    },
    /// The SQL runner refused the query: it would refuse it again.
    #[error("SQL runner of gym `{gym}`: {reason}")]
    SqlRefused {
        /// Name of the gym.
        gym: String,
        /// What happened.
        reason: String,
    },
    /// The SQL runner failed.
    #[error("SQL runner of gym `{gym}`: {reason}")]
    Sql {
        /// Name of the gym.
        gym: String,
        /// What happened.
        reason: String,
    },
    /// Something may be left behind.
    #[error("gym `{gym}` was not cleaned up: {reason}")]
    Cleanup {
        /// Name of the gym.
        gym: String,
        /// What happened.
        reason: String,
    },
}

impl GymError {
    /// Whether the same may succeed in another attempt.
    pub fn may_heal(&self) -> bool {
        !matches!(self, Self::SqlRefused { .. })
    }
}
