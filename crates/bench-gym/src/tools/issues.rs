//! Issues as a whole: looked at, created, deleted.

use rusqlite::{Connection, params};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::Ref;
use super::change::Revision;
use super::edit::{self, checked_day, checked_estimate, checked_points, checked_summary};
use super::{Effect, Tool, ToolError, Tracker, hierarchy, labels, people, view, workflow};
use crate::lookup::{self, Kind};

/// Get one issue with all its fields, sub-tasks and links.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GetIssue {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
    /// Names of the fields to return, such as summary, status, assignee; all of them if left out.
    fields: Option<Vec<String>>,
}

impl Tool for GetIssue {
    const NAME: &'static str = "get_issue";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let wanted = view::wanted_fields(self.fields.as_deref(), &view::ISSUE_FIELDS)?;
        view::issue(tracker.db, issue.id, &wanted)
    }
}

/// Create an issue. It starts in the first status of its workflow, reported by you unless you name a reporter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateIssue {
    /// Key or id of the project, such as WEB.
    #[serde(alias = "project", alias = "projectIdOrKey")]
    project_key: Ref,
    /// Issue type by name or id: Bug, Task, Story, Epic or Sub-task.
    #[serde(alias = "issuetype", alias = "type")]
    issue_type: Ref,
    /// Title: one line of at most 255 characters.
    summary: String,
    /// What it is about.
    description: Option<String>,
    /// Where it happens (browser, device, cluster).
    environment: Option<String>,
    /// Priority by name or id: Highest, High, Medium, Low, Lowest. Medium if left out.
    priority: Option<Ref>,
    /// Account id, name or e-mail of the assignee; unassigned if left out.
    assignee: Option<Ref>,
    /// Account id, name or e-mail of the reporter; you if left out.
    reporter: Option<Ref>,
    /// Key or id of the epic it belongs to; required for a Sub-task, whose parent is a Story, Task or Bug.
    parent: Option<Ref>,
    /// Labels, without blanks inside.
    labels: Option<Vec<String>>,
    /// Components of the project by name or id.
    components: Option<Vec<Ref>>,
    /// Fix versions of the project by name or id.
    fix_versions: Option<Vec<Ref>>,
    /// Day on which it is due, such as 2025-12-24.
    #[serde(alias = "duedate")]
    due_date: Option<String>,
    /// Story points.
    story_points: Option<f64>,
    /// Original estimate in seconds.
    original_estimate_seconds: Option<i64>,
}

impl CreateIssue {
    /// Creates the issue and returns its id and key.
    fn create(&self, tracker: &mut Tracker<'_>) -> Result<(i64, String), ToolError> {
        let db = tracker.db;
        let project = lookup::one(db, Kind::Project, None, &self.project_key)?;
        let issue_type = lookup::one(db, Kind::IssueType, None, &self.issue_type)?;
        let priority = lookup::one(
            db,
            Kind::Priority,
            None,
            self.priority.as_deref().unwrap_or("Medium"),
        )?;
        let assignee = self.assignee.as_deref();
        let assignee = assignee
            .map(|given| people::assignable(db, project.id, &project.name, given))
            .transpose()?;
        let reporter = self
            .reporter
            .as_deref()
            .map(|given| lookup::one(db, Kind::User, None, given))
            .transpose()?;
        let parent = self
            .parent
            .as_deref()
            .map(|given| lookup::issue(db, given))
            .transpose()?;
        let due = self
            .due_date
            .as_deref()
            .map(|day| checked_day("dueDate", day))
            .transpose()?;

        let key = next_key(db, project.id)?;
        let at = tracker.clock.tick();
        db.prepare_cached(
            "INSERT INTO issue (key, project_id, issue_type_id, status_id, priority_id, assignee_id, reporter_id, \
                 parent_id, summary, description, environment, story_points, original_estimate_seconds, due_date, \
                 created_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15)",
        )?
        .execute(params![
            key,
            project.id,
            issue_type.id,
            workflow::initial_status(db, project.id, issue_type.id)?,
            priority.id,
            assignee,
            reporter.map_or(tracker.actor_id, |user| user.id),
            parent.map(|parent| parent.id),
            checked_summary(&self.summary)?,
            self.description,
            self.environment,
            self.story_points.map(checked_points).transpose()?,
            self.original_estimate_seconds.map(checked_estimate).transpose()?,
            due,
            at,
        ])?;
        let id = db.last_insert_rowid();
        hierarchy::check(db, id)?;
        self.associate(tracker, id, project.id)?;
        Ok((id, key))
    }

    /// Labels, components and versions belong to the creation: no changelog, no later `updated`.
    fn associate(&self, tracker: &mut Tracker<'_>, id: i64, project_id: i64) -> Result<(), ToolError> {
        let db = tracker.db;
        for label in self.labels.iter().flatten() {
            let label_id = labels::ensure(db, label)?;
            insert_pair(
                db,
                "INSERT OR IGNORE INTO issue_label_association VALUES (?1, ?2)",
                id,
                label_id,
            )?;
        }
        for given in self.components.iter().flatten() {
            let component = lookup::one(db, Kind::Component, Some(project_id), given)?;
            insert_pair(
                db,
                "INSERT OR IGNORE INTO issue_component VALUES (?1, ?2)",
                id,
                component.id,
            )?;
        }
        for given in self.fix_versions.iter().flatten() {
            let version = lookup::one(db, Kind::Version, Some(project_id), given)?;
            insert_pair(
                db,
                "INSERT OR IGNORE INTO issue_fix_version VALUES (?1, ?2)",
                id,
                version.id,
            )?;
        }
        Ok(())
    }
}

fn insert_pair(db: &Connection, sql: &str, issue_id: i64, other_id: i64) -> Result<(), ToolError> {
    db.prepare_cached(sql)?.execute([issue_id, other_id])?;
    Ok(())
}

impl Tool for CreateIssue {
    const NAME: &'static str = "create_issue";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let (id, _) = self.create(tracker)?;
        view::issue(tracker.db, id, &view::ISSUE_FIELDS)
    }
}

/// Create up to 50 issues at once. All of them are created, or none if one cannot be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BulkCreateIssues {
    /// The issues, each with the arguments of `create_issue`. A later one may name an earlier one's key as parent.
    #[serde(alias = "issueUpdates")]
    issues: Vec<CreateIssue>,
}

impl Tool for BulkCreateIssues {
    const NAME: &'static str = "bulk_create_issues";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        edit::check_bulk("issues", self.issues.len())?;
        let mut created = Vec::new();
        for (index, issue) in self.issues.iter().enumerate() {
            let (id, key) = issue.create(tracker).map_err(|source| ToolError::Entry {
                index,
                source: Box::new(source),
            })?;
            created.push(json!({ "id": id.to_string(), "key": key, "summary": issue.summary.trim() }));
        }
        Ok(json!({ "issues": created }))
    }
}

/// Delete an issue for good, with its comments, links and history. Issues of a deleted epic stay, without it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DeleteIssue {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
    /// Also delete its sub-tasks. Without it, an issue that has sub-tasks is not deleted.
    #[serde(default)]
    delete_subtasks: Option<bool>,
}

impl Tool for DeleteIssue {
    const NAME: &'static str = "delete_issue";
    const EFFECT: Effect = Effect::Destroys;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let db = tracker.db;
        let issue = lookup::issue(db, &self.issue_id_or_key)?;
        let mut statement = db.prepare_cached(
            "SELECT i.id, i.key, t.is_subtask FROM issue i JOIN issue_type t ON t.id = i.issue_type_id \
             WHERE i.parent_id = ?1 ORDER BY i.id",
        )?;
        let children = statement.query_map([issue.id], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, bool>(2)?,
            ))
        })?;
        let children: Vec<(i64, String, bool)> = children.collect::<Result<_, _>>()?;
        let subtasks: Vec<&str> = children
            .iter()
            .filter(|child| child.2)
            .map(|child| child.1.as_str())
            .collect();
        if !subtasks.is_empty() && self.delete_subtasks != Some(true) {
            let list = subtasks.join(", ");
            return Err(ToolError::Rule(format!(
                "{} has sub-tasks ({list}); delete or move them first, or set deleteSubtasks to true",
                issue.key
            )));
        }
        for (id, key, is_subtask) in &children {
            if *is_subtask {
                delete_row(tracker, *id, key)?;
            } else {
                let mut revision = Revision::of(tracker, *id);
                edit::set_parent(&mut revision, None)?;
                revision.finish()?;
            }
        }
        delete_row(tracker, issue.id, &issue.key)?;
        Ok(json!({ "deleted": issue.key, "deletedSubtasks": subtasks }))
    }
}

/// Removes one issue; issues it was linked with remember that in their changelog.
fn delete_row(tracker: &mut Tracker<'_>, id: i64, key: &str) -> Result<(), ToolError> {
    let mut statement = tracker.db.prepare_cached(
        "SELECT k.source_issue_id + k.target_issue_id - ?1, iif(k.source_issue_id = ?1, t.inward, t.outward) \
         FROM issue_link k JOIN issue_link_type t ON t.id = k.link_type_id \
         WHERE ?1 IN (k.source_issue_id, k.target_issue_id) ORDER BY k.id",
    )?;
    let linked = statement.query_map([id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    for (other, relation) in linked.collect::<Result<Vec<_>, _>>()? {
        let mut revision = Revision::of(tracker, other);
        revision.log("link", Some(&format!("{relation} {key}")), None)?;
        revision.finish()?;
    }
    tracker.clock.tick();
    tracker
        .db
        .prepare_cached("DELETE FROM issue WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// The next free key of a project. The counter never goes back, so a deleted issue's key is not reused.
fn next_key(db: &Connection, project_id: i64) -> Result<String, ToolError> {
    let mut statement = db.prepare_cached(
        "UPDATE project SET issue_counter = 1 + max(issue_counter, coalesce((SELECT max(CAST(substr(key, \
             length(project.key) + 2) AS INTEGER)) FROM issue WHERE project_id = project.id), 0)) \
         WHERE id = ?1 RETURNING key || '-' || issue_counter",
    )?;
    Ok(statement.query_row([project_id], |row| row.get(0))?)
}
