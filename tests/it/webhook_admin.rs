//! Endpoints and their deliveries, over HTTP and over the command line.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::Answer;
use crate::support::hooks::{Receiver, reaching_us};
use crate::support::{Backend, Error, TestApp, TestResult, eventually, on_both_stores};

on_both_stores!(
    an_admin_s_program_looks_after_endpoints,
    a_secret_is_replaced_with_an_overlap,
    what_failed_is_sent_again_by_hand,
    mistakes_are_told_by_name,
    settings_are_read_and_changed,
);

/// Calls the admin API with this key.
async fn call(app: &TestApp, key: &str, method: Method, path: &str, body: Option<Value>) -> Result<Answer, Error> {
    let url = app.server.url(&format!("/api/v1/admin/teams/{}{path}", app.team));
    let mut request = app.http.request(method, url).bearer_auth(key);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    Answer::of(request.send().await?).await
}

async fn an_admin_s_program_looks_after_endpoints(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, reaching_us()).await?;
    let receiver = Receiver::start().await?;
    let admin = app.program("admin").await?;
    for scope in ["developer", "auditor"] {
        let other = app.program(scope).await?;
        let refused = call(&app, &other.key, Method::GET, "/webhooks", None).await?;
        assert_eq!((refused.status, refused.code()), (403, "FORBIDDEN"), "{scope}");
    }
    let asked = json!({ "url": receiver.url(), "types": ["license.*"], "description": "shop" });
    let made = call(&app, &admin.key, Method::POST, "/webhooks", Some(asked)).await?;
    assert_eq!(made.status, 201, "{made:?}");
    let (id, secret) = (made.id()?, made.data()?["secret"].as_str().ok_or("no secret")?.to_owned());
    let path = format!("/webhooks/{id}");
    let shown = call(&app, &admin.key, Method::GET, &path, None).await?;
    assert_eq!((&shown.data()?["url"], &shown.data()?["enabled"]), (&json!(receiver.url()), &json!(true)));
    assert!(shown.data()?.get("secret").is_none() && !shown.body.to_string().contains(&secret));
    let listed = call(&app, &admin.key, Method::GET, "/webhooks", None).await?;
    assert_eq!(listed.data()?["webhooks"].as_array().map(Vec::len), Some(1));

    let sent = call(&app, &admin.key, Method::POST, &format!("{path}/test"), None).await?;
    assert_eq!((sent.status, &sent.data()?["type"]), (200, &json!("webhook.test")));
    assert!(receiver.hears("webhook.test").await?.is_signed_with(&secret)?);
    let change = json!({ "enabled": false, "types": [], "description": "" });
    let changed = call(&app, &admin.key, Method::PATCH, &path, Some(change)).await?;
    assert_eq!((&changed.data()?["enabled"], &changed.data()?["types"]), (&json!(false), &json!([])));
    assert!(changed.data()?["description"].is_null() && changed.data()?["disabledReason"].is_string());
    app.sell("").await?;
    call(&app, &admin.key, Method::PATCH, &path, Some(json!({ "enabled": true }))).await?.data()?;
    app.sell("").await?;
    receiver.hears("license.issued").await?;
    let issued = receiver.got().iter().filter(|got| got.kind() == "license.issued").count();
    assert_eq!(issued, 1, "what happened while it was off is not told");

    let page = call(&app, &admin.key, Method::GET, &format!("{path}/deliveries?pageSize=10"), None).await?;
    assert_eq!(page.data()?["deliveries"].as_array().map(Vec::len), Some(2));
    assert_eq!((&page.data()?["hasNextPage"], &page.data()?["nextBefore"]), (&json!(false), &Value::Null));
    let gone = call(&app, &admin.key, Method::DELETE, &path, None).await?;
    assert_eq!(gone.data()?["deleted"], true);
    assert_eq!(call(&app, &admin.key, Method::GET, &path, None).await?.status, 404);
    let actors: Vec<Value> =
        app.events_of("WebhookEndpointRemoved").await?.into_iter().map(|event| event["actor"].clone()).collect();
    assert_eq!(actors, [json!(format!("api:{}", admin.key_id))]);
    let ledger = serde_json::to_string(&app.events().await?)?;
    assert!(!ledger.contains(&secret) && !ledger.contains(&receiver.url()), "a secret or an address is in the clear");
    Ok(())
}

async fn a_secret_is_replaced_with_an_overlap(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, reaching_us()).await?;
    let receiver = Receiver::start().await?;
    let endpoint = app.register(&receiver.url(), &[]).await?;
    let rotated = app.server.cli(&["webhook", "rotate-secret", &endpoint.id, "--json"]).await?;
    let new = rotated["secret"].as_str().ok_or("no secret")?;
    assert_ne!(new, endpoint.secret);
    assert_eq!(rotated["oldSecretsUntil"].as_array().map(Vec::len), Some(1));
    app.sell("").await?;
    let both = receiver.hears("license.issued").await?;
    assert!(both.is_signed_with(&endpoint.secret)? && both.is_signed_with(new)?);

    let admin = app.program("admin").await?;
    let path = format!("/webhooks/{}/secret", endpoint.id);
    let last = call(&app, &admin.key, Method::POST, &path, Some(json!({ "overlapHours": 0 }))).await?;
    let last = last.data()?["secret"].as_str().ok_or("no secret")?.to_owned();
    app.server.cli(&["webhook", "test", &endpoint.id, "--json", "--hooks-allow-private", "all"]).await?;
    let test = receiver.hears("webhook.test").await?;
    assert!(test.is_signed_with(&last)? && !test.is_signed_with(new)? && !test.is_signed_with(&endpoint.secret)?);
    Ok(())
}

async fn what_failed_is_sent_again_by_hand(backend: Backend) -> TestResult {
    let app = TestApp::selling(backend, reaching_us()).await?;
    let receiver = Receiver::start().await?;
    receiver.answer(500)?;
    let endpoint = app.register(&receiver.url(), &["--types", "license.issued"]).await?;
    app.sell("").await?;
    app.sell("").await?;
    let failed = eventually("both failed", async || {
        let listed = app.deliveries(&endpoint.id).await?;
        Ok((listed.len() == 2 && listed.iter().all(|hook| hook["status"] == 500)).then_some(listed))
    });
    let failed = failed.await?;
    assert!(failed.iter().all(|hook| hook["response"] == "noted" && hook["retryAt"].is_string()), "{failed:?}");
    app.server.cli(&["webhook", "disable", &endpoint.id, "--json"]).await?;
    let all = async |state: &'static str| {
        let what = format!("all are {state}");
        eventually(&what, async || {
            let listed = app.deliveries(&endpoint.id).await?;
            Ok(listed.iter().all(|hook| hook["state"] == state).then_some(()))
        })
        .await
    };
    receiver.answer(200)?;
    app.server.cli(&["webhook", "enable", &endpoint.id, "--json"]).await?;
    let since = failed[1]["requestedAt"].as_str().ok_or("no time")?;
    let again = ["webhook", "redeliver", "--webhook", &endpoint.id, "--since", since, "--json"];
    app.server.cli(&again).await?;
    all("delivered").await?;
    let before = receiver.got().len();
    let id = failed[0]["id"].as_str().ok_or("no id")?;
    let admin = app.program("admin").await?;
    let path = format!("/webhooks/{}/deliveries/{id}/redeliver", endpoint.id);
    assert_eq!(call(&app, &admin.key, Method::POST, &path, None).await?.data()?["state"], "pending");
    let last = eventually("it arrives once more", async || Ok(receiver.got().into_iter().nth(before))).await?;
    assert_eq!(last.id(), id);
    assert!(last.is_signed_with(&endpoint.secret)?);
    Ok(())
}

async fn mistakes_are_told_by_name(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let admin = app.program("admin").await?;
    for (body, status, detail) in [
        (json!({ "url": "example.com" }), 400, "no URL"),
        (json!({ "url": "ftp://example.com" }), 400, "ftp:"),
        (json!({ "url": "https://me:hunter2@example.com" }), 400, "password"),
        (json!({ "url": "https://example.com", "types": ["licence.issued"] }), 400, "licence.issued"),
        (json!({ "url": "https://example.com", "secret": "whsec_short" }), 400, "secret"),
        (json!({ "url": "https://example.com", "colour": "red" }), 400, "colour"),
        (json!({}), 400, "url"),
    ] {
        let refused = call(&app, &admin.key, Method::POST, "/webhooks", Some(body.clone())).await?;
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        assert!(
            refused.details().contains(detail) && !refused.details().contains("hunter2"),
            "{body}: {}",
            refused.details()
        );
    }
    for path in ["/webhooks/no-uuid", "/webhooks/no-uuid/deliveries"] {
        assert_eq!(call(&app, &admin.key, Method::GET, path, None).await?.status, 400, "{path}");
    }
    let unknown = uuid::Uuid::new_v4();
    for path in [format!("/webhooks/{unknown}"), format!("/webhooks/{unknown}/deliveries")] {
        assert_eq!(call(&app, &admin.key, Method::GET, &path, None).await?.status, 404, "{path}");
    }
    let output = app.server.cli_output(&["webhook", "show", &unknown.to_string()], None).await?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("keyledger webhook list"));
    for n in 0..20 {
        app.register(&format!("https://example.com/{n}"), &[]).await?;
    }
    let many = call(&app, &admin.key, Method::POST, "/webhooks", Some(json!({ "url": "https://example.com" }))).await?;
    assert_eq!((many.status, many.code()), (409, "CONFLICT"));
    Ok(())
}

async fn settings_are_read_and_changed(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let admin = app.program("admin").await?;
    let settings = call(&app, &admin.key, Method::GET, "/settings", None).await?;
    let expected = json!({
        "name": "Example Software", "mailMessage": null, "mailImageUrl": null, "renewalGraceSeconds": 10_800, "ownerEmail": null,
        "reminderDays": 7, "reminderMail": true,
    });
    assert_eq!(settings.data()?, &expected);
    let change = json!({ "ownerEmail": "owner@example.com", "reminderDays": 0, "reminderMail": false, "name": "Acme" });
    let changed = call(&app, &admin.key, Method::PATCH, "/settings", Some(change)).await?;
    assert_eq!(
        (&changed.data()?["ownerEmail"], &changed.data()?["name"]),
        (&json!("owner@example.com"), &json!("Acme"))
    );
    assert_eq!((&changed.data()?["reminderDays"], &changed.data()?["reminderMail"]), (&json!(0), &json!(false)));
    let update = ["team", "update", "--team", &app.team, "--reminder-days", "14", "--reminder-mail", "true", "--json"];
    let updated = app.server.cli(&update).await?;
    assert_eq!((&updated["reminderDays"], &updated["ownerEmail"]), (&json!(14), &json!("owner@example.com")));
    app.server.cli(&["team", "update", "--team", &app.team, "--owner-email", "", "--json"]).await?;
    let settings = call(&app, &admin.key, Method::GET, "/settings", None).await?;
    assert!(settings.data()?["ownerEmail"].is_null());
    for bad in [json!({ "ownerEmail": "nobody" }), json!({ "reminderDays": 366 }), json!({ "reminderDays": -1 })] {
        assert_eq!(call(&app, &admin.key, Method::PATCH, "/settings", Some(bad.clone())).await?.status, 400, "{bad}");
    }
    let ledger = serde_json::to_string(&app.events().await?)?;
    assert!(!ledger.contains("owner@example.com"), "the owner's address is in the ledger in the clear");
    Ok(())
}
