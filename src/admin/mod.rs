//! What an admin does and sees: operations on the [`App`], the same for the command line and for HTTP.
//!
//! A file per noun. What is denied here ("there is no such team") is denied by the ledger, because every operation
//! looks after catching up with its head.

pub mod api_keys;
pub mod as_of;
pub mod audit;
pub mod customers;
mod error;
pub mod events;
pub mod export;
pub mod forget;
pub mod idempotency;
pub mod inbox;
pub mod integrations;
pub mod licenses;
mod listing;
pub mod mails;
pub mod members;
pub mod metadata;
pub(crate) mod names;
pub mod products;
pub mod projections;
pub mod reconcile;
pub mod reports;
pub mod seats;
pub mod server_keys;
pub mod signing_keys;
pub mod team_settings;
pub mod teams;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod verifications;
pub mod webhooks;

pub use error::AdminError;
pub use listing::Listing;

use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, Provenance, TeamId};

use crate::app::App;

/// Times an operation is decided again because its stream moved on meanwhile.
const CONFLICTS_MAX: u32 = 20;

/// Who did it, when an admin did it from the command line.
pub const ACTOR_CLI: &str = "cli";

/// What an admin does has no cause but the admin.
fn by(actor: &str) -> Provenance {
    Provenance::of(actor)
}

/// Appends one event that was decided on this version of its stream. `false` means that the stream moved on meanwhile
/// and it is to be decided again.
async fn append(app: &App, actor: &str, team: TeamId, version: i64, event: NewEvent) -> Result<bool, AdminError> {
    let request = AppendRequest::new(team, by(actor)).expect(event.stream, version).event(event);
    Ok(matches!(app.writer.append(request).await?, AppendOutcome::Appended { .. }))
}
