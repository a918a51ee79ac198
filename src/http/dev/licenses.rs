//! `/api/v1/dev/teams/{teamId}/licenses` and `…/licenses/id/{licenseId}`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use keyledger_events::TeamId;
use keyledger_projections::{License, LicenseFilter, view};
use serde_json::json;
use uuid::Uuid;

use super::access::{self, Access};
use super::license_body::{CreateLicense, UpdateLicense, notes};
use super::license_data::{WholeLicense, data, whole};
use super::page::ListQuery;
use super::read;
use crate::admin::idempotency::Maker;
use crate::admin::licenses::{self, NewLicense, Update};
use crate::app::App;
use crate::http::Front;
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{
    Deleted, Envelope, Errors, IdempotencyHeader, LicenseFilterParams, LicensePage, LicensePath, ListParams, TeamPath,
};
use crate::licensing::commands::Command;
use crate::verification::asked::is_license_key;

#[utoipa::path(
    get,
    operation_id = "listLicenses",
    path = "/api/v1/dev/teams/{teamId}/licenses",
    tag = "Licences",
    summary = "List licences",
    params(TeamPath, ListParams, LicenseFilterParams),
    responses((status = 200, description = "Done", body = Envelope<LicensePage>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn list(access: Access, State(front): State<Front>, uri: Uri) -> Result<Reply, ApiError> {
    let query = ListQuery::read(&uri)?;
    let (product_ids, customer_ids) = (query.ids("productIds")?, query.ids("customerIds")?);
    let filter = LicenseFilter { product_ids, customer_ids, ..LicenseFilter::default() };
    let page = query.numbered()?;
    let app = &front.app;
    app.catch_up(&[view::LICENSES]).await.map_err(|error| ApiError::internal(&error))?;
    let views = app.views.team(access.team_id);
    let mut found = views.licenses_page(&filter, page).await.map_err(|error| ApiError::internal(&error))?;
    let total = views.count_licenses(&filter).await.map_err(|error| ApiError::internal(&error))?;
    let more = query.cut(&mut found);
    let mut shown = Vec::with_capacity(found.len());
    for license in &found {
        shown.push(data(app, &access, license).await?);
    }
    let page = json!({ "licenses": shown, "hasNextPage": more, "totalResults": total });
    Reply::ok("Licenses retrieved successfully", &page)
}

#[utoipa::path(
    post,
    operation_id = "createLicense",
    path = "/api/v1/dev/teams/{teamId}/licenses",
    tag = "Licences",
    summary = "Make a licence",
    params(TeamPath, IdempotencyHeader),
    request_body = CreateLicense,
    responses((status = 200, description = "Done", body = Envelope<WholeLicense>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn create(
    access: Access,
    State(front): State<Front>,
    headers: HeaderMap,
    body: Body,
) -> Result<Reply, ApiError> {
    let (asked, bytes) = read::json::<CreateLicense>(body).await?;
    let idempotency = read::idempotency(&headers, bytes)?;
    let maker = Maker { actor: &access.actor, idempotency: idempotency.as_ref() };
    let (settings, mail) = (asked.settings()?, asked.send_email_delivery);
    let new = NewLicense { settings, metadata: notes(asked.metadata), mail };
    let id = licenses::create(&front.app, maker, access.team_id, &new).await?;
    let license = by_id(&front.app, access.team_id, id).await?;
    Reply::ok("License created successfully", &whole(&front.app, &access, &license).await?)
}

/// The licence of an id in a path.
pub(super) async fn by_id(app: &App, team: TeamId, id: Uuid) -> Result<License, ApiError> {
    Ok(licenses::find(app, Some(team), &id.to_string()).await?.1)
}

#[utoipa::path(
    get,
    operation_id = "getLicenseById",
    path = "/api/v1/dev/teams/{teamId}/licenses/id/{licenseId}",
    tag = "Licences",
    summary = "Show a licence",
    params(LicensePath),
    responses((status = 200, description = "Done", body = Envelope<WholeLicense>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn show(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let license = by_id(&front.app, access.team_id, access::id(&id, "licenseId")?).await?;
    Reply::ok("License found", &whole(&front.app, &access, &license).await?)
}

#[utoipa::path(
    put,
    operation_id = "updateLicense",
    path = "/api/v1/dev/teams/{teamId}/licenses/id/{licenseId}",
    tag = "Licences",
    summary = "Set a licence as a whole",
    params(LicensePath),
    request_body = UpdateLicense,
    responses((status = 200, description = "Done", body = Envelope<WholeLicense>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn update(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "licenseId")?;
    let (asked, _) = read::json::<UpdateLicense>(body).await?;
    if !is_license_key(&asked.license_key) {
        return Err(ApiError::bad_request("licenseKey: must have the form XXXXX-XXXXX-XXXXX-XXXXX-XXXXX"));
    }
    let settings = asked.settings()?;
    let update = Update { license_key: asked.license_key, settings, metadata: notes(asked.metadata) };
    licenses::update(&front.app, &access.actor, access.team_id, id, &update).await?;
    let license = by_id(&front.app, access.team_id, id).await?;
    Reply::ok("License updated successfully", &whole(&front.app, &access, &license).await?)
}

#[utoipa::path(
    delete,
    operation_id = "deleteLicenseById",
    path = "/api/v1/dev/teams/{teamId}/licenses/id/{licenseId}",
    tag = "Licences",
    summary = "Revoke a licence; its history stays",
    params(LicensePath),
    responses((status = 200, description = "Done", body = Envelope<Deleted>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn remove(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "licenseId")?;
    revoke(&front.app, &access, id).await?;
    Reply::ok("License deleted successfully", &json!({ "licenseId": id, "deleted": true }))
}

/// Deleting makes a licence void; its history stays.
pub(super) async fn revoke(app: &App, access: &Access, id: Uuid) -> Result<(), ApiError> {
    let command = Command::Revoke { reason: Some("deleted".to_owned()) };
    licenses::change(app, &access.actor, Some(access.team_id), id, &command).await?;
    Ok(())
}
