//! What a query can ask for: the fields, their other names, and where each lives in the tables.
//!
//! `i` is the `issue` row in every piece of SQL here.

use crate::lookup::Kind;

/// A field of an issue as JQL knows it.
pub(super) struct Field {
    /// Its names in lower case; the first is the one shown.
    pub(super) names: &'static [&'static str],
    /// What it holds.
    pub(super) holds: Holds,
    /// What `ORDER BY` sorts by, if it can.
    pub(super) order: Option<&'static str>,
}

/// What a field holds, and so which tests it understands.
pub(super) enum Holds {
    /// The id of a row with a name.
    One {
        column: &'static str,
        kind: Kind,
        rank: Option<&'static str>,
    },
    /// The ids of several rows with names: an association table with its alias `x`, and its id column.
    Many {
        table: &'static str,
        column: &'static str,
        kind: Kind,
    },
    /// The category of the status.
    Category,
    /// The id of an issue.
    Issue { column: &'static str },
    /// Words: a condition with one parameter for the words.
    Words {
        matches: &'static str,
        empty: Option<&'static str>,
    },
    /// An instant.
    Instant { column: &'static str },
    /// A day.
    Day { column: &'static str },
    /// A number.
    Number { column: &'static str },
}

const fn one(column: &'static str, kind: Kind) -> Holds {
    Holds::One {
        column,
        kind,
        rank: None,
    }
}

const SUMMARY: &str = "text_matches(i.summary, ?)";
const DESCRIPTION: &str = "text_matches(i.description, ?)";
const ENVIRONMENT: &str = "text_matches(i.environment, ?)";
const COMMENT: &str = "EXISTS (SELECT 1 FROM comment x WHERE x.issue_id = i.id AND text_matches(x.body, ?))";
const NO_COMMENT: &str = "NOT EXISTS (SELECT 1 FROM comment x WHERE x.issue_id = i.id)";
/// Summary, description and comments in one condition, so that one parameter is enough.
const ANY_TEXT: &str = "EXISTS (SELECT 1 FROM (SELECT i.summary AS body UNION ALL SELECT i.description \
    UNION ALL SELECT c.body FROM comment c WHERE c.issue_id = i.id) x WHERE text_matches(x.body, ?))";

/// Every field, in the order in which error messages list them.
pub(super) const FIELDS: &[Field] = &[
    Field {
        names: &["project"],
        holds: one("i.project_id", Kind::Project),
        order: Some("(SELECT key FROM project WHERE id = i.project_id)"),
    },
    Field {
        names: &["key", "issue", "issuekey", "id"],
        holds: Holds::Issue { column: "i.id" },
        order: Some("i.project_id, i.id"),
    },
    Field {
        names: &["summary"],
        holds: Holds::Words {
            matches: SUMMARY,
            empty: None,
        },
        order: Some("i.summary COLLATE NOCASE"),
    },
    Field {
        names: &["description"],
        holds: Holds::Words {
            matches: DESCRIPTION,
            empty: Some("i.description IS NULL"),
        },
        order: None,
    },
    Field {
        names: &["environment"],
        holds: Holds::Words {
            matches: ENVIRONMENT,
            empty: Some("i.environment IS NULL"),
        },
        order: None,
    },
    Field {
        names: &["comment"],
        holds: Holds::Words {
            matches: COMMENT,
            empty: Some(NO_COMMENT),
        },
        order: None,
    },
    Field {
        names: &["text"],
        holds: Holds::Words {
            matches: ANY_TEXT,
            empty: None,
        },
        order: None,
    },
    Field {
        names: &["status"],
        holds: one("i.status_id", Kind::Status),
        order: Some("i.status_id"),
    },
    Field {
        names: &["statuscategory", "status category"],
        holds: Holds::Category,
        order: Some("(SELECT category FROM issue_status WHERE id = i.status_id)"),
    },
    Field {
        names: &["resolution"],
        holds: one("i.resolution_id", Kind::Resolution),
        order: Some("i.resolution_id"),
    },
    Field {
        names: &["priority"],
        holds: Holds::One {
            column: "i.priority_id",
            kind: Kind::Priority,
            rank: Some("(SELECT p.rank FROM issue_priority p WHERE p.id = i.priority_id)"),
        },
        // Ranks count down from the most urgent, and `ORDER BY priority DESC` shows that one first.
        order: Some("-(SELECT rank FROM issue_priority WHERE id = i.priority_id)"),
    },
    Field {
        names: &["issuetype", "type", "issue type"],
        holds: one("i.issue_type_id", Kind::IssueType),
        order: Some("i.issue_type_id"),
    },
    Field {
        names: &["assignee"],
        holds: one("i.assignee_id", Kind::User),
        order: Some("(SELECT name FROM app_user WHERE id = i.assignee_id)"),
    },
    Field {
        names: &["reporter", "creator"],
        holds: one("i.reporter_id", Kind::User),
        order: Some("(SELECT name FROM app_user WHERE id = i.reporter_id)"),
    },
    Field {
        names: &["watcher", "watchers"],
        holds: Holds::Many {
            table: "issue_watcher",
            column: "user_id",
            kind: Kind::User,
        },
        order: None,
    },
    Field {
        names: &["labels", "label"],
        holds: Holds::Many {
            table: "issue_label_association",
            column: "label_id",
            kind: Kind::Label,
        },
        order: None,
    },
    Field {
        names: &["component", "components"],
        holds: Holds::Many {
            table: "issue_component",
            column: "component_id",
            kind: Kind::Component,
        },
        order: None,
    },
    Field {
        names: &["fixversion", "fixversions"],
        holds: Holds::Many {
            table: "issue_fix_version",
            column: "version_id",
            kind: Kind::Version,
        },
        order: None,
    },
    Field {
        names: &["parent", "epic", "epic link"],
        holds: Holds::Issue {
            column: "i.parent_id",
        },
        order: Some("i.parent_id"),
    },
    Field {
        names: &["storypoints", "story points"],
        holds: Holds::Number {
            column: "i.story_points",
        },
        order: Some("i.story_points"),
    },
    Field {
        names: &["created", "createddate"],
        holds: Holds::Instant {
            column: "i.created_at",
        },
        order: Some("i.created_at"),
    },
    Field {
        names: &["updated", "updateddate"],
        holds: Holds::Instant {
            column: "i.updated_at",
        },
        order: Some("i.updated_at"),
    },
    Field {
        names: &["resolved", "resolutiondate"],
        holds: Holds::Instant {
            column: "i.resolved_at",
        },
        order: Some("i.resolved_at"),
    },
    Field {
        names: &["due", "duedate"],
        holds: Holds::Day { column: "i.due_date" },
        order: Some("i.due_date"),
    },
];

/// The field with this name in any case, if there is one.
pub(super) fn find(name: &str) -> Option<&'static Field> {
    FIELDS
        .iter()
        .find(|field| field.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
}
