//! What auditors read, with an API key of the scope `auditor` or `admin`: history, proofs, exports, reports. Nothing
//! here changes anything.

use axum::Router;
use axum::middleware::map_response_with_state;

use super::Front;
use super::envelope::{method_not_allowed, not_found, seal};

/// What auditors ask for.
pub(super) fn router(front: &Front) -> Router<Front> {
    let routes = Router::new()
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response_with_state(front.clone(), seal));
    Router::new().nest("/api/v1/audit/teams/{teamId}", routes)
}
