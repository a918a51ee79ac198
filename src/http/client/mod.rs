//! Client programs ask whether a key may be used. The routes, fields and answers are Lukittu's, so that programs
//! written for it work with nothing but the address changed; the header `Keyledger-Signature` is ours.

mod limits;
mod respond;
pub(super) mod verification;
mod well_known;

use axum::Router;
use axum::routing::{get, post};

pub use limits::VerifyLimits;

use super::Front;

/// What client programs ask for.
pub(super) fn router() -> Router<Front> {
    Router::new()
        .route("/api/v1/client/teams/{teamId}/verification/verify", post(verification::verify))
        .route("/api/v1/client/teams/{teamId}/verification/heartbeat", post(verification::heartbeat))
        .route("/.well-known/keyledger-keys.json", get(well_known::keys))
}
