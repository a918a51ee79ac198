//! Licences that the seller makes, by hand or by a program.

use keyledger_events::event::delivery::MailRequested;
use keyledger_events::event::inbox::Origin;
use keyledger_events::event::license::{LicenseAmended, LicenseIssued, LicenseSuspended};
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::sealed::SealContext;
use keyledger_events::{NewEvent, StreamId, StreamKind, TeamId, id};
use keyledger_projections::{Customer, Delivery, License};
use uuid::Uuid;

use super::check::check;
use crate::admin::idempotency::Maker;
use crate::admin::{AdminError, metadata};
use crate::app::App;
use crate::keys;
use crate::licensing::settings::Settings;
use crate::opened;

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
    metadata::check(&new.metadata)?;
    let customers = check(app, team, &new.settings, None).await?;
    let stream = StreamId::new(StreamKind::License, maker.id(team, "license"));
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
            if let Some(event) = mail(app, team, stream, customer).await? {
                request = request.event(event);
            }
        }
    }
    maker.append(app, request, stream).await?;
    Ok(stream.id)
}

/// The request for a mail to a customer who has an address.
async fn mail(app: &App, team: TeamId, license: StreamId, customer: &Customer) -> Result<Option<NewEvent>, AdminError> {
    let Some(sealed) = &customer.email else { return Ok(None) };
    let Some(address) = opened::text(app, team, Some(sealed), Customer::EMAIL_FIELD).await? else {
        return Ok(None);
    };
    // Forgotten just now, perhaps.
    let Some(key) = app.keys.key_unless_gone(sealed.value.key_id()).await? else { return Ok(None) };
    let delivery = id::derived(team, &["mail", &license.to_string(), &customer.id.to_string()]);
    let event_id = id::fresh();
    let context = SealContext { team, event_id, field: Delivery::TO_FIELD };
    let requested = MailRequested {
        purchase: StreamId::new(StreamKind::Purchase, license.id),
        customer_id: customer.id,
        to: key.seal(context, address.as_bytes()),
        license_ids: vec![license.id],
        message_id: format!("<{delivery}@keyledger>"),
    };
    let stream = StreamId::new(StreamKind::Delivery, delivery);
    Ok(Some(NewEvent { stream, event_id, occurred_at: app.clock.now(), event: requested.into() }))
}
