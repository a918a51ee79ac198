//! `/api/v1/admin/teams/{teamId}/webhooks/{webhookId}/deliveries`: what was sent to an endpoint, and sending it again.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Uri;
use keyledger_events::{Position, Timestamp};
use keyledger_projections::{HookState, Page};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::webhooks::{self, HookJson};
use crate::http::Front;
use crate::http::access::{self, Admin};
use crate::http::envelope::{ApiError, Reply};
use crate::http::list_query::ListQuery;
use crate::http::openapi::{DeliveryPage, DeliveryParams, DeliveryPath, Envelope, Errors, Redelivered, WebhookPath};
use crate::http::read;

/// Which deliveries to send again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedeliverBody {
    /// Those that happened, or were asked for, from this time on.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

#[utoipa::path(
    get,
    operation_id = "listWebhookDeliveries",
    path = "/api/v1/admin/teams/{teamId}/webhooks/{webhookId}/deliveries",
    tag = "Webhooks",
    summary = "List what was sent to an endpoint, or is to be, the latest events first",
    params(WebhookPath, DeliveryParams),
    responses((status = 200, description = "Done", body = Envelope<DeliveryPage>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn list(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    uri: Uri,
) -> Result<Reply, ApiError> {
    let (id, query) = (access::id(&id, "webhookId")?, ListQuery::read(&uri)?);
    let states = match query.get("state") {
        None => Vec::new(),
        Some("pending") => vec![HookState::Pending],
        Some("delivered") => vec![HookState::Delivered],
        Some("failed") => vec![HookState::Failed],
        Some("abandoned") => vec![HookState::Abandoned],
        Some(_) => return Err(ApiError::bad_request("state: must be pending, delivered, failed or abandoned")),
    };
    let before = query.get("before").map(str::parse::<i64>).transpose();
    let before = before.map_err(|_| ApiError::bad_request("before: must be a position"))?.map(Position);
    let page = Page { before, limit: Some(query.size + 1) };
    let mut found = webhooks::deliveries(&front.app, access.team_id, id, &states, page).await?;
    let more = query.cut(&mut found);
    let next = found.last().filter(|_| more).map(|last| last.source.position);
    let mut shown = Vec::with_capacity(found.len());
    for hook in &found {
        shown.push(webhooks::describe_hook(&front.app, hook).await?);
    }
    let page = json!({ "deliveries": shown, "hasNextPage": more, "nextBefore": next });
    Reply::ok("Deliveries retrieved successfully", &page)
}

#[utoipa::path(
    post,
    operation_id = "redeliverWebhook",
    path = "/api/v1/admin/teams/{teamId}/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver",
    tag = "Webhooks",
    summary = "Send a delivery again, whatever became of it",
    params(DeliveryPath),
    responses((status = 200, description = "Done", body = Envelope<HookJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn redeliver(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, webhook_id, id)): Path<(String, String, String)>,
) -> Result<Reply, ApiError> {
    let (webhook_id, id) = (access::id(&webhook_id, "webhookId")?, access::id(&id, "deliveryId")?);
    let known = webhooks::find_hook(&front.app, access.team_id, id).await?;
    if known.endpoint_id != webhook_id {
        webhooks::find(&front.app, access.team_id, webhook_id).await?;
        return Err(ApiError::bad_request("deliveryId: is of another webhook"));
    }
    let hook = webhooks::redeliver(&front.app, &access.actor, access.team_id, id).await?;
    Reply::ok("Asked for again", &webhooks::describe_hook(&front.app, &hook).await?)
}

#[utoipa::path(
    post,
    operation_id = "redeliverFailedWebhooks",
    path = "/api/v1/admin/teams/{teamId}/webhooks/{webhookId}/redeliver",
    tag = "Webhooks",
    summary = "Send everything again that did not get through since a time",
    params(WebhookPath),
    request_body = RedeliverBody,
    responses((status = 200, description = "Done", body = Envelope<Redelivered>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn redeliver_failed(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "webhookId")?;
    let RedeliverBody { since } = read::json(body).await?;
    let count = webhooks::redeliver_failed(&front.app, &access.actor, access.team_id, id, since).await?;
    Reply::ok("Asked for again", &json!({ "webhookId": id, "redelivered": count }))
}

#[utoipa::path(
    post,
    operation_id = "testWebhook",
    path = "/api/v1/admin/teams/{teamId}/webhooks/{webhookId}/test",
    tag = "Webhooks",
    summary = "Send an endpoint a hook of the type webhook.test",
    params(WebhookPath),
    responses((status = 200, description = "Asked for; the deliveries tell what comes of it", body = Envelope<HookJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn test(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "webhookId")?;
    let hook = webhooks::test(&front.app, &access.actor, access.team_id, id).await?;
    Reply::ok("A test is on its way", &webhooks::describe_hook(&front.app, &hook).await?)
}
