//! The append that an accepted verification calls for: the clock begins, seats are taken and freed, all of it or
//! nothing, resting on the version that was decided on.

use keyledger_events::event::license::{
    AddressBound, AddressReleased, DeviceBound, DeviceReleased, LicenseActivated, ReleaseReason,
};
use keyledger_events::keys::{KeyLink, KeyRingError, WrappedKey};
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{AppendRequest, Event, NewEvent, Provenance, Sealed, StreamId, TeamId, Timestamp, id};
use keyledger_projections::{License, QueryError, Seat, SeatKind};
use uuid::Uuid;

use super::cache::Known;
use super::decide::Effects;
use crate::app::App;

/// Who does it.
pub(super) const ACTOR: &str = "client";

/// Why the append cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A key cannot be had.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
}

/// A device or an address that takes a seat.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Its seat's id.
    pub id: Uuid,
    /// Hex of its keyed fingerprint.
    pub lookup: String,
    /// The hardware identifier or the address.
    pub identifier: String,
}

impl Holder {
    /// A device or an address as a licence's seats know it. The id is a part of the keyed fingerprint, so that nobody
    /// can guess an address from it.
    pub fn new(app: &App, team: TeamId, license_id: Uuid, kind: SeatKind, identifier: String) -> Self {
        let parts =
            [team.0.as_bytes(), license_id.as_bytes().as_slice(), kind.as_str().as_bytes(), identifier.as_bytes()];
        let fingerprint = app.keys.fingerprint("seat", &parts);
        Self { id: id::of_fingerprint(&fingerprint), lookup: hex::encode(fingerprint), identifier }
    }
}

/// The append for `effects`.
///
/// # Errors
/// When a key cannot be had.
pub(super) async fn request(
    app: &App,
    team: TeamId,
    known: &Known,
    effects: &Effects,
    address: &Holder,
    device: Option<&Holder>,
    now: Timestamp,
) -> Result<AppendRequest, SealError> {
    let stream = StreamId::new(keyledger_events::StreamKind::License, known.license.id);
    let mut request = AppendRequest::new(team, Provenance::of(ACTOR)).expect(stream, known.license.version);
    let key = if effects.address.is_some() || effects.device.is_some() {
        let sealing = sealing_key(app, team, &known.license).await?;
        Some(sealing.stored_by(&mut request))
    } else {
        None
    };
    let mut push = |event_id: Uuid, event: Event| {
        request.events.push(NewEvent { stream, event_id, occurred_at: now, event });
    };
    if effects.activate {
        let expires_at = known.license.expires_at_if_activated(Some(now));
        push(id::fresh(), LicenseActivated { activated_at: now, expires_at }.into());
    }
    if let (Some(release), Some(key)) = (&effects.address, &key) {
        for address_id in release.iter().copied() {
            push(id::fresh(), AddressReleased { address_id, reason: ReleaseReason::TimedOut }.into());
        }
        let event_id = id::fresh();
        let sealed = seal(key, team, event_id, SeatKind::Address, &address.identifier);
        push(event_id, AddressBound { address_id: address.id, lookup: address.lookup.clone(), address: sealed }.into());
    }
    if let (Some(release), Some(key), Some(device)) = (&effects.device, &key, device) {
        for device_id in release.iter().copied() {
            push(id::fresh(), DeviceReleased { device_id, reason: ReleaseReason::TimedOut }.into());
        }
        let event_id = id::fresh();
        let identifier = seal(key, team, event_id, SeatKind::Device, &device.identifier);
        push(event_id, DeviceBound { device_id: device.id, lookup: device.lookup.clone(), identifier }.into());
    }
    Ok(request)
}

fn seal(key: &DataKey, team: TeamId, event_id: Uuid, kind: SeatKind, text: &str) -> Sealed {
    key.seal(SealContext { team, event_id, field: Seat::field(kind) }, text.as_bytes())
}

/// The key that a seat is sealed with.
pub struct SealingKey {
    key: DataKey,
    /// What must be stored first, where the key is new.
    new: Option<(WrappedKey, KeyLink)>,
}

impl SealingKey {
    /// The key, which the request stores before what it seals.
    pub fn stored_by(self, request: &mut AppendRequest) -> DataKey {
        if let Some((wrapped, link)) = self.new {
            request.keys.push(wrapped);
            request.links.push(link);
        }
        self.key
    }
}

/// The buyer's data key, so that forgetting them makes their devices and addresses unreadable. Of a buyer who was
/// forgotten already it is a new one, which goes when they are forgotten again; where no buyer is known, the team's.
pub async fn sealing_key(app: &App, team: TeamId, license: &License) -> Result<SealingKey, SealError> {
    let Some(customer_id) = license.customer_ids().first().copied() else {
        return Ok(SealingKey { key: app.keys.team_key(team).await?, new: None });
    };
    if let Some(customer) = app.views.team(team).customers(&[customer_id]).await?.pop()
        && let Some(key_id) = customer.key_id()
        && let Some(key) = app.keys.key_unless_gone(key_id).await?
    {
        return Ok(SealingKey { key, new: None });
    }
    let (key, wrapped) = app.keys.generate(id::fresh());
    let link = KeyLink { key_id: key.id(), customer_id };
    Ok(SealingKey { key, new: Some((wrapped, link)) })
}
