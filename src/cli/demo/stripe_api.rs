//! As much of Stripe's API as the demonstration's purchases need, on a port of this machine: the line items of a
//! checkout session, and products. Like the real one it only answers; keyledger never writes to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// A plugin for one day, paid once.
pub(super) const DAY: &str = "prod_demo_day";
/// A plugin by subscription.
pub(super) const MONTHLY: &str = "prod_demo_monthly";

#[derive(Debug, Default)]
struct Data {
    products: HashMap<&'static str, Value>,
    /// What each checkout session sold.
    sessions: HashMap<String, &'static str>,
}

type Shared = Arc<Mutex<Data>>;

/// The API while it is served.
#[derive(Debug)]
pub(super) struct StripeApi {
    data: Shared,
    base: String,
    serving: JoinHandle<()>,
}

impl StripeApi {
    /// Serves it on a free port.
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let data = Shared::default();
        let router = Router::new()
            .route("/v1/checkout/sessions/{id}/line_items", get(line_items))
            .route("/v1/products/{id}", get(product))
            .fallback(async || missing("URL", "this"))
            .with_state(data.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the demonstration's Stripe API ended");
            }
        });
        Ok(Self { data, base, serving })
    }

    /// What `--api-base` takes.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Puts the shop's products up for sale.
    pub(super) fn sell(&self, product: Uuid) {
        let product = product.to_string();
        let day = json!({
            "product_id": product, "hwid_limit": "3", "expiration_days": "1", "expiration_start": "CREATION",
        });
        let monthly = json!({ "product_id": product, "ip_limit": "2" });
        let mut data = lock(&self.data);
        for (id, name, metadata) in [(DAY, "Demo Plugin, one day", day), (MONTHLY, "Demo Plugin, monthly", monthly)] {
            let object = json!({ "id": id, "object": "product", "active": true, "name": name, "metadata": metadata });
            data.products.insert(id, object);
        }
    }

    /// A checkout session that sold one of a product.
    pub(super) fn sold(&self, session: &str, product: &'static str) {
        lock(&self.data).sessions.insert(session.to_owned(), product);
    }
}

impl Drop for StripeApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(data: &Shared) -> std::sync::MutexGuard<'_, Data> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

type Answer = (StatusCode, Json<Value>);

async fn line_items(State(data): State<Shared>, Path(id): Path<String>) -> Answer {
    let data = lock(&data);
    let Some(product) = data.sessions.get(&id) else { return missing("checkout.session", &id) };
    let price =
        json!({ "id": format!("price_of_{product}"), "object": "price", "product": data.products.get(product) });
    let item = json!({
        "id": format!("li_of_{id}"), "object": "item", "amount_total": 500, "currency": "usd", "quantity": 1,
        "price": price,
    });
    let url = format!("/v1/checkout/sessions/{id}/line_items");
    (StatusCode::OK, Json(json!({ "object": "list", "data": [item], "has_more": false, "url": url })))
}

async fn product(State(data): State<Shared>, Path(id): Path<String>) -> Answer {
    match lock(&data).products.get(id.as_str()) {
        Some(product) => (StatusCode::OK, Json(product.clone())),
        None => missing("product", &id),
    }
}

fn missing(what: &str, id: &str) -> Answer {
    let message = format!("No such {what}: '{id}'");
    let error = json!({ "type": "invalid_request_error", "code": "resource_missing", "message": message });
    (StatusCode::NOT_FOUND, Json(json!({ "error": error })))
}
