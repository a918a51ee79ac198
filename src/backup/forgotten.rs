//! What must not come back: the data keys of people who were forgotten.
//!
//! A copy of the keys is taken after the copy of the ledger, so that keys which the ledger says are destroyed are
//! ordinarily not in it. They may be when the backup was taken between the event and the destruction. Whatever the
//! ledger says is gone is not restored.

use std::collections::HashSet;

use keyledger_events::RecordedEvent;
use keyledger_events::keys::KeyLink;
use uuid::Uuid;

/// Keys that are not restored.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    keys: HashSet<Uuid>,
}

impl Forgotten {
    /// Learns from the next event of the copy.
    pub(super) fn learn(&mut self, event: &RecordedEvent) {
        self.keys.extend(destroyed_by(event));
    }

    /// Whether a key is gone for good.
    pub(super) fn holds(&self, key_id: Uuid) -> bool {
        self.keys.contains(&key_id)
    }

    /// Whether a link has lost its key.
    pub(super) fn holds_link(&self, link: &KeyLink) -> bool {
        self.holds(link.key_id)
    }

    /// How many keys are gone.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// The data keys that an event says are destroyed. This is the one place that an event which forgets a person has to
/// be named in.
fn destroyed_by(event: &RecordedEvent) -> Vec<Uuid> {
    const KEY_IDS: &str = "key_ids";
    if event.event_type != "CustomerForgotten" {
        return Vec::new();
    }
    let payload = serde_json::from_slice::<serde_json::Value>(&event.payload).unwrap_or_default();
    let ids = payload[KEY_IDS].as_array().into_iter().flatten();
    ids.filter_map(|id| Uuid::parse_str(id.as_str()?).ok()).collect()
}
