//! Our side: pages of the ledger.

use std::collections::HashMap;
use std::path::Path;

use keyledger_events::store::PAGE_EVENTS_MAX;
use keyledger_events::{Position, StreamId, TeamId};

use super::{Folded, total};

/// Folds the ledger of `folder`; the number of its events.
pub(super) async fn fold(folder: &Path) -> anyhow::Result<u64> {
    let ledger = crate::ours::sqlite_ledger(folder).await?;
    let mut streams: HashMap<(TeamId, StreamId), Folded> = HashMap::new();
    let mut after = Position::START;
    loop {
        let page = ledger.read(after, PAGE_EVENTS_MAX).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for event in &page {
            streams.entry((event.team, event.stream)).or_default().apply(&event.decode()?);
        }
    }
    Ok(total(streams.values()))
}
