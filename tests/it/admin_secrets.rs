//! Secrets and API keys over HTTP, with an admin's key.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::{POLYMART_SECRET, STRIPE_SECRET};
use crate::support::compose::{Checkout, Layout};
use crate::support::dev::Program;
use crate::support::{Backend, Error, TestApp, TestResult, now, on_both_stores, sign};

on_both_stores!(
    a_secret_is_changed_without_a_gap,
    a_connection_is_switched_and_moved,
    api_keys_are_made_named_and_revoked_on_every_server_at_once,
    only_an_admin_may,
);

/// How a delivery that is signed with this secret is answered.
async fn delivered(app: &TestApp, secret: &str) -> Result<u16, Error> {
    let body = serde_json::to_vec(&Checkout::paid(Layout::Basil).completed())?;
    let signature = sign::stripe(&[secret], now(), &body)?;
    Ok(app.post(&app.stripe_path(), &[("stripe-signature", &signature)], body).await?.status)
}

fn ids(integration: &Value, retired: bool) -> Vec<String> {
    let secrets = integration["secrets"].as_array().into_iter().flatten();
    let wanted = secrets.filter(|it| it["kind"] == "webhook" && it["retired"] == retired);
    wanted.filter_map(|secret| secret["id"].as_str().map(str::to_owned)).collect()
}

async fn a_secret_is_changed_without_a_gap(backend: Backend) -> TestResult {
    let app = TestApp::builder(backend).stripe().polymart().build().await?;
    let admin = app.program("admin").await?;
    let listed = admin.admin(Method::GET, "/integrations", None).await?.data()?.clone();
    let shown = listed.to_string();
    for secret in [STRIPE_SECRET, POLYMART_SECRET] {
        assert!(!shown.contains(secret), "secrets are masked");
    }
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    let stripe = admin.admin(Method::GET, "/integrations/stripe", None).await?.data()?.clone();
    let old = ids(&stripe, false);
    assert_eq!((old.len(), &stripe["secrets"][0]["hint"]), (1, &json!("oint")), "{stripe}");

    let next = json!({ "kind": "webhook", "value": "whsec_the_next_one" });
    let both = admin.admin(Method::POST, "/integrations/stripe/secrets", Some(&next)).await?.data()?.clone();
    assert_eq!(ids(&both, false).len(), 2);
    for secret in [STRIPE_SECRET, "whsec_the_next_one"] {
        assert_eq!(delivered(&app, secret).await?, 200, "both are honoured: {secret}");
    }
    let path = format!("/integrations/stripe/secrets/{}", old[0]);
    let retired = admin.admin(Method::DELETE, &path, None).await?.data()?.clone();
    assert_eq!((ids(&retired, true), ids(&retired, false).len()), (old.clone(), 1));
    assert_eq!(delivered(&app, STRIPE_SECRET).await?, 400, "it is retired");
    assert_eq!(delivered(&app, "whsec_the_next_one").await?, 200);
    // Again is fine, and changes nothing.
    assert_eq!(admin.admin(Method::DELETE, &path, None).await?.status, 200);
    assert_eq!(app.events_of("SecretRetired").await?.len(), 1);
    let elsewhere = format!("/integrations/polymart/secrets/{}", old[0]);
    assert_eq!(admin.admin(Method::DELETE, &elsewhere, None).await?.code(), "NOT_FOUND");
    assert!(!app.server.log().contains("whsec_the_next_one"));
    // The same from the command line.
    let cli = ["integration", "show", "--team", &app.team, "stripe", "--json"];
    assert_eq!(app.server.cli(&cli).await?, retired);
    Ok(())
}

async fn a_connection_is_switched_and_moved(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let admin = app.program("admin").await?;
    let patch = async |body: Value| admin.admin(Method::PATCH, "/integrations/stripe", Some(&body)).await;
    assert_eq!(patch(json!({ "active": false })).await?.data()?["active"], false);
    assert_eq!(delivered(&app, STRIPE_SECRET).await?, 409);
    let moved = patch(json!({ "active": true, "apiBase": "http://127.0.0.1:1" })).await?;
    assert_eq!((&moved.data()?["active"], &moved.data()?["apiBase"]), (&json!(true), &json!("http://127.0.0.1:1/")));
    assert_eq!(delivered(&app, STRIPE_SECRET).await?, 200);
    for (path, body, field) in [
        ("/integrations/stripe", json!({ "apiBase": "nowhere" }), "base URL"),
        ("/integrations/stripe", json!({ "colour": "red" }), "colour"),
        ("/integrations/polymart", json!({ "apiBase": "http://127.0.0.1:1" }), "apiBase"),
        ("/integrations/paypal", json!({ "active": true }), "provider"),
    ] {
        let refused = admin.admin(Method::PATCH, path, Some(&body)).await?;
        assert_eq!(refused.status, 400, "{path} {body}: {refused:?}");
        assert!(refused.details().contains(field), "{}", refused.details());
    }
    for (path, kind, value, field) in [
        ("/integrations/stripe/secrets", "signing", "whsec_1", "kind"),
        ("/integrations/polymart/secrets", "api_key", "rk_test_1", "kind"),
        ("/integrations/stripe/secrets", "password", "whsec_1", "kind"),
        ("/integrations/stripe/secrets", "webhook", "rk_test_verysecret", "API key"),
    ] {
        let refused = admin.admin(Method::POST, path, Some(&json!({ "kind": kind, "value": value }))).await?;
        assert_eq!(refused.status, 400, "{path} {kind}: {refused:?}");
        assert!(
            refused.details().contains(field) && !refused.details().contains("verysecret"),
            "{}",
            refused.details()
        );
    }
    assert_eq!(admin.admin(Method::GET, "/integrations/polymart", None).await?.code(), "NOT_FOUND");
    Ok(())
}

/// Guards: a node answers from what it knew of the key before another node revoked it.
async fn api_keys_are_made_named_and_revoked_on_every_server_at_once(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let beside = app.server.start_beside().await?;
    let admin = app.program("admin").await?;
    let wanted = json!({ "scope": "admin", "name": "the deploy script", "expiresInDays": 30 });
    let made = admin.admin(Method::POST, "/apikeys", Some(&wanted)).await?;
    assert_eq!(made.status, 201);
    let text = |name: &str| made.body["data"][name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name}"));
    let (id, key) = (text("id")?, text("key")?);
    let opens = async |server: &crate::support::Keyledger| {
        let url = server.url(&format!("/api/v1/dev/teams/{}/products", app.team));
        Ok::<_, Error>(app.http.get(url).bearer_auth(&key).send().await?.status().as_u16())
    };
    for server in [&app.server, &beside] {
        assert_eq!(opens(server).await?, 200);
    }
    let listed = admin.admin(Method::GET, "/apikeys", None).await?.data()?.clone();
    let shown = listed.as_array().into_iter().flatten().find(|it| it["id"] == id.as_str()).ok_or("not listed")?;
    assert_eq!((&shown["name"], &shown["scope"]), (&json!("the deploy script"), &json!("admin")));
    assert!(!listed.to_string().contains(&key) && shown["expiresAt"].is_string());
    for round in 0..20 {
        let made = admin.admin(Method::POST, "/apikeys", Some(&json!({ "scope": "developer" }))).await?;
        let key = made.data()?["key"].as_str().ok_or("no key")?.to_owned();
        let path = format!("/apikeys/{}", made.id()?);
        let (ours, theirs) = if round % 2 == 0 { (&app.server, &beside) } else { (&beside, &app.server) };
        let url = theirs.url(&format!("/api/v1/dev/teams/{}/products", app.team));
        assert_eq!(app.http.get(&url).bearer_auth(&key).send().await?.status(), 200);
        assert_eq!(admin.admin_at(ours, Method::DELETE, &path, None).await?.data()?["changed"], true);
        assert_eq!(app.http.get(&url).bearer_auth(&key).send().await?.status(), 401, "in round {round}");
    }
    // A key may revoke itself, and is heard once more.
    let itself = Program::with_key(&app, &key, &id);
    assert_eq!(itself.admin(Method::DELETE, &format!("/apikeys/{id}"), None).await?.status, 200);
    for server in [&app.server, &beside] {
        assert_eq!(opens(server).await?, 401);
    }
    let cli = ["apikey", "create", "--team", &app.team, "--scope", "auditor", "--name", "A", "--json"];
    let soon = [&cli[..], &["--expires", "2099-01-01T00:00:00Z"]].concat();
    assert_eq!(app.server.cli(&soon).await?["expiresAt"], "2099-01-01T00:00:00Z");
    let past = [&cli[..], &["--expires", "2020-01-01T00:00:00Z"]].concat();
    assert_eq!(app.server.cli_output(&past, None).await?.status.code(), Some(1));
    for (body, field) in [
        (json!({ "scope": "king" }), "scope"),
        (json!({ "scope": "admin", "expiresAt": "2020-01-01T00:00:00Z" }), "2020"),
        (json!({ "scope": "admin", "expiresAt": "2099-01-01T00:00:00Z", "expiresInDays": 1 }), "expiresInDays"),
        (json!({ "scope": "admin", "name": " " }), "name"),
    ] {
        let refused = admin.admin(Method::POST, "/apikeys", Some(&body)).await?;
        assert!(refused.status == 400 && refused.details().contains(field), "{body}: {refused:?}");
    }
    Ok(())
}

async fn only_an_admin_may(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let secret = json!({ "kind": "webhook", "value": "whsec_smuggled" });
    let id = uuid::Uuid::new_v4();
    for scope in ["developer", "auditor"] {
        let program = app.program(scope).await?;
        for (method, path, body) in [
            (Method::GET, "/integrations".to_owned(), None),
            (Method::POST, "/integrations/stripe/secrets".to_owned(), Some(&secret)),
            (Method::POST, "/apikeys".to_owned(), Some(&secret)),
            (Method::DELETE, format!("/apikeys/{id}"), None),
            (Method::POST, "/signing-keys/rotate".to_owned(), None),
            (Method::POST, format!("/customers/{id}/forget"), None),
        ] {
            let refused = program.admin(method, &path, body).await?;
            assert_eq!((refused.status, refused.code()), (403, "FORBIDDEN"), "{scope} {path}");
        }
    }
    assert_eq!(delivered(&app, "whsec_smuggled").await?, 400);
    Ok(())
}
