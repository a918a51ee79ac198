//! Waiting for what a delivery brings about, by looking at the ledger; never for longer than it may take.

use std::time::Duration;

use anyhow::bail;
use keyledger_events::event::delivery::MailRequested;
use keyledger_events::store::PAGE_EVENTS_MAX;
use keyledger_events::{Event, Position, RecordedEvent, StreamId, TeamId};

use crate::app::App;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The ledger's end.
pub(super) async fn head(app: &App) -> anyhow::Result<Position> {
    Ok(app.ledger.head().await?.position)
}

/// The team's events after a position, up to the first that is what is waited for.
pub(super) async fn events_until(
    app: &App,
    team: TeamId,
    after: Position,
    what: &str,
    there: impl Fn(&RecordedEvent) -> bool,
) -> anyhow::Result<Vec<RecordedEvent>> {
    let begun = tokio::time::Instant::now();
    loop {
        let mut events = app.ledger.read(after, PAGE_EVENTS_MAX).await?;
        events.retain(|event| event.team == team);
        if let Some(last) = events.iter().position(&there) {
            events.truncate(last + 1);
            return Ok(events);
        }
        if begun.elapsed() > PATIENCE {
            bail!("{what} did not happen within {} s; see `keyledger inbox list`", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whether the event concludes a delivery.
pub(super) fn concludes(event: &RecordedEvent) -> bool {
    matches!(event.event_type.as_str(), "ProviderEventApplied" | "ProviderEventIgnored" | "ProviderEventRejected")
}

/// The licences that the events issued.
pub(super) fn issued(events: &[RecordedEvent]) -> impl Iterator<Item = StreamId> {
    events.iter().filter(|event| event.event_type == "LicenseIssued").map(|event| event.stream)
}

/// The mail that the events ask for.
pub(super) fn mail(events: &[RecordedEvent]) -> anyhow::Result<Option<(RecordedEvent, MailRequested)>> {
    for recorded in events {
        if let Event::MailRequested(mail) = recorded.decode()? {
            return Ok(Some((recorded.clone(), mail)));
        }
    }
    Ok(None)
}
