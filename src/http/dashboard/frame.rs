//! Problems of people who are signed in: the same page inside the frame of their team, so that the menu stays.

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;

use super::problem::Told;
use super::shell::Shell;
use super::viewer::Viewer;
use crate::http::Front;

/// Puts the page of a problem into the frame of who asked, if they are a member of the team.
pub(super) async fn framed(State(front): State<Front>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut asked = parts.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    // Where the ledger does not answer there is no viewer to be had either.
    let told = response.extensions().get::<Told>().filter(|told| told.status.is_client_error()).cloned();
    let Some(told) = told else { return response };
    let Ok(viewer) = Viewer::from_request_parts(&mut asked, &front).await else { return response };
    let shell = Shell::of_team(&viewer, told.heading().to_owned(), "-", None);
    match told.page(shell) {
        Ok(html) => {
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(html))
        }
        Err(error) => {
            tracing::error!(%error, "the page of an error could not be put into its frame");
            response
        }
    }
}
