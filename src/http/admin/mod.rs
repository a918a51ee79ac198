//! What admins do, with an API key of the scope `admin`: looking after views, deliveries, secrets, keys and hooks.

pub(super) mod inbox;
pub(super) mod projections;
pub(super) mod reconcile;

use axum::Router;
use axum::middleware::map_response_with_state;

use super::Front;
use super::envelope::{method_not_allowed, not_found, seal};

/// What admins ask for.
pub(super) fn router(front: &Front) -> Router<Front> {
    let routes = Router::new()
        .merge(projections::routes())
        .merge(inbox::routes())
        .merge(reconcile::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response_with_state(front.clone(), seal));
    Router::new().nest("/api/v1/admin/teams/{teamId}", routes)
}
