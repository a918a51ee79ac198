//! What a member may do, and ending a membership. A team never loses its last owner.

use keyledger_events::event::member::{MemberRemoved, MemberRole, MemberRoleChanged};
use keyledger_events::{AppendOutcome, AppendRequest, Event, NewEvent, RecordedEvent, TeamId};
use keyledger_projections::view;
use uuid::Uuid;

use super::{find, history, list, stream};
use crate::admin::{AdminError, CONFLICTS_MAX, by};
use crate::app::App;

/// Gives a member another role. Tells whether they had another one before.
///
/// # Errors
/// When there is no such member, or they are the last owner.
pub async fn change_role(
    app: &App,
    actor: &str,
    team: TeamId,
    member_id: Uuid,
    role: MemberRole,
) -> Result<bool, AdminError> {
    change(app, actor, team, member_id, role, MemberRoleChanged { role }.into()).await
}

/// Ends a membership and every session of it. The data keys of every invitation they ever had are destroyed: address and
/// password cannot be read any more.
///
/// # Errors
/// When there is no such member, or they are the last owner.
pub async fn remove(app: &App, actor: &str, team: TeamId, member_id: Uuid) -> Result<(), AdminError> {
    // Whoever is removed is nothing any more, an auditor least of all an owner.
    let removed = change(app, actor, team, member_id, MemberRole::Auditor, MemberRemoved {}.into()).await;
    if matches!(removed, Ok(_) | Err(AdminError::NotFound { .. })) {
        // Of who was removed before, too: that removal may have been cut short here.
        let keys = keys_of(&history(app, team, member_id).await?)?;
        app.keys.vault().destroy(&keys, &[]).await?;
        app.activity.sessions(app.clock.clone()).end_all_of(team, member_id, None).await?;
    }
    removed.map(drop)
}

/// The data keys that a member's values were sealed with, each invitation's its own.
fn keys_of(events: &[RecordedEvent]) -> Result<Vec<Uuid>, AdminError> {
    let mut keys = Vec::new();
    for recorded in events {
        match recorded.decode()? {
            Event::MemberRegistered(event) => keys.push(event.email.key_id()),
            Event::MemberInvited(event) => keys.push(event.email.key_id()),
            _ => {}
        }
    }
    Ok(keys)
}

async fn change(
    app: &App,
    actor: &str,
    team: TeamId,
    member_id: Uuid,
    role: MemberRole,
    event: Event,
) -> Result<bool, AdminError> {
    for _ in 0..CONFLICTS_MAX {
        let member = find(app, team, member_id).await?;
        if member.role == role && matches!(event, Event::MemberRoleChanged(_)) {
            return Ok(false);
        }
        let own = stream(member_id);
        let mut request = AppendRequest::new(team, by(actor)).expect(own, member.version);
        if member.role == MemberRole::Owner && role != MemberRole::Owner && member.joined() {
            // Two owners who take the role from each other at once: each rests on the other's staying one.
            let all = list(app, team).await?;
            let others =
                all.iter().filter(|other| other.id != member_id && other.role == MemberRole::Owner && other.joined());
            let before = request.expected.len();
            for other in others {
                request = request.expect(stream(other.id), other.version);
            }
            if request.expected.len() == before {
                let message = "this is the team's last owner; make somebody else an owner first";
                return Err(AdminError::Refused(message.to_owned()));
            }
        }
        let request = request.event(NewEvent::new(own, app.clock.now(), event.clone()));
        if let AppendOutcome::Appended { .. } = app.writer.append(request).await? {
            app.catch_up(&[view::MEMBERS]).await?;
            return Ok(true);
        }
    }
    Err(AdminError::Contended)
}
