//! Finding rows by whatever a caller calls them: id, name, key, e-mail, in any case.
//!
//! Shared by the tools and by JQL. A name that is not found is an error that lists what there is and points
//! at the most similar one, so that the caller can do better in the next turn.

use rusqlite::{Connection, OptionalExtension, Row};
use thiserror::Error;

/// How many names an error message lists.
const LISTED: usize = 25;

/// Tables whose rows are called by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Project,
    IssueType,
    Status,
    Priority,
    Resolution,
    User,
    LinkType,
    Label,
    Component,
    Version,
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::IssueType => "issue type",
            Self::Status => "status",
            Self::Priority => "priority",
            Self::Resolution => "resolution",
            Self::User => "user",
            Self::LinkType => "link type",
            Self::Label => "label",
            Self::Component => "component",
            Self::Version => "version",
        }
    }

    /// Selects id, the name shown, and up to two more names. Parameter 1 is a project id or NULL for all.
    fn sql(self) -> &'static str {
        match self {
            Self::Project => "SELECT id, key, name, NULL FROM project WHERE ?1 IS NULL ORDER BY id",
            Self::IssueType => "SELECT id, name, NULL, NULL FROM issue_type WHERE ?1 IS NULL ORDER BY id",
            Self::Status => "SELECT id, name, NULL, NULL FROM issue_status WHERE ?1 IS NULL ORDER BY id",
            Self::Priority => {
                "SELECT id, name, NULL, NULL FROM issue_priority WHERE ?1 IS NULL ORDER BY rank"
            }
            Self::Resolution => {
                "SELECT id, name, NULL, NULL FROM issue_resolution WHERE ?1 IS NULL ORDER BY id"
            }
            Self::User => "SELECT id, name, email, username FROM app_user WHERE ?1 IS NULL ORDER BY id",
            Self::LinkType => {
                "SELECT id, name, outward, inward FROM issue_link_type WHERE ?1 IS NULL ORDER BY id"
            }
            Self::Label => "SELECT id, name, NULL, NULL FROM issue_label WHERE ?1 IS NULL ORDER BY name",
            Self::Component => {
                "SELECT id, name, NULL, NULL FROM component WHERE ?1 IS NULL OR project_id = ?1 ORDER BY name"
            }
            Self::Version => {
                "SELECT id, name, NULL, NULL FROM project_version WHERE ?1 IS NULL OR project_id = ?1 ORDER BY id"
            }
        }
    }
}

/// Why a name led nowhere.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum LookupError {
    /// No row has this name.
    #[error("there is no {noun} `{given}`{hint}")]
    Unknown {
        noun: &'static str,
        given: String,
        hint: String,
    },
    /// Several rows have it.
    #[error("`{given}` means {count} of the {noun} entries; use one of the ids {ids}")]
    Ambiguous {
        noun: &'static str,
        given: String,
        count: usize,
        ids: String,
    },
    /// The database could not be read, for example because a seed left out a table.
    #[error("the database refused: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// A row that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    /// The name shown to people.
    pub(crate) name: String,
}

/// All rows that `given` names; at least one. In several projects components and versions share names.
///
/// A name wins over an id, so that a version called "3" can be found.
pub(crate) fn all(
    connection: &Connection,
    kind: Kind,
    project_id: Option<i64>,
    given: &str,
) -> Result<Vec<Entry>, LookupError> {
    let given = given.trim();
    let mut statement = connection.prepare_cached(kind.sql())?;
    let rows = statement.query_map([project_id], |row| {
        let entry = Entry {
            id: row.get(0)?,
            name: row.get(1)?,
        };
        Ok((entry, [row.get::<_, Option<String>>(2)?, row.get(3)?]))
    })?;
    let rows: Vec<(Entry, [Option<String>; 2])> = rows.collect::<Result<_, _>>()?;

    let same = |name: &str| name.eq_ignore_ascii_case(given) || name.to_lowercase() == given.to_lowercase();
    let by_name = rows
        .iter()
        .filter(|(entry, others)| same(&entry.name) || others.iter().flatten().any(|other| same(other)));
    let mut found: Vec<Entry> = by_name.map(|(entry, _)| entry.clone()).collect();
    if found.is_empty()
        && let Ok(id) = given.parse::<i64>()
    {
        found.extend(
            rows.iter()
                .filter(|(entry, _)| entry.id == id)
                .map(|(entry, _)| entry.clone()),
        );
    }
    if found.is_empty() {
        let shown: Vec<&str> = rows.iter().map(|(entry, _)| entry.name.as_str()).collect();
        let others = rows
            .iter()
            .flat_map(|(_, others)| others.iter().flatten().map(String::as_str));
        let names: Vec<&str> = shown.iter().copied().chain(others).collect();
        let hint = hint(given, &names, &shown);
        return Err(LookupError::Unknown {
            noun: kind.noun(),
            given: clipped(given),
            hint,
        });
    }
    Ok(found)
}

/// The one row that `given` names.
pub(crate) fn one(
    connection: &Connection,
    kind: Kind,
    project_id: Option<i64>,
    given: &str,
) -> Result<Entry, LookupError> {
    let mut found = all(connection, kind, project_id, given)?;
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (last, others) => {
            let ids = found
                .iter()
                .chain(&last)
                .map(|entry| entry.id.to_string())
                .collect::<Vec<_>>();
            Err(LookupError::Ambiguous {
                noun: kind.noun(),
                given: clipped(given),
                count: others + 1,
                ids: ids.join(", "),
            })
        }
    }
}

/// The name shown for an id; the id itself if the row is gone.
pub(crate) fn name_of(connection: &Connection, kind: Kind, id: i64) -> Result<String, LookupError> {
    let mut statement = connection.prepare_cached(kind.sql())?;
    let mut rows = statement.query([None::<i64>])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? == id {
            return Ok(row.get(1)?);
        }
    }
    Ok(id.to_string())
}

/// The ids of all versions that are released (1) or not (0).
pub(crate) fn version_ids(connection: &Connection, released: i64) -> Result<Vec<i64>, LookupError> {
    let mut statement = connection.prepare_cached("SELECT id FROM project_version WHERE released = ?1")?;
    let ids = statement.query_map([released], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// What the tools need to know about an issue before they touch it.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) id: i64,
    pub(crate) key: String,
    pub(crate) project_id: i64,
    pub(crate) project_key: String,
    pub(crate) type_id: i64,
    pub(crate) status_id: i64,
    pub(crate) resolution_id: Option<i64>,
}

const ISSUE_SQL: &str = "SELECT i.id, i.key, i.project_id, p.key, i.issue_type_id, i.status_id, i.resolution_id \
    FROM issue i JOIN project p ON p.id = i.project_id WHERE ";

/// The issue with this key or id.
pub(crate) fn issue(connection: &Connection, given: &str) -> Result<Issue, LookupError> {
    let given = given.trim();
    let found = match given.parse::<i64>() {
        Ok(id) => connection
            .prepare_cached(&format!("{ISSUE_SQL} i.id = ?1"))?
            .query_row([id], read_issue)
            .optional()?,
        Err(_) => connection
            .prepare_cached(&format!("{ISSUE_SQL} i.key = ?1"))?
            .query_row([given], read_issue)
            .optional()?,
    };
    match found {
        Some(issue) => Ok(issue),
        None => Err(LookupError::Unknown {
            noun: "issue",
            given: clipped(given),
            hint: issue_hint(connection, given)?,
        }),
    }
}

fn read_issue(row: &Row<'_>) -> rusqlite::Result<Issue> {
    Ok(Issue {
        id: row.get(0)?,
        key: row.get(1)?,
        project_id: row.get(2)?,
        project_key: row.get(3)?,
        type_id: row.get(4)?,
        status_id: row.get(5)?,
        resolution_id: row.get(6)?,
    })
}

/// Which keys there are: those of the project meant, or which projects.
fn issue_hint(connection: &Connection, given: &str) -> Result<String, LookupError> {
    let prefix = given.rsplit_once('-').map_or(given, |(prefix, _)| prefix);
    let mut statement = connection.prepare_cached("SELECT key, issue_counter FROM project ORDER BY id")?;
    let projects = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let projects: Vec<(String, i64)> = projects.collect::<Result<_, _>>()?;
    if let Some((key, count)) = projects.iter().find(|(key, _)| key.eq_ignore_ascii_case(prefix)) {
        return Ok(format!(
            "; keys of this project run from {key}-1 to {key}-{count}"
        ));
    }
    let keys: Vec<&str> = projects.iter().map(|(key, _)| key.as_str()).collect();
    Ok(format!(
        "; give a key such as {}-1, projects: {}",
        keys.first().unwrap_or(&"KEY"),
        listed(&keys)
    ))
}

/// The end of an error message: the most similar of `names`, else the start of `shown`.
pub(crate) fn hint(given: &str, names: &[&str], shown: &[&str]) -> String {
    let given = given.to_lowercase();
    let near = names
        .iter()
        .map(|name| (strsim::jaro_winkler(&given, &name.to_lowercase()), *name))
        .filter(|(similarity, _)| *similarity > 0.84)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, name)) => format!("; did you mean `{name}`?"),
        None if shown.is_empty() => "; there are none".to_owned(),
        None => format!("; there are: {}", listed(shown)),
    }
}

fn listed(names: &[&str]) -> String {
    let text = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// At most 80 characters of what was sent: an error message is no place for a novel.
fn clipped(given: &str) -> String {
    given.chars().take(80).collect()
}
