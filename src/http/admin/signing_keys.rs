//! `/api/v1/admin/teams/{teamId}/signing-keys`.

use axum::extract::State;

use crate::admin::signing_keys::{self, SigningKeyJson};
use crate::admin::teams;
use crate::http::Front;
use crate::http::access::{Admin, Auditor};
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Envelope, Errors, TeamPath};

#[utoipa::path(
    get,
    operation_id = "listSigningKeys",
    path = "/api/v1/admin/teams/{teamId}/signing-keys",
    tag = "Secrets and keys",
    summary = "List the public keys that challenges are and were signed with, the oldest first",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<Vec<SigningKeyJson>>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn list(Auditor(access): Auditor, State(front): State<Front>) -> Result<Reply, ApiError> {
    let team = teams::find(&front.app, access.team_id).await?;
    Reply::ok("Signing keys found", &signing_keys::of_team(&team))
}

#[utoipa::path(
    post,
    operation_id = "rotateSigningKey",
    path = "/api/v1/admin/teams/{teamId}/signing-keys/rotate",
    tag = "Secrets and keys",
    summary = "Sign challenges with another key from now on",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<Vec<SigningKeyJson>>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn rotate(Admin(access): Admin, State(front): State<Front>) -> Result<Reply, ApiError> {
    let team = signing_keys::rotate(&front.app, &access.actor, access.team_id).await?;
    Reply::ok("Signing key rotated", &signing_keys::of_team(&team))
}
