//! Polymart asks for the key to put into a buyer's download.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{Answer, POLYMART_SECRET, SIGNING_SECRET};
use crate::support::compose::{DAY, polymart};
use crate::support::{Backend, Error, TestApp, TestResult, now, on_both_stores, sign};

on_both_stores!(
    the_key_is_there_when_the_purchase_was_answered,
    a_download_may_overtake_the_purchase,
    who_owns_nothing_gets_nothing,
    a_test_request_is_answered,
    a_request_that_proves_nothing_is_refused,
    a_malformed_request_is_told_what_is_wrong,
);

const PLUGIN: u64 = 4711;

async fn buy(app: &TestApp, user: u64) -> TestResult {
    let answer = app.post_polymart(&polymart::purchase(user, PLUGIN), &app.product_query()).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    Ok(())
}

async fn the_key_is_there_when_the_purchase_was_answered(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let user = polymart::user();
    buy(&app, user).await?;
    let answer = app.placeholder(&polymart::placeholder(user, PLUGIN)).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers.get("cache-control").ok_or("no Cache-Control")?, "no-store");
    let license = app.license().await?;
    assert_eq!(answer.body["value"], license["key"]);
    let key = license["key"].as_str().ok_or("no key")?;
    let fits = |part: &str| part.len() == 5 && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    assert!(key.split('-').count() == 5 && key.split('-').all(fits), "{key}");

    // Ids may come as texts, too; the answer does not change.
    let mut texts = polymart::placeholder(user, PLUGIN);
    texts["user"] = json!(user.to_string());
    texts["product"] = json!(PLUGIN.to_string());
    assert_eq!(app.placeholder(&texts).await?.body["value"], key);

    let given = app.events_of("PlaceholderAnswered").await?;
    assert_eq!(given.len(), 2, "each key given out is in the ledger");
    assert_eq!(given[0]["data"]["user"], user.to_string());
    assert!(!Value::from(given).to_string().contains(key), "but never the key");
    Ok(())
}

async fn a_download_may_overtake_the_purchase(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let user = polymart::user();
    let buying = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        buy(&app, user).await
    };
    let (answer, bought) = futures::future::join(app.placeholder(&polymart::placeholder(user, PLUGIN)), buying).await;
    bought?;
    let answer = answer?;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["value"], app.license().await?["key"]);
    Ok(())
}

async fn who_owns_nothing_gets_nothing(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (buyer, removed) = (polymart::user(), polymart::user());
    buy(&app, buyer).await?;
    app.deliver_polymart(&polymart::purchase_at(removed, PLUGIN, now() - DAY)).await?;
    app.deliver_polymart(&polymart::removal_at(removed, PLUGIN, now())).await?;
    for (case, user, product) in
        [("a stranger", polymart::user(), PLUGIN), ("another product", buyer, PLUGIN + 1), ("revoked", removed, PLUGIN)]
    {
        let begun = Instant::now();
        let answer = app.placeholder(&polymart::placeholder(user, product)).await?;
        assert_eq!(answer.status, 404, "{case}: {answer:?}");
        assert!(answer.message().len() > 10, "{case}: {answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{case}: it is waited for 2 s, no longer");
    }
    assert_eq!(app.events_of("PlaceholderAnswered").await?.len(), 0);
    Ok(())
}

async fn a_test_request_is_answered(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let user = polymart::user();
    let mut request = polymart::placeholder(user, PLUGIN);
    request["test"] = json!(true);
    let answer = app.placeholder(&request).await?;
    assert_eq!((answer.status, &answer.body["value"]), (200, &json!("TEST0-TEST0-TEST0-TEST0-TEST0")), "{answer:?}");
    assert_eq!(answer.headers.get("cache-control").ok_or("no Cache-Control")?, "no-store");

    buy(&app, user).await?;
    request["nonce"] = json!("another");
    assert_eq!(app.placeholder(&request).await?.body["value"], app.license().await?["key"]);
    Ok(())
}

async fn ask(app: &TestApp, team: &str, secret: &str, request: &Value) -> Result<Answer, Error> {
    let body = serde_json::to_vec(request)?;
    let signature = sign::polymart(secret, &body)?;
    let path = format!("/api/v1/integrations/polymart/placeholder?teamId={team}");
    app.post(&path, &[("x-polymart-signature", &signature)], body).await
}

async fn a_request_that_proves_nothing_is_refused(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let user = polymart::user();
    buy(&app, user).await?;
    let request = polymart::placeholder(user, PLUGIN);
    for secret in [POLYMART_SECRET, "another secret"] {
        let answer = ask(&app, &app.team, secret, &request).await?;
        assert_eq!(answer.status, 400, "{secret}: {answer:?}");
    }
    for off in [-310, 310] {
        let mut stale = request.clone();
        stale["time"] = json!(now() + off);
        assert_eq!(ask(&app, &app.team, SIGNING_SECRET, &stale).await?.status, 400, "{off} s away");
    }
    assert_eq!(ask(&app, "7", SIGNING_SECRET, &request).await?.status, 400);
    assert_eq!(ask(&app, &Uuid::new_v4().to_string(), SIGNING_SECRET, &request).await?.status, 404);

    // A second signing secret, as while one is replaced: either is good, in either case of letters.
    app.integrate("polymart", &["--signing-secret", "the next one"]).await?;
    for secret in [SIGNING_SECRET, "the next one"] {
        let body = serde_json::to_vec(&request)?;
        let upper_case = sign::polymart(secret, &body)?.to_uppercase();
        let path = format!("/api/v1/integrations/polymart/placeholder?teamId={}", app.team);
        let answer = app.post(&path, &[("x-polymart-signature", &upper_case)], body).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    Ok(())
}

async fn a_malformed_request_is_told_what_is_wrong(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    for (field, value) in [
        ("user", Value::Null),
        ("user", json!({})),
        ("product", Value::Null),
        ("product", json!([1])),
        ("time", Value::Null),
        ("time", json!("now")),
        ("test", json!("yes")),
    ] {
        let mut request = polymart::placeholder(polymart::user(), PLUGIN);
        request[field] = value.clone();
        let answer = app.placeholder(&request).await?;
        assert_eq!(answer.status, 400, "{field}={value}: {answer:?}");
        assert!(answer.message().contains(field), "{field}={value}: {answer:?}");
    }
    Ok(())
}
