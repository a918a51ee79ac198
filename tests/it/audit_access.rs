//! Who may read a team's history, and that reading is all that an auditor's key does.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::Answer;
use crate::support::{Backend, TestApp, TestResult, in_project, on_both_stores};

on_both_stores!(an_auditor_s_key_changes_nothing, history_is_the_team_s_own);

/// The routes that are read with a key, as the description has them, with this team in them.
fn described(team: &str, license: &str) -> Result<Vec<(Method, String)>, crate::support::Error> {
    let document: Value = serde_json::from_slice(&std::fs::read(in_project("docs/openapi.json"))?)?;
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let with_key = operation["security"].as_array().is_some_and(|all| !all.is_empty());
            if !with_key {
                continue;
            }
            let path = path.replace("{teamId}", team).replace("{licenseId}", license).replace("{position}", "1");
            let path = path.replace("{licenseKey}", "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA");
            // Whatever else stands in a path is an id.
            let parts = path.split('/').map(|part| if part.starts_with('{') { license } else { part });
            routes.push((method.to_uppercase().parse()?, parts.collect::<Vec<_>>().join("/")));
        }
    }
    Ok(routes)
}

async fn an_auditor_s_key_changes_nothing(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (license, _) = app.sell("hwidLimit=1").await?;
    let auditor = app.auditor("auditor").await?;
    let before = app.events().await?;
    let mut tried = 0;
    for (method, path) in described(&app.team, &license)? {
        if method == Method::GET {
            continue;
        }
        let body = json!({ "name": "X", "productIds": [] }).to_string();
        let request = app.http.request(method.clone(), app.server.url(&path)).bearer_auth(&auditor.key);
        let request = request.header("content-type", "application/json").body(body);
        let answer = Answer::of(request.send().await?).await?;
        assert_eq!((answer.status, answer.code()), (403, "FORBIDDEN"), "{method} {path}: {answer:?}");
        tried += 1;
    }
    assert!(tried >= 12, "only {tried} routes");
    // At the auditors' own routes there is nothing to change either.
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for path in ["/events", "/events/1", "/events/stream", "/timeline", "/reports/licenses"] {
            let url = app.server.url(&format!("/api/v1/audit/teams/{}{path}", app.team));
            let answer =
                Answer::of(app.http.request(method.clone(), url).bearer_auth(&auditor.key).send().await?).await?;
            assert_eq!(answer.status, 405, "{method} {path}");
        }
    }
    assert_eq!(app.events().await?, before, "the ledger has not grown");
    Ok(())
}

async fn history_is_the_team_s_own(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (license, _) = app.sell("").await?;
    let other = app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let other = other["id"].as_str().ok_or("no id")?;
    let theirs = app.server.cli(&["apikey", "create", "--team", other, "--scope", "auditor", "--json"]).await?;
    let theirs = theirs["key"].as_str().ok_or("no key")?;
    let (auditor, admin, developer) =
        (app.auditor("auditor").await?, app.auditor("admin").await?, app.auditor("developer").await?);
    let paths = [
        "/events".to_owned(),
        "/events/1".to_owned(),
        format!("/timeline?license={license}"),
        format!("/licenses/{license}"),
        format!("/licenses/{license}/diff?from=1&to=1"),
        "/reports/licenses".to_owned(),
        "/reports/purchases".to_owned(),
    ];
    for path in &paths {
        assert_eq!((auditor.get(path).await?.status, admin.get(path).await?.status), (200, 200), "{path}");
        let answer = developer.get(path).await?;
        assert_eq!((answer.status, answer.code()), (403, "FORBIDDEN"), "{path}");
        assert_eq!(auditor.at(other).get(path).await?.status, 401, "our key at their address: {path}");
        let url = app.server.url(&format!("/api/v1/audit/teams/{}{path}", app.team));
        let stranger = Answer::of(app.http.get(url).bearer_auth(theirs).send().await?).await?;
        assert_eq!((stranger.status, stranger.code()), (401, "UNAUTHORIZED"), "their key at our address: {path}");
    }
    let refused = developer.stream("", None).await?.err().ok_or("a developer's key opened a stream")?;
    assert_eq!(refused.status, 403);
    // Our licence at their address, with a key that is good there, is not there.
    for path in [format!("/licenses/{license}"), format!("/timeline?license={license}")] {
        let url = app.server.url(&format!("/api/v1/audit/teams/{other}{path}"));
        let found = Answer::of(app.http.get(url).bearer_auth(theirs).send().await?).await?;
        assert_eq!((found.status, found.code()), (404, "LICENSE_NOT_FOUND"), "{path}");
    }
    let url = app.server.url(&format!("/api/v1/audit/teams/{other}/events?limit=1000"));
    let seen = Answer::of(app.http.get(url).bearer_auth(theirs).send().await?).await?;
    let seen = seen.data()?["events"].as_array().ok_or("no events")?;
    assert!(!seen.is_empty() && seen.iter().all(|event| event["teamId"] == other), "{seen:?}");
    let answer = auditor.get("/nowhere").await?;
    assert_eq!((answer.status, answer.code()), (404, "NOT_FOUND"));
    Ok(())
}
