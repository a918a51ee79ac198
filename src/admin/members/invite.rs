//! Inviting somebody, and taking up an invitation.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use keyledger_events::event::member::{MemberInvited, MemberJoined, MemberRole};
use keyledger_events::{AppendOutcome, AppendRequest, TeamId, Timestamp, clock, id};
use keyledger_projections::{Member, view};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{fold, history, key_of, lookup, member_id, password, sealing, stream};
use crate::admin::{AdminError, CONFLICTS_MAX, by, team_settings, teams};
use crate::app::App;

/// How long an invitation is good, in days.
pub const INVITATION_DAYS: u32 = 7;

/// An invitation that was just made.
#[derive(Debug)]
pub struct NewInvitation {
    /// Who will be the member.
    pub member_id: Uuid,
    /// What opens it. Nobody can show it again.
    pub token: SecretString,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// Whether they were a member already, and can sign in again only with it.
    pub anew: bool,
}

/// Checks a mail address that somebody is to sign in with.
///
/// # Errors
/// When it is none.
pub(super) fn check_email(email: &str) -> Result<(), AdminError> {
    match team_settings::checked_email(email) {
        Ok(checked) if !checked.is_empty() => Ok(()),
        _ => Err(AdminError::Invalid("the mail address is not one that mail can be sent to".to_owned())),
    }
}

/// Invites somebody. Who was invited and has not joined is invited anew: only the new token works.
///
/// # Errors
/// When there is no such team, the address cannot be used, or it is a member's already.
pub async fn invite(
    app: &App,
    actor: &str,
    team: TeamId,
    email: &str,
    role: MemberRole,
) -> Result<NewInvitation, AdminError> {
    let refused = |_: &Member| {
        let message = "this address is a member's already; change their role instead, or, if they cannot sign in any \
                       more, remove them and invite them again; on the server, `keyledger member invite` invites them \
                       anew without that";
        Err(AdminError::Refused(message.to_owned()))
    };
    invite_unless(app, actor, team, email, role, refused).await
}

/// Invites somebody, and a member anew who cannot sign in any more: their password and their codes are forgotten, their
/// sessions end, and they choose a password when they take up the invitation. For whom the machine belongs to: where the
/// only owner has lost the password, nobody else can.
///
/// # Errors
/// When there is no such team, the address cannot be used, or it is that of a member who has another role.
pub async fn invite_anew(
    app: &App,
    actor: &str,
    team: TeamId,
    email: &str,
    role: MemberRole,
) -> Result<NewInvitation, AdminError> {
    let same_role = |member: &Member| match member.role {
        known if known == role => Ok(()),
        known => Err(AdminError::Refused(format!(
            "this address is a member's already, whose role is {known}: invite them anew with `--role {known}`, and give \
             them another role with `keyledger member set-role`"
        ))),
    };
    let made = invite_unless(app, actor, team, email, role, same_role).await?;
    app.activity.sessions(app.clock.clone()).end_all_of(team, made.member_id, None).await?;
    Ok(made)
}

/// Invites somebody, unless they have joined and `check` refuses them.
async fn invite_unless(
    app: &App,
    actor: &str,
    team: TeamId,
    email: &str,
    role: MemberRole,
    check: impl Fn(&Member) -> Result<(), AdminError>,
) -> Result<NewInvitation, AdminError> {
    check_email(email)?;
    teams::find(app, team).await?;
    let email_lookup = lookup(&app.keys, email);
    let id = member_id(team, &email_lookup);
    for _ in 0..CONFLICTS_MAX {
        let events = history(app, team, id).await?;
        let joined = fold(&events)?.filter(Member::joined);
        joined.as_ref().map_or(Ok(()), &check)?;
        let now = app.clock.now();
        let lasts = i64::from(INVITATION_DAYS) * clock::DAY_US;
        let expires_at = clock::from_microseconds(now.as_microsecond() + lasts).unwrap_or(Timestamp::MAX);
        let token = Zeroizing::new(BASE64URL.encode(rand::random::<[u8; 32]>()));
        // What was sealed for an earlier invitation is not read any more, whatever became of its key.
        let (key, wrapped) = app.keys.generate(id::fresh());
        let (lookup, hash) = (email_lookup.clone(), token_hash(&token));
        let event = sealing(app, (team, id), &key, Member::EMAIL_FIELD, email.trim().as_bytes(), |email| {
            MemberInvited { email, email_lookup: lookup, role, token_sha256: hash, expires_at }.into()
        });
        let version = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let mut request = AppendRequest::new(team, by(actor)).expect(stream(id), version).event(event);
        request.keys.push(wrapped);
        if let AppendOutcome::Appended { .. } = app.writer.append(request).await? {
            app.catch_up(&[view::MEMBERS]).await?;
            return Ok(NewInvitation {
                member_id: id,
                token: SecretString::from(token.as_str()),
                expires_at,
                anew: joined.is_some(),
            });
        }
    }
    Err(AdminError::Contended)
}

fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Whom a token invites, while it is good.
///
/// # Errors
/// When the views do not answer.
pub async fn invited(app: &App, token: &str) -> Result<Option<(TeamId, Member)>, AdminError> {
    app.catch_up(&[view::MEMBERS]).await?;
    let found = app.views.member_by_invitation(&token_hash(token)).await?;
    let now = app.clock.now();
    Ok(found.filter(|(_, member)| member.invitation.as_ref().is_some_and(|invitation| invitation.expires_at > now)))
}

/// Takes up an invitation: whoever holds the token chooses the password. Of several at once one does.
///
/// # Errors
/// When the invitation is used up, out of date or was never made, or the password cannot be used.
pub async fn join(app: &App, token: &str, password: &str) -> Result<(TeamId, Uuid), AdminError> {
    let used_up = || AdminError::Refused("this invitation is used up, out of date, or was never made".to_owned());
    let (team, member) = invited(app, token).await?.ok_or_else(used_up)?;
    let email = super::email(app, team, &member).await?.unwrap_or_default();
    password::check_new(&email, password)?;
    let hash = password::hash(password).await?;
    let key = key_of(app, &member).await?;
    let event = sealing(app, (team, member.id), &key, Member::PASSWORD_FIELD, hash.as_bytes(), |password| {
        MemberJoined { password }.into()
    });
    // At the version that the invitation was seen at: whoever was faster took it up.
    let request = AppendRequest::new(team, by(&super::actor(member.id)));
    let request = request.expect(stream(member.id), member.version).event(event);
    match app.writer.append(request).await? {
        AppendOutcome::Appended { .. } => {
            app.catch_up(&[view::MEMBERS]).await?;
            Ok((team, member.id))
        }
        AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => Err(used_up()),
    }
}
