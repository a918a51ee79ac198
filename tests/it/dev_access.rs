//! Who may use the developer API, and what everybody else is told.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::Answer;
use crate::support::{Backend, TestApp, TestResult, on_both_stores, unix};

on_both_stores!(
    a_key_opens_its_own_team_and_nothing_else,
    scopes_expiry_and_revocation_are_honoured,
    every_answer_is_in_the_envelope,
);

async fn a_key_opens_its_own_team_and_nothing_else(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (id, key) = app.sell("").await?;
    let ours = app.program("developer").await?;
    assert_eq!(ours.get("/licenses").await?.status, 200);
    let other = app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let other = other["id"].as_str().ok_or("no id")?;
    let theirs = app.server.cli(&["apikey", "create", "--team", other, "--scope", "admin", "--json"]).await?;
    let theirs = theirs["key"].as_str().ok_or("no key")?;
    // Their key at our address, and our ids at their address.
    let url = app.server.url(&format!("/api/v1/dev/teams/{}/licenses", app.team));
    let stranger = Answer::of(app.http.get(url).bearer_auth(theirs).send().await?).await?;
    assert_eq!((stranger.status, stranger.code()), (401, "UNAUTHORIZED"));
    for path in [format!("/licenses/id/{id}"), format!("/licenses/{key}"), format!("/licenses/id/{id}/hwid")] {
        let url = app.server.url(&format!("/api/v1/dev/teams/{other}{path}"));
        let found = Answer::of(app.http.get(url).bearer_auth(theirs).send().await?).await?;
        assert_eq!((found.status, found.code()), (404, "LICENSE_NOT_FOUND"), "{path}");
    }
    assert_eq!(ours.at(other).get("/licenses").await?.status, 401);
    assert_eq!(ours.at(&uuid::Uuid::new_v4().to_string()).get("/licenses").await?.status, 401);
    assert_eq!(ours.at("no-uuid").get("/licenses").await?.code(), "BAD_REQUEST");
    for header in [None, Some("Basic abc"), Some("Bearer kl_wrong"), Some("Bearer")] {
        let mut request = app.http.get(app.server.url(&format!("/api/v1/dev/teams/{}/licenses", app.team)));
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let answer = Answer::of(request.send().await?).await?;
        assert_eq!((answer.status, answer.code()), (401, "UNAUTHORIZED"), "{header:?}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    assert!(!app.server.log().contains(&ours.key), "a key is never logged");
    Ok(())
}

async fn scopes_expiry_and_revocation_are_honoured(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let auditor = app.program("auditor").await?;
    let (id, key) = app.sell("").await?;
    let developer = app.program("developer").await?;
    let buyer = json!({ "email": "zoe@example.com", "fullName": "Zoe Example" });
    let customer = developer.post("/customers", &buyer).await?.id()?;
    app.verify_from(&key, "a-device-of-mine").await?;
    // What stands sealed in the ledger is null for auditors.
    for path in [
        "/licenses".to_owned(),
        format!("/licenses/id/{id}"),
        format!("/licenses/{key}"),
        format!("/licenses/id/{id}/hwid"),
        format!("/licenses/id/{id}/ip-address"),
        "/customers".to_owned(),
        format!("/customers/{customer}"),
    ] {
        let (sealed, open) = (auditor.get(&path).await?, developer.get(&path).await?);
        assert_eq!((sealed.status, open.status), (200, 200), "{path}");
        let (sealed, open) = (sealed.body["data"].to_string(), open.body["data"].to_string());
        let shown = [key.as_str(), "zoe@example.com", "Zoe Example", "a-device-of-mine", "127.0.0.1"];
        assert!(!shown.iter().any(|text| sealed.contains(text)), "{path}: {sealed}");
        assert!(shown.iter().any(|text| open.contains(text)), "{path}: {open}");
    }
    let refused = auditor.post("/products", &json!({ "name": "X" })).await?;
    assert_eq!((refused.status, refused.code()), (403, "FORBIDDEN"));
    let admin = app.program("admin").await?;
    assert_eq!(admin.post("/products", &json!({ "name": "X" })).await?.status, 201);

    let list = ["apikey", "list", "--team", &app.team, "--json"];
    let listed = app.server.cli(&list).await?;
    assert_eq!(listed.as_array().map(Vec::len), Some(3));
    assert!(!listed.to_string().contains(&admin.key));
    app.server.cli(&["apikey", "revoke", &admin.key_id, "--team", &app.team, "--json"]).await?;
    // The revocation was another process's, and counts at once.
    assert_eq!(admin.get("/licenses").await?.status, 401);
    let again = app.server.cli_output(&["apikey", "revoke", &admin.key_id, "--team", &app.team], None).await?;
    assert!(again.status.success(), "revoking twice is fine");
    Ok(())
}

async fn every_answer_is_in_the_envelope(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let program = app.program("developer").await?;
    let bad = json!({ "name": "X", "colour": "red" });
    for (method, path, body, status, code, details) in [
        (Method::GET, "/nowhere", None, 404, "NOT_FOUND", "/nowhere"),
        (Method::PATCH, "/licenses", None, 405, "METHOD_NOT_ALLOWED", "PATCH"),
        (Method::POST, "/products", Some(&bad), 400, "BAD_REQUEST", "colour"),
        (Method::GET, "/licenses?pageSize=7", None, 400, "BAD_REQUEST", "pageSize"),
        (Method::GET, "/licenses?productIds=x", None, 400, "BAD_REQUEST", "productIds"),
        (Method::GET, "/licenses/id/x", None, 400, "BAD_REQUEST", "licenseId"),
        (Method::GET, "/licenses/not-a-key", None, 400, "BAD_REQUEST", "licenseKey"),
    ] {
        let answer = program.call(method, path, body).await?;
        assert_eq!((answer.status, answer.code()), (status, code), "{path}: {answer:?}");
        assert!(answer.details().contains(details), "{path}: {}", answer.details());
        assert_eq!((&answer.body["data"], &answer.body["result"]["valid"]), (&Value::Null, &json!(false)));
        unix(&answer.body["result"]["timestamp"])?;
    }
    Ok(())
}
