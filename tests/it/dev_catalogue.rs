//! A seller's own program looks after customers and products, and reads figures.

use serde_json::{Value, json};

use crate::support::client::device;
use crate::support::compose::{Checkout, Layout};
use crate::support::{Backend, TestApp, TestResult, eventually, on_both_stores, stripe_api, unique};

on_both_stores!(
    customers_are_made_found_changed_and_removed,
    who_a_customer_is_stands_nowhere_in_the_clear,
    a_removed_customer_who_buys_again_is_back,
    products_are_made_changed_and_taken_off_the_shelf,
    figures_and_the_log_tell_what_was_asked,
);

async fn customers_are_made_found_changed_and_removed(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let zoe = json!({
        "email": "Zoe@Example.com", "fullName": "Zoe Example", "username": "zoe",
        "address": { "city": "Berlin", "postalCode": "10115" },
        "metadata": [{ "key": "tier", "value": "gold", "locked": false }],
    });
    let made = program.post("/customers", &zoe).await?;
    assert_eq!(made.status, 201);
    let id = made.id()?;
    let shown = program.get(&format!("/customers/{id}")).await?.data()?.clone();
    for name in ["email", "fullName", "username", "metadata"] {
        assert_eq!(shown[name], zoe[name], "{name}");
    }
    assert_eq!((&shown["address"]["city"], &shown["address"]["street"]), (&json!("Berlin"), &Value::Null));
    let anna = program.post("/customers", &json!({ "username": "anna" })).await?.id()?;
    let ids = async |query: &str| {
        let listed = program.get(&format!("/customers?{query}")).await?.data()?.clone();
        let ids = listed["customers"].as_array().into_iter().flatten().map(|one| one["id"].clone());
        Ok::<_, crate::support::Error>(ids.collect::<Vec<_>>())
    };
    assert_eq!(ids("").await?, [json!(anna), json!(id)]);
    for (query, total) in [("pageSize=10", 2), ("search=zoe@example.com", 1)] {
        assert_eq!(program.get(&format!("/customers?{query}")).await?.data()?["totalResults"], total, "{query}");
    }
    assert_eq!(ids("search=zoe@example.com").await?, [json!(id)], "the case of a mail address does not matter");
    assert!(ids("search=nobody@example.com").await?.is_empty());
    let sorted = program.get("/customers?sortColumn=email").await?;
    assert!(sorted.details().contains("sealed"), "{}", sorted.details());

    let renamed = json!({ "email": "zoe@example.com", "fullName": "Zoe Renamed" });
    let changed = program.call(reqwest::Method::PUT, &format!("/customers/{id}"), Some(&renamed)).await?;
    assert_eq!((&changed.data()?["fullName"], &changed.data()?["username"]), (&json!("Zoe Renamed"), &Value::Null));
    let before = app.events().await?.len();
    program.put(&format!("/customers/{id}"), &renamed).await?.data()?;
    assert_eq!(app.events().await?.len(), before, "the same again is not recorded");
    assert_eq!(
        program.delete(&format!("/customers/{id}")).await?.data()?,
        &json!({ "customerId": id, "deleted": true })
    );
    assert_eq!(program.get(&format!("/customers/{id}")).await?.code(), "CUSTOMER_NOT_FOUND");
    assert_eq!(ids("").await?, [json!(anna)]);
    for (body, named) in [
        (json!({ "fullName": "No Address" }), "email"),
        (json!({ "email": "not an address" }), "email"),
        (json!({ "username": "x", "shoeSize": 41 }), "shoeSize"),
        (json!({ "username": "x", "address": { "planet": "Mars" } }), "planet"),
    ] {
        let refused = program.post("/customers", &body).await?;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.details().contains(named), "{}", refused.details());
    }
    Ok(())
}

async fn who_a_customer_is_stands_nowhere_in_the_clear(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let body = json!({ "email": "secret-zoe@example.com", "fullName": "Zoe Hidden", "address": { "city": "Nowhere" } });
    program.post("/customers", &body).await?.data()?;
    let events = Value::Array(app.events().await?).to_string();
    let log = app.server.log();
    for text in ["secret-zoe", "Zoe Hidden", "Nowhere"] {
        assert!(!events.contains(text) && !log.contains(text), "{text}");
    }
    if backend == Backend::Sqlite {
        for file in ["ledger.db", "ledger.db-wal", "views.db", "views.db-wal", "activity.db", "activity.db-wal"] {
            let bytes = std::fs::read(app.server.folder().join("data").join(file)).unwrap_or_default();
            assert!(!bytes.windows(10).any(|window| window == b"secret-zoe"), "{file}");
        }
    }
    Ok(())
}

async fn a_removed_customer_who_buys_again_is_back(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let program = app.program("developer").await?;
    let email = format!("{}@example.test", unique("buyer"));
    let buy = async || {
        let sale = Checkout { email: email.clone(), ..Checkout::paid(Layout::Basil) };
        app.stripe.add_session(&sale.id, vec![stripe_api::session_line(&unique("li_"), "prod_plugin", 1)]);
        app.deliver(&[sale.completed()]).await
    };
    let listed = async || Ok::<_, crate::support::Error>(program.get("/customers").await?.data()?["customers"].clone());
    buy().await?;
    let first = listed().await?;
    let id = first[0]["id"].as_str().ok_or("no customer")?.to_owned();
    program.delete(&format!("/customers/{id}")).await?.data()?;
    assert_eq!(listed().await?, json!([]));
    buy().await?;
    let again = listed().await?;
    assert_eq!((&again[0]["id"], &again[0]["email"]), (&json!(id), &first[0]["email"]));
    Ok(())
}

async fn products_are_made_changed_and_taken_off_the_shelf(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let body = json!({
        "name": "Editor", "url": "https://example.com/editor",
        "metadata": [{ "key": "sku", "value": "ED-1", "locked": true }],
    });
    let made = program.post("/products", &body).await?;
    assert_eq!(made.status, 201);
    let (id, path) = (made.id()?, format!("/products/{}", made.id()?));
    assert_eq!((&made.data()?["url"], &made.data()?["metadata"]), (&body["url"], &body["metadata"]));
    let changed = program.put(&path, &json!({ "name": "Editor Pro" })).await?;
    assert_eq!((&changed.data()?["name"], &changed.data()?["url"]), (&json!("Editor Pro"), &Value::Null));
    assert_eq!(program.get("/products").await?.data()?["totalResults"], 2);
    assert_eq!(program.delete(&path).await?.data()?, &json!({ "productId": id, "deleted": true }));
    assert_eq!(program.get(&path).await?.code(), "PRODUCT_NOT_FOUND");
    let refused = program.post("/products", &json!({ "name": "X", "url": "javascript:alert(1)" })).await?;
    assert!(refused.details().starts_with("url"), "{}", refused.details());
    // What is off the shelf is not sold any more.
    let event = crate::support::compose::polymart::purchase(1, 1);
    assert_eq!(app.post_polymart(&event, &format!("productId={id}")).await?.status, 404);
    Ok(())
}

async fn figures_and_the_log_tell_what_was_asked(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("auditor").await?;
    let (id, key) = app.sell("hwidLimit=1").await?;
    let first = device();
    app.verify_from(&key, &first).await?;
    app.verify_from(&key, &device()).await?;
    let figures = program.get("/statistics").await?.data()?.clone();
    assert_eq!((&figures["overview"]["totalLicenses"], &figures["overview"]["activeLicenses"]), (&json!(1), &json!(1)));
    assert_eq!((&figures["requests"]["total"], &figures["requests"]["successRate"]), (&json!(2), &json!(50.0)));
    assert_eq!(figures["requests"]["byType"], json!({ "VERIFY": 2 }));
    assert_eq!(
        (&figures["topProducts"][0]["name"], &figures["topProducts"][0]["licenses"]),
        (&json!("Plugin"), &json!(1))
    );
    app.sell("").await?;
    let figures = program.get("/statistics").await?.data()?.clone();
    assert_eq!(figures["overview"]["totalLicenses"], 2, "figures are of now");
    let log = eventually("the log is written", async || {
        let log = program.get(&format!("/requests?licenseId={id}&pageSize=10")).await?.data()?.clone();
        Ok((log["requests"].as_array().map(Vec::len) == Some(2)).then_some(log))
    })
    .await?;
    assert_eq!((&log["requests"][1]["code"], &log["requests"][1]["device"]), (&json!("VALID"), &Value::Null));
    let developer = app.program("developer").await?;
    let log = developer.get(&format!("/requests?licenseId={id}&pageSize=10")).await?.data()?.clone();
    assert_eq!(log["requests"][1]["device"], json!(first));
    let question = json!({ "licenseKey": key, "hardwareIdentifier": "a-device-of-mine" });
    let explained = developer.post("/verification/explain", &question).await?;
    assert_eq!(explained.data()?["code"], "HWID_LIMIT_REACHED");
    Ok(())
}
