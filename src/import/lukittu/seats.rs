//! Who uses a licence: devices and addresses that hold a seat in Lukittu keep it.

use std::net::IpAddr;

use keyledger_events::event::license::{AddressBound, DeviceBound};
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{Event, NewEvent, StreamId, StreamKind, Timestamp};
use keyledger_projections::{Seat, SeatKind};
use uuid::Uuid;

use super::rows::{LicenseRow, SeenRow};
use super::{Scope, countries, ids};
use crate::activity::Seen;
use crate::app::App;
use crate::verification::Holder;

const MINUTE_US: i64 = 60 * 1_000_000;

/// A device or an address, known as a licence's seats know it.
pub(super) struct Known {
    kind: SeatKind,
    row: SeenRow,
    holder: Holder,
}

/// Everybody who was seen with a licence. An address that is none is told.
pub(super) fn known(
    app: &App,
    scope: &Scope,
    license_id: Uuid,
    row: &LicenseRow,
    mut problem: impl FnMut(&str, String),
) -> Vec<Known> {
    let holder = |kind, identifier| Holder::new(app, scope.team, license_id, kind, identifier);
    let devices = row.devices.iter().map(|seen| Known {
        kind: SeatKind::Device,
        row: seen.clone(),
        holder: holder(SeatKind::Device, seen.identifier.clone()),
    });
    let mut all: Vec<_> = devices.collect();
    for seen in &row.addresses {
        match seen.identifier.parse::<IpAddr>() {
            Ok(address) => all.push(Known {
                kind: SeatKind::Address,
                row: seen.clone(),
                holder: holder(SeatKind::Address, address.to_canonical().to_string()),
            }),
            Err(_) => problem(&seen.id, format!("{} is no internet address", seen.identifier)),
        }
    }
    all
}

/// The seats that are taken. Only a licence with a limit has seats, and only those who were seen within the team's
/// timeout hold one.
pub(super) fn taken<'k>(
    scope: &Scope,
    known: &'k [Known],
    limits: (Option<u32>, Option<u32>),
    now: Timestamp,
) -> impl Iterator<Item = &'k Known> {
    let (ip_limit, hwid_limit) = limits;
    let horizon = move |minutes: Option<u32>| {
        minutes.filter(|minutes| *minutes > 0).map(|minutes| now.as_microsecond() - i64::from(minutes) * MINUTE_US)
    };
    let (ip_horizon, hwid_horizon) = (horizon(scope.ip_timeout_minutes), horizon(scope.hwid_timeout_minutes));
    known.iter().filter(move |known| {
        let (limit, horizon) = match known.kind {
            SeatKind::Address => (ip_limit, ip_horizon),
            SeatKind::Device => (hwid_limit, hwid_horizon),
        };
        limit.is_some() && horizon.is_none_or(|horizon| known.row.last_seen.as_microsecond() > horizon)
    })
}

impl Known {
    /// The event by which it took its seat.
    pub(super) fn bound(&self, scope: &Scope, stream: StreamId, license: &str, key: &DataKey) -> NewEvent {
        let what = format!("{} {}", self.kind.as_str(), self.row.id);
        let event_id = ids::event(scope.team, StreamKind::License, license, &what);
        let context = SealContext { team: scope.team, event_id, field: Seat::field(self.kind) };
        let Holder { id, lookup, identifier } = &self.holder;
        let (lookup, sealed) = (lookup.clone(), key.seal(context, identifier.as_bytes()));
        let event: Event = match self.kind {
            SeatKind::Device => DeviceBound { device_id: *id, lookup, identifier: sealed }.into(),
            SeatKind::Address => AddressBound { address_id: *id, lookup, address: sealed }.into(),
        };
        NewEvent { stream, event_id, occurred_at: self.row.last_seen, event }
    }

    /// When it was last seen, for the activity beside the ledger.
    pub(super) fn seen(&self, scope: &Scope, license_id: Uuid) -> Seen<'_> {
        Seen {
            team: scope.team,
            license_id,
            kind: self.kind,
            seat_id: self.holder.id,
            identifier: &self.holder.identifier,
            country: self.row.country.as_deref().and_then(countries::two_letters),
            at: self.row.last_seen,
            exact: false,
        }
    }
}
