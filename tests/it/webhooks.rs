//! A seller's program is told of what happens to licences, signed, once, whatever dies in between.

use std::collections::HashSet;

use serde_json::json;

use crate::support::client::device;
use crate::support::hooks::{Receiver, reaching_us};
use crate::support::process::Keyledger;
use crate::support::smtp::make_certificate;
use crate::support::{Backend, TestApp, TestResult, after_retries, eventually, on_both_stores};

on_both_stores!(
    a_program_is_told_of_everything_signed_as_published,
    a_reached_limit_is_told_once_and_leaves_no_trace_in_the_ledger,
    several_servers_send_each_hook_once,
    a_server_killed_in_the_middle_sends_the_same_hook_again,
    a_private_address_is_refused_unless_allowed,
    https_is_spoken_with_an_authority_of_ones_own,
);

async fn a_program_is_told_of_everything_signed_as_published(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, reaching_us()).await?;
    let (receiver, keys) = (Receiver::start().await?, Receiver::start().await?);
    let endpoint = app.register(&receiver.url(), &["--description", "bookkeeping"]).await?;
    let with_keys = app.register(&keys.url(), &["--types", "license.issued,device.*", "--include-keys"]).await?;
    let (id, key) = app.sell("hwidLimit=2").await?;
    assert_eq!(app.verify_from(&key, &device()).await?.said(), (200, "VALID"));
    app.server.cli(&["license", "suspend", &id, "--reason", "shared in public", "--json"]).await?;
    app.server.cli(&["license", "reinstate", &id, "--json"]).await?;
    app.server.cli(&["license", "revoke", &id, "--json"]).await?;
    for kind in ["license.issued", "device.bound", "license.suspended", "license.reinstated", "license.revoked"] {
        let got = receiver.hears(kind).await?;
        assert!(got.is_signed_with(&endpoint.secret)?, "{got:?}");
        assert!(!got.is_signed_with(&with_keys.secret)?);
        assert_eq!(
            (&got.body["data"]["license"]["id"], &got.headers["content-type"]),
            (&json!(id), &"application/json".parse()?)
        );
        assert!(!String::from_utf8_lossy(&got.bytes).contains(&key), "the key was not asked for");
        let changed = [got.bytes.as_slice(), b" "].concat();
        assert!(!crate::support::hooks::Got { bytes: changed, ..got }.is_signed_with(&endpoint.secret)?);
    }
    let suspended = receiver.hears("license.suspended").await?;
    assert_eq!(suspended.body["data"]["reason"], "shared in public");
    assert_eq!(suspended.body["data"]["license"]["status"], "SUSPENDED");
    assert_eq!(receiver.hears("license.issued").await?.body["data"]["license"]["status"], "ACTIVE");
    // What each hook tells of is in the ledger, at the position it says.
    for got in receiver.got() {
        let position = got.body["data"]["position"].as_i64().ok_or("no position")?;
        let event =
            app.events().await?.into_iter().find(|event| event["position"] == position).ok_or("no such event")?;
        assert_eq!((&event["eventId"], &event["type"]), (&got.body["data"]["eventId"], &got.body["data"]["event"]));
    }
    assert_eq!(keys.hears("license.issued").await?.body["data"]["license"]["licenseKey"], json!(key));
    keys.hears("device.bound").await?;
    assert_eq!(keys.got().len(), 2);

    let listed = eventually("all are concluded", async || {
        let listed = app.deliveries(&endpoint.id).await?;
        Ok(listed.iter().all(|hook| hook["state"] == "delivered").then_some(listed))
    });
    let listed = listed.await?;
    assert_eq!(listed.len(), 5);
    assert!(listed.iter().all(|hook| hook["status"] == 200 && hook["attempts"] == 1), "{listed:?}");
    let log = app.server.log();
    assert!(!log.contains(&endpoint.secret) && !log.contains(&receiver.url()), "a secret or an address is in the log");
    Ok(())
}

/// Refusals are never in the ledger: a stranger with a key must not be able to grow it.
async fn a_reached_limit_is_told_once_and_leaves_no_trace_in_the_ledger(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, reaching_us()).await?;
    let receiver = Receiver::start().await?;
    let endpoint = app.register(&receiver.url(), &["--types", "limit.reached"]).await?;
    let (id, key) = app.sell("hwidLimit=1").await?;
    assert_eq!(app.verify_from(&key, &device()).await?.said(), (200, "VALID"));
    let before = app.events().await?.len();
    for _ in 0..20 {
        assert_eq!(app.verify_from(&key, &device()).await?.said(), (403, "HWID_LIMIT_REACHED"));
    }
    let got = receiver.hears("limit.reached").await?;
    assert!(got.is_signed_with(&endpoint.secret)?);
    let data = &got.body["data"];
    assert_eq!(
        (&data["license"]["id"], &data["limit"], &data["code"]),
        (&json!(id), &json!("hwid"), &json!("HWID_LIMIT_REACHED"))
    );
    // Another hour may begin in between; the same hour has the same id.
    let ids: HashSet<String> = receiver.got().iter().map(|got| got.id().to_owned()).collect();
    assert_eq!(ids.len(), receiver.got().len());
    assert!(ids.len() <= 2, "told {} times", ids.len());
    assert_eq!(app.events().await?.len(), before);
    assert!(app.deliveries(&endpoint.id).await?.is_empty());
    Ok(())
}

/// Interleaving: every server sees every hook as pending; each is claimed by one of them.
async fn several_servers_send_each_hook_once(backend: Backend) -> TestResult {
    const SALES: usize = 20;
    let app = TestApp::selling(backend, reaching_us()).await?;
    let mut beside: Vec<Keyledger> = vec![app.server.start_beside().await?];
    if backend == Backend::Postgres {
        beside.push(app.server.start_beside().await?);
    }
    let receiver = Receiver::start().await?;
    let endpoint = app.register(&receiver.url(), &["--types", "license.issued"]).await?;
    for _ in 0..SALES {
        app.sell("").await?;
    }
    let delivered = async || {
        let listed = app.deliveries(&endpoint.id).await?;
        Ok((listed.len() == SALES && listed.iter().all(|hook| hook["state"] == "delivered")).then_some(()))
    };
    eventually("all are delivered", delivered).await?;
    let ids: HashSet<String> = receiver.got().iter().map(|got| got.id().to_owned()).collect();
    assert_eq!((receiver.got().len(), ids.len()), (SALES, SALES));
    assert_eq!(app.events_of("HookAttemptStarted").await?.len(), SALES);
    Ok(())
}

/// Guards: the hook is at the receiver, the server dies before it can say so.
async fn a_server_killed_in_the_middle_sends_the_same_hook_again(backend: Backend) -> TestResult {
    let mut app = TestApp::selling(backend, reaching_us()).await?;
    let receiver = Receiver::start().await?;
    receiver.hang(true);
    let endpoint = app.register(&receiver.url(), &["--types", "license.issued"]).await?;
    app.sell("").await?;
    let first = receiver.hears("license.issued").await?;
    app.server.kill9()?;
    receiver.hang(false);
    app.server.restart().await?;
    let again = after_retries("it is sent again when the lease ends", async || Ok(receiver.got().into_iter().nth(1)));
    let again = again.await?;
    assert_eq!((again.id(), &again.bytes), (first.id(), &first.bytes));
    let state = async || {
        let state = app.deliveries(&endpoint.id).await?.pop().ok_or("no delivery")?;
        Ok((state["state"] == "delivered").then_some(state))
    };
    assert_eq!(eventually("it is delivered", state).await?["attempts"], 2);
    Ok(())
}

async fn a_private_address_is_refused_unless_allowed(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let receiver = Receiver::start().await?;
    let url = receiver.url().replace("127.0.0.1", "localhost");
    let endpoint = app.register(&url, &[]).await?;
    let output = app.server.cli_output(&["webhook", "test", &endpoint.id, "--json"], None).await?;
    assert_eq!(output.status.code(), Some(1));
    let hook: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let reason = hook["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("KEYLEDGER_HOOKS_ALLOW_PRIVATE"), "{hook}");
    app.sell("").await?;
    let tried = eventually("the sale's hook was tried", async || {
        let listed = app.deliveries(&endpoint.id).await?;
        Ok(listed.into_iter().find(|hook| hook["type"] == "license.issued" && hook["state"] == "failed"))
    });
    assert!(tried.await?["reason"].as_str().is_some_and(|reason| reason.contains("private")));
    assert!(receiver.got().is_empty(), "something was posted");

    // Without a running server too, the command itself sends, within what it is allowed.
    let allowed = ["webhook", "test", &endpoint.id, "--hooks-allow-private", "127.0.0.0/8,::1", "--json"];
    app.server.cli(&["webhook", "show", &endpoint.id, "--json"]).await?;
    let mut app = app;
    app.server.kill9()?;
    let hook = app.server.cli(&allowed).await?;
    assert_eq!(
        (&hook["state"], &hook["status"], &hook["type"]),
        (&json!("delivered"), &json!(200), &json!("webhook.test"))
    );
    assert!(receiver.hears("webhook.test").await?.is_signed_with(&endpoint.secret)?);
    Ok(())
}

async fn https_is_spoken_with_an_authority_of_ones_own(backend: Backend) -> TestResult {
    let folder = tempfile::tempdir()?;
    let (certificate, key) = make_certificate(folder.path())?;
    let receiver = Receiver::start().await?;
    let url = receiver.behind_tls(&certificate, &key).await?;
    let trusting = reaching_us().env("KEYLEDGER_HOOKS_CA", certificate.display().to_string());
    let app = TestApp::selling(backend, trusting).await?;
    let endpoint = app.register(&url, &[]).await?;
    app.sell("").await?;
    assert!(receiver.hears("license.issued").await?.is_signed_with(&endpoint.secret)?);

    let stranger = TestApp::selling(backend, reaching_us()).await?;
    let endpoint = stranger.register(&url, &[]).await?;
    let output = stranger.server.cli_output(&["webhook", "test", &endpoint.id, "--json"], None).await?;
    let hook: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert!(hook["reason"].as_str().is_some_and(|reason| reason.contains("certificate")), "{hook}");
    Ok(())
}
