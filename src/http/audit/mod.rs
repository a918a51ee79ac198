//! What auditors read, with an API key of the scope `auditor` or `admin`: history, proofs, exports, reports. Nothing
//! here changes anything.

pub(super) mod described;
pub(super) mod events;
pub(super) mod export;
pub(super) mod licenses;
mod limits;
pub(super) mod proofs;
mod query;
pub(super) mod reports;
pub(super) mod stream;
pub(super) mod timeline;

use axum::Router;
use axum::middleware::map_response_with_state;
use axum::routing::get;

pub use limits::AuditLimits;

use super::Front;
use super::envelope::{method_not_allowed, not_found, seal};

/// What auditors ask for.
pub(super) fn router(front: &Front) -> Router<Front> {
    let routes = Router::new()
        .route("/checkpoint", get(proofs::checkpoint))
        .route("/proofs/inclusion/{position}", get(proofs::inclusion))
        .route("/proofs/consistency", get(proofs::consistency))
        .route("/export", get(export::export))
        .route("/events", get(events::list))
        .route("/events/stream", get(stream::follow))
        .route("/events/{position}", get(events::show))
        .route("/timeline", get(timeline::show))
        .route("/licenses/{licenseId}", get(licenses::show))
        .route("/licenses/{licenseId}/diff", get(licenses::diff))
        .route("/reports/licenses", get(reports::licenses))
        .route("/reports/purchases", get(reports::against_licenses))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response_with_state(front.clone(), seal));
    Router::new().nest("/api/v1/audit/teams/{teamId}", routes)
}
