//! Events of a team.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::sealed::Sealed;

/// A team was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeamRegistered {
    /// What buyers see in mails.
    pub name: String,
    /// Base64 of the PEM of the RSA-2048 public key that client programs check challenges with.
    pub public_key: String,
    /// The PKCS#8 private key, under the team's data key.
    pub private_key: Sealed,
}

/// A team's settings were changed; what is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TeamUpdated {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The paragraph that goes into every mail; empty removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_message: Option<String>,
    /// How long past the paid period a subscription licence stays valid, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_grace_seconds: Option<u32>,
}

/// What an API key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyScope {
    /// The developer API.
    Developer,
    /// Reading history.
    Auditor,
    /// Running the ledger.
    Admin,
}

/// An API key was made. The key itself is shown once and kept only as its hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyCreated {
    /// The key's id.
    pub key_id: Uuid,
    /// What it may do.
    pub scope: ApiKeyScope,
    /// Hex of the SHA-256 of the key, which has 256 random bits.
    pub sha256: String,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}
