//! Working off everything that is due, page by page.

use std::collections::HashSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use keyledger_events::event::DecodeError;
use keyledger_events::{
    AppendOutcome, AppendRequest, LedgerError, NewEvent, Position, Provenance, StreamId, StreamKind, TeamId, Timestamp,
    WriterError, id,
};
use keyledger_projections::{CatchUpError, Expiration, License, QueryError, view};
use uuid::Uuid;

use crate::app::{App, CATCH_UP_MAX};
use crate::licensing::commands::{Command, decide};
use crate::stop::Stopping;

/// Who says that a licence ran out, or will soon.
pub(super) const ACTOR: &str = "scheduler";
/// Due licences looked at in one go.
const PAGE: usize = 1_024;
/// Licences in hand at the same time; the Writer commits as one batch what they bring to it together.
const CONCURRENT_MAX: usize = 64;

/// Why not everything that is due was worked off.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExpireError {
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
}

/// What became of a due licence.
enum Told {
    /// We said so.
    Expired(Position),
    /// The ledger is ahead of the view: somebody else said so, or the licence was renewed.
    Known(Position),
    /// Its stream is beyond this build.
    Unreadable,
}

/// Expires what is due.
pub(super) struct Expirer {
    app: App,
    /// Licences that this build cannot read, told once and left to a newer one.
    unreadable: HashSet<Uuid>,
}

impl Expirer {
    pub(super) fn new(app: App) -> Self {
        Self { app, unreadable: HashSet::new() }
    }

    /// Expires licences until none is due or it is time to stop, and counts those that it expired itself.
    ///
    /// # Errors
    /// When a database does not answer; what was done stays done.
    pub(super) async fn work_off(&mut self, stopping: &Stopping) -> Result<u64, ExpireError> {
        let mut expired = 0;
        while !stopping.is_requested() {
            let now = self.app.clock.now();
            let due = self.due(now).await?;
            if due.is_empty() {
                break;
            }
            let each = due.into_iter().map(|expiration| expire(self.app.clone(), expiration, now));
            let told: Vec<_> = stream::iter(each).buffer_unordered(CONCURRENT_MAX).try_collect().await?;
            let mut seen = Position::START;
            for (license_id, told) in told {
                match told {
                    Told::Expired(position) => {
                        expired += 1;
                        seen = seen.max(position);
                    }
                    Told::Known(position) => seen = seen.max(position),
                    Told::Unreadable => drop(self.unreadable.insert(license_id)),
                }
            }
            // The view that has passed all this lists none of these licences again for the same reason.
            self.app.runner.catch_up(seen, &[view::EXPIRATIONS], CATCH_UP_MAX).await?;
        }
        Ok(expired)
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<Expiration>, QueryError> {
        let limit = u32::try_from(PAGE + self.unreadable.len()).unwrap_or(u32::MAX);
        match self.app.views.due_expirations(now, limit).await {
            Ok(mut due) => {
                due.retain(|expiration| !self.unreadable.contains(&expiration.license_id));
                Ok(due)
            }
            // The process has only just started.
            Err(QueryError::NotReady { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// Says that a licence ran out if its own stream says so.
async fn expire(app: App, expiration: Expiration, now: Timestamp) -> Result<(Uuid, Told), ExpireError> {
    let Expiration { team, license_id, .. } = expiration;
    let stream = StreamId::new(StreamKind::License, license_id);
    let (license, last) = match load(&app, team, stream).await {
        Ok(loaded) => loaded,
        Err(LoadError::Database(error)) => return Err(error.into()),
        Err(error) => {
            tracing::error!(%error, %team, license = %license_id, "a licence that is due cannot be read; it is not expired");
            return Ok((license_id, Told::Unreadable));
        }
    };
    let Some(request) = license.and_then(|license| request(team, stream, &license, now)) else {
        return Ok((license_id, Told::Known(last)));
    };
    let told = match app.writer.append(request).await? {
        AppendOutcome::Appended { last } => {
            metrics::counter!("keyledger_expirations_total").increment(1);
            Told::Expired(last)
        }
        AppendOutcome::AlreadyApplied { position } => Told::Known(position),
        // Something else happened to it just now. If it is due all the same, the next look shows it again.
        AppendOutcome::Conflict { .. } => Told::Known(last),
    };
    Ok((license_id, told))
}

/// The append that the licence calls for. Its id is derived from the licence and the due time, so that whoever
/// says the same says it once.
fn request(team: TeamId, stream: StreamId, license: &License, now: Timestamp) -> Option<AppendRequest> {
    // Expiring is never refused; a licence that cannot expire owes nothing.
    let (due_at, event) = decide(license, Command::Expire, now).ok().flatten()?;
    let due = due_at.as_microsecond().to_string();
    let event_id = id::derived(team, &["expired", &license.id.to_string(), &due]);
    let event = NewEvent { stream, event_id, occurred_at: due_at, event };
    Some(AppendRequest::new(team, Provenance::of(ACTOR)).expect(stream, license.version).event(event))
}

#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Database(LedgerError),
    #[error(transparent)]
    Stored(LedgerError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl From<LedgerError> for LoadError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Corrupt { .. } | LedgerError::Hash(_) => Self::Stored(error),
            _ => Self::Database(error),
        }
    }
}

/// The licence as its own stream tells it, and the place of the stream's last event.
pub(super) async fn load(app: &App, team: TeamId, stream: StreamId) -> Result<(Option<License>, Position), LoadError> {
    let (mut license, mut last) = (None, Position::START);
    for recorded in app.ledger.read_streams(team, &[stream]).await? {
        license = License::evolve(license, &recorded, &recorded.decode()?);
        last = recorded.position;
    }
    Ok((license, last))
}
