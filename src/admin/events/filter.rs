//! Reading the ledger in order, page by page.

use std::collections::VecDeque;

use keyledger_events::store::PAGE_EVENTS_MAX;
use keyledger_events::{LedgerError, Position, RecordedEvent, SharedLedger, StreamId, TeamId};

use crate::admin::teams;
use crate::app::App;

/// Which events are wanted. The default is all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Those of one team.
    pub team: Option<TeamId>,
    /// Those of one stream.
    pub stream: Option<StreamId>,
}

impl EventFilter {
    fn takes(&self, event: &RecordedEvent) -> bool {
        self.team.is_none_or(|team| event.team == team) && self.stream.is_none_or(|stream| event.stream == stream)
    }
}

/// Reads events one after the other, a page of them in memory at a time.
pub struct Reader {
    ledger: SharedLedger,
    filter: EventFilter,
    after: Position,
    page: VecDeque<RecordedEvent>,
    /// Whether the page holds all there is.
    complete: bool,
}

impl Reader {
    /// Begins with the event at `from`.
    pub fn new(ledger: SharedLedger, filter: EventFilter, from: Position) -> Self {
        Self { ledger, filter, after: Position((from.0 - 1).max(0)), page: VecDeque::new(), complete: false }
    }

    /// As [`Reader::new`], for what is in the ledger now: of a single stream only that stream is read. Which teams
    /// may have it is for the views to say; while they cannot, the whole ledger is read.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn up_to_now(app: &App, filter: EventFilter, from: Position) -> Result<Self, LedgerError> {
        let mut reader = Self::new(app.ledger.clone(), filter, from);
        let teams = match filter.team {
            Some(team) => Ok(vec![team]),
            None => teams::ids(app, None).await,
        };
        if let (Some(stream), Ok(teams)) = (filter.stream, teams) {
            for team in teams {
                reader.page.extend(app.ledger.read_streams(team, &[stream]).await?);
            }
            reader.page.retain(|event| event.position > reader.after);
            reader.complete = true;
        }
        Ok(reader)
    }

    /// The next event that is wanted, up to the one at `to`; `None` when there is none (yet).
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn next(&mut self, to: Position) -> Result<Option<RecordedEvent>, LedgerError> {
        while self.after < to {
            if self.page.is_empty() && !self.complete {
                self.page = self.ledger.read(self.after, PAGE_EVENTS_MAX).await?.into();
            }
            let Some(event) = self.page.pop_front() else { return Ok(None) };
            if event.position > to {
                self.page.push_front(event);
                return Ok(None);
            }
            self.after = event.position;
            if self.filter.takes(&event) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}
