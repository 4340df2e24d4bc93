//! One tracker database: an in-memory `SQLite` connection and its clock.
//!
//! A database is opened from an [`Image`] (the bytes of a whole `SQLite` file), which takes a fraction of a
//! millisecond, and can be turned back into one. Its clock does not follow the wall: it starts at
//! [`CLOCK_START`] and advances by one second per change, so equal runs leave equal states. Many databases
//! side by side are the business of [`crate::databases`]; queries from outside go through [`crate::sql`].

use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, MAIN_DB};

use crate::jql::text_matches;

/// When a tracker's clock starts, in seconds since 1970: 2025-12-01T09:00:00Z, a Monday just after the
/// newest entry of the sample data.
pub const CLOCK_START: i64 = 1_764_579_600;

/// Longest text, blob or row `SQLite` will build, in bytes.
const MAX_VALUE_BYTES: i32 = 8 << 20;
/// Longest SQL statement, in bytes. Seeds are not bound by it.
const MAX_STATEMENT_BYTES: i32 = 256 << 10;
/// How many prepared statements a connection keeps: about as many as the tools have.
const CACHED_STATEMENTS: usize = 64;
/// How long the SQL of one seed may run.
const SEED_DEADLINE: Duration = Duration::from_mins(1);
/// Virtual machine steps between two looks at the deadline: well under a millisecond.
pub(crate) const STEPS_PER_CHECK: i32 = 2_000;

/// The bytes of a whole database: what a new database is cloned from.
#[derive(Clone)]
pub(crate) struct Image {
    bytes: Vec<u8>,
    /// How many seconds the clock of the source had advanced.
    ticks: i64,
}

impl Image {
    /// Runs `sql` on an empty database and keeps the result.
    ///
    /// Nothing outside the database can be reached: attaching files is refused and pragmas do nothing.
    pub(crate) fn from_sql(sql: &str) -> rusqlite::Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        // Small pages: most of the tables hold a few rows, and every clone pays for every page.
        connection.execute_batch("PRAGMA page_size = 1024; PRAGMA foreign_keys = ON;")?;
        connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => Authorization::Deny,
            AuthAction::Pragma { .. } => Authorization::Ignore,
            _ => Authorization::Allow,
        }))?;
        let deadline = Instant::now() + SEED_DEADLINE;
        connection.progress_handler(STEPS_PER_CHECK, Some(move || Instant::now() > deadline))?;
        connection.execute_batch(sql)?;
        // A dump that forgot its COMMIT must not be half a database.
        if !connection.is_autocommit() {
            connection.execute_batch("COMMIT")?;
        }
        // Serializing asks pragmas itself.
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        let bytes = connection.serialize(MAIN_DB)?.to_vec();
        Ok(Self { bytes, ticks: 0 })
    }

    /// Size in bytes: what each clone costs in memory.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// A tracker's database and its clock.
pub(crate) struct Database {
    connection: Connection,
    ticks: i64,
}

impl Database {
    /// A private copy of `image`.
    pub(crate) fn open(image: &Image) -> rusqlite::Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        if !image.bytes.is_empty() {
            let bytes = image.bytes.as_slice();
            connection.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false)?;
        }
        connection.pragma_update(None, "foreign_keys", true)?;
        // Plans must not depend on bound values: `SQLite` would prepare every cached statement anew for each
        // new value, which takes ten times as long as running it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)?;
        connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_STATEMENT_BYTES)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        connection.create_scalar_function("text_matches", 2, flags, |context| {
            let text = context.get::<Option<String>>(0)?;
            let words = context.get::<String>(1)?;
            Ok(text.map(|text| text_matches(&text, &words)))
        })?;
        Ok(Self {
            connection,
            ticks: image.ticks,
        })
    }

    /// A copy of everything, clock included.
    pub(crate) fn image(&mut self) -> rusqlite::Result<Image> {
        Ok(Image {
            bytes: self.connection.serialize(MAIN_DB)?.to_vec(),
            ticks: self.ticks,
        })
    }

    /// The raw connection, for reading and for SQL from outside.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Does `work` in one transaction: all of it, with its ticks of the clock, or nothing.
    pub(crate) fn transaction<T, E: From<rusqlite::Error>>(
        &mut self,
        work: impl FnOnce(&Connection, &mut Clock) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.connection.transaction()?;
        let mut clock = Clock { ticks: self.ticks };
        let value = work(&transaction, &mut clock)?;
        transaction.commit()?;
        self.ticks = clock.ticks;
        Ok(value)
    }
}

/// The time inside a tracker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    ticks: i64,
}

impl Clock {
    /// The present instant.
    pub(crate) fn now(self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(CLOCK_START + self.ticks)
    }

    /// Advances by one second and returns the new instant as the tables spell it.
    pub(crate) fn tick(&mut self) -> String {
        self.ticks += 1;
        instant_text(self.now())
    }
}

/// An instant as the tables spell it: `2025-11-03T09:15:00Z`.
pub(crate) fn instant_text(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(database: &mut Database) -> i64 {
        database
            .connection()
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn a_failed_transaction_takes_its_rows_and_its_ticks_back() {
        let mut database = Database::open(&Image::from_sql("CREATE TABLE t (a)").unwrap()).unwrap();
        let failed: rusqlite::Result<()> = database.transaction(|connection, clock| {
            clock.tick();
            connection.execute("INSERT INTO t VALUES (1)", [])?;
            connection.execute("INSERT INTO nowhere VALUES (1)", [])?;
            Ok(())
        });
        assert!(failed.is_err());
        assert_eq!((count(&mut database), database.ticks), (0, 0));
    }

    #[test]
    fn a_clone_owns_its_rows_and_keeps_the_clock() {
        let mut first = Database::open(&Image::from_sql("CREATE TABLE t (a)").unwrap()).unwrap();
        first
            .transaction::<_, rusqlite::Error>(|connection, clock| {
                assert_eq!(clock.tick(), "2025-12-01T09:00:01Z");
                connection.execute("INSERT INTO t VALUES (1)", [])
            })
            .unwrap();
        let mut second = Database::open(&first.image().unwrap()).unwrap();
        second
            .connection()
            .execute("INSERT INTO t VALUES (2)", [])
            .unwrap();
        assert_eq!((count(&mut first), count(&mut second), second.ticks), (1, 2, 1));
    }

    #[test]
    fn a_seed_cannot_reach_files_or_outlast_its_error() {
        let file = tempfile::tempdir().unwrap();
        let path = file.path().join("stolen.db");
        for sql in [
            format!("ATTACH DATABASE '{}' AS stolen", path.display()),
            format!("CREATE TABLE t (a); VACUUM INTO '{}'", path.display()),
            "CREATE TABLE t (a); INSERT INTO t VALUES (1); SELEKT 1".to_owned(),
        ] {
            assert!(Image::from_sql(&sql).is_err(), "{sql}");
        }
        assert!(!path.exists());
        let dump =
            "PRAGMA foreign_keys=OFF; BEGIN TRANSACTION; CREATE TABLE t (a); INSERT INTO t VALUES (1);";
        assert_eq!(
            count(&mut Database::open(&Image::from_sql(dump).unwrap()).unwrap()),
            1
        );
    }
}
