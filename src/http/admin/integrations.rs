//! `/api/v1/admin/teams/{teamId}/integrations`.

use axum::body::Body;
use axum::extract::{Path, State};
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::integrations::{self, Changed, IntegrationChange, IntegrationJson, NewSecret};
use crate::admin::teams;
use crate::http::Front;
use crate::http::access::{self, Access, Admin};
use crate::http::envelope::{ApiError, Reply};
use crate::http::openapi::{Envelope, Errors, ProviderPath, SecretPath, TeamPath};
use crate::http::read;

/// What is to change of a connection; what is not named stays.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct IntegrationBody {
    /// Whether deliveries are taken.
    #[serde(default)]
    active: Option<bool>,
    /// The base URL of Stripe's API, if it is not Stripe's own; an empty one is Stripe's own again.
    #[serde(default)]
    api_base: Option<String>,
}

/// A secret to add beside those that are there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct SecretBody {
    /// webhook, signing (Polymart's placeholders) or api_key (Stripe).
    #[schema(value_type = String)]
    kind: SecretKind,
    /// The secret. It is never shown.
    #[schema(value_type = String, format = Password)]
    value: SecretString,
}

#[utoipa::path(
    get,
    operation_id = "listIntegrations",
    path = "/api/v1/admin/teams/{teamId}/integrations",
    tag = "Secrets and keys",
    summary = "List connections to providers: which secrets there are, never the secrets",
    params(TeamPath),
    responses((status = 200, description = "Done", body = Envelope<Vec<IntegrationJson>>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn list(Admin(access): Admin, State(front): State<Front>) -> Result<Reply, ApiError> {
    let team = teams::find(&front.app, access.team_id).await?;
    let shown: Vec<_> = team.integrations.values().map(|it| IntegrationJson::of(team.id, it)).collect();
    Reply::ok("Integrations found", &shown)
}

#[utoipa::path(
    get,
    operation_id = "getIntegration",
    path = "/api/v1/admin/teams/{teamId}/integrations/{provider}",
    tag = "Secrets and keys",
    summary = "Show a connection",
    params(ProviderPath),
    responses((status = 200, description = "Done", body = Envelope<IntegrationJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn show(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, provider)): Path<(String, String)>,
) -> Result<Reply, ApiError> {
    let provider = named(&provider)?;
    let team = teams::find(&front.app, access.team_id).await?;
    let found = team.integration(provider).ok_or_else(|| not_set_up(provider))?;
    Reply::ok("Integration found", &IntegrationJson::of(team.id, found))
}

#[utoipa::path(
    patch,
    operation_id = "updateIntegration",
    path = "/api/v1/admin/teams/{teamId}/integrations/{provider}",
    tag = "Secrets and keys",
    summary = "Switch a connection on or off, or say where its API is",
    params(ProviderPath),
    request_body = IntegrationBody,
    responses((status = 200, description = "Done", body = Envelope<IntegrationJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn update(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, provider)): Path<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let provider = named(&provider)?;
    let IntegrationBody { active, api_base } = read::json(body).await?;
    if api_base.is_some() && provider != Provider::Stripe {
        return Err(ApiError::bad_request("apiBase: only Stripe is asked anything"));
    }
    let change = IntegrationChange { secrets: Vec::new(), api_base, active };
    changed(&front, &access, provider, change).await
}

#[utoipa::path(
    post,
    operation_id = "addSecret",
    path = "/api/v1/admin/teams/{teamId}/integrations/{provider}/secrets",
    tag = "Secrets and keys",
    summary = "Add a secret; those that are there stay in force until they are retired",
    params(ProviderPath),
    request_body = SecretBody,
    responses((status = 200, description = "Done", body = Envelope<IntegrationJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn add_secret(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, provider)): Path<(String, String)>,
    body: Body,
) -> Result<Reply, ApiError> {
    let provider = named(&provider)?;
    let SecretBody { kind, value } = read::json(body).await?;
    let fits = match provider {
        Provider::Stripe => kind != SecretKind::Signing,
        Provider::Polymart => kind != SecretKind::ApiKey,
    };
    if !fits {
        return Err(ApiError::bad_request(format!("kind: {provider} has no secrets of this kind")));
    }
    let change = IntegrationChange { secrets: vec![NewSecret { kind, value }], ..IntegrationChange::default() };
    changed(&front, &access, provider, change).await
}

#[utoipa::path(
    delete,
    operation_id = "retireSecret",
    path = "/api/v1/admin/teams/{teamId}/integrations/{provider}/secrets/{secretId}",
    tag = "Secrets and keys",
    summary = "Retire a secret: what is signed with it from now on is refused",
    params(SecretPath),
    responses((status = 200, description = "Done", body = Envelope<IntegrationJson>), Errors),
    security(("bearer" = []))
)]
pub(in crate::http) async fn retire_secret(
    Admin(access): Admin,
    State(front): State<Front>,
    Path((_, provider, secret)): Path<(String, String, String)>,
) -> Result<Reply, ApiError> {
    let (provider, secret) = (named(&provider)?, access::id(&secret, "secretId")?);
    let team = teams::find(&front.app, access.team_id).await?;
    let holds = team.integration(provider).is_some_and(|it| it.secrets.iter().any(|known| known.secret_id == secret));
    if !holds {
        let details = format!("there is no secret {secret} of {provider}");
        return Err(ApiError::new(axum::http::StatusCode::NOT_FOUND, "NOT_FOUND", details));
    }
    let changed = integrations::retire(&front.app, &access.actor, access.team_id, secret).await?;
    reply(&access, provider, &changed)
}

async fn changed(
    front: &Front,
    access: &Access,
    provider: Provider,
    change: IntegrationChange,
) -> Result<Reply, ApiError> {
    let changed = integrations::set(&front.app, &access.actor, access.team_id, provider, &change).await?;
    reply(access, provider, &changed)
}

fn reply(access: &Access, provider: Provider, changed: &Changed) -> Result<Reply, ApiError> {
    let integration = changed.integration.as_ref().ok_or_else(|| not_set_up(provider))?;
    Reply::ok("Integration updated", &IntegrationJson::of(access.team_id, integration))
}

fn named(text: &str) -> Result<Provider, ApiError> {
    [Provider::Stripe, Provider::Polymart]
        .into_iter()
        .find(|provider| provider.as_str() == text)
        .ok_or_else(|| ApiError::bad_request("provider: must be stripe or polymart"))
}

fn not_set_up(provider: Provider) -> ApiError {
    let details = format!("there is no {provider} connection yet: add a secret");
    ApiError::new(axum::http::StatusCode::NOT_FOUND, "NOT_FOUND", details)
}
