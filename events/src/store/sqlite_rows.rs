//! Reading events from `ledger.db`, many at once. Not through sqlx: there each value of each row is copied to a piece of
//! memory of its own, and each row is sent by itself to the task that asked, which together take several times as long as
//! the reading (`scripts/bench replay audit-verify` shows it).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, params_from_iter};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::files::READER_CACHE_KIB;
use super::row::{COLUMNS, EventRow, read_change};
use super::spot::{connect, failure};
use super::{Change, LedgerError};
use crate::envelope::RecordedEvent;
use crate::id::Position;

/// Connections at once.
const CONNECTIONS_MAX: usize = 4;
/// Events at most that are read without asking a thread that may wait for the disk.
const EVENTS_ON_THE_SPOT_MAX: usize = 128;
/// Prepared statements that a connection keeps: lists of streams come in many lengths.
const STATEMENTS_MAX: usize = 64;

/// Connections that cannot write. Clones share them.
#[derive(Clone)]
pub(crate) struct Reader {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
    /// For looks that wait for nothing, and so not for one of the others.
    glancing: Arc<Mutex<Option<Connection>>>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader of a file that is there. Nothing is opened before it is used.
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            path: Arc::new(path.to_owned()),
            idle: Arc::default(),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            glancing: Arc::default(),
        }
    }

    /// The last position, unless somebody else is just looking for it or the file does not answer.
    pub(super) fn last_position(&self) -> Option<Position> {
        let mut glancing = self.glancing.try_lock().ok()?;
        let connection = match glancing.take() {
            Some(connection) => connection,
            None => open(&self.path).ok()?,
        };
        let sql = "SELECT position FROM ledger_head WHERE id = 1";
        let position = connection.prepare_cached(sql).and_then(|mut it| it.query_row([], |row| row.get(0))).ok()?;
        // One that failed is closed: the next one begins anew.
        *glancing = Some(connection);
        Some(Position(position))
    }

    /// Reads, on a thread that may wait for the disk.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let place = self.places.clone().acquire_owned().await.map_err(|error| stopped(&error))?;
        let reader = self.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let done = reader.with_connection(work);
            drop(place);
            done
        });
        reading.await.map_err(|error| stopped(&error))?
    }

    /// Reads on the spot what takes less time than to hand the question to another thread: a row or two that an index
    /// leads to.
    pub(crate) async fn glance<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error>,
    ) -> Result<T, sqlx::Error> {
        let _place = self.places.acquire().await.map_err(|error| stopped(&error))?;
        self.with_connection(work).map_err(failure)
    }

    fn with_connection<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| open(&self.path), Ok)?;
        let done = work(&connection);
        // One that failed is closed: the next one begins anew.
        if done.is_ok() {
            self.idle().push(connection);
        }
        done
    }

    /// The events that fulfil a condition, which may end with an order and a limit.
    pub(super) async fn events(
        &self,
        condition: String,
        params: impl Params + Send + 'static,
    ) -> Result<Vec<RecordedEvent>, LedgerError> {
        self.read(move |connection| Ok(select(connection, &condition, params, usize::MAX)?.unwrap_or_default())).await
    }

    /// The same, where they are few as a rule. Those are read on the spot, for to hand the question to another thread
    /// takes longer than to answer it.
    pub(super) async fn few_events(
        &self,
        condition: String,
        params: Vec<Value>,
    ) -> Result<Vec<RecordedEvent>, LedgerError> {
        let place = self.places.acquire().await.map_err(|error| stopped(&error))?;
        let few = |connection: &_| select(connection, &condition, params_from_iter(&params), EVENTS_ON_THE_SPOT_MAX);
        if let Some(found) = self.with_connection(few)? {
            return Ok(found);
        }
        drop(place);
        self.events(condition, params_from_iter(params)).await
    }

    /// What changed behind a position, at most `limit`.
    pub(super) async fn changes(&self, after: i64, limit: u32) -> Result<Vec<Change>, LedgerError> {
        self.read(move |connection| {
            let sql = "SELECT position, team, stream, stream_version, leaf_hash FROM event WHERE position > ?1 \
                       ORDER BY position LIMIT ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query((after, limit))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let leaf_hash: Vec<u8> = row.get(4)?;
                found.push(read_change(row.get(0)?, id(row, 1)?, row.get(2)?, row.get(3)?, &leaf_hash)?);
            }
            Ok(found)
        })
        .await
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopped(error: &dyn fmt::Display) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::other(error.to_string()))
}

/// The events that fulfil a condition; `None` when there are more than `most`.
fn select(
    connection: &Connection,
    condition: &str,
    params: impl Params,
    most: usize,
) -> Result<Option<Vec<RecordedEvent>>, LedgerError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM event WHERE {condition}"))?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if found.len() == most {
            return Ok(None);
        }
        found.push(event(row)?);
    }
    Ok(Some(found))
}

fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", "ON")?;
    connection.pragma_update(None, "cache_size", -i64::from(READER_CACHE_KIB))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

pub(super) fn id(row: &Row<'_>, column: usize) -> Result<Uuid, rusqlite::Error> {
    row.get(column).map(Uuid::from_bytes)
}

pub(super) fn optional_id(row: &Row<'_>, column: usize) -> Result<Option<Uuid>, rusqlite::Error> {
    row.get::<_, Option<_>>(column).map(|id| id.map(Uuid::from_bytes))
}

fn event(row: &Row<'_>) -> Result<RecordedEvent, LedgerError> {
    let row = EventRow {
        position: row.get(0)?,
        team: id(row, 1)?,
        stream: row.get(2)?,
        stream_version: row.get(3)?,
        event_id: id(row, 4)?,
        event_type: row.get(5)?,
        schema_version: row.get(6)?,
        occurred_at: row.get(7)?,
        recorded_at: row.get(8)?,
        causation_id: optional_id(row, 9)?,
        correlation_id: optional_id(row, 10)?,
        actor: row.get(11)?,
        payload: row.get(12)?,
        leaf_hash: row.get(13)?,
    };
    row.into_event()
}
