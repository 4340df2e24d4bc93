//! Searching with JQL.

use rusqlite::params_from_iter;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Tool, ToolError, Tracker, view};
use crate::jql::{self, Scope};

const DEFAULT_PAGE: usize = 50;
const MAX_PAGE: usize = 100;

/// Search issues with JQL. Returns one page and the total; ask for the next with `nextPageToken`.
///
/// Fields: project, key, summary, description, environment, comment, text, status, `statusCategory`,
/// resolution, priority, issuetype, assignee, reporter, watcher, labels, component, `fixVersion`, parent (or
/// epic), `storyPoints`, created, updated, resolved, due. Operators: = != < <= > >= ~ !~ IN, NOT IN, IS EMPTY,
/// IS NOT EMPTY, AND, OR, NOT, parentheses, ORDER BY. Functions: `currentUser()`, `now()`, `startOfDay(-1d)`
/// and the like, `releasedVersions()`, `unreleasedVersions()`. Relative dates: -7d, -4w, 2h.
/// Example: `project = WEB AND status != Done AND assignee IS EMPTY ORDER BY priority DESC, created`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EnhancedSearchGet {
    /// The query; an empty one finds all issues.
    jql: String,
    /// Names of the fields to return; the most useful ones if left out, `*all` for all.
    fields: Option<Vec<String>>,
    /// Size of the page, 1 to 100; 50 if left out.
    max_results: Option<usize>,
    /// How many results to skip; an alternative to `nextPageToken`.
    start_at: Option<usize>,
    /// The token of the page before.
    next_page_token: Option<String>,
}

impl Tool for EnhancedSearchGet {
    const NAME: &'static str = "enhanced_search_get";
    const EFFECT: Effect = Effect::Reads;

    fn run(self, tracker: &mut Tracker<'_>) -> Result<Value, ToolError> {
        let db = tracker.db;
        let size = self.max_results.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&size) {
            return Err(ToolError::invalid(
                "maxResults",
                format!("must be between 1 and {MAX_PAGE}, not {size}"),
            ));
        }
        let start = match &self.next_page_token {
            Some(token) => token.parse().map_err(|_| {
                ToolError::invalid(
                    "nextPageToken",
                    format!("`{token}` did not come from an earlier page"),
                )
            })?,
            None => self.start_at.unwrap_or(0),
        };
        let wanted = view::wanted_fields(self.fields.as_deref(), &view::LISTED_FIELDS)?;
        let view = view::IssueView::new(&wanted);
        let scope = Scope {
            connection: db,
            now: tracker.clock.now(),
            user_id: tracker.actor_id,
        };
        let found = jql::compile(&jql::parse(&self.jql)?, &self.jql, &scope)?;

        let sql = format!(
            "SELECT i.id FROM issue i WHERE {} ORDER BY {}",
            found.condition, found.order
        );
        let mut statement = db.prepare_cached(&sql)?;
        let ids = statement.query_map(params_from_iter(found.parameters), |row| row.get(0))?;
        let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;

        let page = ids.iter().skip(start).take(size);
        let issues: Vec<Value> = page.map(|id| view.of(db, *id)).collect::<Result<_, _>>()?;
        let end = start.saturating_add(issues.len());
        let more = end < ids.len() && !issues.is_empty();
        let mut answer = json!({
            "total": ids.len(),
            "startAt": start,
            "maxResults": size,
            "isLast": !more,
            "nextPageToken": more.then(|| end.to_string()),
        });
        // `json!` would copy them all.
        if let Value::Object(answer) = &mut answer {
            answer.insert("issues".to_owned(), Value::Array(issues));
        }
        Ok(answer)
    }
}
