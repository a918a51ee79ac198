//! `/api/v1/dev/teams/{teamId}/licenses` and `…/licenses/id/{licenseId}`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use keyledger_events::TeamId;
use keyledger_projections::{License, LicenseFilter};
use serde_json::json;
use uuid::Uuid;

use super::license_body::{CreateLicense, UpdateLicense, notes};
use super::license_data::{WholeLicense, listed, whole};
use crate::admin::idempotency::Maker;
use crate::admin::licenses::{self, NewLicense, Update};
use crate::app::App;
use crate::http::Front;
use crate::http::access::{self, Access};
use crate::http::envelope::{ApiError, Reply};
use crate::http::list_query::ListQuery;
use crate::http::openapi::{
    Deleted, Envelope, Errors, IdempotencyHeader, LicenseFilterParams, LicensePage, LicensePath, ListParams, TeamPath,
};
use crate::http::read;
use crate::licensing::commands::Command;

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
    let query = ListQuery::filtered(&uri, &["productIds", "customerIds"])?;
    let (product_ids, customer_ids) = (query.ids("productIds")?, query.ids("customerIds")?);
    let filter = LicenseFilter { product_ids, customer_ids, ..LicenseFilter::default() };
    let (mut found, total) = licenses::page(&front.app, access.team_id, &filter, query.numbered()?).await?;
    let more = query.cut(&mut found);
    let shown = listed(&front.app, &access, &found).await?;
    let page = json!({ "licenses": shown, "hasNextPage": more, "totalResults": total });
    Reply::ok("Licenses retrieved successfully", &access.shown(&page)?)
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
    let (asked, idempotency) = read::creation::<CreateLicense>(&headers, body).await?;
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
    Reply::ok("License found", &access.shown(&whole(&front.app, &access, &license).await?)?)
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
    let asked = read::json::<UpdateLicense>(body).await?;
    read::license_key(&asked.license_key)?;
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
