//! Links between issues.

use rusqlite::params;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::Ref;
use super::change::Revision;
use super::{Effect, Tool, ToolError, Tracker, view};
use crate::lookup::{self, Kind};

/// Link two issues: `sourceIssue` `linkType` `targetIssue`, as in "WEB-3 blocks WEB-7".
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LinkIssues {
    /// Key or id of the issue that does something: the one that blocks, duplicates, clones.
    #[serde(alias = "inwardIssue")]
    source_issue: Ref,
    /// Blocks, Duplicates, Relates or Clones; also the words: "blocks", "is blocked by", "relates to".
    #[serde(alias = "type")]
    link_type: Ref,
    /// Key or id of the other issue.
    #[serde(alias = "outwardIssue")]
    target_issue: Ref,
}

impl Tool for LinkIssues {
    const NAME: &'static str = "link_issues";
    const EFFECT: Effect = Effect::Writes;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let db = tracker.db;
        let link_type = lookup::one(db, Kind::LinkType, None, &self.link_type)?;
        let mut statement = db.prepare_cached("SELECT outward, inward FROM issue_link_type WHERE id = ?1")?;
        let (outward, inward): (String, String) =
            statement.query_row([link_type.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut source = lookup::issue(db, &self.source_issue)?;
        let mut target = lookup::issue(db, &self.target_issue)?;
        let symmetric = outward.eq_ignore_ascii_case(&inward);
        // "WEB-3 is blocked by WEB-7" is "WEB-7 blocks WEB-3".
        if !symmetric && self.link_type.trim().eq_ignore_ascii_case(&inward) {
            std::mem::swap(&mut source, &mut target);
        }
        if source.id == target.id {
            return Err(ToolError::Rule(format!(
                "{} cannot be linked with itself",
                source.key
            )));
        }
        let mut statement = db.prepare_cached(
            "SELECT 1 FROM issue_link WHERE link_type_id = ?1 AND ((source_issue_id = ?2 AND target_issue_id = ?3) \
                 OR (?4 AND source_issue_id = ?3 AND target_issue_id = ?2))",
        )?;
        if statement.exists(params![link_type.id, source.id, target.id, symmetric])? {
            return Err(ToolError::Rule(format!(
                "{} {outward} {} already",
                source.key, target.key
            )));
        }

        let mut revision = Revision::of(tracker, source.id);
        let at = revision.at();
        db.prepare_cached(
            "INSERT INTO issue_link (link_type_id, source_issue_id, target_issue_id, created_at) \
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![link_type.id, source.id, target.id, at])?;
        let id = db.last_insert_rowid();
        revision.log("link", None, Some(&format!("{outward} {}", target.key)))?;
        revision.finish()?;
        let mut revision = Revision::of(tracker, target.id);
        revision.log("link", None, Some(&format!("{inward} {}", source.key)))?;
        revision.finish()?;
        Ok(json!({
            "id": id.to_string(),
            "type": link_type.name,
            "sourceIssue": source.key,
            "relation": outward,
            "targetIssue": target.key,
        }))
    }
}

/// List the links of an issue, seen from its side.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GetIssueLinks {
    /// Key (WEB-12) or id of the issue.
    #[serde(alias = "issueKey")]
    issue_id_or_key: Ref,
}

impl Tool for GetIssueLinks {
    const NAME: &'static str = "get_issue_links";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let issue = lookup::issue(tracker.db, &self.issue_id_or_key)?;
        let links = view::links(tracker.db, issue.id)?;
        Ok(json!({ "issueKey": issue.key, "total": links.len(), "links": links }))
    }
}
