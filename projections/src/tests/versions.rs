//! What earlier releases wrote is replayed by this one: every payload of the golden files, in every version there ever
//! was, goes through every view.

use std::path::Path;

use keyledger_events::event::DecodeError;
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, StreamId, TeamId, id};

use super::home::Home;
use super::{TestResult, stories};
use crate::bookkeeping::BuildStatus;
use crate::view;

stories!(every_version_that_was_ever_written_is_replayed);

/// A stored payload: type, version, bytes.
struct Stored {
    name: String,
    version: u16,
    payload: Vec<u8>,
}

/// The golden files, those first that a stream begins with.
fn golden() -> TestResult<Vec<Stored>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/golden");
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some((name, version)) = file.strip_suffix(".json").and_then(|name| name.split_once(".v")) {
            found.push(Stored { name: name.to_owned(), version: version.parse()?, payload: std::fs::read(&path)? });
        }
    }
    let begins = |name: &str| ["Registered", "Received", "Issued", "Requested"].iter().any(|end| name.ends_with(end));
    found.sort_by_key(|stored| (!begins(&stored.name), stored.name.clone(), stored.version));
    Ok(found)
}

/// The kind of stream that events of a type are in.
fn kind(name: &str) -> StreamKind {
    let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    match name {
        "PaymentLinked" => StreamKind::Payment,
        "PurchaseRecorded"
        | "PaymentFailed"
        | "PeriodPaid"
        | "SubscriptionObserved"
        | "SubscriptionCeased"
        | "RefundRecorded"
        | "DisputeRecorded"
        | "RemovalRecorded" => StreamKind::Purchase,
        _ if begins(&["Team", "ApiKey", "Verification", "Blacklist"]) => StreamKind::Team,
        _ if begins(&["Product"]) => StreamKind::Product,
        _ if begins(&["Integration", "Secret"]) => StreamKind::Integration,
        _ if begins(&["Customer"]) => StreamKind::Customer,
        _ if begins(&["ProviderEvent"]) => StreamKind::Inbox,
        _ if begins(&["Mail"]) => StreamKind::Delivery,
        _ => StreamKind::License,
    }
}

async fn every_version_that_was_ever_written_is_replayed(home: &Home) -> TestResult {
    let (team, runner) = (TeamId(id::fresh()), home.runner());
    let stored = golden()?;
    assert!(stored.len() >= Event::TYPES.len(), "only {} golden files", stored.len());
    let mut streams = std::collections::HashMap::new();
    for Stored { name, version, payload } in &stored {
        let kind = kind(name);
        let id = if kind == StreamKind::Team { team.0 } else { id::fresh() };
        let stream = *streams.entry(kind).or_insert_with(|| StreamId::new(kind, id));
        home.append_stored(team, stream, (name, *version), payload.clone()).await?;
    }
    home.catch_up(&runner).await?;
    for report in runner.list().await? {
        assert_eq!((report.status, report.fault), (BuildStatus::Live, None), "{}", report.name);
    }
    // The views know what these events are about, and say the same when they are computed afresh.
    let views = home.views.team(team);
    let license = streams.get(&StreamKind::License).ok_or("no licence")?;
    assert!(views.license(license.id).await?.is_some_and(|license| license.version > 10));
    assert!(views.config().await?.is_some_and(|team| !team.api_keys.is_empty()));
    let inbox = streams.get(&StreamKind::Inbox).ok_or("no provider event")?;
    assert!(views.inbox_entry(inbox.id).await?.is_some());
    for name in view::ALL {
        let verified = runner.verify(name, |_| {}).await?;
        assert!(verified.matches(), "{name}");
    }
    // A version that is yet to come stops the views instead of being misread.
    let newest = Event::TYPES.iter().find(|(name, _)| *name == "LicenseSuspended").ok_or("no such type")?;
    let (name, next) = (newest.0, newest.1 + 1);
    let unknown = Event::decode(name, next, b"{}");
    assert!(matches!(unknown, Err(DecodeError::UnknownVersion { .. })), "{unknown:?}");
    Ok(())
}
