//! `/api/v1/dev/teams/{teamId}/requests`, the log of verifications, and `…/verification/explain`, why one would be
//! answered as it would. Ours: Lukittu has neither.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use keyledger_events::Timestamp;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::activity::{RequestFilter, RequestKind};
use crate::admin::verifications;
use crate::http::Front;
use crate::http::access::{self, Access};
use crate::http::envelope::{ApiError, Reply};
use crate::http::list_query::ListQuery;
use crate::http::openapi::{Envelope, Errors, Explained, RequestPage, RequestParams, TeamPath};
use crate::http::read;
use crate::verification::explain::Question;

/// What the list can be filtered by.
const FILTERS: [&str; 7] = ["licenseId", "code", "device", "address", "kind", "from", "until"];

#[utoipa::path(
    get,
    operation_id = "listRequests",
    path = "/api/v1/dev/teams/{teamId}/requests",
    tag = "Verifications",
    summary = "List what was asked and answered, newest first",
    params(TeamPath, RequestParams),
    responses((status = 200, description = "Done", body = Envelope<RequestPage>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn list(access: Access, State(front): State<Front>, uri: Uri) -> Result<Reply, ApiError> {
    let query = ListQuery::filtered(&uri, &FILTERS)?;
    let text = |name: &str| query.get(name).map(str::to_owned);
    let time = |name: &str| match query.get(name) {
        None => Ok(None),
        Some(text) => text
            .parse::<Timestamp>()
            .map(Some)
            .map_err(|_| ApiError::bad_request(format!("{name}: must be a time like 2026-01-31T12:00:00Z"))),
    };
    let filter = RequestFilter {
        license_id: query.get("licenseId").map(|id| access::id(id, "licenseId")).transpose()?,
        code: text("code"),
        device: text("device"),
        address: text("address"),
        kind: match query.get("kind") {
            None => None,
            Some("verify") => Some(RequestKind::Verify),
            Some("heartbeat") => Some(RequestKind::Heartbeat),
            Some(_) => return Err(ApiError::bad_request("kind: must be verify or heartbeat")),
        },
        from: time("from")?,
        until: time("until")?,
    };
    let before = query.get("before").map(str::parse::<i64>).transpose();
    let before = before.map_err(|_| ApiError::bad_request("before: must be the id of an entry"))?;
    let mut found = verifications::requests(&front.app, access.team_id, &filter, before, query.size + 1).await?;
    let more = query.cut(&mut found);
    let next = found.last().filter(|_| more).map(|last| last.id);
    let page = json!({ "requests": found, "hasNextPage": more, "nextBefore": next });
    Reply::ok("Requests retrieved successfully", &access.shown(&page)?)
}

/// A verification that is not made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExplainBody {
    license_key: String,
    #[serde(default)]
    hardware_identifier: Option<String>,
    #[serde(default)]
    product_id: Option<Uuid>,
    #[serde(default)]
    customer_id: Option<Uuid>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    #[serde(default)]
    country: Option<String>,
}

#[utoipa::path(
    post,
    operation_id = "explainVerification",
    path = "/api/v1/dev/teams/{teamId}/verification/explain",
    tag = "Verifications",
    summary = "Say what a verification would be answered, and why",
    params(TeamPath),
    request_body = ExplainBody,
    responses((status = 200, description = "Done", body = Envelope<Explained>), Errors),
    security(("bearer" = []))
)]
pub(super) async fn explain(access: Access, State(front): State<Front>, body: Body) -> Result<Reply, ApiError> {
    let asked = read::json::<ExplainBody>(body).await?;
    let question = Question {
        license_key: asked.license_key,
        hardware_identifier: asked.hardware_identifier,
        product_id: asked.product_id,
        customer_id: asked.customer_id,
        address: asked.address,
        country: asked.country,
    };
    let explained = verifications::explain(&front.app, access.team_id, &question).await?;
    Reply::ok("Explained", &explained)
}
