//! The ledger in `ledger.db`: WAL, `synchronous=FULL`, one write connection with `BEGIN IMMEDIATE`.

use std::collections::HashMap;
use std::path::Path;

use async_trait::async_trait;
use rusqlite::params_from_iter;
use rusqlite::types::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite, SqlitePool, Transaction};
use uuid::Uuid;

use super::door::{RestoreDoor, RestoreTarget, RestoreTx, refuse_half, restoring};
use super::files::{SqliteFile, open_sqlite};
use super::migrate::{MigrationError, migrate_sqlite};
use super::row::{COLUMNS, time};
use super::sqlite_rows::Reader;
use super::{AppendTx, Change, Head, Ledger, LedgerError, LookUp, PAGE_EVENTS_MAX};
use crate::envelope::RecordedEvent;
use crate::id::{Position, StreamId, TeamId};
use crate::merkle::Frontier;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/sqlite/ledger");

/// Rows of one INSERT at most: 14 columns each stay far below SQLite's limit of 32,766 parameters.
const EVENTS_PER_STATEMENT: usize = 512;
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

    pub(super) fn writer(&self) -> &SqlitePool {
        &self.file.writer
    }
}

fn read_head(row: &SqliteRow) -> Result<Head, LedgerError> {
    let position: i64 = row.try_get(0)?;
    let frontier: Vec<u8> = row.try_get(2)?;
    Ok(Head {
        position: Position(position),
        recorded_at: time(position, "recorded_at", row.try_get(1)?)?,
        frontier: Frontier::from_bytes(position.unsigned_abs(), &frontier)?,
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
    async fn begin_append(&self) -> Result<Box<dyn AppendTx>, LedgerError> {
        let mut tx = self.file.writer.begin_with("BEGIN IMMEDIATE").await?;
        let row = sqlx::query(SELECT_HEAD).fetch_one(&mut *tx).await?;
        let head = read_head(&row)?;
        refuse_half(head.position.0, row.try_get(3)?)?;
        Ok(Box::new(SqliteAppend { tx, head }))
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        read_head(&sqlx::query(SELECT_HEAD).fetch_one(&self.file.readers).await?)
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
        let version: Option<i64> =
            sqlx::query_scalar("SELECT max(stream_version) FROM event WHERE team = $1 AND stream = $2")
                .bind(team.0)
                .bind(stream.to_string())
                .fetch_one(&self.file.readers)
                .await?;
        Ok(version.unwrap_or(0))
    }

    async fn positions_of(&self, event_ids: &[Uuid]) -> Result<HashMap<Uuid, Position>, LedgerError> {
        let mut connection = self.file.readers.acquire().await?;
        known_ids(&mut connection, event_ids).await
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

async fn known_ids(
    connection: &mut sqlx::SqliteConnection,
    event_ids: &[Uuid],
) -> Result<HashMap<Uuid, Position>, LedgerError> {
    let mut known = HashMap::new();
    for chunk in event_ids.chunks(NAMES_PER_STATEMENT) {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT event_id, position FROM event WHERE event_id IN (");
        let mut ids = query.separated(", ");
        for id in chunk {
            ids.push_bind(*id);
        }
        query.push(")");
        for row in query.build().fetch_all(&mut *connection).await? {
            known.insert(row.try_get(0)?, Position(row.try_get(1)?));
        }
    }
    Ok(known)
}

struct SqliteAppend {
    tx: Transaction<'static, Sqlite>,
    head: Head,
}

#[async_trait]
impl AppendTx for SqliteAppend {
    fn head(&self) -> &Head {
        &self.head
    }

    async fn look_up(&mut self, streams: &[(TeamId, StreamId)], event_ids: &[Uuid]) -> Result<LookUp, LedgerError> {
        let mut versions = HashMap::new();
        for chunk in streams.chunks(NAMES_PER_STATEMENT) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "SELECT column1, (SELECT max(stream_version) FROM event WHERE team = column2 AND stream = column3) FROM (",
            );
            query.push_values(chunk.iter().enumerate(), |mut row, (index, (team, stream))| {
                row.push(index).push_bind(team.0).push_bind(stream.to_string());
            });
            query.push(")");
            for row in query.build().fetch_all(&mut *self.tx).await? {
                if let (Some(stream), Some(version)) = (chunk.get(row.try_get::<u32, _>(0)? as usize), row.try_get(1)?)
                {
                    versions.insert(*stream, version);
                }
            }
        }
        Ok(LookUp { versions, known: known_ids(&mut self.tx, event_ids).await? })
    }

    async fn insert(&mut self, events: &[RecordedEvent], head: &Head) -> Result<(), LedgerError> {
        for chunk in events.chunks(EVENTS_PER_STATEMENT) {
            let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO event (");
            insert.push(COLUMNS).push(") ");
            insert.push_values(chunk, |mut row, event| {
                row.push_bind(event.position.0)
                    .push_bind(event.team.0)
                    .push_bind(event.stream.to_string())
                    .push_bind(event.stream_version)
                    .push_bind(event.event_id)
                    .push_bind(event.event_type.clone())
                    .push_bind(i64::from(event.schema_version))
                    .push_bind(event.occurred_at.as_microsecond())
                    .push_bind(event.recorded_at.as_microsecond())
                    .push_bind(event.provenance.causation)
                    .push_bind(event.provenance.correlation)
                    .push_bind(event.provenance.actor.clone())
                    .push_bind(event.payload.clone())
                    .push_bind(event.leaf_hash.to_vec());
            });
            insert.build().execute(&mut *self.tx).await?;
        }
        sqlx::query("UPDATE ledger_head SET position = $1, recorded_at = $2, frontier = $3 WHERE id = 1")
            .bind(head.position.0)
            .bind(head.recorded_at.as_microsecond())
            .bind(head.frontier.to_bytes())
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), LedgerError> {
        // A COMMIT that fails on SQLite was not done: the file is local and the transaction is still ours.
        Ok(self.tx.commit().await?)
    }
}

#[async_trait]
impl RestoreDoor for SqliteLedger {
    async fn restoring(&self) -> Result<Option<RestoreTarget>, LedgerError> {
        let row = sqlx::query(SELECT_HEAD).fetch_one(&self.file.readers).await?;
        restoring(row.try_get(0)?, row.try_get(3)?)
    }

    async fn begin_restore(&self) -> Result<(Box<dyn RestoreTx>, Option<RestoreTarget>), LedgerError> {
        let mut tx = self.file.writer.begin_with("BEGIN IMMEDIATE").await?;
        let row = sqlx::query(SELECT_HEAD).fetch_one(&mut *tx).await?;
        let (head, target) = (read_head(&row)?, restoring(row.try_get(0)?, row.try_get(3)?)?);
        Ok((Box::new(SqliteAppend { tx, head }), target))
    }
}

#[async_trait]
impl RestoreTx for SqliteAppend {
    async fn mark(&mut self, target: Option<RestoreTarget>) -> Result<(), LedgerError> {
        let mark = sqlx::query("UPDATE ledger_head SET restoring = $1 WHERE id = 1");
        mark.bind(target.map(RestoreTarget::to_bytes)).execute(&mut *self.tx).await?;
        Ok(())
    }
}
