//! A seller asks what a delivery would do before it is made, or why it did what it did.

use serde_json::{Value, json};

use crate::support::compose::{Checkout, DAY, Invoice, InvoiceLine, Layout, MONTH, Subscription, id_of, polymart};
use crate::support::stripe_api::session_line;
use crate::support::{Backend, Error, TestApp, TestResult, database, now, on_both_stores};

on_both_stores!(
    a_rehearsal_says_what_the_real_delivery_then_does,
    a_renewal_is_rehearsed_without_asking_stripe,
    what_would_be_rejected_is_told_with_the_same_reason,
    polymart_is_rehearsed_with_the_query_of_its_address,
    only_an_admin_rehearses,
);

async fn rehearse(app: &TestApp, provider: &str, more: &[&str], body: &Value) -> Result<Value, Error> {
    let args = [&["inbox", "dry-run", "--team", &app.team, "--provider", provider, "--json", "-"], more].concat();
    let output = app.server.cli_output(&args, Some(&serde_json::to_string_pretty(body)?)).await?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

/// What a store holds that a rehearsal must not add to.
async fn size(app: &TestApp) -> Result<(usize, Option<i64>), Error> {
    let keys = database::run(&app.server, "keys", "SELECT count(*) FROM {}data_key").await?;
    Ok((app.events().await?.len(), keys))
}

async fn a_rehearsal_says_what_the_real_delivery_then_does(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let checkout = Checkout::paid(Layout::Acacia);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 2)]);
    let event = checkout.completed();
    let before = size(&app).await?;
    let said = rehearse(&app, "stripe", &[], &event).await?;
    assert_eq!(size(&app).await?, before, "no event, no data key");
    assert_eq!((&said["outcome"], &said["known"]), (&json!("applied"), &Value::Null), "{said}");
    assert_eq!((&said["reason"], &said["askedStripe"]), (&json!("issued 2 licences"), &json!(true)));
    assert!(!said.to_string().contains(&checkout.email), "personal data is left out");
    assert!(said.to_string().contains(&app.product), "what would be opened is told");
    assert_eq!(app.stripe.writes(), []);
    assert!(app.licenses().await?.is_empty() && app.mails()?.is_empty());

    app.deliver(&[&event]).await?;
    let cause = app.events_of("ProviderEventReceived").await?.remove(0);
    let mut real = app.events().await?;
    let claim = |event: &Value| event["type"] == "ProviderEventAttempted";
    real.retain(|event| event["position"].as_i64() >= cause["position"].as_i64() && !claim(event));
    real.retain(|event| event["actor"] == "stripe");
    let rehearsed = said["events"].as_array().ok_or("no events")?;
    assert_eq!(types(rehearsed), types(&real), "in the same order");
    let terms = |events: &[Value]| {
        let issued = events.iter().find(|event| event["type"] == "LicenseIssued");
        issued.map(|event| event["data"]["terms"].clone())
    };
    assert_eq!(terms(rehearsed), terms(&real));

    let duplicate = rehearse(&app, "stripe", &[], &event).await?;
    assert_eq!((&duplicate["outcome"], &duplicate["known"]), (&json!("duplicate"), &json!("applied")), "{duplicate}");
    assert_eq!(duplicate["events"], json!([]));
    Ok(())
}

async fn a_renewal_is_rehearsed_without_asking_stripe(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - 20 * DAY);
    let item = &subscription.items[0].id;
    let line = |start| vec![InvoiceLine::month(item, "prod_plugin", start)];
    let first = Invoice::paid(Layout::Basil, &subscription.id, &subscription.customer, line(subscription.begun));
    app.deliver(&[subscription.created(), first.event()]).await?;
    let renewal = line(subscription.begun + MONTH);
    let renewal = Invoice::renewal(Layout::Basil, &subscription.id, &subscription.customer, renewal).event();
    let (before, calls) = (size(&app).await?, app.stripe.calls().len());
    let said = rehearse(&app, "stripe", &[], &renewal).await?;
    assert_eq!((&said["outcome"], &said["askedStripe"]), (&json!("applied"), &json!(false)), "{said}");
    let events = said["events"].as_array().ok_or("no events")?;
    assert!(types(events).contains(&"SubscriptionRenewed"), "{said}");
    assert_eq!((size(&app).await?, app.stripe.calls().len()), (before, calls));
    Ok(())
}

async fn what_would_be_rejected_is_told_with_the_same_reason(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product), ("hwid_limit", "many")]);
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    let event = checkout.completed();
    let said = rehearse(&app, "stripe", &[], &event).await?;
    assert_eq!(said["outcome"], "rejected", "{said}");
    app.deliver(&[&event]).await?;
    assert_eq!(app.entry(id_of(&event)).await?.reason, said["reason"].as_str().unwrap_or_default());
    // Mended: what would a second delivery of the rejected one do?
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let mended = rehearse(&app, "stripe", &[], &event).await?;
    assert_eq!((&mended["outcome"], &mended["known"]), (&json!("applied"), &json!("rejected")), "{mended}");

    for (body, outcome, part) in [
        (json!({ "id": "evt_1", "type": "customer.created" }), "ignored", "no use"),
        (json!({ "type": "invoice.paid" }), "rejected", "`id`"),
        (json!([1]), "rejected", "`id`"),
    ] {
        let said = rehearse(&app, "stripe", &[], &body).await?;
        assert_eq!(said["outcome"], outcome, "{said}");
        assert!(said["reason"].as_str().is_some_and(|reason| reason.contains(part)), "{said}");
    }
    app.stripe.revoke_keys();
    let other = Checkout::paid(Layout::Basil).completed();
    let said = rehearse(&app, "stripe", &[], &other).await?;
    assert_eq!(said["outcome"], "deferred", "{said}");
    app.integrate("stripe", &["--active", "false"]).await?;
    let off = rehearse(&app, "stripe", &[], &other).await?;
    assert_eq!((&off["outcome"], &off["askedStripe"]), (&json!("rejected"), &json!(false)), "{off}");
    let people = ["inbox", "dry-run", "--team", &app.team, "--provider", "stripe", "-"];
    let output = app.server.cli_output(&people, Some(&other.to_string())).await?;
    let text = String::from_utf8(output.stdout)?;
    assert!(text.contains("would be rejected") && text.contains("switched off"), "{text}");
    Ok(())
}

async fn polymart_is_rehearsed_with_the_query_of_its_address(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let event = polymart::purchase(polymart::user(), 7);
    let before = size(&app).await?;
    let query = format!("{}&hwidLimit=3", app.product_query());
    let good = rehearse(&app, "polymart", &["--query", &query], &event).await?;
    assert_eq!((&good["outcome"], &good["reason"]), (&json!("applied"), &json!("issued 1 licence")), "{good}");
    let bad = rehearse(&app, "polymart", &["--query", "productId=nonsense&ipLimit=0"], &event).await?;
    assert_eq!(bad["outcome"], "rejected", "{bad}");
    let reason = bad["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("productId") && reason.contains("ipLimit"), "{bad}");
    let unknown =
        rehearse(&app, "polymart", &["--query", &format!("productId={}", uuid::Uuid::new_v4())], &event).await?;
    assert_eq!(unknown["outcome"], "rejected", "{unknown}");
    assert_eq!(size(&app).await?, before);
    let no_stripe = rehearse(&app, "stripe", &[], &event).await;
    assert!(no_stripe.is_err_and(|error| error.to_string().contains("no stripe integration")));
    Ok(())
}

async fn only_an_admin_rehearses(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let event = polymart::purchase(polymart::user(), 7);
    let query = json!({ "productId": app.product });
    let asked = json!({ "provider": "polymart", "query": query, "payload": event });
    let before = app.events().await?.len();
    for scope in ["developer", "auditor"] {
        let refused = app.admin_with(scope).await?.post("/inbox/dry-run", &asked).await?;
        assert_eq!((refused.status, refused.code()), (403, "FORBIDDEN"), "{scope}");
    }
    let admin = app.admin().await?;
    let said = admin.post("/inbox/dry-run", &asked).await?;
    assert_eq!(said.data()?["outcome"], "applied", "{said:?}");
    let text = json!({ "provider": "polymart", "query": query, "payload": event.to_string() });
    assert_eq!(admin.post("/inbox/dry-run", &text).await?.data()?["outcome"], "applied", "its exact bytes as a text");
    let bad = admin.post("/inbox/dry-run", &json!({ "provider": "paypal", "payload": {} })).await?;
    assert_eq!((bad.status, bad.code()), (400, "BAD_REQUEST"), "{bad:?}");
    // Keys were made in between; nothing else was recorded.
    let events = app.events().await?;
    assert!(events.iter().skip(before).all(|event| event["type"] == "ApiKeyCreated"), "{events:?}");
    Ok(())
}
