//! Who holds a licence's seats: a fold over its stream, for decisions.

use keyledger_events::{Event, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What can hold a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatKind {
    /// A device, by its hardware identifier.
    Device,
    /// An internet address.
    Address,
}

impl SeatKind {
    /// The word for it in ids and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Address => "address",
        }
    }
}

/// A seat that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Since when, as the verification said.
    pub since: Timestamp,
}

/// Who holds seats of one kind, in order of their ids. Most licences have one or two: a list takes a tenth of the memory
/// that a map takes for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holders(Vec<(Uuid, Bound)>);

impl Holders {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all seats are free.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one holds a seat.
    pub fn contains(&self, id: Uuid) -> bool {
        self.place(id).is_ok()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, Bound)> {
        self.0.iter().copied()
    }

    fn insert(&mut self, id: Uuid, bound: Bound) {
        match self.place(id) {
            Ok(place) => self.0[place].1 = bound,
            Err(place) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(place, (id, bound));
            }
        }
    }

    fn remove(&mut self, id: Uuid) {
        if let Ok(place) = self.place(id) {
            self.0.remove(place);
        }
    }

    /// Where it is, or would be.
    fn place(&self, id: Uuid) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |(id, _)| *id)
    }
}

impl FromIterator<(Uuid, Bound)> for Holders {
    fn from_iter<T: IntoIterator<Item = (Uuid, Bound)>>(holders: T) -> Self {
        let mut collected = Self::default();
        holders.into_iter().for_each(|(id, bound)| collected.insert(id, bound));
        collected
    }
}

/// The seats of a licence that are taken, by the id of who holds them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seats {
    /// Devices.
    pub devices: Holders,
    /// Addresses.
    pub addresses: Holders,
}

impl Seats {
    /// Those of a kind.
    pub fn of(&self, kind: SeatKind) -> &Holders {
        match kind {
            SeatKind::Device => &self.devices,
            SeatKind::Address => &self.addresses,
        }
    }

    /// Folds the next event of the licence's stream.
    pub fn evolve(&mut self, recorded: &RecordedEvent, event: &Event) {
        let bound = Bound { since: recorded.occurred_at };
        match event {
            Event::DeviceBound(device) => self.devices.insert(device.device_id, bound),
            Event::DeviceReleased(device) => self.devices.remove(device.device_id),
            Event::AddressBound(address) => self.addresses.insert(address.address_id, bound),
            Event::AddressReleased(address) => self.addresses.remove(address.address_id),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holders_are_a_map_in_order_of_ids(steps in prop::collection::vec((0..8_u128, 0..100_i64, any::<bool>()), 0..40)) {
            let (mut holders, mut map) = (Holders::default(), BTreeMap::new());
            for (id, second, takes) in steps {
                let (id, since) = (Uuid::from_u128(id), Timestamp::from_second(second).unwrap_or_default());
                if takes {
                    holders.insert(id, Bound { since });
                    map.insert(id, Bound { since });
                } else {
                    holders.remove(id);
                    map.remove(&id);
                }
                prop_assert_eq!(holders.contains(id), map.contains_key(&id));
                prop_assert_eq!((holders.len(), holders.is_empty()), (map.len(), map.is_empty()));
                prop_assert!(holders.iter().eq(map.iter().map(|(id, bound)| (*id, *bound))));
            }
        }
    }
}
