//! An auditor reads a team's history event by event: filtered, in pages, and nobody else's.

use serde_json::Value;

use crate::support::app::id;
use crate::support::story::told;
use crate::support::{Backend, TestApp, TestResult, on_both_stores};

on_both_stores!(history_is_filtered_and_paged);

async fn history_is_filtered_and_paged(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let story = told(&app).await?;
    // Another team's events lie in between, and are none of ours.
    app.server.cli(&["team", "create", "Somebody Else", "--json"]).await?;
    let auditor = app.auditor("auditor").await?;
    let all = app.server.cli(&["events", "list", "--team", &app.team, "--json"]).await?;
    let all = all.as_array().ok_or("no array")?;
    for limit in [1000, 7] {
        assert_eq!(&auditor.all("/events", "events", limit).await?, all, "in pages of {limit}");
    }
    let license = id(&story.license)?;
    let of_license: Vec<Value> =
        all.iter().filter(|event| event["stream"] == format!("license-{license}")).cloned().collect();
    assert!(of_license.len() >= 3);
    assert_eq!(auditor.all(&format!("/events?license={license}"), "events", 2).await?, of_license);
    assert_eq!(auditor.all(&format!("/events?stream=license-{license}"), "events", 2).await?, of_license);
    let two = auditor.all("/events?type=LicenseIssued,SubscriptionRenewed", "events", 10).await?;
    assert_eq!(two.len(), 2);
    let middle = &all[all.len() / 2];
    let time = middle["recordedAt"].as_str().ok_or("no time")?;
    let (before, from) = (
        auditor.all(&format!("/events?until={time}"), "events", 50).await?,
        auditor.all(&format!("/events?from={time}"), "events", 50).await?,
    );
    assert_eq!([before.clone(), from.clone()].concat(), *all);
    assert!(before.iter().all(|event| event["recordedAt"] != middle["recordedAt"]) && from.contains(middle));

    let one = auditor.data(&format!("/events/{}", middle["position"])).await?;
    for field in ["position", "type", "stream", "data", "occurredAt", "recordedAt", "actor", "leafHash"] {
        assert_eq!(one[field], middle[field], "{field}");
    }
    assert!(one["what"].is_string() && one["who"].is_string());
    let theirs = app.events().await?;
    let theirs = theirs.iter().find(|event| event["teamId"] != app.team).ok_or("nobody else")?;
    for (path, status) in [
        (format!("/events/{}", theirs["position"]), 404),
        ("/events/999999".to_owned(), 404),
        ("/events/x".to_owned(), 400),
        ("/events?colour=red".to_owned(), 400),
        ("/events?limit=0".to_owned(), 400),
        ("/events?from=yesterday".to_owned(), 400),
        (format!("/events?license={license}&stream=license-{license}"), 400),
        ("/timeline".to_owned(), 400),
        (format!("/timeline?license={license}&day=2026-01-01"), 400),
        ("/timeline?day=2026-02-30".to_owned(), 400),
        (format!("/timeline?license={}", app.team), 404),
        (format!("/timeline?customer={}", app.team), 404),
        ("/timeline?providerEvent=evt_nobody".to_owned(), 404),
    ] {
        assert_eq!(auditor.get(&path).await?.status, status, "{path}");
    }
    Ok(())
}
