//! Values of a query against the database: names to ids, dates to instants, and mistakes to errors.

use super::ast::{At, Value};
use super::compile::Compiler;
use super::dates::{self, Moment};
use super::error::JqlError;
use crate::lookup::{self, Kind};

/// The ids a list of values stands for, and whether EMPTY was among them.
pub(super) struct Ids {
    pub(super) ids: Vec<i64>,
    pub(super) or_empty: bool,
}

impl Compiler<'_> {
    pub(super) fn fail<T>(&self, offset: usize, message: impl Into<String>) -> Result<T, JqlError> {
        Err(JqlError::new(self.text, offset, message))
    }

    pub(super) fn moment(&self, value: &At<Value>) -> Result<Moment, JqlError> {
        let (found, shown) = match &value.value {
            Value::Text(text) => (dates::read(text, self.scope.now), text.clone()),
            Value::Call { name, arguments } => (
                dates::call(name, arguments, self.scope.now),
                value.value.to_string(),
            ),
            Value::Empty => (None, "EMPTY".to_owned()),
        };
        found.map_or_else(
            || {
                let functions = dates::FUNCTIONS.join("(), ");
                let message = format!(
                    "`{shown}` is no date: write 2025-11-03, \"2025-11-03 09:15\", -7d or one of {functions}()"
                );
                self.fail(value.offset, message)
            },
            Ok,
        )
    }

    pub(super) fn plain<'v>(&self, value: &'v At<Value>) -> Result<&'v str, JqlError> {
        match &value.value {
            Value::Text(text) => Ok(text),
            other => self.fail(
                value.offset,
                format!("`{other}` cannot stand here; expected a word or text"),
            ),
        }
    }

    pub(super) fn ids(&self, kind: Kind, values: &[At<Value>]) -> Result<Ids, JqlError> {
        let mut found = Ids {
            ids: Vec::new(),
            or_empty: false,
        };
        for value in values {
            match &value.value {
                Value::Empty => found.or_empty = true,
                Value::Text(text) if kind == Kind::Resolution && text.eq_ignore_ascii_case("unresolved") => {
                    found.or_empty = true;
                }
                Value::Text(text) => {
                    let entries = lookup::all(self.scope.connection, kind, None, text);
                    let entries =
                        entries.map_err(|error| JqlError::new(self.text, value.offset, error.to_string()))?;
                    found.ids.extend(entries.iter().map(|entry| entry.id));
                }
                Value::Call { name, .. } => found.ids.extend(self.call_ids(kind, name, value)?),
            }
        }
        Ok(found)
    }

    fn call_ids(&self, kind: Kind, name: &str, value: &At<Value>) -> Result<Vec<i64>, JqlError> {
        let released = match (kind, name.to_ascii_lowercase().as_str()) {
            (Kind::User, "currentuser") => return Ok(vec![self.scope.user_id]),
            (Kind::Version, "releasedversions") => 1,
            (Kind::Version, "unreleasedversions") => 0,
            _ => {
                let usable = match kind {
                    Kind::User => "; currentUser() can",
                    Kind::Version => "; releasedVersions() and unreleasedVersions() can",
                    _ => "",
                };
                return self.fail(
                    value.offset,
                    format!("`{name}()` cannot be used with this field{usable}"),
                );
            }
        };
        lookup::version_ids(self.scope.connection, released)
            .map_err(|error| JqlError::new(self.text, value.offset, error.to_string()))
    }

    pub(super) fn issue_ids(&self, values: &[At<Value>]) -> Result<Ids, JqlError> {
        let mut found = Ids {
            ids: Vec::new(),
            or_empty: false,
        };
        for value in values {
            if value.value == Value::Empty {
                found.or_empty = true;
                continue;
            }
            let issue = lookup::issue(self.scope.connection, self.plain(value)?);
            let issue = issue.map_err(|error| JqlError::new(self.text, value.offset, error.to_string()))?;
            found.ids.push(issue.id);
        }
        Ok(found)
    }
}
