//! The events of an export, page by page. What is left out is looked at as well: the log signs that an export has *all*
//! events that its filter takes.

use keyledger_events::store::proofs::StoredCheckpoint;
use keyledger_events::store::{PAGE_EVENTS_MAX, SharedProofStore};
use keyledger_events::{LedgerError, Position, RecordedEvent, SharedLedger, Timestamp};
use keyledger_proof::Frontier;
use keyledger_proof::bundle::Filter;
use keyledger_proof::merkle::Hash;

use super::ExportError;
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
    /// The tree over what was looked at, where that begins with the first event.
    tree: Option<Frontier>,
    root: Hash,
}

impl Events {
    /// Begins with the first event that may be wanted, of those that `checkpoint` is over.
    pub(super) async fn begin(app: &App, filter: Filter, checkpoint: &StoredCheckpoint) -> Result<Self, LedgerError> {
        let (ledger, proofs) = (app.ledger.clone(), app.proofs.clone());
        let to = Position(i64::try_from(checkpoint.size).unwrap_or(i64::MAX));
        let mut after = Position(filter.after.unwrap_or(0).clamp(0, to.0));
        if let Some(from) = filter.from {
            after = after.max(before(&ledger, from, to).await?);
        }
        let tree = (after == Position::START).then(Frontier::default);
        Ok(Self { ledger, proofs, filter, after, to, tree, root: checkpoint.root })
    }

    /// The last position that was looked at.
    pub(super) fn position(&self) -> Position {
        self.after
    }

    /// The wanted events of the next page, which may be none; `None` behind the last page.
    ///
    /// # Errors
    /// When an event is missing or was changed, wanted or not.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<RecordedEvent>>, ExportError> {
        if self.after >= self.to {
            return Ok(None);
        }
        let events = self.fitting().await?;
        let mut page = self.ledger.read_checked(self.after, events).await?;
        page.retain(|event| event.position <= self.to);
        self.follow(&page)?;
        // Times of record never go back.
        let over = page.last().zip(self.filter.until).is_some_and(|(last, until)| last.recorded_at >= until);
        if over {
            self.after = self.to;
        }
        let takes = |event: &RecordedEvent| {
            self.filter.takes(event.position.0, event.team.0, &event.event_type, event.recorded_at)
        };
        page.retain(takes);
        Ok(Some(page))
    }

    /// Takes a page, in which no event may be missing. At the checkpoint's end the tree must be the one that was signed:
    /// an event that was changed together with its hash is found there.
    fn follow(&mut self, page: &[RecordedEvent]) -> Result<(), ExportError> {
        if page.is_empty() {
            return Err(ExportError::Missing(self.after.next()));
        }
        for event in page {
            if event.position != self.after.next() {
                return Err(ExportError::Missing(self.after.next()));
            }
            self.after = event.position;
            if let Some(tree) = &mut self.tree {
                tree.push(event.leaf_hash);
            }
        }
        let other = self.tree.as_ref().is_some_and(|tree| tree.root() != self.root);
        if self.after == self.to && other { Err(ExportError::Changed) } else { Ok(()) }
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
