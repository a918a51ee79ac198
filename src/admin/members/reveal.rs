//! Looking at what is sealed leaves a trace.

use keyledger_events::event::member::{DataRevealed, RevealedKind};
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, TeamId};
use uuid::Uuid;

use super::stream;
use crate::admin::{AdminError, by};
use crate::app::App;

/// Records that a member looks at something that is sealed; it is shown only after that.
///
/// # Errors
/// When the ledger cannot store it.
pub async fn reveal(
    app: &App,
    actor: &str,
    team: TeamId,
    member_id: Uuid,
    what: RevealedKind,
    subject: Uuid,
) -> Result<(), AdminError> {
    // It rests on nothing: the stream may have any version.
    let event = NewEvent::new(stream(member_id), app.clock.now(), DataRevealed { what, subject });
    match app.writer.append(AppendRequest::new(team, by(actor)).event(event)).await? {
        AppendOutcome::Appended { .. } => Ok(()),
        AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => Err(AdminError::Contended),
    }
}
