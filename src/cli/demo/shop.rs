//! The seller of the demonstration: a team, a product, both connections. All of it is reused by the next start.

use keyledger_events::TeamId;
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use secrecy::SecretString;
use uuid::Uuid;

use crate::admin::idempotency::Maker;
use crate::admin::integrations::{IntegrationChange, NewSecret};
use crate::admin::products::Description;
use crate::admin::{ACTOR_CLI, AdminError, integrations, products, teams};
use crate::app::App;

/// The name of the team.
pub(super) const SHOP: &str = "Demo Shop";
/// The name of the product.
pub(super) const PRODUCT: &str = "Demo Plugin";

/// The seller.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) team: TeamId,
    pub(super) product: Uuid,
    pub(super) stripe_webhook: SecretString,
    pub(super) polymart_webhook: SecretString,
    pub(super) polymart_signing: SecretString,
    /// Whether an earlier demonstration made it.
    pub(super) known: bool,
}

/// Finds the seller, or makes it; Stripe's API is from now on asked at `api_base`.
pub(super) async fn open(app: &App, api_base: &str) -> anyhow::Result<Shop> {
    let known = teams::list(app).await?.into_iter().find(|team| team.name == SHOP);
    let team = match &known {
        Some(team) => team.id,
        None => teams::create(app, ACTOR_CLI, SHOP).await?.id,
    };
    let product = products::list(app, team).await?.into_iter().find(|product| product.name == PRODUCT);
    let product = match product {
        Some(product) => product.id,
        None => products::create(app, Maker::once(ACTOR_CLI), team, &Description::named(PRODUCT)).await?.id,
    };
    let api = IntegrationChange { api_base: Some(api_base.to_owned()), ..IntegrationChange::default() };
    integrations::set(app, ACTOR_CLI, team, Provider::Stripe, &api).await?;
    secret(app, team, Provider::Stripe, SecretKind::ApiKey, "rk_test_demo_").await?;
    Ok(Shop {
        team,
        product,
        stripe_webhook: secret(app, team, Provider::Stripe, SecretKind::Webhook, "whsec_demo_").await?,
        polymart_webhook: secret(app, team, Provider::Polymart, SecretKind::Webhook, "demo_webhook_").await?,
        polymart_signing: secret(app, team, Provider::Polymart, SecretKind::Signing, "demo_signing_").await?,
        known: known.is_some(),
    })
}

/// The secret that is there, or a new random one.
async fn secret(
    app: &App,
    team: TeamId,
    provider: Provider,
    kind: SecretKind,
    prefix: &str,
) -> Result<SecretString, AdminError> {
    let known = app.fresh_team(team).await?.ok_or(AdminError::NoTeam(team))?;
    if let Some(secret) = known.secrets(provider, kind).next() {
        return Ok(secret.value.clone());
    }
    let value = SecretString::from(format!("{prefix}{}", hex::encode(rand::random::<[u8; 24]>())));
    let secrets = vec![NewSecret { kind, value: value.clone() }];
    let change = IntegrationChange { secrets, active: Some(true), ..IntegrationChange::default() };
    integrations::set(app, ACTOR_CLI, team, provider, &change).await?;
    Ok(value)
}
