//! `GET /.well-known/keyledger-keys.json`: the public keys that answers are signed with.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::http::Front;

/// How long programs may keep them, in seconds.
const CACHE: &str = "public, max-age=3600";

pub(super) async fn keys(State(front): State<Front>) -> Response {
    ([(header::CACHE_CONTROL, CACHE)], Json(front.server_keys.jwks())).into_response()
}
