//! What a hook says: `{"type","timestamp","data"}`, with the licence as it was right after the event.
//!
//! It is made from the ledger alone, so every attempt says the same. Names and mail addresses are never in it; the
//! licence key is if the endpoint asks for it.

use bytes::Bytes;
use keyledger_events::event::DecodeError;
use keyledger_events::keys::KeyRingError;
use keyledger_events::sealed::SealContext;
use keyledger_events::{Event, LedgerError, RecordedEvent, StreamKind, TeamId, Timestamp};
use keyledger_projections::{Endpoint, Hook, License};
use serde_json::{Map, Value, json};

use crate::admin::licenses::LicenseJson;
use crate::app::App;
use crate::http::LicenseData;
use crate::opened;

/// Why a hook cannot be put together now. It stays pending.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An event is beyond this build.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A sealed value cannot be opened.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The body has no JSON form.
    #[error("a hook cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The view names an event that the ledger does not have.
    #[error("the ledger has no event {0}, which a hook tells of")]
    NoSource(uuid::Uuid),
}

/// The body of a hook.
///
/// # Errors
/// When something inside does not answer.
pub(super) async fn body(app: &App, endpoint: &Endpoint, hook: &Hook) -> Result<Bytes, BodyError> {
    let (recorded, event, license) = source(app, hook).await?;
    let mut data = Map::new();
    data.insert("eventId".to_owned(), json!(recorded.event_id));
    data.insert("position".to_owned(), json!(recorded.position));
    data.insert("event".to_owned(), json!(recorded.event_type));
    data.insert("occurredAt".to_owned(), json!(recorded.occurred_at));
    data.insert("recordedAt".to_owned(), json!(recorded.recorded_at));
    data.insert("teamId".to_owned(), json!(hook.team));
    data.insert("webhookId".to_owned(), json!(endpoint.id));
    if let Some(license) = license {
        data.insert("license".to_owned(), of_license(app, endpoint, &license, recorded.recorded_at).await?);
    }
    if let Value::Object(details) = details(&event) {
        data.extend(details);
    }
    write(&hook.kind, recorded.occurred_at, Value::Object(data))
}

/// The event that a hook tells of, and the licence as it was right after it.
async fn source(app: &App, hook: &Hook) -> Result<(RecordedEvent, Event, Option<License>), BodyError> {
    let source = &hook.source;
    let mut license = None;
    for recorded in app.ledger.read_streams(hook.team, &[source.stream]).await? {
        let event = recorded.decode()?;
        if source.stream.kind == StreamKind::License {
            license = License::evolve(license, &recorded, &event);
        }
        if recorded.stream_version == source.stream_version {
            return Ok((recorded, event, license));
        }
    }
    Err(BodyError::NoSource(source.event_id))
}

/// The licence as the developer API shows it, at a moment. When it was last used is not told: another attempt would
/// tell another time.
pub(super) async fn of_license(
    app: &App,
    endpoint: &Endpoint,
    license: &License,
    at: Timestamp,
) -> Result<Value, BodyError> {
    let team = endpoint.team;
    let key = if endpoint.include_keys { open_key(app, team, license).await? } else { None };
    let mut shown = LicenseJson::new(team, license, key, at, Some(at));
    shown.last_used_at = None;
    let notes = opened::notes(app, team, license.amended.metadata.as_ref(), License::METADATA_FIELD).await?;
    Ok(serde_json::to_value(LicenseData::new(team, license, shown, notes))?)
}

async fn open_key(app: &App, team: TeamId, license: &License) -> Result<Option<String>, BodyError> {
    let context = SealContext { team, event_id: license.key_event, field: License::KEY_FIELD };
    let key = app.keys.open_unless_gone(context, &license.key).await?;
    Ok(key.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// A body with these parts.
pub(super) fn write(kind: &str, timestamp: Timestamp, data: Value) -> Result<Bytes, BodyError> {
    Ok(serde_json::to_vec(&json!({ "type": kind, "timestamp": timestamp, "data": data }))?.into())
}

/// What an event says beyond what the licence is after it. Devices and addresses are told by their ids alone: what is
/// behind them is sealed for the buyer.
fn details(event: &Event) -> Value {
    match event {
        Event::SubscriptionRenewed(e) => json!({ "invoice": e.invoice }),
        Event::PaymentRefunded(e) => {
            json!({ "refund": { "payment": e.payment, "refunded": e.refunded, "full": e.full } })
        }
        Event::DisputeOpened(e) => json!({ "dispute": { "id": e.dispute } }),
        Event::DisputeClosed(e) => json!({ "dispute": { "id": e.dispute, "won": e.won } }),
        Event::LicenseExpiringSoon(e) => json!({ "expiresAt": e.expires_at }),
        Event::LicenseExpired(e) => json!({ "dueAt": e.due_at }),
        Event::LicenseSuspended(e) => json!({ "reason": e.reason }),
        Event::LicenseReinstated(e) => json!({ "reason": e.reason }),
        Event::LicenseRevoked(e) => json!({ "reason": e.reason }),
        Event::DeviceBound(e) => json!({ "device": { "id": e.device_id } }),
        Event::DeviceReleased(e) => json!({ "device": { "id": e.device_id, "reason": e.reason } }),
        Event::AddressBound(e) => json!({ "address": { "id": e.address_id } }),
        Event::AddressReleased(e) => json!({ "address": { "id": e.address_id, "reason": e.reason } }),
        _ => json!({}),
    }
}
