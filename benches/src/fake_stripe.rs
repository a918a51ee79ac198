//! What keyledger asks Stripe for while it interprets the deliveries of [`crate::load`]: products with our metadata,
//! and line items of checkout sessions. Every other list is empty.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::listen;

/// `fake-stripe`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Our product, which every product on this Stripe stands for.
    #[arg(long)]
    product: Uuid,
}

/// Serves until it is killed.
pub(crate) async fn serve(args: Args) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/v1/products/{id}", get(product))
        .route("/v1/checkout/sessions/{id}/line_items", get(line_items))
        .route("/v1/invoices/{id}/lines", get(nothing))
        .route("/v1/subscription_items", get(nothing))
        .route("/v1/invoice_payments", get(nothing))
        .with_state(args.product);
    listen::serve(router).await
}

async fn product(State(ours): State<Uuid>, Path(id): Path<String>) -> Json<Value> {
    Json(product_object(&id, ours))
}

fn product_object(id: &str, ours: Uuid) -> Value {
    json!({
        "id": id, "object": "product", "active": true, "created": 1_721_948_530, "default_price": null,
        "description": null, "images": [], "livemode": false, "marketing_features": [],
        "metadata": {"product_id": ours.to_string(), "hwid_limit": "2"},
        "name": "Bench Plugin", "package_dimensions": null, "shippable": null, "statement_descriptor": null,
        "tax_code": null, "type": "service", "unit_label": null, "updated": 1_721_948_530, "url": null,
    })
}

async fn line_items(State(ours): State<Uuid>, Path(session): Path<String>) -> Json<Value> {
    let item = json!({
        "id": format!("li_{session}"), "object": "item", "amount_discount": 0, "amount_subtotal": 2_000,
        "amount_tax": 0, "amount_total": 2_000, "currency": "usd", "description": "Bench Plugin", "quantity": 1,
        "price": {
            "id": "price_bench_once", "object": "price", "active": true, "billing_scheme": "per_unit",
            "created": 1_721_948_530, "currency": "usd", "livemode": false, "lookup_key": null, "metadata": {},
            "nickname": null, "product": product_object("prod_bench_once", ours), "recurring": null,
            "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null, "type": "one_time",
            "unit_amount": 2_000, "unit_amount_decimal": "2000",
        },
    });
    let url = format!("/v1/checkout/sessions/{session}/line_items");
    Json(json!({"object": "list", "data": [item], "has_more": false, "url": url}))
}

async fn nothing() -> Json<Value> {
    Json(json!({"object": "list", "data": [], "has_more": false, "url": "/v1"}))
}
