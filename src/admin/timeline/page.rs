//! A page of a timeline, in order of position.

use keyledger_events::{Position, RecordedEvent, StreamId, StreamKind, TeamId};
use keyledger_projections::{Subject, view};

use super::about::About;
use super::{Causes, Entry, day};
use crate::admin::AdminError;
use crate::app::App;

/// Entries of one page at most.
pub const ENTRIES_MAX: u32 = 500;

/// A part of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelinePage {
    /// What happened, in order of position.
    pub entries: Vec<Entry>,
    /// The position after which the next page begins; `None` when this is the last one.
    pub next_after: Option<Position>,
}

/// The entries behind `after`, at most `limit` (at most [`ENTRIES_MAX`]). `causes` remembers what was looked up for
/// earlier pages.
///
/// # Errors
/// When the ledger or the views do not answer.
pub async fn page(
    app: &App,
    causes: &mut Causes,
    team: TeamId,
    about: About,
    after: Position,
    limit: u32,
) -> Result<TimelinePage, AdminError> {
    let limit = usize::try_from(limit.clamp(1, ENTRIES_MAX)).unwrap_or(1);
    app.catch_up(&[view::TIMELINE]).await?;
    // One more than wanted tells whether there is a next page.
    let mut events = match about {
        About::Day(date) => day::events(app, team, date, after, limit + 1).await?,
        _ => of_streams(app, team, about, after, limit + 1).await?,
    };
    let more = events.len() > limit;
    events.truncate(limit);
    let next_after = events.last().filter(|_| more).map(|event| event.position);
    Ok(TimelinePage { entries: Entry::describe(app, causes, &events).await?, next_after })
}

/// The streams that a timeline is told from; none for a day, which is told from the ledger as a whole.
///
/// # Errors
/// When the views do not answer.
pub async fn streams(app: &App, team: TeamId, about: About) -> Result<Vec<StreamId>, AdminError> {
    let (own, subject) = match about {
        About::License(id) => (StreamId::new(StreamKind::License, id), Subject::License(id)),
        About::Customer(id) => (StreamId::new(StreamKind::Customer, id), Subject::Customer(id)),
        About::ProviderEvent(id) => (StreamId::new(StreamKind::Inbox, id), Subject::Cause(id)),
        About::Settings => (StreamId::new(StreamKind::Team, team.0), Subject::Settings(team)),
        About::Day(_) => return Ok(Vec::new()),
    };
    let mut streams = app.views.team(team).related_streams(subject).await?;
    streams.push(own);
    Ok(streams)
}

async fn of_streams(
    app: &App,
    team: TeamId,
    about: About,
    mut after: Position,
    wanted: usize,
) -> Result<Vec<RecordedEvent>, AdminError> {
    let streams = streams(app, team, about).await?;
    let limit = u32::try_from(wanted).unwrap_or(u32::MAX);
    let mut found = Vec::new();
    loop {
        let page = app.ledger.read_streams_after(team, &streams, after, limit).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.position;
        found.extend(page.into_iter().filter(|event| belongs(event, about)));
        if found.len() >= wanted {
            return Ok(found);
        }
    }
}

/// Whether an event of a related stream is about it. A provider event has touched a purchase, which has a history of
/// its own; a mail that it asked for is its doing to the end.
fn belongs(event: &RecordedEvent, about: About) -> bool {
    match about {
        About::ProviderEvent(id) => {
            let own = matches!(event.stream.kind, StreamKind::Inbox | StreamKind::Delivery);
            own || event.provenance.causation == Some(id)
        }
        _ => true,
    }
}
