//! Events of a mail.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::StreamId;
use crate::sealed::Sealed;

/// A mail with licence keys is to go out. What it says is rendered when it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MailRequested {
    /// What was bought.
    pub purchase: StreamId,
    /// Whose key the address is sealed with.
    pub customer_id: Uuid,
    /// The mail address, under the customer's data key.
    pub to: Sealed,
    /// The licences whose keys it carries, in order.
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
