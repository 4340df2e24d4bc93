//! JQL, Jira's query language, as far as the tracker speaks it.
//!
//! Text becomes a [`Query`] ([`parse`]), a query becomes SQL with bound parameters (`compile`): a value
//! from outside is never pasted into a statement. Whatever is not understood, a field, a value, an operator,
//! is a [`JqlError`] with its place and, where something similar exists, a suggestion.
//!
//! Parts: `ast` the tree and its text form, `parse` the grammar, `fields` what can be asked for, `compile`
//! the SQL, `resolve` values to ids, `dates` instants and days, `text` what `~` means, `error` the message with the caret.

mod ast;
mod compile;
mod dates;
mod error;
mod fields;
mod parse;
mod resolve;
mod text;

pub use ast::{At, Clause, Comparison, Expr, OrderKey, Query, Test, Value};
pub(crate) use compile::{Scope, compile};
pub use error::JqlError;
pub use parse::parse;
pub(crate) use text::text_matches;

#[cfg(test)]
mod tests;
