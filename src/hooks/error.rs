//! Why a hook could not be worked on.

use keyledger_events::event::DecodeError;
use keyledger_events::keys::KeyRingError;
use keyledger_events::{LedgerError, WriterError};
use keyledger_projections::{CatchUpError, QueryError};

use super::body::BodyError;

/// Why a hook could not be worked on. It stays pending, and this is no attempt.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A stream is beyond this build.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The Writer does not answer.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The views are behind.
    #[error(transparent)]
    CatchUp(#[from] CatchUpError),
    /// A key cannot be had.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// What the hook says cannot be put together.
    #[error("{0}")]
    Body(String),
}

impl DeliverError {
    /// Whether this hook or its endpoint is at fault, and not something that will answer again.
    pub(super) fn is_about_the_hook(&self) -> bool {
        match self {
            Self::Body(_) | Self::Decode(_) | Self::Keys(KeyRingError::Gone(_) | KeyRingError::Open(_)) => true,
            Self::Ledger(_) | Self::Writer(_) | Self::Query(_) | Self::CatchUp(_) | Self::Keys(_) => false,
        }
    }
}

impl From<BodyError> for DeliverError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Ledger(error) => Self::Ledger(error),
            BodyError::Decode(error) => Self::Decode(error),
            BodyError::Keys(error) => Self::Keys(error),
            other => Self::Body(other.to_string()),
        }
    }
}
