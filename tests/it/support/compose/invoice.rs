//! Invoices of subscriptions, where the two layouts differ most.

use serde_json::{Value, json};

use super::{DAY, Layout, MONTH, event, list, price};
use crate::support::unique;

/// A line of an invoice.
#[derive(Debug, Clone)]
pub(crate) struct InvoiceLine {
    pub(crate) id: String,
    /// The subscription item; `None` for a one-off charge that rides along.
    pub(crate) item: Option<String>,
    pub(crate) product: String,
    pub(crate) quantity: u64,
    /// The service period that the line pays for.
    pub(crate) period: (i64, i64),
    pub(crate) amount: i64,
    pub(crate) proration: bool,
    /// Whether it gives back what an earlier line billed.
    pub(crate) credit: bool,
    /// Whether it bills usage, which only lines up to acacia say.
    pub(crate) metered: bool,
}

impl InvoiceLine {
    /// A month of one unit from `start` on.
    pub(crate) fn month(item: &str, product: &str, start: i64) -> Self {
        Self {
            id: unique("il"),
            item: Some(item.to_owned()),
            product: product.to_owned(),
            quantity: 1,
            period: (start, start + MONTH),
            amount: 1000,
            proration: false,
            credit: false,
            metered: false,
        }
    }

    /// What is left of a month when its plan changes, charged for or given back.
    pub(crate) fn rest(item: &str, product: &str, period: (i64, i64), amount: i64) -> Self {
        let month = Self::month(item, product, period.0);
        Self { period, amount, proration: true, credit: amount < 0, ..month }
    }

    fn object(&self, layout: Layout, subscription: &str) -> Value {
        let mut line = json!({
            "id": self.id, "object": "line_item", "amount": self.amount, "currency": "usd",
            "description": self.product, "discount_amounts": [], "discountable": true, "discounts": [],
            "livemode": false, "metadata": {}, "quantity": self.quantity,
            "period": { "start": self.period.0, "end": self.period.1 }, "pretax_credit_amounts": [],
        });
        let credited = self.credit.then(|| json!({ "invoice": "in_before", "invoice_line_items": ["il_before"] }));
        let mut price = price(&self.product);
        if self.metered {
            price["id"] = json!(format!("price_of_use_of_{}", self.product));
            price["recurring"]["usage_type"] = json!("metered");
        }
        let more = match layout {
            Layout::Acacia => json!({
                "type": if self.item.is_some() { "subscription" } else { "invoiceitem" },
                "subscription": subscription, "subscription_item": self.item, "price": price,
                "proration": self.proration, "proration_details": { "credited_items": credited },
                "tax_amounts": [], "tax_rates": [], "unit_amount_excluding_tax": "1000",
            }),
            Layout::Basil => {
                let details = json!({
                    "invoice_item": null, "proration": self.proration, "subscription": subscription,
                    "proration_details": { "credited_items": credited }, "subscription_item": self.item,
                });
                let (kind, other) = match self.item.is_some() {
                    true => ("subscription_item_details", "invoice_item_details"),
                    false => ("invoice_item_details", "subscription_item_details"),
                };
                json!({
                    "parent": { "type": kind, kind: details, other: null },
                    "pricing": {
                        "type": "price_details", "unit_amount_decimal": "1000",
                        "price_details": { "price": price["id"], "product": self.product },
                    },
                    "taxes": [],
                })
            }
        };
        merge(&mut line, more);
        line
    }
}

/// An invoice, with the fields that tests vary.
#[derive(Debug, Clone)]
pub(crate) struct Invoice {
    pub(crate) layout: Layout,
    pub(crate) id: String,
    pub(crate) subscription: String,
    pub(crate) customer: String,
    pub(crate) email: String,
    pub(crate) billing_reason: &'static str,
    pub(crate) lines: Vec<InvoiceLine>,
    pub(crate) amount_paid: i64,
    pub(crate) payment_intent: Option<String>,
    /// Whether a basil invoice names its payments; by itself Stripe leaves them out.
    pub(crate) payments_included: bool,
    /// Whether the webhook was cut short: the rest is Stripe's API's to tell.
    pub(crate) has_more: bool,
    pub(crate) livemode: bool,
    /// When it was paid.
    pub(crate) paid_at: i64,
}

impl Invoice {
    /// An invoice with these lines, paid a minute after the first line's period began.
    pub(crate) fn paid(layout: Layout, subscription: &str, customer: &str, lines: Vec<InvoiceLine>) -> Self {
        let begun = lines.first().map_or(0, |line| line.period.0);
        Self {
            layout,
            id: unique("in"),
            subscription: subscription.to_owned(),
            customer: customer.to_owned(),
            email: format!("{customer}@example.test"),
            billing_reason: "subscription_create",
            amount_paid: lines.iter().map(|line| line.amount).sum(),
            lines,
            payment_intent: Some(unique("pi")),
            payments_included: false,
            has_more: false,
            livemode: false,
            paid_at: begun + 60,
        }
    }

    /// The same, an hour after the period turned, as renewals are.
    pub(crate) fn renewal(layout: Layout, subscription: &str, customer: &str, lines: Vec<InvoiceLine>) -> Self {
        let first = Self::paid(layout, subscription, customer, lines);
        Self { billing_reason: "subscription_cycle", paid_at: first.paid_at + 3_600, ..first }
    }

    /// The payment intent's id.
    pub(crate) fn payment(&self) -> &str {
        self.payment_intent.as_deref().unwrap_or_default()
    }

    /// The event that it was paid.
    pub(crate) fn event(&self) -> Value {
        event(self.layout, "invoice.paid", self.paid_at, self.object("paid"))
    }

    /// The event that a payment of it failed.
    pub(crate) fn payment_failed(&self) -> Value {
        event(self.layout, "invoice.payment_failed", self.paid_at, self.object("open"))
    }

    fn object(&self, status: &str) -> Value {
        let lines = self.lines.iter().map(|line| line.object(self.layout, &self.subscription)).collect();
        let total: i64 = self.lines.iter().map(|line| line.amount).sum();
        let paid = if status == "paid" { self.amount_paid } else { 0 };
        // A period that is over: whoever reads it as the service period cuts the licence short.
        let past = (self.paid_at - MONTH - DAY, self.paid_at - DAY);
        let mut invoice = json!({
            "id": self.id, "object": "invoice", "amount_due": total, "amount_paid": paid, "amount_remaining": total - paid,
            "attempt_count": 1, "attempted": true, "billing_reason": self.billing_reason,
            "collection_method": "charge_automatically", "created": self.paid_at - 60, "currency": "usd",
            "customer": self.customer, "customer_email": self.email, "customer_name": "Ada Example",
            "default_tax_rates": [], "discounts": [], "due_date": null,
            "lines": list(&format!("/v1/invoices/{}/lines", self.id), lines, self.has_more),
            "livemode": self.livemode, "metadata": {}, "number": "A-0001", "period_start": past.0, "period_end": past.1,
            "status": status, "subtotal": total, "total": total,
            "status_transitions": { "finalized_at": self.paid_at - 60, "paid_at": self.paid_at, "voided_at": null },
        });
        let more = match self.layout {
            Layout::Acacia => json!({
                "subscription": self.subscription, "subscription_details": { "metadata": {} },
                "payment_intent": self.payment_intent, "charge": null, "paid": status == "paid",
            }),
            Layout::Basil => json!({
                "parent": {
                    "quote_details": null, "type": "subscription_details",
                    "subscription_details": { "metadata": {}, "subscription": self.subscription },
                },
            }),
        };
        merge(&mut invoice, more);
        if let (Layout::Basil, true, Some(intent)) = (self.layout, self.payments_included, &self.payment_intent) {
            let payment = payment_object(&self.id, intent, self.amount_paid, self.paid_at);
            merge(&mut invoice, json!({ "payments": list("/v1/invoice_payments", vec![payment], false) }));
        }
        invoice
    }
}

/// The event that links a payment to its invoice since basil.
pub(crate) fn invoice_payment_paid(invoice: &Invoice) -> Value {
    let object = payment_object(&invoice.id, invoice.payment(), invoice.amount_paid, invoice.paid_at);
    event(Layout::Basil, "invoice_payment.paid", invoice.paid_at, object)
}

fn payment_object(invoice: &str, intent: &str, amount: i64, paid_at: i64) -> Value {
    json!({
        "id": unique("inpay"), "object": "invoice_payment", "amount_paid": amount, "amount_requested": amount,
        "created": paid_at, "currency": "usd", "invoice": invoice, "is_default": true, "livemode": false,
        "payment": { "type": "payment_intent", "payment_intent": intent }, "status": "paid",
        "status_transitions": { "canceled_at": null, "paid_at": paid_at },
    })
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
