//! Events as providers send them, composed here in the layouts that the contract's table tells apart. Fields that
//! keyledger has no use for are there where Stripe always sends them, so that bodies have their real size.

mod checkout;
mod invoice;
mod money;
pub(crate) mod polymart;
mod subscription;

use serde_json::{Value, json};

pub(crate) use checkout::Checkout;
pub(crate) use invoice::{Invoice, InvoiceLine, invoice_payment_paid};
pub(crate) use money::{Charge, Dispute, Refund};
pub(crate) use subscription::{Item, Subscription};

use super::unique;

/// A day in seconds.
pub(crate) const DAY: i64 = 86_400;

/// A month's worth of days, in seconds.
pub(crate) const MONTH: i64 = 30 * DAY;

/// The default renewal grace, in seconds.
pub(crate) const GRACE: i64 = 3 * 3_600;

/// Which API version the merchant's endpoint was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Up to 2025-02-24.acacia.
    Acacia,
    /// From 2025-03-31.basil on.
    Basil,
}

impl Layout {
    pub(crate) const BOTH: [Self; 2] = [Self::Acacia, Self::Basil];

    fn api_version(self) -> &'static str {
        match self {
            Self::Acacia => "2025-02-24.acacia",
            Self::Basil => "2025-03-31.basil",
        }
    }
}

/// Stripe's envelope around an object, with an id that no other event has.
pub(crate) fn event(layout: Layout, kind: &str, created: i64, object: Value) -> Value {
    let livemode = object["livemode"].as_bool().unwrap_or(false);
    json!({
        "id": unique("evt"), "object": "event", "api_version": layout.api_version(), "created": created,
        "data": { "object": object }, "livemode": livemode, "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null }, "type": kind,
    })
}

/// The event's own id.
pub(crate) fn id_of(event: &Value) -> &str {
    event["id"].as_str().unwrap_or_default()
}

/// A price as it stands inside invoices and subscriptions.
fn price(product: &str) -> Value {
    json!({
        "id": format!("price_of_{product}"), "object": "price", "active": true, "billing_scheme": "per_unit",
        "created": 1_735_689_600, "currency": "usd", "livemode": false, "lookup_key": null, "metadata": {},
        "nickname": null, "product": product, "tax_behavior": "unspecified", "type": "recurring",
        "recurring": { "interval": "month", "interval_count": 1, "usage_type": "licensed" },
        "unit_amount": 1000, "unit_amount_decimal": "1000",
    })
}

fn list(url: &str, data: Vec<Value>, has_more: bool) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": url })
}
