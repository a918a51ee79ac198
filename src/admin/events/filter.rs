//! Reading the ledger in order, page by page.

use std::collections::VecDeque;

use keyledger_events::store::PAGE_EVENTS_MAX;
use keyledger_events::{Event, LedgerError, Position, RecordedEvent, SharedLedger, StreamId, TeamId};

use crate::admin::teams;
use crate::app::App;

/// Which events are wanted. The default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Those of one team.
    pub team: Option<TeamId>,
    /// Those of one stream.
    pub stream: Option<StreamId>,
    /// Those of these types; an empty list is no condition.
    pub types: Vec<String>,
}

/// A name that is no event type's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no type of event `{0}`; `keyledger events list` shows those that there are")]
pub struct UnknownType(pub String);

/// The name of an event type, as it was given.
///
/// # Errors
/// When it is none.
pub fn known_type(name: &str) -> Result<String, UnknownType> {
    match Event::TYPES.iter().any(|(known, _)| *known == name) {
        true => Ok(name.to_owned()),
        false => Err(UnknownType(name.to_owned())),
    }
}

impl EventFilter {
    fn takes(&self, event: &RecordedEvent) -> bool {
        self.team.is_none_or(|team| event.team == team)
            && self.stream.is_none_or(|stream| event.stream == stream)
            && (self.types.is_empty() || self.types.contains(&event.event_type))
    }
}

/// Where a reader's pages come from.
enum Source {
    /// The whole ledger, of which the filter takes what is wanted.
    Ledger,
    /// Some streams and nothing else.
    Streams(Vec<(TeamId, Vec<StreamId>)>),
}

/// Reads events one after the other, a page of them in memory at a time.
pub struct Reader {
    ledger: SharedLedger,
    source: Source,
    filter: EventFilter,
    after: Position,
    page: VecDeque<RecordedEvent>,
    scanned: u64,
}

impl Reader {
    /// Begins with the event at `from`.
    pub fn new(ledger: SharedLedger, filter: EventFilter, from: Position) -> Self {
        Self::of(ledger, Source::Ledger, filter, from)
    }

    /// As [`Reader::new`], for events of these streams and no others.
    pub fn of_streams(
        ledger: SharedLedger,
        streams: Vec<(TeamId, Vec<StreamId>)>,
        filter: EventFilter,
        from: Position,
    ) -> Self {
        Self::of(ledger, Source::Streams(streams), filter, from)
    }

    fn of(ledger: SharedLedger, source: Source, filter: EventFilter, from: Position) -> Self {
        Self { ledger, source, filter, after: from.previous(), page: VecDeque::new(), scanned: 0 }
    }

    /// As [`Reader::new`], for what is in the ledger now: of a single stream only that stream is read. Which teams
    /// may have it is for the views to say; while they cannot, the whole ledger is read.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn up_to_now(app: &App, filter: EventFilter, from: Position) -> Result<Self, LedgerError> {
        let teams = match filter.team {
            Some(team) => Ok(vec![team]),
            None => teams::ids(app, None).await,
        };
        Ok(match (filter.stream, teams) {
            (Some(stream), Ok(teams)) => {
                let streams = teams.into_iter().map(|team| (team, vec![stream])).collect();
                Self::of_streams(app.ledger.clone(), streams, filter, from)
            }
            _ => Self::new(app.ledger.clone(), filter, from),
        })
    }

    /// The position of the last event that was looked at, wanted or not.
    pub fn position(&self) -> Position {
        self.after
    }

    /// How many events were looked at so far.
    pub fn scanned(&self) -> u64 {
        self.scanned
    }

    /// The next event that is wanted, up to the one at `to`; `None` when there is none (yet).
    ///
    /// # Errors
    /// When the ledger does not answer, or an event was changed.
    pub async fn next(&mut self, to: Position) -> Result<Option<RecordedEvent>, LedgerError> {
        while let Some(event) = self.step(to).await? {
            if self.filter.takes(&event) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The next event, wanted or not, up to the one at `to`.
    ///
    /// # Errors
    /// When the ledger does not answer, or an event was changed.
    pub async fn step(&mut self, to: Position) -> Result<Option<RecordedEvent>, LedgerError> {
        if self.after >= to {
            return Ok(None);
        }
        if self.page.is_empty() {
            self.page = self.read().await?;
        }
        let Some(event) = self.page.pop_front() else { return Ok(None) };
        if event.position > to {
            self.page.push_front(event);
            return Ok(None);
        }
        self.after = event.position;
        self.scanned += 1;
        Ok(Some(event))
    }

    /// Whether the filter takes an event that [`Reader::step`] gave.
    pub fn wants(&self, event: &RecordedEvent) -> bool {
        self.filter.takes(event)
    }

    async fn read(&self) -> Result<VecDeque<RecordedEvent>, LedgerError> {
        let streams = match &self.source {
            Source::Ledger => return Ok(self.ledger.read_checked(self.after, PAGE_EVENTS_MAX).await?.into()),
            Source::Streams(streams) => streams,
        };
        let mut page = Vec::new();
        for (team, streams) in streams {
            page.extend(self.ledger.read_streams_after(*team, streams, self.after, PAGE_EVENTS_MAX).await?);
        }
        page.sort_by_key(|event| event.position);
        // What lies behind a page's end may be missing from another team's page.
        page.truncate(usize::try_from(PAGE_EVENTS_MAX).unwrap_or(usize::MAX));
        Ok(page.into())
    }
}
