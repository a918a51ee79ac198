//! The door for a restore: the head row says what it works towards, so that half a ledger is never taken for a whole
//! one. [`crate::writer::Restore`] alone goes through it.

use async_trait::async_trait;

use super::{AppendTx, LedgerError};
use crate::id::Position;
use crate::merkle::Hash;

/// The end of the copy that a restore works towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreTarget {
    /// The copy's last position.
    pub position: Position,
    /// The root of the Merkle tree over its events.
    pub root: Hash,
}

impl RestoreTarget {
    /// As it stands in the head row: the position, big endian, and the root.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        [self.position.0.to_be_bytes().as_slice(), &self.root].concat()
    }

    /// Reads it back; `at` is the head's position.
    pub(super) fn from_bytes(at: i64, bytes: &[u8]) -> Result<Self, LedgerError> {
        let read = || {
            let (position, root) = bytes.split_first_chunk::<8>()?;
            Some(Self { position: Position(i64::from_be_bytes(*position)), root: root.try_into().ok()? })
        };
        read().ok_or_else(|| LedgerError::Corrupt { position: at, column: "restoring", value: hex::encode(bytes) })
    }
}

/// The head row's column `restoring`, read.
pub(super) fn restoring(at: i64, column: Option<Vec<u8>>) -> Result<Option<RestoreTarget>, LedgerError> {
    column.map(|bytes| RestoreTarget::from_bytes(at, &bytes)).transpose()
}

/// Nothing is appended to half a ledger.
pub(super) fn refuse_half(at: Position, target: Option<RestoreTarget>) -> Result<(), LedgerError> {
    match target {
        None => Ok(()),
        Some(target) => Err(LedgerError::Restoring { position: at, target: target.position }),
    }
}

/// A store that can be restored into.
#[async_trait]
pub trait RestoreDoor: Send + Sync + 'static {
    /// What a restore that has not come to its end works towards; `None` in a whole ledger.
    async fn restoring(&self) -> Result<Option<RestoreTarget>, LedgerError>;

    /// Locks the head row, and reads it and what the restore under way works towards.
    async fn begin_restore(&self) -> Result<(Box<dyn RestoreTx>, Option<RestoreTarget>), LedgerError>;
}

/// An append of a restore.
#[async_trait]
pub trait RestoreTx: AppendTx {
    /// Writes into the head row what the restore works towards, or with `None` that it has come to its end.
    async fn mark(&mut self, target: Option<RestoreTarget>) -> Result<(), LedgerError>;
}
