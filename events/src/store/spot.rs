//! Writing to a SQLite file on the thread that asks. What writes all day long, the ledger, the keys and the views, has a
//! thread of its own or can wait for one; to hand each statement to another thread and to be woken with its answer takes
//! longer than to run it, the more so the busier the machine is (`scripts/bench stripe polymart`).

use std::cell::Cell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};
use sqlx::error::{DatabaseError, ErrorKind};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::checkpoints::Checkpoints;
use super::files::{BUSY_TIMEOUT, LOG_BYTES_MAX, WRITER_CACHE_KIB, WRITER_STATEMENTS_MAX};

/// A write connection, opened when it is first used. Clones share it, in the order in which they ask.
#[derive(Clone)]
pub struct SpotWriter(Arc<Shared>);

struct Shared {
    path: PathBuf,
    durable: bool,
    connection: Arc<Mutex<Option<Connection>>>,
    checkpoints: Checkpoints,
}

/// The right to write to the file, among the tasks of this process.
pub struct Turn {
    writer: Arc<Shared>,
    connection: OwnedMutexGuard<Option<Connection>>,
}

/// An open transaction. Dropping it rolls back.
pub struct SpotTx(Turn);

thread_local! {
    /// Pages in the log after this thread's last commit.
    static LOG_PAGES: Cell<u32> = const { Cell::new(0) };
}

impl fmt::Debug for SpotWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { path, durable, .. } = &*self.0;
        f.debug_struct("SpotWriter").field("path", path).field("durable", durable).finish_non_exhaustive()
    }
}

impl SpotWriter {
    /// A writer of a file that is there. Every commit of a `durable` one survives a power cut.
    pub(super) fn of(path: &Path, durable: bool) -> Self {
        let connection = Arc::default();
        let checkpoints = Checkpoints::of(path, &connection);
        Self(Arc::new(Shared { path: path.to_owned(), durable, connection, checkpoints }))
    }

    /// Waits until nobody else in this process writes.
    pub async fn turn(&self) -> Turn {
        Turn { writer: self.0.clone(), connection: self.0.connection.clone().lock_owned().await }
    }

    /// Waits for the turn and begins a transaction with the write lock.
    ///
    /// # Errors
    /// As [`Turn::begin`].
    pub async fn begin(&self) -> Result<SpotTx, sqlx::Error> {
        self.turn().await.begin()
    }
}

impl Turn {
    /// Begins a transaction with the write lock; another process that has it is waited for on the spot.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub fn begin(mut self) -> Result<SpotTx, sqlx::Error> {
        if self.connection.is_none() {
            *self.connection = Some(open(&self.writer.path, self.writer.durable).map_err(failure)?);
        }
        let tx = SpotTx(self);
        tx.run_again("BEGIN IMMEDIATE")?;
        Ok(tx)
    }
}

impl SpotTx {
    /// The connection, for statements.
    ///
    /// # Errors
    /// When it is gone, which a transaction does not outlive.
    pub fn connection(&self) -> Result<&Connection, sqlx::Error> {
        self.0.connection.as_ref().ok_or(sqlx::Error::PoolClosed)
    }

    /// Runs statements without arguments.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn run(&self, sql: &str) -> Result<(), sqlx::Error> {
        self.connection()?.execute_batch(sql).map_err(failure)
    }

    /// Runs a statement without arguments and rows that is run again and again.
    fn run_again(&self, sql: &str) -> Result<(), sqlx::Error> {
        let statement = self.connection()?.prepare_cached(sql);
        statement.and_then(|mut statement| statement.execute([])).map(drop).map_err(failure)
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// When the database refuses; nothing was done then.
    pub fn commit(self) -> Result<(), sqlx::Error> {
        self.run_again("COMMIT")?;
        self.0.writer.checkpoints.after_commit(LOG_PAGES.take());
        Ok(())
    }
}

impl Drop for SpotTx {
    fn drop(&mut self) {
        let connection = &mut self.0.connection;
        let Some(open) = connection.as_ref().filter(|connection| !connection.is_autocommit()) else { return };
        if let Err(error) = open.execute_batch("ROLLBACK") {
            // Closing it rolls back too; the next one who writes begins anew.
            tracing::debug!(%error, "a write connection is closed");
            **connection = None;
        }
    }
}

/// A connection to a file that is there.
pub(super) fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn open(path: &Path, durable: bool) -> Result<Connection, rusqlite::Error> {
    let connection = connect(path)?;
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    connection.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))?;
    // In place of the one that moves pages from the log into the file: that is done beside the next commits.
    connection.wal_hook(Some(note_log_pages));
    connection.set_prepared_statement_cache_capacity(WRITER_STATEMENTS_MAX);
    Ok(connection)
}

#[expect(clippy::unnecessary_wraps, reason = "SQLite's hook may fail")]
fn note_log_pages(_: &Wal, pages: i32) -> rusqlite::Result<()> {
    LOG_PAGES.set(u32::try_from(pages).unwrap_or(0));
    Ok(())
}

/// What SQLite said, in the words that the rest of the program knows.
#[derive(Debug)]
struct SqliteFailure {
    code: i32,
    message: String,
}

impl fmt::Display for SqliteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(code: {}) {}", self.code, self.message)
    }
}

impl std::error::Error for SqliteFailure {}

impl DatabaseError for SqliteFailure {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        use rusqlite::ffi;
        match self.code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => ErrorKind::UniqueViolation,
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::ForeignKeyViolation,
            ffi::SQLITE_CONSTRAINT_NOTNULL => ErrorKind::NotNullViolation,
            ffi::SQLITE_CONSTRAINT_CHECK => ErrorKind::CheckViolation,
            _ => ErrorKind::Other,
        }
    }
}

/// The same failure as sqlx would tell it.
pub fn failure(error: rusqlite::Error) -> sqlx::Error {
    match error {
        rusqlite::Error::SqliteFailure(cause, message) => {
            let message = message.unwrap_or_else(|| cause.to_string());
            sqlx::Error::Database(Box::new(SqliteFailure { code: cause.extended_code, message }))
        }
        // Wrong use of a statement, or a value that is not what it should be: no fault of the file.
        other => sqlx::Error::Protocol(other.to_string()),
    }
}
