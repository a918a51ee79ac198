//! Who uses a licence: devices and addresses, those with a seat and those that were only seen.

use std::collections::BTreeMap;

use keyledger_events::event::license::{AddressBound, AddressReleased, DeviceBound, DeviceReleased, ReleaseReason};
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, Event, NewEvent, StreamId, StreamKind, TeamId, Timestamp, id};
use keyledger_projections::{License, Seat, SeatKind, Seats, view};
use serde::Serialize;
use uuid::Uuid;

use super::{AdminError, CONFLICTS_MAX, append, by, licenses, teams};
use crate::app::App;
use crate::opened;
use crate::verification::{Holder, sealing_key, seat};

/// How a device or an address stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatStatus {
    /// It holds a seat, or needs none, and was seen within the team's timeout.
    Active,
    /// It holds no seat, or was not seen for longer than the timeout: whoever wants its seat gets it.
    Inactive,
    /// Somebody had it forgotten.
    Forgotten,
}

impl SeatStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Forgotten => "forgotten",
        }
    }
}

/// A device or an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatJson {
    /// Its id.
    pub id: Uuid,
    /// Whose licence.
    pub license_id: Uuid,
    /// Device or address.
    pub kind: SeatKind,
    /// The hardware identifier or the address; `None` when the key that opens it is gone.
    pub identifier: Option<String>,
    /// How it stands.
    pub status: SeatStatus,
    /// From which country it was seen last, where that is known.
    pub country: Option<String>,
    /// When it was first seen.
    pub created_at: Timestamp,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
    /// When it last took or lost a seat, or was seen.
    pub updated_at: Timestamp,
}

/// Everybody who was seen with a licence, the latest first.
///
/// # Errors
/// When there is no such licence.
pub async fn list(app: &App, team: Option<TeamId>, license_id: Uuid) -> Result<Vec<SeatJson>, AdminError> {
    let (team, license) = licenses::find(app, team, &license_id.to_string()).await?;
    let mut all = of_kind(app, team, &license, SeatKind::Device).await?;
    all.extend(of_kind(app, team, &license, SeatKind::Address).await?);
    Ok(all)
}

/// The devices or the addresses of a licence, the latest seen first.
///
/// # Errors
/// When the views or the activity do not answer.
pub async fn of_kind(app: &App, team: TeamId, license: &License, kind: SeatKind) -> Result<Vec<SeatJson>, AdminError> {
    let license_id = license.id;
    app.catch_up(&[view::SEATS, view::TEAMS]).await?;
    let horizon =
        timeout_minutes(app, team, kind).await?.map(|minutes| app.clock.now().as_second() - i64::from(minutes) * 60);
    // On a licence without a limit nobody holds a seat, or needs one.
    let seatless = match limit(license, kind) {
        None => SeatStatus::Active,
        Some(_) => SeatStatus::Inactive,
    };
    let mut all = BTreeMap::new();
    for seat in app.views.team(team).seats(license_id, kind).await? {
        all.insert(seat.id, bound(app, team, seat).await?);
    }
    for seen in app.activity.last_seen(team, license_id, kind).await? {
        let seat = all.entry(seen.seat_id).or_insert_with(|| SeatJson {
            id: seen.seat_id,
            license_id,
            kind,
            identifier: Some(seen.identifier.clone()),
            status: seatless,
            country: None,
            created_at: seen.first_seen,
            last_seen_at: seen.last_seen,
            updated_at: seen.last_seen,
        });
        // Where nobody needs a seat, who came back after losing it uses the licence like everybody else.
        if limit(license, kind).is_none() && seen.last_seen > seat.updated_at {
            seat.status = SeatStatus::Active;
        }
        seat.country = seen.country;
        seat.last_seen_at = seat.last_seen_at.max(seen.last_seen);
        seat.updated_at = seat.updated_at.max(seen.last_seen);
    }
    let mut all: Vec<_> = all.into_values().collect();
    for seat in &mut all {
        let unseen = horizon.is_some_and(|horizon| seat.last_seen_at.as_second() <= horizon);
        if seat.status == SeatStatus::Active && unseen {
            seat.status = SeatStatus::Inactive;
        }
    }
    all.sort_by_key(|seat| std::cmp::Reverse((seat.last_seen_at, seat.id)));
    Ok(all)
}

/// Minutes after which a seat that is not seen is free.
async fn timeout_minutes(app: &App, team: TeamId, kind: SeatKind) -> Result<Option<u32>, AdminError> {
    let settings = teams::find(app, team).await?.verification;
    Ok(match kind {
        SeatKind::Device => settings.hwid_timeout_minutes,
        SeatKind::Address => settings.ip_timeout_minutes,
    })
}

fn limit(license: &License, kind: SeatKind) -> Option<u32> {
    match kind {
        SeatKind::Device => license.hwid_limit(),
        SeatKind::Address => license.ip_limit(),
    }
}

async fn bound(app: &App, team: TeamId, seat: Seat) -> Result<SeatJson, AdminError> {
    let identifier = opened::text(app, team, Some(&seat.identifier), Seat::field(seat.kind)).await?;
    Ok(SeatJson {
        id: seat.id,
        license_id: seat.license_id,
        kind: seat.kind,
        identifier,
        status: match seat.released {
            None => SeatStatus::Active,
            Some(ReleaseReason::Forgotten) => SeatStatus::Forgotten,
            Some(_) => SeatStatus::Inactive,
        },
        country: None,
        created_at: seat.created_at,
        // It took its seat when it was seen, and lost it when it was not.
        last_seen_at: if seat.released.is_some() { seat.created_at } else { seat.updated_at },
        updated_at: seat.updated_at,
    })
}

/// The seats of a licence as the ledger has them now, and the version of its stream.
async fn taken(app: &App, team: TeamId, stream: StreamId) -> Result<(Seats, i64), AdminError> {
    let (mut seats, mut version) = (Seats::default(), 0);
    for recorded in app.ledger.read_streams(team, &[stream]).await? {
        seats.evolve(&recorded, &recorded.decode()?);
        version = recorded.stream_version;
    }
    Ok((seats, version))
}

/// Gives a device or an address that lost its seat the seat back, that of another which was not seen for long where no
/// other is free. Tells whether it had lost it.
///
/// # Errors
/// When there is no such licence or seat, all seats are taken, or others keep changing the licence.
pub async fn remember(
    app: &App,
    actor: &str,
    team: TeamId,
    license_id: Uuid,
    seat_id: Uuid,
) -> Result<bool, AdminError> {
    let (_, license) = licenses::find(app, Some(team), &license_id.to_string()).await?;
    let stream = StreamId::new(StreamKind::License, license_id);
    for _ in 0..CONFLICTS_MAX {
        let (seats, version) = taken(app, team, stream).await?;
        if seats.devices.contains(seat_id) || seats.addresses.contains(seat_id) {
            return Ok(false);
        }
        let seat = find(app, team, &license, seat_id).await?;
        let Some(identifier) = seat.identifier else {
            return Err(AdminError::Refused(format!("what seat {seat_id} belongs to cannot be read any more")));
        };
        if limit(&license, seat.kind).is_none() && seat.status != SeatStatus::Forgotten {
            return Ok(false);
        }
        let release = room(app, team, &license, &seats, (seat.kind, seat_id)).await?;
        let holder = Holder::new(app, team, license_id, seat.kind, identifier);
        let event_id = id::fresh();
        let context = SealContext { team, event_id, field: Seat::field(seat.kind) };
        let mut request = AppendRequest::new(team, by(actor)).expect(stream, version);
        let key = sealing_key(app, team, &license).await?.stored_by(&mut request);
        let sealed = key.seal(context, holder.identifier.as_bytes());
        let event: Event = match seat.kind {
            SeatKind::Device => DeviceBound { device_id: seat_id, lookup: holder.lookup, identifier: sealed }.into(),
            SeatKind::Address => AddressBound { address_id: seat_id, lookup: holder.lookup, address: sealed }.into(),
        };
        for unseen in release {
            request = request.event(NewEvent::new(stream, app.clock.now(), released(seat.kind, unseen)));
        }
        let request = request.event(NewEvent { stream, event_id, occurred_at: app.clock.now(), event });
        if let AppendOutcome::Appended { .. } = app.writer.append(request).await? {
            return Ok(true);
        }
    }
    Err(AdminError::Contended)
}

/// Who lose their seats to one that is to have it back, if anybody must.
///
/// # Errors
/// When all seats are taken, by who was seen within the team's timeout.
async fn room(
    app: &App,
    team: TeamId,
    license: &License,
    seats: &Seats,
    (kind, id): (SeatKind, Uuid),
) -> Result<Vec<Uuid>, AdminError> {
    let seen = app.activity.last_seen(team, license.id, kind).await?;
    let last_seen = seen.into_iter().map(|seen| (seen.seat_id, seen.last_seen)).collect();
    let request = seat::Request {
        kind,
        limit: limit(license, kind),
        taken: seats.of(kind),
        timeout_minutes: timeout_minutes(app, team, kind).await?,
        last_seen: Some(&last_seen),
        id,
        now: app.clock.now(),
    };
    match request.decide() {
        seat::Seat::Held => Ok(Vec::new()),
        seat::Seat::Free { release } => Ok(release),
        seat::Seat::Full | seat::Seat::Unclear => {
            let limit = request.limit.unwrap_or_default();
            Err(AdminError::Refused(format!("all {limit} seats are taken; forget another one first")))
        }
    }
}

fn released(kind: SeatKind, id: Uuid) -> Event {
    let reason = ReleaseReason::TimedOut;
    match kind {
        SeatKind::Device => DeviceReleased { device_id: id, reason }.into(),
        SeatKind::Address => AddressReleased { address_id: id, reason }.into(),
    }
}

/// A device or an address of a licence.
///
/// # Errors
/// When nothing of this id was ever seen with it.
pub async fn find(app: &App, team: TeamId, license: &License, seat_id: Uuid) -> Result<SeatJson, AdminError> {
    for kind in [SeatKind::Device, SeatKind::Address] {
        if let Some(seat) = of_kind(app, team, license, kind).await?.into_iter().find(|seat| seat.id == seat_id) {
            return Ok(seat);
        }
    }
    Err(AdminError::NotFound { what: "device or address", id: seat_id.to_string(), list: "license seats LICENCE" })
}

/// Frees a seat and forgets that its holder was seen. Tells whether it held one.
///
/// # Errors
/// When there is no such licence, or others keep changing it.
pub async fn forget(
    app: &App,
    actor: &str,
    team: Option<TeamId>,
    license_id: Uuid,
    seat_id: Uuid,
) -> Result<bool, AdminError> {
    let (team, _) = licenses::find(app, team, &license_id.to_string()).await?;
    let stream = StreamId::new(StreamKind::License, license_id);
    for _ in 0..CONFLICTS_MAX {
        let (seats, version) = taken(app, team, stream).await?;
        let reason = ReleaseReason::Forgotten;
        let event: Event = if seats.devices.contains(seat_id) {
            DeviceReleased { device_id: seat_id, reason }.into()
        } else if seats.addresses.contains(seat_id) {
            AddressReleased { address_id: seat_id, reason }.into()
        } else {
            app.activity.forget_seat(team, license_id, seat_id).await?;
            return Ok(false);
        };
        let event = NewEvent::new(stream, app.clock.now(), event);
        if append(app, actor, team, version, event).await? {
            app.activity.forget_seat(team, license_id, seat_id).await?;
            return Ok(true);
        }
    }
    Err(AdminError::Contended)
}
