//! How a team's settings and its blacklist change what client programs are answered.

use serde_json::json;

use crate::support::client::unlimited;
use crate::support::{Backend, TestApp, TestResult, on_both_stores};

on_both_stores!(
    an_answer_shows_what_the_team_allows_and_nothing_else,
    strict_settings_want_a_customer_and_a_product,
    the_blacklist_refuses_addresses_devices_and_countries,
);

async fn an_answer_shows_what_the_team_allows_and_nothing_else(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let (id, key) = app.sell("expirationDays=30&hwidLimit=3").await?;
    let allowed = json!({
        "licenseHwidLimit": true, "licenseIpLimit": true, "licenseExpirationType": true,
        "licenseExpirationStart": true, "licenseExpirationDate": true, "licenseExpirationDays": true,
        "productName": true, "customerEmail": true,
    });
    app.set_verification(&["--returned-fields", &allowed.to_string()]).await?;
    let license = app.license_of(&id).await?;
    let ends: jiff::Timestamp = license["expiresAt"].as_str().ok_or("no end")?.parse()?;
    let expected = json!({
        "license": {
            "ipLimit": null, "hwidLimit": 3, "seats": 3, "expirationType": "DURATION",
            "expirationStart": "CREATION", "expirationDate": format!("{ends:.3}"), "expirationDays": 30,
        },
        "products": [{ "name": "Plugin" }],
    });
    // What a command has set is in force when it ends.
    assert_eq!(app.verify_from(&key, "a-device-of-mine").await?.body["data"], expected);
    app.set_verification(&["--returned-fields", r#"{"productName":true}"#]).await?;
    let data = app.verify_from(&key, "a-device-of-mine").await?.body["data"].clone();
    assert_eq!(data, json!({ "products": [{ "name": "Plugin" }] }));
    let wrong = ["team", "verification", "--team", &app.team, "--returned-fields", r#"{"everything":true}"#];
    assert_eq!(app.server.cli_output(&wrong, None).await?.status.code(), Some(2));
    Ok(())
}

async fn strict_settings_want_a_customer_and_a_product(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let (_, key) = app.sell("").await?;
    assert_eq!(app.verify(&key, &json!({})).await?.said(), (200, "VALID"));
    app.set_verification(&["--strict-products", "true", "--strict-customers", "true"]).await?;
    assert_eq!(app.verify(&key, &json!({})).await?.said(), (404, "PRODUCT_NOT_FOUND"));
    // Polymart tells of no customer: a licence without any fits every one.
    assert_eq!(app.verify(&key, &json!({ "productId": app.product })).await?.said(), (200, "VALID"));
    Ok(())
}

async fn the_blacklist_refuses_addresses_devices_and_countries(backend: Backend) -> TestResult {
    let options =
        unlimited().env("KEYLEDGER_COUNTRY_HEADER", "CF-IPCountry").env("KEYLEDGER_TRUSTED_PROXIES", "127.0.0.1/32");
    let app = TestApp::selling(backend, options).await?;
    let (_, key) = app.sell("").await?;
    let path = format!("/api/v1/client/teams/{}/verification/verify", app.team);
    let from = async |address: &str, country: &str, device: &str| {
        let body = json!({ "licenseKey": key, "hardwareIdentifier": device }).to_string().into_bytes();
        let answer = app.post(&path, &[("x-forwarded-for", address), ("cf-ipcountry", country)], body).await?;
        Ok::<_, crate::support::Error>((answer.status, answer.body["result"]["code"].clone()))
    };
    let block = async |option: &str, value: &str| {
        app.server.cli(&["blacklist", "add", "--team", &app.team, option, value, "--json"]).await
    };
    let network = block("--address", "203.0.113.77/24").await?;
    assert_eq!(network["value"], "203.0.113.0/24");
    // What merely wraps IPv4 addresses is the network of these.
    assert_eq!(block("--address", "::ffff:192.0.2.0/120").await?["value"], "192.0.2.0/24");
    block("--device", "a-stolen-device").await?;
    block("--country", "kp").await?;
    for (address, country, device, code) in [
        ("203.0.113.5", "DE", "an-honest-device", "IP_BLACKLISTED"),
        ("192.0.2.5", "DE", "an-honest-device", "IP_BLACKLISTED"),
        ("198.51.100.5", "KP", "an-honest-device", "COUNTRY_BLACKLISTED"),
        ("198.51.100.5", "DE", "a-stolen-device", "HARDWARE_IDENTIFIER_BLACKLISTED"),
    ] {
        assert_eq!(from(address, country, device).await?, (403, json!(code)));
    }
    assert_eq!(from("198.51.100.5", "DE", "an-honest-device").await?.0, 200);
    let explain = ["license", "explain", &key, "--team", &app.team, "--address", "::ffff:203.0.113.5", "--json"];
    assert_eq!(app.server.cli(&explain).await?["code"], "IP_BLACKLISTED");
    let id = network["id"].as_str().ok_or("no id")?;
    app.server.cli(&["blacklist", "remove", id, "--team", &app.team, "--json"]).await?;
    // Nobody is refused from memory: the removal counts at once.
    assert_eq!(from("203.0.113.5", "DE", "an-honest-device").await?.0, 200);
    let wrong = app.server.cli_output(&["blacklist", "add", "--team", &app.team, "--address", "here"], None).await?;
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("`here`"));
    Ok(())
}
