//! What a seller writes into a Stripe product's metadata, well or badly.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::id;
use crate::support::compose::{Checkout, Invoice, InvoiceLine, Layout, Subscription, id_of};
use crate::support::stripe_api::session_line;
use crate::support::{Backend, Error, TestApp, TestResult, now, on_both_stores, unique};

on_both_stores!(
    good_metadata_shapes_the_licence,
    bad_metadata_is_rejected_by_name_until_it_is_mended,
    a_good_line_is_not_held_up_by_a_bad_one,
    a_resent_delivery_is_judged_by_the_mended_metadata,
    expiration_metadata_of_a_subscription_is_a_warning,
    what_was_bought_once_beside_a_subscription_is_a_warning,
);

/// A Stripe product's metadata.
type Metadata<'a> = &'a [(&'a str, &'a str)];

/// Sells one unit of a product with this metadata; answers the Stripe product and the delivered event.
async fn sell(app: &TestApp, metadata: Metadata<'_>) -> Result<(String, Value), Error> {
    let product = unique("prod");
    app.stripe.add_product(&product, metadata);
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line(&unique("li"), &product, 1)]);
    let event = checkout.completed();
    app.deliver(&[&event]).await?;
    Ok((product, event))
}

/// The licence that an event gave rise to.
async fn license_of(app: &TestApp, event: &Value) -> Result<Option<Value>, Error> {
    let session = &event["data"]["object"]["id"];
    Ok(app.licenses().await?.into_iter().find(|license| &license["references"]["stripeCheckoutSession"] == session))
}

async fn warnings(app: &TestApp) -> Result<String, Error> {
    let applied = app.events_of("ProviderEventApplied").await?;
    Ok(applied.last().map(|event| event["data"]["warnings"].to_string()).unwrap_or_default())
}

async fn good_metadata_shapes_the_licence(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let ours = app.product.as_str();
    let second = id(&app.server.cli(&["product", "create", "--team", &app.team, "Second", "--json"]).await?)?;
    let several = format!(" {ours} ,{second},{ours}");
    let cases: [(Metadata<'_>, &str, Value); 8] = [
        (&[("product_id", ours)], "ipLimit", Value::Null),
        (&[("product_id", ours)], "hwidLimit", Value::Null),
        (&[("product_id", &several)], "productIds", json!([ours, second])),
        (&[("product_id", ours), ("ip_limit", "3")], "ipLimit", json!(3)),
        (&[("product_id", ours), ("hwid_limit", "4")], "hwidLimit", json!(4)),
        (&[("product_id", ours), ("seats", "5")], "hwidLimit", json!(5)),
        (&[("product_id", ours), ("expiration_days", "7")], "expirationDays", json!(7)),
        (
            &[("product_id", ours), ("expiration_days", "7"), ("expiration_start", "Activation")],
            "expirationStart",
            json!("ACTIVATION"),
        ),
    ];
    for (metadata, field, expected) in cases {
        let (_, event) = sell(&app, metadata).await?;
        let license = license_of(&app, &event).await?.ok_or_else(|| format!("no licence for {metadata:?}"))?;
        assert_eq!(license[field], expected, "{metadata:?}");
    }

    let (_, event) = sell(&app, &[("product_id", ours), ("expiration_start", "ACTIVATION")]).await?;
    assert_eq!(app.entry(id_of(&event)).await?.outcome, "applied");
    assert!(warnings(&app).await?.contains("expiration_start"), "without expiration_days it has no effect");
    let license = license_of(&app, &event).await?.ok_or("no licence")?;
    assert_eq!(license["status"], "ACTIVE", "{license}");
    Ok(())
}

async fn bad_metadata_is_rejected_by_name_until_it_is_mended(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let ours = app.product.as_str();
    let unknown = Uuid::new_v4().to_string();
    let one_unknown = format!("{ours},{unknown},plugin");
    let cases: [(&str, &str, &[&str]); 10] = [
        ("product_id", "plugin", &["plugin"]),
        ("product_id", &unknown, &[&unknown]),
        ("product_id", &one_unknown, &[&unknown, "plugin"]),
        ("ip_limit", "0", &["0"]),
        ("ip_limit", "many", &["many"]),
        ("hwid_limit", "-1", &["-1"]),
        ("seats", "1.5", &["1.5"]),
        ("expiration_days", "0", &["0"]),
        ("expiration_days", "99999999999999999999", &["99999999999999999999"]),
        ("expiration_start", "TOMORROW", &["TOMORROW"]),
    ];
    for (key, value, named) in cases {
        let mut metadata = vec![("product_id", ours), ("expiration_days", "7")];
        metadata.retain(|(other, _)| *other != key);
        metadata.push((key, value));
        let (product, event) = sell(&app, &metadata).await?;
        let entry = app.entry(id_of(&event)).await?;
        assert_eq!(entry.outcome, "rejected", "{key}={value}");
        for part in named.iter().chain([&key]) {
            assert!(entry.reason.contains(part), "{key}={value}: the reason does not name {part}: {}", entry.reason);
        }
        assert_eq!(license_of(&app, &event).await?, None, "{key}={value}");

        app.stripe.add_product(&product, &[("product_id", ours)]);
        app.server.cli(&["inbox", "retry", &entry.id, "--team", &app.team]).await?;
        app.settle().await?;
        assert_eq!(app.entry(id_of(&event)).await?.outcome, "applied", "{key}={value}, mended");
        assert!(license_of(&app, &event).await?.is_some(), "{key}={value}, mended");
    }
    Ok(())
}

async fn a_good_line_is_not_held_up_by_a_bad_one(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_bad", &[("product_id", &app.product), ("ip_limit", "none")]);
    let checkout = Checkout::paid(Layout::Basil);
    let lines = vec![session_line("li_1", "prod_plugin", 2), session_line("li_2", "prod_bad", 1)];
    app.stripe.add_session(&checkout.id, lines);
    let event = checkout.completed();
    app.deliver(&[&event]).await?;
    let entry = app.entry(id_of(&event)).await?;
    assert_eq!(entry.outcome, "rejected");
    assert!(entry.reason.contains("ip_limit") && entry.reason.contains("none"), "{}", entry.reason);
    let first = app.licenses().await?;
    assert_eq!((first.len(), app.mails()?.len()), (2, 1));

    app.stripe.add_product("prod_bad", &[("product_id", &app.product), ("ip_limit", "1")]);
    app.server.cli(&["inbox", "retry", &entry.id, "--team", &app.team]).await?;
    app.settle().await?;
    assert_eq!(app.entry(id_of(&event)).await?.outcome, "applied");
    let all = app.licenses().await?;
    assert_eq!(all.len(), 3, "a retry issues only what is missing");
    let mails = app.mails()?;
    assert_eq!(mails.len(), 2);
    for license in &all {
        let key = license["key"].as_str().ok_or("no key")?;
        assert_eq!(mails.iter().filter(|mail| mail.text.contains(key)).count(), 1, "each key is mailed once");
    }
    Ok(())
}

async fn a_resent_delivery_is_judged_by_the_mended_metadata(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let (product, event) = sell(&app, &[("product_id", "plugin")]).await?;
    assert_eq!(app.entry(id_of(&event)).await?.outcome, "rejected");
    app.stripe.add_product(&product, &[("product_id", &app.product)]);
    // The seller clicks "Resend" in Stripe's dashboard.
    let answer = app.post_stripe(&event).await?;
    assert_eq!((answer.status, &answer.body["duplicate"]), (200, &json!(false)), "{answer:?}");
    app.settle().await?;
    assert_eq!(app.entry(id_of(&event)).await?.outcome, "applied");
    assert_eq!(app.licenses().await?.len(), 1);
    Ok(())
}

async fn expiration_metadata_of_a_subscription_is_a_warning(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let expiring =
        [("product_id", app.product.as_str()), ("expiration_days", "none"), ("expiration_start", "ACTIVATION")];
    app.stripe.add_product("prod_plugin", &expiring);
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - 60);
    let lines = vec![InvoiceLine::month(&subscription.items[0].id, "prod_plugin", subscription.begun)];
    let invoice = Invoice::paid(Layout::Basil, &subscription.id, &subscription.customer, lines).event();
    app.deliver(&[&invoice]).await?;
    assert_eq!(app.entry(id_of(&invoice)).await?.outcome, "applied");
    assert!(warnings(&app).await?.contains("expiration_days"));
    let license = app.license().await?;
    assert_eq!((&license["expirationDays"], &license["status"]), (&Value::Null, &json!("ACTIVE")));
    Ok(())
}

/// Guards: somebody who paid for two products in one checkout, of which one is never heard of again.
async fn what_was_bought_once_beside_a_subscription_is_a_warning(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    app.stripe.add_product("prod_addon", &[("product_id", &app.product)]);
    app.stripe.add_product("prod_shirt", &[]);
    for layout in Layout::BOTH {
        let subscription = Subscription::of(layout, "prod_plugin", now() - 60);
        let month = InvoiceLine::month(&subscription.items[0].id, "prod_plugin", subscription.begun);
        let once = |product: &str| InvoiceLine { item: None, product: product.to_owned(), ..month.clone() };
        let lines = vec![month.clone(), once("prod_addon"), once("prod_shirt"), once("prod_plugin")];
        let first = Invoice::paid(layout, &subscription.id, &subscription.customer, lines).event();
        app.deliver(&[&first]).await?;
        let told = warnings(&app).await?;
        assert!(told.contains("`prod_addon` was paid once beside a subscription"), "{told}");
        assert!(!told.contains("prod_shirt"), "not ours: {told}");
        assert!(!told.contains("prod_plugin"), "a fee for what is licensed: {told}");
        assert_eq!(app.entry(id_of(&first)).await?.outcome, "applied");
    }
    assert_eq!(app.licenses().await?.len(), 2, "one for each subscription");
    Ok(())
}
