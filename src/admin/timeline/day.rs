//! A day: what was recorded on it, which lies in the ledger one after the other, and what happened on it but was recorded
//! on another, which the view knows.

use keyledger_events::{Position, RecordedEvent, TeamId};
use keyledger_projections::Day;

use crate::admin::AdminError;
use crate::admin::events::{EventFilter, Reader};
use crate::app::App;

/// The events behind `after`, in order of position, at most `wanted`.
pub(super) async fn events(
    app: &App,
    team: TeamId,
    day: Day,
    after: Position,
    wanted: usize,
) -> Result<Vec<RecordedEvent>, AdminError> {
    let limit = u32::try_from(wanted).unwrap_or(u32::MAX);
    let elsewhere = app.views.team(team).told_another_day(day, day.next(), after, limit).await?;
    let mut events = app.ledger.read_at(&elsewhere).await?;
    let first = app.ledger.last_before(day.begin()).await?.max(after).next();
    let last = app.ledger.last_before(day.next().begin()).await?;
    let filter = EventFilter { team: Some(team), ..EventFilter::default() };
    let mut reader = Reader::new(app.ledger.clone(), filter, first);
    let before = events.len();
    while events.len() < before + wanted
        && let Some(event) = reader.next(last).await?
    {
        events.push(event);
    }
    events.sort_by_key(|event| event.position);
    events.truncate(wanted);
    Ok(events)
}
