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

/// A team signs challenges with another key from now on. What the keys before it signed can still be verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SigningKeyRotated {
    /// Base64 of the PEM of the new RSA-2048 public key.
    pub public_key: String,
    /// The new PKCS#8 private key, under the team's data key.
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
    /// The address on the web of the picture at the head of every mail to a buyer; empty removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_image_url: Option<String>,
    /// How long past the paid period a subscription licence stays valid, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_grace_seconds: Option<u32>,
}

/// Where the seller is reached was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeamContactUpdated {
    /// The owner's mail address, under a data key of its own; `None` takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Sealed>,
}

/// When buyers are reminded that a licence runs out was changed; what is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RemindersUpdated {
    /// How many days before the end; 0 for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// Whether the buyer gets a mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<bool>,
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
    /// What it is for, in its maker's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may do.
    pub scope: ApiKeyScope,
    /// Hex of the SHA-256 of the key, which has 256 random bits.
    pub sha256: String,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// An API key was revoked: from then on it opens nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyRevoked {
    /// The key's id.
    pub key_id: Uuid,
}

/// How verifications are answered was changed; what is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VerificationSettingsUpdated {
    /// Whether a licence that has customers wants one of them named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_customers: Option<bool>,
    /// Whether a licence that has products wants one of them named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_products: Option<bool>,
    /// Minutes after which an address that is not seen frees its seat; 0 for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_timeout_minutes: Option<u32>,
    /// Minutes after which a device that is not seen frees its seat; 0 for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hwid_timeout_minutes: Option<u32>,
    /// What accepted verifications show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_fields: Option<ReturnedFields>,
}

/// What an accepted verification shows of the licence, its customers and its products.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReturnedFields {
    /// How many addresses may use the licence.
    pub license_ip_limit: bool,
    /// How many devices may use it.
    pub license_hwid_limit: bool,
    /// Whether it ends never, on a date or after days.
    pub license_expiration_type: bool,
    /// What its days begin with.
    pub license_expiration_start: bool,
    /// When it ends.
    pub license_expiration_date: bool,
    /// How many days it lasts.
    pub license_expiration_days: bool,
    /// Which of its notes.
    pub license_metadata_keys: Vec<String>,
    /// The customers' mail addresses.
    pub customer_email: bool,
    /// Their full names.
    pub customer_full_name: bool,
    /// Their user names.
    pub customer_username: bool,
    /// Which of their notes.
    pub customer_metadata_keys: Vec<String>,
    /// The products' names.
    pub product_name: bool,
    /// Their addresses on the web.
    pub product_url: bool,
    /// Which of their notes.
    pub product_metadata_keys: Vec<String>,
}

/// What the blacklist can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlacklistKind {
    /// An internet address or a network.
    Address,
    /// A hardware identifier.
    Device,
    /// A country, by its two letters (ISO 3166-1 alpha-2).
    Country,
}

/// Something was put on the blacklist: verifications from there are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlacklistEntryAdded {
    /// The entry's id.
    pub entry_id: Uuid,
    /// What it names.
    pub kind: BlacklistKind,
    /// The address, network, hardware identifier or country, under the team's data key.
    pub value: Sealed,
}

/// Something was taken off the blacklist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlacklistEntryRemoved {
    /// The entry's id.
    pub entry_id: Uuid,
}
