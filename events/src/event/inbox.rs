//! Events of the inbox: one stream per provider event, from its arrival to its conclusion.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::sealed::Sealed;

/// Who posts webhooks to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Stripe.
    Stripe,
    /// Polymart, now also Voxel Shop.
    Polymart,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Stripe, Self::Polymart];

    /// The word used in URLs, ids and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Polymart => "polymart",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a licence or a customer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Sold through Stripe.
    Stripe,
    /// Sold through Polymart.
    Polymart,
    /// Made by the seller, by hand or by a program of theirs.
    Manual,
}

impl Origin {
    /// The word used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Polymart => "polymart",
            Self::Manual => "manual",
        }
    }
}

impl From<Provider> for Origin {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::Stripe => Self::Stripe,
            Provider::Polymart => Self::Polymart,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A verified provider event arrived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderEventReceived {
    /// Who sent it.
    pub provider: Provider,
    /// Stripe's `evt_…`, Polymart's nonce, or `sha256:…` of the body where there is neither.
    pub provider_event_id: String,
    /// The provider's name for what happened; `unreadable` when the body does not say.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Whether real money moved, where the provider tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    /// The query of the request's URL without `teamId`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// Hex of the SHA-256 of the raw body.
    pub body_sha256: String,
    /// The raw body, under the delivery's own data key, whose id is the stream's.
    pub body: Sealed,
}

/// A node set out to interpret it, with calls outside; nobody else does before the lease ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderEventAttempted {
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When another node may try.
    pub lease_until: Timestamp,
}

/// It had its effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderEventApplied {
    /// What it did, for people.
    pub summary: String,
    /// What the seller should know although it worked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// We have no use for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderEventIgnored {
    /// Why.
    pub reason: String,
}

/// We cannot honour it, or not all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderEventRejected {
    /// Why, naming key and value.
    pub reason: String,
}

/// It cannot be interpreted now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderEventDeferred {
    /// Why.
    pub reason: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried again.
    pub retry_at: Timestamp,
}

/// It is interpreted afresh: an admin said so, or the provider delivered it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderEventReopened {
    /// Why.
    pub reason: String,
    /// The query to use from now on, where it was mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<BTreeMap<String, String>>,
}
