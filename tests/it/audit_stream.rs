//! An auditor's program follows the ledger as it grows: nothing is lost and nothing comes twice, whatever breaks.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::app::id;
use crate::support::audit::{Auditor, Message, Messages};
use crate::support::compose::polymart;
use crate::support::{Backend, Error, TestApp, TestResult, on_both_stores};

on_both_stores!(
    a_stream_that_is_resumed_loses_nothing_and_repeats_nothing,
    a_stream_tells_what_is_asked_for,
    a_stream_ends_with_its_key,
    streams_are_limited_and_end_with_the_server,
);

/// Purchases that come in while an auditor reads.
const PURCHASES: u64 = 24;

async fn open(auditor: &Auditor<'_>, query: &str, last: Option<i64>) -> Result<Messages, Error> {
    auditor.stream(query, last).await?.map_err(|answer| format!("no stream: {answer:?}").into())
}

async fn a_stream_that_is_resumed_loses_nothing_and_repeats_nothing(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let auditor = app.auditor("auditor").await?;
    let before = app.events().await?.len();
    let deliver = async {
        for buyer in 0..PURCHASES {
            let answer = app.post_polymart(&polymart::purchase(polymart::user(), buyer), &app.product_query()).await?;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        Ok::<_, Error>(())
    };
    // A purchase is at least three events: received, issued, applied.
    let wanted = usize::try_from(PURCHASES)? * 3;
    let read = async {
        let (mut seen, mut last) = (Vec::new(), i64::try_from(before)?);
        let mut connections = 0;
        while seen.len() < wanted {
            connections += 1;
            let mut messages = open(&auditor, "", Some(last)).await?;
            // Breaks off after a few, in the middle of what comes.
            for _ in 0..=(connections % 5) {
                let Some((id, event)) = messages.event().await? else { break };
                assert_eq!(event["position"], id, "the id is the position");
                last = id;
                seen.push(event);
            }
        }
        assert!(connections > 10, "only {connections} connections");
        Ok::<_, Error>((seen, last))
    };
    let (delivered, read) = tokio::join!(deliver, read);
    delivered?;
    let (mut seen, last) = read?;
    app.settle().await?;
    let all = app.server.cli(&["events", "list", "--team", &app.team, "--json"]).await?;
    let expected: Vec<Value> = all
        .as_array()
        .into_iter()
        .flatten()
        .filter(|event| event["position"].as_u64() > Some(before as u64))
        .cloned()
        .collect();
    let mut rest = open(&auditor, "", Some(last)).await?;
    while seen.len() < expected.len() {
        seen.push(rest.event().await?.ok_or("the stream has ended")?.1);
    }
    assert_eq!(seen, expected, "what the ledger has, event by event");
    assert!(rest.is_silent(Duration::from_millis(300)).await);
    Ok(())
}

async fn a_stream_tells_what_is_asked_for(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let auditor = app.auditor("auditor").await?;
    let user = polymart::user();
    app.deliver_polymart(&polymart::purchase(user, 1)).await?;
    let license = id(&app.license().await?)?;
    // Without a place to begin with, it is what happens from now on.
    let mut now = open(&auditor, "", None).await?;
    assert!(matches!(now.next().await?, Some(Message::Comment(_))), "the answer begins at once");
    let mut whole = open(&auditor, "?after=0", None).await?;
    let mut of_license = open(&auditor, &format!("?after=0&license={license}"), None).await?;
    let mut issues = open(&auditor, "?after=0&type=LicenseIssued", None).await?;
    app.deliver_polymart(&polymart::purchase(polymart::user(), 2)).await?;
    assert_eq!(now.event().await?.map(|(_, event)| event["type"].clone()), Some(json!("ProviderEventReceived")));
    assert_eq!(whole.event().await?.map(|(id, event)| (id, event["type"].clone())), Some((1, json!("TeamRegistered"))));
    let (_, event) = of_license.event().await?.ok_or("ended")?;
    assert_eq!((&event["type"], &event["stream"]), (&json!("LicenseIssued"), &json!(format!("license-{license}"))));
    assert!(event["data"]["key"]["sealed"].is_string(), "{event}");
    assert!(of_license.is_silent(Duration::from_millis(300)).await);
    for _ in 0..2 {
        assert_eq!(issues.event().await?.map(|(_, event)| event["type"].clone()), Some(json!("LicenseIssued")));
    }
    // A silent stream says that it is alive.
    let begun = Instant::now();
    let alive = of_license.next().await?;
    assert!(matches!(&alive, Some(Message::Comment(text)) if text == "alive"), "{alive:?}");
    assert!(begun.elapsed() < Duration::from_secs(12));

    let beyond = i64::try_from(app.events().await?.len())? + 9;
    for (query, last) in [("?after=x", None), ("?colour=red", None), ("?stream=nonsense", None), ("", Some(beyond))] {
        let refused = auditor.stream(query, last).await?.err().ok_or(format!("{query} {last:?} was taken"))?;
        assert_eq!((refused.status, refused.code()), (400, "BAD_REQUEST"), "{query} {last:?}");
    }
    Ok(())
}

async fn a_stream_ends_with_its_key(backend: Backend) -> TestResult {
    let app = TestApp::with_polymart(backend).await?;
    let (revoked, kept) = (app.auditor("auditor").await?, app.auditor("admin").await?);
    let (mut ending, mut going_on) = (open(&revoked, "?type=LicenseIssued", None).await?, open(&kept, "", None).await?);
    app.server.cli(&["apikey", "revoke", &revoked.key_id, "--team", &app.team, "--json"]).await?;
    assert_eq!(ending.event().await?, None, "revoked by another process, and over");
    assert_eq!(going_on.event().await?.map(|(_, event)| event["type"].clone()), Some(json!("ApiKeyRevoked")));
    let again = revoked.stream("", None).await?.err().ok_or("a revoked key opened a stream")?;
    assert_eq!(again.status, 401);
    Ok(())
}

async fn streams_are_limited_and_end_with_the_server(backend: Backend) -> TestResult {
    let mut app = TestApp::with_polymart(backend).await?;
    let key = {
        let auditor = app.auditor("auditor").await?;
        let mut open_streams = Vec::new();
        let refused = loop {
            match auditor.stream("", None).await? {
                Ok(messages) => open_streams.push(messages),
                Err(answer) => break answer,
            }
            assert!(open_streams.len() < 1_000, "there is no limit");
        };
        assert_eq!((refused.status, refused.code(), open_streams.len()), (429, "TOO_MANY_STREAMS", 64));
        // A place is free as soon as its client has gone.
        open_streams.pop();
        crate::support::eventually("a place is free", async || Ok(auditor.stream("", None).await?.ok())).await?;
        auditor.key.clone()
    };
    let url = app.server.url(&format!("/api/v1/audit/teams/{}/events/stream", app.team));
    let mut response = app.http.get(url).bearer_auth(key).send().await?;
    assert_eq!(response.status(), 200);
    assert!(response.chunk().await?.is_some(), "it is open");
    let begun = Instant::now();
    assert!(app.server.terminate().await?.success());
    assert!(begun.elapsed() < Duration::from_secs(10), "an open stream does not hold up the end");
    assert_eq!(response.chunk().await?, None, "and ends in order");
    Ok(())
}
