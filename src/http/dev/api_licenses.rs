//! `/api/v1/dev/teams/{teamId}/licenses/{licenseKey}`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use keyledger_projections::License;
use serde_json::json;

use super::license_data::{WholeLicense, whole};
use super::licenses::revoke;
use crate::admin::licenses;
use crate::http::Front;
use crate::http::access::Access;
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Deleted, Envelope, Errors, LicenseKeyPath};
use crate::http::read;
use crate::keys;

#[utoipa::path(
    get,
    operation_id = "getLicenseByKey",
    path = "/api/v1/dev/teams/{teamId}/licenses/{licenseKey}",
    tag = "Licences",
    summary = "Show the licence of a key",
    params(LicenseKeyPath),
    responses((status = 200, description = "Done", body = Envelope<WholeLicense>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn show_by_key(
    access: Access,
    State(front): State<Front>,
    Path((_, key)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let license = by_key(&front, &access, &key).await?;
    Reply::ok("License found", &access.shown(&whole(&front.app, &access, &license).await?)?)
}

#[utoipa::path(
    delete,
    operation_id = "deleteLicenseByKey",
    path = "/api/v1/dev/teams/{teamId}/licenses/{licenseKey}",
    tag = "Licences",
    summary = "Revoke the licence of a key",
    params(LicenseKeyPath),
    responses((status = 200, description = "Done", body = Envelope<Deleted>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn remove_by_key(
    access: Access,
    State(front): State<Front>,
    Path((_, key)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let license = by_key(&front, &access, &key).await?;
    revoke(&front.app, &access, license.id).await?;
    Reply::ok("License deleted successfully", &json!({ "licenseKey": key, "deleted": true }))
}

/// The licence that has this key now. The key is not repeated in an error: it may be a customer's, mistyped.
async fn by_key(front: &Front, access: &Access, key: &str) -> Result<License, ApiError> {
    read::license_key(key)?;
    let none = || ApiError::new(StatusCode::NOT_FOUND, "LICENSE_NOT_FOUND", "License not found");
    let found = licenses::find(&front.app, Some(access.team_id), key).await;
    let license = match found {
        Ok((_, license)) => license,
        Err(crate::admin::AdminError::NotFound { .. }) => return Err(none()),
        Err(error) => return Err(error.into()),
    };
    let lookup = keys::lookup(&front.app.keys, access.team_id, key);
    if license.key_lookup == lookup { Ok(license) } else { Err(none()) }
}
