//! Working off everything that is due, page by page.

use std::collections::HashSet;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use keyledger_events::{AppendRequest, NewEvent, Provenance, StreamId, StreamKind, TeamId, Timestamp, id};
use keyledger_projections::{Expiration, License, QueryError};
use uuid::Uuid;

use super::told::{ACTOR, Told, WorkOffError, load, say, settle};
use crate::app::App;
use crate::licensing::commands::{Command, decide};
use crate::stop::Stopping;

/// Due licences looked at in one go.
const PAGE: usize = 1_024;
/// Licences in hand at the same time; the Writer commits as one batch what they bring to it together.
const CONCURRENT_MAX: usize = 64;

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
    pub(super) async fn work_off(&mut self, stopping: &Stopping) -> Result<u64, WorkOffError> {
        let mut expired = 0;
        while !stopping.is_requested() {
            let now = self.app.clock.now();
            let due = self.due(now).await?;
            if due.is_empty() {
                break;
            }
            let each = due.into_iter().map(|expiration| expire(self.app.clone(), expiration, now));
            let told: Vec<_> = stream::iter(each).buffer_unordered(CONCURRENT_MAX).try_collect().await?;
            expired += settle(&self.app, &mut self.unreadable, told).await?;
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
async fn expire(app: App, expiration: Expiration, now: Timestamp) -> Result<(Uuid, Told), WorkOffError> {
    let Expiration { team, license_id, .. } = expiration;
    let consequence = "a licence that is due cannot be read; it is not expired";
    let Some(loaded) = load(&app, team, license_id, consequence).await? else {
        return Ok((license_id, Told::Unreadable));
    };
    let Some(request) = loaded.license.and_then(|license| request(team, &license, now)) else {
        return Ok((license_id, Told::Known(loaded.last)));
    };
    Ok((license_id, say(&app, request, loaded.last, "keyledger_expirations_total").await?))
}

/// The append that the licence calls for. Its id is derived from the licence and the due time, so that whoever
/// says the same says it once.
fn request(team: TeamId, license: &License, now: Timestamp) -> Option<AppendRequest> {
    // Expiring is never refused; a licence that cannot expire owes nothing.
    let (due_at, event) = decide(license, Command::Expire, now).ok().flatten()?;
    let due = due_at.as_microsecond().to_string();
    let event_id = id::derived(team, &["expired", &license.id.to_string(), &due]);
    let stream = StreamId::new(StreamKind::License, license.id);
    let event = NewEvent { stream, event_id, occurred_at: due_at, event };
    Some(AppendRequest::new(team, Provenance::of(ACTOR)).expect(stream, license.version).event(event))
}
