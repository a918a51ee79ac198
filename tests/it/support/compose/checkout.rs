//! Checkout sessions. A session's event never carries its line items: they are Stripe's API's to tell.

use serde_json::{Value, json};

use super::{Layout, event};
use crate::support::{now, unique};

/// A checkout session, with the fields that tests vary.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    pub(crate) layout: Layout,
    pub(crate) id: String,
    pub(crate) mode: &'static str,
    pub(crate) payment_status: &'static str,
    pub(crate) payment_intent: Option<String>,
    pub(crate) subscription: Option<String>,
    pub(crate) invoice: Option<String>,
    pub(crate) customer: Option<String>,
    pub(crate) email: String,
    pub(crate) name: &'static str,
    pub(crate) amount: i64,
    pub(crate) livemode: bool,
    pub(crate) created: i64,
}

impl Checkout {
    /// A one-off purchase that was paid at once, a minute ago.
    pub(crate) fn paid(layout: Layout) -> Self {
        Self {
            layout,
            id: unique("cs_test"),
            mode: "payment",
            payment_status: "paid",
            payment_intent: Some(unique("pi")),
            subscription: None,
            invoice: None,
            customer: None,
            email: format!("{}@example.test", unique("buyer")),
            name: "Ada Example",
            amount: 1000,
            livemode: false,
            created: now() - 60,
        }
    }

    /// A one-off purchase by a payment method that takes days.
    pub(crate) fn unpaid(layout: Layout) -> Self {
        Self { payment_status: "unpaid", ..Self::paid(layout) }
    }

    /// A session that began `subscription`.
    pub(crate) fn of_subscription(layout: Layout, subscription: &str, customer: &str) -> Self {
        Self {
            mode: "subscription",
            payment_intent: None,
            subscription: Some(subscription.to_owned()),
            invoice: Some(unique("in")),
            customer: Some(customer.to_owned()),
            ..Self::paid(layout)
        }
    }

    /// The payment intent's id.
    pub(crate) fn payment(&self) -> &str {
        self.payment_intent.as_deref().unwrap_or_default()
    }

    pub(crate) fn completed(&self) -> Value {
        event(self.layout, "checkout.session.completed", self.created, self.object(self.payment_status))
    }

    /// The money of an unpaid session came in at `time`.
    pub(crate) fn async_payment_succeeded(&self, time: i64) -> Value {
        event(self.layout, "checkout.session.async_payment_succeeded", time, self.object("paid"))
    }

    /// The money of an unpaid session never came.
    pub(crate) fn async_payment_failed(&self, time: i64) -> Value {
        event(self.layout, "checkout.session.async_payment_failed", time, self.object("unpaid"))
    }

    fn object(&self, payment_status: &str) -> Value {
        json!({
            "id": self.id, "object": "checkout.session", "after_expiration": null, "allow_promotion_codes": null,
            "amount_subtotal": self.amount, "amount_total": self.amount,
            "automatic_tax": { "enabled": false, "liability": null, "status": null },
            "cancel_url": "https://shop.example/cancel", "client_reference_id": null, "created": self.created - 90,
            "currency": "usd", "custom_fields": [], "customer": self.customer, "customer_creation": "if_required",
            "customer_details": {
                "address": { "city": null, "country": "DE", "line1": null, "line2": null, "postal_code": null, "state": null },
                "email": self.email, "name": self.name, "phone": null, "tax_exempt": "none", "tax_ids": [],
            },
            "customer_email": null, "expires_at": self.created + 86_310, "invoice": self.invoice,
            "livemode": self.livemode, "locale": null, "metadata": {}, "mode": self.mode,
            "payment_intent": self.payment_intent, "payment_link": null, "payment_method_types": ["card"],
            "payment_status": payment_status, "recovered_from": null, "setup_intent": null,
            "shipping_options": [], "status": "complete", "submit_type": null, "subscription": self.subscription,
            "success_url": "https://shop.example/thanks", "ui_mode": "hosted", "url": null,
            "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
        })
    }
}
