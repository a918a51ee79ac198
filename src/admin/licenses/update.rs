//! A licence set as a whole: only what differs is recorded.

use keyledger_events::event::license::{LicenseAmended, LicenseKeyReplaced};
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, StreamId, StreamKind, TeamId, Timestamp, id};
use keyledger_projections::{License, view};
use uuid::Uuid;

use super::check::check;
use crate::admin::{AdminError, CONFLICTS_MAX, by, metadata};
use crate::app::App;
use crate::keys;
use crate::licensing::settings::{Settings, changes};
use crate::opened;

/// What a licence is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its key.
    pub license_key: String,
    /// Its settings.
    pub settings: Settings,
    /// The seller's notes, all of them.
    pub metadata: Vec<MetadataEntry>,
}

/// Makes a licence what `update` says.
///
/// # Errors
/// When there is no such licence, its state forbids it, a setting cannot be used, or the key is another one's.
pub async fn update(app: &App, actor: &str, team: TeamId, license_id: Uuid, update: &Update) -> Result<(), AdminError> {
    metadata::check(&update.metadata)?;
    let stream = StreamId::new(StreamKind::License, license_id);
    for _ in 0..CONFLICTS_MAX {
        let events = app.ledger.read_streams(team, &[stream]).await?;
        let (mut license, mut ends) = (None, Vec::new());
        for recorded in &events {
            license = License::evolve(license, recorded, &recorded.decode()?);
            ends.extend(license.as_ref().and_then(License::expires_at));
        }
        let Some(license) = license else {
            return Err(AdminError::NotFound { what: "licence", id: license_id.to_string(), list: "license list" });
        };
        check(app, team, &update.settings, Some((&license, &ends))).await?;
        let events = decided(app, team, stream, &license, update, &ends).await?;
        if events.is_empty() {
            return Ok(());
        }
        let mut request = AppendRequest::new(team, by(actor)).expect(stream, license.version);
        request.events = events;
        match app.writer.append(request).await? {
            AppendOutcome::Appended { .. } => return Ok(()),
            // Somebody gave the key away a moment ago: its event has the id that ours would have. Decided again, it is
            // this licence's key already, or another one's.
            AppendOutcome::AlreadyApplied { .. } | AppendOutcome::Conflict { .. } => {}
        }
    }
    Err(AdminError::Contended)
}

async fn decided(
    app: &App,
    team: TeamId,
    stream: StreamId,
    license: &License,
    update: &Update,
    ends: &[Timestamp],
) -> Result<Vec<NewEvent>, AdminError> {
    let now = app.clock.now();
    let (mut amended, suspension) = changes(license, &update.settings, ends)?;
    let mut events = Vec::new();
    let event_id = id::fresh();
    let notes = opened::notes(app, team, license.amended.metadata.as_ref(), License::METADATA_FIELD).await?;
    if notes != update.metadata {
        let key = app.keys.team_key(team).await?;
        amended.metadata = Some(metadata::seal(&key, team, event_id, License::METADATA_FIELD, &update.metadata)?);
    }
    if amended != LicenseAmended::default() {
        events.push(NewEvent { stream, event_id, occurred_at: now, event: amended.into() });
    }
    let lookup = keys::lookup(&app.keys, team, &update.license_key);
    if lookup != license.key_lookup {
        events.push(replaced(app, team, stream, &update.license_key, lookup).await?);
    }
    events.extend(suspension.map(|event| NewEvent::new(stream, now, event)));
    Ok(events)
}

/// The event that gives a licence another key. A key that any licence has or ever had is never given again; of two
/// that want the same one at once, one finds the event's id taken.
async fn replaced(
    app: &App,
    team: TeamId,
    stream: StreamId,
    key: &str,
    key_lookup: String,
) -> Result<NewEvent, AdminError> {
    app.catch_up(&[view::LICENSE_KEYS]).await?;
    if app.views.team(team).license_by_key(&key_lookup).await?.is_some() {
        return Err(taken());
    }
    let event_id = id::derived(team, &["license-key", &key_lookup]);
    let context = SealContext { team, event_id, field: License::KEY_FIELD };
    let key = app.keys.team_key(team).await?.seal(context, key.as_bytes());
    let event = LicenseKeyReplaced { key, key_lookup }.into();
    Ok(NewEvent { stream, event_id, occurred_at: app.clock.now(), event })
}

fn taken() -> AdminError {
    AdminError::Refused("licenseKey: a licence of this team has or had this key; choose another one".to_owned())
}
