//! What the log tells the world, for anybody: the newest checkpoint, and the key that it is signed with.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::{Front, HttpError};

/// A checkpoint is replaced within a minute.
const NO_CACHE: &str = "no-cache";
/// How long programs may keep the key, in seconds.
const KEY_CACHE: &str = "public, max-age=3600";

#[utoipa::path(
    get,
    operation_id = "newestCheckpoint",
    path = "/checkpoint",
    tag = "Proofs",
    summary = "The newest signed checkpoint (C2SP tlog-checkpoint)",
    responses(
        (status = 200, description = "A signed note", body = String, content_type = "text/plain"),
        (status = 404, description = "None is signed yet"),
        (status = 503, description = "The ledger does not answer"),
    )
)]
pub(super) async fn newest(State(front): State<Front>) -> Result<Response, HttpError> {
    let newest = front.app.proofs.newest_checkpoint().await?;
    let none = || HttpError::not_found("no checkpoint is signed yet; the first is signed with the first event");
    let note = newest.ok_or_else(none)?.note;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, NO_CACHE)], note).into_response())
}

#[utoipa::path(
    get,
    operation_id = "logKey",
    path = "/checkpoint/key",
    tag = "Proofs",
    summary = "The log's verifier key (C2SP signed-note)",
    responses((status = 200, description = "NAME+ID+KEY", body = String, content_type = "text/plain"))
)]
pub(super) async fn key(State(front): State<Front>) -> Response {
    let key = format!("{}\n", front.log_key.key());
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, KEY_CACHE)], key).into_response()
}
