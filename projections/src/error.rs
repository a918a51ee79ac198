//! What can go wrong with views.

use keyledger_events::Position;

use crate::db::ColumnError;

/// Why a view could not be read.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The database refused or could not be reached.
    #[error("the views' database: {0}")]
    Database(#[from] sqlx::Error),
    /// A row is not what this release writes.
    #[error(
        "a row of view `{view}` cannot be read: {message}; `keyledger projections rebuild {view}` computes it again"
    )]
    Corrupt {
        /// The view.
        view: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The bookkeeping is not what this release writes.
    #[error("the bookkeeping of views cannot be read: {0}")]
    Bookkeeping(String),
    /// The view was never begun in this database.
    #[error("view `{view}` does not exist yet; it is made when `keyledger serve` starts")]
    NotReady {
        /// The view.
        view: &'static str,
    },
}

impl From<ColumnError> for QueryError {
    fn from(error: ColumnError) -> Self {
        Self::Bookkeeping(error.to_string())
    }
}

/// Why events could not be applied to a view.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The view has no answer to an event. It stops there.
    #[error("the event at position {position} cannot be applied: {message}")]
    Event {
        /// Where.
        position: Position,
        /// Why.
        message: String,
    },
    /// The database refused. Whether that is the event's fault, its error code tells.
    #[error("the views' database: {0}")]
    Database(#[from] sqlx::Error),
}
