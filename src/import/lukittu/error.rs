//! Why an import ends before its end. What was imported stays, and a further run goes on.

use keyledger_events::keys::KeyRingError;
use keyledger_events::{LedgerError, TeamId, WriterError};
use keyledger_projections::QueryError;

use crate::activity::ActivityError;
use crate::admin::AdminError;
use crate::app::FreshError;

/// Why an import ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Lukittu's database does not answer.
    #[error("the Lukittu database: {0}")]
    Source(#[from] sqlx::Error),
    /// It is another database, or of another time.
    #[error(
        "this is not a Lukittu database that can be read: {} missing; bring Lukittu up to date first (it must know \
         hardware identifiers, which it does since August 2025)",
        .0.join(", ")
    )]
    Schema(Vec<String>),
    /// The key opens no licence key.
    #[error(
        "the encryption key opens none of the licence keys that were tried; give the value of ENCRYPTION_KEY of the \
         Lukittu server"
    )]
    WrongKey,
    /// There is no such team in Lukittu.
    #[error("there is no team {0} in the Lukittu database")]
    NoTeam(String),
    /// There is no such team here.
    #[error("there is no team {0} here to import into; `keyledger team list` shows them all")]
    NoTarget(TeamId),
    /// An operation did not work.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The Writer does not answer.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The views are not up to date.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A data key cannot be had.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// What was seen cannot be written down.
    #[error(transparent)]
    Activity(#[from] ActivityError),
}
