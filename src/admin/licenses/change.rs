//! What an admin decides about a licence.

use keyledger_events::{NewEvent, RecordedEvent, StreamId, StreamKind, TeamId};
use keyledger_projections::License;
use uuid::Uuid;

use crate::admin::{AdminError, CONFLICTS_MAX, append};
use crate::app::App;
use crate::licensing::commands::{Command, decide};

/// A licence after a command.
#[derive(Debug, Clone)]
pub struct Done {
    /// Whose it is.
    pub team: TeamId,
    /// The licence.
    pub license: License,
    /// Whether the command changed it, or it was as asked already.
    pub changed: bool,
}

/// Carries out a command on a licence of one team, or of whichever team has it.
///
/// # Errors
/// When there is no such licence, or its state forbids the command.
pub async fn change(
    app: &App,
    actor: &str,
    team: Option<TeamId>,
    id: Uuid,
    command: &Command,
) -> Result<Done, AdminError> {
    let (team, _) = super::find(app, team, &id.to_string()).await?;
    for _ in 0..CONFLICTS_MAX {
        let events = app.ledger.read_streams(team, &[StreamId::new(StreamKind::License, id)]).await?;
        let Some(license) = fold(&events)? else {
            return Err(AdminError::NotFound { what: "licence", id: id.to_string(), list: "license list" });
        };
        let Some((occurred_at, event)) = decide(&license, command.clone(), app.clock.now())? else {
            return Ok(Done { team, license, changed: false });
        };
        let stream = StreamId::new(StreamKind::License, id);
        let event = NewEvent::new(stream, occurred_at, event);
        if append(app, actor, team, license.version, event).await? {
            let (team, license) = super::find(app, Some(team), &id.to_string()).await?;
            return Ok(Done { team, license, changed: true });
        }
    }
    Err(AdminError::Contended)
}

/// The licence that a stream's events tell of.
pub(super) fn fold<'e>(events: impl IntoIterator<Item = &'e RecordedEvent>) -> Result<Option<License>, AdminError> {
    let mut license = None;
    for recorded in events {
        license = License::evolve(license, recorded, &recorded.decode()?);
    }
    Ok(license)
}
