//! One row for each device and address that ever held a seat of a licence.

use keyledger_events::event::license::ReleaseReason;
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, Position, RecordedEvent, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SeatKind;
use crate::db::Value;
use crate::fold::{Fold, Key, from_json, to_json};
use crate::sealed_field::SealedField;
use crate::table::{Column, Index, Table};

/// A device or an address, and whether it holds a seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Its id.
    pub id: Uuid,
    /// Whose seat.
    pub license_id: Uuid,
    /// What it is.
    pub kind: SeatKind,
    /// The hardware identifier or the address; the field is [`Seat::field`] of its kind.
    pub identifier: SealedField,
    /// Why it lost its seat; `None` while it holds one.
    pub released: Option<ReleaseReason>,
    /// When it first took a seat.
    pub created_at: Timestamp,
    /// The place of that in the ledger.
    pub created_position: Position,
    /// When it last took or lost one.
    pub updated_at: Timestamp,
}

impl Seat {
    /// The field of DeviceBound or AddressBound that holds the identifier.
    pub fn field(kind: SeatKind) -> &'static str {
        match kind {
            SeatKind::Device => "identifier",
            SeatKind::Address => "address",
        }
    }

    fn bound(state: Option<Self>, recorded: &RecordedEvent, kind: SeatKind, identifier: SealedField, id: Uuid) -> Self {
        let first = state.unwrap_or_else(|| Self {
            id,
            license_id: recorded.stream.id,
            kind,
            identifier: identifier.clone(),
            released: None,
            created_at: recorded.recorded_at,
            created_position: recorded.position,
            updated_at: recorded.recorded_at,
        });
        Self { identifier, released: None, updated_at: recorded.recorded_at, ..first }
    }

    fn released(self, recorded: &RecordedEvent, reason: ReleaseReason) -> Self {
        Self { released: Some(reason), updated_at: recorded.recorded_at, ..self }
    }
}

/// The view `seats`.
pub struct SeatsFold;

impl Fold for SeatsFold {
    const NAME: &'static str = "seats";
    const VERSION: u32 = 1;
    const TABLE: &'static Table = &Table {
        columns: &[
            Column::bytes("team"),
            Column::bytes("id"),
            Column::bytes("license_id"),
            Column::text("kind"),
            Column::int("created_position"),
            Column::text("doc"),
        ],
        key_columns: 2,
        indexes: &[Index { name: "license", columns: "team, license_id, kind, created_position", only: None }],
    };
    const STREAMS: &'static [StreamKind] = &[StreamKind::License];
    type State = Seat;

    fn key(recorded: &RecordedEvent, event: &Event) -> Option<Key> {
        let id = match event {
            Event::DeviceBound(device) => device.device_id,
            Event::DeviceReleased(device) => device.device_id,
            Event::AddressBound(address) => address.address_id,
            Event::AddressReleased(address) => address.address_id,
            _ => return None,
        };
        Some(Key::Item(recorded.team, id))
    }

    fn begins(_: &RecordedEvent) -> bool {
        false
    }

    fn evolve(state: Option<Seat>, recorded: &RecordedEvent, event: &Event) -> Result<Option<Seat>, String> {
        let sealed = |value| SealedField::new(value, recorded.event_id);
        Ok(match event {
            Event::DeviceBound(device) => {
                let identifier = sealed(&device.identifier);
                Some(Seat::bound(state, recorded, SeatKind::Device, identifier, device.device_id))
            }
            Event::AddressBound(address) => {
                let identifier = sealed(&address.address);
                Some(Seat::bound(state, recorded, SeatKind::Address, identifier, address.address_id))
            }
            Event::DeviceReleased(device) => state.map(|seat| seat.released(recorded, device.reason)),
            Event::AddressReleased(address) => state.map(|seat| seat.released(recorded, address.reason)),
            _ => state,
        })
    }

    fn encode(seat: &Seat) -> Result<Vec<Value>, String> {
        Ok(vec![seat.license_id.into(), Value::text(seat.kind.as_str()), seat.created_position.into(), to_json(seat)?])
    }

    fn decode(stored: &Value) -> Result<Seat, String> {
        from_json(stored)
    }
}
