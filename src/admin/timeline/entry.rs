//! An entry of a timeline.

use keyledger_events::RecordedEvent;
use serde::Serialize;

use super::because::{Because, Causes};
use super::words;
use crate::admin::AdminError;
use crate::admin::events::EventJson;
use crate::app::App;

/// Who did what, when, and because of what. Sealed values stay sealed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The event itself.
    #[serde(flatten)]
    pub event: EventJson,
    /// Who did it, in words.
    pub who: String,
    /// What happened, in a sentence.
    pub what: String,
    /// The provider event that led to it; `None` where there was none.
    pub because: Option<Because>,
}

impl Entry {
    /// Describes events; `causes` remembers what was looked up before.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn describe(app: &App, causes: &mut Causes, events: &[RecordedEvent]) -> Result<Vec<Self>, AdminError> {
        causes.learn(app, events).await?;
        Ok(events.iter().map(|event| Self::new(event, causes.behind(event).cloned())).collect())
    }

    fn new(recorded: &RecordedEvent, because: Option<Because>) -> Self {
        let event = EventJson::new(recorded);
        Self { who: words::who(&event.actor), what: words::what(recorded), because, event }
    }
}
