//! What must not come back: the data keys of people who were forgotten.
//!
//! A copy of the keys is taken after the copy of the ledger, so that keys which the ledger says are destroyed are
//! ordinarily not in it. They may be when the backup was taken between the event and the destruction. Whatever the
//! ledger says is gone is not restored.

use std::collections::HashSet;

use keyledger_events::RecordedEvent;
use keyledger_events::keys::KeyLink;
use uuid::Uuid;

/// The event that forgets a person.
const CUSTOMER_FORGOTTEN: &str = "CustomerForgotten";
/// Its field with the ids of the keys that it destroys.
const KEY_IDS: &str = "key_ids";

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
}

/// The data keys that an event says are destroyed. This is the one place that an event which forgets a person has to
/// be named in. A team's own key is never among them: other people's data is under it.
fn destroyed_by(event: &RecordedEvent) -> Vec<Uuid> {
    if event.event_type != CUSTOMER_FORGOTTEN {
        return Vec::new();
    }
    let payload = serde_json::from_slice::<serde_json::Value>(&event.payload).unwrap_or_default();
    let ids = payload[KEY_IDS].as_array().into_iter().flatten();
    let ids = ids.filter_map(|id| Uuid::parse_str(id.as_str()?).ok());
    ids.filter(|id| *id != event.team.0).collect()
}

#[cfg(test)]
mod tests {
    use keyledger_events::{Position, Provenance, StreamId, StreamKind, TeamId, Timestamp};

    use super::*;

    fn event(event_type: &str, payload: &str) -> RecordedEvent {
        RecordedEvent {
            position: Position(1),
            team: TeamId(Uuid::from_u128(9)),
            stream: StreamId::new(StreamKind::Customer, Uuid::from_u128(1)),
            stream_version: 2,
            event_id: Uuid::nil(),
            event_type: event_type.to_owned(),
            schema_version: 1,
            occurred_at: Timestamp::UNIX_EPOCH,
            recorded_at: Timestamp::UNIX_EPOCH,
            provenance: Provenance::of("test"),
            payload: payload.as_bytes().to_vec(),
            leaf_hash: [0; 32],
        }
    }

    #[test]
    fn keys_of_the_forgotten_stay_away_and_no_others() {
        let (gone, team) = (Uuid::from_u128(7), Uuid::from_u128(9));
        let payload = format!(r#"{{"key_ids":["{gone}","{team}","no id"]}}"#);
        let mut forgotten = Forgotten::default();
        forgotten.learn(&event("CustomerUpdated", &payload));
        assert!(!forgotten.holds(gone));
        forgotten.learn(&event(CUSTOMER_FORGOTTEN, &payload));
        forgotten.learn(&event(CUSTOMER_FORGOTTEN, "{}"));
        assert!(forgotten.holds(gone) && !forgotten.holds(team));
        let link = |key_id| KeyLink { key_id, customer_id: Uuid::from_u128(1) };
        assert!(forgotten.holds_link(&link(gone)) && !forgotten.holds_link(&link(Uuid::from_u128(8))));
    }
}
