//! The ledger itself, event by event. Nothing here needs a view.

mod filter;
mod json;
mod reveal;

pub use filter::{EventFilter, Reader, UnknownType, known_type};
pub use json::EventJson;

use keyledger_events::RecordedEvent;

use super::AdminError;
use crate::app::App;

/// An event as scripts and programs see it; sealed fields stay sealed unless `open` is set.
///
/// # Errors
/// When the keys store does not answer. What cannot be opened any more stays sealed and says so.
pub async fn describe(app: &App, event: &RecordedEvent, open: bool) -> Result<EventJson, AdminError> {
    let mut json = EventJson::new(event);
    if open {
        reveal::reveal(&app.keys, event, &mut json.data).await?;
    }
    Ok(json)
}
