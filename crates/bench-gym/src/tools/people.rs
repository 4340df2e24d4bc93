//! People: who acts, who exists, who can be assigned.

use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::{Patch, Ref};
use super::change::Revision;
use super::{Effect, Tool, ToolError, Tracker, view};
use crate::lookup::{self, Kind};

/// The id of the user in whose name a call is made: the one named, else the first.
pub(super) fn acting_user(db: &Connection, user: Option<&str>) -> Result<i64, ToolError> {
    if let Some(given) = user {
        return Ok(lookup::one(db, Kind::User, None, given)?.id);
    }
    let mut statement = db.prepare_cached("SELECT min(id) FROM app_user")?;
    let first: Option<i64> = statement.query_row([], |row| row.get(0))?;
    first.ok_or_else(|| ToolError::Rule("this database has no users".to_owned()))
}

const ASSIGNABLE_SQL: &str = "SELECT u.id, u.name, u.email, u.username, u.title, u.time_zone, u.active \
    FROM app_user u JOIN project_member m ON m.user_id = u.id WHERE m.project_id = ?1 AND u.active ORDER BY u.id";

/// The id of the user that `given` names, if they can be assigned in the project.
pub(super) fn assignable(
    db: &Connection,
    project_id: i64,
    project: &str,
    given: &str,
) -> Result<i64, ToolError> {
    let user = lookup::one(db, Kind::User, None, given)?;
    let mut statement = db.prepare_cached(
        "SELECT u.active, EXISTS (SELECT 1 FROM project_member WHERE project_id = ?1 AND user_id = u.id) \
         FROM app_user u WHERE u.id = ?2",
    )?;
    let why = match statement.query_row([project_id, user.id], |row| Ok((row.get(0)?, row.get(1)?)))? {
        (true, true) => return Ok(user.id),
        (false, _) => "the account is inactive",
        (true, false) => "not a member of the project",
    };
    let mut statement = db.prepare_cached(ASSIGNABLE_SQL)?;
    let names = statement.query_map([project_id], |row| row.get(1))?;
    let names: Vec<String> = names.collect::<Result<_, _>>()?;
    Err(ToolError::NotAssignable {
        user: user.name,
        project: project.to_owned(),
        why,
        assignable: names.join(", "),
    })
}

/// Assign an issue to somebody, or to nobody.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AssignIssue {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
    /// Account id, name or e-mail of a member of the project; null unassigns.
    #[serde(alias = "assignee")]
    account_id: Patch<Ref>,
}

impl Tool for AssignIssue {
    const NAME: &'static str = "assign_issue";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let user = match &self.account_id {
            Patch::Set(given) => Some(assignable(
                tracker.db,
                issue.project_id,
                &issue.project_key,
                given,
            )?),
            Patch::Clear | Patch::Keep => None,
        };
        let mut revision = Revision::of(tracker, issue.id);
        revision.set_ref("assignee_id", "assignee", Kind::User, user)?;
        revision.finish()?;
        view::issue(
            tracker.db,
            issue.id,
            &["summary", "status", "assignee", "updated"],
        )
    }
}

/// List the people who can be assigned in a project: its active members. Name a project or an issue.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FindAssignableUsers {
    /// Key or id of the project.
    #[serde(alias = "project", alias = "projectIdOrKey")]
    project_key: Option<Ref>,
    /// Key or id of an issue of the project.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Option<Ref>,
    /// Part of the name, user name or e-mail.
    query: Option<String>,
}

impl Tool for FindAssignableUsers {
    const NAME: &'static str = "find_assignable_users";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let project_id = match (&self.project_key, &self.issue_id_or_key) {
            (Some(project), _) => lookup::one(tracker.db, Kind::Project, None, project)?.id,
            (None, Some(issue)) => lookup::issue(tracker.db, issue)?.project_id,
            (None, None) => return Err(ToolError::invalid("projectKey", "or issueIdOrKey is needed")),
        };
        let mut statement = tracker.db.prepare_cached(ASSIGNABLE_SQL)?;
        let users = statement.query_map([project_id], view::read_user)?;
        let users = users.collect::<Result<Vec<_>, _>>()?;
        Ok(listed(users, self.query.as_deref()))
    }
}

/// Get one person, with the projects they belong to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GetUser {
    /// Account id, name, user name or e-mail; yourself if left out.
    #[serde(alias = "user")]
    account_id: Option<Ref>,
}

impl Tool for GetUser {
    const NAME: &'static str = "get_user";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let id = match &self.account_id {
            Some(given) => lookup::one(tracker.db, Kind::User, None, given)?.id,
            None => tracker.actor_id,
        };
        let mut user = view::user(tracker.db, id)?;
        let mut statement = tracker.db.prepare_cached(
            "SELECT p.key, m.role FROM project_member m JOIN project p ON p.id = m.project_id \
             WHERE m.user_id = ?1 ORDER BY p.id",
        )?;
        let projects = statement.query_map([id], |row| {
            Ok(json!({ "key": row.get::<_, String>(0)?, "role": row.get::<_, String>(1)? }))
        })?;
        let projects: Vec<Value> = projects.collect::<Result<_, _>>()?;
        if let Value::Object(user) = &mut user {
            user.insert("projects".to_owned(), Value::Array(projects));
        }
        Ok(user)
    }
}

/// List all people, also those whose account is inactive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListUsers {
    /// Part of the name, user name or e-mail.
    query: Option<String>,
}

impl Tool for ListUsers {
    const NAME: &'static str = "list_users";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let mut statement = tracker.db.prepare_cached(
            "SELECT id, name, email, username, title, time_zone, active FROM app_user ORDER BY id",
        )?;
        let users = statement.query_map([], view::read_user)?;
        let users = users.collect::<Result<Vec<_>, _>>()?;
        Ok(listed(users, self.query.as_deref()))
    }
}

/// The people whose name, user name or e-mail contains `query`.
fn listed(mut users: Vec<Value>, query: Option<&str>) -> Value {
    let query = query.unwrap_or_default().trim().to_lowercase();
    users.retain(|user| {
        let names = ["displayName", "emailAddress", "username"]
            .iter()
            .filter_map(|name| user.get(name)?.as_str());
        names.map(str::to_lowercase).any(|name| name.contains(&query))
    });
    json!({ "total": users.len(), "users": users })
}
