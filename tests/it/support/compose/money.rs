//! Money that goes back: charges, refunds, disputes.

use serde_json::{Value, json};

use super::{Layout, event};
use crate::support::unique;

/// A charge of `amount`, of which `refunded` has gone back so far.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    pub(crate) layout: Layout,
    pub(crate) id: String,
    pub(crate) payment_intent: Option<String>,
    /// Told up to acacia only.
    pub(crate) invoice: Option<String>,
    pub(crate) amount: i64,
    pub(crate) refunded: i64,
}

impl Charge {
    /// A charge of a payment intent, refunded in full.
    pub(crate) fn refunded_in_full(layout: Layout, payment_intent: &str, amount: i64) -> Self {
        let payment_intent = Some(payment_intent.to_owned());
        Self { layout, id: unique("ch"), payment_intent, invoice: None, amount, refunded: amount }
    }

    /// `charge.refunded`, whose amount is the running total.
    pub(crate) fn event(&self, time: i64) -> Value {
        let mut charge = json!({
            "id": self.id, "object": "charge", "amount": self.amount, "amount_captured": self.amount,
            "amount_refunded": self.refunded, "captured": true, "created": time - 60, "currency": "usd",
            "customer": null, "disputed": false, "livemode": false, "metadata": {}, "paid": true,
            "payment_intent": self.payment_intent, "refunded": self.refunded == self.amount, "status": "succeeded",
        });
        if self.layout == Layout::Acacia {
            charge["invoice"] = json!(self.invoice);
        }
        event(self.layout, "charge.refunded", time, charge)
    }
}

/// One refund.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) layout: Layout,
    pub(crate) id: String,
    pub(crate) payment_intent: String,
    pub(crate) charge: String,
    pub(crate) amount: i64,
}

impl Refund {
    /// A refund of this much of a payment intent.
    pub(crate) fn of(layout: Layout, payment_intent: &str, amount: i64) -> Self {
        Self { layout, id: unique("re"), payment_intent: payment_intent.to_owned(), charge: unique("ch"), amount }
    }

    /// `refund.created`, `refund.updated` or `refund.failed`, with the status that it has now.
    pub(crate) fn event(&self, what: &str, status: &str, time: i64) -> Value {
        let object = json!({
            "id": self.id, "object": "refund", "amount": self.amount, "balance_transaction": null,
            "charge": self.charge, "created": time, "currency": "usd", "metadata": {},
            "payment_intent": self.payment_intent, "reason": null, "receipt_number": null, "status": status,
        });
        event(self.layout, &format!("refund.{what}"), time, object)
    }
}

/// One dispute.
#[derive(Debug, Clone)]
pub(crate) struct Dispute {
    pub(crate) layout: Layout,
    pub(crate) id: String,
    pub(crate) payment_intent: String,
    pub(crate) charge: String,
    pub(crate) amount: i64,
}

impl Dispute {
    /// A dispute about all of a payment intent.
    pub(crate) fn about(layout: Layout, payment_intent: &str, amount: i64) -> Self {
        Self { layout, id: unique("du"), payment_intent: payment_intent.to_owned(), charge: unique("ch"), amount }
    }

    /// `charge.dispute.created` or `charge.dispute.closed`, with the status that it has now.
    pub(crate) fn event(&self, what: &str, status: &str, time: i64) -> Value {
        let object = json!({
            "id": self.id, "object": "dispute", "amount": self.amount, "balance_transactions": [],
            "charge": self.charge, "created": time, "currency": "usd", "is_charge_refundable": false,
            "livemode": false, "metadata": {}, "payment_intent": self.payment_intent, "reason": "general",
            "status": status,
        });
        event(self.layout, &format!("charge.dispute.{what}"), time, object)
    }
}
