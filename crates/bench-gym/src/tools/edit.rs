//! Editing issues: the fields that can be changed, on one issue or on many.
//!
//! Status is not among them: it moves along the workflow only (`workflow`).

use std::borrow::Cow;

use chrono::NaiveDate;
use rusqlite::types::Value as Sql;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value, json};

use super::args::{Patch, Ref};
use super::change::Revision;
use super::{Effect, Tool, ToolError, Tracker, hierarchy, labels, people, view, workflow};
use crate::lookup::{self, Issue, Kind};

/// Most issues one bulk call may touch.
pub(super) const MAX_BULK: usize = 50;
const MAX_SUMMARY_CHARS: usize = 255;

/// The new values. A field that is not named stays as it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Changes {
    /// New title, at most 255 characters.
    summary: Option<String>,
    /// New description; null removes it.
    description: Patch<String>,
    /// Where it happens (browser, device, cluster); null removes it.
    environment: Patch<String>,
    /// Issue type by name or id.
    #[serde(alias = "issuetype")]
    issue_type: Option<Ref>,
    /// Priority by name or id: Highest, High, Medium, Low, Lowest.
    priority: Option<Ref>,
    /// Account id, name or e-mail of the new assignee; null unassigns.
    assignee: Patch<Ref>,
    /// Account id, name or e-mail of the new reporter.
    reporter: Option<Ref>,
    /// Key or id of the epic, or of the parent of a sub-task; null removes it.
    parent: Patch<Ref>,
    /// All labels; replaces the present ones.
    labels: Option<Vec<String>>,
    /// Labels to add to the present ones.
    add_labels: Option<Vec<String>>,
    /// Labels to take away.
    remove_labels: Option<Vec<String>>,
    /// All components by name or id; replaces the present ones.
    components: Option<Vec<Ref>>,
    /// All fix versions by name or id; replaces the present ones.
    fix_versions: Option<Vec<Ref>>,
    /// Day on which it is due, such as 2025-12-24; null removes it.
    #[serde(alias = "duedate")]
    due_date: Patch<String>,
    /// Story points; null removes them.
    story_points: Patch<f64>,
    /// Original estimate in seconds; null removes it.
    original_estimate_seconds: Patch<i64>,
}

impl Changes {
    /// Applies everything to one issue; returns whether anything changed.
    fn apply(&self, tracker: &mut Tracker<'_>, issue: &Issue) -> Result<bool, ToolError> {
        let mut revision = Revision::of(tracker, issue.id);
        self.texts(&mut revision)?;
        self.references(&mut revision, issue)?;
        self.numbers(&mut revision)?;
        self.associations(&mut revision, issue)?;
        let changed = revision.finish()?;
        hierarchy::check(tracker.db, issue.id)?;
        Ok(changed)
    }

    fn texts(&self, revision: &mut Revision<'_, '_>) -> Result<(), ToolError> {
        if let Some(summary) = &self.summary {
            revision.set("summary", "summary", &Sql::Text(checked_summary(summary)?))?;
        }
        for (column, patch) in [
            ("description", &self.description),
            ("environment", &self.environment),
        ] {
            match patch {
                Patch::Keep => {}
                Patch::Clear => revision.set(column, column, &Sql::Null)?,
                Patch::Set(text) => revision.set(column, column, &Sql::Text(text.clone()))?,
            }
        }
        Ok(())
    }

    fn references(&self, revision: &mut Revision<'_, '_>, issue: &Issue) -> Result<(), ToolError> {
        let db = revision.db();
        if let Some(given) = &self.issue_type {
            let new = lookup::one(db, Kind::IssueType, None, given)?;
            workflow::check_status_fits(db, issue, &new)?;
            revision.set_ref("issue_type_id", "issuetype", Kind::IssueType, Some(new.id))?;
        }
        if let Some(given) = &self.priority {
            let new = lookup::one(db, Kind::Priority, None, given)?;
            revision.set_ref("priority_id", "priority", Kind::Priority, Some(new.id))?;
        }
        match &self.assignee {
            Patch::Keep => {}
            Patch::Clear => revision.set_ref("assignee_id", "assignee", Kind::User, None)?,
            Patch::Set(given) => {
                let user = people::assignable(db, issue.project_id, &issue.project_key, given)?;
                revision.set_ref("assignee_id", "assignee", Kind::User, Some(user))?;
            }
        }
        if let Some(given) = &self.reporter {
            let new = lookup::one(db, Kind::User, None, given)?;
            revision.set_ref("reporter_id", "reporter", Kind::User, Some(new.id))?;
        }
        match &self.parent {
            Patch::Keep => Ok(()),
            Patch::Clear => set_parent(revision, None),
            Patch::Set(given) => set_parent(revision, Some(lookup::issue(db, given)?)),
        }
    }

    fn numbers(&self, revision: &mut Revision<'_, '_>) -> Result<(), ToolError> {
        match &self.due_date {
            Patch::Keep => {}
            Patch::Clear => revision.set("due_date", "duedate", &Sql::Null)?,
            Patch::Set(day) => {
                revision.set("due_date", "duedate", &Sql::Text(checked_day("dueDate", day)?))?;
            }
        }
        match self.story_points {
            Patch::Keep => {}
            Patch::Clear => revision.set("story_points", "storyPoints", &Sql::Null)?,
            Patch::Set(points) => {
                revision.set("story_points", "storyPoints", &Sql::Real(checked_points(points)?))?;
            }
        }
        let (column, field) = ("original_estimate_seconds", "timeoriginalestimate");
        match self.original_estimate_seconds {
            Patch::Keep => Ok(()),
            Patch::Clear => revision.set(column, field, &Sql::Null),
            Patch::Set(seconds) => revision.set(column, field, &Sql::Integer(checked_estimate(seconds)?)),
        }
    }

    fn associations(&self, revision: &mut Revision<'_, '_>, issue: &Issue) -> Result<(), ToolError> {
        labels::change(
            revision,
            self.labels.as_deref(),
            self.add_labels.as_deref().unwrap_or_default(),
            self.remove_labels.as_deref().unwrap_or_default(),
        )?;
        if let Some(components) = &self.components {
            set_components(revision, issue.project_id, components)?;
        }
        if let Some(versions) = &self.fix_versions {
            set_fix_versions(revision, issue.project_id, versions)?;
        }
        Ok(())
    }
}

/// Change fields of one issue: a key or id, and the new values.
#[derive(Debug)]
pub(super) struct UpdateIssue {
    issue: Ref,
    changes: Changes,
}

/// The argument beside those of [`Changes`]. They cannot be flattened together by serde, which would then
/// accept unknown arguments.
const ISSUE_ARGUMENT: &str = "issueIdOrKey";

impl<'de> Deserialize<'de> for UpdateIssue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut arguments = Map::<String, Value>::deserialize(deserializer)?;
        let issue = arguments
            .remove(ISSUE_ARGUMENT)
            .or_else(|| arguments.remove("issueKey"));
        let issue = issue.ok_or_else(|| D::Error::missing_field(ISSUE_ARGUMENT))?;
        Ok(Self {
            issue: Ref::deserialize(issue).map_err(D::Error::custom)?,
            changes: Changes::deserialize(Value::Object(arguments)).map_err(D::Error::custom)?,
        })
    }
}

impl JsonSchema for UpdateIssue {
    fn schema_name() -> Cow<'static, str> {
        "UpdateIssue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Changes::json_schema(generator);
        let mut properties = Map::new();
        properties.insert(
            ISSUE_ARGUMENT.to_owned(),
            json!({ "type": "string", "description": "Key (WEB-12) or id of the issue." }),
        );
        if let Some(Value::Object(changes)) = schema.remove("properties") {
            properties.extend(changes);
        }
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("required".to_owned(), json!([ISSUE_ARGUMENT]));
        schema.insert(
            "description".to_owned(),
            "Change fields of one issue. Only the fields you name change; null clears a field. The status is \
             changed by `do_transition`."
                .into(),
        );
        schema
    }
}

impl Tool for UpdateIssue {
    const NAME: &'static str = "update_issue";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue)?;
        self.changes.apply(tracker, &issue)?;
        view::issue(tracker.db, issue.id, &view::ISSUE_FIELDS)
    }
}

/// Make the same changes to up to 50 issues. All of them change, or none if one cannot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BulkEditIssues {
    /// Keys or ids of the issues.
    #[serde(alias = "issueKeys", alias = "selectedIssueIdsOrKeys")]
    issue_ids_or_keys: Vec<Ref>,
    /// The new values; only the fields named change.
    fields: Changes,
}

impl Tool for BulkEditIssues {
    const NAME: &'static str = "bulk_edit_issues";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        check_bulk("issueIdsOrKeys", self.issue_ids_or_keys.len())?;
        let mut results = Vec::new();
        for (index, given) in self.issue_ids_or_keys.iter().enumerate() {
            let mut edit = || {
                let issue = lookup::issue(tracker.db, given)?;
                let changed = self.fields.apply(tracker, &issue)?;
                Ok(json!({ "id": issue.id.to_string(), "key": issue.key, "changed": changed }))
            };
            results.push(edit().map_err(|source| ToolError::Entry {
                index,
                source: Box::new(source),
            })?);
        }
        Ok(json!({ "issues": results }))
    }
}

/// Refuses empty and oversized bulk calls.
pub(super) fn check_bulk(argument: &'static str, count: usize) -> Result<(), ToolError> {
    if (1..=MAX_BULK).contains(&count) {
        return Ok(());
    }
    Err(ToolError::invalid(
        argument,
        format!("must have 1 to {MAX_BULK} entries, not {count}"),
    ))
}

pub(super) fn checked_summary(summary: &str) -> Result<String, ToolError> {
    let summary = summary.trim();
    let chars = summary.chars().count();
    if chars == 0 || chars > MAX_SUMMARY_CHARS || summary.contains('\n') {
        let problem = format!("must be one line of 1 to {MAX_SUMMARY_CHARS} characters");
        return Err(ToolError::invalid("summary", problem));
    }
    Ok(summary.to_owned())
}

/// A day in the one form in which the tables hold it.
pub(super) fn checked_day(argument: &'static str, day: &str) -> Result<String, ToolError> {
    match NaiveDate::parse_from_str(day.trim(), "%Y-%m-%d") {
        Ok(day) => Ok(day.to_string()),
        Err(_) => Err(ToolError::invalid(
            argument,
            format!("must be a day such as 2025-12-24, not `{day}`"),
        )),
    }
}

pub(super) fn checked_points(points: f64) -> Result<f64, ToolError> {
    if (0.0..=1000.0).contains(&points) {
        return Ok(points);
    }
    Err(ToolError::invalid("storyPoints", "must be between 0 and 1000"))
}

pub(super) fn checked_estimate(seconds: i64) -> Result<i64, ToolError> {
    if (0..=365 * 24 * 3600).contains(&seconds) {
        return Ok(seconds);
    }
    Err(ToolError::invalid(
        "originalEstimateSeconds",
        "must be between 0 and one year",
    ))
}

pub(super) fn set_parent(revision: &mut Revision<'_, '_>, parent: Option<Issue>) -> Result<(), ToolError> {
    let sql = "SELECT p.key FROM issue i JOIN issue p ON p.id = i.parent_id WHERE i.id = ?1";
    let mut statement = revision.db().prepare_cached(sql)?;
    let mut rows = statement.query([revision.issue_id()])?;
    let old: Option<String> = rows.next()?.map(|row| row.get(0)).transpose()?;
    let (id, key) = parent.map_or((Sql::Null, None), |parent| {
        (Sql::Integer(parent.id), Some(parent.key))
    });
    revision.set_shown("parent_id", "parent", &id, old.as_deref(), key.as_deref())
}

pub(super) fn set_components(
    revision: &mut Revision<'_, '_>,
    project_id: i64,
    given: &[Ref],
) -> Result<(), ToolError> {
    let new = resolve(revision, Kind::Component, project_id, given)?;
    let old = present(
        revision,
        "SELECT c.id, c.name FROM issue_component x JOIN component c ON c.id = x.component_id \
         WHERE x.issue_id = ?1 ORDER BY c.id",
    )?;
    revision.set_associated(
        ("issue_component", "component_id"),
        "components",
        ", ",
        &old,
        &new,
    )
}

pub(super) fn set_fix_versions(
    revision: &mut Revision<'_, '_>,
    project_id: i64,
    given: &[Ref],
) -> Result<(), ToolError> {
    let new = resolve(revision, Kind::Version, project_id, given)?;
    let old = present(
        revision,
        "SELECT v.id, v.name FROM issue_fix_version x JOIN project_version v ON v.id = x.version_id \
         WHERE x.issue_id = ?1 ORDER BY v.id",
    )?;
    revision.set_associated(
        ("issue_fix_version", "version_id"),
        "fixVersions",
        ", ",
        &old,
        &new,
    )
}

/// Ids and names of what `given` names in the project, each once, by id.
fn resolve(
    revision: &Revision<'_, '_>,
    kind: Kind,
    project_id: i64,
    given: &[Ref],
) -> Result<Vec<(i64, String)>, ToolError> {
    let mut found = Vec::new();
    for name in given {
        let entry = lookup::one(revision.db(), kind, Some(project_id), name)?;
        found.push((entry.id, entry.name));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The id-name pairs a query with the issue's id as parameter gives.
pub(super) fn present(revision: &Revision<'_, '_>, sql: &str) -> Result<Vec<(i64, String)>, ToolError> {
    let mut statement = revision.db().prepare_cached(sql)?;
    let rows = statement.query_map([revision.issue_id()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
