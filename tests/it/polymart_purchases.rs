//! A buyer buys on Polymart, loses the purchase, buys again.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{POLYMART_SECRET, id};
use crate::support::compose::{DAY, polymart};
use crate::support::{Backend, Error, TestApp, TestResult, now, on_both_stores, sign, unix};

on_both_stores!(
    a_purchase_is_a_licence_with_the_terms_of_the_url,
    a_buyer_owns_a_product_once,
    a_removal_revokes_and_a_new_purchase_is_a_new_licence,
    a_removal_counts_by_its_time,
    an_older_purchase_that_is_mended_leaves_the_key_in_use,
    an_old_purchase_is_a_purchase,
    what_is_of_no_use_is_ignored,
    a_bad_url_is_told_apart_kept_and_mended,
    a_wrong_address_or_signature_is_refused,
    any_secret_of_the_list_will_do,
);

/// A product's id at Polymart.
const PLUGIN: u64 = 4711;

fn nonce(event: &Value) -> &str {
    event["nonce"].as_str().unwrap_or_default()
}

/// The licences of a Polymart user.
async fn of(app: &TestApp, user: u64) -> Result<Vec<Value>, Error> {
    let (mut licenses, user) = (app.licenses().await?, user.to_string());
    licenses.retain(|license| license["references"]["polymartUser"] == user);
    Ok(licenses)
}

async fn a_purchase_is_a_licence_with_the_terms_of_the_url(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let ours = app.product_query();
    let cases = [
        (String::new(), "ipLimit", Value::Null),
        ("&ipLimit=3".to_owned(), "ipLimit", json!(3)),
        ("&hwidLimit=4".to_owned(), "hwidLimit", json!(4)),
        ("&seats=5".to_owned(), "hwidLimit", json!(5)),
        ("&expirationDays=30".to_owned(), "expirationDays", json!(30)),
        ("&expirationDays=30&expirationStart=activation".to_owned(), "expirationStart", json!("ACTIVATION")),
        ("&expirationDays=30&expirationStart=Creation".to_owned(), "expirationStart", json!("CREATION")),
    ];
    for (more, field, expected) in cases {
        let user = polymart::user();
        let answer = app.post_polymart(&polymart::purchase(user, PLUGIN), &format!("{ours}{more}")).await?;
        assert_eq!((answer.status, &answer.body["duplicate"]), (200, &json!(false)), "{more}: {answer:?}");
        assert!(!answer.message().is_empty());
        app.settle().await?;
        let licenses = of(&app, user).await?;
        assert_eq!(licenses.len(), 1, "{more}");
        let license = &licenses[0];
        assert_eq!(license[field], expected, "{more}: {license}");
        assert_eq!((&license["provider"], &license["productIds"]), (&json!("polymart"), &json!([app.product])));
        assert_eq!(license["references"]["polymartProduct"], PLUGIN.to_string());
    }

    let warned = polymart::purchase(polymart::user(), PLUGIN);
    app.post_polymart(&warned, &format!("{ours}&expirationStart=ACTIVATION")).await?;
    app.settle().await?;
    assert_eq!(app.entry(nonce(&warned)).await?.outcome, "applied");
    let applied = app.events_of("ProviderEventApplied").await?;
    let warnings = applied.last().map(|event| event["data"]["warnings"].to_string()).unwrap_or_default();
    assert!(warnings.contains("expirationStart"), "without expirationDays it has no effect: {warnings}");
    Ok(())
}

async fn a_buyer_owns_a_product_once(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let user = polymart::user();
    let first = polymart::purchase(user, PLUGIN);
    app.deliver_polymart(&first).await?;
    let before = app.events().await?.len();
    let again = app.post_polymart(&first, &app.product_query()).await?;
    assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)), "the same nonce: {again:?}");
    assert_eq!(app.events().await?.len(), before, "the ledger does not grow");

    // Another nonce, another time, and ids as numbers: the same purchase all the same.
    let mut numbers = polymart::purchase_at(user, PLUGIN, now() + 5);
    numbers["payload"]["user"]["id"] = json!(user);
    numbers["payload"]["product"]["id"] = json!(PLUGIN);
    app.deliver_polymart(&numbers).await?;
    assert_eq!(of(&app, user).await?.len(), 1);

    // Without a nonce, the body tells deliveries apart.
    let other = polymart::user();
    let mut bare = polymart::purchase(other, PLUGIN);
    bare.as_object_mut().ok_or("not an object")?.remove("nonce");
    for duplicate in [false, true] {
        let answer = app.post_polymart(&bare, &app.product_query()).await?;
        assert_eq!((answer.status, &answer.body["duplicate"]), (200, &json!(duplicate)), "{answer:?}");
    }
    app.settle().await?;
    assert_eq!(of(&app, other).await?.len(), 1);

    // Another product of the same seller is another purchase.
    app.deliver_polymart(&polymart::purchase(user, PLUGIN + 1)).await?;
    assert_eq!(of(&app, user).await?.len(), 2);
    Ok(())
}

async fn a_removal_revokes_and_a_new_purchase_is_a_new_licence(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    for name in ["product.user.purchaseRemoved", "product.user.refund"] {
        let (user, begun) = (polymart::user(), now() - DAY);
        let bystander = polymart::user();
        app.deliver_polymart(&polymart::purchase_at(bystander, PLUGIN, begun)).await?;
        app.deliver_polymart(&polymart::purchase_at(user, PLUGIN, begun)).await?;
        let first = of(&app, user).await?.remove(0);
        let mut removal = polymart::removal_at(user, PLUGIN, begun + 60);
        removal["event"] = json!(name);
        app.deliver_polymart(&removal).await?;
        assert_eq!(of(&app, user).await?[0]["status"], "REVOKED", "{name}");
        assert_eq!(of(&app, bystander).await?[0]["status"], "ACTIVE");

        app.deliver_polymart(&polymart::purchase_at(user, PLUGIN, begun + 120)).await?;
        let licenses = of(&app, user).await?;
        assert_eq!(licenses.len(), 2, "{name}");
        let (new, old) = (&licenses[0], &licenses[1]);
        assert_eq!((&old["id"], &old["status"]), (&first["id"], &json!("REVOKED")));
        assert_eq!(new["status"], "ACTIVE");
        assert_ne!(new["key"], old["key"]);
    }
    Ok(())
}

async fn a_removal_counts_by_its_time(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let begun = now() - DAY;
    // It overtook its purchase.
    let hasty = polymart::user();
    app.deliver_polymart(&polymart::removal_at(hasty, PLUGIN, begun + 60)).await?;
    app.deliver_polymart(&polymart::purchase_at(hasty, PLUGIN, begun)).await?;
    assert!(of(&app, hasty).await?.iter().all(|license| license["status"] == "REVOKED"));

    // It is older than the purchase, so it ended something else.
    let stale = polymart::user();
    app.deliver_polymart(&polymart::purchase_at(stale, PLUGIN, begun)).await?;
    app.deliver_polymart(&polymart::removal_at(stale, PLUGIN, begun - 60)).await?;
    assert_eq!(of(&app, stale).await?[0]["status"], "ACTIVE");

    // What the address offers is nothing to a removal.
    let removal = polymart::removal_at(stale, PLUGIN, begun + 60);
    assert_eq!(app.post_polymart(&removal, "ipLimit=none").await?.status, 200);
    app.settle().await?;
    assert_eq!(of(&app, stale).await?[0]["status"], "REVOKED");
    Ok(())
}

async fn an_older_purchase_that_is_mended_leaves_the_key_in_use(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (user, begun) = (polymart::user(), now() - DAY);
    let refused = polymart::purchase_at(user, PLUGIN, begun);
    let bad = format!("{}&ipLimit=abc", app.product_query());
    assert_eq!(app.post_polymart(&refused, &bad).await?.status, 400);
    app.deliver_polymart(&polymart::removal_at(user, PLUGIN, begun + 60)).await?;
    app.deliver_polymart(&polymart::purchase_at(user, PLUGIN, begun + 120)).await?;
    let in_use = of(&app, user).await?.remove(0);

    let entries = app.inbox().await?;
    let entry = entries.iter().find(|entry| entry["outcome"] == "rejected").ok_or("nothing is rejected")?;
    let entry = entry["id"].as_str().ok_or("no id")?;
    app.server.cli(&["inbox", "retry", entry, "--team", &app.team, "--query", &app.product_query()]).await?;
    app.settle().await?;
    let licenses = of(&app, user).await?;
    assert_eq!(licenses.len(), 2, "{licenses:?}");
    let (live, ended): (Vec<_>, Vec<_>) = licenses.iter().partition(|license| license["status"] != "REVOKED");
    assert_eq!((live.len(), ended.len()), (1, 1), "{licenses:?}");
    assert_eq!((&live[0]["id"], &live[0]["key"]), (&in_use["id"], &in_use["key"]));
    Ok(())
}

async fn an_old_purchase_is_a_purchase(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (user, begun) = (polymart::user(), now() - 100 * DAY);
    let event = polymart::purchase_at(user, PLUGIN, begun);
    let answer = app.post_polymart(&event, &format!("{}&expirationDays=30", app.product_query())).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    app.settle().await?;
    let license = of(&app, user).await?.remove(0);
    assert_eq!((&license["status"], unix(&license["expiresAt"])?), (&json!("EXPIRED"), begun + 30 * DAY));
    Ok(())
}

async fn what_is_of_no_use_is_ignored(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    for event in [polymart::ping(), polymart::webhook("product.review.added", now(), json!({ "stars": 5 }))] {
        app.deliver_polymart(&event).await?;
        let entry = app.entry(nonce(&event)).await?;
        assert_eq!(entry.outcome, "ignored");
        assert!(!entry.reason.is_empty());
    }
    assert_eq!(app.licenses().await?.len(), 0);
    Ok(())
}

async fn a_bad_url_is_told_apart_kept_and_mended(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let ours = app.product_query();
    let unknown = Uuid::new_v4().to_string();
    let cases = [
        (String::new(), 400, "productId"),
        ("productId=plugin".to_owned(), 400, "productId"),
        (format!("productId={unknown}"), 404, unknown.as_str()),
        (format!("{ours}&ipLimit=0"), 400, "ipLimit"),
        (format!("{ours}&hwidLimit=many"), 400, "hwidLimit"),
        (format!("{ours}&seats=-1"), 400, "seats"),
        (format!("{ours}&expirationDays=1.5"), 400, "expirationDays"),
        (format!("{ours}&expirationDays=7&expirationStart=TOMORROW"), 400, "expirationStart"),
    ];
    for (query, status, named) in cases {
        let user = polymart::user();
        let event = polymart::purchase(user, PLUGIN);
        let answer = app.post_polymart(&event, &query).await?;
        assert_eq!(answer.status, status, "{query}: {answer:?}");
        assert!(answer.message().contains(named), "{query}: {answer:?}");
        app.settle().await?;
        let entry = app.entry(nonce(&event)).await?;
        assert_eq!(entry.outcome, "rejected", "{query}");
        assert!(entry.reason.contains(named), "{query}: {}", entry.reason);

        let before = app.events().await?.len();
        assert_eq!(app.post_polymart(&event, &query).await?.status, status, "{query}, again");
        assert_eq!(app.events().await?.len(), before, "{query}: the ledger does not grow");

        let mended = format!("{ours}&ipLimit=2");
        app.server.cli(&["inbox", "retry", &entry.id, "--team", &app.team, "--query", &mended]).await?;
        app.settle().await?;
        assert_eq!(app.entry(nonce(&event)).await?.outcome, "applied", "{query}, mended");
        let licenses = of(&app, user).await?;
        assert_eq!(licenses.len(), 1, "{query}, mended");
        assert_eq!(licenses[0]["ipLimit"], 2);
    }
    Ok(())
}

async fn a_wrong_address_or_signature_is_refused(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let other = id(&app.server.cli(&["team", "create", "Without Polymart", "--json"]).await?)?;
    let body = serde_json::to_vec(&polymart::purchase(polymart::user(), PLUGIN))?;
    let good = sign::polymart(POLYMART_SECRET, &body)?;
    let forged = sign::polymart("another secret", &body)?;
    let (team, product) = (app.team.as_str(), app.product.as_str());
    let before = app.events().await?.len();
    let cases = [
        (format!("productId={product}"), good.as_str(), 400),
        (format!("teamId=7&productId={product}"), &good, 400),
        (format!("teamId={}&productId={product}", Uuid::new_v4()), &good, 404),
        (format!("teamId={other}&productId={product}"), &good, 404),
        (format!("teamId={team}&productId={product}"), &forged, 400),
        (format!("teamId={team}&productId={product}"), "", 400),
        // Nobody gets to know from an unsigned delivery which products there are.
        (format!("teamId={team}&productId={}", Uuid::new_v4()), &forged, 400),
    ];
    for (query, signature, status) in cases {
        let path = format!("/api/v1/integrations/polymart?{query}");
        let answer = app.post(&path, &[("x-polymart-signature", signature)], body.clone()).await?;
        assert_eq!(answer.status, status, "{query}: {answer:?}");
        assert!(answer.message().len() > 10, "{query}: {answer:?}");
    }
    assert_eq!(app.events().await?.len(), before);

    app.integrate("polymart", &["--active", "false"]).await?;
    let event = polymart::purchase(polymart::user(), PLUGIN);
    assert_eq!(app.post_polymart(&event, &app.product_query()).await?.status, 409);
    app.settle().await?;
    assert_eq!(app.entry(nonce(&event)).await?.outcome, "rejected");
    Ok(())
}

async fn any_secret_of_the_list_will_do(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    app.integrate("polymart", &["--webhook-secret", "of the second product"]).await?;
    let path = format!("/api/v1/integrations/polymart?teamId={}&productId={}", app.team, app.product);
    for secret in [POLYMART_SECRET, "of the second product"] {
        let body = serde_json::to_vec(&polymart::purchase(polymart::user(), PLUGIN))?;
        let upper_case = sign::polymart(secret, &body)?.to_uppercase();
        let answer = app.post(&path, &[("x-polymart-signature", &upper_case)], body).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    app.settle().await?;
    assert_eq!(app.licenses().await?.len(), 2);
    Ok(())
}
