//! Licences that the seller makes, by hand or by a program.

use keyledger_events::event::delivery::MailContent;
use keyledger_events::event::inbox::Origin;
use keyledger_events::event::license::{LicenseAmended, LicenseIssued, LicenseSuspended};
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::sealed::SealContext;
use keyledger_events::{NewEvent, StreamId, StreamKind, TeamId, id};
use keyledger_projections::License;
use uuid::Uuid;

use super::check::check;
use crate::admin::idempotency::Maker;
use crate::admin::mails::{self, ToCustomer};
use crate::admin::{AdminError, metadata};
use crate::app::App;
use crate::keys;
use crate::licensing::settings::Settings;

/// What a licence made by hand is said to have been bought as.
const ITEM: &str = "manual";

/// A licence to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLicense {
    /// What it is.
    pub settings: Settings,
    /// The seller's notes.
    pub metadata: Vec<MetadataEntry>,
    /// Whether its customers get the key by mail.
    pub mail: bool,
}

/// Makes a licence with a new key, and tells its id.
///
/// # Errors
/// When a product or customer does not exist, a setting cannot be used, or the maker's key was used for something else.
pub async fn create(app: &App, maker: Maker<'_>, team: TeamId, new: &NewLicense) -> Result<Uuid, AdminError> {
    let stream = StreamId::new(StreamKind::License, maker.id(team, "license"));
    if maker.has_made(app, team, stream).await? {
        return Ok(stream.id);
    }
    metadata::check(&new.metadata)?;
    let customers = check(app, team, &new.settings, None).await?;
    let (now, event_id, key) = (app.clock.now(), id::fresh(), keys::generate());
    let team_key = app.keys.team_key(team).await?;
    let issued = LicenseIssued {
        key: team_key.seal(SealContext { team, event_id, field: License::KEY_FIELD }, key.as_bytes()),
        key_lookup: keys::lookup(&app.keys, team, &key),
        provider: Origin::Manual,
        livemode: None,
        customer_id: new.settings.customer_ids.first().copied(),
        purchase: StreamId::new(StreamKind::Purchase, stream.id),
        item: ITEM.to_owned(),
        unit: 0,
        terms: new.settings.terms(now),
    };
    let mut request = maker.request(app, team);
    request = request.event(NewEvent { stream, event_id, occurred_at: now, event: issued.into() });
    let mut amended = new.settings.beyond_terms();
    let event_id = id::fresh();
    if !new.metadata.is_empty() {
        amended.metadata = Some(metadata::seal(&team_key, team, event_id, License::METADATA_FIELD, &new.metadata)?);
    }
    if amended != LicenseAmended::default() {
        request = request.event(NewEvent { stream, event_id, occurred_at: now, event: amended.into() });
    }
    if new.settings.suspended {
        request = request.event(NewEvent::new(stream, now, LicenseSuspended { reason: None }));
    }
    if new.mail {
        for customer in &customers {
            let delivery = id::derived(team, &["mail", &stream.to_string(), &customer.id.to_string()]);
            let to = ToCustomer { delivery, purchase: StreamId::new(StreamKind::Purchase, stream.id), customer };
            if let Some(event) = mails::to_customer(app, team, to, MailContent::LicenseKeys, stream.id).await? {
                request = request.event(event);
            }
        }
    }
    maker.append(app, request, stream).await?;
    Ok(stream.id)
}
