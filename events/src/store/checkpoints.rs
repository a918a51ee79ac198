//! Moving pages from the log of changes (`…-wal`) into the file, beside the commits that go on meanwhile. Left to SQLite,
//! one commit in some dozens does it, and everybody who waits for that one waits several times as long as the others.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::files::CHECKPOINT_PAGES;
use super::spot::connect;

/// Pages that may be left to move while nobody writes …
const LAST_PAGES: u32 = 250;
/// … and how often it is tried to get there while others write.
const ROUNDS_MAX: usize = 3;
/// By how many pages the log grows before it is tried again, where readers kept it from being moved.
const AGAIN_PAGES: u32 = 1_000;

/// Checkpoints of one file.
pub(super) struct Checkpoints(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// Held by whoever writes.
    turn: Arc<Mutex<Option<Connection>>>,
    under_way: AtomicBool,
    /// Length of the log, in pages, from which the next one is due.
    due_at: AtomicU32,
}

impl Checkpoints {
    pub(super) fn of(path: &Path, turn: &Arc<Mutex<Option<Connection>>>) -> Self {
        Self(Arc::new(Inner {
            path: path.to_owned(),
            turn: turn.clone(),
            under_way: AtomicBool::new(false),
            due_at: AtomicU32::new(CHECKPOINT_PAGES),
        }))
    }

    /// Begins one when it is due: a commit has left `pages` in the log.
    pub(super) fn after_commit(&self, pages: u32) {
        let inner = &self.0;
        if pages < CHECKPOINT_PAGES {
            // The log has begun anew.
            inner.due_at.store(CHECKPOINT_PAGES, Ordering::Relaxed);
            return;
        }
        if pages < inner.due_at.load(Ordering::Relaxed) || inner.under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = inner.clone();
        let work = move || {
            match inner.run() {
                Ok(left) => inner.due_at.store(left.unwrap_or(pages) + AGAIN_PAGES, Ordering::Relaxed),
                Err(error) => tracing::warn!(%error, file = %inner.path.display(), "the log of changes grows for now"),
            }
            inner.under_way.store(false, Ordering::Release);
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(work)),
            Err(_) => work(),
        }
    }
}

impl Inner {
    /// Moves what can be moved; tells how long the log is, unless another process is at it.
    fn run(&self) -> Result<Option<u32>, rusqlite::Error> {
        let connection = connect(&self.path)?;
        let Some(mut log) = move_pages(&connection)? else { return Ok(None) };
        for _ in 1..ROUNDS_MAX {
            // What was written while the pages before it were moved.
            let Some(now) = move_pages(&connection)? else { return Ok(None) };
            let before = std::mem::replace(&mut log, now);
            if log.saturating_sub(before) <= LAST_PAGES {
                break;
            }
        }
        // The next one who writes begins the log anew, unless somebody still reads from it.
        let _nobody_writes = self.turn.blocking_lock();
        move_pages(&connection)
    }
}

/// Moves the pages that are in the log when it begins, as far as nobody needs the file without them; tells how long the log
/// is. It waits for nobody, and nobody waits for it; where another process is at it already it does nothing and knows
/// nothing.
fn move_pages(connection: &Connection) -> Result<Option<u32>, rusqlite::Error> {
    let log: i64 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
    Ok(u32::try_from(log).ok())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use sqlx::Row as _;

    use super::{connect, move_pages};
    use crate::store::files::LOG_BYTES_MAX;
    use crate::store::{SpotWriter, open_sqlite};

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    /// What one commit changes, in bytes: some 512 pages.
    const COMMIT_BYTES: u64 = 2 << 20;
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn write(writer: &SpotWriter, commits: u64) -> Result<(), sqlx::Error> {
        for _ in 0..commits {
            let tx = writer.begin().await?;
            tx.run(&format!("INSERT OR REPLACE INTO t VALUES (1, randomblob({COMMIT_BYTES}))"))?;
            tx.commit()?;
        }
        Ok(())
    }

    /// Guards: a log that grows for ever under writers that never pause, and behind a reader that has gone; a disk that
    /// stays full of it.
    #[tokio::test]
    async fn the_log_is_moved_into_the_file_beside_the_commits() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("some.db");
        let file = open_sqlite(&path, true).await?;
        sqlx::query("CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)").execute(&file.writer).await?;
        let log_bytes = || std::fs::metadata(folder.path().join("some.db-wal")).map(|log| log.len());
        write(&file.spot, 60).await?;
        assert!(log_bytes()? < 60 * COMMIT_BYTES / 2, "{} bytes", log_bytes()?);

        let mut reader = file.readers.begin_with("BEGIN DEFERRED").await?;
        let read = "SELECT count(*) FROM t";
        sqlx::query(read).execute(&mut *reader).await?;
        write(&file.spot, 40).await?;
        let behind_reader = log_bytes()?;
        assert!(behind_reader >= 40 * COMMIT_BYTES, "what a reader sees stays: {behind_reader} bytes");
        reader.rollback().await?;

        // Commits of before its end may have found it there: the next ones find it gone.
        let begun = Instant::now();
        loop {
            write(&file.spot, 1).await?;
            let log: u32 = sqlx::query("PRAGMA wal_checkpoint(NOOP)").fetch_one(&file.writer).await?.try_get(1)?;
            if u64::from(log) * 4_096 < 10 * COMMIT_BYTES {
                let kept = log_bytes()?;
                assert!(kept <= LOG_BYTES_MAX.unsigned_abs(), "{kept} bytes are kept");
                return Ok(());
            }
            assert!(begun.elapsed() < PATIENCE, "the log still has {log} pages");
        }
    }

    /// Interleaving: another process moves pages, and waits for a reader to let it, when ours is due.
    #[tokio::test]
    async fn where_another_process_moves_the_pages_there_is_nothing_to_do() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("some.db");
        let file = open_sqlite(&path, true).await?;
        sqlx::query("CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB)").execute(&file.writer).await?;
        let mut reader = file.readers.begin_with("BEGIN DEFERRED").await?;
        sqlx::query("SELECT count(*) FROM t").execute(&mut *reader).await?;
        write(&file.spot, 1).await?;
        let ours = connect(&path)?;
        assert!(move_pages(&ours)?.is_some());
        let theirs = connect(&path)?;
        theirs.busy_timeout(PATIENCE)?;
        let checkpoint = move || theirs.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        let at_work = tokio::task::spawn_blocking(checkpoint);
        let begun = Instant::now();
        while move_pages(&ours)?.is_some() {
            assert!(begun.elapsed() < PATIENCE, "the other one never began");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        reader.rollback().await?;
        assert_eq!(at_work.await??, 0, "the other one was not disturbed");
        Ok(())
    }
}
