//! Who holds a licence's seats: a fold over its stream, for decisions.

use std::collections::BTreeMap;

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

/// The seats of a licence that are taken, by the id of who holds them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seats {
    /// Devices.
    pub devices: BTreeMap<Uuid, Bound>,
    /// Addresses.
    pub addresses: BTreeMap<Uuid, Bound>,
}

impl Seats {
    /// Those of a kind.
    pub fn of(&self, kind: SeatKind) -> &BTreeMap<Uuid, Bound> {
        match kind {
            SeatKind::Device => &self.devices,
            SeatKind::Address => &self.addresses,
        }
    }

    /// Folds the next event of the licence's stream.
    pub fn evolve(&mut self, recorded: &RecordedEvent, event: &Event) {
        let bound = Bound { since: recorded.occurred_at };
        match event {
            Event::DeviceBound(device) => {
                self.devices.insert(device.device_id, bound);
            }
            Event::DeviceReleased(device) => {
                self.devices.remove(&device.device_id);
            }
            Event::AddressBound(address) => {
                self.addresses.insert(address.address_id, bound);
            }
            Event::AddressReleased(address) => {
                self.addresses.remove(&address.address_id);
            }
            _ => {}
        }
    }
}
