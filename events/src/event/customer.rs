//! Events of a buyer.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::inbox::Origin;
use crate::sealed::Sealed;

/// A buyer became known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerRegistered {
    /// Who told us of them.
    pub provider: Origin,
    /// The provider's id of the buyer: Stripe's `cus_…`, Polymart's user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_customer: Option<String>,
    /// Hex of the keyed fingerprint of the lower-cased mail address, for look-ups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_lookup: Option<String>,
    /// The mail address, under the customer's data key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Sealed>,
    /// The name, under the customer's data key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Sealed>,
}

/// The seller told who a customer is. It replaces all that was known of them; every text is under the customer's
/// data key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CustomerUpdated {
    /// Hex of the keyed fingerprint of the lower-cased mail address, for look-ups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_lookup: Option<String>,
    /// The mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Sealed>,
    /// The full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Sealed>,
    /// The user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Sealed>,
    /// The postal address, a JSON document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Sealed>,
    /// The seller's notes, a JSON list of [`MetadataEntry`](super::metadata::MetadataEntry).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Sealed>,
}

/// A customer was taken off the list. Their licences stay what they are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CustomerRemoved {}

/// A person was forgotten: the data keys of what was known of them, and of what named them, are destroyed. It holds
/// nothing of theirs. Whoever finds one of these keys in a keys store destroys it again: the store was restored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CustomerForgotten {
    /// The data keys: the person's own, and those of deliveries that named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_ids: Vec<Uuid>,
}
