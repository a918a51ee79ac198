//! Events of a provider's connection. Its stream is derived from team and provider.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::inbox::Provider;
use crate::sealed::Sealed;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// Signs webhooks.
    Webhook,
    /// Signs Polymart's placeholder requests.
    Signing,
    /// Opens Stripe's API.
    ApiKey,
}

/// The connection was switched on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntegrationEnabled {
    /// Whose connection.
    pub provider: Provider,
}

/// The connection was switched off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntegrationDisabled {
    /// Whose connection.
    pub provider: Provider,
}

/// Where we call the provider changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntegrationUpdated {
    /// Whose connection.
    pub provider: Provider,
    /// The base URL of the provider's API; `None` is the provider's own.
    pub api_base: Option<String>,
}

/// A secret was added beside those that are there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecretAdded {
    /// Whose secret.
    pub provider: Provider,
    /// The secret's id, to retire it by.
    pub secret_id: Uuid,
    /// What it is for.
    pub kind: SecretKind,
    /// For API keys: live or test mode, as the key's prefix says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    /// The last characters, so that people can tell secrets apart.
    pub hint: String,
    /// Hex of a keyed fingerprint, so that the same secret is not added twice.
    pub fingerprint: String,
    /// The secret, under the team's data key.
    pub value: Sealed,
}

/// A secret is no longer honoured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecretRetired {
    /// Whose secret.
    pub provider: Provider,
    /// Which one.
    pub secret_id: Uuid,
}
