//! Setting a provider event aside: an admin says that nothing shall come of it.

use keyledger_events::NewEvent;
use keyledger_events::event::inbox::ProviderEventIgnored;
use keyledger_projections::{InboxEntry, Outcome};

use super::find;
use crate::admin::{AdminError, CONFLICTS_MAX, append};
use crate::app::App;
use crate::providers::inbox::{InboxState, stream_of};

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// Concludes a provider event that is rejected, or not concluded yet, as ignored by `actor`. An interpretation that is
/// under way loses: its conclusion expects the version that this one was decided on, and the other way round.
///
/// # Errors
/// When there is no reason, or it was applied or ignored already.
pub async fn ignore(app: &App, actor: &str, entry: &InboxEntry, reason: &str) -> Result<InboxEntry, AdminError> {
    let reason = checked(reason)?;
    let (team, stream) = (entry.team, stream_of(entry));
    for _ in 0..CONFLICTS_MAX {
        let Some(state) = InboxState::load(app, team, stream).await? else {
            let id = entry.id.to_string();
            return Err(AdminError::NotFound { what: "provider event", id, list: "inbox list" });
        };
        let name = format!("{} ({})", entry.provider_event_id, entry.event_type);
        match state.outcome {
            Outcome::Pending | Outcome::Rejected => {}
            Outcome::Applied => {
                let message = format!("{name} was applied already; what it did is history and cannot be ignored");
                return Err(AdminError::Refused(message));
            }
            Outcome::Ignored => {
                let why = state.reason.unwrap_or_default();
                return Err(AdminError::Refused(format!("{name} is ignored already: {why}")));
            }
        }
        let ignored = ProviderEventIgnored { reason: format!("ignored by {actor}: {reason}") };
        if append(app, actor, team, state.version, NewEvent::new(stream, app.clock.now(), ignored)).await? {
            tracing::info!(actor, %team, delivery = %entry.id, "a delivery was set aside");
            return find(app, Some(team), &entry.id.to_string()).await;
        }
    }
    Err(AdminError::Contended)
}

fn checked(reason: &str) -> Result<&str, AdminError> {
    let reason = reason.trim();
    let chars = reason.chars().count();
    if chars == 0 || chars > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
        let message =
            format!("reason: must have 1 to {REASON_CHARS_MAX} characters on one line; it stays in the ledger");
        return Err(AdminError::Invalid(message));
    }
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_text() {
        assert_eq!(checked(" a test purchase ").ok(), Some("a test purchase"));
        for bad in ["", "  ", "two\nlines", &"x".repeat(501)] {
            assert!(checked(bad).is_err_and(|error| error.to_string().contains("reason")), "{bad}");
        }
    }
}
