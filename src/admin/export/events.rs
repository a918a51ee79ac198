//! The events of an export, page by page.

use keyledger_events::store::{PAGE_EVENTS_MAX, SharedProofStore};
use keyledger_events::{LedgerError, Position, RecordedEvent, SharedLedger, Timestamp};
use keyledger_proof::bundle::Filter;

use crate::app::App;

/// Payload bytes of a page at most, but for a single event that is larger.
const PAGE_BYTES_MAX: u64 = 1 << 20;

/// Events that a filter takes, up to a position.
pub(super) struct Events {
    ledger: SharedLedger,
    proofs: SharedProofStore,
    filter: Filter,
    after: Position,
    to: Position,
}

impl Events {
    /// Begins with the first event that may be wanted.
    pub(super) async fn begin(app: &App, filter: Filter, to: Position) -> Result<Self, LedgerError> {
        let (ledger, proofs) = (app.ledger.clone(), app.proofs.clone());
        let mut after = Position(filter.after.unwrap_or(0).clamp(0, to.0));
        if let Some(from) = filter.from {
            after = after.max(before(&ledger, from, to).await?);
        }
        Ok(Self { ledger, proofs, filter, after, to })
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
        let events = self.fitting().await?;
        let mut page = self.ledger.read(self.after, events).await?;
        page.retain(|event| event.position <= self.to);
        let Some(last) = page.last() else {
            // An event is missing; whoever counts finds out.
            self.after = self.to;
            return Ok(None);
        };
        // Times of record never go back.
        let over = self.filter.until.is_some_and(|until| last.recorded_at >= until);
        self.after = if over { self.to } else { last.position };
        let takes = |event: &RecordedEvent| {
            self.filter.takes(event.position.0, event.team.0, &event.event_type, event.recorded_at)
        };
        page.retain(takes);
        Ok(Some(page))
    }

    /// How many of the next events make a page.
    async fn fitting(&self) -> Result<u32, LedgerError> {
        let bytes = self.proofs.payload_bytes(self.after, PAGE_EVENTS_MAX).await?;
        let mut sum = 0_u64;
        let within = |bytes: &u64| {
            sum = sum.saturating_add(*bytes);
            sum <= PAGE_BYTES_MAX
        };
        let events = bytes.iter().copied().take_while(within).count();
        Ok(u32::try_from(events).unwrap_or(PAGE_EVENTS_MAX).max(1))
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
