//! The first start: whoever holds the installation's own token becomes the first owner, once in the ledger's life.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use keyledger_events::event::member::{MemberRegistered, MemberRole};
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, TeamId, id};
use keyledger_projections::{Member, view};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{lookup, member_id, password, stream};
use crate::admin::{AdminError, by, teams};
use crate::app::App;

/// The id of the installation's secret that the token is made of.
const TOKEN_SECRET: Uuid = Uuid::from_u128(0x6b65_796c_6564_6765_7266_6972_7374_7374);
/// The id of the event that makes the first owner. The ledger has an id once, so there is one first owner, however many
/// ask to be it at once.
const FIRST_OWNER: Uuid = Uuid::from_u128(0x6b65_796c_6564_6765_726f_776e_6572_3031);

/// Whether anybody is or ever was a member of any team.
///
/// # Errors
/// When the views do not answer.
pub async fn exist(app: &App) -> Result<bool, AdminError> {
    app.catch_up(&[view::MEMBERS]).await?;
    Ok(app.views.any_member().await?)
}

/// The token of the first start, the same on every node and after every restart.
///
/// # Errors
/// When the keys store does not answer.
pub async fn first_start_token(app: &App) -> Result<SecretString, AdminError> {
    let secret = app.keys.secret(TOKEN_SECRET).await?;
    Ok(SecretString::from(BASE64URL.encode(Sha256::digest(secret.as_slice()))))
}

/// The path that makes whoever opens it the first owner; `None` once there is one.
///
/// # Errors
/// When views or keys store do not answer.
pub async fn first_start_path(app: &App) -> Result<Option<String>, AdminError> {
    if exist(app).await? {
        return Ok(None);
    }
    Ok(Some(format!("/welcome?token={}", first_start_token(app).await?.expose_secret())))
}

/// Whether a token is the one of the first start.
///
/// # Errors
/// When the keys store does not answer.
pub async fn is_first_start_token(app: &App, given: &str) -> Result<bool, AdminError> {
    let token = first_start_token(app).await?;
    Ok(verify_slices_are_equal(token.expose_secret().as_bytes(), given.as_bytes()).is_ok())
}

/// Of which team the first owner is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstTeam<'a> {
    /// One that there is.
    Known(TeamId),
    /// A new one of this name.
    New(&'a str),
}

/// Makes the first owner, and with them their team if it is a new one. Of several at once one is it; the others are
/// refused, and make no team.
///
/// # Errors
/// When there is or was an owner, or team, address or password cannot be used.
pub async fn register_owner(
    app: &App,
    actor: &str,
    team: FirstTeam<'_>,
    email: &str,
    password: &str,
) -> Result<(TeamId, Uuid), AdminError> {
    password::check_new(email, password)?;
    let message = "there is an owner already: if that is you, sign in; otherwise have yourself invited";
    let refused = || AdminError::Refused(message.to_owned());
    if exist(app).await? {
        return Err(refused());
    }
    let (team, mut request) = match team {
        FirstTeam::Known(team) => (teams::find(app, team).await?.id, AppendRequest::new(team, by(actor))),
        FirstTeam::New(name) => {
            let (team, request) = teams::registration(app, actor, name).await?;
            (team.id, request)
        }
    };
    let hash = password::hash(password).await?;
    let email_lookup = lookup(&app.keys, email);
    let id = member_id(team, &email_lookup);
    let (key, wrapped) = app.keys.generate(id::fresh());
    let seal = |field, value: &str| key.seal(SealContext { team, event_id: FIRST_OWNER, field }, value.as_bytes());
    let event = MemberRegistered {
        email: seal(Member::EMAIL_FIELD, email.trim()),
        email_lookup,
        role: MemberRole::Owner,
        password: seal(Member::PASSWORD_FIELD, &hash),
    };
    let event =
        NewEvent { stream: stream(id), event_id: FIRST_OWNER, occurred_at: app.clock.now(), event: event.into() };
    request = request.expect(stream(id), 0).event(event);
    request.keys.push(wrapped);
    match app.writer.append(request).await? {
        AppendOutcome::Appended { .. } => {
            app.catch_up(&[view::MEMBERS]).await?;
            Ok((team, id))
        }
        AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => Err(refused()),
    }
}
