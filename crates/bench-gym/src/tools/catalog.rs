//! What there is: projects, types, statuses, priorities, labels, components, versions.

use rusqlite::{Connection, Params, Row};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::Ref;
use super::{Effect, Tool, ToolError, Tracker, view};
use crate::lookup::{self, Kind};

/// Runs a query and turns each row into JSON.
fn rows(
    db: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<Value>,
) -> Result<Vec<Value>, ToolError> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A list under its name, with its length.
fn list(name: &str, entries: Vec<Value>) -> Value {
    let mut answer = json!({ "total": entries.len() });
    if let Value::Object(answer) = &mut answer {
        answer.insert(name.to_owned(), Value::Array(entries));
    }
    answer
}

/// `id` (as text), `name` and `description` from the first three columns.
fn named(row: &Row<'_>) -> rusqlite::Result<Value> {
    Ok(json!({
        "id": row.get::<_, i64>(0)?.to_string(),
        "name": row.get::<_, String>(1)?,
        "description": row.get::<_, Option<String>>(2)?,
    }))
}

/// Like [`named`], with one more member from the fourth column.
fn named_with<T: rusqlite::types::FromSql + Into<Value>>(
    member: &'static str,
) -> impl FnMut(&Row<'_>) -> rusqlite::Result<Value> {
    move |row| {
        let mut value = named(row)?;
        if let Value::Object(map) = &mut value {
            map.insert(member.to_owned(), row.get::<_, T>(3)?.into());
        }
        Ok(value)
    }
}

fn components(db: &Connection, project_id: Option<i64>) -> Result<Vec<Value>, ToolError> {
    let sql = "SELECT c.id, c.name, c.description, u.name, p.key FROM component c \
        JOIN project p ON p.id = c.project_id LEFT JOIN app_user u ON u.id = c.lead_id \
        WHERE ?1 IS NULL OR c.project_id = ?1 ORDER BY c.id";
    rows(db, sql, [project_id], |row| {
        let mut value = named(row)?;
        if let Value::Object(map) = &mut value {
            map.insert("lead".to_owned(), row.get::<_, Option<String>>(3)?.into());
            map.insert("projectKey".to_owned(), row.get::<_, String>(4)?.into());
        }
        Ok(value)
    })
}

fn versions(db: &Connection, project_id: Option<i64>) -> Result<Vec<Value>, ToolError> {
    let sql = "SELECT v.id, v.name, v.description, v.released, v.release_date, p.key FROM project_version v \
        JOIN project p ON p.id = v.project_id WHERE ?1 IS NULL OR v.project_id = ?1 ORDER BY v.id";
    rows(db, sql, [project_id], |row| {
        let mut value = named(row)?;
        if let Value::Object(map) = &mut value {
            map.insert("released".to_owned(), row.get::<_, bool>(3)?.into());
            map.insert("releaseDate".to_owned(), row.get::<_, Option<String>>(4)?.into());
            map.insert("projectKey".to_owned(), row.get::<_, String>(5)?.into());
        }
        Ok(value)
    })
}

/// The id of a project that may be left out.
fn project_id(db: &Connection, given: Option<&Ref>) -> Result<Option<i64>, ToolError> {
    Ok(given
        .map(|given| lookup::one(db, Kind::Project, None, given))
        .transpose()?
        .map(|project| project.id))
}

/// Declares a tool without arguments that answers with one list.
macro_rules! list_tool {
    ($(#[doc = $about:literal])+ $type:ident, $name:literal, $member:literal, $sql:literal, $read:expr) => {
        $(#[doc = $about])+
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $type {}

        impl Tool for $type {
            const NAME: &'static str = $name;
            const EFFECT: Effect = Effect::Reads;

            fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
                Ok(list($member, rows(tracker.db, $sql, [], $read)?))
            }
        }
    };
}

list_tool! {
    /// List the issue types.
    ListIssueTypes, "list_issue_types", "issueTypes",
    "SELECT id, name, description, is_subtask FROM issue_type ORDER BY id", named_with::<bool>("subtask")
}
list_tool! {
    /// List the statuses with their category: To Do, In Progress or Done.
    ListStatuses, "list_statuses", "statuses",
    "SELECT id, name, description, category FROM issue_status ORDER BY id", named_with::<String>("statusCategory")
}
list_tool! {
    /// List the priorities, the most urgent first.
    ListPriorities, "list_priorities", "priorities",
    "SELECT id, name, description FROM issue_priority ORDER BY rank", named
}
list_tool! {
    /// List all labels and how many issues have each.
    ListLabels, "list_labels", "labels",
    "SELECT name, (SELECT count(*) FROM issue_label_association WHERE label_id = issue_label.id) \
     FROM issue_label ORDER BY name",
    |row| Ok(json!({ "name": row.get::<_, String>(0)?, "issueCount": row.get::<_, i64>(1)? }))
}
list_tool! {
    /// List the projects.
    ListProjects, "list_projects", "projects",
    "SELECT p.id, p.name, p.description, p.key, u.name, \
         (SELECT count(*) FROM issue WHERE project_id = p.id) \
     FROM project p JOIN app_user u ON u.id = p.lead_id ORDER BY p.id",
    |row| Ok(json!({
        "id": row.get::<_, i64>(0)?.to_string(),
        "key": row.get::<_, String>(3)?,
        "name": row.get::<_, String>(1)?,
        "description": row.get::<_, Option<String>>(2)?,
        "lead": row.get::<_, String>(4)?,
        "issueCount": row.get::<_, i64>(5)?,
    }))
}

/// Get one project with its lead, members, components and versions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GetProject {
    /// Key (WEB) or id of the project.
    #[serde(alias = "projectKey")]
    project_id_or_key: Ref,
}

impl Tool for GetProject {
    const NAME: &'static str = "get_project";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let db = tracker.db;
        let id = lookup::one(db, Kind::Project, None, &self.project_id_or_key)?.id;
        let members = rows(
            db,
            "SELECT u.id, u.name, m.role, u.active FROM project_member m JOIN app_user u ON u.id = m.user_id \
             WHERE m.project_id = ?1 ORDER BY u.id",
            [id],
            |row| {
                Ok(json!({
                    "accountId": row.get::<_, i64>(0)?.to_string(),
                    "displayName": row.get::<_, String>(1)?,
                    "role": row.get::<_, String>(2)?,
                    "active": row.get::<_, bool>(3)?,
                }))
            },
        )?;
        let sql = "SELECT key, name, description, lead_id, created_at FROM project WHERE id = ?1";
        let (key, name, description, lead, created) = db.prepare_cached(sql)?.query_row([id], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
                row.get::<_, i64>(3)?,
                row.get::<_, String>(4)?,
            ))
        })?;
        Ok(json!({
            "id": id.to_string(),
            "key": key,
            "name": name,
            "description": description,
            "lead": view::author(db, lead)?,
            "created": created,
            "members": members,
            "components": components(db, Some(id))?,
            "versions": versions(db, Some(id))?,
        }))
    }
}

/// List the components of a project, or of all.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListComponents {
    /// Key (WEB) or id of the project; all projects if left out.
    #[serde(alias = "projectKey")]
    project_id_or_key: Option<Ref>,
}

impl Tool for ListComponents {
    const NAME: &'static str = "list_components";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let project = project_id(tracker.db, self.project_id_or_key.as_ref())?;
        Ok(list("components", components(tracker.db, project)?))
    }
}

/// List the versions of a project, or of all, with their release dates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListVersions {
    /// Key (WEB) or id of the project; all projects if left out.
    #[serde(alias = "projectKey")]
    project_id_or_key: Option<Ref>,
}

impl Tool for ListVersions {
    const NAME: &'static str = "list_versions";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let project = project_id(tracker.db, self.project_id_or_key.as_ref())?;
        Ok(list("versions", versions(tracker.db, project)?))
    }
}
