//! The tools: what an agent can do in the tracker.
//!
//! A tool is a type: its fields are the arguments (with their JSON Schema), its doc comment is the
//! description an agent reads, [`Tool::run`] does the work. [`CATALOG`] lists them all in a stable order.
//! A tool runs in one transaction: a mistake leaves no trace. Results are JSON in the shapes of Jira's REST
//! API (ids are text there, too); mistakes are sentences that say what would have been possible.
//!
//! Parts: `args` decoding and schemas, `change` writing with changelog and clock, `view` rows to JSON,
//! `hierarchy` parents and children; the tools by subject: `issues`, `edit`, `history`, `search`, `workflow`,
//! `comments`, `links`, `labels`, `people`, `catalog`. MCP's own types stay in [`crate::mcp`].

mod args;
mod catalog;
mod change;
mod comments;
mod edit;
mod hierarchy;
mod history;
mod issues;
mod labels;
mod links;
mod people;
mod search;
#[cfg(test)]
mod tests;
mod view;
mod workflow;

use std::sync::LazyLock;

use rusqlite::Connection;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::database::{Clock, Database};
use crate::jql::JqlError;
use crate::lookup::LookupError;

/// Why a tool refused. The text is for the agent: it says what was wrong and what is possible.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ToolError {
    /// The arguments do not have the right shape.
    #[error("bad arguments for {tool}: {problem}")]
    Arguments { tool: &'static str, problem: String },
    /// An argument has the right shape and a senseless value.
    #[error("`{argument}` {problem}")]
    Invalid { argument: &'static str, problem: String },
    /// A name led nowhere.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A query was not understood.
    #[error(transparent)]
    Jql(#[from] JqlError),
    /// The workflow has no such step from here.
    #[error("{key} is in status `{status}`: `{wanted}` is not possible; possible transitions: {possible}")]
    IllegalTransition {
        key: String,
        status: String,
        wanted: String,
        possible: String,
    },
    /// That person cannot work on that project.
    #[error("{user} cannot be assigned in {project}: {why}; assignable: {assignable}")]
    NotAssignable {
        user: String,
        project: String,
        why: &'static str,
        assignable: String,
    },
    /// The change would break the tracker's rules.
    #[error("{0}")]
    Rule(String),
    /// One entry of a bulk call failed; nothing of it was done.
    #[error("entry {index} (counted from 0): {source}; nothing was changed")]
    Entry { index: usize, source: Box<ToolError> },
    /// `SQLite` refused, for example because a seed left out a table.
    #[error("the database refused: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl ToolError {
    pub(crate) fn invalid(argument: &'static str, problem: impl Into<String>) -> Self {
        Self::Invalid {
            argument,
            problem: problem.into(),
        }
    }
}

/// What a tool works with: the database inside a transaction, the clock, and who is asking.
pub(crate) struct Tracker<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) clock: &'a mut Clock,
    /// The user in whose name everything happens.
    pub(crate) actor_id: i64,
}

/// What a tool does to the tracker, as hints for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Looks only.
    Reads,
    /// Adds or changes.
    Writes,
    /// Removes for good.
    Destroys,
}

/// A tool, implemented by the type of its arguments.
trait Tool: DeserializeOwned + JsonSchema {
    const NAME: &'static str;
    const EFFECT: Effect;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError>;
}

/// A tool as the outside sees it.
pub(crate) struct ToolSpec {
    /// The name it is called by.
    pub(crate) name: &'static str,
    /// What it does, for the agent.
    pub(crate) description: String,
    /// JSON Schema of the arguments.
    pub(crate) input_schema: Map<String, Value>,
    /// What it does to the tracker.
    pub(crate) effect: Effect,
    run: fn(Map<String, Value>, &mut Tracker<'_>) -> Result<Value, ToolError>,
}

impl ToolSpec {
    fn of<T: Tool>() -> Self {
        let (description, input_schema) = args::schema::<T>();
        Self {
            name: T::NAME,
            description,
            input_schema,
            effect: T::EFFECT,
            run: |arguments, tracker| args::decode::<T>(T::NAME, arguments)?.run(tracker),
        }
    }
}

/// Every tool, in the order in which `tools/list` shows them.
pub(crate) static CATALOG: LazyLock<Vec<ToolSpec>> = LazyLock::new(|| {
    vec![
        ToolSpec::of::<search::EnhancedSearchGet>(),
        ToolSpec::of::<issues::GetIssue>(),
        ToolSpec::of::<issues::CreateIssue>(),
        ToolSpec::of::<issues::BulkCreateIssues>(),
        ToolSpec::of::<edit::UpdateIssue>(),
        ToolSpec::of::<edit::BulkEditIssues>(),
        ToolSpec::of::<issues::DeleteIssue>(),
        ToolSpec::of::<people::AssignIssue>(),
        ToolSpec::of::<people::FindAssignableUsers>(),
        ToolSpec::of::<workflow::GetTransitions>(),
        ToolSpec::of::<workflow::DoTransition>(),
        ToolSpec::of::<history::GetIssueChangelog>(),
        ToolSpec::of::<comments::AddIssueComment>(),
        ToolSpec::of::<comments::ListIssueComments>(),
        ToolSpec::of::<comments::AddWorklog>(),
        ToolSpec::of::<labels::AddIssueLabel>(),
        ToolSpec::of::<labels::RemoveIssueLabel>(),
        ToolSpec::of::<links::LinkIssues>(),
        ToolSpec::of::<links::GetIssueLinks>(),
        ToolSpec::of::<catalog::ListProjects>(),
        ToolSpec::of::<catalog::GetProject>(),
        ToolSpec::of::<catalog::ListIssueTypes>(),
        ToolSpec::of::<catalog::ListStatuses>(),
        ToolSpec::of::<catalog::ListPriorities>(),
        ToolSpec::of::<catalog::ListLabels>(),
        ToolSpec::of::<catalog::ListComponents>(),
        ToolSpec::of::<catalog::ListVersions>(),
        ToolSpec::of::<people::GetUser>(),
        ToolSpec::of::<people::ListUsers>(),
    ]
});

/// The tool with this name.
pub(crate) fn find(name: &str) -> Option<&'static ToolSpec> {
    CATALOG.iter().find(|spec| spec.name == name)
}

/// Calls a tool on a database in the name of `user`: an id, name or e-mail; `None` is the first user.
pub(crate) fn call(
    spec: &ToolSpec,
    arguments: Map<String, Value>,
    user: Option<&str>,
    database: &mut Database,
) -> Result<Value, ToolError> {
    database.transaction(|db, clock| {
        let actor_id = people::acting_user(db, user)?;
        (spec.run)(arguments, &mut Tracker { db, clock, actor_id })
    })
}
