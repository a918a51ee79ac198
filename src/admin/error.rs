//! Why an operation was not done, in the three kinds that its caller must tell apart, and what lies beneath.

use keyledger_events::event::DecodeError;
use keyledger_events::keys::KeyRingError;
use keyledger_events::{LedgerError, TeamId, WriterError};
use keyledger_projections::{QueryError, RebuildError};

use super::CONFLICTS_MAX;
use crate::activity::ActivityError;
use crate::app::FreshError;
use crate::licensing::commands::Refusal;
use crate::providers::inbox::LoadError;
use crate::providers::interpreter::InterpretError;
use crate::verification::SealError;
use crate::verification::explain::ExplainError;

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// There is no such team.
    #[error("there is no team {0}; `keyledger team list` shows them all")]
    NoTeam(TeamId),
    /// There is no such thing.
    #[error("there is no {what} {id}; `keyledger {list}` shows them all")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// What it was looked for by.
        id: String,
        /// The command that lists them.
        list: &'static str,
    },
    /// What was given cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// The state of things forbids it.
    #[error("{0}")]
    Refused(String),
    /// A licence's state forbids it.
    #[error(transparent)]
    License(#[from] Refusal),
    /// Others kept changing the same stream.
    #[error("others kept changing the same thing; gave up after {CONFLICTS_MAX} attempts, try again")]
    Contended,
    /// The views are not up to date.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The Writer does not answer.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// A stored event cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// What was seen and asked cannot be read.
    #[error(transparent)]
    Activity(#[from] ActivityError),
    /// There is no explanation.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// A seat cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A data key cannot be had.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// A provider event cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A provider event cannot be interpreted.
    #[error(transparent)]
    Interpret(#[from] InterpretError),
    /// A view was not rebuilt, verified or switched.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// A provider's API did not answer as it should.
    #[error("{0}")]
    Provider(String),
    /// Somebody is not wholly forgotten.
    #[error(transparent)]
    Forgetting(#[from] crate::forgetting::ForgettingError),
    /// The keys store does not answer.
    #[error("the keys store: {0}")]
    KeyStore(#[from] sqlx::Error),
    /// A signing key cannot be read.
    #[error(transparent)]
    Signer(#[from] crate::verification::SignerError),
    /// A key pair could not be made.
    #[error("no RSA key pair could be made: {0}")]
    KeyPair(String),
}
