//! A story that auditors look into: a subscription that was issued, renewed, and whose renewal was refunded.

use std::collections::HashMap;

use serde_json::Value;

use super::audit::stripe_body_sha256;
use super::compose::{Charge, DAY, Invoice, InvoiceLine, Layout, MONTH, Subscription, id_of};
use super::{Error, TestApp, now};

/// A subscription that was issued, renewed, and whose renewal was refunded in full.
pub(crate) struct Story {
    pub(crate) subscription: Subscription,
    pub(crate) first: Value,
    pub(crate) renewal: Value,
    pub(crate) refund: Value,
    pub(crate) license: Value,
    /// Hex of the SHA-256 of each body that was posted, by the id of the event in it.
    pub(crate) bodies: HashMap<String, String>,
    /// Where the ledger ended when the licence had been issued, and when it had been renewed.
    pub(crate) issued_at: i64,
    pub(crate) renewed_at: i64,
}

/// Where the ledger ends.
pub(crate) async fn head(app: &TestApp) -> Result<i64, Error> {
    let events = app.server.cli(&["events", "tail", "--limit", "1", "--json"]).await?;
    events[0]["position"].as_i64().ok_or_else(|| "an empty ledger".into())
}

/// Tells it, in deliveries of Stripe.
pub(crate) async fn told(app: &TestApp) -> Result<Story, Error> {
    // A refunded renewal lets the licence run out; here it does not while the test looks at it.
    app.server.cli(&["team", "update", "--team", &app.team, "--renewal-grace-seconds", "864000", "--json"]).await?;
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - MONTH - DAY);
    let (item, begun) = (&subscription.items[0].id, subscription.begun);
    let month = |start| vec![InvoiceLine::month(item, "prod_plugin", start)];
    let first = Invoice::paid(Layout::Basil, &subscription.id, &subscription.customer, month(begun));
    let mut second = Invoice::renewal(Layout::Basil, &subscription.id, &subscription.customer, month(begun + MONTH));
    second.payments_included = true;
    let created = subscription.created();
    let refund = Charge::refunded_in_full(Layout::Basil, second.payment(), 1000).event(now() - 600);
    let (first, renewal) = (first.event(), second.event());
    app.deliver(&[&created, &first]).await?;
    let issued_at = head(app).await?;
    app.deliver(&[&renewal]).await?;
    let renewed_at = head(app).await?;
    app.deliver(&[&refund]).await?;
    let mut bodies = HashMap::new();
    for event in [&created, &first, &renewal, &refund] {
        bodies.insert(id_of(event).to_owned(), stripe_body_sha256(event)?);
    }
    let license = app.license().await?;
    Ok(Story { subscription, first, renewal, refund, license, bodies, issued_at, renewed_at })
}

/// The only entry of a type.
pub(crate) fn of_type<'e>(entries: &'e [Value], kind: &str) -> Result<&'e Value, Error> {
    let mut found = entries.iter().filter(|entry| entry["type"] == kind);
    match (found.next(), found.next()) {
        (Some(entry), None) => Ok(entry),
        (first, _) => Err(format!("not one {kind}, but {}", if first.is_some() { "more" } else { "none" }).into()),
    }
}

/// Where entries stand in the ledger.
pub(crate) fn positions(entries: &[Value]) -> Vec<i64> {
    entries.iter().filter_map(|entry| entry["position"].as_i64()).collect()
}
