//! Labels of issues. A label exists from its first use.

use rusqlite::{Connection, OptionalExtension};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::Ref;
use super::change::Revision;
use super::edit::present;
use super::{Effect, Tool, ToolError, Tracker};
use crate::lookup::{self, Issue};

const MAX_LABEL_CHARS: usize = 255;

const PRESENT_SQL: &str = "SELECT l.id, l.name FROM issue_label_association x \
    JOIN issue_label l ON l.id = x.label_id WHERE x.issue_id = ?1 ORDER BY l.name";

/// The id of a label, which is made if it is new.
pub(super) fn ensure(db: &Connection, label: &str) -> Result<i64, ToolError> {
    let label = checked(label)?;
    let mut statement = db.prepare_cached("SELECT id FROM issue_label WHERE name = ?1")?;
    if let Some(id) = statement.query_row([label], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    db.prepare_cached("INSERT INTO issue_label (name) VALUES (?1)")?
        .execute([label])?;
    Ok(db.last_insert_rowid())
}

fn checked(label: &str) -> Result<&str, ToolError> {
    let chars = label.chars().count();
    if chars == 0 || chars > MAX_LABEL_CHARS || label.contains(char::is_whitespace) {
        let problem = format!("has `{label}`; a label is one word without blanks");
        return Err(ToolError::invalid("labels", problem));
    }
    Ok(label)
}

/// Changes the labels of an issue: `all` replaces them, then `added` come in, then `removed` go.
pub(super) fn change(
    revision: &mut Revision<'_, '_>,
    all: Option<&[String]>,
    added: &[String],
    removed: &[String],
) -> Result<(), ToolError> {
    let db = revision.db();
    let old = present(revision, PRESENT_SQL)?;
    let mut ids: Vec<i64> = match all {
        Some(names) => names
            .iter()
            .map(|name| ensure(db, name))
            .collect::<Result<_, _>>()?,
        None => old.iter().map(|(id, _)| *id).collect(),
    };
    for name in added {
        ids.push(ensure(db, name)?);
    }
    ids.retain({
        let removed: Vec<i64> = old
            .iter()
            .filter(|(_, name)| removed.iter().any(|gone| gone.eq_ignore_ascii_case(name)))
            .map(|(id, _)| *id)
            .collect();
        move |id| !removed.contains(id)
    });
    ids.sort_unstable();
    ids.dedup();
    let mut new = Vec::new();
    for id in ids {
        let mut statement = db.prepare_cached("SELECT name FROM issue_label WHERE id = ?1")?;
        new.push((id, statement.query_row([id], |row| row.get::<_, String>(0))?));
    }
    new.sort_by(|a, b| a.1.cmp(&b.1));
    revision.set_associated(("issue_label_association", "label_id"), "labels", " ", &old, &new)
}

/// The labels of an issue after a change of them.
fn shown(tracker: &mut Tracker<'_>, issue: &Issue) -> Result<Value, ToolError> {
    let labels = present(&Revision::of(tracker, issue.id), PRESENT_SQL)?;
    let labels: Vec<String> = labels.into_iter().map(|(_, name)| name).collect();
    Ok(json!({ "id": issue.id.to_string(), "key": issue.key, "labels": labels }))
}

/// Add a label to an issue. A label that does not exist yet is made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AddIssueLabel {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
    /// The label: one word.
    label: String,
}

impl Tool for AddIssueLabel {
    const NAME: &'static str = "add_issue_label";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let mut revision = Revision::of(tracker, issue.id);
        change(&mut revision, None, &[self.label], &[])?;
        revision.finish()?;
        shown(tracker, &issue)
    }
}

/// Take a label away from an issue.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RemoveIssueLabel {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
    /// The label.
    label: String,
}

impl Tool for RemoveIssueLabel {
    const NAME: &'static str = "remove_issue_label";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let mut revision = Revision::of(tracker, issue.id);
        change(&mut revision, None, &[], std::slice::from_ref(&self.label))?;
        if !revision.finish()? {
            let names: Vec<String> = present(&Revision::of(tracker, issue.id), PRESENT_SQL)?
                .into_iter()
                .map(|(_, name)| name)
                .collect();
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };
            let problem = format!("{} has no label `{}`; its labels: {names}", issue.key, self.label);
            return Err(ToolError::Rule(problem));
        }
        shown(tracker, &issue)
    }
}
