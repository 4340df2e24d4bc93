//! A query as SQL: conditions on the `issue` row `i`, with every value bound as a parameter.
//!
//! Names are resolved against the database first, so an unknown status or person is an error and not an
//! empty result. As in Jira, a negative test (`!=`, `NOT IN`, `!~`, and `NOT` in front of anything) does not
//! find issues whose field is empty.

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use rusqlite::types::Value as Sql;

use super::ast::{At, Clause, Comparison, Expr, Query, Test, Value};
use super::dates::Moment;
use super::error::JqlError;
use super::fields::{self, FIELDS, Field, Holds};
use super::resolve::Ids;
use super::text::has_words;
use crate::database::instant_text;
use crate::lookup;

/// Most clauses a query may have: `SQLite` bounds the depth of an expression.
const MAX_CLAUSES: usize = 200;
/// Most values a list may have.
const MAX_VALUES: usize = 500;

/// What a query is read against.
pub(crate) struct Scope<'a> {
    /// The database, to resolve names.
    pub(crate) connection: &'a Connection,
    /// The tracker's clock.
    pub(crate) now: DateTime<Utc>,
    /// Whom `currentUser()` means.
    pub(crate) user_id: i64,
}

/// SQL to put after `WHERE` and `ORDER BY` of a select from `issue i`.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// The condition; `1` for all issues.
    pub(crate) condition: String,
    /// The sort keys; never empty, and total: the id breaks ties.
    pub(crate) order: String,
    /// The values for the condition's question marks, in order.
    pub(crate) parameters: Vec<Sql>,
}

/// Turns `query`, which was read from `text`, into SQL.
pub(crate) fn compile(query: &Query, text: &str, scope: &Scope<'_>) -> Result<Compiled, JqlError> {
    let mut compiler = Compiler {
        text,
        scope,
        parameters: Vec::new(),
        clauses: 0,
    };
    let condition = match &query.filter {
        Some(expr) => compiler.expr(expr, false)?,
        None => "1".to_owned(),
    };
    let order = compiler.order(query)?;
    Ok(Compiled {
        condition,
        order,
        parameters: compiler.parameters,
    })
}

pub(super) struct Compiler<'a> {
    pub(super) text: &'a str,
    pub(super) scope: &'a Scope<'a>,
    parameters: Vec<Sql>,
    clauses: usize,
}

impl Compiler<'_> {
    /// NOT is pushed down to the tests, so that it treats empty fields as the negative operators do.
    fn expr(&mut self, expr: &Expr, negated: bool) -> Result<String, JqlError> {
        match expr {
            Expr::Not(inner) => self.expr(inner, !negated),
            Expr::And(parts) => self.join(parts, if negated { " OR " } else { " AND " }, negated),
            Expr::Or(parts) => self.join(parts, if negated { " AND " } else { " OR " }, negated),
            Expr::Clause(clause) => self.clause(clause, negated),
        }
    }

    fn join(&mut self, parts: &[Expr], with: &str, negated: bool) -> Result<String, JqlError> {
        let parts: Vec<String> = parts
            .iter()
            .map(|part| self.expr(part, negated))
            .collect::<Result<_, _>>()?;
        Ok(format!("({})", parts.join(with)))
    }

    fn clause(&mut self, clause: &Clause, negated: bool) -> Result<String, JqlError> {
        self.clauses += 1;
        if self.clauses > MAX_CLAUSES {
            return self.fail(clause.field.offset, format!("more than {MAX_CLAUSES} clauses"));
        }
        let field = self.field(&clause.field)?;
        match &clause.test {
            Test::Empty { negated: not } => self.empty(clause, field, *not != negated),
            Test::OneOf { negated: not, values } => {
                if let Some(extra) = values.get(MAX_VALUES) {
                    return self.fail(extra.offset, format!("more than {MAX_VALUES} values"));
                }
                self.one_of(clause, field, values, *not != negated)
            }
            Test::Compare(comparison, value) => {
                let comparison = if negated {
                    comparison.negated()
                } else {
                    *comparison
                };
                match comparison {
                    Comparison::Eq | Comparison::Ne if !field.is_ordered() => self.one_of(
                        clause,
                        field,
                        std::slice::from_ref(value),
                        comparison == Comparison::Ne,
                    ),
                    Comparison::Like | Comparison::NotLike => {
                        self.like(clause, field, value, comparison == Comparison::NotLike)
                    }
                    _ => self.compare(clause, field, comparison, value),
                }
            }
        }
    }

    fn field(&self, name: &At<String>) -> Result<&'static Field, JqlError> {
        if let Some(field) = fields::find(&name.value) {
            return Ok(field);
        }
        let known: Vec<&str> = FIELDS
            .iter()
            .flat_map(|field| field.names.iter().copied())
            .collect();
        let shown: Vec<&str> = FIELDS
            .iter()
            .filter_map(|field| field.names.first().copied())
            .collect();
        let hint = lookup::hint(&name.value, &known, &shown);
        self.fail(name.offset, format!("there is no field `{}`{hint}", name.value))
    }

    fn empty(&self, clause: &Clause, field: &Field, negated: bool) -> Result<String, JqlError> {
        let not = if negated { "NOT " } else { "" };
        Ok(match &field.holds {
            Holds::One { column, .. }
            | Holds::Issue { column }
            | Holds::Instant { column }
            | Holds::Day { column }
            | Holds::Number { column } => format!("{column} IS {not}NULL"),
            Holds::Many { table, .. } => {
                format!("{not}(NOT EXISTS (SELECT 1 FROM {table} x WHERE x.issue_id = i.id))")
            }
            Holds::Words {
                empty: Some(empty), ..
            } => format!("{not}({empty})"),
            Holds::Words { empty: None, .. } | Holds::Category => {
                return self.fail(
                    clause.field.offset,
                    format!("`{}` is never empty", clause.field.value),
                );
            }
        })
    }

    fn one_of(
        &mut self,
        clause: &Clause,
        field: &Field,
        values: &[At<Value>],
        negated: bool,
    ) -> Result<String, JqlError> {
        match &field.holds {
            Holds::One { column, kind, .. } => {
                let ids = self.ids(*kind, values)?;
                Ok(self.id_test(column, &ids, negated))
            }
            Holds::Issue { column } => {
                let ids = self.issue_ids(values)?;
                Ok(self.id_test(column, &ids, negated))
            }
            Holds::Many { table, column, kind } => {
                let ids = self.ids(*kind, values)?;
                Ok(self.many_test(table, column, &ids, negated))
            }
            Holds::Category => self.category_test(values, negated),
            Holds::Instant { .. } | Holds::Day { .. } | Holds::Number { .. } => {
                let (comparison, with) = if negated {
                    (Comparison::Ne, " AND ")
                } else {
                    (Comparison::Eq, " OR ")
                };
                let tests: Vec<String> = values
                    .iter()
                    .map(|value| self.compare(clause, field, comparison, value))
                    .collect::<Result<_, _>>()?;
                Ok(format!("({})", tests.join(with)))
            }
            Holds::Words { .. } => self.fail(
                clause.field.offset,
                format!(
                    "`{}` holds text: use ~ or !~ with the words to find",
                    clause.field.value
                ),
            ),
        }
    }

    fn id_test(&mut self, column: &str, ids: &Ids, negated: bool) -> String {
        let list = self.bind_all(&ids.ids);
        match (negated, ids.or_empty) {
            (false, false) => format!("{column} IN ({list})"),
            (false, true) => format!("({column} IN ({list}) OR {column} IS NULL)"),
            (true, _) => format!("({column} NOT IN ({list}) AND {column} IS NOT NULL)"),
        }
    }

    fn many_test(&mut self, table: &str, column: &str, ids: &Ids, negated: bool) -> String {
        let list = self.bind_all(&ids.ids);
        let any = format!("EXISTS (SELECT 1 FROM {table} x WHERE x.issue_id = i.id)");
        let hit =
            format!("EXISTS (SELECT 1 FROM {table} x WHERE x.issue_id = i.id AND x.{column} IN ({list}))");
        match (negated, ids.or_empty) {
            (false, false) => hit,
            (false, true) => format!("({hit} OR NOT {any})"),
            (true, _) => format!("({any} AND NOT {hit})"),
        }
    }

    fn category_test(&mut self, values: &[At<Value>], negated: bool) -> Result<String, JqlError> {
        const CATEGORIES: [&str; 3] = ["To Do", "In Progress", "Done"];
        let mut names = Vec::new();
        for value in values {
            let text = self.plain(value)?;
            // "new" and "indeterminate" are what Jira calls the first two in its API.
            let known = match text.to_ascii_lowercase().as_str() {
                "to do" | "todo" | "new" => CATEGORIES[0],
                "in progress" | "indeterminate" => CATEGORIES[1],
                "done" | "complete" => CATEGORIES[2],
                _ => {
                    let hint = lookup::hint(text, &CATEGORIES, &CATEGORIES);
                    return self.fail(
                        value.offset,
                        format!("there is no status category `{text}`{hint}"),
                    );
                }
            };
            names.push(Sql::Text(known.to_owned()));
        }
        let list = vec!["?"; names.len()].join(", ");
        self.parameters.extend(names);
        let not = if negated { "NOT " } else { "" };
        Ok(format!(
            "i.status_id {not}IN (SELECT s.id FROM issue_status s WHERE s.category IN ({list}))"
        ))
    }

    fn like(
        &mut self,
        clause: &Clause,
        field: &Field,
        value: &At<Value>,
        negated: bool,
    ) -> Result<String, JqlError> {
        let Holds::Words { matches, empty } = &field.holds else {
            let message = format!("`{}` holds no text: use = or IN instead of ~", clause.field.value);
            return self.fail(clause.field.offset, message);
        };
        let words = self.plain(value)?;
        if !has_words(words) {
            return self.fail(value.offset, "expected at least one word to find");
        }
        self.parameters.push(Sql::Text(words.to_owned()));
        Ok(match (negated, empty) {
            (false, _) => (*matches).to_owned(),
            (true, Some(empty)) => format!("(NOT {matches} AND NOT ({empty}))"),
            (true, None) => format!("(NOT {matches})"),
        })
    }

    fn compare(
        &mut self,
        clause: &Clause,
        field: &Field,
        comparison: Comparison,
        value: &At<Value>,
    ) -> Result<String, JqlError> {
        let symbol = comparison.symbol();
        match &field.holds {
            Holds::Instant { column } => {
                let equality = matches!(comparison, Comparison::Eq | Comparison::Ne);
                Ok(match self.moment(value)? {
                    // "On that day"; the other comparisons take a day as its first instant, as Jira does.
                    Moment::Day(day) if equality => {
                        self.parameters.push(Sql::Text(day.to_string()));
                        format!("substr({column}, 1, 10) {symbol} ?")
                    }
                    moment => {
                        self.parameters.push(Sql::Text(instant_text(moment.instant())));
                        format!("{column} {symbol} ?")
                    }
                })
            }
            Holds::Day { column } => {
                let day = self.moment(value)?.day();
                self.parameters.push(Sql::Text(day.to_string()));
                Ok(format!("{column} {symbol} ?"))
            }
            Holds::Number { column } => {
                let text = self.plain(value)?;
                let Some(number) = text.parse::<f64>().ok().filter(|number| number.is_finite()) else {
                    return self.fail(value.offset, format!("`{text}` is no number"));
                };
                self.parameters.push(Sql::Real(number));
                Ok(format!("{column} {symbol} ?"))
            }
            Holds::One {
                kind,
                rank: Some(rank),
                ..
            } => {
                let ids = self.ids(*kind, std::slice::from_ref(value))?;
                self.parameters
                    .extend(ids.ids.first().map(|id| Sql::Integer(*id)));
                // The lower the rank, the higher the priority.
                let symbol = flipped(comparison);
                Ok(format!(
                    "{rank} {symbol} (SELECT q.rank FROM issue_priority q WHERE q.id = ?)"
                ))
            }
            _ => self.fail(
                clause.field.offset,
                format!(
                    "`{}` has no order: {symbol} cannot be used, use = != IN or NOT IN",
                    clause.field.value
                ),
            ),
        }
    }

    fn bind_all(&mut self, ids: &[i64]) -> String {
        self.parameters.extend(ids.iter().map(|id| Sql::Integer(*id)));
        vec!["?"; ids.len()].join(", ")
    }

    fn order(&self, query: &Query) -> Result<String, JqlError> {
        if query.order.is_empty() {
            return Ok("i.created_at DESC, i.id DESC".to_owned());
        }
        let mut keys = Vec::new();
        for key in &query.order {
            let field = self.field(&key.field)?;
            let Some(order) = field.order else {
                let message = format!("cannot order by `{}`", key.field.value);
                return self.fail(key.field.offset, message);
            };
            let direction = if key.descending { "DESC" } else { "ASC" };
            // Issues without a value come last either way: nobody asks to see them first.
            keys.extend(
                order
                    .split(", ")
                    .map(|part| format!("{part} {direction} NULLS LAST")),
            );
        }
        keys.push("i.id ASC".to_owned());
        Ok(keys.join(", "))
    }
}

impl Field {
    /// Whether `=` compares by value rather than by looking names up.
    fn is_ordered(&self) -> bool {
        matches!(
            self.holds,
            Holds::Instant { .. } | Holds::Day { .. } | Holds::Number { .. }
        )
    }
}

/// The comparison seen from the other side: a < b is b > a.
fn flipped(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Lt => ">",
        Comparison::Le => ">=",
        Comparison::Gt => "<",
        Comparison::Ge => "<=",
        other => other.symbol(),
    }
}
