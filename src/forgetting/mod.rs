//! Forgetting a person. The ledger keeps what happened; who it happened to becomes unreadable, because the data keys of
//! what is known of them, and of every delivery that names them, are destroyed.
//!
//! CustomerForgotten comes first and tells which keys: whatever breaks off after it is done again, by any process and at
//! every start, and a keys store that is restored from before loses them again. What lies elsewhere (mail files, what was
//! seen when) is erased by the command, and once more by every server as soon as it hears of it.

mod again;
mod erase;
mod follow;
mod person;

use keyledger_events::event::DecodeError;
use keyledger_events::keys::KeyRingError;
use keyledger_events::{LedgerError, Position, TeamId, WriterError};
use keyledger_projections::QueryError;
use uuid::Uuid;

use crate::activity::ActivityError;
use crate::app::FreshError;
use crate::providers::interpreter::InterpretError;

pub use again::again;
pub use erase::erase;
pub use follow::Follower;
pub use person::{Entry, Person};

/// Why somebody is not wholly forgotten yet. Doing it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum ForgettingError {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A stored event cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The keys store does not answer.
    #[error("the keys store: {0}")]
    Store(#[from] sqlx::Error),
    /// A key cannot be had.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The Writer does not answer.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The views are behind.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// What was seen cannot be erased.
    #[error(transparent)]
    Activity(#[from] ActivityError),
    /// A delivery of theirs cannot be concluded.
    #[error(transparent)]
    Interpret(#[from] InterpretError),
    /// A mail cannot be deleted.
    #[error("a mail cannot be deleted from its folder: {0}; let keyledger write there, and run it again")]
    Mail(std::io::Error),
    /// Another process reads without end.
    #[error("{0} could not be rid of its log of changes, because another process reads from it; run it again")]
    Busy(&'static str),
}

/// Somebody whom the ledger says to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// Whose customer they were.
    pub team: TeamId,
    /// The ids that they had.
    pub customer_ids: Vec<Uuid>,
    /// Everything that links to their keys may stand under; the ids are among them.
    pub aliases: Vec<Uuid>,
    /// The keys to destroy.
    pub key_ids: Vec<Uuid>,
    /// The place of the last CustomerForgotten about them.
    pub position: Position,
}
