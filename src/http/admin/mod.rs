//! What admins do, with an API key of the scope `admin`: looking after views, deliveries, secrets, keys and hooks.

pub(super) mod api_keys;
pub(super) mod deliveries;
pub(super) mod forget;
pub(super) mod inbox;
pub(super) mod integrations;
pub(super) mod projections;
pub(super) mod reconcile;
pub(super) mod settings;
pub(super) mod signing_keys;
pub(super) mod webhooks;

use axum::Router;
use axum::middleware::map_response_with_state;
use axum::routing::{delete, get, post};

use super::Front;
use super::envelope::{method_not_allowed, not_found, seal};

/// What admins ask for.
pub(super) fn router(front: &Front) -> Router<Front> {
    let routes = Router::new()
        .merge(projections::routes())
        .merge(inbox::routes())
        .merge(reconcile::routes())
        .route("/settings", get(settings::show).patch(settings::update))
        .route("/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/webhooks/{webhookId}", get(webhooks::show).patch(webhooks::update).delete(webhooks::remove))
        .route("/webhooks/{webhookId}/secret", post(webhooks::rotate))
        .route("/webhooks/{webhookId}/test", post(deliveries::test))
        .route("/webhooks/{webhookId}/redeliver", post(deliveries::redeliver_failed))
        .route("/webhooks/{webhookId}/deliveries", get(deliveries::list))
        .route("/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver", post(deliveries::redeliver))
        .route("/apikeys", get(api_keys::list).post(api_keys::create))
        .route("/apikeys/{keyId}", delete(api_keys::revoke))
        .route("/integrations", get(integrations::list))
        .route("/integrations/{provider}", get(integrations::show).patch(integrations::update))
        .route("/integrations/{provider}/secrets", post(integrations::add_secret))
        .route("/integrations/{provider}/secrets/{secretId}", delete(integrations::retire_secret))
        .route("/signing-keys", get(signing_keys::list))
        .route("/signing-keys/rotate", post(signing_keys::rotate))
        .route("/customers/forget", post(forget::by_email))
        .route("/customers/{customerId}/forget", post(forget::by_id))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response_with_state(front.clone(), seal));
    Router::new().nest("/api/v1/admin/teams/{teamId}", routes)
}
