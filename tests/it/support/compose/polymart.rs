//! Polymart's webhooks and placeholder requests.

use serde_json::{Value, json};

use crate::support::{now, unique};

/// A user id that no other test uses. Polymart's ids are numbers.
pub(crate) fn user() -> u64 {
    u64::from(uuid::Uuid::new_v4().as_fields().0)
}

/// A webhook of this kind at `time`, with a nonce of its own.
pub(crate) fn webhook(event: &str, time: i64, payload: Value) -> Value {
    json!({ "event": event, "time": time, "nonce": unique("nonce"), "payload": payload })
}

/// A user bought a product, just now. The product's id is a string here.
pub(crate) fn purchase(user: u64, product: u64) -> Value {
    purchase_at(user, product, now())
}

/// The same at `time`.
pub(crate) fn purchase_at(user: u64, product: u64, time: i64) -> Value {
    webhook("product.user.purchase", time, payload(user, product))
}

/// The purchase was taken back at `time`.
pub(crate) fn removal_at(user: u64, product: u64, time: i64) -> Value {
    webhook("product.user.purchaseRemoved", time, payload(user, product))
}

/// The seller pressed "test" in the dashboard.
pub(crate) fn ping() -> Value {
    webhook("ping", now(), json!({}))
}

fn payload(user: u64, product: u64) -> Value {
    json!({
        "product": {
            "id": product.to_string(), "title": "Plugin", "subtitle": "It does things",
            "url": format!("https://polymart.example/product/{product}"),
        },
        "user": { "id": user.to_string() },
    })
}

/// A request for what to put into a download. The product's id is a number here.
pub(crate) fn placeholder(user: u64, product: u64) -> Value {
    json!({
        "user": user, "product": product, "nonce": unique("nonce"), "license": "polymart-licence-1",
        "placeholder": "%%__LICENSE__%%", "time": now(),
    })
}
