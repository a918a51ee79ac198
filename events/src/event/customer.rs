//! Events of a buyer.

use serde::{Deserialize, Serialize};

use super::inbox::Provider;
use crate::sealed::Sealed;

/// A buyer became known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerRegistered {
    /// Who told us of them.
    pub provider: Provider,
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
