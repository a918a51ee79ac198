//! Members: the seller's people who sign in to the dashboard, what they may do, and what they looked at.
//!
//! A member's stream belongs to one team and has an id that is derived from the keyed fingerprint of the mail address, so
//! of two invitations of the same address at once one is a conflict, and nobody is a member twice.

mod first_start;
mod invite;
mod password;
mod remove;
mod reveal;
mod sign_in;
#[cfg(test)]
mod tests;
mod totp;

pub use first_start::{FirstTeam, exist, first_start_path, first_start_token, is_first_start_token, register_owner};
pub use invite::{INVITATION_DAYS, NewInvitation, invite, invite_anew, invited, join};
pub use password::{
    PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, change_own_password, change_password, check_new, check_password,
};
pub use remove::{change_role, remove};
pub use reveal::reveal;
pub use sign_in::memberships;
pub use totp::{check_totp, disable_totp, enable_totp, new_totp_secret, totp_uri};

use keyledger_events::keys::KeyRing;
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{Event, NewEvent, RecordedEvent, Sealed, StreamId, StreamKind, TeamId, id};
use keyledger_projections::{Member, Page, view};
use uuid::Uuid;

use super::AdminError;
use crate::app::App;
use crate::opened;

/// What is written as who did it, when a member did.
pub fn actor(member_id: Uuid) -> String {
    format!("member:{member_id}")
}

/// The member who did something, if it was one.
pub fn of_actor(actor: &str) -> Option<Uuid> {
    actor.strip_prefix("member:")?.parse().ok()
}

/// A member's stream.
pub(crate) fn stream(member_id: Uuid) -> StreamId {
    StreamId::new(StreamKind::Member, member_id)
}

/// Hex of the keyed fingerprint of a mail address, the same in every team.
fn lookup(ring: &KeyRing, email: &str) -> String {
    hex::encode(ring.fingerprint("member-email", &[normal(email).as_bytes()]))
}

/// A mail address as it is compared: nobody is kept out by a capital letter.
fn normal(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The id of whoever has this address in a team.
fn member_id(team: TeamId, email_lookup: &str) -> Uuid {
    id::derived(team, &["member", email_lookup])
}

/// A member's mail address; `None` for who was removed.
///
/// # Errors
/// When the keys store does not answer.
pub async fn email(app: &App, team: TeamId, member: &Member) -> Result<Option<String>, AdminError> {
    Ok(opened::text(app, team, member.email.as_ref(), Member::EMAIL_FIELD).await?)
}

/// Members and invited people of a team, the latest first.
///
/// # Errors
/// When the views do not answer.
pub async fn list(app: &App, team: TeamId) -> Result<Vec<Member>, AdminError> {
    app.catch_up(&[view::MEMBERS]).await?;
    Ok(app.views.team(team).members(Page::default()).await?)
}

/// The member as the ledger has them now.
///
/// # Errors
/// When there is none of this id.
pub async fn find(app: &App, team: TeamId, member_id: Uuid) -> Result<Member, AdminError> {
    let none = || AdminError::NotFound { what: "member", id: member_id.to_string(), list: "member list" };
    fold(&history(app, team, member_id).await?)?.filter(|member| !member.removed).ok_or_else(none)
}

async fn history(app: &App, team: TeamId, member_id: Uuid) -> Result<Vec<RecordedEvent>, AdminError> {
    Ok(app.ledger.read_streams(team, &[stream(member_id)]).await?)
}

fn fold(events: &[RecordedEvent]) -> Result<Option<Member>, AdminError> {
    let mut member = None;
    for recorded in events {
        member = Member::evolve(member, recorded, &recorded.decode()?);
    }
    Ok(member)
}

/// An event with one value sealed into it.
fn sealing(
    app: &App,
    (team, member_id): (TeamId, Uuid),
    key: &DataKey,
    field: &'static str,
    value: &[u8],
    event: impl FnOnce(Sealed) -> Event,
) -> NewEvent {
    let event_id = id::fresh();
    let sealed = key.seal(SealContext { team, event_id, field }, value);
    NewEvent { stream: stream(member_id), event_id, occurred_at: app.clock.now(), event: event(sealed) }
}

/// The member's own data key.
async fn key_of(app: &App, member: &Member) -> Result<DataKey, AdminError> {
    let gone = || AdminError::Refused("what this member's data is sealed with is gone".to_owned());
    Ok(app.keys.key(member.key_id().ok_or_else(gone)?).await?)
}
