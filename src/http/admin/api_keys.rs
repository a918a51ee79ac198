//! `/api/v1/admin/teams/{teamId}/apikeys`.

use axum::body::Body;
use axum::extract::{Path, State};
use keyledger_events::Timestamp;
use keyledger_events::event::team::ApiKeyScope;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::api_keys::{self, ApiKeyJson, Expires, WantedApiKey};
use crate::http::Front;
use crate::http::access::{self, Admin};
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{ApiKeyPath, Envelope, Errors, TeamPath};
use crate::http::read;

/// What is wanted of a new API key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct ApiKeyBody {
    /// developer, auditor or admin.
    #[schema(value_type = String)]
    scope: ApiKeyScope,
    /// What it is for.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// The moment at which it stops working. Give this or `expiresInDays`; with neither it works until it is revoked.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Days after which it stops working.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 36_500)]
    expires_in_days: Option<u32>,
}

/// An API key that was just made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct NewApiKeyData {
    id: Uuid,
    /// The key. Nobody can show it again.
    key: String,
    name: Option<String>,
    #[schema(value_type = String)]
    scope: ApiKeyScope,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

#[utoipa::path(
    get,
    operation_id = "listApiKeys",
    path = "/api/v1/admin/teams/{teamId}/apikeys",
    tag = "Secrets and keys",
    summary = "List API keys, revoked ones among them",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<Vec<ApiKeyJson>>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn list(Admin(access): Admin, State(front): State<Front>) -> Result<Reply, ApiError> {
    Reply::ok("API keys found", &api_keys::list(&front.app, access.team_id).await?)
}

#[utoipa::path(
    post,
    operation_id = "createApiKey",
    path = "/api/v1/admin/teams/{teamId}/apikeys",
    tag = "Secrets and keys",
    summary = "Make an API key, which is shown once",
    params(TeamPath),
    request_body = ApiKeyBody,
    responses((status = 201, description = "Done", body = Envelope<NewApiKeyData>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn create(
    Admin(access): Admin,
    State(front): State<Front>,
    body: Body,
) -> Result<Reply, ApiError> {
    let ApiKeyBody { scope, name, expires_at, expires_in_days } = read::json(body).await?;
    let expires = match (expires_at, expires_in_days) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("expiresInDays: give either this or expiresAt, not both"));
        }
        (Some(end), None) => Expires::At(end),
        (None, Some(days)) => Expires::InDays(days),
        (None, None) => Expires::Never,
    };
    let wanted = WantedApiKey { scope, name: name.clone(), expires };
    let made = api_keys::create(&front.app, &access.actor, access.team_id, wanted).await?;
    let key = made.key.expose_secret().to_owned();
    Reply::created("API key created", &NewApiKeyData { id: made.id, key, name, scope, expires_at: made.expires_at })
}

#[utoipa::path(
    delete,
    operation_id = "revokeApiKey",
    path = "/api/v1/admin/teams/{teamId}/apikeys/{keyId}",
    tag = "Secrets and keys",
    summary = "Revoke an API key: it opens nothing from then on, on any server",
    params(ApiKeyPath),
    responses((status = 200, description = "Done", body = Envelope<Revoked>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn revoke(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let id = access::id(&id, "keyId")?;
    let changed = api_keys::revoke(&front.app, &access.actor, access.team_id, id).await?;
    Reply::ok("API key revoked", &json!({ "id": id, "revoked": true, "changed": changed }))
}

/// That an API key is revoked.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Revoked {
    id: Uuid,
    revoked: bool,
    /// Whether it opened anything before.
    changed: bool,
}
