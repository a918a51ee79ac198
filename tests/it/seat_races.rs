//! Many clients at once on one licence: for its last seat, for its first verification.

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::json;

use crate::support::client::{ask, device, unlimited};
use crate::support::process::Keyledger;
use crate::support::{Backend, TestApp, TestResult, on_both_stores};

on_both_stores!(
    ten_thousand_clients_take_exactly_the_seats_that_there_are,
    two_hundred_first_verifications_are_one_activation,
    a_thousand_addresses_take_exactly_the_seats_that_there_are,
);

const CLIENTS: usize = 10_000;
const SEATS: usize = 50;
/// Connections at once: the test's own machine has to hold both ends.
const AT_ONCE: usize = 200;

/// One server on SQLite, three on PostgreSQL.
async fn servers(
    backend: Backend,
    query: &str,
) -> Result<(TestApp, Vec<Keyledger>, String, String), crate::support::Error> {
    let options = unlimited().env("KEYLEDGER_TRUSTED_PROXIES", "127.0.0.1/32");
    let app = TestApp::selling(backend, options).await?;
    let mut beside = Vec::new();
    if backend == Backend::Postgres {
        beside = vec![app.server.start_beside().await?, app.server.start_beside().await?];
    }
    let (id, key) = app.sell(query).await?;
    Ok((app, beside, id, key))
}

/// Interleaving: everybody reads 49 seats taken and takes the last one; without the expected version of the licence's
/// stream each of them would be bound.
async fn ten_thousand_clients_take_exactly_the_seats_that_there_are(backend: Backend) -> TestResult {
    let (app, beside, id, key) = servers(backend, &format!("hwidLimit={SEATS}")).await?;
    let nodes: Vec<&Keyledger> = std::iter::once(&app.server).chain(&beside).collect();
    let clients = (0..CLIENTS).map(|n| {
        let (http, team) = (&app.http, &app.team);
        let body = json!({ "licenseKey": key, "hardwareIdentifier": device() });
        let node = nodes[n % nodes.len()];
        async move { Ok::<_, crate::support::Error>(ask(http, node, team, "verify", &body).await?.code().to_owned()) }
    });
    let codes: Vec<String> = stream::iter(clients).buffer_unordered(AT_ONCE).try_collect().await?;
    let valid = codes.iter().filter(|code| *code == "VALID").count();
    let full = codes.iter().filter(|code| *code == "HWID_LIMIT_REACHED").count();
    assert_eq!((valid, full), (SEATS, CLIENTS - SEATS));
    assert_eq!(app.events_of("DeviceBound").await?.len(), SEATS);
    let seats = app.server.cli(&["license", "seats", &id, "--json"]).await?;
    let devices = seats.as_array().into_iter().flatten().filter(|seat| seat["kind"] == "device").count();
    assert_eq!(devices, SEATS);
    Ok(())
}

/// Interleaving: both find the licence not activated and both compute an end; one of them may be recorded.
async fn two_hundred_first_verifications_are_one_activation(backend: Backend) -> TestResult {
    let (app, beside, id, key) = servers(backend, "expirationDays=1&expirationStart=ACTIVATION").await?;
    let nodes: Vec<&Keyledger> = std::iter::once(&app.server).chain(&beside).collect();
    let all = (0..200).map(|n| app_verify(&app, nodes[n % nodes.len()], &key));
    let codes: Vec<u16> = stream::iter(all).buffer_unordered(AT_ONCE).try_collect().await?;
    assert!(codes.iter().all(|status| *status == 200));
    assert_eq!(app.events_of("LicenseActivated").await?.len(), 1);
    assert!(app.license_of(&id).await?["activatedAt"].is_string());
    Ok(())
}

async fn app_verify(app: &TestApp, node: &Keyledger, key: &str) -> Result<u16, crate::support::Error> {
    let body = json!({ "licenseKey": key, "hardwareIdentifier": device() });
    Ok(ask(&app.http, node, &app.team, "verify", &body).await?.status)
}

/// Interleaving: as for devices.
async fn a_thousand_addresses_take_exactly_the_seats_that_there_are(backend: Backend) -> TestResult {
    let (app, beside, _, key) = servers(backend, "ipLimit=20").await?;
    let nodes: Vec<&Keyledger> = std::iter::once(&app.server).chain(&beside).collect();
    let clients = (0..1_000_usize).map(|n| {
        let url = nodes[n % nodes.len()].url(&format!("/api/v1/client/teams/{}/verification/verify", app.team));
        let body = json!({ "licenseKey": key }).to_string();
        let address = format!("198.18.{}.{}", n / 250, n % 250);
        let request = app.http.post(url).header("x-forwarded-for", address).body(body);
        async move { Ok::<_, crate::support::Error>(request.send().await?.status().as_u16()) }
    });
    let statuses: Vec<u16> = stream::iter(clients).buffer_unordered(AT_ONCE).try_collect().await?;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 20);
    assert_eq!(statuses.iter().filter(|status| **status == 403).count(), 980);
    assert_eq!(app.events_of("AddressBound").await?.len(), 20);
    Ok(())
}
