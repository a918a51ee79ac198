//! Saying what a licence's own stream calls for: read it, append, and note what came of it.

use std::collections::HashSet;

use keyledger_events::event::DecodeError;
use keyledger_events::{
    AppendOutcome, AppendRequest, LedgerError, Position, StreamId, StreamKind, TeamId, WriterError,
};
use keyledger_projections::{CatchUpError, License, QueryError, view};
use uuid::Uuid;

use crate::app::{App, CATCH_UP_MAX};

/// Who says that a licence ran out, or will soon.
pub(super) const ACTOR: &str = "scheduler";

/// Why not everything that is due was worked off.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkOffError {
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The Writer does not answer.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The view does not follow.
    #[error(transparent)]
    CatchUp(#[from] CatchUpError),
    /// The keys store does not answer.
    #[error("the keys store cannot be read: {0}")]
    Keys(sqlx::Error),
}

/// What became of a licence that was due.
pub(super) enum Told {
    /// We said so.
    Said(Position),
    /// The ledger is ahead of the view: somebody else said so, or it is not due any more.
    Known(Position),
    /// Its stream is beyond this build.
    Unreadable,
}

/// A licence as its own stream tells it.
pub(super) struct Loaded {
    pub(super) license: Option<License>,
    /// The place of the stream's last event.
    pub(super) last: Position,
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// The licence as its own stream tells it; `None` when this build cannot read it, which is logged as `consequence` says.
///
/// # Errors
/// When the ledger does not answer.
pub(super) async fn load(
    app: &App,
    team: TeamId,
    license_id: Uuid,
    consequence: &'static str,
) -> Result<Option<Loaded>, LedgerError> {
    let error = match follow(app, team, license_id).await {
        Ok(loaded) => return Ok(Some(loaded)),
        Err(LoadError::Ledger(error)) if !matches!(error, LedgerError::Corrupt { .. } | LedgerError::Hash(_)) => {
            return Err(error);
        }
        Err(error) => error,
    };
    tracing::error!(%error, %team, license = %license_id, "{consequence}");
    Ok(None)
}

async fn follow(app: &App, team: TeamId, license_id: Uuid) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded { license: None, last: Position::START };
    for recorded in app.ledger.read_streams(team, &[StreamId::new(StreamKind::License, license_id)]).await? {
        loaded.license = License::evolve(loaded.license, &recorded, &recorded.decode()?);
        loaded.last = recorded.position;
    }
    Ok(loaded)
}

/// Appends what a licence calls for, and counts it; `last` is the place up to which the licence was read.
///
/// # Errors
/// When the Writer does not answer.
pub(super) async fn say(
    app: &App,
    request: AppendRequest,
    last: Position,
    counter: &'static str,
) -> Result<Told, WriterError> {
    Ok(match app.writer.append(request).await? {
        AppendOutcome::Appended { last } => {
            metrics::counter!(counter).increment(1);
            Told::Said(last)
        }
        AppendOutcome::AlreadyApplied { position } => Told::Known(position),
        // Something else happened to it just now. If it is due all the same, the next look shows it again.
        AppendOutcome::Conflict { .. } => Told::Known(last),
    })
}

/// Waits until the view has passed what was told, so that it lists none of these licences again for the same reason.
/// Adds those that cannot be read to `unreadable`, and counts what we said.
///
/// # Errors
/// When the view does not follow.
pub(super) async fn settle(
    app: &App,
    unreadable: &mut HashSet<Uuid>,
    told: Vec<(Uuid, Told)>,
) -> Result<u64, CatchUpError> {
    let (mut said, mut seen) = (0, Position::START);
    for (license_id, told) in told {
        match told {
            Told::Said(position) => {
                said += 1;
                seen = seen.max(position);
            }
            Told::Known(position) => seen = seen.max(position),
            Told::Unreadable => drop(unreadable.insert(license_id)),
        }
    }
    app.runner.catch_up(seen, &[view::LICENSES], CATCH_UP_MAX).await?;
    Ok(said)
}
