//! Comments, and time spent.

use chrono::{DateTime, Utc};
use rusqlite::params;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::Ref;
use super::change::Revision;
use super::{Effect, Tool, ToolError, Tracker, view};
use crate::database::instant_text;
use crate::lookup;

/// Longest time one entry may log: a month of working days.
const MAX_WORKLOG_SECONDS: i64 = 31 * 24 * 3600;

/// Add a comment to an issue, in your name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AddIssueComment {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
    /// The text.
    #[serde(alias = "comment")]
    body: String,
}

impl Tool for AddIssueComment {
    const NAME: &'static str = "add_issue_comment";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let author = view::author(tracker.db, tracker.actor_id)?;
        let mut revision = Revision::of(tracker, issue.id);
        let id = insert(&mut revision, &self.body)?;
        let at = revision.at();
        revision.finish()?;
        Ok(json!({
            "id": id.to_string(),
            "issueKey": issue.key,
            "author": author,
            "body": self.body.trim(),
            "created": at,
        }))
    }
}

/// Adds a comment as part of a change; returns its id.
pub(super) fn insert(revision: &mut Revision<'_, '_>, body: &str) -> Result<i64, ToolError> {
    let body = body.trim();
    if body.is_empty() {
        return Err(ToolError::invalid("body", "must not be empty"));
    }
    let at = revision.at();
    revision
        .db()
        .prepare_cached(
            "INSERT INTO comment (issue_id, author_id, body, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)",
        )?
        .execute(params![revision.issue_id(), revision.actor_id(), body, at])?;
    let id = revision.db().last_insert_rowid();
    revision.log("comment", None, Some(&id.to_string()))?;
    Ok(id)
}

/// List the comments of an issue, oldest first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ListIssueComments {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
}

impl Tool for ListIssueComments {
    const NAME: &'static str = "list_issue_comments";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let mut statement = tracker.db.prepare_cached(
            "SELECT c.id, c.author_id, u.name, c.body, c.created_at, c.updated_at FROM comment c \
             JOIN app_user u ON u.id = c.author_id WHERE c.issue_id = ?1 ORDER BY c.created_at, c.id",
        )?;
        let rows = statement.query_map([issue.id], |row| {
            Ok(json!({
                "id": row.get::<_, i64>(0)?.to_string(),
                "author": { "accountId": row.get::<_, i64>(1)?.to_string(), "displayName": row.get::<_, String>(2)? },
                "body": row.get::<_, String>(3)?,
                "created": row.get::<_, String>(4)?,
                "updated": row.get::<_, String>(5)?,
            }))
        })?;
        let comments: Vec<Value> = rows.collect::<Result<_, _>>()?;
        Ok(json!({ "issueKey": issue.key, "total": comments.len(), "comments": comments }))
    }
}

/// Log time you spent on an issue. Give `timeSpent` or `timeSpentSeconds`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AddWorklog {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
    /// Such as "3h 30m"; a day (d) has 8 hours, a week (w) 5 days.
    time_spent: Option<String>,
    /// The same in seconds.
    time_spent_seconds: Option<i64>,
    /// What was done.
    comment: Option<String>,
    /// When it was begun, such as 2025-11-28T09:00:00Z; now if left out.
    started: Option<String>,
}

impl Tool for AddWorklog {
    const NAME: &'static str = "add_worklog";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let seconds = self.seconds()?;
        let mut revision = Revision::of(tracker, issue.id);
        let at = revision.at();
        let started = match &self.started {
            None => at.clone(),
            Some(text) => {
                let instant: DateTime<Utc> = text.parse().map_err(|_| {
                    ToolError::invalid(
                        "started",
                        format!("must be like 2025-11-28T09:00:00Z, not `{text}`"),
                    )
                })?;
                instant_text(instant)
            }
        };
        let mut statement = revision
            .db()
            .prepare_cached("SELECT coalesce(sum(time_spent_seconds), 0) FROM worklog WHERE issue_id = ?1")?;
        let before: i64 = statement.query_row([issue.id], |row| row.get(0))?;
        revision
            .db()
            .prepare_cached(
                "INSERT INTO worklog (issue_id, author_id, time_spent_seconds, comment, started_at, created_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![issue.id, revision.actor_id(), seconds, self.comment, started, at])?;
        let id = revision.db().last_insert_rowid();
        let total = before + seconds;
        let old = (before > 0).then(|| before.to_string());
        revision.log("timespent", old.as_deref(), Some(&total.to_string()))?;
        revision.finish()?;
        Ok(json!({
            "id": id.to_string(),
            "issueKey": issue.key,
            "timeSpentSeconds": seconds,
            "started": started,
            "totalTimeSpentSeconds": total,
        }))
    }
}

impl AddWorklog {
    fn seconds(&self) -> Result<i64, ToolError> {
        let seconds = match (&self.time_spent, self.time_spent_seconds) {
            (Some(text), None) => parse_duration(text).ok_or_else(|| {
                ToolError::invalid(
                    "timeSpent",
                    format!("must be like \"3h 30m\" or \"1d\", not `{text}`"),
                )
            })?,
            (None, Some(seconds)) => seconds,
            _ => {
                return Err(ToolError::invalid(
                    "timeSpent",
                    "or timeSpentSeconds is needed, and only one of them",
                ));
            }
        };
        if !(1..=MAX_WORKLOG_SECONDS).contains(&seconds) {
            return Err(ToolError::invalid(
                "timeSpent",
                "must be more than nothing and at most 31 days",
            ));
        }
        Ok(seconds)
    }
}

/// `1w 2d 3h 30m` in working time; `None` if it is nothing of the kind.
fn parse_duration(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    for part in text.split_whitespace() {
        let unit = part.chars().last()?;
        let count: i64 = part
            .strip_suffix(unit)?
            .parse()
            .ok()
            .filter(|count| *count >= 0)?;
        let seconds = match unit {
            'm' => 60,
            'h' => 3600,
            'd' => 8 * 3600,
            'w' => 5 * 8 * 3600,
            _ => return None,
        };
        total = total.checked_add(count.checked_mul(seconds)?)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::parse_duration;

    #[test]
    fn durations_count_working_days() {
        for (text, expected) in [
            ("90m", Some(5400)),
            ("3h 30m", Some(12_600)),
            ("1d", Some(28_800)),
            ("1w 1d", Some(172_800)),
            ("", Some(0)),
            ("2", None),
            ("h", None),
            ("-3h", None),
            ("3 h", None),
            ("999999999999999999w", None),
            ("3ß", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
