//! A connection as scripts and programs see it: which secrets there are, never the secrets.

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use keyledger_events::{TeamId, Timestamp};
use keyledger_projections::{Integration, Secret};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationJson {
    /// stripe or polymart.
    #[schema(value_type = String)]
    pub provider: Provider,
    /// Whose it is.
    #[schema(value_type = Uuid)]
    pub team_id: TeamId,
    /// Whether deliveries are taken.
    pub active: bool,
    /// The base URL of the provider's API; null is the provider's own.
    pub api_base: Option<String>,
    /// The path that the provider posts to.
    pub webhook_path: String,
    /// Its secrets, the oldest first, retired ones among them.
    pub secrets: Vec<SecretJson>,
}

/// A secret, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretJson {
    /// Its id.
    pub id: Uuid,
    /// webhook, signing or api_key.
    #[schema(value_type = String)]
    pub kind: SecretKind,
    /// For API keys: live or test mode.
    pub livemode: Option<bool>,
    /// Its last characters; none of a short one.
    pub hint: String,
    /// Whether it is no longer honoured.
    pub retired: bool,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub added_at: Timestamp,
}

impl IntegrationJson {
    /// A connection of a team.
    pub fn of(team: TeamId, integration: &Integration) -> Self {
        Self {
            provider: integration.provider,
            team_id: team,
            active: integration.enabled,
            api_base: integration.api_base.clone(),
            webhook_path: webhook_path(team, integration.provider),
            secrets: integration.secrets.iter().map(SecretJson::of).collect(),
        }
    }
}

impl SecretJson {
    fn of(secret: &Secret) -> Self {
        Self {
            id: secret.secret_id,
            kind: secret.kind,
            livemode: secret.livemode,
            hint: secret.hint.clone(),
            retired: secret.retired,
            added_at: secret.added_at,
        }
    }
}

/// The path that the provider posts to; Polymart's needs a product as well.
pub fn webhook_path(team: TeamId, provider: Provider) -> String {
    let product = match provider {
        Provider::Stripe => "",
        Provider::Polymart => "&productId=PRODUCT_ID",
    };
    format!("/api/v1/integrations/{provider}?teamId={team}{product}")
}
