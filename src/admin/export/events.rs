//! The events of an export, page by page.

use keyledger_events::store::PAGE_EVENTS_MAX;
use keyledger_events::{LedgerError, Position, RecordedEvent, SharedLedger, Timestamp};
use keyledger_proof::bundle::Filter;

/// Payload bytes that a page is meant to have: pages of large deliveries have fewer events.
const PAGE_BYTES: usize = 2 << 20;
/// Events of the first page, when nothing is known of their size yet.
const FIRST_PAGE_EVENTS: u32 = 100;

/// Events that a filter takes, up to a position.
pub(super) struct Events {
    ledger: SharedLedger,
    filter: Filter,
    after: Position,
    to: Position,
    page_events: u32,
}

impl Events {
    /// Begins with the first event that may be wanted.
    pub(super) async fn begin(ledger: SharedLedger, filter: Filter, to: Position) -> Result<Self, LedgerError> {
        let mut after = Position(filter.after.unwrap_or(0).clamp(0, to.0));
        if let Some(from) = filter.from {
            after = after.max(before(&ledger, from, to).await?);
        }
        Ok(Self { ledger, filter, after, to, page_events: FIRST_PAGE_EVENTS })
    }

    /// The last position that was looked at.
    pub(super) fn position(&self) -> Position {
        self.after
    }

    /// The wanted events of the next page, which may be none; `None` behind the last page.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<RecordedEvent>>, LedgerError> {
        if self.after >= self.to {
            return Ok(None);
        }
        let mut page = self.ledger.read(self.after, self.page_events).await?;
        page.retain(|event| event.position <= self.to);
        let Some(last) = page.last() else {
            // An event is missing; whoever counts finds out.
            self.after = self.to;
            return Ok(None);
        };
        // Times of record never go back.
        let over = self.filter.until.is_some_and(|until| last.recorded_at >= until);
        self.after = if over { self.to } else { last.position };
        let bytes: usize = page.iter().map(|event| event.payload.len()).sum();
        let average = bytes / page.len().max(1);
        let fitting = PAGE_BYTES / average.max(1);
        // A page grows fourfold at most, lest one of small events is followed by one of large ones.
        let grown = usize::try_from(self.page_events).unwrap_or(usize::MAX).saturating_mul(4);
        self.page_events = u32::try_from(fitting.min(grown)).unwrap_or(u32::MAX).clamp(1, PAGE_EVENTS_MAX);
        let takes = |event: &RecordedEvent| {
            self.filter.takes(event.position.0, event.team.0, &event.event_type, event.recorded_at)
        };
        page.retain(takes);
        Ok(Some(page))
    }
}

/// The last position whose event was recorded before `from`: found by halving, for times of record never go back.
async fn before(ledger: &SharedLedger, from: Timestamp, to: Position) -> Result<Position, LedgerError> {
    let (mut low, mut high) = (0, to.0);
    while low < high {
        let middle = low + (high - low) / 2;
        let event = ledger.read(Position(middle), 1).await?.into_iter().next();
        if event.is_some_and(|event| event.recorded_at < from) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(Position(low))
}
