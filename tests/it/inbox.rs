//! An admin looks after deliveries that could not be honoured at once.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::compose::{Checkout, Layout, id_of, polymart};
use crate::support::stripe_api::session_line;
use crate::support::{Backend, TestApp, TestResult, on_both_stores};

on_both_stores!(
    every_delivery_is_listed_with_what_became_of_it,
    what_was_bought_may_be_found_later,
    a_retry_of_what_is_still_bad_says_so_again,
    a_retry_of_what_is_not_there_fails,
    a_retry_repeats_nothing,
    two_servers_conclude_a_delivery_once,
);

fn sale(app: &TestApp) -> (Checkout, Value) {
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    let event = checkout.completed();
    (checkout, event)
}

async fn every_delivery_is_listed_with_what_became_of_it(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).stripe().polymart().build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let (_, applied) = sale(&app);
    let rejected = Checkout::paid(Layout::Acacia).completed();
    app.deliver(&[&applied, &rejected]).await?;
    let ping = polymart::ping();
    app.deliver_polymart(&ping).await?;
    app.stripe.revoke_keys();
    let (_, pending) = sale(&app);
    assert_eq!(app.post_stripe(&pending).await?.status, 200);

    let inbox = app.inbox().await?;
    assert_eq!(inbox.len(), 4, "{inbox:?}");
    for (event, provider, kind, outcome) in [
        (&applied, "stripe", "checkout.session.completed", "applied"),
        (&rejected, "stripe", "checkout.session.completed", "rejected"),
        (&ping, "polymart", "ping", "ignored"),
        (&pending, "stripe", "checkout.session.completed", "pending"),
    ] {
        let id = event["id"].as_str().or(event["nonce"].as_str()).ok_or("no id")?;
        let entry = inbox.iter().find(|entry| entry["providerEventId"] == id).ok_or("not listed")?;
        assert!(Uuid::parse_str(entry["id"].as_str().unwrap_or_default()).is_ok(), "{entry}");
        assert_eq!((&entry["provider"], &entry["type"]), (&json!(provider), &json!(kind)), "{entry}");
        assert_eq!(entry["outcome"], outcome, "{entry}");
        assert!(entry["attempts"].is_u64(), "{entry}");
        assert!(entry["receivedAt"].is_string(), "{entry}");
        assert_eq!(entry["concludedAt"].is_null(), outcome == "pending", "{entry}");
        let has_reason = entry["reason"].as_str().is_some_and(|reason| !reason.is_empty());
        assert!(has_reason || outcome == "applied" || outcome == "pending", "{entry}");
    }
    Ok(())
}

async fn what_was_bought_may_be_found_later(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Basil);
    let event = checkout.completed();
    app.deliver(&[&event]).await?;
    let entry = app.entry(id_of(&event)).await?;
    assert_eq!(entry.outcome, "rejected", "Stripe does not know the session");
    assert!(entry.reason.contains(&checkout.id), "{}", entry.reason);

    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    app.server.cli(&["inbox", "retry", &entry.id, "--team", &app.team]).await?;
    app.settle().await?;
    assert_eq!(app.entry(id_of(&event)).await?.outcome, "applied");
    assert_eq!(app.licenses().await?.len(), 1);
    Ok(())
}

async fn a_retry_of_what_is_still_bad_says_so_again(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let event = Checkout::paid(Layout::Basil).completed();
    app.deliver(&[&event]).await?;
    let before = app.entry(id_of(&event)).await?;
    app.server.cli(&["inbox", "retry", &before.id, "--team", &app.team]).await?;
    app.settle().await?;
    assert_eq!(app.entry(id_of(&event)).await?, before);
    assert_eq!(app.events_of("ProviderEventRejected").await?.len(), 2, "both judgements are history");
    Ok(())
}

async fn a_retry_of_what_is_not_there_fails(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let unknown = Uuid::new_v4().to_string();
    let output = app.server.cli_output(&["inbox", "retry", &unknown, "--team", &app.team], None).await?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&unknown));
    Ok(())
}

async fn a_retry_repeats_nothing(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let (_, event) = sale(&app);
    app.deliver(&[&event]).await?;
    let (license, entry) = (app.license().await?, app.entry(id_of(&event)).await?);
    // Whether a retry of what was applied is refused or repeats the judgement: nothing is issued or mailed again.
    app.server.cli_output(&["inbox", "retry", &entry.id, "--team", &app.team], None).await?;
    app.settle().await?;
    let after = app.license().await?;
    assert_eq!((&after["id"], &after["key"]), (&license["id"], &license["key"]));
    assert_eq!(app.mails()?.len(), 1);
    Ok(())
}

/// Guards: two nodes see the same pending delivery, both ask Stripe, both decide, both append.
async fn two_servers_conclude_a_delivery_once(backend: Backend) -> TestResult {
    let mut app = TestApp::with_stripe(backend).await?;
    let mut second = app.server.start_beside().await?;
    let events: Vec<Value> = (0..12).map(|_| sale(&app).1).collect();
    app.deliver(&events).await?;
    assert_eq!(app.licenses().await?.len(), 12);
    assert_eq!(app.mails()?.len(), 12);
    assert_eq!(app.events_of("ProviderEventApplied").await?.len(), 12);
    // Either of them is enough: the work of one that vanishes is taken up by the other.
    app.server.kill9()?;
    std::mem::swap(&mut app.server, &mut second);
    app.deliver(&[sale(&app).1]).await?;
    assert_eq!(app.licenses().await?.len(), 13);
    Ok(())
}
