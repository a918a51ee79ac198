//! `/teams/{teamId}/inbox`: what providers delivered, what became of it and why, and what can be done about it.

mod act;
mod list;
mod show;

use axum::Router;
use axum::routing::{get, post};

use crate::http::Front;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/inbox", get(list::show))
        .route("/inbox/{entryId}", get(show::show))
        .route("/inbox/{entryId}/payload", post(act::payload))
        .route("/inbox/{entryId}/retry", post(act::retry))
        .route("/inbox/{entryId}/ignore", post(act::ignore))
}
