//! SQL from outside: the verifier's way to look at a database.
//!
//! One statement, a bounded time, a bounded answer. Reading only is enforced by `SQLite`'s authorizer, which
//! the statement cannot switch off, unlike `PRAGMA query_only`. Writing is possible where the server allows
//! it and the request asks for it; files, pragmas and transactions stay out of reach even then.

use std::fmt;
use std::time::{Duration, Instant};

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, Statement};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::database::STEPS_PER_CHECK;

/// What a statement may do and cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Whether it may change rows and tables.
    pub(crate) writable: bool,
    /// Most rows it may return.
    pub(crate) rows: usize,
    /// Most bytes of text and blobs it may return.
    pub(crate) bytes: usize,
    /// How long it may run.
    pub(crate) time: Duration,
}

impl Bounds {
    /// For reading: 10,000 rows, 16 MiB, 5 s.
    pub(crate) const READ: Self = Self {
        writable: false,
        rows: 10_000,
        bytes: 16 << 20,
        time: Duration::from_secs(5),
    };
}

/// What a statement returned.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Answer {
    /// Names of the columns, made distinct with a suffix where two are equal.
    pub(crate) columns: Vec<String>,
    /// One object per row.
    pub(crate) data: Vec<Map<String, Value>>,
}

/// Why a statement gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum SqlError {
    /// There is no statement, only blanks or comments.
    #[error("the query is empty")]
    Empty,
    /// There is a second statement.
    #[error("only one statement is allowed; remove what follows the first `;`")]
    SeveralStatements,
    /// The authorizer refused something.
    #[error("{0}; only SELECT is allowed here")]
    Forbidden(Refusal),
    /// Too many rows.
    #[error("more than {0} rows; add a LIMIT or count in SQL")]
    TooManyRows(usize),
    /// Too much text.
    #[error("the answer is larger than {0} bytes; select fewer columns or rows")]
    TooLarge(usize),
    /// Too slow.
    #[error("stopped after {0:?}; the query is too expensive")]
    TooSlow(Duration),
    /// `SQLite`'s own complaint.
    #[error("{0}")]
    Sqlite(rusqlite::Error),
}

/// `SQLite`'s message about what it did not authorize.
#[derive(Debug)]
pub(crate) struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs one statement.
pub(crate) fn run(connection: &mut Connection, sql: &str, bounds: Bounds) -> Result<Answer, SqlError> {
    let deadline = Instant::now() + bounds.time;
    let authorize = if bounds.writable { may_write } else { may_read };
    connection.authorizer(Some(authorize)).map_err(SqlError::Sqlite)?;
    connection
        .progress_handler(STEPS_PER_CHECK, Some(move || Instant::now() >= deadline))
        .map_err(SqlError::Sqlite)?;
    let answer = run_guarded(connection, sql, bounds);
    // The tools use the same connection and are bound by neither.
    connection
        .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
        .and_then(|()| connection.progress_handler(0, None::<fn() -> bool>))
        .map_err(SqlError::Sqlite)?;
    answer
}

/// Whether a query looks at no table, as `SELECT 1` does: a database without tables can answer it just as well.
///
/// No is also said where that cannot be told: of what `SQLite` cannot prepare, such as a query in another dialect,
/// and of queries of `SQLite`'s own tables.
pub fn touches_no_table(query: &str) -> bool {
    let lower = query.to_ascii_lowercase();
    if lower.contains("sqlite_") || lower.contains("pragma") {
        return false;
    }
    let Ok(connection) = Connection::open_in_memory() else {
        return false;
    };
    let mut batch = Batch::new(&connection, query);
    let first = batch.next();
    matches!(first, Ok(Some(statement)) if statement.readonly() && statement.column_count() > 0)
}

fn run_guarded(connection: &Connection, sql: &str, bounds: Bounds) -> Result<Answer, SqlError> {
    let mut batch = Batch::new(connection, sql);
    let mut statement = batch
        .next()
        .map_err(|error| explained(error, bounds))?
        .ok_or(SqlError::Empty)?;
    // What comes second need not even be valid to be refused.
    if !matches!(batch.next(), Ok(None)) {
        return Err(SqlError::SeveralStatements);
    }
    if !bounds.writable && !statement.readonly() {
        return Err(SqlError::Forbidden(Refusal("this statement writes".to_owned())));
    }
    collect(&mut statement, bounds)
}

fn collect(statement: &mut Statement<'_>, bounds: Bounds) -> Result<Answer, SqlError> {
    let columns = distinct(statement.column_names());
    let mut data = Vec::new();
    let mut bytes = 0;
    let mut rows = statement.raw_query();
    loop {
        let Some(row) = rows.next().map_err(|error| explained(error, bounds))? else {
            break;
        };
        if data.len() == bounds.rows {
            return Err(SqlError::TooManyRows(bounds.rows));
        }
        let mut object = Map::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let value = row.get_ref(index).map_err(SqlError::Sqlite)?;
            bytes += column.len() + size(value);
            object.insert(column.clone(), json(value));
        }
        if bytes > bounds.bytes {
            return Err(SqlError::TooLarge(bounds.bytes));
        }
        data.push(object);
    }
    Ok(Answer { columns, data })
}

/// Reading is selecting, from tables and through functions; everything else is refused.
fn may_read(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Function { .. }
        | AuthAction::Recursive => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

/// Writing stays inside the database and inside its own statement.
fn may_write(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Pragma { .. }
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Unknown { .. } => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

fn explained(error: rusqlite::Error, bounds: Bounds) -> SqlError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OperationInterrupted) => SqlError::TooSlow(bounds.time),
        Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
            SqlError::Forbidden(Refusal(message(&error)))
        }
        _ => SqlError::Sqlite(error),
    }
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// `count(*)`, `count(*)` becomes `count(*)`, `count(*)_2`: an object cannot hold a name twice.
fn distinct<'s>(names: impl IntoIterator<Item = &'s str>) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for name in names {
        let mut candidate = name.to_owned();
        let mut number = 2;
        while columns.contains(&candidate) {
            candidate = format!("{name}_{number}");
            number += 1;
        }
        columns.push(candidate);
    }
    columns
}

fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(bytes) => bytes.len(),
        ValueRef::Blob(bytes) => 2 * bytes.len(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 8,
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .collect()
}

/// Numbers as numbers, blobs as hexadecimal text. JSON has no infinity: it becomes null.
fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into(),
        ValueRef::Blob(bytes) => hex(bytes).into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (a, b); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1, 'x'), (2, NULL)",
            )
            .unwrap();
        connection
    }

    #[test]
    fn only_what_a_database_without_tables_can_answer_touches_none() {
        for (query, want) in [
            ("SELECT 1", true),
            ("SELECT count(*) FROM (SELECT 1 UNION SELECT 2)", true),
            ("WITH a(n) AS (VALUES (1), (2)) SELECT sum(n) FROM a", true),
            ("SELECT value FROM json_each('[1, 2]')", true),
            ("SELECT 1 -- FROM issue", true),
            ("SELECT 'closed' || ' FROM t'", true),
            ("SELECT 1 FROM t", false),
            ("SELECT (SELECT a FROM t)", false),
            ("WITH a AS (SELECT * FROM t) SELECT 1 FROM a", false),
            ("SELECT count(*) FROM sqlite_schema", false),
            ("SELECT now()::date", false),
            ("SELECT", false),
            ("", false),
            ("CREATE TABLE x (a)", false),
        ] {
            assert_eq!(touches_no_table(query), want, "{query}");
        }
    }

    fn read(sql: &str) -> Result<Answer, SqlError> {
        run(&mut connection(), sql, Bounds::READ)
    }

    #[test]
    fn values_keep_their_types_and_columns_their_names() {
        let answer =
            read("SELECT a, b, a * 0.5 AS half, x'0aff' AS blob, count(*) OVER (), 1e999 FROM t; -- done");
        let answer = answer.unwrap();
        assert_eq!(
            answer.columns,
            ["a", "b", "half", "blob", "count(*) OVER ()", "1e999"]
        );
        assert_eq!(
            serde_json::to_value(&answer.data).unwrap(),
            json!([
                {"a": 1, "b": "x", "half": 0.5, "blob": "0aff", "count(*) OVER ()": 2, "1e999": null},
                {"a": 2, "b": null, "half": 1.0, "blob": "0aff", "count(*) OVER ()": 2, "1e999": null},
            ])
        );
        assert_eq!(
            read("SELECT 1 AS a, 2 AS a, 3 AS a_2").unwrap().columns,
            ["a", "a_2", "a_2_2"]
        );
    }

    #[test]
    fn nothing_but_reading_gets_past_the_authorizer() {
        for sql in [
            "INSERT INTO t VALUES (3, 3)",
            "UPDATE t SET a = 9",
            "DELETE FROM t",
            "REPLACE INTO t VALUES (1, 1)",
            "DROP TABLE t",
            "CREATE TABLE u (a)",
            "CREATE TEMP TABLE u (a)",
            "CREATE VIEW v AS SELECT 1",
            "ALTER TABLE t ADD COLUMN c",
            "ATTACH DATABASE ':memory:' AS other",
            "PRAGMA query_only = off",
            "PRAGMA writable_schema = on",
            "PRAGMA table_info(t)",
            "SELECT * FROM pragma_query_only",
            "BEGIN",
            "COMMIT",
            "SAVEPOINT s",
            "VACUUM",
            "VACUUM INTO '/tmp/bench-gym-stolen.db'",
            "REINDEX",
            "ANALYZE",
            "WITH w AS (SELECT 1) INSERT INTO t SELECT 1, 1 FROM w",
            "EXPLAIN INSERT INTO t VALUES (3, 3)",
            "SELECT load_extension('x')",
        ] {
            let mut connection = connection();
            let error = run(&mut connection, sql, Bounds::READ).expect_err(sql);
            assert!(!error.to_string().is_empty(), "{sql}");
            let rows: (i64, i64) = connection
                .query_row("SELECT count(*), sum(a) FROM t", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .unwrap();
            assert_eq!(rows, (2, 3), "{sql} left a trace");
            assert!(connection.is_autocommit(), "{sql} left a transaction open");
            // The tools, which come after, are not bound.
            connection.execute("INSERT INTO t VALUES (4, 4)", []).unwrap();
        }
    }

    #[test]
    fn reading_reaches_joins_functions_recursion_and_the_schema() {
        for (sql, expected) in [
            ("SELECT count(*) AS n FROM t x JOIN t y ON x.a <= y.a", json!(3)),
            (
                "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100) SELECT sum(n) FROM c",
                json!(5050),
            ),
            ("SELECT json_group_array(a) FROM t", json!("[1,2]")),
            ("SELECT name FROM sqlite_master", json!("t")),
            ("  /* a */ SELECT upper(b) FROM t WHERE b = 'x';  ", json!("X")),
            ("VALUES (7)", json!(7)),
        ] {
            let answer = read(sql).unwrap();
            assert_eq!(answer.data[0].values().next(), Some(&expected), "{sql}");
        }
    }

    #[test]
    fn one_statement_no_more_no_less() {
        assert!(matches!(read(""), Err(SqlError::Empty)));
        assert!(matches!(read(" -- nothing\n"), Err(SqlError::Empty)));
        assert!(matches!(
            read("SELECT 1; SELECT 2"),
            Err(SqlError::SeveralStatements)
        ));
        assert!(matches!(
            read("SELECT 1; DROP TABLE t"),
            Err(SqlError::SeveralStatements)
        ));
        assert!(matches!(
            read("SELECT 1; nonsense"),
            Err(SqlError::SeveralStatements)
        ));
        assert!(matches!(read("SELEKT 1"), Err(SqlError::Sqlite(_))));
        assert!(matches!(read("SELECT nope FROM t"), Err(SqlError::Sqlite(_))));
    }

    #[test]
    fn runaway_queries_end() {
        const FOREVER: &str = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)";
        let bounds = Bounds {
            rows: 10,
            bytes: 1000,
            ..Bounds::READ
        };
        let hasty = Bounds {
            time: Duration::from_millis(30),
            ..bounds
        };
        let error = |sql: &str| run(&mut connection(), sql, bounds).unwrap_err();
        assert!(matches!(
            error(&format!("{FOREVER} SELECT n FROM c")),
            SqlError::TooManyRows(10)
        ));
        assert!(matches!(
            error("SELECT hex(zeroblob(5000))"),
            SqlError::TooLarge(1000)
        ));
        // The deadline is gone with its query.
        let mut used = connection();
        let endless = run(&mut used, &format!("{FOREVER} SELECT count(*) FROM c"), hasty);
        assert!(matches!(endless, Err(SqlError::TooSlow(_))));
        assert!(run(&mut used, "SELECT 1", Bounds::READ).is_ok());
    }

    #[test]
    fn writing_where_allowed_stays_inside_the_database() {
        let bounds = Bounds {
            writable: true,
            ..Bounds::READ
        };
        let mut connection = connection();
        assert_eq!(
            run(&mut connection, "UPDATE t SET b = 'y' RETURNING a", bounds)
                .unwrap()
                .data
                .len(),
            2
        );
        for sql in [
            "ATTACH ':memory:' AS m",
            "PRAGMA foreign_keys = off",
            "BEGIN",
            "VACUUM INTO '/tmp/x.db'",
        ] {
            assert!(run(&mut connection, sql, bounds).is_err(), "{sql}");
        }
    }
}
