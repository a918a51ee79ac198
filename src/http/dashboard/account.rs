//! `/teams/{teamId}/account`: what concerns nobody but oneself: the password, the second step, the browsers that are
//! signed in; and `/account/teams`, for members of several teams.

use std::cmp::Reverse;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use keyledger_events::TeamId;

use super::change::{Anybody, Change, Confirmed};
use super::first_start::new_password;
use super::page::{Answer, page, under};
use super::problem::Problem;
use super::session::Membership;
use super::shell::Shell;
use super::viewer::{Viewer, in_force};
use super::when::When;
use crate::admin::{members, teams};
use crate::http::Front;

/// The pages of a team's member.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/account", get(show))
        .route("/account/password", post(change_password))
        .route("/account/codes", post(begin_codes))
        .route("/account/codes/confirm", post(enable_codes))
        .route("/account/codes/end", post(end_codes))
        .route("/account/sessions/{handle}/end", post(end_session))
}

#[derive(Template)]
#[template(path = "dashboard/account.html")]
struct AccountPage {
    shell: Shell,
    email: String,
    codes: bool,
    sessions: Vec<Row>,
    /// The secret of codes that are about to be wanted, and its picture.
    secret: Option<(String, String)>,
}

struct Row {
    handle: String,
    agent: String,
    address: String,
    since: When,
    seen: When,
    own: bool,
}

#[derive(Template)]
#[template(path = "dashboard/teams.html")]
struct TeamsPage {
    shell: Shell,
    teams: Vec<(TeamId, String)>,
}

/// `GET /account/teams`
pub(super) async fn list_teams(viewer: Viewer, State(front): State<Front>) -> Answer {
    let mut all = Vec::new();
    for membership in &viewer.signed_in.memberships {
        all.push((membership.team, teams::find(&front.app, membership.team).await?.name));
    }
    page(&TeamsPage { shell: viewer.shell("Teams", "-").await?, teams: all })
}

async fn show(viewer: Viewer, State(front): State<Front>) -> Answer {
    shown(&front, &viewer, None, None).await
}

/// The page; with the secret of codes that are about to be wanted, and with why they are not wanted yet.
async fn shown(front: &Front, viewer: &Viewer, secret: Option<String>, refusal: Option<&str>) -> Answer {
    let (app, team) = (&front.app, viewer.team_id());
    let email = members::email(app, team, &viewer.member).await?.unwrap_or_default();
    let own = viewer.session.handle();
    let store = app.activity.sessions(app.clock.clone());
    let mut sessions = Vec::new();
    // A session is kept under one of the memberships that it speaks for.
    for membership in in_force(app, &viewer.signed_in).await? {
        sessions.extend(store.of_member(membership.team, membership.id).await?);
    }
    sessions.sort_by_key(|session| Reverse(session.seen_at));
    let sessions = sessions.into_iter().map(|session| Row {
        own: own.as_ref() == Some(&session.handle),
        agent: session.agent.filter(|agent| !agent.is_empty()).unwrap_or_else(|| "unknown".to_owned()),
        address: session.address.unwrap_or_default(),
        since: When(session.created_at),
        seen: When(session.seen_at),
        handle: session.handle,
    });
    let secret = secret.map(|secret| picture(&secret, &email).map(|picture| (secret, picture))).transpose()?;
    let mut shell = viewer.shell("Your account", "account").await?;
    shell.path = viewer.at("account");
    if let Some(refusal) = refusal {
        shell.tell(refusal);
    }
    page(&AccountPage { shell, sessions: sessions.collect(), codes: viewer.member.totp.is_some(), secret, email })
}

/// The secret as authenticator apps read it with a camera: a drawing whose every part comes from us.
fn picture(secret: &str, email: &str) -> Result<String, Problem> {
    let uri = members::totp_uri(secret, email)?;
    let code = qrcode::QrCode::new(uri.as_bytes()).map_err(|error| Problem::internal(&error))?;
    let width = code.width();
    let mut path = String::new();
    for (index, colour) in code.to_colors().into_iter().enumerate() {
        if colour == qrcode::Color::Dark {
            path.push_str(&format!("M{} {}h1v1h-1z", index % width + 4, index / width + 4));
        }
    }
    let side = width + 8;
    Ok(format!(
        "<svg class=\"code\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"The secret as a picture for your app\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}

async fn change_password(State(front): State<Front>, change: Change<Anybody>) -> Answer {
    let changed = async {
        let (app, viewer) = (&front.app, &change.viewer);
        let (team, id) = (viewer.team_id(), viewer.member.id);
        front.dashboard.attempt(viewer.session.address, &id.to_string())?;
        let (old, new) = (change.fields.raw("password").unwrap_or_default(), new_password(&change.fields)?);
        let kept = viewer.session.handle();
        let changed = members::change_own_password(app, (team, id), old, new, kept.as_deref()).await?;
        let mut now = Vec::with_capacity(changed.len());
        for (team, id) in changed {
            now.push(Membership::of(team, &members::find(app, team, id).await?));
        }
        viewer.session.go_on_as(viewer.signed_in.clone(), &now).await?;
        let everywhere = match now.len() {
            1 => String::new(),
            teams => format!(" in all {teams} teams that the old one opened"),
        };
        Ok(format!("Your password is changed{everywhere}, and every other browser is signed out."))
    };
    change.done(change.once(&front, changed).await, "account", "account").await
}

/// Shows a new secret; nothing is wanted yet.
async fn begin_codes(State(front): State<Front>, change: Change<Confirmed<Anybody>>) -> Answer {
    shown(&front, &change.viewer, Some(members::new_totp_secret().to_string()), None).await
}

async fn enable_codes(State(front): State<Front>, change: Change<Confirmed<Anybody>>) -> Answer {
    let (team, id) = (change.viewer.team_id(), change.viewer.member.id);
    let secret = change.fields.raw("secret").unwrap_or_default();
    let code = change.fields.text("code").unwrap_or_default();
    let enabled: Result<String, Problem> = async {
        front.dashboard.attempt(change.viewer.session.address, &id.to_string())?;
        members::enable_totp(&front.app, &change.actor(), team, id, secret, code).await?;
        Ok("From now on you sign in with a code as well.".to_owned())
    }
    .await;
    match enabled {
        Err(problem) if problem.about_input().is_some() => {
            let again = shown(&front, &change.viewer, Some(secret.to_owned()), problem.about_input()).await;
            under(StatusCode::UNPROCESSABLE_ENTITY, again)
        }
        enabled => change.done(enabled, "account", "account").await,
    }
}

async fn end_codes(State(front): State<Front>, change: Change<Confirmed<Anybody>>) -> Answer {
    let ended = async {
        let (team, id) = (change.viewer.team_id(), change.viewer.member.id);
        members::disable_totp(&front.app, &change.actor(), team, id).await?;
        Ok("From now on you sign in without a code.".to_owned())
    };
    change.done(ended.await, "account", "account").await
}

async fn end_session(
    State(front): State<Front>,
    Path((_, handle)): Path<(String, String)>,
    change: Change<Anybody>,
) -> Answer {
    let ended = async {
        let app = &front.app;
        let (sessions, mut ended) = (app.activity.sessions(app.clock.clone()), false);
        for membership in in_force(app, &change.viewer.signed_in).await? {
            ended |= sessions.end(membership.team, membership.id, &handle).await?;
        }
        Ok(if ended { "That browser is signed out." } else { "That browser was signed out already." }.to_owned())
    };
    change.done(ended.await, "account", "account").await
}
