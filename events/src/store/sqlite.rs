//! The ledger in `ledger.db`: WAL, `synchronous=FULL`; appends on the thread that asks.

use std::collections::HashMap;
use std::path::Path;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqlitePool, Transaction};
use uuid::Uuid;

use super::door::{RestoreDoor, RestoreTarget, RestoreTx, refuse_half, restoring};
use super::files::{SqliteFile, open_sqlite};
use super::migrate::{MigrationError, migrate_sqlite};
use super::row::{COLUMNS, time};
use super::spot::{SpotTx, failure as sqlite_failure};
use super::sqlite_rows::Reader;
use super::{AppendTx, Change, Head, Ledger, LedgerError, LookUp, PAGE_EVENTS_MAX};
use crate::envelope::RecordedEvent;
use crate::id::{Position, StreamId, TeamId};
use crate::merkle::Frontier;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite/ledger");

/// Names in one look-up at most, two parameters each.
const NAMES_PER_STATEMENT: usize = 1_024;

/// A ledger in a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteLedger {
    file: SqliteFile,
    reader: Reader,
}

impl SqliteLedger {
    /// Opens (or makes) the ledger file and brings it up to date. The caller holds the folder's start-up lock.
    ///
    /// # Errors
    /// When the file cannot be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self, MigrationError> {
        let file = open_sqlite(path, true).await?;
        migrate_sqlite(&file.writer, &MIGRATIONS).await?;
        Ok(Self { file, reader: Reader::of(path) })
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.file.readers
    }

    /// Begins to write beside the Writer.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.file.writer.begin_with("BEGIN IMMEDIATE").await
    }
}

fn read_head(row: &SqliteRow) -> Result<Head, LedgerError> {
    let frontier: Vec<u8> = row.try_get(2)?;
    head_of(row.try_get(0)?, row.try_get(1)?, &frontier)
}

fn head_of(position: i64, recorded_at: i64, frontier: &[u8]) -> Result<Head, LedgerError> {
    Ok(Head {
        position: Position(position),
        recorded_at: time(position, "recorded_at", recorded_at)?,
        frontier: Frontier::from_bytes(position.unsigned_abs(), frontier)?,
    })
}

const SELECT_HEAD: &str = "SELECT position, recorded_at, frontier, restoring FROM ledger_head WHERE id = 1";

/// `?, ?, ?`
fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// The arguments of a query over a team's streams: the team, then the streams' names, then numbers.
fn of_streams(team: TeamId, streams: &[StreamId], numbers: &[i64]) -> Vec<Value> {
    let names = streams.iter().map(|stream| Value::Text(stream.to_string()));
    let numbers = numbers.iter().map(|number| Value::Integer(*number));
    std::iter::once(blob(team.0)).chain(names).chain(numbers).collect()
}

fn blob(id: Uuid) -> Value {
    Value::Blob(id.as_bytes().to_vec())
}

#[async_trait]
impl Ledger for SqliteLedger {
    fn appends_on_the_spot(&self) -> bool {
        true
    }

    async fn begin_append(&self) -> Result<Box<dyn AppendTx>, LedgerError> {
        let (append, target) = SqliteAppend::begin(&self.file).await?;
        refuse_half(append.head.position, target)?;
        Ok(Box::new(append))
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        let head = sqlx::query(SELECT_HEAD).fetch_optional(&self.file.readers).await?;
        read_head(&head.ok_or(LedgerError::HeadLost)?)
    }

    fn glance(&self) -> Option<Position> {
        self.reader.last_position()
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LedgerError> {
        let condition = "position > ? ORDER BY position LIMIT ?".to_owned();
        self.reader.events(condition, (after.0, limit.min(PAGE_EVENTS_MAX))).await
    }

    async fn read_streams(&self, team: TeamId, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LedgerError> {
        let mut found = Vec::new();
        for chunk in streams.chunks(NAMES_PER_STATEMENT) {
            let condition = format!("team = ? AND stream IN ({})", places(chunk.len()));
            found.extend(self.reader.few_events(condition, of_streams(team, chunk, &[])).await?);
        }
        found.sort_by_key(|event| event.position);
        found.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(found)
    }

    async fn read_stream_after(
        &self,
        team: TeamId,
        stream: StreamId,
        version: i64,
    ) -> Result<Vec<RecordedEvent>, LedgerError> {
        let condition = "team = ? AND stream = ? AND stream_version > ? ORDER BY stream_version".to_owned();
        let found = self.reader.few_events(condition, of_streams(team, &[stream], &[version])).await?;
        found.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(found)
    }

    async fn changes(&self, after: Position, limit: u32) -> Result<Vec<Change>, LedgerError> {
        self.reader.changes(after.0, limit.min(PAGE_EVENTS_MAX)).await
    }

    async fn forgotten(&self, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LedgerError> {
        let condition = "type = 'CustomerForgotten' AND position > ? ORDER BY position LIMIT ?".to_owned();
        self.reader.events(condition, (after.0, limit.min(PAGE_EVENTS_MAX))).await
    }

    async fn stream_version(&self, team: TeamId, stream: StreamId) -> Result<i64, LedgerError> {
        Ok(self.reader.glance(|connection| last_version(connection, team, stream)).await?.unwrap_or(0))
    }

    async fn positions_of(&self, event_ids: &[Uuid]) -> Result<HashMap<Uuid, Position>, LedgerError> {
        let event_ids = event_ids.to_vec();
        self.reader.read(move |connection| Ok(known_ids(connection, &event_ids)?)).await
    }

    async fn read_streams_after(
        &self,
        team: TeamId,
        streams: &[StreamId],
        after: Position,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LedgerError> {
        let limit = limit.min(PAGE_EVENTS_MAX);
        let mut found = Vec::new();
        for chunk in streams.chunks(NAMES_PER_STATEMENT) {
            // The sign keeps SQLite from walking through the whole ledger in order of position.
            let condition = format!(
                "team = ? AND stream IN ({}) AND +position > ? ORDER BY +position LIMIT ?",
                places(chunk.len())
            );
            let params = of_streams(team, chunk, &[after.0, i64::from(limit)]);
            found.extend(self.reader.few_events(condition, params).await?);
        }
        found.sort_by_key(|event| event.position);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        found.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(found)
    }

    async fn read_at(&self, positions: &[Position]) -> Result<Vec<RecordedEvent>, LedgerError> {
        let wanted = positions.iter().take(usize::try_from(PAGE_EVENTS_MAX).unwrap_or(usize::MAX));
        let wanted: Vec<i64> = wanted.map(|position| position.0).collect();
        let condition = format!("position IN ({}) ORDER BY position", places(wanted.len()));
        let found = self.reader.events(condition, params_from_iter(wanted)).await?;
        found.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(found)
    }
}

fn known_ids(connection: &Connection, event_ids: &[Uuid]) -> Result<HashMap<Uuid, Position>, rusqlite::Error> {
    let mut known = HashMap::new();
    let mut position = connection.prepare_cached("SELECT position FROM event WHERE event_id = ?1")?;
    for id in event_ids {
        if let Some(found) = position.query_row([id.as_bytes()], |row| row.get(0)).optional()? {
            known.insert(*id, Position(found));
        }
    }
    Ok(known)
}

struct SqliteAppend {
    tx: SpotTx,
    head: Head,
}

impl SqliteAppend {
    async fn begin(file: &SqliteFile) -> Result<(Self, Option<RestoreTarget>), LedgerError> {
        let tx = file.spot.begin().await?;
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let row = tx.connection()?.prepare_cached(SELECT_HEAD).and_then(|mut select| select.query_row([], read));
        let row: Option<(i64, i64, Vec<u8>, _)> = row.optional().map_err(sqlite_failure)?;
        let (position, recorded_at, frontier, mark) = row.ok_or(LedgerError::HeadLost)?;
        let head = head_of(position, recorded_at, &frontier)?;
        Ok((Self { tx, head }, restoring(position, mark)?))
    }
}

#[async_trait]
impl AppendTx for SqliteAppend {
    fn head(&self) -> &Head {
        &self.head
    }

    async fn look_up(&mut self, streams: &[(TeamId, StreamId)], event_ids: &[Uuid]) -> Result<LookUp, LedgerError> {
        Ok(look_up(self.tx.connection()?, streams, event_ids).map_err(sqlite_failure)?)
    }

    async fn insert(&mut self, events: &[RecordedEvent], head: &Head) -> Result<(), LedgerError> {
        Ok(insert(self.tx.connection()?, events, head).map_err(sqlite_failure)?)
    }

    async fn commit(self: Box<Self>) -> Result<(), LedgerError> {
        // A COMMIT that fails on SQLite was not done: the file is local and the transaction is still ours.
        Ok(self.tx.commit()?)
    }
}

/// The version of a stream's last event, if it has one.
fn last_version(connection: &Connection, team: TeamId, stream: StreamId) -> Result<Option<i64>, rusqlite::Error> {
    let mut version =
        connection.prepare_cached("SELECT max(stream_version) FROM event WHERE team = ?1 AND stream = ?2")?;
    version.query_row((team.0.as_bytes(), stream.to_string()), |row| row.get(0))
}

fn look_up(
    connection: &Connection,
    streams: &[(TeamId, StreamId)],
    event_ids: &[Uuid],
) -> Result<LookUp, rusqlite::Error> {
    let mut found = LookUp::default();
    for (team, stream) in streams {
        if let Some(known) = last_version(connection, *team, *stream)? {
            found.versions.insert((*team, *stream), known);
        }
    }
    found.known = known_ids(connection, event_ids)?;
    Ok(found)
}

fn insert(connection: &Connection, events: &[RecordedEvent], head: &Head) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO event ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    ))?;
    for event in events {
        statement.execute(params![
            event.position.0,
            event.team.0.as_bytes(),
            event.stream.to_string(),
            event.stream_version,
            event.event_id.as_bytes(),
            event.event_type,
            event.schema_version,
            event.occurred_at.as_microsecond(),
            event.recorded_at.as_microsecond(),
            event.provenance.causation.as_ref().map(Uuid::as_bytes),
            event.provenance.correlation.as_ref().map(Uuid::as_bytes),
            event.provenance.actor,
            event.payload,
            event.leaf_hash,
        ])?;
    }
    let mut statement = connection
        .prepare_cached("UPDATE ledger_head SET position = ?1, recorded_at = ?2, frontier = ?3 WHERE id = 1")?;
    statement.execute((head.position.0, head.recorded_at.as_microsecond(), head.frontier.to_bytes()))?;
    Ok(())
}

#[async_trait]
impl RestoreDoor for SqliteLedger {
    async fn restoring(&self) -> Result<Option<RestoreTarget>, LedgerError> {
        let row = sqlx::query(SELECT_HEAD).fetch_optional(&self.file.readers).await?;
        let row = row.ok_or(LedgerError::HeadLost)?;
        restoring(row.try_get(0)?, row.try_get(3)?)
    }

    async fn begin_restore(&self) -> Result<(Box<dyn RestoreTx>, Option<RestoreTarget>), LedgerError> {
        let (append, target) = SqliteAppend::begin(&self.file).await?;
        Ok((Box::new(append), target))
    }
}

#[async_trait]
impl RestoreTx for SqliteAppend {
    async fn mark(&mut self, target: Option<RestoreTarget>) -> Result<(), LedgerError> {
        let mark = target.map(RestoreTarget::to_bytes);
        let marked = self.tx.connection()?.execute("UPDATE ledger_head SET restoring = ?1 WHERE id = 1", [mark]);
        marked.map_err(sqlite_failure)?;
        Ok(())
    }
}
