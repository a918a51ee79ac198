//! A subscription sold on a stand-in that others wrote: its signed webhooks, its API, Stripe's SDK as the seller.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::support::app::STRIPE_SECRET;
use crate::support::localstripe::LocalStripe;
use crate::support::{Backend, Error, TestApp, TestResult, eventually, now, on_both_stores, sign, unique};

on_both_stores!(a_subscription_sold_on_localstripe_is_licensed_and_ends);

/// Passes localstripe's webhooks on to keyledger, byte for byte, with the headers that they came with. localstripe
/// only knows the older name of `invoice.paid`; what Stripe would send beside it is added here, signed likewise.
#[derive(Debug)]
struct Relay {
    to: String,
    http: reqwest::Client,
    passed: Mutex<Vec<(Value, u16)>>,
}

impl Relay {
    async fn start(to: String) -> Result<(Arc<Self>, String), Error> {
        let relay = Arc::new(Self { to, http: reqwest::Client::new(), passed: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let app = Router::new().route("/hook", post(pass_on)).with_state(Arc::clone(&relay));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok((relay, url))
    }

    async fn pass(&self, signature: &str, body: Vec<u8>) -> TestResult {
        let event: Value = serde_json::from_slice(&body)?;
        let request = self.http.post(&self.to).header("stripe-signature", signature).body(body);
        let status = request.send().await?.status().as_u16();
        self.passed.lock().await.push((event, status));
        Ok(())
    }

    async fn pass_with_its_sibling(&self, signature: &str, body: Bytes) -> TestResult {
        let mut event: Value = serde_json::from_slice(&body)?;
        self.pass(signature, body.to_vec()).await?;
        if event["type"] == "invoice.payment_succeeded" {
            event["type"] = json!("invoice.paid");
            event["id"] = json!(unique("evt"));
            let body = serde_json::to_vec_pretty(&event)?;
            self.pass(&sign::stripe(&[STRIPE_SECRET], now(), &body)?, body).await?;
        }
        Ok(())
    }

    /// Waits until an event of this type was passed on, and answers it.
    async fn passed(&self, kind: &str) -> Result<Value, Error> {
        eventually(kind, async || {
            let passed = self.passed.lock().await;
            Ok(passed.iter().find(|(event, _)| event["type"] == kind).map(|(event, _)| event.clone()))
        })
        .await
    }
}

async fn pass_on(State(relay): State<Arc<Relay>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match relay.pass_with_its_sibling(signature, body).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::BAD_GATEWAY,
    }
}

async fn a_subscription_sold_on_localstripe_is_licensed_and_ends(backend: Backend) -> TestResult {
    let seller = LocalStripe::start().await?;
    let app = TestApp::builder(backend).build().await?;
    let secrets = ["--webhook-secret", STRIPE_SECRET, "--api-key", "sk_test_1234567890abcdef"];
    app.integrate("stripe", &[&secrets, ["--api-base", seller.url()].as_slice()].concat()).await?;
    let (relay, hook) = Relay::start(app.server.url(&app.stripe_path())).await?;
    seller.post_events_to(&hook, STRIPE_SECRET).await?;

    let sold = seller.sell(&app.product).await?;
    relay.passed("customer.subscription.created").await?;
    let paid = relay.passed("invoice.paid").await?;
    app.settle().await?;
    let license = app.license().await?;
    assert_eq!(license["productIds"], json!([app.product]));
    assert_eq!(license["references"]["stripeSubscription"], sold["subscription"]);
    let period = &paid["data"]["object"]["lines"]["data"][0]["period"];
    assert_eq!(Some(crate::support::unix(&license["paidUntil"])?), period["end"].as_i64());
    let mails = app.mails()?;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, "buyer@example.test");

    seller.cancel(sold["subscription"].as_str().unwrap_or_default()).await?;
    relay.passed("customer.subscription.deleted").await?;
    app.settle().await?;
    assert_eq!(app.license().await?["status"], "EXPIRED");

    let passed = relay.passed.lock().await;
    assert!(passed.len() >= 8, "{passed:?}");
    for (event, status) in passed.iter() {
        assert_eq!(*status, 200, "{event}");
        let entry = app.entry(event["id"].as_str().unwrap_or_default()).await?;
        assert!(["applied", "ignored"].contains(&entry.outcome.as_str()), "{}: {entry:?}", event["type"]);
    }
    Ok(())
}
