//! Events of a mail.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::StreamId;
use crate::sealed::Sealed;

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MailContent {
    /// The keys of its licences, to their buyer.
    #[default]
    LicenseKeys,
    /// That its licences run out, to their buyer.
    ExpiryReminder {
        /// When.
        expires_at: Timestamp,
    },
    /// That an endpoint for webhooks is not posted to any more, to the seller.
    WebhookDisabled {
        /// Which one.
        webhook_id: Uuid,
        /// Why.
        reason: String,
    },
}

/// A mail is to go out. What it says is rendered when it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MailRequested {
    /// What was bought, or what else it is about.
    pub purchase: StreamId,
    /// The buyer whose key the address is sealed with; the team's id where the seller gets it.
    pub customer_id: Uuid,
    /// The mail address, under the buyer's data key, or under the one of the seller's own address.
    pub to: Sealed,
    /// What it says. Version 1 knew nothing but keys.
    pub content: MailContent,
    /// The licences that it is about, in order.
    pub license_ids: Vec<Uuid>,
    /// The Message-ID, the same on every attempt.
    pub message_id: String,
}

/// A node set out to send it; nobody else does before the lease ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MailAttemptStarted {
    /// 1 for the first attempt.
    pub attempt: u32,
    /// When another node may try.
    pub lease_until: Timestamp,
}

/// The mail server accepted it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MailSent {
    /// Attempts it took.
    pub attempts: u32,
}

/// It could not be sent now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MailFailed {
    /// What the server or the network said, without the address.
    pub reason: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried again.
    pub retry_at: Timestamp,
}

/// It will not be tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MailAbandoned {
    /// Why.
    pub reason: String,
}
