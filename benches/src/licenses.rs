//! Licences whose keys and devices follow from a number, so that the load generator knows them without asking.

use keyledger_events::event::inbox::Origin;
use keyledger_events::event::license::{LicenseIssued, Offer, Terms};
use keyledger_events::id::{derived, fresh};
use keyledger_events::keys::KeyRing;
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{Clock as _, NewEvent, Sealed, StreamId, StreamKind, SystemClock, TeamId, Timestamp};
use uuid::Uuid;

/// Characters of a group of a licence key, as decimal digits hold them.
const GROUP: u64 = 100_000;
/// Devices at once: the one that asks, and a free seat.
const DEVICES: u32 = 2;

/// The key of the licence with this number.
pub(crate) fn key(number: u64) -> String {
    let group = |groups_before: u32| number / GROUP.pow(groups_before) % GROUP;
    format!("BENCH-VERIF-{:05}-{:05}-{:05}", group(2), group(1), group(0))
}

/// The hardware identifier of the one device that uses the licence with this number.
pub(crate) fn device(number: u64) -> String {
    format!("bench-device-{number:012}")
}

/// Issues a team's licences, with the keys of a folder that keyledger made.
pub(crate) struct Issuer {
    pub(crate) team: TeamId,
    product: Uuid,
    ring: KeyRing,
    key: DataKey,
    pub(crate) now: Timestamp,
}

impl Issuer {
    /// An issuer for a team that exists.
    pub(crate) async fn new(ring: KeyRing, team: TeamId, product: Uuid) -> anyhow::Result<Self> {
        let key = ring.team_key(team).await?;
        Ok(Self { team, product, ring, key, now: SystemClock.now() })
    }

    /// The event that issues the licence with this number: made by hand, never ending, for few devices.
    pub(crate) fn issued(&self, number: u64) -> NewEvent {
        let (text, event_id, name) = (key(number), fresh(), number.to_string());
        let id = |what| derived(self.team, &[what, &name]);
        let lookup = self.ring.fingerprint("license-key", &[self.team.0.as_bytes(), text.as_bytes()]);
        let event = LicenseIssued {
            key: self.seal(event_id, "key", text.as_bytes()),
            key_lookup: hex::encode(lookup),
            provider: Origin::Manual,
            livemode: None,
            customer_id: None,
            purchase: StreamId::new(StreamKind::Purchase, id("bench verified purchase")),
            item: "manual".to_owned(),
            unit: 0,
            terms: self.terms(),
        };
        let stream = StreamId::new(StreamKind::License, id("bench verified license"));
        NewEvent { stream, event_id, occurred_at: self.now, event: event.into() }
    }

    /// Seals a value of an event under the team's key.
    pub(crate) fn seal(&self, event_id: Uuid, field: &'static str, plaintext: &[u8]) -> Sealed {
        self.key.seal(SealContext { team: self.team, event_id, field }, plaintext)
    }

    fn terms(&self) -> Terms {
        Terms {
            offer: Offer { product_ids: vec![self.product], hwid_limit: Some(DEVICES), ..Offer::default() },
            purchased_at: self.now,
            subscription: None,
            revoked: false,
            disputed: false,
            references: std::collections::BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_has_a_key_of_the_form_that_the_server_takes() {
        let numbers = [0, 1, 99_999, 100_000, 999_999, 10_000_000_000];
        let keys: HashSet<_> = numbers.map(key).into();
        assert_eq!(keys.len(), numbers.len());
        assert!(keys.iter().all(|key| key.len() == 29 && key.split('-').all(|group| group.len() == 5)), "{keys:?}");
    }
}
