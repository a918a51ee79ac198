//! Where views are stored: `views.db` on SQLite, the schema `views` on PostgreSQL, behind one plain layer.
//!
//! The same SQL text with `$1` placeholders runs on both. Every build of a view has a table of its own, named
//! after the build's version; queries say `{table}` and get the table that serves now.

mod failure;
mod lock;
mod open;
mod postgres;
mod spot;
mod sqlite;
mod tx;
mod value;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use keyledger_events::store::{SqliteFile, answered, truncate_wal};
use sqlx::PgPool;

pub use open::OpenError;
pub use tx::Tx;
pub use value::{ColumnError, Row, Value};

use tx::Begin;

pub(crate) use failure::{is_locked, is_lost_connection, is_missing_table, is_refused_data};
pub(crate) use lock::BuildLocks;

use crate::bookkeeping;
use crate::error::QueryError;

/// How long the answer to a query is waited for.
const FETCH_MAX: Duration = Duration::from_secs(30);

/// The store of all views. Clones share their connections.
#[derive(Debug, Clone)]
pub struct ViewStore {
    database: Database,
    /// The version of each view that serves, as last read. Rebuilds in other processes change it.
    serving: Arc<RwLock<HashMap<String, i64>>>,
    /// Where files that serve as locks are; without a meaning on PostgreSQL.
    lock_folder: Arc<PathBuf>,
}

/// A database for what need not survive a power cut: the same statements with `$1` placeholders run on both engines.
/// Clones share its connections.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file.
    Sqlite(SqliteFile),
    /// A server.
    Postgres(PgPool),
}

impl Database {
    /// Begins a transaction: on SQLite with the write lock. A commit need not survive a power cut.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        match self {
            Self::Sqlite(file) => Tx::begin_sqlite(file).await,
            Self::Postgres(pool) => Tx::begin_postgres(pool, Begin::NOT_DURABLE).await,
        }
    }

    /// As [`Database::begin`], for much work in small pieces: on SQLite each statement runs on the thread that asks, which
    /// must be one that may be kept busy; on PostgreSQL the answer to none is waited for for long.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin_on_the_spot(&self) -> Result<Tx, sqlx::Error> {
        match self {
            Self::Sqlite(file) => Tx::begin_on_the_spot(file).await,
            Self::Postgres(pool) => Tx::begin_postgres(pool, Begin::NOT_DURABLE_QUICK).await,
        }
    }

    /// Runs a query outside any transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn fetch(&self, sql: String, args: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(file) => sqlite::fetch(&file.readers, sql, args).await,
            Self::Postgres(pool) => answered(FETCH_MAX, postgres::fetch(pool, sql, args)).await,
        }
    }

    /// Whether this is PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Leaves nothing of what was deleted or replaced before in the files: on SQLite, empties the log of changes. `false`
    /// when somebody would not let go of it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn leave_no_trace(&self) -> Result<bool, sqlx::Error> {
        match self {
            Self::Sqlite(file) => {
                let _nobody_writes = file.spot.turn().await;
                truncate_wal(&file.writer).await
            }
            Self::Postgres(_) => Ok(true),
        }
    }
}

/// The qualified name of a table of views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    schema: &'static str,
    name: String,
}

impl TableName {
    pub(crate) fn of(postgres: bool, view: &str, version: i64) -> Self {
        Self { schema: schema(postgres), name: format!("{view}_v{version}") }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        !self.schema.is_empty()
    }

    /// The name of one of its indexes, which live in the table's schema.
    pub(crate) fn index(&self, index: &str) -> String {
        format!("{}_{index}", self.name)
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.schema, self.name)
    }
}

fn schema(postgres: bool) -> &'static str {
    if postgres { "views." } else { "" }
}

impl ViewStore {
    fn new(database: Database, lock_folder: &Path) -> Self {
        Self { database, serving: Arc::default(), lock_folder: Arc::new(lock_folder.to_owned()) }
    }

    /// Begins a transaction: on SQLite with the write lock. Views can be computed again, but what a process knows of them
    /// must not be undone behind its back: a server of PostgreSQL that crashes and comes back would show rows from before
    /// a position that all processes have seen passed. (SQLite's last commits are lost with the machine, and so with all
    /// processes.)
    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        match &self.database {
            Database::Sqlite(file) => Tx::begin_sqlite(file).await,
            Database::Postgres(pool) => Tx::begin_postgres(pool, Begin::PATIENT).await,
        }
    }

    /// As [`ViewStore::begin`], for what follows the ledger all day long, in small pieces.
    pub(crate) async fn begin_quick(&self) -> Result<Tx, sqlx::Error> {
        match &self.database {
            Database::Sqlite(file) => Tx::begin_sqlite(file).await,
            Database::Postgres(pool) => Tx::begin_postgres(pool, Begin::QUICK).await,
        }
    }

    /// As [`ViewStore::begin_quick`], on a thread of its own: on SQLite each statement runs on the thread that asks.
    pub(crate) async fn begin_on_the_spot(&self) -> Result<Tx, sqlx::Error> {
        match &self.database {
            Database::Sqlite(file) => Tx::begin_on_the_spot(file).await,
            Database::Postgres(_) => self.begin_quick().await,
        }
    }

    /// Begins to read the store as it is at the first query, whatever changes meanwhile. It holds nobody up.
    pub(crate) async fn snapshot(&self) -> Result<Tx, sqlx::Error> {
        match &self.database {
            Database::Sqlite(file) => Tx::begin_sqlite_snapshot(&file.readers).await,
            Database::Postgres(pool) => Tx::begin_postgres(pool, Begin::SNAPSHOT).await,
        }
    }

    /// Runs a query outside any transaction.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn fetch(&self, sql: String, args: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        self.database.fetch(sql, args).await
    }

    /// See [`Database::leave_no_trace`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn leave_no_trace(&self) -> Result<bool, sqlx::Error> {
        self.database.leave_no_trace().await
    }

    /// Whether this is PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        self.database.is_postgres()
    }

    /// Runs a query over the serving table of `view`, which it calls `{table}`. A rebuild elsewhere may have
    /// dropped the table that we knew; then the bookkeeping names its successor.
    pub(crate) async fn query(&self, view: &'static str, sql: &str, args: Vec<Value>) -> Result<Vec<Row>, QueryError> {
        let table = self.serving_table(view).await?;
        match self.fetch(sql.replace("{table}", &table.to_string()), args.clone()).await {
            Err(error) if is_missing_table(&error) => {
                self.refresh_serving().await?;
                let table = self.serving_table(view).await?;
                Ok(self.fetch(sql.replace("{table}", &table.to_string()), args).await?)
            }
            other => Ok(other?),
        }
    }

    async fn serving_table(&self, view: &'static str) -> Result<TableName, QueryError> {
        if self.serving_version(view).is_none() {
            self.refresh_serving().await?;
        }
        let version = self.serving_version(view).ok_or(QueryError::NotReady { view })?;
        Ok(TableName::of(self.is_postgres(), view, version))
    }

    fn serving_version(&self, view: &str) -> Option<i64> {
        self.serving.read().unwrap_or_else(PoisonError::into_inner).get(view).copied()
    }

    async fn refresh_serving(&self) -> Result<(), QueryError> {
        let builds = bookkeeping::read(self).await?;
        self.note_serving(&builds);
        Ok(())
    }

    /// Remembers which versions serve, from bookkeeping that was just read.
    pub(crate) fn note_serving(&self, builds: &[bookkeeping::Build]) {
        let versions = bookkeeping::serving_versions(builds);
        let mut serving = self.serving.write().unwrap_or_else(PoisonError::into_inner);
        if *serving != versions {
            *serving = versions;
        }
    }
}
