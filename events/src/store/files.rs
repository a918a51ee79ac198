//! Opening SQLite files the one right way: WAL, one write connection, readers that cannot write.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, Sqlite, SqlitePool, Transaction};

use super::spot::{SpotWriter, Turn};
use crate::private::create_private;

/// How long a writer waits for another process's transaction.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Memory of the write connection for pages, in KiB: ids are random, so what is written lies all over the indexes, and a
/// page that is not in memory is read before it is changed. SQLite's own 2 MiB hold those of a few thousand licences.
pub(super) const WRITER_CACHE_KIB: u32 = 8 << 10;
/// Prepared statements that the write connection keeps: each view has some for each number of rows, and a pass over the
/// views needs all of them.
pub(super) const WRITER_STATEMENTS_MAX: usize = 256;
/// Pages in the log of changes after which they are moved into the file, four times SQLite's own number: the same pages
/// of the indexes change with nearly every commit, and each is moved once however often it changed.
pub(super) const CHECKPOINT_PAGES: u32 = 4_000;
/// Bytes of the log of changes that are kept for the next ones: where many changes came before it could begin anew (a view
/// that was built, a reader that took long), the rest of the disk is given back when it does.
pub(super) const LOG_BYTES_MAX: i64 = 64 << 20;
/// How long it is tried to empty the log of changes while others read from it or are about to empty it themselves …
const TRUNCATE_MAX: Duration = Duration::from_secs(20);
/// … and the pause between two tries: nobody is waited for who does the same.
const TRUNCATE_PAUSE: Duration = Duration::from_millis(50);
/// Concurrent readers of one file.
const READERS_MAX: u32 = 4;
/// Memory of one reader for pages, in KiB, half of SQLite's own: there are many of them, and what they read again is in
/// the system's memory.
pub(super) const READER_CACHE_KIB: u32 = 1 << 10;

/// One SQLite file: write connections and a pool of readers.
#[derive(Debug, Clone)]
pub struct SqliteFile {
    /// The write connection; transactions begin IMMEDIATE.
    pub writer: SqlitePool,
    /// A write connection that is used on the thread that asks, and the turn of all who write at length.
    pub spot: SpotWriter,
    /// Readers.
    pub readers: SqlitePool,
}

/// Opens (or makes, for its owner's eyes only) `path`. `durable` files survive a power cut after every commit
/// (`synchronous=FULL`); others may lose the last commits but never their consistency.
///
/// # Errors
/// When the file cannot be opened or is not a database.
pub async fn open_sqlite(path: &Path, durable: bool) -> Result<SqliteFile, sqlx::Error> {
    make_private(path)?;
    let synchronous = if durable { SqliteSynchronous::Full } else { SqliteSynchronous::Normal };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // What was deleted (a forgotten person's key, sealed rows of theirs) leaves no trace in free pages.
        .pragma("secure_delete", "ON")
        // The journal of a multi-row INSERT need not touch the disk.
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", LOG_BYTES_MAX.to_string());
    // A connection to a file does not break between two uses, so it is not asked whether it still lives.
    let pool = || SqlitePoolOptions::new().test_before_acquire(false);
    let caching = options.clone().pragma("cache_size", format!("-{WRITER_CACHE_KIB}"));
    let caching = caching.statement_cache_capacity(WRITER_STATEMENTS_MAX);
    let writer = pool().max_connections(1).connect_with(caching).await?;
    let reading = options.pragma("cache_size", format!("-{READER_CACHE_KIB}")).pragma("query_only", "ON");
    let readers = pool().max_connections(READERS_MAX).min_connections(1).connect_with(reading).await?;
    Ok(SqliteFile { writer, spot: SpotWriter::of(path, durable), readers })
}

/// Makes an empty file where there is none, whoever may look into its folder. SQLite gives its logs the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    match create_private(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

impl SqliteFile {
    /// Waits for the turn and begins a transaction of [`SqliteFile::writer`], with the write lock. The turn is kept for as
    /// long as the transaction.
    ///
    /// # Errors
    /// When the file cannot be locked.
    pub async fn begin(&self) -> Result<(Turn, Transaction<'static, Sqlite>), sqlx::Error> {
        let turn = self.spot.turn().await;
        Ok((turn, self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }
}

/// Moves everything from the log of changes (`…-wal`) into the file and empties the log, which otherwise keeps pages as
/// they were before something was deleted. `false` when somebody would not let go of it.
///
/// # Errors
/// When the file cannot be written.
pub async fn truncate_wal(writer: &SqlitePool) -> Result<bool, sqlx::Error> {
    let begun = Instant::now();
    loop {
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(writer).await?;
        if row.try_get::<i64, _>(0)? == 0 {
            return Ok(true);
        }
        if begun.elapsed() > TRUNCATE_MAX {
            return Ok(false);
        }
        tokio::time::sleep(TRUNCATE_PAUSE).await;
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn files_are_their_owners_alone_in_a_folder_that_all_may_enter() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let path = folder.path().join("a.db");
        let file = open_sqlite(&path, true).await?;
        sqlx::query("CREATE TABLE t (a)").execute(&file.writer).await?;
        let mut names = Vec::new();
        for entry in fs::read_dir(folder.path())? {
            let entry = entry?;
            assert_eq!(entry.metadata()?.permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
            names.push(entry.file_name());
        }
        names.sort();
        assert_eq!(names, ["a.db", "a.db-shm", "a.db-wal"]);

        // What the seller has allowed stays so.
        fs::set_permissions(&path, Permissions::from_mode(0o640))?;
        open_sqlite(&path, true).await?;
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o640);
        Ok(())
    }
}
