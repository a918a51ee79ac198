//! `/invite`: whoever was invited chooses a password and is a member from then on.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use keyledger_events::TeamId;
use keyledger_events::event::member::MemberRole;
use keyledger_projections::Member;

use super::fields::Fields;
use super::first_start::new_password;
use super::page::{Answer, page, to, under};
use super::problem::Problem;
use super::session::{Flash, Membership, Session};
use super::shell::Shell;
use super::sign_in::own_form;
use crate::admin::{members, teams};
use crate::http::Front;

#[derive(Template)]
#[template(path = "dashboard/invitation.html")]
struct InvitationPage<'a> {
    shell: Shell,
    token: &'a str,
    email: String,
    team: String,
    role: MemberRole,
}

/// `GET /invite`
pub(super) async fn show(State(front): State<Front>, session: Session, uri: Uri) -> Answer {
    let query = Fields::of_query(&uri);
    let token = query.text("token").unwrap_or_default();
    let (team, member) = invited(&front, &session, token).await?;
    shown(&front, token, team, &member, None).await
}

/// The form, for whose token was looked at.
async fn shown(front: &Front, token: &str, team: TeamId, member: &Member, flash: Option<Flash>) -> Answer {
    page(&InvitationPage {
        shell: Shell::bare("You are invited", flash),
        token,
        email: members::email(&front.app, team, member).await?.unwrap_or_default(),
        team: teams::find(&front.app, team).await?.name,
        role: member.role,
    })
}

/// `POST /invite`
pub(super) async fn join(State(front): State<Front>, session: Session, request: Request) -> Answer {
    let fields = own_form(request).await?;
    let token = fields.raw("token").unwrap_or_default();
    let (team, member) = invited(&front, &session, token).await?;
    match joined(&front, &fields, token).await {
        Ok(()) => {
            let member = members::find(&front.app, team, member.id).await?;
            session.sign_in(vec![Membership::of(team, &member)], front.app.clock.now()).await?;
            to(&format!("/teams/{team}/"))
        }
        Err(problem) => {
            let Some(text) = problem.about_input() else { return Err(problem) };
            let flash = Flash { failed: true, text: text.to_owned(), ..Flash::default() };
            under(StatusCode::UNPROCESSABLE_ENTITY, shown(&front, token, team, &member, Some(flash)).await)
        }
    }
}

async fn joined(front: &Front, fields: &Fields, token: &str) -> Result<(), Problem> {
    members::join(&front.app, token, new_password(fields)?).await?;
    Ok(())
}

async fn invited(front: &Front, session: &Session, token: &str) -> Result<(TeamId, Member), Problem> {
    front.dashboard.attempt(session.address, &format!("invitation from {}", session.address))?;
    let message = "This invitation is used up, out of date, or was never made. Ask for a new one.";
    members::invited(&front.app, token).await?.ok_or_else(|| Problem::not_found(message))
}
