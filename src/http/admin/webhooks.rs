//! `/api/v1/admin/teams/{teamId}/webhooks`: endpoints for outgoing webhooks.

use axum::body::Body;
use axum::extract::{Path, State};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::webhooks::{self, NewWebhook, OVERLAP_HOURS, WebhookChange, WebhookJson};
use crate::http::Front;
use crate::http::access::{self, Admin};
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Deleted, Envelope, Errors, TeamPath, WebhookList, WebhookPath};
use crate::http::read;

/// An endpoint to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewWebhookBody {
    /// An https address; plain http only into networks that the server's operator allows.
    #[schema(max_length = 2048)]
    url: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    description: Option<String>,
    /// Types like `license.issued`, groups like `license.*`; none means all.
    #[serde(default)]
    #[schema(max_items = 50)]
    types: Vec<String>,
    /// Whether hooks show the licence key.
    #[serde(default)]
    include_keys: bool,
    /// `whsec_` and 24 to 64 bytes in base64; a new one unless it is given.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^whsec_")]
    secret: Option<SecretString>,
}

/// What is to change; what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebhookChangeBody {
    #[serde(default)]
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// Empty removes it.
    #[serde(default)]
    #[schema(max_length = 200)]
    description: Option<String>,
    /// All of them; an empty list means every type.
    #[serde(default)]
    #[schema(max_items = 50)]
    types: Option<Vec<String>>,
    #[serde(default)]
    include_keys: Option<bool>,
    #[serde(default)]
    enabled: Option<bool>,
}

/// Another secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RotateBody {
    /// A new one is made unless it is given.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^whsec_")]
    secret: Option<SecretString>,
    /// How long the old secret signs beside the new one; 24 unless said otherwise, 0 ends it now.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 720)]
    overlap_hours: Option<u32>,
}

/// An endpoint with its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: WebhookJson,
    secret: String,
}

#[utoipa::path(
    get,
    operation_id = "listWebhooks",
    path = "/api/v1/admin/teams/{teamId}/webhooks",
    tag = "Webhooks",
    summary = "List endpoints",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<WebhookList>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn list(Admin(access): Admin, State(front): State<Front>) -> Result<Reply, ApiError> {
    let all = webhooks::list(&front.app, access.team_id).await?;
    Reply::ok("Webhooks retrieved successfully", &json!({ "webhooks": all }))
}

#[utoipa::path(
    post,
    operation_id = "createWebhook",
    path = "/api/v1/admin/teams/{teamId}/webhooks",
    tag = "Webhooks",
    summary = "Register an endpoint",
    params(TeamPath),
    request_body = NewWebhookBody,
    responses((status = 201, description = "Done", body = Envelope<WebhookWithSecret>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn create(
    Admin(access): Admin,
    State(front): State<Front>,
    body: Body,
) -> Result<Reply, ApiError> {
    let asked = read::json::<NewWebhookBody>(body).await?;
    let new = NewWebhook {
        url: asked.url,
        description: asked.description,
        types: asked.types,
        include_keys: asked.include_keys,
        secret: asked.secret,
    };
    let made = webhooks::create(&front.app, &access.actor, access.team_id, new).await?;
    let shown = WebhookWithSecret { webhook: made.webhook, secret: made.secret.expose_secret().to_owned() };
    Reply::created("Webhook created successfully", &shown)
}

#[utoipa::path(
    get,
    operation_id = "getWebhook",
    path = "/api/v1/admin/teams/{teamId}/webhooks/{webhookId}",
    tag = "Webhooks",
    summary = "Show an endpoint",
    params(WebhookPath),
    responses((status = 200, description = "Done", body = Envelope<WebhookJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn show(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let endpoint = webhooks::find(&front.app, access.team_id, access::id(&id, "webhookId")?).await?;
    Reply::ok("Webhook found", &webhooks::describe(&front.app, &endpoint).await?)
}

#[utoipa::path(
    patch,
    operation_id = "updateWebhook",
    path = "/api/v1/admin/teams/{teamId}/webhooks/{webhookId}",
    tag = "Webhooks",
    summary = "Change an endpoint, or switch it on or off",
    params(WebhookPath),
    request_body = WebhookChangeBody,
    responses((status = 200, description = "Done", body = Envelope<WebhookJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn update(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "webhookId")?;
    let asked = read::json::<WebhookChangeBody>(body).await?;
    let WebhookChangeBody { url, description, types, include_keys, enabled } = asked;
    let change = WebhookChange { url, description, types, include_keys };
    let mut endpoint = webhooks::update(&front.app, &access.actor, access.team_id, id, change).await?;
    if let Some(enabled) = enabled {
        endpoint = webhooks::set_enabled(&front.app, &access.actor, access.team_id, id, enabled).await?;
    }
    Reply::ok("Webhook updated successfully", &webhooks::describe(&front.app, &endpoint).await?)
}

#[utoipa::path(
    delete,
    operation_id = "deleteWebhook",
    path = "/api/v1/admin/teams/{teamId}/webhooks/{webhookId}",
    tag = "Webhooks",
    summary = "Remove an endpoint",
    params(WebhookPath),
    responses((status = 200, description = "Done", body = Envelope<Deleted>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn remove(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let id: Uuid = access::id(&id, "webhookId")?;
    webhooks::remove(&front.app, &access.actor, access.team_id, id).await?;
    Reply::ok("Webhook deleted successfully", &json!({ "webhookId": id, "deleted": true }))
}

#[utoipa::path(
    post,
    operation_id = "rotateWebhookSecret",
    path = "/api/v1/admin/teams/{teamId}/webhooks/{webhookId}/secret",
    tag = "Webhooks",
    summary = "Give an endpoint another secret",
    params(WebhookPath),
    request_body = RotateBody,
    responses((status = 200, description = "Done", body = Envelope<WebhookWithSecret>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn rotate(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "webhookId")?;
    let RotateBody { secret, overlap_hours } = read::json(body).await?;
    let hours = overlap_hours.unwrap_or(OVERLAP_HOURS);
    let (endpoint, secret) = webhooks::rotate(&front.app, &access.actor, access.team_id, id, secret, hours).await?;
    let webhook = webhooks::describe(&front.app, &endpoint).await?;
    let shown = WebhookWithSecret { webhook, secret: secret.expose_secret().to_owned() };
    Reply::ok("Webhook secret rotated successfully", &shown)
}
