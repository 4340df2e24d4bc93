//! Changing an issue: the row, its changelog and its clock move together.
//!
//! A [`Revision`] is one person's change of one issue at one instant. The clock ticks only when something
//! really changes; setting a field to the value it has leaves no trace.

use rusqlite::types::Value as Sql;
use rusqlite::{ToSql, params};

use super::{ToolError, Tracker};
use crate::lookup::{self, Kind};

/// One change of one issue, possibly of several fields.
pub(super) struct Revision<'t, 'a> {
    tracker: &'t mut Tracker<'a>,
    issue_id: i64,
    /// The instant of the change; none as long as nothing has changed.
    at: Option<String>,
}

impl<'t, 'a> Revision<'t, 'a> {
    pub(super) fn of(tracker: &'t mut Tracker<'a>, issue_id: i64) -> Self {
        Self {
            tracker,
            issue_id,
            at: None,
        }
    }

    pub(super) fn db(&self) -> &'a rusqlite::Connection {
        self.tracker.db
    }

    pub(super) fn issue_id(&self) -> i64 {
        self.issue_id
    }

    pub(super) fn actor_id(&self) -> i64 {
        self.tracker.actor_id
    }

    /// The instant of this change, which begins with the first call.
    pub(super) fn at(&mut self) -> String {
        let clock = &mut *self.tracker.clock;
        self.at.get_or_insert_with(|| clock.tick()).clone()
    }

    /// Sets a column to a value that is shown as it is.
    pub(super) fn set(
        &mut self,
        column: &'static str,
        field: &'static str,
        new: &Sql,
    ) -> Result<(), ToolError> {
        let old = shown(&self.current(column)?);
        let text = shown(new);
        self.set_shown(column, field, new, old.as_deref(), text.as_deref())
    }

    /// Sets a column that holds the id of a row with a name; the changelog shows the names.
    pub(super) fn set_ref(
        &mut self,
        column: &'static str,
        field: &'static str,
        kind: Kind,
        new: Option<i64>,
    ) -> Result<(), ToolError> {
        let old = match self.current(column)? {
            Sql::Integer(id) => Some(lookup::name_of(self.db(), kind, id)?),
            _ => None,
        };
        let text = new.map(|id| lookup::name_of(self.db(), kind, id)).transpose()?;
        let new = new.map_or(Sql::Null, Sql::Integer);
        self.set_shown(column, field, &new, old.as_deref(), text.as_deref())
    }

    /// Sets a column whose old and new values are shown as given.
    pub(super) fn set_shown(
        &mut self,
        column: &'static str,
        field: &'static str,
        new: &Sql,
        old_text: Option<&str>,
        new_text: Option<&str>,
    ) -> Result<(), ToolError> {
        if self.current(column)? == *new {
            return Ok(());
        }
        let sql = format!("UPDATE issue SET {column} = ?2 WHERE id = ?1");
        self.db()
            .prepare_cached(&sql)?
            .execute(params![self.issue_id, new])?;
        self.log(field, old_text, new_text)
    }

    /// Replaces the rows that associate the issue with others, such as its labels.
    /// `old` and `new` are `(id, name)`; the changelog shows the names with `separator` between them.
    pub(super) fn set_associated(
        &mut self,
        (table, column): (&'static str, &'static str),
        field: &'static str,
        separator: &str,
        old: &[(i64, String)],
        new: &[(i64, String)],
    ) -> Result<(), ToolError> {
        let missing = |from: &[(i64, String)], of: &[(i64, String)]| -> Vec<i64> {
            of.iter()
                .map(|(id, _)| *id)
                .filter(|id| !from.iter().any(|(other, _)| other == id))
                .collect()
        };
        let (added, removed) = (missing(old, new), missing(new, old));
        if added.is_empty() && removed.is_empty() {
            return Ok(());
        }
        let insert = format!("INSERT INTO {table} (issue_id, {column}) VALUES (?1, ?2)");
        for id in added {
            self.db().prepare_cached(&insert)?.execute([self.issue_id, id])?;
        }
        let delete = format!("DELETE FROM {table} WHERE issue_id = ?1 AND {column} = ?2");
        for id in removed {
            self.db().prepare_cached(&delete)?.execute([self.issue_id, id])?;
        }
        let names = |entries: &[(i64, String)]| {
            let names: Vec<&str> = entries.iter().map(|(_, name)| name.as_str()).collect();
            Some(names.join(separator)).filter(|text| !text.is_empty())
        };
        self.log(field, names(old).as_deref(), names(new).as_deref())
    }

    /// Writes one line of the changelog.
    pub(super) fn log(
        &mut self,
        field: &'static str,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Result<(), ToolError> {
        let at = self.at();
        let values: [&dyn ToSql; 6] = [&self.issue_id, &self.tracker.actor_id, &field, &old, &new, &at];
        self.db()
            .prepare_cached(
                "INSERT INTO issue_changelog (issue_id, author_id, field, old_value, new_value, created_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(values.as_slice())?;
        Ok(())
    }

    /// Ends the change; returns whether there was one.
    pub(super) fn finish(self) -> Result<bool, ToolError> {
        let Some(at) = &self.at else { return Ok(false) };
        self.db()
            .prepare_cached("UPDATE issue SET updated_at = ?2 WHERE id = ?1")?
            .execute(params![self.issue_id, at])?;
        Ok(true)
    }

    fn current(&self, column: &'static str) -> Result<Sql, ToolError> {
        let sql = format!("SELECT {column} FROM issue WHERE id = ?1");
        Ok(self
            .db()
            .prepare_cached(&sql)?
            .query_row([self.issue_id], |row| row.get(0))?)
    }
}

/// A value as the changelog shows it.
fn shown(value: &Sql) -> Option<String> {
    match value {
        Sql::Null | Sql::Blob(_) => None,
        Sql::Integer(number) => Some(number.to_string()),
        Sql::Real(number) => Some(number.to_string()),
        Sql::Text(text) => Some(text.clone()),
    }
}
