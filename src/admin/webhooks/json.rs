//! Endpoints and hooks as scripts and programs see them.

use keyledger_events::{Position, TeamId, Timestamp};
use keyledger_projections::{Endpoint, Hook, HookState};
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::AdminError;
use crate::app::App;
use crate::opened;

/// An endpoint; its secrets are nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookJson {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    #[schema(value_type = Uuid)]
    pub team_id: TeamId,
    /// Where hooks are posted; null when the key that opens it is gone.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The types it wants; none means all.
    pub types: Vec<String>,
    /// Whether hooks show the licence key.
    pub include_keys: bool,
    /// Whether it is posted to.
    pub enabled: bool,
    /// Why it is not.
    pub disabled_reason: Option<String>,
    /// When old secrets stop signing beside the one in force.
    #[schema(value_type = Vec<String>, format = DateTime)]
    pub old_secrets_until: Vec<Timestamp>,
    /// Since when no hook has got through; null while the last one did.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failing_since: Option<Timestamp>,
    /// When a hook last got through.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_delivered_at: Option<Timestamp>,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// An endpoint that was just registered, with its secret.
#[derive(Debug)]
pub struct MadeWebhook {
    /// The endpoint.
    pub webhook: WebhookJson,
    /// Its secret. Nobody can show it again.
    pub secret: SecretString,
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookJson {
    /// Its id, the `webhook-id` of every attempt.
    pub id: Uuid,
    /// Where it goes.
    pub webhook_id: Uuid,
    /// Whose it is.
    #[schema(value_type = Uuid)]
    pub team_id: TeamId,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The event that it tells of.
    pub event_id: Uuid,
    /// The place of that in the ledger.
    #[schema(value_type = i64)]
    pub position: Position,
    /// pending, delivered, failed (tried again) or abandoned.
    #[schema(value_type = String)]
    pub state: HookState,
    /// The status that was last answered.
    pub status: Option<u16>,
    /// What the last attempt failed of, or why it was abandoned.
    pub reason: Option<String>,
    /// The beginning of what was last answered in refusal.
    pub response: Option<String>,
    /// Attempts since it was last asked for.
    pub attempts: u32,
    /// When what it tells of was recorded, or when somebody asked for it again.
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
    /// When the endpoint took it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub delivered_at: Option<Timestamp>,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retry_at: Option<Timestamp>,
}

/// Opens an endpoint's address and describes it.
///
/// # Errors
/// When the keys store does not answer.
pub async fn describe(app: &App, endpoint: &Endpoint) -> Result<WebhookJson, AdminError> {
    let now = app.clock.now();
    Ok(WebhookJson {
        id: endpoint.id,
        team_id: endpoint.team,
        url: opened::text(app, endpoint.team, Some(&endpoint.url), Endpoint::URL_FIELD).await?,
        description: endpoint.description.clone(),
        types: endpoint.types.clone(),
        include_keys: endpoint.include_keys,
        enabled: endpoint.enabled,
        disabled_reason: endpoint.disabled_reason.clone(),
        old_secrets_until: endpoint.secrets_in_force(now).filter_map(|secret| secret.until).collect(),
        failing_since: endpoint.failing_since,
        last_delivered_at: endpoint.last_delivered_at,
        created_at: endpoint.created_at,
    })
}

/// Opens what was answered to a hook and describes it.
///
/// # Errors
/// When the keys store does not answer.
pub async fn describe_hook(app: &App, hook: &Hook) -> Result<HookJson, AdminError> {
    Ok(HookJson {
        id: hook.id,
        webhook_id: hook.endpoint_id,
        team_id: hook.team,
        kind: hook.kind.clone(),
        event_id: hook.source.event_id,
        position: hook.source.position,
        state: hook.state,
        status: hook.status,
        reason: hook.reason.clone(),
        response: opened::text(app, hook.team, hook.response.as_ref(), Hook::RESPONSE_FIELD).await?,
        attempts: hook.attempts,
        requested_at: hook.requested_at,
        delivered_at: hook.delivered_at,
        retry_at: hook.retry_at,
    })
}
