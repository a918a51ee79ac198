//! What proofs and audits read and keep beside the events: checkpoints, tiles, and rows as they stand, whoever wrote
//! them. The same SQL on both engines.

mod checked;
mod postgres;
mod queries;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use keyledger_proof::tile::TILE_HEIGHT;

use super::LedgerError;
use crate::clock::Timestamp;
use crate::id::Position;
use crate::merkle::Hash;

pub use checked::{Checked, CheckedEvent};
use queries::proof_store;

/// Hashes or rows of one read at most.
pub const PROOF_ROWS_MAX: u32 = 16_384;

/// A signed checkpoint, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Events that it is over.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// The signed note.
    pub note: String,
}

/// What came of storing a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is there now.
    Appended,
    /// One of this size was there before.
    AlreadyThere,
}

/// The hash of a subtree, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTile {
    /// From 1.
    pub level: u32,
    /// From 0.
    pub index: u64,
    /// The root over `256^level` events.
    pub hash: Hash,
}

impl StoredTile {
    /// The first position under it.
    pub fn first(&self) -> i64 {
        first_under(self.level, self.index)
    }

    /// The last position under it.
    pub fn last(&self) -> i64 {
        positions(self.level, self.index.saturating_add(1))
    }
}

/// The first position under a hash of a level. Those of level 0 are the events' leaf hashes.
fn first_under(level: u32, index: u64) -> i64 {
    positions(level, index).saturating_add(1)
}

/// How many positions the first hashes of a level are over; no more than there can be.
fn positions(level: u32, hashes: u64) -> i64 {
    let of_one = 1_u128.checked_shl(level.saturating_mul(TILE_HEIGHT));
    let all = of_one.and_then(|of_one| of_one.checked_mul(hashes.into()));
    match hashes {
        0 => 0,
        _ => all.and_then(|all| i64::try_from(all).ok()).unwrap_or(i64::MAX),
    }
}

/// The ends of the ledger as they stand, read at one moment and not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edges {
    /// The head row; `None` when it is gone.
    pub head: Option<RawHead>,
    /// The first event's position.
    pub first: Option<i64>,
    /// The last event's position.
    pub last: Option<i64>,
}

/// The head row as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawHead {
    /// The last event's position.
    pub position: i64,
    /// When the last event was recorded, in microseconds.
    pub recorded_at: i64,
    /// The frontier's bytes.
    pub frontier: Vec<u8>,
    /// What a restore under way works towards; nothing in a whole ledger.
    pub restoring: Option<Vec<u8>>,
}

/// What a ledger keeps for auditors.
#[async_trait]
pub trait ProofStore: Send + Sync + 'static {
    /// The checkpoint over the most events.
    async fn newest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, LedgerError> {
        Ok(self.newest_checkpoints(1).await?.pop())
    }

    /// The checkpoints over the most events, the largest first, at most `limit`.
    async fn newest_checkpoints(&self, limit: u32) -> Result<Vec<StoredCheckpoint>, LedgerError>;

    /// Checkpoints over more than `after` events, the smallest first, at most `limit`.
    async fn checkpoints(&self, after: u64, limit: u32) -> Result<Vec<StoredCheckpoint>, LedgerError>;

    /// Keeps a checkpoint. Of several nodes that sign the same size one is first.
    async fn store_checkpoint(&self, checkpoint: &StoredCheckpoint) -> Result<Stored, LedgerError>;

    /// How many hashes of a level (from 1) are kept: the first that is missing has this index.
    async fn tiles_kept(&self, level: u32) -> Result<u64, LedgerError>;

    /// Hashes of a level from `first` on, at most `count` (at most [`PROOF_ROWS_MAX`]). Those of level 0 are the
    /// events' leaf hashes. A hash that is missing ends them.
    async fn hashes(&self, level: u32, first: u64, count: u32) -> Result<Vec<Hash>, LedgerError>;

    /// Keeps hashes of a level (from 1), `first` being the number of the first of them. What is there stays.
    async fn store_tiles(&self, level: u32, first: u64, hashes: &[Hash]) -> Result<(), LedgerError>;

    /// Kept hashes behind this one, by level and index, at most `limit`.
    async fn tiles(&self, after: Option<(u32, u64)>, limit: u32) -> Result<Vec<StoredTile>, LedgerError>;

    /// The ends of the ledger.
    async fn edges(&self) -> Result<Edges, LedgerError>;

    /// Reads the events after `after` up to `until`, in order, and checks each by itself: every column is what we
    /// write, the bytes give the leaf hash, and the payload can be read.
    async fn check_events(&self, after: Position, until: Position) -> Result<Vec<Checked>, LedgerError>;

    /// How many bytes of payload the events after `after` have, each, in order, at most `limit`: what it would take to
    /// read them.
    async fn payload_bytes(&self, after: Position, limit: u32) -> Result<Vec<u64>, LedgerError>;
}

/// A proof store handed around between tasks.
pub type SharedProofStore = Arc<dyn ProofStore>;
