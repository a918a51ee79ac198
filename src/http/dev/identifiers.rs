//! `/api/v1/dev/teams/{teamId}/licenses/id/{licenseId}/hwid` and `…/ip-address`: who uses a licence.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use keyledger_projections::SeatKind;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::licenses::by_id;
use crate::admin::AdminError;
use crate::admin::seats::{self, SeatJson, SeatStatus};
use crate::http::Front;
use crate::http::access::{self, Access};
use crate::http::envelope::{ApiError, Reply};
use crate::http::list_query::ListQuery;
use crate::http::openapi::{Envelope, Errors, Forgotten, LicensePath, SeatListParams, SeatPage, SeatPath};
use crate::http::read;

#[utoipa::path(
    get,
    operation_id = "listLicenseHwids",
    path = "/api/v1/dev/teams/{teamId}/licenses/id/{licenseId}/hwid",
    tag = "Licences",
    summary = "List the devices of a licence",
    params(LicensePath, SeatListParams),
    responses((status = 200, description = "Done", body = Envelope<SeatPage>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn hwids(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Reply, ApiError> {
    let page = list(&front, &access, SeatKind::Device, &id, &uri).await?;
    Reply::ok("Hardware identifiers retrieved successfully", &access.shown(&page)?)
}

#[utoipa::path(
    get,
    operation_id = "listLicenseIpAddresses",
    path = "/api/v1/dev/teams/{teamId}/licenses/id/{licenseId}/ip-address",
    tag = "Licences",
    summary = "List the addresses of a licence",
    params(LicensePath, SeatListParams),
    responses((status = 200, description = "Done", body = Envelope<SeatPage>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn addresses(
    access: Access,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Reply, ApiError> {
    let page = list(&front, &access, SeatKind::Address, &id, &uri).await?;
    Reply::ok("IP addresses retrieved successfully", &access.shown(&page)?)
}

async fn list(front: &Front, access: &Access, kind: SeatKind, id: &str, uri: &Uri) -> Result<Value, ApiError> {
    let license = by_id(&front.app, access.team_id, access::id(id, "licenseId")?).await?;
    let query = ListQuery::filtered(uri, &["showForgotten"])?;
    let forgotten = query.flag("showForgotten")?;
    let mut all = seats::of_kind(&front.app, access.team_id, &license, kind).await?;
    all.retain(|seat| forgotten || seat.status != SeatStatus::Forgotten);
    match query.get("sortColumn") {
        None | Some("lastSeenAt") => all.sort_by_key(|seat| (seat.last_seen_at, seat.id)),
        Some("createdAt") => all.sort_by_key(|seat| (seat.created_at, seat.id)),
        Some(_) => return Err(ApiError::bad_request("sortColumn: must be lastSeenAt or createdAt")),
    }
    let total = all.len();
    let (rows, more) = query.of(all);
    let shown: Vec<_> = rows.iter().map(|seat| data(access, seat)).collect();
    let name = match kind {
        SeatKind::Device => "hwids",
        SeatKind::Address => "ipAddresses",
    };
    Ok(json!({ name: shown, "totalResults": total, "hasNextPage": more }))
}

/// Country names are not ours to know: the two letters are what a proxy tells.
fn data(access: &Access, seat: &SeatJson) -> Value {
    let mut shown = json!({
        "id": seat.id,
        "status": seat.status,
        "forgotten": seat.status == SeatStatus::Forgotten,
        "licenseId": seat.license_id,
        "teamId": access.team_id,
        "lastSeenAt": seat.last_seen_at,
        "createdAt": seat.created_at,
        "updatedAt": seat.updated_at,
    });
    let identifier = seat.identifier.as_deref().unwrap_or_default();
    match seat.kind {
        SeatKind::Device => shown["identifier"] = json!(identifier),
        SeatKind::Address => {
            shown["address"] = json!(identifier);
            shown["country"] = json!(seat.country);
            shown["alpha2"] = json!(seat.country);
            shown["alpha3"] = Value::Null;
        }
    }
    shown
}

/// Whether a device or an address is to be forgotten or remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateSeat {
    forgotten: bool,
}

#[utoipa::path(
    patch,
    operation_id = "updateHwidStatus",
    path = "/api/v1/dev/teams/{teamId}/licenses/id/{licenseId}/hwid/{seatId}",
    tag = "Licences",
    summary = "Forget or remember a device",
    params(SeatPath),
    request_body = UpdateSeat,
    responses((status = 200, description = "Done", body = Envelope<Forgotten>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn update_hwid(
    access: Access,
    State(front): State<Front>,
    Path((_, license, seat)): Path<(String, String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let (id, forgotten) = update(&front, &access, SeatKind::Device, &license, &seat, body).await?;
    let details = match forgotten {
        true => "Hardware identifier forgotten successfully",
        false => "Hardware identifier remembered successfully",
    };
    Reply::ok(details, &json!({ "hwidId": id, "forgotten": forgotten, "updated": true }))
}

#[utoipa::path(
    patch,
    operation_id = "updateIpAddressStatus",
    path = "/api/v1/dev/teams/{teamId}/licenses/id/{licenseId}/ip-address/{seatId}",
    tag = "Licences",
    summary = "Forget or remember an address",
    params(SeatPath),
    request_body = UpdateSeat,
    responses((status = 200, description = "Done", body = Envelope<Forgotten>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn update_address(
    access: Access,
    State(front): State<Front>,
    Path((_, license, seat)): Path<(String, String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let (id, forgotten) = update(&front, &access, SeatKind::Address, &license, &seat, body).await?;
    let details = match forgotten {
        true => "IP address forgotten successfully",
        false => "IP address remembered successfully",
    };
    Reply::ok(details, &json!({ "ipId": id, "forgotten": forgotten, "updated": true }))
}

async fn update(
    front: &Front,
    access: &Access,
    kind: SeatKind,
    license: &str,
    seat: &str,
    body: Body,
) -> Result<(Uuid, bool), ApiError> {
    let (name, code) = match kind {
        SeatKind::Device => ("hwidId", "HARDWARE_IDENTIFIER_NOT_FOUND"),
        SeatKind::Address => ("ipId", "IP_ADDRESS_NOT_FOUND"),
    };
    let (license_id, seat_id) = (access::id(license, "licenseId")?, access::id(seat, name)?);
    let UpdateSeat { forgotten } = read::json(body).await?;
    let (app, team) = (&front.app, access.team_id);
    let license = by_id(app, team, license_id).await?;
    match seats::find(app, team, &license, seat_id).await {
        Ok(found) if found.kind == kind => {}
        Ok(_) | Err(AdminError::NotFound { .. }) => {
            return Err(ApiError::new(StatusCode::NOT_FOUND, code, format!("there is no {name} {seat_id}")));
        }
        Err(error) => return Err(error.into()),
    }
    if forgotten {
        seats::forget(app, &access.actor, Some(team), license_id, seat_id).await?;
    } else {
        seats::remember(app, &access.actor, team, license_id, seat_id).await?;
    }
    Ok((seat_id, forgotten))
}
