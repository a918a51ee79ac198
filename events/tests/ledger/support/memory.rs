//! A ledger and a keys store in memory: the contract in its plainest form, and a commit that can be lost at will.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use keyledger_events::merkle::Frontier;
use keyledger_events::store::{AppendTx, Head, LookUp, PAGE_EVENTS_MAX};
use keyledger_events::{Ledger, LedgerError, Position, RecordedEvent, StreamId, TeamId, Timestamp};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// What becomes of a commit whose connection is lost.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LostCommit {
    /// It went through; only the answer was lost.
    Stored,
    /// It never reached the database.
    Dropped,
    /// It never reached the database, and another node appended the same events at the same positions.
    TakenByAnother,
}

/// A ledger in memory. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct MemoryLedger {
    events: Arc<Mutex<Vec<RecordedEvent>>>,
    head_row: Arc<tokio::sync::Mutex<()>>,
    lost: Arc<Mutex<VecDeque<LostCommit>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryLedger {
    /// The next commit loses its connection.
    pub(crate) fn lose_next_commit(&self, how: LostCommit) {
        lock(&self.lost).push_back(how);
    }

    fn end(&self) -> Head {
        let events = lock(&self.events);
        let mut frontier = Frontier::default();
        events.iter().for_each(|event| frontier.push(event.leaf_hash));
        Head {
            position: events.last().map_or(Position::START, |event| event.position),
            recorded_at: events.last().map_or(Timestamp::UNIX_EPOCH, |event| event.recorded_at),
            frontier,
        }
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn begin_append(&self) -> Result<Box<dyn AppendTx>, LedgerError> {
        let locked = Arc::clone(&self.head_row).lock_owned().await;
        Ok(Box::new(MemoryAppend { head: self.end(), ledger: self.clone(), inserted: Vec::new(), _locked: locked }))
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        Ok(self.end())
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LedgerError> {
        let events = lock(&self.events);
        let page = events.iter().filter(|event| event.position > after);
        Ok(page.take(limit.min(PAGE_EVENTS_MAX) as usize).cloned().collect())
    }

    async fn read_streams(&self, team: TeamId, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LedgerError> {
        let events = lock(&self.events);
        let found = events.iter().filter(|event| event.team == team && streams.contains(&event.stream));
        found.map(|event| event.check_hash().map(|()| event.clone()).map_err(Into::into)).collect()
    }

    async fn stream_version(&self, team: TeamId, stream: StreamId) -> Result<i64, LedgerError> {
        let events = lock(&self.events);
        let of_stream = events.iter().filter(|event| event.team == team && event.stream == stream);
        Ok(of_stream.map(|event| event.stream_version).max().unwrap_or(0))
    }

    async fn positions_of(&self, event_ids: &[Uuid]) -> Result<HashMap<Uuid, Position>, LedgerError> {
        let events = lock(&self.events);
        let found = events.iter().filter(|event| event_ids.contains(&event.event_id));
        Ok(found.map(|event| (event.event_id, event.position)).collect())
    }
}

struct MemoryAppend {
    head: Head,
    ledger: MemoryLedger,
    inserted: Vec<RecordedEvent>,
    _locked: OwnedMutexGuard<()>,
}

#[async_trait]
impl AppendTx for MemoryAppend {
    fn head(&self) -> &Head {
        &self.head
    }

    async fn look_up(&mut self, streams: &[(TeamId, StreamId)], event_ids: &[Uuid]) -> Result<LookUp, LedgerError> {
        let mut found = LookUp { known: self.ledger.positions_of(event_ids).await?, ..LookUp::default() };
        for event in lock(&self.ledger.events).iter() {
            if streams.contains(&(event.team, event.stream)) {
                found.versions.insert((event.team, event.stream), event.stream_version);
            }
        }
        Ok(found)
    }

    async fn insert(&mut self, events: &[RecordedEvent], _head: &Head) -> Result<(), LedgerError> {
        let mut ids: Vec<_> = events.iter().map(|event| event.event_id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != events.len() {
            return Err(sqlx::Error::Protocol("an event id twice".to_owned()).into());
        }
        self.inserted.extend_from_slice(events);
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), LedgerError> {
        let lost = lock(&self.ledger.lost).pop_front();
        let mut stored = match lost {
            Some(LostCommit::Dropped) => Vec::new(),
            _ => self.inserted,
        };
        if matches!(lost, Some(LostCommit::TakenByAnother)) {
            for event in &mut stored {
                event.provenance.actor = "another node".to_owned();
                event.leaf_hash = event.expected_leaf_hash();
            }
        }
        lock(&self.ledger.events).append(&mut stored);
        match lost {
            Some(_) => Err(LedgerError::CommitUnknown(sqlx::Error::WorkerCrashed)),
            None => Ok(()),
        }
    }
}
