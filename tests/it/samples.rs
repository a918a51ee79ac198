//! Real deliveries of many API versions, where a folder of them is at hand (`KEYLEDGER_SAMPLES`; none is committed).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::app::STRIPE_SECRET;
use crate::support::{Backend, Error, TestApp, TestResult, now, on_both_stores, sign};

on_both_stores!(every_sample_is_accepted_and_concluded);

/// Ids and bytes of events, by the folder that they lie in: ids repeat between folders.
type Samples = BTreeMap<PathBuf, Vec<(String, Vec<u8>)>>;

/// Every event under `folder`.
fn events(folder: &Path, found: &mut Samples) -> TestResult {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            events(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "json") {
            let bytes = std::fs::read(&path)?;
            let event: Value = serde_json::from_slice(&bytes)?;
            if let ("event", Some(id)) = (event["object"].as_str().unwrap_or_default(), event["id"].as_str()) {
                found.entry(folder.to_owned()).or_default().push((id.to_owned(), bytes));
            }
        }
    }
    Ok(())
}

fn samples() -> Result<Samples, Error> {
    let mut found = BTreeMap::new();
    if let Some(folder) = std::env::var_os("KEYLEDGER_SAMPLES") {
        events(Path::new(&folder), &mut found)?;
        assert!(!found.is_empty(), "KEYLEDGER_SAMPLES names a folder without events");
    }
    Ok(found)
}

async fn every_sample_is_accepted_and_concluded(backend: Backend) -> TestResult {
    for (folder, events) in samples()? {
        let app = TestApp::with_stripe(backend).await?;
        for (id, body) in &events {
            let signature = sign::stripe(&[STRIPE_SECRET], now(), body)?;
            let answer = app.post(&app.stripe_path(), &[("stripe-signature", &signature)], body.clone()).await?;
            assert_eq!(answer.status, 200, "{id} of {}: {answer:?}", folder.display());
            assert_eq!(&answer.body["eventId"], id);
        }
        app.settle().await?;
        for (id, _) in &events {
            let entry = app.entry(id).await?;
            let concluded = ["applied", "ignored", "rejected"].contains(&entry.outcome.as_str());
            assert!(concluded, "{id} of {}: {entry:?}", folder.display());
            assert!(entry.outcome == "applied" || !entry.reason.is_empty(), "{id}: {entry:?}");
        }
        assert_eq!(app.stripe.writes(), []);
    }
    Ok(())
}
