//! What auditors read, with an API key of the scope `auditor` or `admin`: history, proofs, exports, reports. Nothing
//! here changes anything.

pub(super) mod export;
pub(super) mod proofs;
mod query;

use axum::Router;
use axum::middleware::map_response_with_state;
use axum::routing::get;

use super::Front;
use super::envelope::{method_not_allowed, not_found, seal};

/// What auditors ask for.
pub(super) fn router(front: &Front) -> Router<Front> {
    let routes = Router::new()
        .route("/checkpoint", get(proofs::checkpoint))
        .route("/proofs/inclusion/{position}", get(proofs::inclusion))
        .route("/proofs/consistency", get(proofs::consistency))
        .route("/export", get(export::export))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response_with_state(front.clone(), seal));
    Router::new().nest("/api/v1/audit/teams/{teamId}", routes)
}
