//! Destroying again what a restored keys store has brought back.

use keyledger_events::event::customer::CustomerForgotten;
use keyledger_events::keys::KeyRing;
use keyledger_events::{Event, Position, RecordedEvent, SharedLedger};

use super::{ForgettingError, Forgotten};

/// Events looked at in one go.
pub(super) const PAGE_EVENTS: u32 = 100;

/// Destroys every key in the store that the ledger says is destroyed. Tells how many there were: none, unless a command
/// broke off or the store was restored from a copy of before.
///
/// # Errors
/// When ledger or store do not answer.
pub async fn again(keys: &KeyRing, ledger: &SharedLedger) -> Result<u64, ForgettingError> {
    let (mut after, mut destroyed) = (Position::START, 0);
    loop {
        let page = ledger.forgotten(after, PAGE_EVENTS).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for recorded in &page {
            let Some(forgotten) = of_event(recorded)? else { continue };
            let stored = keys.vault().existing(&forgotten.key_ids).await?;
            if !stored.is_empty() {
                destroyed += keys.vault().destroy(&stored, &forgotten.aliases).await?;
            }
        }
    }
    if destroyed > 0 {
        tracing::warn!(
            destroyed,
            "the keys store held keys of people who were forgotten, as a restored one does; they are destroyed again"
        );
    }
    Ok(destroyed)
}

/// What a CustomerForgotten tells; `None` for any other event. A team's own key is never among the keys: other people's
/// data is under it.
pub(super) fn of_event(recorded: &RecordedEvent) -> Result<Option<Forgotten>, ForgettingError> {
    let Event::CustomerForgotten(CustomerForgotten { key_ids }) = recorded.decode()? else { return Ok(None) };
    Ok(Some(Forgotten {
        team: recorded.team,
        customer_ids: vec![recorded.stream.id],
        aliases: vec![recorded.stream.id],
        key_ids: key_ids.into_iter().filter(|id| *id != recorded.team.0).collect(),
        position: recorded.position,
    }))
}
