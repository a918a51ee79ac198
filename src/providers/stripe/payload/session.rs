//! Checkout sessions.

use crate::providers::json::{BadField, Node};

/// A checkout session. Its line items are never in the webhook and have to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutSession {
    /// `cs_…`.
    pub id: String,
    /// `payment`, `subscription` or `setup`.
    pub mode: String,
    /// `paid`, `unpaid` or `no_payment_required`.
    pub payment_status: String,
    /// `pi_…`; none when nothing had to be paid, and in `subscription` mode.
    pub payment_intent: Option<String>,
    /// `sub_…`, in `subscription` mode.
    pub subscription: Option<String>,
    /// `in_…`.
    pub invoice: Option<String>,
    /// `cus_…`; none for guests.
    pub customer: Option<String>,
    /// The buyer's mail address.
    pub email: Option<String>,
    /// The buyer's name.
    pub name: Option<String>,
    /// What was paid, in the currency's smallest unit.
    pub amount_total: Option<i64>,
    /// Whether real money moved.
    pub livemode: Option<bool>,
}

impl CheckoutSession {
    pub(super) fn read(session: &Node<'_>) -> Result<Self, BadField> {
        let details = session.get("customer_details");
        let customer = session.get("customer");
        Ok(Self {
            id: session.get("id").text()?,
            mode: session.get("mode").text()?,
            payment_status: session.get("payment_status").text()?,
            payment_intent: session.get("payment_intent").reference()?,
            subscription: session.get("subscription").reference()?,
            invoice: session.get("invoice").reference()?,
            customer: customer.reference()?,
            email: (details.get("email").label())
                .or_else(|| session.get("customer_email").label())
                .or_else(|| customer.get("email").label()),
            name: details.get("name").label().or_else(|| customer.get("name").label()),
            amount_total: session.get("amount_total").integer()?,
            livemode: session.get("livemode").flag(),
        })
    }
}
