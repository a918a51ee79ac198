//! Against a small server on this machine, over HTTP.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::*;

const KEY: &str = "rk_test_never_shown";

type TestResult = Result<(), Box<dyn Error>>;

/// Serves `router` and gives a client for it. The server ends with the test's runtime.
async fn api(router: Router) -> Result<StripeApi, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(StripeApi::new(&StripeConnections::default(), &SecretString::from(KEY), Some(&base_url))?)
}

/// A client for a server that gives this one answer to everything.
async fn answering(status: StatusCode, body: impl Into<String>) -> Result<StripeApi, Box<dyn Error>> {
    let body = body.into();
    api(Router::new().fallback(move || async move { (status, body) })).await
}

fn stripe_error(message: &str) -> String {
    json!({ "error": { "type": "invalid_request_error", "message": message } }).to_string()
}

/// Elements `x_0`, `x_1`, … up to `total`, a page of them at a time, as Stripe pages.
fn page(query: &HashMap<String, String>, total: usize, element: impl Fn(usize) -> Value) -> axum::Json<Value> {
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10);
    let after = query.get("starting_after").and_then(|id| id.strip_prefix("x_")?.parse::<usize>().ok());
    let first = after.map_or(0, |after| after + 1);
    let last = total.min(first + limit);
    let data: Vec<Value> = (first..last).map(element).collect();
    axum::Json(json!({ "object": "list", "has_more": last < total, "total_count": total, "data": data }))
}

#[tokio::test]
async fn all_pages_of_a_sessions_line_items_with_their_products() -> TestResult {
    let calls = Arc::new(AtomicUsize::new(0));
    let handler = |State(calls): State<Arc<AtomicUsize>>,
                   Path(session): Path<String>,
                   Query(query): Query<HashMap<String, String>>,
                   headers: HeaderMap| async move {
        let expected = session == "cs_test_1"
            && query.iter().any(|(key, value)| key.starts_with("expand") && value == "data.price.product")
            && headers.get("authorization").is_some_and(|value| value == &format!("Bearer {KEY}"));
        if !expected {
            return StatusCode::IM_A_TEAPOT.into_response();
        }
        calls.fetch_add(1, Ordering::SeqCst);
        let product = json!({ "id": "prod_1", "name": "Plugin", "metadata": { "product_id": "p" } });
        let item = |index| {
            json!({ "id": format!("x_{index}"), "quantity": 2, "amount_total": 5,
                "price": { "id": "price_1", "product": product } })
        };
        page(&query, 250, item).into_response()
    };
    let router =
        Router::new().route("/v1/checkout/sessions/{session}/line_items", get(handler)).with_state(Arc::clone(&calls));
    let items = api(router).await?.checkout_line_items("cs_test_1").await?;

    assert_eq!(calls.load(Ordering::SeqCst), 3);
    let ids: Vec<_> = items.iter().map(|item| item.id.clone()).collect();
    assert_eq!(ids, (0..250).map(|index| format!("x_{index}")).collect::<Vec<_>>());
    let product = Product {
        id: "prod_1".to_owned(),
        name: Some("Plugin".to_owned()),
        metadata: [("product_id".to_owned(), "p".to_owned())].into(),
        deleted: false,
    };
    let expected = LineItem {
        id: "x_249".to_owned(),
        quantity: 2,
        amount_total: Some(5),
        price: Some("price_1".to_owned()),
        product: Some("prod_1".to_owned()),
        expanded_product: Some(product),
    };
    assert_eq!(items.last(), Some(&expected));
    Ok(())
}

#[tokio::test]
async fn a_server_that_does_not_expand_gives_the_products_id() -> TestResult {
    let item = json!({ "id": "li_1", "quantity": null, "price": { "id": "price_1", "product": "prod_1" } });
    let api = answering(StatusCode::OK, json!({ "data": [item] }).to_string()).await?;
    let items = api.checkout_line_items("cs_1").await?;
    let found: Vec<_> = items.iter().map(|item| (item.product.as_deref(), &item.expanded_product)).collect();
    assert_eq!(found, [(Some("prod_1"), &None)]);
    Ok(())
}

#[tokio::test]
async fn a_product_and_a_deleted_product() -> TestResult {
    let handler = |Path(id): Path<String>| async move {
        match id.as_str() {
            "prod_1" => axum::Json(json!({ "id": id, "name": "Plugin", "metadata": { "ip_limit": "2" } })),
            // An id of the seller's own making arrives whole.
            _ => axum::Json(json!({ "id": id, "deleted": true })),
        }
    };
    let api = api(Router::new().route("/v1/products/{id}", get(handler))).await?;
    let product = api.product("prod_1").await?;
    assert_eq!(product.metadata.get("ip_limit").map(String::as_str), Some("2"));
    assert!(!product.deleted);
    let deleted = api.product("my product/1?").await?;
    assert_eq!((deleted.id.as_str(), deleted.deleted, deleted.metadata.len()), ("my product/1?", true, 0));
    Ok(())
}

#[tokio::test]
async fn the_lists_that_a_webhook_cut_short() -> TestResult {
    let element = |index| {
        json!({ "id": format!("x_{index}"), "amount": 1, "type": "subscription", "invoice": "in_1",
            "period": { "start": 1, "end": 2 }, "payment": { "payment_intent": "pi_1" },
            "pricing": { "price_details": { "price": "price_1", "product": "prod_1" } } })
    };
    let handler = move |Path(_): Path<String>, Query(query): Query<HashMap<String, String>>| async move {
        page(&query, 101, element)
    };
    let items = move |Query(query): Query<HashMap<String, String>>| async move {
        let known = query.get("subscription").is_some_and(|id| id == "sub_1");
        page(&query, if known { 101 } else { 0 }, element)
    };
    let payments = move |Query(query): Query<HashMap<String, String>>| async move {
        let of_intent = query.get("payment[payment_intent]").is_some_and(|id| id == "pi_1")
            && query.get("payment[type]").is_some_and(|kind| kind == "payment_intent");
        let of_invoice = query.get("invoice").is_some_and(|id| id == "in_1");
        page(&query, if of_intent { 101 } else { usize::from(of_invoice) }, element)
    };
    let router = Router::new()
        .route("/v1/invoices/{id}/lines", get(handler))
        .route("/v1/subscription_items", get(items))
        .route("/v1/invoice_payments", get(payments));
    let api = api(router).await?;

    let lines = api.invoice_lines("in_1").await?;
    assert_eq!((lines.len(), lines.last().and_then(|line| line.product.as_deref())), (101, Some("prod_1")));
    assert_eq!(api.subscription_items("sub_1").await?.len(), 101);
    assert_eq!(api.invoice_payments_of_intent("pi_1").await?.len(), 101);
    assert_eq!(api.invoice_payments_of_invoice("in_1").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_list_without_end_is_given_up() -> TestResult {
    let handler = |Query(query): Query<HashMap<String, String>>| async move {
        page(&query, usize::MAX, |index| json!({ "id": format!("x_{index}") }))
    };
    let api = api(Router::new().route("/v1/subscription_items", get(handler))).await?;
    assert!(matches!(api.subscription_items("sub_1").await, Err(ApiError::TooMany { pages_max: 50, .. })));

    let circle = json!({ "has_more": true, "data": [{ "id": "x_1" }] }).to_string();
    for body in [circle, json!({ "has_more": true, "data": [] }).to_string()] {
        let api = answering(StatusCode::OK, body).await?;
        assert!(matches!(api.subscription_items("sub_1").await, Err(ApiError::Unexpected { .. })));
    }
    Ok(())
}

#[tokio::test]
async fn errors_are_told_apart_and_never_show_the_key() -> TestResult {
    for (status, retryable, beginning) in [
        (401, true, "Stripe refused the API key when asked for the product `prod_1` (401): No [key]!"),
        (403, true, "Stripe refused the API key when asked for the product `prod_1` (403): No [key]!"),
        (404, false, "Stripe did not find the product `prod_1`: No [key]!"),
        (429, true, "Stripe limits how often it may be asked (429)"),
        (409, true, "Stripe could not be asked for the product `prod_1`: it answered 409: No [key]!"),
        (500, true, "Stripe could not be asked for the product `prod_1`: it answered 500: No [key]!"),
        (503, true, "Stripe could not be asked for the product `prod_1`: it answered 503: No [key]!"),
        (400, false, "Stripe's answer about the product `prod_1` cannot be used: it answered 400: No [key]!"),
    ] {
        let api = answering(StatusCode::from_u16(status)?, stripe_error(&format!("No {KEY}!"))).await?;
        let error = api.product("prod_1").await.err().ok_or("an answer")?;
        assert!(error.to_string().starts_with(beginning), "{error}");
        assert_eq!(error.is_retryable(), retryable, "{error}");
        assert!(!format!("{error:?} {api:?}").contains(KEY));
    }
    Ok(())
}

#[tokio::test]
async fn an_error_of_a_gateway_is_worth_another_try() -> TestResult {
    // Even a 404: whoever wrote that knows nothing of what is at Stripe.
    let bodies = ["<h1>Bad gateway</h1>", "", "{}", "[]", r#"{"error":"no"}"#];
    let bad_gateway = bodies.map(|body| (StatusCode::BAD_GATEWAY, body));
    for (status, body) in bad_gateway.into_iter().chain([(StatusCode::NOT_FOUND, "<h1>Nothing here</h1>")]) {
        let api = answering(status, body).await?;
        let error = api.product("prod_1").await.err();
        let told = matches!(&error, Some(ApiError::Unavailable { reason, .. }) if reason.contains(status.as_str()));
        assert!(told, "{status} {body}: {error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_one_in_whatever_form() -> TestResult {
    for body in ["", "{}", r#"{"error":"no"}"#] {
        for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
            let error = answering(status, body).await?.product("prod_1").await.err();
            assert!(matches!(&error, Some(ApiError::Unauthorized { .. })), "{status} {body}: {error:?}");
        }
        let error = answering(StatusCode::NOT_FOUND, body).await?.product("prod_1").await.err();
        assert!(matches!(&error, Some(ApiError::NotFound { .. })), "{body}: {error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn questions_share_connections() -> TestResult {
    let addresses = Arc::new(Mutex::new(HashSet::new()));
    let handler = |State(addresses): State<Arc<Mutex<HashSet<SocketAddr>>>>, ConnectInfo(address)| async move {
        addresses.lock().await.insert(address);
        axum::Json(json!({ "id": "prod_1" }))
    };
    let router = Router::new().fallback(handler).with_state(Arc::clone(&addresses));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });

    let connections = StripeConnections::default();
    for key in ["rk_one", "rk_two"] {
        for _ in 0..5 {
            StripeApi::new(&connections, &SecretString::from(key), Some(&base_url))?.product("prod_1").await?;
        }
    }
    assert_eq!(addresses.lock().await.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_not_stripes_is_told() -> TestResult {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["", "<html>", "5", "{}", r#"{"id":7}"#, deep.as_str()] {
        let api = answering(StatusCode::OK, body).await?;
        let error = api.product("prod_1").await.err();
        assert!(matches!(error, Some(ApiError::Unexpected { status: None, .. })), "{error:?}");
        let error = api.invoice_lines("in_1").await.err();
        assert!(matches!(error, Some(ApiError::Unexpected { status: None, .. })), "{error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_slow_answer_and_a_closed_door_are_unavailable() -> TestResult {
    let slow = || async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        "{}"
    };
    // The header comes at once, the body never ends.
    let dripping = || async { axum::body::Body::from_stream(futures::stream::pending::<Result<String, String>>()) };
    let router = Router::new().route("/v1/products/slow", get(slow)).route("/v1/products/dripping", get(dripping));
    let mut api = api(router).await?;
    assert_eq!(api.call_timeout, CALL_TIMEOUT);
    api.call_timeout = Duration::from_millis(200);
    for id in ["slow", "dripping"] {
        let error = api.product(id).await.err().ok_or("an answer")?;
        assert!(matches!(error, ApiError::Unavailable { .. }), "{error}");
    }

    let free = TcpListener::bind("127.0.0.1:0").await?;
    let address = free.local_addr()?;
    drop(free);
    let nobody =
        StripeApi::new(&StripeConnections::default(), &SecretString::from(KEY), Some(&format!("http://{address}")))?;
    assert!(matches!(nobody.product("prod_1").await, Err(ApiError::Unavailable { .. })));
    Ok(())
}

#[tokio::test]
async fn a_base_url_may_have_a_path_and_nothing_is_asked_twice_or_written() -> TestResult {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = |State(calls): State<Arc<AtomicUsize>>, method: Method, uri: Uri| async move {
        calls.fetch_add(1, Ordering::SeqCst);
        let good = method == Method::GET && uri.path() == "/stripe/v1/products/prod_1";
        (if good { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NOT_FOUND }, stripe_error("later"))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}/stripe", listener.local_addr()?);
    let router = Router::new().fallback(count).with_state(Arc::clone(&calls));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let api = StripeApi::new(&StripeConnections::default(), &SecretString::from(KEY), Some(&base_url))?;
    // Spawned, because the workers that ask run as tasks of their own.
    let error = tokio::spawn(async move { api.product("prod_1").await }).await?.err();
    assert!(matches!(error, Some(ApiError::Unavailable { .. })), "{error:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    Ok(())
}

#[test]
fn keys_and_base_urls_that_cannot_be_used() {
    for key in ["", "rk test", "rk_test\n", "rk_tëst"] {
        let error = StripeApi::new(&StripeConnections::default(), &SecretString::from(key), None).err();
        assert!(matches!(error, Some(ApiError::Configuration(_))), "{key:?}");
    }
    let error = StripeApi::new(&StripeConnections::default(), &SecretString::from(KEY), Some("api.stripe.com")).err();
    assert!(matches!(error, Some(ApiError::Configuration(_))));
    assert!(StripeApi::new(&StripeConnections::default(), &SecretString::from(KEY), None).is_ok());
}

#[tokio::test]
async fn undelivered_events_come_in_pages_as_they_are() -> TestResult {
    let since = Timestamp::from_second(1_772_366_400)?;
    let handler = |Query(query): Query<HashMap<String, String>>| async move {
        let asked = |name: &str, value: &str| query.get(name).is_some_and(|given| given == value);
        if !asked("delivery_success", "false") || !asked("created[gte]", "1772366400") {
            return StatusCode::IM_A_TEAPOT.into_response();
        }
        page(&query, 101, |index| json!({ "id": format!("x_{index}"), "big": 9_007_199_254_740_993_u64, "half": 0.5 }))
            .into_response()
    };
    let api = api(Router::new().route("/v1/events", get(handler))).await?;
    let first = api.undelivered_events(since, None).await?;
    assert_eq!((first.events.len(), first.next.as_deref()), (100, Some("x_99")));
    let whole = json!({ "id": "x_0", "big": 9_007_199_254_740_993_u64, "half": 0.5 });
    assert_eq!(first.events.first(), Some(&whole), "nothing is left out or rounded");
    let last = api.undelivered_events(since, first.next.as_deref()).await?;
    assert_eq!((last.events.len(), last.next), (1, None));

    let circle = json!({ "has_more": true, "data": [{ "id": "x_1" }] }).to_string();
    for body in [circle, json!({ "has_more": true, "data": [] }).to_string(), json!({ "data": 1 }).to_string()] {
        let api = answering(StatusCode::OK, body).await?;
        let answer = api.undelivered_events(since, Some("x_1")).await;
        assert!(matches!(answer, Err(ApiError::Unexpected { .. })), "{answer:?}");
    }
    Ok(())
}
