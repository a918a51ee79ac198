//! Pages as answers.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};

use super::problem::Problem;

/// What a handler answers.
pub(super) type Answer = Result<Response, Problem>;

/// A page.
pub(super) fn page(template: &impl Template) -> Answer {
    Ok(Html(template.render().map_err(|error| Problem::internal(&error))?).into_response())
}

/// A page that says itself what could not be done.
pub(super) fn page_under(status: StatusCode, template: &impl Template) -> Answer {
    under(status, page(template))
}

/// The same of a page that was made.
pub(super) fn under(status: StatusCode, page: Answer) -> Answer {
    let mut response = page?;
    *response.status_mut() = status;
    Ok(response)
}

/// Sends the browser on after a change, so that reloading does not repeat it.
pub(super) fn to(path: &str) -> Answer {
    Ok(Redirect::to(path).into_response())
}
