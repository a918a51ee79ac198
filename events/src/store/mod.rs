//! The ledger's storage: one narrow trait, two plain modules behind it, one contract suite over both.
//!
//! Only the [`crate::writer::Writer`] appends, through [`AppendTx`]: the head row is the lock and the counter,
//! so positions are gapless and a reader that sees a position sees everything before it.

mod checkpoints;
mod connections;
mod door;
mod files;
mod migrate;
mod postgres;
pub mod proofs;
mod row;
mod spot;
mod sqlite;
mod sqlite_rows;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::envelope::{HashMismatch, RecordedEvent};
use crate::id::{Position, StreamId, TeamId};
use crate::merkle::{Frontier, FrontierError, Hash};

pub use connections::{ANSWER_MAX, PostgresTx, answered, postgres_pool};
pub use door::{RestoreDoor, RestoreTarget, RestoreTx};
pub use files::{SqliteFile, open_sqlite, truncate_wal};
pub use migrate::{MigrationError, migrate_postgres_schema, migrate_sqlite};
pub use postgres::PostgresLedger;
pub use proofs::{ProofStore, SharedProofStore};
pub use spot::{SpotTx, SpotWriter, Turn, failure as sqlite_failure};
pub use sqlite::SqliteLedger;
pub(crate) use sqlite_rows::Reader;

/// Events of one page at most.
pub const PAGE_EVENTS_MAX: u32 = 1_000;

/// The end of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The last event's position; 0 when there is none.
    pub position: Position,
    /// When the last event was recorded.
    pub recorded_at: Timestamp,
    /// The Merkle tree over all events.
    pub frontier: Frontier,
}

/// A stream moved on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Where in the ledger.
    pub position: Position,
    /// Whose stream.
    pub team: TeamId,
    /// Which stream.
    pub stream: StreamId,
    /// To which version.
    pub stream_version: i64,
    /// Of the event: another one at the same position means another ledger.
    pub leaf_hash: Hash,
}

impl Change {
    /// What an event changes.
    pub fn of(event: &RecordedEvent) -> Self {
        let RecordedEvent { position, team, stream, stream_version, leaf_hash, .. } = *event;
        Self { position, team, stream, stream_version, leaf_hash }
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database refused or could not be reached.
    #[error("the ledger's database: {0}")]
    Database(#[from] sqlx::Error),
    /// The file could not be read.
    #[error("the ledger's file: {0}")]
    File(#[from] rusqlite::Error),
    /// The connection was lost while committing: the transaction may or may not be there.
    #[error("the connection was lost while committing; whether the events are stored is not known: {0}")]
    CommitUnknown(sqlx::Error),
    /// A stored value is not what we write.
    #[error("position {position} of the ledger holds a bad {column}: {value}")]
    Corrupt {
        /// Where.
        position: i64,
        /// Which column.
        column: &'static str,
        /// What stands there.
        value: String,
    },
    /// The head row does not fit itself.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
    /// Somebody removed the head row: nothing can be appended, and nobody knows where the ledger ends.
    #[error(
        "the head row of the ledger is gone: the ledger was changed from outside; `keyledger audit verify` says what \
         else is wrong, and a backup brings it back"
    )]
    HeadLost,
    /// A stored event does not match its hash.
    #[error(transparent)]
    Hash(#[from] HashMismatch),
    /// A restore has not come to its end: this is half a ledger.
    #[error(
        "this ledger is being restored and has {position} of {target} events; run `keyledger restore` with the same \
         copy again to go on, or start over with an empty folder or database"
    )]
    Restoring {
        /// The last position that is there.
        position: Position,
        /// The last position of the copy.
        target: Position,
    },
}

/// What an append transaction finds out before it judges a batch.
#[derive(Debug, Default)]
pub struct LookUp {
    /// The version of each stream that exists.
    pub versions: HashMap<(TeamId, StreamId), i64>,
    /// The position of each event id that is stored.
    pub known: HashMap<Uuid, Position>,
}

/// One append: begun with the head row locked, ended by a commit. Dropping it rolls back.
#[async_trait]
pub trait AppendTx: Send {
    /// The head, as locked.
    fn head(&self) -> &Head;

    /// Stream versions and known event ids, read in a statement after the lock was taken.
    async fn look_up(&mut self, streams: &[(TeamId, StreamId)], event_ids: &[Uuid]) -> Result<LookUp, LedgerError>;

    /// Inserts the events, in order of position, moves their streams and the head.
    async fn insert(&mut self, events: &[RecordedEvent], head: &Head) -> Result<(), LedgerError>;

    /// Makes it durable.
    ///
    /// # Errors
    /// [`LedgerError::CommitUnknown`] when the connection broke meanwhile.
    async fn commit(self: Box<Self>) -> Result<(), LedgerError>;

    /// Ends it with nothing appended.
    async fn roll_back(self: Box<Self>) {}

    /// Ends it with nothing appended, and answers when everything that is in the ledger by then is as durable as an
    /// append of its own would be.
    async fn settle(self: Box<Self>) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// An append-only store of events.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Whether an append works on the thread that asks, so that the Writer needs one of its own.
    fn appends_on_the_spot(&self) -> bool {
        false
    }

    /// Locks the head row and reads it. Waits for other writers.
    async fn begin_append(&self) -> Result<Box<dyn AppendTx>, LedgerError>;

    /// The end of the ledger.
    async fn head(&self) -> Result<Head, LedgerError>;

    /// The last position, where it takes no more than a few microseconds to look; `None` where it takes more, or just now.
    fn glance(&self) -> Option<Position> {
        None
    }

    /// Tells of everything that is appended, by whatever process, for as long as it can. A store that is not told either
    /// waits for good.
    async fn hear(&self, _heard: &(dyn Fn(Position) + Send + Sync)) -> Result<(), LedgerError> {
        std::future::pending().await
    }

    /// The events after `after`, in order, at most `limit` (at most [`PAGE_EVENTS_MAX`]).
    async fn read(&self, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LedgerError>;

    /// As [`Ledger::read`], each checked against its hash: for whoever is to believe what they are shown. Views that follow
    /// the ledger while it is written read without.
    async fn read_checked(&self, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LedgerError> {
        let events = self.read(after, limit).await?;
        events.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(events)
    }

    /// All events of some streams of a team, in order of position, each checked against its hash.
    async fn read_streams(&self, team: TeamId, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LedgerError>;

    /// The events of one stream behind a version, in order, each checked against its hash.
    async fn read_stream_after(
        &self,
        team: TeamId,
        stream: StreamId,
        version: i64,
    ) -> Result<Vec<RecordedEvent>, LedgerError> {
        let mut events = self.read_streams(team, &[stream]).await?;
        events.retain(|event| event.stream_version > version);
        Ok(events)
    }

    /// Which streams have moved on after `after`, in order of position, at most `limit` (at most
    /// [`PAGE_EVENTS_MAX`]): what a cache needs to know, without what happened.
    async fn changes(&self, after: Position, limit: u32) -> Result<Vec<Change>, LedgerError> {
        Ok(self.read(after, limit).await?.iter().map(Change::of).collect())
    }

    /// The CustomerForgotten after `after`, of all teams, in order, at most `limit` (at most [`PAGE_EVENTS_MAX`]).
    async fn forgotten(&self, mut after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LedgerError> {
        let limit = usize::try_from(limit.min(PAGE_EVENTS_MAX)).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        while found.len() < limit {
            let page = self.read(after, PAGE_EVENTS_MAX).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            found.extend(page.into_iter().filter(|event| event.event_type == "CustomerForgotten"));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The version of a stream; 0 when there is none.
    async fn stream_version(&self, team: TeamId, stream: StreamId) -> Result<i64, LedgerError>;

    /// The positions of the event ids that are stored.
    async fn positions_of(&self, event_ids: &[Uuid]) -> Result<HashMap<Uuid, Position>, LedgerError>;

    /// The events of some streams of a team after `after`, in order of position, at most `limit` (at most
    /// [`PAGE_EVENTS_MAX`]), each checked against its hash: a page of what [`Ledger::read_streams`] gives whole.
    async fn read_streams_after(
        &self,
        team: TeamId,
        streams: &[StreamId],
        after: Position,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, LedgerError> {
        let mut events = self.read_streams(team, streams).await?;
        events.retain(|event| event.position > after);
        events.truncate(usize::try_from(limit.min(PAGE_EVENTS_MAX)).unwrap_or(usize::MAX));
        Ok(events)
    }

    /// The events at some positions, at most [`PAGE_EVENTS_MAX`] of them, in order of position, each checked against
    /// its hash. Positions beyond the end are left out.
    async fn read_at(&self, positions: &[Position]) -> Result<Vec<RecordedEvent>, LedgerError> {
        let mut events = Vec::new();
        for position in positions.iter().take(usize::try_from(PAGE_EVENTS_MAX).unwrap_or(usize::MAX)) {
            let page = self.read(position.previous(), 1).await?;
            events.extend(page.into_iter().filter(|event| event.position == *position));
        }
        events.sort_by_key(|event| event.position);
        events.iter().try_for_each(RecordedEvent::check_hash)?;
        Ok(events)
    }

    /// The position of the last event that was recorded before `time`; [`Position::START`] when there is none. Times of
    /// record never go back, so it is found by halving.
    async fn last_before(&self, time: Timestamp) -> Result<Position, LedgerError> {
        let (mut before, mut from) = (Position::START, self.head().await?.position.next());
        while before.next() < from {
            let middle = Position(before.0 + (from.0 - before.0) / 2);
            let event = self.read(Position(middle.0 - 1), 1).await?;
            match event.first() {
                Some(event) if event.recorded_at < time => before = middle,
                _ => from = middle,
            }
        }
        Ok(before)
    }
}

/// A ledger handed around between tasks.
pub type SharedLedger = Arc<dyn Ledger>;
