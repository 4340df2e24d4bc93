//! The history of an issue, as its changelog tells it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::Ref;
use super::{Effect, Tool, ToolError, Tracker, view};
use crate::lookup;

/// Get the history of an issue: who changed which field when, oldest first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GetIssueChangelog {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
}

impl Tool for GetIssueChangelog {
    const NAME: &'static str = "get_issue_changelog";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let mut statement = tracker.db.prepare_cached(
            "SELECT id, author_id, created_at, field, old_value, new_value FROM issue_changelog \
             WHERE issue_id = ?1 ORDER BY id",
        )?;
        let mut rows = statement.query([issue.id])?;
        let mut histories: Vec<Value> = Vec::new();
        let mut last: Option<(i64, String)> = None;
        while let Some(row) = rows.next()? {
            let item = json!({
                "field": row.get::<_, String>(3)?,
                "fromString": row.get::<_, Option<String>>(4)?,
                "toString": row.get::<_, Option<String>>(5)?,
            });
            let group = (row.get(1)?, row.get(2)?);
            // What one person changed at one instant is one entry, as in Jira.
            let same = last.as_ref() == Some(&group);
            if same
                && let Some(Value::Array(items)) =
                    histories.last_mut().and_then(|entry| entry.get_mut("items"))
            {
                items.push(item);
                continue;
            }
            histories.push(json!({
                "id": row.get::<_, i64>(0)?.to_string(),
                "author": view::author(tracker.db, group.0)?,
                "created": group.1,
                "items": [item],
            }));
            last = Some(group);
        }
        Ok(json!({ "issueKey": issue.key, "total": histories.len(), "histories": histories }))
    }
}
