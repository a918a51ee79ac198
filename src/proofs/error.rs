//! Why there is no checkpoint or no proof.

use keyledger_events::envelope::HashMismatch;
use keyledger_events::keys::KeyRingError;
use keyledger_events::{LedgerError, Position};
use keyledger_proof::check::ProofError;
use keyledger_proof::checkpoint::CheckpointError;
use keyledger_proof::note::NoteError;

/// Why there is no checkpoint or no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofsError {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The keys store does not answer.
    #[error("the log's key: {0}")]
    Keys(#[from] KeyRingError),
    /// The log's key is not usable.
    #[error("the log's key: {0}")]
    Key(#[from] NoteError),
    /// There is nothing to sign.
    #[error("the ledger is empty: there is nothing to sign")]
    Empty,
    /// No checkpoint covers what is asked for yet.
    #[error(
        "no checkpoint is over position {position} yet, the newest is over {size} events; one is signed within a \
         minute while the server runs, or by `keyledger audit checkpoint --sign`"
    )]
    NotYet {
        /// What was asked for.
        position: u64,
        /// Events that the newest checkpoint is over; 0 when there is none.
        size: u64,
    },
    /// No checkpoint has exactly this size.
    #[error("there is no checkpoint over exactly {0} events")]
    NoCheckpoint(u64),
    /// There is no such event.
    #[error("there is no event at position {0}")]
    NoEvent(Position),
    /// Sizes of trees in the wrong order.
    #[error("a tree of {from} events does not come before one of {to}; both must be at least 1")]
    Order {
        /// The older one.
        from: u64,
        /// The newer one.
        to: u64,
    },
    /// A hash of the tree is not there.
    #[error("hash {index} of level {level} of the Merkle tree is missing: run `keyledger audit verify`")]
    Missing {
        /// The level of tiles.
        level: u32,
        /// Which.
        index: u64,
    },
    /// The tree is not the one that was signed, or not the one that the Writer kept.
    #[error("{0}; nothing was signed. Run `keyledger audit verify`")]
    Inconsistent(String),
    /// A stored checkpoint is not one that this log signed.
    #[error("the stored checkpoint over {size} events: {source}; run `keyledger audit verify`")]
    Checkpoint {
        /// Which.
        size: u64,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// An event was changed.
    #[error(transparent)]
    Hash(#[from] HashMismatch),
    /// A proof that was just made proves nothing: something was changed.
    #[error("the ledger gives no valid proof ({0}): run `keyledger audit verify`")]
    Proof(#[from] ProofError),
}
