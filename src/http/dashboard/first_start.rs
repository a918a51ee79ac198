//! `/welcome`: the first start. Whoever has the link that the server wrote into its log becomes the owner of a team.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use keyledger_events::TeamId;

use super::fields::Fields;
use super::page::{Answer, page, to, under};
use super::problem::Problem;
use super::session::{Flash, Membership, Session};
use super::shell::Shell;
use super::sign_in::own_form;
use crate::admin::members::FirstTeam;
use crate::admin::{members, teams};
use crate::http::Front;

/// Who made the first team, before there was anybody.
const ACTOR: &str = "first-start";

#[derive(Template)]
#[template(path = "dashboard/welcome.html")]
struct WelcomePage {
    shell: Shell,
    token: String,
    teams: Vec<(TeamId, String)>,
}

#[derive(Template)]
#[template(path = "dashboard/welcome_locked.html")]
struct LockedPage {
    shell: Shell,
}

/// `GET /welcome`
pub(super) async fn show(State(front): State<Front>, session: Session, uri: Uri) -> Answer {
    let query = Fields::of_query(&uri);
    let (token, flash) = (query.text("token").unwrap_or_default(), session.said().await?);
    if members::exist(&front.app).await? {
        return to("/sign-in");
    }
    if token.is_empty() {
        return page(&LockedPage { shell: Shell::bare("Welcome", flash) });
    }
    opens(&front, &session, token).await?;
    shown(&front, token, flash).await
}

/// The form, for whose token was looked at.
async fn shown(front: &Front, token: &str, flash: Option<Flash>) -> Answer {
    let known = teams::list(&front.app).await?;
    let teams = known.into_iter().map(|team| (team.id, team.name)).collect();
    page(&WelcomePage { shell: Shell::bare("Welcome", flash), token: token.to_owned(), teams })
}

/// `POST /welcome`
pub(super) async fn register(State(front): State<Front>, session: Session, request: Request) -> Answer {
    let fields = own_form(request).await?;
    let token = fields.raw("token").unwrap_or_default();
    opens(&front, &session, token).await?;
    match become_owner(&front, &fields).await {
        Ok(membership) => {
            session.sign_in(vec![membership], front.app.clock.now()).await?;
            to(&format!("/teams/{}/", membership.team))
        }
        Err(problem) => {
            let Some(text) = problem.about_input() else { return Err(problem) };
            let kept = fields.iter().filter(|(name, _)| ["email", "team-name", "team"].contains(name));
            let kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let flash = Flash { failed: true, text: text.to_owned(), fields: kept, ..Flash::default() };
            under(StatusCode::UNPROCESSABLE_ENTITY, shown(&front, token, Some(flash)).await)
        }
    }
}

async fn become_owner(front: &Front, fields: &Fields) -> Result<Membership, Problem> {
    let email = fields.required("email", "Your mail address")?;
    let password = new_password(fields)?;
    members::check_new(email, password)?;
    let team = match fields.id("team", "The team")? {
        Some(id) => FirstTeam::Known(TeamId(id)),
        None => FirstTeam::New(fields.required("team-name", "The team's name")?),
    };
    let (team, id) = members::register_owner(&front.app, ACTOR, team, email, password).await?;
    Ok(Membership::of(team, &members::find(&front.app, team, id).await?))
}

/// A password that was given twice alike.
///
/// # Errors
/// When they differ.
pub(super) fn new_password(fields: &Fields) -> Result<&str, Problem> {
    let password = fields.raw("new-password").unwrap_or_default();
    if fields.raw("password-again") != Some(password) {
        return Err(Problem::unusable("The two passwords are not the same. Type them again."));
    }
    Ok(password)
}

async fn opens(front: &Front, session: &Session, token: &str) -> Result<(), Problem> {
    // Nobody can guess it; and nobody who tries is to keep out who has it.
    front.dashboard.attempt(session.address, &format!("first start from {}", session.address))?;
    if members::is_first_start_token(&front.app, token).await? {
        return Ok(());
    }
    let message = "This link does not open the first start here. The server writes the right one into its log when it \
                   starts, and `keyledger member first-start` prints it.";
    Err(Problem::forbidden(message))
}
