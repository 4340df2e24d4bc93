//! The tree of a JQL query, and its text form.
//!
//! `Display` writes a query that parses to an equal tree. Positions ([`At`]) serve error messages only and
//! take no part in comparisons.

use std::fmt;

/// Something with the byte offset at which it stands in the query.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// What stands there.
    pub value: T,
    /// Bytes from the start of the query.
    pub offset: usize,
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A whole query: which issues, in which order.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Which issues; `None` means all.
    pub filter: Option<Expr>,
    /// Sort keys, most important first; none means newest first.
    pub order: Vec<OrderKey>,
}

/// A condition on an issue.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// All of at least two conditions.
    And(Vec<Expr>),
    /// Any of at least two conditions.
    Or(Vec<Expr>),
    /// The opposite of a condition.
    Not(Box<Expr>),
    /// A test of one field.
    Clause(Clause),
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// The field as written.
    pub field: At<String>,
    /// What is asked of it.
    pub test: Test,
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `= x`, `< x`, `~ x`, …
    Compare(Comparison, At<Value>),
    /// `IN (x, y)` and `NOT IN (x, y)`.
    OneOf {
        /// `NOT IN`.
        negated: bool,
        /// The list; never empty.
        values: Vec<At<Value>>,
    },
    /// `IS EMPTY` and `IS NOT EMPTY`.
    Empty {
        /// `IS NOT EMPTY`.
        negated: bool,
    },
}

/// How a field is compared with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `~`: contains the words
    Like,
    /// `!~`: does not contain the words
    NotLike,
}

impl Comparison {
    /// The comparison that holds exactly when this one does not.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Ge => Self::Lt,
            Self::Gt => Self::Le,
            Self::Le => Self::Gt,
            Self::Like => Self::NotLike,
            Self::NotLike => Self::Like,
        }
    }

    /// The operator as written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Like => "~",
            Self::NotLike => "!~",
        }
    }
}

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A word or a quoted text.
    Text(String),
    /// `currentUser()`, `startOfDay(-1d)`, …
    Call {
        /// The function's name.
        name: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// `EMPTY` or `NULL` inside a list.
    Empty,
}

/// One key of `ORDER BY`.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderKey {
    /// The field as written.
    pub field: At<String>,
    /// `DESC`.
    pub descending: bool,
}

/// Words that mean something to the grammar and need quotes to be a field or a value.
pub(super) const KEYWORDS: [&str; 14] = [
    "and", "or", "not", "in", "is", "empty", "null", "order", "by", "asc", "desc", "was", "changed", "during",
];

/// Characters that may stand in a word without quotes.
pub(super) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || "_-.@/:+*#%$".contains(c)
}

pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// Writes `text` as a word where it is one, in quotes elsewhere.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if !text.is_empty() && text.chars().all(is_word_char) && !is_keyword(text) {
        return f.write_str(text);
    }
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("\"")
}

/// Writes `items` with `separator` between them.
fn write_joined<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    separator: &str,
    mut write_item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        write_item(f, item)?;
    }
    Ok(())
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write_text(f, text),
            Self::Call { name, arguments } => {
                write!(f, "{name}(")?;
                write_joined(f, arguments, ", ", |f, argument| write_text(f, argument))?;
                f.write_str(")")
            }
            Self::Empty => f.write_str("EMPTY"),
        }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, &self.field.value)?;
        match &self.test {
            Test::Compare(comparison, value) => write!(f, " {} {}", comparison.symbol(), value.value),
            Test::OneOf { negated, values } => {
                f.write_str(if *negated { " NOT IN (" } else { " IN (" })?;
                write_joined(f, values, ", ", |f, value| write!(f, "{}", value.value))?;
                f.write_str(")")
            }
            Test::Empty { negated: false } => f.write_str(" IS EMPTY"),
            Test::Empty { negated: true } => f.write_str(" IS NOT EMPTY"),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parentheses around every compound part: never wrong, and a reader need not know precedence.
        let part = |f: &mut fmt::Formatter<'_>, expr: &Self| match expr {
            Self::Clause(clause) => write!(f, "{clause}"),
            compound => write!(f, "({compound})"),
        };
        match self {
            Self::And(parts) => write_joined(f, parts, " AND ", part),
            Self::Or(parts) => write_joined(f, parts, " OR ", part),
            Self::Not(inner) => {
                f.write_str("NOT ")?;
                part(f, inner)
            }
            Self::Clause(clause) => write!(f, "{clause}"),
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(filter) = &self.filter {
            write!(f, "{filter}")?;
        }
        if self.order.is_empty() {
            return Ok(());
        }
        f.write_str(if self.filter.is_some() {
            " ORDER BY "
        } else {
            "ORDER BY "
        })?;
        write_joined(f, &self.order, ", ", |f, key| {
            write_text(f, &key.field.value)?;
            f.write_str(if key.descending { " DESC" } else { " ASC" })
        })
    }
}
