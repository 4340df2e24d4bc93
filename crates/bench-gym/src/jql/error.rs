//! What is wrong with a query, where, and what to try instead.

use std::fmt;

use thiserror::Error;

/// How much of a query is shown on each side of the mistake, in characters.
const CONTEXT_CHARS: usize = 60;

/// Why a query was refused.
///
/// ```
/// let error = bench_gym::jql::parse("status = ").unwrap_err();
/// assert_eq!(error.to_string(), "JQL error at character 10: expected a value\n    status = \n             ^");
/// ```
#[derive(Clone, Debug, PartialEq, Error)]
pub struct JqlError {
    /// Bytes from the start of the query to the mistake.
    pub offset: usize,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The query.
    pub query: String,
}

impl JqlError {
    pub(super) fn new(query: &str, offset: usize, message: impl Into<String>) -> Self {
        Self {
            offset: offset.min(query.len()),
            message: message.into(),
            query: query.to_owned(),
        }
    }
}

impl fmt::Display for JqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.query.get(..self.offset).unwrap_or(&self.query);
        let column = before.chars().count();
        let start = column.saturating_sub(CONTEXT_CHARS);
        // One line, whatever the query holds: the caret below must meet its place.
        let shown: String = self
            .query
            .chars()
            .skip(start)
            .take(2 * CONTEXT_CHARS)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        writeln!(f, "JQL error at character {}: {}", column + 1, self.message)?;
        writeln!(f, "    {shown}")?;
        write!(f, "    {:>width$}", "^", width = column - start + 1)
    }
}
