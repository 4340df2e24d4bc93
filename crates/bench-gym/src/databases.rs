//! Every live database by its id: found, made from the template, seeded, cloned, reset, deleted.
//!
//! The template is the sample world, built once from the two SQL files in `data/`. A database with an
//! unknown id is made from it on first use, as public gyms do. The map is locked for a look-up only; each
//! database has a lock of its own, which may be held across an await by whoever uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use thiserror::Error;
use tokio::sync::Mutex;

use crate::database::{Database, Image};

/// How many databases may live at once unless told otherwise.
pub const DEFAULT_MAX_DATABASES: usize = 20_000;

/// The SQL that builds the sample world on an empty database: tables first, then rows.
pub fn sample_data_sql() -> &'static str {
    concat!(
        include_str!("../data/schema.sql"),
        "\n",
        include_str!("../data/sample.sql")
    )
}

/// The name of a database: 1 to 128 characters of `A-Z a-z 0-9 . _ -`.
///
/// ```
/// use bench_gym::DatabaseId;
///
/// assert!("0b9f-trial.7".parse::<DatabaseId>().is_ok());
/// assert!("../etc/passwd".parse::<DatabaseId>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseId(String);

impl DatabaseId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for DatabaseId {
    /// `default`: the database of requests that name none.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DatabaseId {
    type Err = DatabaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=128).contains(&text.len()) && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(DatabaseError::BadId {
                given: text.chars().take(40).collect(),
            })
        }
    }
}

/// Why a database could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The id is empty, too long or has a character that is not allowed.
    #[error("`{given}` is no database id; use 1 to 128 characters of A-Z a-z 0-9 . _ -")]
    BadId {
        /// What was sent, at most its first 40 characters.
        given: String,
    },
    /// Nobody has used, seeded or cloned a database under this id.
    #[error("there is no database `{id}`; use it once, seed it or clone one")]
    Unknown {
        /// The id asked for.
        id: DatabaseId,
    },
    /// The server holds as many databases as it may.
    #[error("{live} databases are live, which is the limit; delete those you have finished with")]
    TooMany {
        /// How many are live.
        live: usize,
    },
    /// `SQLite` refused, usually because the SQL of a seed is wrong.
    #[error("the database refused: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// One database, to be locked while it is used.
pub(crate) type Shared = Arc<Mutex<Database>>;

/// All live databases of a server.
pub struct Databases {
    template: Image,
    live: RwLock<BTreeMap<DatabaseId, Shared>>,
    max: usize,
}

impl fmt::Debug for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Databases")
            .field("live", &self.len())
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

impl Databases {
    /// An empty set that holds at most `max` databases.
    ///
    /// # Errors
    /// [`DatabaseError::Sqlite`] if the template cannot be built, which means that `SQLite` is out of memory.
    pub(crate) fn new(max: usize) -> Result<Self, DatabaseError> {
        let template = Image::from_sql(sample_data_sql())?;
        tracing::debug!(bytes = template.len(), "tracker template built");
        Ok(Self {
            template,
            live: RwLock::default(),
            max,
        })
    }

    /// How many databases are live.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether none is live.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// The ids of all live databases, sorted.
    pub fn ids(&self) -> Vec<DatabaseId> {
        self.read().keys().cloned().collect()
    }

    /// The database `id`, made from the template if it is new.
    pub(crate) fn get(&self, id: &DatabaseId) -> Result<Shared, DatabaseError> {
        if let Some(found) = self.read().get(id) {
            return Ok(Arc::clone(found));
        }
        let fresh = Arc::new(Mutex::new(Database::open(&self.template)?));
        let mut live = self.write();
        // Two first uses may race here; the one that comes second takes what the other made.
        if let Some(found) = live.get(id) {
            return Ok(Arc::clone(found));
        }
        Self::make_room(&live, self.max)?;
        live.insert(id.clone(), Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Replaces `id` by what `sql` builds on an empty database; by the sample world if `sql` is blank.
    /// When the SQL fails, the old database stays as it was.
    pub(crate) fn seed(&self, id: &DatabaseId, sql: &str) -> Result<(), DatabaseError> {
        let database = if sql.trim().is_empty() {
            Database::open(&self.template)?
        } else {
            Database::open(&Image::from_sql(sql)?)?
        };
        self.put(id, database)
    }

    /// Makes `target` a copy of `source`, replacing it if it exists.
    pub(crate) async fn clone_database(
        &self,
        source: &DatabaseId,
        target: &DatabaseId,
    ) -> Result<(), DatabaseError> {
        let found = self.read().get(source).map(Arc::clone);
        let found = found.ok_or_else(|| DatabaseError::Unknown { id: source.clone() })?;
        let image = found.lock().await.image()?;
        self.put(target, Database::open(&image)?)
    }

    /// Forgets `id`. Whoever still holds it keeps it until they let go.
    pub(crate) fn delete(&self, id: &DatabaseId) -> Result<(), DatabaseError> {
        match self.write().remove(id) {
            Some(_) => Ok(()),
            None => Err(DatabaseError::Unknown { id: id.clone() }),
        }
    }

    fn put(&self, id: &DatabaseId, database: Database) -> Result<(), DatabaseError> {
        let mut live = self.write();
        if !live.contains_key(id) {
            Self::make_room(&live, self.max)?;
        }
        live.insert(id.clone(), Arc::new(Mutex::new(database)));
        Ok(())
    }

    fn make_room(live: &BTreeMap<DatabaseId, Shared>, max: usize) -> Result<(), DatabaseError> {
        if live.len() < max {
            Ok(())
        } else {
            Err(DatabaseError::TooMany { live: live.len() })
        }
    }

    // The map is whole after a panic elsewhere: entries are inserted and removed in one step.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<DatabaseId, Shared>> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<DatabaseId, Shared>> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }
}
