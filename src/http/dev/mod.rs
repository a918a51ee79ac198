//! The developer API: what a seller's own programs do. The routes and the fields are Lukittu's, so that programs
//! written for it work with nothing but the address and the key changed; what is ours comes on top.

pub(super) mod api_licenses;
pub(super) mod customers;
pub(super) mod identifiers;
mod license_body;
pub(super) mod license_data;
pub(super) mod licenses;
pub(super) mod products;
pub(super) mod requests;
pub(super) mod statistics;

use axum::Router;
use axum::middleware::map_response_with_state;
use axum::routing::{get, patch};

pub(crate) use license_data::LicenseData;
pub(crate) use statistics::StatisticsCache;

use super::Front;
use super::envelope::{method_not_allowed, not_found, seal_in_milliseconds};

/// What a seller's programs ask for.
pub(super) fn router(front: &Front) -> Router<Front> {
    let routes = Router::new()
        .route("/licenses", get(licenses::list).post(licenses::create))
        .route("/licenses/id/{licenseId}", get(licenses::show).put(licenses::update).delete(licenses::remove))
        .route("/licenses/{licenseKey}", get(api_licenses::show_by_key).delete(api_licenses::remove_by_key))
        .route("/licenses/id/{licenseId}/hwid", get(identifiers::hwids))
        .route("/licenses/id/{licenseId}/hwid/{seatId}", patch(identifiers::update_hwid))
        .route("/licenses/id/{licenseId}/ip-address", get(identifiers::addresses))
        .route("/licenses/id/{licenseId}/ip-address/{seatId}", patch(identifiers::update_address))
        .route("/customers", get(customers::list).post(customers::create))
        .route("/customers/{customerId}", get(customers::show).put(customers::update).delete(customers::remove))
        .route("/products", get(products::list).post(products::create))
        .route("/products/{productId}", get(products::show).put(products::update).delete(products::remove))
        .route("/statistics", get(statistics::show))
        .route("/requests", get(requests::list))
        .route("/verification/explain", axum::routing::post(requests::explain))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response_with_state(front.clone(), seal_in_milliseconds));
    Router::new().nest("/api/v1/dev/teams/{teamId}", routes)
}
