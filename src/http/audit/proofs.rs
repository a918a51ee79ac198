//! `…/checkpoint`, `…/proofs/inclusion/{position}` and `…/proofs/consistency`.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use keyledger_events::{LedgerError, Position};

use crate::http::Front;
use crate::http::access::Auditor;
use crate::http::audit::query::AuditQuery;
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{ConsistencyParams, Envelope, Errors, InclusionParams, PositionPath, TeamPath};
use crate::proofs::{self, CheckpointJson, Consistency, Inclusion, ProofsError, checkpoint_json};

#[utoipa::path(
    get,
    operation_id = "showCheckpoint",
    path = "/api/v1/audit/teams/{teamId}/checkpoint",
    tag = "Proofs",
    summary = "Show the newest signed checkpoint",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<CheckpointJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn checkpoint(_: Auditor, State(front): State<Front>) -> Result<Reply, ApiError> {
    let newest = front.app.proofs.newest_checkpoint().await?;
    let newest = newest.ok_or_else(|| refused(ProofsError::NotYet { position: 1, size: 0 }))?;
    Reply::ok("Checkpoint retrieved", &checkpoint_json(&front.log_key, &newest))
}

#[utoipa::path(
    get,
    operation_id = "proveInclusion",
    path = "/api/v1/audit/teams/{teamId}/proofs/inclusion/{position}",
    tag = "Proofs",
    summary = "Prove that an event of the team is in a checkpoint's tree",
    params(PositionPath, InclusionParams),
    responses((status = 200, description = "Done", body = Envelope<Inclusion>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn inclusion(
    Auditor(access): Auditor,
    State(front): State<Front>,
    Path((_, position)): Path<(String, String)>,
    uri: Uri,
) -> Result<Reply, ApiError> {
    let number = position.parse::<i64>().ok().filter(|position| *position > 0);
    let position = number.ok_or_else(|| ApiError::bad_request("position: must be a whole number from 1 on"))?;
    let size = AuditQuery::read(&uri, &["size"])?.number("size")?.map(i64::unsigned_abs);
    let proof = proofs::inclusion(&front.app, &front.log_key, Some(access.team_id), Position(position), size).await;
    Reply::ok("Proved", &proof.map_err(refused)?)
}

#[utoipa::path(
    get,
    operation_id = "proveConsistency",
    path = "/api/v1/audit/teams/{teamId}/proofs/consistency",
    tag = "Proofs",
    summary = "Prove that a tree is the beginning of a later one",
    params(TeamPath, ConsistencyParams),
    responses((status = 200, description = "Done", body = Envelope<Consistency>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn consistency(_: Auditor, State(front): State<Front>, uri: Uri) -> Result<Reply, ApiError> {
    let query = AuditQuery::read(&uri, &["from", "to"])?;
    let from = query.number("from")?.ok_or_else(|| ApiError::bad_request("from: is missing from the query"))?;
    let to = query.number("to")?;
    let proof = proofs::consistency(&front.app, &front.log_key, from.unsigned_abs(), to.map(i64::unsigned_abs)).await;
    Reply::ok("Proved", &proof.map_err(refused)?)
}

/// What cannot be proved, told to the auditor; what is broken is for the log.
pub(super) fn refused(error: ProofsError) -> ApiError {
    let details = error.to_string();
    match error {
        ProofsError::NoEvent(_) | ProofsError::NoCheckpoint(_) => {
            ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", details)
        }
        ProofsError::NotYet { .. } | ProofsError::Empty => ApiError::new(StatusCode::CONFLICT, "CONFLICT", details),
        ProofsError::Order { .. } => ApiError::bad_request(details),
        ProofsError::Hash(found) | ProofsError::Ledger(LedgerError::Hash(found)) => ApiError::changed(&found),
        error => ApiError::internal(&error),
    }
}
