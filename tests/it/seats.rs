//! Seats of a licence: taken by devices and addresses, freed by the seller.

use serde_json::json;

use crate::support::client::{device, unlimited};
use crate::support::{Backend, TestApp, TestResult, on_both_stores};

on_both_stores!(
    seats_are_taken_and_freed_by_the_seller,
    a_licence_with_a_device_limit_wants_a_device,
    addresses_have_seats_too,
);

async fn seats_are_taken_and_freed_by_the_seller(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let (id, key) = app.sell("hwidLimit=2").await?;
    let (one, two, three) = (device(), device(), device());
    for device in [&one, &two, &one, &two] {
        assert_eq!(app.verify_from(&key, device).await?.said(), (200, "VALID"));
    }
    let full = app.verify_from(&key, &three).await?;
    assert_eq!((full.said(), full.details()), ((403, "HWID_LIMIT_REACHED"), "HWID limit reached"));
    assert_eq!(app.events_of("DeviceBound").await?.len(), 2, "only a new device is an event");

    let seats = app.server.cli(&["license", "seats", &id, "--json"]).await?;
    let seats = seats.as_array().ok_or("no list")?;
    let seat = seats.iter().find(|seat| seat["identifier"] == one.as_str()).ok_or("the device is not listed")?;
    assert_eq!((&seat["kind"], &seat["status"]), (&json!("device"), &json!("active")));
    app.server.cli(&["license", "forget", &id, seat["id"].as_str().ok_or("no id")?, "--json"]).await?;
    assert_eq!(app.verify_from(&key, &three).await?.said(), (200, "VALID"));
    assert_eq!(app.verify_from(&key, &one).await?.said(), (403, "HWID_LIMIT_REACHED"));
    let released = app.events_of("DeviceReleased").await?;
    assert_eq!((&released[0]["data"]["reason"], &released[0]["actor"]), (&json!("forgotten"), &json!("cli")));
    let bound = app.events_of("DeviceBound").await?;
    assert_eq!(bound[0]["actor"], "client");
    assert!(bound.iter().all(|event| !event.to_string().contains(&one)), "a hardware identifier is sealed");
    Ok(())
}

async fn a_licence_with_a_device_limit_wants_a_device(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, unlimited()).await?;
    let (_, key) = app.sell("hwidLimit=1").await?;
    let verdict = app.verify(&key, &json!({})).await?;
    assert_eq!(verdict.said(), (400, "BAD_REQUEST"));
    assert!(verdict.details().contains("hardwareIdentifier"), "{}", verdict.details());
    Ok(())
}

async fn addresses_have_seats_too(backend: Backend) -> TestResult {
    let options = unlimited().env("KEYLEDGER_TRUSTED_PROXIES", "127.0.0.1/32");
    let app = TestApp::selling(backend, options).await?;
    let (_, key) = app.sell("ipLimit=1").await?;
    let path = format!("/api/v1/client/teams/{}/verification/verify", app.team);
    let from = async |address: &str| {
        let body = json!({ "licenseKey": key }).to_string().into_bytes();
        app.post(&path, &[("x-forwarded-for", address)], body).await
    };
    assert_eq!(from("203.0.113.1").await?.status, 200);
    assert_eq!(from("203.0.113.1").await?.status, 200);
    let second = from("203.0.113.2").await?;
    assert_eq!((second.status, &second.body["result"]["code"]), (403, &json!("IP_LIMIT_REACHED")));
    // What the client itself writes into the header is not believed.
    assert_eq!(from("203.0.113.1, 203.0.113.3").await?.status, 403);
    assert_eq!(app.events_of("AddressBound").await?.len(), 1);
    Ok(())
}
