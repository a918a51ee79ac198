//! `/teams/{teamId}/audit`: what happened, in order; whether it still is what was written; and taking it away.

mod checkpoints;
mod export;
mod show;
mod verification;

use axum::Router;
use axum::routing::get;

use crate::http::Front;

pub(super) use verification::Verifications;

/// The pages.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/audit", get(show::show))
        .route("/audit/verification", get(verification::show).post(verification::begin))
        .route("/audit/checkpoints/{size}", get(checkpoints::note))
        .route("/audit/export", get(export::file))
}
