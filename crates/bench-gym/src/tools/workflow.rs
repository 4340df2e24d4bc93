//! Statuses and the steps between them.
//!
//! Which steps there are depends on project and issue type (`workflow_scheme`). A step into a status of
//! category Done sets a resolution and the day of it; a step out of one clears both.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::Ref;
use super::change::Revision;
use super::{Effect, Tool, ToolError, Tracker, comments, view};
use crate::lookup::{self, Entry, Issue, Kind};

/// A step that is possible from where an issue stands.
struct Transition {
    id: i64,
    name: String,
    to_id: i64,
    to_name: String,
    to_category: String,
    resolution_id: Option<i64>,
}

impl Transition {
    fn is_done(&self) -> bool {
        self.to_category.eq_ignore_ascii_case("Done")
    }
}

fn workflow_id(db: &Connection, project_id: i64, issue_type_id: i64) -> Result<i64, ToolError> {
    let mut statement = db.prepare_cached(
        "SELECT coalesce((SELECT workflow_id FROM workflow_scheme WHERE project_id = ?1 AND issue_type_id = ?2), \
                         (SELECT min(id) FROM workflow))",
    )?;
    let found: Option<i64> = statement.query_row([project_id, issue_type_id], |row| row.get(0))?;
    found.ok_or_else(|| ToolError::Rule("this database has no workflow".to_owned()))
}

/// The status in which an issue of this project and type begins.
pub(super) fn initial_status(db: &Connection, project_id: i64, issue_type_id: i64) -> Result<i64, ToolError> {
    let workflow = workflow_id(db, project_id, issue_type_id)?;
    let mut statement = db.prepare_cached("SELECT initial_status_id FROM workflow WHERE id = ?1")?;
    Ok(statement.query_row([workflow], |row| row.get(0))?)
}

/// Refuses a new issue type whose workflow does not know the issue's status.
pub(super) fn check_status_fits(db: &Connection, issue: &Issue, new_type: &Entry) -> Result<(), ToolError> {
    let workflow = workflow_id(db, issue.project_id, new_type.id)?;
    let mut statement = db.prepare_cached(
        "SELECT 1 FROM workflow w LEFT JOIN workflow_transition t ON t.workflow_id = w.id \
         WHERE w.id = ?1 AND ?2 IN (w.initial_status_id, t.from_status_id, t.to_status_id)",
    )?;
    if statement.exists([workflow, issue.status_id])? {
        return Ok(());
    }
    let status = lookup::name_of(db, Kind::Status, issue.status_id)?;
    Err(ToolError::Rule(format!(
        "{} cannot become a {}: the workflow of that type has no status `{status}`; move the issue first",
        issue.key, new_type.name
    )))
}

fn transitions(db: &Connection, issue: &Issue) -> Result<Vec<Transition>, ToolError> {
    let workflow = workflow_id(db, issue.project_id, issue.type_id)?;
    let mut statement = db.prepare_cached(
        "SELECT t.id, t.name, s.id, s.name, s.category, t.resolution_id FROM workflow_transition t \
         JOIN issue_status s ON s.id = t.to_status_id \
         WHERE t.workflow_id = ?1 AND t.from_status_id = ?2 ORDER BY t.id",
    )?;
    let rows = statement.query_map([workflow, issue.status_id], |row| {
        Ok(Transition {
            id: row.get(0)?,
            name: row.get(1)?,
            to_id: row.get(2)?,
            to_name: row.get(3)?,
            to_category: row.get(4)?,
            resolution_id: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// List the transitions that are possible for an issue now, with the status each leads to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GetTransitions {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
}

impl Tool for GetTransitions {
    const NAME: &'static str = "get_transitions";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let possible: Vec<Value> = transitions(tracker.db, &issue)?
            .iter()
            .map(|step| {
                json!({
                    "id": step.id.to_string(),
                    "name": step.name,
                    "to": { "id": step.to_id.to_string(), "name": step.to_name, "statusCategory": step.to_category },
                })
            })
            .collect();
        let status = lookup::name_of(tracker.db, Kind::Status, issue.status_id)?;
        Ok(json!({ "issueKey": issue.key, "status": status, "transitions": possible }))
    }
}

/// Move an issue along its workflow. Only the transitions that `get_transitions` lists are possible.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DoTransition {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
    /// Id or name of the transition, or name of the status it leads to.
    #[serde(alias = "transition")]
    transition_id: Ref,
    /// Resolution by name or id, for a transition into a finished status; a fitting one if left out.
    resolution: Option<Ref>,
    /// A comment to add with it.
    comment: Option<String>,
}

impl Tool for DoTransition {
    const NAME: &'static str = "do_transition";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let step = choose(tracker.db, &issue, &self.transition_id)?;
        let resolution = self.resolution(tracker.db, &issue, &step)?;
        let was_done = is_done(tracker.db, issue.status_id)?;

        let mut revision = Revision::of(tracker, issue.id);
        revision.set_ref("status_id", "status", Kind::Status, Some(step.to_id))?;
        revision.set_ref("resolution_id", "resolution", Kind::Resolution, resolution)?;
        if step.is_done() != was_done {
            let at = revision.at();
            let resolved = if step.is_done() { Sql::Text(at) } else { Sql::Null };
            set_resolved_at(&revision, &resolved)?;
        }
        if let Some(body) = &self.comment {
            comments::insert(&mut revision, body)?;
        }
        revision.finish()?;
        view::issue(tracker.db, issue.id, &view::LISTED_FIELDS)
    }
}

impl DoTransition {
    /// The resolution after the step: the one asked for, the present one, the step's own, or "Done".
    fn resolution(
        &self,
        db: &Connection,
        issue: &Issue,
        step: &Transition,
    ) -> Result<Option<i64>, ToolError> {
        match (&self.resolution, step.is_done()) {
            (None, false) => Ok(None),
            (Some(_), false) => Err(ToolError::invalid(
                "resolution",
                format!(
                    "only goes with a finished status, and `{}` is not one",
                    step.to_name
                ),
            )),
            (Some(given), true) => Ok(Some(lookup::one(db, Kind::Resolution, None, given)?.id)),
            (None, true) => match issue.resolution_id.or(step.resolution_id) {
                Some(id) => Ok(Some(id)),
                None => Ok(Some(lookup::one(db, Kind::Resolution, None, "Done")?.id)),
            },
        }
    }
}

/// The step that `given` means: by id, by its name, or by where it leads.
fn choose(db: &Connection, issue: &Issue, given: &str) -> Result<Transition, ToolError> {
    let mut possible = transitions(db, issue)?;
    let given = given.trim();
    let by_id = |step: &Transition| step.id.to_string() == given;
    let by_name = |step: &Transition| step.name.eq_ignore_ascii_case(given);
    let by_target = |step: &Transition| step.to_name.eq_ignore_ascii_case(given);
    let found = possible
        .iter()
        .position(by_id)
        .or_else(|| possible.iter().position(by_name))
        .or_else(|| possible.iter().position(by_target));
    if let Some(index) = found {
        return Ok(possible.swap_remove(index));
    }
    let steps: Vec<String> = possible
        .iter()
        .map(|step| format!("{} `{}` to {}", step.id, step.name, step.to_name))
        .collect();
    Err(ToolError::IllegalTransition {
        key: issue.key.clone(),
        status: lookup::name_of(db, Kind::Status, issue.status_id)?,
        wanted: given.chars().take(80).collect(),
        possible: if steps.is_empty() {
            "none".to_owned()
        } else {
            steps.join(", ")
        },
    })
}

fn is_done(db: &Connection, status_id: i64) -> Result<bool, ToolError> {
    let mut statement = db.prepare_cached("SELECT category = 'Done' FROM issue_status WHERE id = ?1")?;
    Ok(statement
        .query_row([status_id], |row| row.get(0))
        .optional()?
        .unwrap_or(false))
}

/// The instant of the resolution is part of it and has no line of its own in the changelog.
fn set_resolved_at(revision: &Revision<'_, '_>, at: &Sql) -> Result<(), ToolError> {
    let mut statement = revision
        .db()
        .prepare_cached("UPDATE issue SET resolved_at = ?2 WHERE id = ?1")?;
    statement.execute(rusqlite::params![revision.issue_id(), at])?;
    Ok(())
}
