//! A person is forgotten while deliveries that name them come in and are worked on.

use std::time::Duration;

use rand::RngExt as _;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::unlimited;
use crate::support::compose::{Checkout, Layout};
use crate::support::stripe_api::session_line;
use crate::support::{Backend, TestResult, on_both_stores};

on_both_stores!(a_delivery_that_meets_the_forgetting_is_either_forgotten_or_somebody_new);

/// People who are forgotten while they buy.
const PEOPLE: usize = 10;
/// Purchases of each, some before and some after.
const PURCHASES: usize = 4;

/// Interleaving: the forgetting reads which keys are linked to the person; a delivery that names them is recorded; the
/// forgetting is recorded. The delivery comes before it in the ledger, so its key must go; one that comes after must stay,
/// or a sale would be lost. And the interpreter has opened a body whose key is destroyed before it appends.
async fn a_delivery_that_meets_the_forgetting_is_either_forgotten_or_somebody_new(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).stripe().options(unlimited()).build().await?;
    let beside = app.server.start_beside().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let mut emails = Vec::new();
    for _ in 0..PEOPLE {
        let first = Checkout::paid(Layout::Basil);
        let email = first.email.clone();
        emails.push(email.clone());
        let sales: Vec<Checkout> = std::iter::once(first)
            .chain((1..PURCHASES).map(|_| Checkout { email: email.clone(), ..Checkout::paid(Layout::Basil) }))
            .collect();
        for sale in &sales {
            app.stripe.add_session(&sale.id, vec![session_line("li_1", "prod_plugin", 1)]);
        }
        assert_eq!(app.post_stripe(&sales[0].completed()).await?.status, 200);
        let buy = async {
            for sale in &sales[1..] {
                tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..60))).await;
                assert_eq!(app.post_stripe(&sale.completed()).await?.status, 200);
            }
            Ok::<_, crate::support::Error>(())
        };
        let args = ["customer", "forget", "--team", &app.team, "--email", &email, "--json"];
        let (bought, forgotten) = tokio::join!(buy, app.server.cli(&args));
        bought?;
        forgotten?;
    }
    app.settle().await?;
    drop(beside);
    let events = app.server.cli(&["events", "list", "--reveal", "--json"]).await?;
    let events = events.as_array().ok_or("no list")?;
    let inbox = app.inbox().await?;
    assert_eq!(inbox.len(), PEOPLE * PURCHASES);
    assert!(inbox.iter().all(|entry| entry["outcome"] == "applied" || entry["outcome"] == "rejected"), "{inbox:?}");
    let place = |event: &Value| event["position"].as_i64().unwrap_or_default();
    let mut streams_forgotten = std::collections::BTreeMap::new();
    for event in events.iter().filter(|event| event["type"] == "CustomerForgotten") {
        let stream = event["stream"].as_str().unwrap_or_default().to_owned();
        let keys = event["data"]["key_ids"].as_array().map_or(0, Vec::len);
        let known = streams_forgotten.entry(stream).or_insert((place(event), 0));
        known.1 += keys;
    }
    assert_eq!(streams_forgotten.len(), PEOPLE);
    // Bodies: those of before are gone, those of after can be read, and none of before can.
    let bodies: Vec<&Value> = events.iter().filter(|event| event["type"] == "ProviderEventReceived").collect();
    let (mut gone, mut readable) = (0, 0);
    for email in &emails {
        let of_them = |event: &&&Value| event["data"]["body"].as_str().is_some_and(|body| body.contains(email));
        let read: Vec<i64> = bodies.iter().filter(of_them).map(|event| place(event)).collect();
        readable += read.len();
        let registered = |event: &&Value| {
            event["type"] == "CustomerRegistered" && event["data"]["email"].as_str() == Some(email.as_str())
        };
        // Whoever bought afterwards is registered anew and can be read.
        assert_eq!(events.iter().filter(registered).count(), usize::from(!read.is_empty()), "{email}");
        if let Some(earliest) = read.iter().min() {
            let stream = events.iter().find(registered).and_then(|event| event["stream"].as_str()).unwrap_or_default();
            let (forgotten, _) = streams_forgotten.get(stream).ok_or("they were not forgotten")?;
            assert!(earliest > forgotten, "a delivery of before can be read: {earliest} < {forgotten}");
        }
    }
    for event in &bodies {
        gone += usize::from(event["data"]["body"]["gone"] == json!(true));
    }
    assert_eq!(gone + readable, PEOPLE * PURCHASES);
    assert!(gone >= PEOPLE, "at least the first purchase of each was before");
    // Every delivery that can be read was applied: no sale was lost. The others were applied before, or rejected.
    let licenses = app.licenses().await?.len();
    let rejected = inbox.iter().filter(|entry| entry["outcome"] == "rejected").count();
    assert_eq!(licenses + rejected, PEOPLE * PURCHASES);
    assert!(rejected <= gone, "{rejected} rejected, {gone} gone");
    assert_eq!(app.server.cli(&["audit", "verify", "--json"]).await?["ok"], true);
    Ok(())
}
