//! Rows as JSON, in the shapes of Jira's REST API: ids are text, an issue has `id`, `key` and `fields`.

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Map, Value, json};

use super::ToolError;

/// The fields an issue is shown with, in order, and the SQL of each: `i` is the issue, the other letters are
/// the rows it names (see [`ISSUE_JOINS`]). JSON that comes out of a subquery is text until `json()` says so.
const FIELD_SQL: [(&str, &str); 25] = [
    ("summary", "i.summary"),
    ("description", "i.description"),
    ("environment", "i.environment"),
    (
        "project",
        "json_object('id', CAST(p.id AS TEXT), 'key', p.key, 'name', p.name)",
    ),
    (
        "issuetype",
        "json_object('id', CAST(t.id AS TEXT), 'name', t.name, 'subtask', json(iif(t.is_subtask, 'true', 'false')))",
    ),
    (
        "status",
        "json_object('id', CAST(s.id AS TEXT), 'name', s.name, 'statusCategory', s.category)",
    ),
    (
        "priority",
        "json_object('id', CAST(r.id AS TEXT), 'name', r.name)",
    ),
    (
        "resolution",
        "json(iif(e.id IS NULL, NULL, json_object('id', CAST(e.id AS TEXT), 'name', e.name)))",
    ),
    (
        "assignee",
        "json(iif(a.id IS NULL, NULL, \
         json_object('accountId', CAST(a.id AS TEXT), 'displayName', a.name, 'emailAddress', a.email)))",
    ),
    (
        "reporter",
        "json_object('accountId', CAST(o.id AS TEXT), 'displayName', o.name, 'emailAddress', o.email)",
    ),
    (
        "parent",
        "json((SELECT json_object('id', CAST(x.id AS TEXT), 'key', x.key, 'summary', x.summary) \
         FROM issue x WHERE x.id = i.parent_id))",
    ),
    (
        "subtasks",
        "json((SELECT json_group_array(json_object('id', CAST(x.id AS TEXT), 'key', x.key, 'summary', x.summary, \
         'status', (SELECT name FROM issue_status WHERE id = x.status_id)) ORDER BY x.id) \
         FROM issue x JOIN issue_type y ON y.id = x.issue_type_id WHERE x.parent_id = i.id AND y.is_subtask))",
    ),
    (
        "labels",
        "json((SELECT json_group_array(l.name ORDER BY l.name) FROM issue_label_association x \
         JOIN issue_label l ON l.id = x.label_id WHERE x.issue_id = i.id))",
    ),
    (
        "components",
        "json((SELECT json_group_array(json_object('id', CAST(c.id AS TEXT), 'name', c.name) ORDER BY c.name) \
         FROM issue_component x JOIN component c ON c.id = x.component_id WHERE x.issue_id = i.id))",
    ),
    (
        "fixVersions",
        "json((SELECT json_group_array(json_object('id', CAST(v.id AS TEXT), 'name', v.name, \
         'released', json(iif(v.released, 'true', 'false'))) ORDER BY v.id) \
         FROM issue_fix_version x JOIN project_version v ON v.id = x.version_id WHERE x.issue_id = i.id))",
    ),
    // Filled in afterwards: the links of an issue have a tool of their own.
    ("issuelinks", "NULL"),
    (
        "watchers",
        "json((SELECT json_group_array(u.name ORDER BY u.id) FROM issue_watcher x \
         JOIN app_user u ON u.id = x.user_id WHERE x.issue_id = i.id))",
    ),
    (
        "commentCount",
        "(SELECT count(*) FROM comment x WHERE x.issue_id = i.id)",
    ),
    ("storyPoints", "i.story_points"),
    ("originalEstimateSeconds", "i.original_estimate_seconds"),
    (
        "timeSpentSeconds",
        "(SELECT coalesce(sum(x.time_spent_seconds), 0) FROM worklog x WHERE x.issue_id = i.id)",
    ),
    ("duedate", "i.due_date"),
    ("created", "i.created_at"),
    ("updated", "i.updated_at"),
    ("resolutiondate", "i.resolved_at"),
];

const ISSUE_JOINS: &str = "FROM issue i \
    JOIN project p ON p.id = i.project_id \
    JOIN issue_type t ON t.id = i.issue_type_id \
    JOIN issue_status s ON s.id = i.status_id \
    JOIN issue_priority r ON r.id = i.priority_id \
    JOIN app_user o ON o.id = i.reporter_id \
    LEFT JOIN issue_resolution e ON e.id = i.resolution_id \
    LEFT JOIN app_user a ON a.id = i.assignee_id";

/// The names of all fields.
pub(super) const ISSUE_FIELDS: [&str; FIELD_SQL.len()] = {
    let mut names = [""; FIELD_SQL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = FIELD_SQL[index].0;
        index += 1;
    }
    names
};

/// The fields shown when a search names none.
pub(super) const LISTED_FIELDS: [&str; 12] = [
    "summary",
    "issuetype",
    "status",
    "priority",
    "resolution",
    "assignee",
    "reporter",
    "parent",
    "labels",
    "duedate",
    "created",
    "updated",
];

/// Which fields of an issue a caller wants: the given names, `*all`, or `default` if none is given.
pub(super) fn wanted_fields(
    given: Option<&[String]>,
    default: &'static [&'static str],
) -> Result<Vec<&'static str>, ToolError> {
    let Some(given) = given.filter(|given| !given.is_empty()) else {
        return Ok(default.to_vec());
    };
    let mut wanted = Vec::new();
    for name in given.iter().flat_map(|name| name.split(',')).map(str::trim) {
        match name.to_ascii_lowercase().as_str() {
            "*all" => wanted.extend(ISSUE_FIELDS),
            "*navigable" => wanted.extend(LISTED_FIELDS),
            // An issue always has these two.
            "id" | "key" => {}
            lower => {
                let known = ISSUE_FIELDS
                    .iter()
                    .find(|known| known.eq_ignore_ascii_case(lower));
                wanted.push(*known.ok_or_else(|| {
                    let hint = crate::lookup::hint(name, &ISSUE_FIELDS, &ISSUE_FIELDS);
                    ToolError::invalid("fields", format!("has no field `{name}`{hint}"))
                })?);
            }
        }
    }
    Ok(wanted)
}

/// A way to look at issues: which fields are shown. Made once, used for each issue of a list.
pub(super) struct IssueView {
    sql: String,
}

impl IssueView {
    pub(super) fn new(wanted: &[&str]) -> Self {
        let columns: Vec<String> = FIELD_SQL
            .iter()
            .filter(|(name, _)| wanted.contains(name))
            .map(|(name, sql)| format!("'{name}', {sql}"))
            .collect();
        let columns = columns.join(", ");
        Self {
            sql: format!("SELECT i.key, json_object({columns}) {ISSUE_JOINS} WHERE i.id = ?1"),
        }
    }

    /// The issue with this id: `id`, `key` and the wanted `fields`.
    pub(super) fn of(&self, db: &Connection, id: i64) -> Result<Value, ToolError> {
        let mut statement = db.prepare_cached(&self.sql)?;
        let (key, fields): (String, String) =
            statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        // `SQLite` wrote this JSON; if it does not parse, the answer is empty rather than a panic.
        let mut fields: Map<String, Value> = serde_json::from_str(&fields).unwrap_or_default();
        if let Some(place) = fields.get_mut("issuelinks") {
            *place = Value::Array(links(db, id)?);
        }
        let mut issue = Map::with_capacity(3);
        issue.insert("id".to_owned(), id.to_string().into());
        issue.insert("key".to_owned(), key.into());
        issue.insert("fields".to_owned(), fields.into());
        Ok(issue.into())
    }
}

/// One issue with the wanted fields.
pub(super) fn issue(db: &Connection, id: i64, wanted: &[&str]) -> Result<Value, ToolError> {
    IssueView::new(wanted).of(db, id)
}

/// The links of an issue, seen from its side.
pub(super) fn links(db: &Connection, issue_id: i64) -> Result<Vec<Value>, ToolError> {
    let mut statement = db.prepare_cached(
        "SELECT k.id, t.name, iif(k.source_issue_id = ?1, t.outward, t.inward), \
                iif(k.source_issue_id = ?1, 'outward', 'inward'), o.key, o.summary, s.name \
         FROM issue_link k JOIN issue_link_type t ON t.id = k.link_type_id \
         JOIN issue o ON o.id = iif(k.source_issue_id = ?1, k.target_issue_id, k.source_issue_id) \
         JOIN issue_status s ON s.id = o.status_id \
         WHERE ?1 IN (k.source_issue_id, k.target_issue_id) ORDER BY k.id",
    )?;
    let rows = statement.query_map([issue_id], |row| {
        Ok(json!({
            "id": row.get::<_, i64>(0)?.to_string(),
            "type": row.get::<_, String>(1)?,
            "relation": row.get::<_, String>(2)?,
            "direction": row.get::<_, String>(3)?,
            "issue": {
                "key": row.get::<_, String>(4)?,
                "summary": row.get::<_, String>(5)?,
                "status": row.get::<_, String>(6)?,
            },
        }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const USER_SQL: &str = "SELECT id, name, email, username, title, time_zone, active FROM app_user";

/// A person.
pub(super) fn user(db: &Connection, id: i64) -> Result<Value, ToolError> {
    let mut statement = db.prepare_cached(&format!("{USER_SQL} WHERE id = ?1"))?;
    Ok(statement.query_row([id], read_user)?)
}

/// A row of [`USER_SQL`] or of a query that starts with the same columns.
pub(super) fn read_user(row: &Row<'_>) -> rusqlite::Result<Value> {
    Ok(json!({
        "accountId": row.get::<_, i64>(0)?.to_string(),
        "displayName": row.get::<_, String>(1)?,
        "emailAddress": row.get::<_, String>(2)?,
        "username": row.get::<_, String>(3)?,
        "title": row.get::<_, Option<String>>(4)?,
        "timeZone": row.get::<_, String>(5)?,
        "active": row.get::<_, bool>(6)?,
    }))
}

/// A person in short, as author of something; `None` if there is no such person.
pub(super) fn author(db: &Connection, id: i64) -> Result<Option<Value>, ToolError> {
    let mut statement = db.prepare_cached("SELECT name FROM app_user WHERE id = ?1")?;
    let name: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
    Ok(name.map(|name| json!({ "accountId": id.to_string(), "displayName": name })))
}
