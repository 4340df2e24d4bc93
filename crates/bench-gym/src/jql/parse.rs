//! The grammar: text to [`Query`].
//!
//! ```text
//! query  = [ or ] [ "ORDER" "BY" key { "," key } ]
//! or     = and { "OR" and }            and = not { "AND" not }
//! not    = "NOT" not | "(" or ")" | clause
//! clause = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" ) value
//!        | field [ "NOT" ] "IN" ( "(" value { "," value } ")" | call ) | field "IS" [ "NOT" ] "EMPTY"
//! value  = word | quoted text | name "(" [ argument { "," argument } ] ")" | "EMPTY"
//! ```
//! Keywords are read in any case; `&&`, `||` and `!` stand for AND, OR and NOT, `NULL` for EMPTY.

use winnow::Parser;
use winnow::ascii::multispace0;
use winnow::combinator::{alt, opt, peek, preceded, repeat, separated, terminated};
use winnow::error::{ErrMode, ParserError};
use winnow::stream::{LocatingSlice, Location, Stateful, Stream};
use winnow::token::{any, take_while};

use super::ast::{At, Clause, Comparison, Expr, OrderKey, Query, Test, Value, is_keyword, is_word_char};
use super::error::JqlError;

/// Longest query, in bytes.
const MAX_QUERY_BYTES: usize = 16 * 1024;
/// Deepest nesting of parentheses and NOT; the parser recurses once for each.
const MAX_DEPTH: u32 = 64;

/// Reads a query. An empty one means all issues.
///
/// ```
/// let query = bench_gym::jql::parse("project = web && !(labels in (ux, cost)) order by due desc")?;
/// assert_eq!(query.to_string(), "project = web AND (NOT labels IN (ux, cost)) ORDER BY due DESC");
/// # Ok::<(), bench_gym::jql::JqlError>(())
/// ```
///
/// # Errors
/// [`JqlError`] with the place of the first mistake.
pub fn parse(text: &str) -> Result<Query, JqlError> {
    if text.len() > MAX_QUERY_BYTES {
        let message = format!(
            "a query may have at most {MAX_QUERY_BYTES} bytes, this one has {}",
            text.len()
        );
        return Err(JqlError::new(text, 0, message));
    }
    let input = Input {
        input: LocatingSlice::new(text),
        state: Depth(0),
    };
    // Trailing input never surprises `parse`: `query` itself asks for the end.
    query.parse(input).map_err(|error| {
        let fail = error.into_inner();
        JqlError::new(text, fail.offset, fail.message)
    })
}

type Input<'i> = Stateful<LocatingSlice<&'i str>, Depth>;
type Parsed<T> = Result<T, ErrMode<Fail>>;

#[derive(Clone, Copy, Debug)]
struct Depth(u32);

/// What went wrong where; the message is ours, not the library's.
#[derive(Clone, Debug)]
struct Fail {
    offset: usize,
    message: String,
}

impl<'i> ParserError<Input<'i>> for Fail {
    type Inner = Self;

    fn from_input(input: &Input<'i>) -> Self {
        Self {
            offset: input.current_token_start(),
            message: "not understood".to_owned(),
        }
    }

    fn into_inner(self) -> Result<Self::Inner, Self> {
        Ok(self)
    }
}

/// Stops for good, with a message for the place where `input` stands.
fn stop<T>(input: &Input<'_>, message: impl Into<String>) -> Parsed<T> {
    stop_at(input.current_token_start(), message)
}

fn stop_at<T>(offset: usize, message: impl Into<String>) -> Parsed<T> {
    Err(ErrMode::Cut(Fail {
        offset,
        message: message.into(),
    }))
}

fn query(input: &mut Input<'_>) -> Parsed<Query> {
    multispace0.parse_next(input)?;
    let starts_with_order = peek(opt(order_by)).parse_next(input)?.is_some();
    let filter = if starts_with_order || input.eof_offset() == 0 {
        None
    } else {
        Some(or_expr.parse_next(input)?)
    };
    let order = opt(preceded(order_by, separated(1.., order_key, symbol(",")))).parse_next(input)?;
    if input.eof_offset() > 0 {
        let wanted = if order.is_some() {
            "`,` or the end"
        } else {
            "AND, OR, ORDER BY or the end"
        };
        return stop(input, format!("expected {wanted}"));
    }
    Ok(Query {
        filter,
        order: order.unwrap_or_default(),
    })
}

fn order_by(input: &mut Input<'_>) -> Parsed<()> {
    (keyword("order"), keyword("by")).void().parse_next(input)
}

fn order_key(input: &mut Input<'_>) -> Parsed<OrderKey> {
    let field = field(input)?;
    let direction = opt(alt((keyword("asc").value(false), keyword("desc").value(true)))).parse_next(input)?;
    Ok(OrderKey {
        field,
        descending: direction.unwrap_or(false),
    })
}

fn or_expr(input: &mut Input<'_>) -> Parsed<Expr> {
    let parts: Vec<Expr> = separated(1.., and_expr, alt((keyword("or"), symbol("||")))).parse_next(input)?;
    Ok(joined(parts, Expr::Or))
}

fn and_expr(input: &mut Input<'_>) -> Parsed<Expr> {
    let parts: Vec<Expr> = separated(1.., not_expr, alt((keyword("and"), symbol("&&")))).parse_next(input)?;
    Ok(joined(parts, Expr::And))
}

/// A single part stands for itself.
fn joined(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}

fn not_expr(input: &mut Input<'_>) -> Parsed<Expr> {
    if input.state.0 >= MAX_DEPTH {
        return stop(input, format!("nested deeper than {MAX_DEPTH} levels"));
    }
    input.state.0 += 1;
    let negated = opt(alt((keyword("not"), symbol("!"))))
        .parse_next(input)?
        .is_some();
    let expr = if negated {
        Expr::Not(Box::new(not_expr(input)?))
    } else if opt(symbol("(")).parse_next(input)?.is_some() {
        let inner = or_expr(input)?;
        if opt(symbol(")")).parse_next(input)?.is_none() {
            return stop(input, "expected AND, OR or `)`");
        }
        inner
    } else {
        Expr::Clause(clause(input)?)
    };
    input.state.0 -= 1;
    Ok(expr)
}

fn clause(input: &mut Input<'_>) -> Parsed<Clause> {
    let field = field(input)?;
    if opt(keyword("is")).parse_next(input)?.is_some() {
        let negated = opt(keyword("not")).parse_next(input)?.is_some();
        if opt(empty).parse_next(input)?.is_none() {
            return stop(input, "expected EMPTY after IS");
        }
        return Ok(Clause {
            field,
            test: Test::Empty { negated },
        });
    }
    let negated_in = opt((keyword("not"), keyword("in"))).parse_next(input)?.is_some();
    if negated_in || opt(keyword("in")).parse_next(input)?.is_some() {
        let values = list(input)?;
        return Ok(Clause {
            field,
            test: Test::OneOf {
                negated: negated_in,
                values,
            },
        });
    }
    let comparison = comparison(input)?;
    let value = value(input)?;
    let test = match (comparison, &value.value) {
        (Comparison::Eq, Value::Empty) => Test::Empty { negated: false },
        (Comparison::Ne, Value::Empty) => Test::Empty { negated: true },
        (other, Value::Empty) => {
            return stop_at(
                value.offset,
                format!("`{}` cannot be used with EMPTY", other.symbol()),
            );
        }
        _ => Test::Compare(comparison, value),
    };
    Ok(Clause { field, test })
}

fn field(input: &mut Input<'_>) -> Parsed<At<String>> {
    let offset = input.current_token_start();
    match opt(alt((quoted, word))).parse_next(input)? {
        Some(value) => Ok(At { value, offset }),
        None => stop(input, "expected a field"),
    }
}

fn comparison(input: &mut Input<'_>) -> Parsed<Comparison> {
    let start = input.checkpoint();
    let found = opt(alt((
        symbol("!=").value(Comparison::Ne),
        symbol("!~").value(Comparison::NotLike),
        symbol("<=").value(Comparison::Le),
        symbol(">=").value(Comparison::Ge),
        symbol("==").value(Comparison::Eq),
        symbol("=").value(Comparison::Eq),
        symbol("<").value(Comparison::Lt),
        symbol(">").value(Comparison::Gt),
        symbol("~").value(Comparison::Like),
    )))
    .parse_next(input)?;
    if let Some(found) = found {
        return Ok(found);
    }
    let history = opt(alt((keyword("was"), keyword("changed"), keyword("during")))).parse_next(input)?;
    input.reset(&start);
    let hint = if history.is_some() {
        "WAS, CHANGED and DURING are not supported, use get_issue_changelog; expected"
    } else {
        "expected"
    };
    stop(
        input,
        format!("{hint} one of = != < <= > >= ~ !~ IN, NOT IN, IS EMPTY, IS NOT EMPTY"),
    )
}

/// The right side of IN: a list in parentheses, or a function that stands for one.
fn list(input: &mut Input<'_>) -> Parsed<Vec<At<Value>>> {
    if opt(symbol("(")).parse_next(input)?.is_none() {
        let single = value(input)?;
        return match single.value {
            Value::Call { .. } => Ok(vec![single]),
            _ => stop_at(single.offset, "expected `(` after IN"),
        };
    }
    let values = separated(1.., value, symbol(",")).parse_next(input)?;
    if opt(symbol(")")).parse_next(input)?.is_none() {
        return stop(input, "expected `,` or `)`");
    }
    Ok(values)
}

fn value(input: &mut Input<'_>) -> Parsed<At<Value>> {
    let offset = input.current_token_start();
    if opt(empty).parse_next(input)?.is_some() {
        return Ok(At {
            value: Value::Empty,
            offset,
        });
    }
    if let Some(text) = opt(quoted).parse_next(input)? {
        return Ok(At {
            value: Value::Text(text),
            offset,
        });
    }
    let Some(name) = opt(word).parse_next(input)? else {
        return stop(input, "expected a value");
    };
    if opt(symbol("(")).parse_next(input)?.is_none() {
        return Ok(At {
            value: Value::Text(name),
            offset,
        });
    }
    let arguments = separated(0.., alt((quoted, word)), symbol(",")).parse_next(input)?;
    if opt(symbol(")")).parse_next(input)?.is_none() {
        return stop(input, "expected `,` or `)`");
    }
    Ok(At {
        value: Value::Call { name, arguments },
        offset,
    })
}

fn empty(input: &mut Input<'_>) -> Parsed<()> {
    alt((keyword("empty"), keyword("null"))).parse_next(input)
}

/// A word that is no keyword, and the blanks after it.
fn word(input: &mut Input<'_>) -> Parsed<String> {
    terminated(
        take_while(1.., is_word_char).verify(|word: &str| !is_keyword(word)),
        multispace0,
    )
    .map(str::to_owned)
    .parse_next(input)
}

/// Text in double or single quotes, `\` before a quote or a backslash, and the blanks after it.
fn quoted(input: &mut Input<'_>) -> Parsed<String> {
    let offset = input.current_token_start();
    let quote = alt(('"', '\'')).parse_next(input)?;
    let plain = take_while(1.., move |c| c != quote && c != '\\').map(str::to_owned);
    let escaped = preceded('\\', any).map(|c: char| match c {
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        other => other.to_string(),
    });
    let text: Vec<String> = repeat(0.., alt((plain, escaped))).parse_next(input)?;
    if opt(quote).parse_next(input)?.is_none() {
        return stop_at(offset, "this quote is never closed");
    }
    multispace0.parse_next(input)?;
    Ok(text.concat())
}

/// A keyword in any case, as a whole word, and the blanks after it.
fn keyword<'i>(name: &'static str) -> impl Parser<Input<'i>, (), ErrMode<Fail>> {
    terminated(
        take_while(1.., is_word_char).verify(move |word: &str| word.eq_ignore_ascii_case(name)),
        multispace0,
    )
    .void()
}

/// Punctuation, and the blanks after it.
fn symbol<'i>(text: &'static str) -> impl Parser<Input<'i>, (), ErrMode<Fail>> {
    terminated(text, multispace0).void()
}
