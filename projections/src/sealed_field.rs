//! A sealed value together with the event that it is bound to.

use keyledger_events::sealed::SealContext;
use keyledger_events::{Sealed, TeamId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Views keep personal data, keys and secrets sealed, with what it takes to open them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedField {
    /// The sealed value.
    pub value: Sealed,
    /// The event that carries it.
    pub event_id: Uuid,
}

impl SealedField {
    /// A value as carried by an event.
    pub fn new(value: &Sealed, event_id: Uuid) -> Self {
        Self { value: value.clone(), event_id }
    }

    /// The place that the value is bound to.
    pub fn context<'a>(&self, team: TeamId, field: &'a str) -> SealContext<'a> {
        SealContext { team, event_id: self.event_id, field }
    }
}
