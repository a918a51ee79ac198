//! Standing in the Writer's way: a keys store that can be shut, and a ledger that counts its transactions.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use keyledger_events::keys::{KeyLink, KeyStore, SharedKeyStore, WrappedKey};
use keyledger_events::store::{AppendTx, Head};
use keyledger_events::{Ledger, LedgerError, Position, RecordedEvent, SharedLedger, StreamId, TeamId};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// A keys store whose insert waits at a gate, or fails when told to. The Writer stores keys within a batch, so a
/// request with a key holds the Writer while other requests gather behind it.
pub(crate) struct GatedKeys {
    inner: SharedKeyStore,
    gate: Semaphore,
    arrived: Semaphore,
    broken: AtomicBool,
}

impl GatedKeys {
    /// A shut gate before `inner`.
    pub(crate) fn shut(inner: SharedKeyStore) -> Self {
        Self { inner, gate: Semaphore::new(0), arrived: Semaphore::new(0), broken: AtomicBool::new(false) }
    }

    /// Waits until the Writer stands at the gate.
    pub(crate) async fn until_reached(&self) {
        if let Ok(arrived) = self.arrived.acquire().await {
            arrived.forget();
        }
    }

    /// Lets everything through from now on.
    pub(crate) fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Whether inserts fail.
    pub(crate) fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }
}

#[async_trait]
impl KeyStore for GatedKeys {
    async fn insert(&self, keys: &[WrappedKey], links: &[KeyLink]) -> Result<(), sqlx::Error> {
        self.arrived.add_permits(1);
        let _pass = self.gate.acquire().await;
        if self.broken.load(Ordering::SeqCst) {
            return Err(sqlx::Error::Io(std::io::Error::other("the disk of the keys store is full")));
        }
        self.inner.insert(keys, links).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
        self.inner.find(id).await
    }
}

/// A ledger that counts the append transactions begun on it.
pub(crate) struct CountingLedger {
    inner: SharedLedger,
    begun: AtomicUsize,
}

impl CountingLedger {
    /// Counts from 0.
    pub(crate) fn new(inner: SharedLedger) -> Self {
        Self { inner, begun: AtomicUsize::new(0) }
    }

    /// Transactions begun so far.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Ledger for CountingLedger {
    async fn begin_append(&self) -> Result<Box<dyn AppendTx>, LedgerError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.inner.begin_append().await
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        self.inner.head().await
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Vec<RecordedEvent>, LedgerError> {
        self.inner.read(after, limit).await
    }

    async fn read_streams(&self, team: TeamId, streams: &[StreamId]) -> Result<Vec<RecordedEvent>, LedgerError> {
        self.inner.read_streams(team, streams).await
    }

    async fn stream_version(&self, team: TeamId, stream: StreamId) -> Result<i64, LedgerError> {
        self.inner.stream_version(team, stream).await
    }

    async fn positions_of(&self, event_ids: &[Uuid]) -> Result<HashMap<Uuid, Position>, LedgerError> {
        self.inner.positions_of(event_ids).await
    }
}
