//! Events of outgoing webhooks: an endpoint that the seller registered, and each hook on its way to it.
//!
//! An endpoint has a stream, and so has each hook: its id is derived from the endpoint and from the event that it
//! tells of. That a hook is owed is not an event: it follows from that event and from the endpoint as it was then.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::sealed::Sealed;

/// An endpoint was registered. It hears of what happens from then on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookEndpointRegistered {
    /// Where hooks are posted, under the team's data key: such addresses often hold a secret.
    pub url: Sealed,
    /// What it is for, in the seller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The types it wants: `license.issued`, `license.*`; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Whether hooks show the licence key.
    #[serde(default)]
    pub include_keys: bool,
    /// What hooks are signed with, under the team's data key.
    pub secret: Sealed,
}

/// An endpoint was changed; what is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WebhookEndpointUpdated {
    /// Where hooks are posted, under the team's data key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Sealed>,
    /// What it is for; empty removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The types it wants; none of them means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// Whether hooks show the licence key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_keys: Option<bool>,
}

/// An endpoint is posted to again, from then on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WebhookEndpointEnabled {}

/// An endpoint is not posted to any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookEndpointDisabled {
    /// Why.
    pub reason: String,
}

/// An endpoint is no more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WebhookEndpointRemoved {}

/// An endpoint got another secret. Until the old ones end, hooks are signed with each of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookSecretRotated {
    /// The new secret, under the team's data key.
    pub secret: Sealed,
    /// When those before it end.
    pub previous_until: Timestamp,
}

/// The seller wants to see a hook arrive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookTestRequested {
    /// Where.
    pub endpoint_id: Uuid,
}

/// The seller wants a hook sent again, whatever became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookRedeliveryRequested {
    /// Where.
    pub endpoint_id: Uuid,
}

/// A node set out to send a hook; nobody else does before the lease ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookAttemptStarted {
    /// Where it goes.
    pub endpoint_id: Uuid,
    /// The event that it tells of.
    pub source: Uuid,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When another node may try.
    pub lease_until: Timestamp,
}

/// The endpoint answered with a 2xx.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookDelivered {
    /// Where.
    pub endpoint_id: Uuid,
    /// The status it answered.
    pub status: u16,
    /// Attempts it took.
    pub attempts: u32,
}

/// A hook did not get through this time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookFailed {
    /// Where.
    pub endpoint_id: Uuid,
    /// What was answered or what the network said, without the address.
    pub reason: String,
    /// The status, where one was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The beginning of what was answered, under the team's data key: it is foreign text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Sealed>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried again.
    pub retry_at: Timestamp,
}

/// A hook will not be tried again unless the seller says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookAbandoned {
    /// Where.
    pub endpoint_id: Uuid,
    /// Why.
    pub reason: String,
    /// The status, where one was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The beginning of what was answered, under the team's data key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Sealed>,
    /// Attempts that were made.
    pub attempts: u32,
}
