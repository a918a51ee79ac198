//! `/api/v1/admin/teams/{teamId}/inbox`: what providers delivered, and what an admin does about it.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::routing::{get, post};
use keyledger_events::event::inbox::Provider;
use keyledger_events::{Position, Timestamp};
use keyledger_projections::{InboxEntry, InboxFilter, Outcome, Page};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::admin::inbox::{self, InboxJson, RehearsalJson, Reopened};
use crate::http::Front;
use crate::http::access::{self, Access, Admin};
use crate::http::envelope::{ApiError, Reply};
use crate::http::list_query::ListQuery;
use crate::http::openapi::{Envelope, Errors, PageSize, TeamPath};
use crate::http::read;

/// The routes about deliveries.
pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/inbox", get(list))
        .route("/inbox/retry", post(retry_all))
        .route("/inbox/dry-run", post(dry_run))
        .route("/inbox/{deliveryId}", get(show))
        .route("/inbox/{deliveryId}/payload", get(payload))
        .route("/inbox/{deliveryId}/retry", post(retry))
        .route("/inbox/{deliveryId}/ignore", post(ignore))
}

/// A delivery.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described")]
#[expect(non_snake_case, reason = "the names in the URL")]
pub(in crate::http) struct DeliveryPath {
    /// The team's id.
    teamId: Uuid,
    /// The delivery's id.
    deliveryId: Uuid,
}

/// stripe or polymart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum DeliverySender {
    /// Stripe.
    Stripe,
    /// Polymart.
    Polymart,
}

impl From<DeliverySender> for Provider {
    fn from(sender: DeliverySender) -> Self {
        match sender {
            DeliverySender::Stripe => Self::Stripe,
            DeliverySender::Polymart => Self::Polymart,
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum DeliveryOutcome {
    /// Nothing yet.
    Pending,
    /// It had its effect.
    Applied,
    /// We have no use for it.
    Ignored,
    /// It cannot be honoured.
    Rejected,
}

impl From<DeliveryOutcome> for Outcome {
    fn from(outcome: DeliveryOutcome) -> Self {
        match outcome {
            DeliveryOutcome::Pending => Self::Pending,
            DeliveryOutcome::Applied => Self::Applied,
            DeliveryOutcome::Ignored => Self::Ignored,
            DeliveryOutcome::Rejected => Self::Rejected,
        }
    }
}

/// Which deliveries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
pub(in crate::http) struct InboxParams {
    /// 10, 25, 50 or 100.
    #[param(required = false, value_type = Option<PageSize>)]
    page_size: u32,
    /// Only those before this one: `nextBefore` of the page before.
    #[param(required = false, minimum = 1)]
    before: Option<i64>,
    /// Only from this provider.
    #[param(required = false)]
    provider: Option<DeliverySender>,
    /// Only those that came to this.
    #[param(required = false)]
    outcome: Option<DeliveryOutcome>,
    /// Only of this type: checkout.session.completed, …
    #[param(required = false, rename = "type")]
    event_type: Option<String>,
    /// Only the one with this id of the provider's: evt_…
    #[param(required = false)]
    provider_event_id: Option<String>,
    /// Only those whose reason, or what they did, has this text in it.
    #[param(required = false)]
    text: Option<String>,
    /// Received at this time or later.
    #[param(required = false, value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Received before this time.
    #[param(required = false, value_type = Option<String>, format = DateTime)]
    until: Option<String>,
}

/// A page of deliveries; `nextBefore` leads to the next one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct InboxPage {
    deliveries: Vec<InboxJson>,
    has_next_page: bool,
    next_before: Option<i64>,
}

/// A delivery with its history: arrival, attempts, reopenings, conclusions.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct DeliveryDetails {
    history: Vec<BTreeMap<String, Value>>,
}

/// A delivery's body.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DeliveryPayload {
    id: Uuid,
    body_sha256: String,
    /// JSON as JSON, anything else as text.
    payload: Value,
}

#[utoipa::path(
    get,
    operation_id = "listDeliveries",
    path = "/api/v1/admin/teams/{teamId}/inbox",
    tag = "Inbox",
    summary = "Search what providers delivered, the newest first",
    params(TeamPath, InboxParams),
    responses((status = 200, description = "Done", body = Envelope<InboxPage>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn list(admin: Admin, State(front): State<Front>, uri: Uri) -> Result<Reply, ApiError> {
    let query = ListQuery::read(&uri)?;
    let before = query.get("before").map(str::parse::<i64>).transpose().ok().filter(|id| id.is_none_or(|id| id > 0));
    let before = before.ok_or_else(|| ApiError::bad_request("before: must be `nextBefore` of a page"))?;
    let filter = filter(&query)?;
    let page = Page { before: before.map(Position), limit: Some(query.size + 1) };
    let mut found = inbox::page(&front.app, admin.0.team_id, &filter, page).await?;
    let more = query.cut(&mut found);
    let next = found.last().filter(|_| more).map(|last| last.received_position);
    let shown: Vec<_> = found.into_iter().map(InboxJson::from).collect();
    Reply::ok("Deliveries retrieved", &json!({ "deliveries": shown, "hasNextPage": more, "nextBefore": next }))
}

fn filter(query: &ListQuery) -> Result<InboxFilter, ApiError> {
    let text = |name: &str| query.get(name).map(str::to_owned);
    let time = |name: &str| match query.get(name) {
        None => Ok(None),
        Some(text) => text
            .parse::<Timestamp>()
            .map(Some)
            .map_err(|_| ApiError::bad_request(format!("{name}: must be a time like 2026-01-31T12:00:00Z"))),
    };
    Ok(InboxFilter {
        provider: match query.get("provider") {
            None => None,
            Some("stripe") => Some(Provider::Stripe),
            Some("polymart") => Some(Provider::Polymart),
            Some(_) => return Err(ApiError::bad_request("provider: must be stripe or polymart")),
        },
        event_type: text("type"),
        provider_event_id: text("providerEventId"),
        outcomes: match query.get("outcome") {
            None => Vec::new(),
            Some("pending") => vec![Outcome::Pending],
            Some("applied") => vec![Outcome::Applied],
            Some("ignored") => vec![Outcome::Ignored],
            Some("rejected") => vec![Outcome::Rejected],
            Some(_) => return Err(ApiError::bad_request("outcome: must be pending, applied, ignored or rejected")),
        },
        received_from: time("from")?,
        received_until: time("until")?,
        reason: text("text"),
    })
}

async fn find(front: &Front, access: &Access, id: &str) -> Result<InboxEntry, ApiError> {
    let id = access::id(id, "deliveryId")?;
    Ok(inbox::find(&front.app, Some(access.team_id), &id.to_string()).await?)
}

#[utoipa::path(
    get,
    operation_id = "getDelivery",
    path = "/api/v1/admin/teams/{teamId}/inbox/{deliveryId}",
    tag = "Inbox",
    summary = "Show a delivery with its history",
    params(DeliveryPath),
    responses((status = 200, description = "Done", body = Envelope<DeliveryDetails>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn show(
    admin: Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let entry = find(&front, &admin.0, &id).await?;
    Reply::ok("Delivery found", &inbox::details(&front.app, entry).await?)
}

#[utoipa::path(
    get,
    operation_id = "getDeliveryPayload",
    path = "/api/v1/admin/teams/{teamId}/inbox/{deliveryId}/payload",
    tag = "Inbox",
    summary = "Show what the provider sent. It may name a buyer; that it was read is logged",
    params(DeliveryPath),
    responses((status = 200, description = "Done", body = Envelope<DeliveryPayload>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn payload(
    admin: Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let entry = find(&front, &admin.0, &id).await?;
    Reply::ok("Payload opened", &inbox::payload(&front.app, &admin.0.actor, &entry).await?)
}

/// What to use instead of what the request's URL said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DeliveryRetry {
    /// For Polymart: all settings, as the URL carries them.
    #[serde(default)]
    query: Option<BTreeMap<String, String>>,
}

#[utoipa::path(
    post,
    operation_id = "retryDelivery",
    path = "/api/v1/admin/teams/{teamId}/inbox/{deliveryId}/retry",
    tag = "Inbox",
    summary = "Interpret a delivery again, after the cause of its rejection was mended",
    params(DeliveryPath),
    request_body = Option<DeliveryRetry>,
    responses((status = 200, description = "Done", body = Envelope<InboxJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn retry(
    admin: Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let asked = read::optional_json::<DeliveryRetry>(body).await?;
    let entry = find(&front, &admin.0, &id).await?;
    let entry = inbox::retry(&front.app, &admin.0.actor, &entry, asked.query.as_ref()).await?;
    Reply::ok("Interpreted again", &InboxJson::from(entry))
}

/// Why nothing shall come of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DeliveryIgnore {
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

#[utoipa::path(
    post,
    operation_id = "ignoreDelivery",
    path = "/api/v1/admin/teams/{teamId}/inbox/{deliveryId}/ignore",
    tag = "Inbox",
    summary = "Conclude a delivery that is rejected or pending: nothing shall come of it",
    params(DeliveryPath),
    request_body = DeliveryIgnore,
    responses((status = 200, description = "Done", body = Envelope<InboxJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn ignore(
    admin: Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let asked = read::json::<DeliveryIgnore>(body).await?;
    let entry = find(&front, &admin.0, &id).await?;
    let entry = inbox::ignore(&front.app, &admin.0.actor, &entry, &asked.reason).await?;
    Reply::ok("Ignored", &InboxJson::from(entry))
}

/// Which rejected deliveries; the default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct DeliveriesRetry {
    #[serde(default)]
    provider: Option<DeliverySender>,
    #[serde(default, rename = "type")]
    event_type: Option<String>,
    /// Text of the reason.
    #[serde(default)]
    text: Option<String>,
    /// Received at this time or later.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Received before this time.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

#[utoipa::path(
    post,
    operation_id = "retryDeliveries",
    path = "/api/v1/admin/teams/{teamId}/inbox/retry",
    tag = "Inbox",
    summary = "Reopen rejected deliveries, at most 1,000, the newest of them; they are interpreted in the background",
    params(TeamPath),
    request_body = Option<DeliveriesRetry>,
    responses((status = 200, description = "Done", body = Envelope<Reopened>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn retry_all(
    admin: Admin,
    State(front): State<Front>,
    body: Body,
) -> Result<Reply, ApiError> {
    let asked = read::optional_json::<DeliveriesRetry>(body).await?;
    let filter = InboxFilter {
        provider: asked.provider.map(Provider::from),
        event_type: asked.event_type,
        received_from: asked.from,
        received_until: asked.until,
        reason: asked.text,
        ..InboxFilter::default()
    };
    let access = &admin.0;
    Reply::ok("Reopened", &inbox::reopen_all(&front.app, &access.actor, access.team_id, filter).await?)
}

/// A delivery that is not made.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DeliveryDryRun {
    provider: DeliverySender,
    /// For Polymart: the settings in the URL.
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// The body: as JSON, or as a text with its exact bytes.
    payload: Value,
}

#[utoipa::path(
    post,
    operation_id = "rehearseDelivery",
    path = "/api/v1/admin/teams/{teamId}/inbox/dry-run",
    tag = "Inbox",
    summary = "Say what a delivery would come to. Nothing is recorded; Stripe is asked what the real one would ask",
    params(TeamPath),
    request_body = DeliveryDryRun,
    responses((status = 200, description = "Done", body = Envelope<RehearsalJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn dry_run(admin: Admin, State(front): State<Front>, body: Body) -> Result<Reply, ApiError> {
    let asked = read::json::<DeliveryDryRun>(body).await?;
    let body = match asked.payload {
        Value::String(text) => text.into_bytes(),
        json => serde_json::to_vec(&json).map_err(|error| ApiError::internal(&error))?,
    };
    let (team, provider) = (admin.0.team_id, asked.provider.into());
    Reply::ok("Rehearsed; nothing was recorded", &inbox::dry_run(&front.app, team, provider, asked.query, &body).await?)
}
