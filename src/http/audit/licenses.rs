//! `/api/v1/audit/teams/{teamId}/licenses/{licenseId}`: a licence as it was, and what became of it between two moments.

use axum::extract::{Path, State};
use axum::http::Uri;
use keyledger_events::TeamId;

use super::described::{AsOfParams, DiffParams, DiffShown, LicenseShown};
use super::query::AuditQuery;
use crate::admin::as_of::AsOf;
use crate::admin::licenses::{self, KeyShown, describe_sealed};
use crate::http::Front;
use crate::http::access::{self, Auditor};
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Envelope, Errors, LicensePath};

#[utoipa::path(
    get,
    operation_id = "getLicenseAsOf",
    path = "/api/v1/audit/teams/{teamId}/licenses/{licenseId}",
    tag = "Audit",
    summary = "Show a licence as it is or was, its key sealed",
    params(LicensePath, AsOfParams),
    responses((status = 200, description = "Done", body = Envelope<LicenseShown>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn show(
    Auditor(access): Auditor,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Reply, ApiError> {
    let query = AuditQuery::read(&uri, &["asOf"])?;
    let id = access::id(&id, "licenseId")?.to_string();
    let (app, team): (_, Option<TeamId>) = (&front.app, Some(access.team_id));
    let (team, license, moment) = match query.parsed::<AsOf>("asOf")? {
        Some(as_of) => licenses::show_as_of(app, team, &id, as_of).await?,
        None => {
            let (team, license) = licenses::find(app, team, &id).await?;
            (team, license, app.clock.now())
        }
    };
    Reply::ok("License found", &describe_sealed(app, team, &license, moment).await?)
}

#[utoipa::path(
    get,
    operation_id = "compareLicense",
    path = "/api/v1/audit/teams/{teamId}/licenses/{licenseId}/diff",
    tag = "Audit",
    summary = "Compare a licence at two moments",
    params(LicensePath, DiffParams),
    responses((status = 200, description = "Done", body = Envelope<DiffShown>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn diff(
    Auditor(access): Auditor,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Reply, ApiError> {
    let query = AuditQuery::read(&uri, &["from", "to"])?;
    let id = access::id(&id, "licenseId")?.to_string();
    let moments = (query.moment("from")?, query.moment("to")?);
    let diff = licenses::diff(&front.app, Some(access.team_id), &id, moments, KeyShown::Sealed).await?;
    Reply::ok("License compared", &diff)
}
