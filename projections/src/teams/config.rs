//! What a team is: everything that verifying and interpreting need of it, loaded in one query.

use std::collections::BTreeMap;

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use keyledger_events::event::team::{ApiKeyScope, BlacklistKind, ReturnedFields};
use keyledger_events::{Position, StreamId, TeamId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::sealed_field::SealedField;

/// How long past the paid period a subscription licence stays valid unless the team says otherwise, in seconds:
/// Stripe finalises a renewal invoice about an hour after the period turns.
pub const RENEWAL_GRACE_SECONDS: u32 = 10_800;

/// How many days before its end a licence's buyer is reminded, unless the team says otherwise.
pub const REMINDER_DAYS: u32 = 7;

/// A team.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeamConfig {
    /// Its id.
    pub id: TeamId,
    /// What buyers see in mails.
    pub name: String,
    /// Base64 of the PEM of its RSA public key.
    pub public_key: String,
    /// Its PKCS#8 private key; the field is [`TeamConfig::PRIVATE_KEY_FIELD`].
    pub private_key: SealedField,
    /// Since when it signs with that key pair.
    pub key_since: Timestamp,
    /// The key pairs before it, the oldest first.
    pub earlier_keys: Vec<EarlierKey>,
    /// The paragraph that goes into every mail.
    pub mail_message: Option<String>,
    /// The address of the picture at the head of every mail to a buyer.
    pub mail_image_url: Option<String>,
    /// How long past the paid period a subscription licence stays valid, in seconds.
    pub renewal_grace_seconds: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its place in the ledger; teams are listed by it.
    pub created_position: Position,
    /// The number of events in its stream.
    pub version: i64,
    /// Its provider connections, where anything was ever set.
    pub integrations: BTreeMap<Provider, Integration>,
    /// Its API keys, revoked ones among them.
    pub api_keys: Vec<ApiKey>,
    /// How verifications are answered.
    pub verification: VerificationSettings,
    /// Where verifications are refused from, oldest first.
    pub blacklist: Vec<BlacklistEntry>,
    /// The owner's mail address; the field is [`TeamConfig::CONTACT_FIELD`].
    pub contact: Option<SealedField>,
    /// When buyers are reminded that a licence runs out.
    pub reminders: Reminders,
}

/// When buyers are reminded that a licence runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminders {
    /// How many days before; 0 for never.
    pub days: u32,
    /// Whether the buyer gets a mail.
    pub mail: bool,
}

impl Default for Reminders {
    fn default() -> Self {
        Self { days: REMINDER_DAYS, mail: true }
    }
}

/// A key that a team signed with; what it signed can be verified for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierKey {
    /// Base64 of the PEM of the public key.
    pub public_key: String,
    /// Since when it signed.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// How a team's verifications are answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VerificationSettings {
    /// Whether a licence that has customers wants one of them named.
    pub strict_customers: bool,
    /// Whether a licence that has products wants one of them named.
    pub strict_products: bool,
    /// Minutes after which an address that is not seen frees its seat; `None` for never.
    pub ip_timeout_minutes: Option<u32>,
    /// Minutes after which a device that is not seen frees its seat; `None` for never.
    pub hwid_timeout_minutes: Option<u32>,
    /// What accepted verifications show.
    pub returned_fields: ReturnedFields,
}

/// Where verifications are refused from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlacklistEntry {
    /// Its id.
    pub entry_id: Uuid,
    /// What it names.
    pub kind: BlacklistKind,
    /// The address, network, hardware identifier or country; the field is [`BlacklistEntry::VALUE_FIELD`].
    pub value: SealedField,
    /// When it was added.
    pub added_at: Timestamp,
}

impl BlacklistEntry {
    /// The field of BlacklistEntryAdded that holds the value.
    pub const VALUE_FIELD: &'static str = "value";
}

impl TeamConfig {
    /// The field of TeamRegistered and SigningKeyRotated that holds the private key.
    pub const PRIVATE_KEY_FIELD: &'static str = "private_key";
    /// The field of TeamContactUpdated that holds the owner's mail address.
    pub const CONTACT_FIELD: &'static str = "email";

    /// The connection to a provider; `None` when nothing was ever set.
    pub fn integration(&self, provider: Provider) -> Option<&Integration> {
        self.integrations.get(&provider)
    }
}

/// A provider's connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Integration {
    /// Whose connection.
    pub provider: Provider,
    /// Whether it is on. It is off until it is switched on.
    pub enabled: bool,
    /// The base URL of the provider's API; `None` is the provider's own.
    pub api_base: Option<String>,
    /// Its secrets, oldest first, retired ones among them.
    pub secrets: Vec<Secret>,
    /// Its stream.
    pub stream: StreamId,
    /// The number of events in its stream.
    pub version: i64,
}

impl Integration {
    /// The secrets for a purpose that are honoured.
    pub fn secrets_in_force(&self, kind: SecretKind) -> impl Iterator<Item = &Secret> {
        self.secrets.iter().filter(move |secret| secret.kind == kind && !secret.retired)
    }
}

/// A secret of a provider's connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    /// Its id.
    pub secret_id: Uuid,
    /// What it is for.
    pub kind: SecretKind,
    /// For API keys: live or test mode.
    pub livemode: Option<bool>,
    /// Its last characters.
    pub hint: String,
    /// Hex of its keyed fingerprint.
    pub fingerprint: String,
    /// The secret; the field is [`Secret::VALUE_FIELD`].
    pub value: SealedField,
    /// Whether it is no longer honoured.
    pub retired: bool,
    /// When it was added.
    pub added_at: Timestamp,
}

impl Secret {
    /// The field of SecretAdded that holds the secret.
    pub const VALUE_FIELD: &'static str = "value";
}

/// An API key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id.
    pub key_id: Uuid,
    /// What it is for, in its maker's words.
    pub name: Option<String>,
    /// What it may do.
    pub scope: ApiKeyScope,
    /// Hex of the SHA-256 of the key.
    pub sha256: String,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it opens nothing any more.
    pub revoked: bool,
}
