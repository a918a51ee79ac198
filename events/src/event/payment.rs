//! Events of a payment: what links money to the thing it bought. Payment intents, charges and invoices each
//! have a stream, so that a refund can arrive before the sale and still find it.

use serde::{Deserialize, Serialize};

use crate::id::StreamId;

/// A payment intent, charge or invoice was found to belong to another of these, or to a purchase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentLinked {
    /// The provider's id of what this stream is about: `pi_…`, `ch_…`, `in_…`.
    pub reference: String,
    /// The payment stream or purchase stream that it belongs with.
    pub to: StreamId,
    /// The provider's id of the other end.
    pub to_reference: String,
}
