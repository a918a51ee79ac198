//! What the providers post, in the layouts that their own documentation shows.

use serde_json::{Value, json};
use uuid::Uuid;

/// The API version that Stripe's events are rendered in.
const API_VERSION: &str = "2025-03-31.basil";

/// An id like a provider's, which no other purchase has.
pub(super) fn unique(prefix: &str) -> String {
    format!("{prefix}_demo_{}", Uuid::new_v4().simple())
}

fn event(kind: &str, created: i64, object: &Value) -> Value {
    json!({
        "id": unique("evt"), "object": "event", "api_version": API_VERSION, "created": created, "type": kind,
        "data": { "object": object }, "livemode": false, "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null },
    })
}

/// A one-off purchase, paid at `created`.
pub(super) fn checkout(session: &str, created: i64) -> Value {
    let object = json!({
        "id": session, "object": "checkout.session", "mode": "payment", "payment_status": "paid",
        "status": "complete", "amount_subtotal": 500, "amount_total": 500, "currency": "usd", "created": created,
        "customer": null, "customer_details": { "email": "ada@example.com", "name": "Ada Example", "phone": null },
        "payment_intent": unique("pi"), "subscription": null, "invoice": null, "livemode": false, "metadata": {},
    });
    event("checkout.session.completed", created, &object)
}

/// A subscription with one item.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: String,
    item: String,
    customer: String,
    product: &'static str,
}

impl Subscription {
    pub(super) fn of(product: &'static str) -> Self {
        Self { id: unique("sub"), item: unique("si"), customer: unique("cus"), product }
    }

    /// An invoice for a period of it, paid at `paid_at`.
    pub(super) fn invoice_paid(&self, reason: &str, period: (i64, i64), paid_at: i64) -> Value {
        let (id, price) = (unique("in"), format!("price_of_{}", self.product));
        let parent = json!({
            "type": "subscription_item_details",
            "subscription_item_details": {
                "proration": false, "subscription": self.id, "subscription_item": self.item,
            },
        });
        let line = json!({
            "id": unique("il"), "object": "line_item", "amount": 900, "currency": "usd", "quantity": 1,
            "period": { "start": period.0, "end": period.1 }, "parent": parent,
            "pricing": {
                "type": "price_details", "price_details": { "price": price, "product": self.product },
            },
        });
        let object = json!({
            "id": id, "object": "invoice", "billing_reason": reason, "amount_due": 900, "amount_paid": 900,
            "total": 900, "currency": "usd", "created": paid_at, "customer": self.customer,
            "customer_email": "grace@example.com", "customer_name": "Grace Example", "livemode": false,
            "status": "paid", "period_start": period.0, "period_end": period.0,
            "lines": { "object": "list", "data": [line], "has_more": false, "url": format!("/v1/invoices/{id}/lines") },
            "parent": {
                "type": "subscription_details", "subscription_details": { "subscription": self.id, "metadata": {} },
            },
        });
        event("invoice.paid", paid_at, &object)
    }
}

/// A Polymart user bought a product. Its id is text here.
pub(super) fn polymart_purchase(user: u32, product: u32, time: i64) -> Value {
    json!({
        "event": "product.user.purchase", "time": time, "nonce": unique("nonce"),
        "payload": {
            "product": {
                "id": product.to_string(), "title": "Demo Plugin", "subtitle": "It does things",
                "url": format!("https://polymart.example/product/{product}"),
            },
            "user": { "id": user.to_string() },
        },
    })
}

/// Polymart prepares that user's download. The product's id is a number here.
pub(super) fn placeholder(user: u32, product: u32, time: i64) -> Value {
    json!({
        "user": user, "product": product, "nonce": unique("nonce"), "license": "polymart-licence",
        "placeholder": "%%__LICENSE__%%", "time": time,
    })
}
