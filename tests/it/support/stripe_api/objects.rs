//! Objects of Stripe's API, with the fields that its reference gives them in the layout since basil.

use serde_json::{Value, json};

use super::super::unique;

pub(super) fn product(id: &str, metadata: &[(&str, &str)]) -> Value {
    let metadata: serde_json::Map<_, _> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({
        "id": id, "object": "product", "active": true, "created": 1_735_689_600, "default_price": null,
        "description": null, "images": [], "livemode": false, "marketing_features": [], "metadata": metadata,
        "name": format!("Product {id}"), "package_dimensions": null, "shippable": null,
        "statement_descriptor": null, "tax_code": null, "type": "service", "unit_label": null,
        "updated": 1_735_689_600, "url": null,
    })
}

/// A price, whose product is an id until somebody asks for more.
fn price(product: &str, recurring: bool) -> Value {
    let every_month = json!({ "interval": "month", "interval_count": 1, "meter": null, "usage_type": "licensed" });
    json!({
        "id": format!("price_of_{product}"), "object": "price", "active": true, "billing_scheme": "per_unit",
        "created": 1_735_689_600, "currency": "usd", "livemode": false, "lookup_key": null, "metadata": {},
        "nickname": null, "product": product, "recurring": if recurring { every_month } else { Value::Null },
        "tax_behavior": "unspecified", "type": if recurring { "recurring" } else { "one_time" },
        "unit_amount": 1000, "unit_amount_decimal": "1000",
    })
}

/// A line item of a checkout session.
pub(crate) fn session_line(id: &str, product: &str, quantity: u64) -> Value {
    json!({
        "id": id, "object": "item", "amount_discount": 0, "amount_subtotal": 1000 * quantity, "amount_tax": 0,
        "amount_total": 1000 * quantity, "currency": "usd", "description": product,
        "price": price(product, false), "quantity": quantity,
    })
}

/// A line of an invoice: one subscription item's service period, from `period.0` to `period.1`.
pub(crate) fn invoice_line(subscription: &str, item: &str, product: &str, quantity: u64, period: (i64, i64)) -> Value {
    json!({
        "id": unique("il"), "object": "line_item", "amount": 1000 * quantity, "currency": "usd",
        "description": product, "discount_amounts": [], "discountable": true, "discounts": [], "livemode": false,
        "metadata": {}, "quantity": quantity, "period": { "start": period.0, "end": period.1 },
        "parent": {
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null, "proration": false, "proration_details": { "credited_items": null },
                "subscription": subscription, "subscription_item": item,
            },
            "type": "subscription_item_details",
        },
        "pricing": {
            "type": "price_details", "unit_amount_decimal": "1000",
            "price_details": { "price": format!("price_of_{product}"), "product": product },
        },
        "pretax_credit_amounts": [], "taxes": [],
    })
}

/// An item of a subscription whose current period is `period`.
pub(crate) fn subscription_item(
    subscription: &str,
    id: &str,
    product: &str,
    quantity: u64,
    period: (i64, i64),
) -> Value {
    json!({
        "id": id, "object": "subscription_item", "billing_thresholds": null, "created": period.0,
        "current_period_start": period.0, "current_period_end": period.1, "discounts": [], "metadata": {},
        "price": price(product, true), "quantity": quantity, "subscription": subscription, "tax_rates": [],
    })
}

pub(super) fn invoice_payment(invoice: &str, payment_intent: &str, amount: i64) -> Value {
    json!({
        "id": unique("inpay"), "object": "invoice_payment", "amount_paid": amount, "amount_requested": amount,
        "created": 1_735_689_600, "currency": "usd", "invoice": invoice, "is_default": true, "livemode": false,
        "payment": { "type": "payment_intent", "payment_intent": payment_intent }, "status": "paid",
        "status_transitions": { "canceled_at": null, "paid_at": 1_735_689_600 },
    })
}
