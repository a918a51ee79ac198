//! What Stripe answers to a read: an object, a page of a list, or an error in Stripe's shape.

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Data;

pub(super) type Answer = (StatusCode, Json<Value>);

/// Stripe's page sizes.
const PAGE_DEFAULT: usize = 10;
const PAGE_MAX: usize = 100;

pub(super) fn error(status: StatusCode, kind: &str, message: &str) -> Answer {
    (status, Json(json!({ "error": { "type": kind, "message": message } })))
}

pub(super) fn unknown_key(key: &str) -> Answer {
    let hint = key.get(key.len().saturating_sub(4)..).unwrap_or_default();
    error(StatusCode::UNAUTHORIZED, "invalid_request_error", &format!("Invalid API Key provided: *****{hint}"))
}

fn missing(kind: &str, id: &str) -> Answer {
    let message = format!("No such {kind}: '{id}'");
    let body =
        json!({ "type": "invalid_request_error", "code": "resource_missing", "param": "id", "message": message });
    (StatusCode::NOT_FOUND, Json(json!({ "error": body })))
}

fn bad(param: &str, message: &str) -> Answer {
    let body = json!({ "type": "invalid_request_error", "param": param, "message": message });
    (StatusCode::BAD_REQUEST, Json(json!({ "error": body })))
}

type Pairs = [(String, String)];

fn param<'a>(query: &'a Pairs, name: &str) -> Option<&'a str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Answers a GET.
pub(super) fn read(data: &Data, path: &str, query: &Pairs, key: &str) -> Answer {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["v1", "products", id] => match data.products.get(*id) {
            Some(product) => (StatusCode::OK, Json(product.clone())),
            None => missing("product", id),
        },
        ["v1", "checkout", "sessions", id, "line_items"] => match data.session_lines.get(*id) {
            Some(lines) => page(data, path, query, lines),
            None => missing("checkout.session", id),
        },
        ["v1", "invoices", id, "lines"] => match data.invoice_lines.get(*id) {
            Some(lines) => page(data, path, query, lines),
            None => missing("invoice", id),
        },
        ["v1", "subscription_items"] => match param(query, "subscription") {
            None => bad("subscription", "Missing required param: subscription."),
            Some(id) => match data.subscription_items.get(id) {
                Some(items) => page(data, path, query, items),
                None => missing("subscription", id),
            },
        },
        ["v1", "events"] => events(data, path, query, key),
        ["v1", "invoice_payments"] => invoice_payments(data, path, query),
        _ => {
            let message = format!("Unrecognized request URL (GET: {path}).");
            error(StatusCode::NOT_FOUND, "invalid_request_error", &message)
        }
    }
}

/// A key sees the events of its own mode. Whether everything else was delivered the fake does not know.
fn events(data: &Data, path: &str, query: &Pairs, key: &str) -> Answer {
    if param(query, "delivery_success") != Some("false") {
        return bad("delivery_success", "The test knows undelivered events only.");
    }
    let since = param(query, "created[gte]").map(str::parse::<i64>).transpose();
    let Ok(since) = since else { return bad("created[gte]", "Invalid integer.") };
    let live = key.starts_with("rk_live_");
    let fits = |event: &&Value| {
        event["livemode"] == live && since.is_none_or(|since| event["created"].as_i64().is_some_and(|at| at >= since))
    };
    let found: Vec<Value> = data.undelivered.iter().filter(fits).cloned().collect();
    page(data, path, query, &found)
}

/// Stripe wants `payment[type]` beside `payment[payment_intent]`.
fn invoice_payments(data: &Data, path: &str, query: &Pairs) -> Answer {
    let intent = param(query, "payment[payment_intent]");
    if intent.is_some() && param(query, "payment[type]") != Some("payment_intent") {
        return bad("payment[type]", "Missing required param: payment[type].");
    }
    let invoice = param(query, "invoice");
    let fits = |payment: &&Value| {
        intent.is_none_or(|id| payment["payment"]["payment_intent"] == id)
            && invoice.is_none_or(|id| payment["invoice"] == id)
    };
    let found: Vec<Value> = data.invoice_payments.iter().filter(fits).cloned().collect();
    page(data, path, query, &found)
}

fn page(data: &Data, path: &str, query: &Pairs, all: &[Value]) -> Answer {
    let limit = match param(query, "limit").map(str::parse::<usize>) {
        None => PAGE_DEFAULT,
        Some(Ok(limit)) if (1..=PAGE_MAX).contains(&limit) => limit,
        Some(_) => return bad("limit", "This value must be between 1 and 100."),
    };
    let from = match param(query, "starting_after") {
        None => 0,
        Some(last) => match all.iter().position(|object| object["id"] == last) {
            Some(index) => index + 1,
            None => return bad("starting_after", &format!("No such object: '{last}'")),
        },
    };
    let mut objects: Vec<Value> = all.iter().skip(from).take(limit).cloned().collect();
    let has_more = all.len() > from + objects.len();
    for (_, wanted) in query.iter().filter(|(key, _)| key.starts_with("expand[")) {
        if wanted != "data.price.product" || !objects.iter().all(|object| object["price"].is_object()) {
            return bad("expand", &format!("This property cannot be expanded ({wanted})."));
        }
        for object in &mut objects {
            let id = object["price"]["product"].as_str().unwrap_or_default().to_owned();
            // Stripe keeps the product of a price that was used; one that is not there here was deleted.
            let gone = || json!({ "id": id, "object": "product", "deleted": true });
            object["price"]["product"] = data.products.get(&id).cloned().unwrap_or_else(gone);
        }
    }
    (StatusCode::OK, Json(json!({ "object": "list", "data": objects, "has_more": has_more, "url": path })))
}
