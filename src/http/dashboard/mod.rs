//! What people see in a browser: pages made on the server, in `templates/dashboard`. A file per page; handlers read top
//! to bottom as a list of checks.
//!
//! A page takes a [`viewer::Viewer`], and so is scoped to a team that its reader is a member of. What changes anything is
//! a POST that takes a [`change::Change`], which names by its type who may do it: signed in, in this role, from our own
//! form, and where that matters with the password just given. Everything done here is an event with the member as its actor.
//! What cannot be done is a [`problem::Problem`]: said beside the form where it belongs there, and otherwise on a page that
//! [`frame`] puts into the menu of whoever is signed in.

mod account;
mod api_keys;
mod assets;
mod audit;
mod blacklist;
mod change;
mod counts;
mod customers;
mod fields;
mod first_start;
mod frame;
mod inbox;
mod integrations;
mod invitation;
mod licenses;
mod limits;
mod live;
mod mails;
mod overview;
mod page;
mod paging;
mod problem;
mod products;
mod projections;
mod requests;
mod security;
mod session;
mod settings;
mod shell;
mod sign_in;
mod stale;
mod team_members;
mod viewer;
mod webhooks;
mod when;

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

pub use limits::DashboardLimits;
pub(super) use problem::not_found_page;

use super::Front;
use page::Answer;
use problem::Problem;
use session::Session;

/// All pages.
pub(super) fn router(front: &Front) -> Router<Front> {
    let of_team = Router::new()
        .route("/live", get(live::news))
        .route("/requests", get(requests::list))
        .merge(account::routes())
        .merge(api_keys::routes())
        .merge(audit::routes())
        .merge(blacklist::routes())
        .merge(customers::routes())
        .merge(inbox::routes())
        .merge(integrations::routes())
        .merge(licenses::routes())
        .merge(mails::routes())
        .merge(products::routes())
        .merge(projections::routes())
        .merge(settings::routes())
        .merge(team_members::routes())
        .merge(webhooks::routes())
        .fallback(missing)
        .method_not_allowed_fallback(page_of_form);
    Router::new()
        .route("/", get(home))
        .route("/welcome", get(first_start::show).post(first_start::register))
        .route("/invite", get(invitation::show).post(invitation::join))
        .route("/sign-in", get(sign_in::show).post(sign_in::password))
        .route("/sign-in/code", get(sign_in::show_code).post(sign_in::code))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/account/teams", get(account::list_teams))
        .route("/teams/{teamId}/", get(overview::show))
        .nest("/teams/{teamId}", of_team)
        .method_not_allowed_fallback(page_of_form)
        .layer(from_fn_with_state(front.clone(), frame::framed))
        .layer(session::layer(front))
        .layer(from_fn(security::headers))
        .merge(assets::routes())
}

/// `GET /`: to the pages of the team that somebody signed in for, to the sign-in, or to the first start.
async fn home(State(front): State<Front>, session: Session) -> Answer {
    if let Some(signed_in) = session.signed_in().await?
        && let Some(first) = signed_in.memberships.first()
    {
        return Ok(Redirect::to(&format!("/teams/{}/", first.team)).into_response());
    }
    let to = if crate::admin::members::exist(&front.app).await? { "/sign-in" } else { "/welcome" };
    Ok(Redirect::to(to).into_response())
}

/// What was answered to a form has the form's address in the browser's bar. Whoever asks for that again, in another tab,
/// gets the page that the form is on.
async fn page_of_form(method: Method, OriginalUri(uri): OriginalUri) -> Response {
    if method == Method::GET || method == Method::HEAD {
        return Redirect::to(&viewer::page_of_form(uri.path()).unwrap_or_else(|| "/".to_owned())).into_response();
    }
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}.", uri.path())).into_response()
}

async fn missing(OriginalUri(uri): OriginalUri) -> Response {
    Problem::not_found(format!("There is no page at {}.", uri.path())).into_response()
}
