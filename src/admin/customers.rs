//! Customers: made, changed, listed, taken off the list. Everything that says who they are is sealed under a data key
//! of their own.

use keyledger_events::event::customer::{CustomerRegistered, CustomerRemoved, CustomerUpdated};
use keyledger_events::event::inbox::{Origin, Provider};
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::keys::KeyLink;
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{AppendOutcome, AppendRequest, Event, NewEvent, StreamId, StreamKind, TeamId, Timestamp, id};
use keyledger_projections::{Customer, NumberedPage, Page, QueryError, view};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::idempotency::Maker;
use super::{AdminError, CONFLICTS_MAX, Listing, append, by, metadata, teams};
use crate::app::App;
use crate::opened;
use crate::providers::person::Person;

/// The longest text that says who somebody is, in characters.
const TEXT_CHARS_MAX: usize = 255;
/// Customers of one mail address that a search finds at most.
const NAMED_MAX: u32 = 100;

/// A postal address; what is not known is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Address {
    /// Street and number, as one line.
    pub street: Option<String>,
    /// The first line.
    pub line1: Option<String>,
    /// The second line.
    pub line2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State or province.
    pub state: Option<String>,
    /// Country.
    pub country: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
}

/// Who a customer is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// Mail address.
    pub email: Option<String>,
    /// Full name.
    pub full_name: Option<String>,
    /// User name.
    pub username: Option<String>,
    /// Postal address.
    pub address: Option<Address>,
    /// The seller's notes.
    pub metadata: Vec<MetadataEntry>,
}

/// A customer as programs see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerJson {
    /// Their id.
    pub id: Uuid,
    /// Mail address.
    pub email: Option<String>,
    /// Full name.
    pub full_name: Option<String>,
    /// User name.
    pub username: Option<String>,
    /// Postal address.
    pub address: Option<Address>,
    /// The seller's notes.
    #[schema(value_type = Vec<Object>)]
    pub metadata: Vec<MetadataEntry>,
    /// Who told us of them: stripe, polymart or manual.
    #[schema(value_type = String)]
    pub provider: Origin,
    /// Whose they are.
    #[schema(value_type = Uuid)]
    pub team_id: TeamId,
    /// Lukittu names the user who made them here; there is none.
    pub created_by_user_id: Option<Uuid>,
    /// When they became known.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When they last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// Opens what is known of a customer.
///
/// # Errors
/// When the keys store does not answer. What was forgotten is left out.
pub async fn describe(app: &App, team: TeamId, customer: &Customer) -> Result<CustomerJson, AdminError> {
    let profile = profile(app, team, customer).await?;
    let Profile { email, full_name, username, address, metadata } = profile;
    let (provider, created_at, updated_at) = (customer.provider, customer.created_at, customer.updated_at);
    let (id, team_id, created_by_user_id) = (customer.id, team, None);
    Ok(CustomerJson {
        id,
        email,
        full_name,
        username,
        address,
        metadata,
        provider,
        team_id,
        created_by_user_id,
        created_at,
        updated_at,
    })
}

async fn profile(app: &App, team: TeamId, customer: &Customer) -> Result<Profile, AdminError> {
    let text = async |sealed, field| opened::text(app, team, sealed, field).await;
    let address = text(customer.address.as_ref(), Customer::ADDRESS_FIELD).await?;
    Ok(Profile {
        email: text(customer.email.as_ref(), Customer::EMAIL_FIELD).await?,
        full_name: text(customer.name.as_ref(), Customer::NAME_FIELD).await?,
        username: text(customer.username.as_ref(), Customer::USERNAME_FIELD).await?,
        address: address.and_then(|text| serde_json::from_str(&text).ok()),
        metadata: opened::notes(app, team, customer.metadata.as_ref(), Customer::METADATA_FIELD).await?,
    })
}

/// A team's customers, newest first. Who becomes known meanwhile moves nobody to another place.
///
/// # Errors
/// When the views do not answer.
pub async fn list(
    app: &App,
    team: TeamId,
    limit: Option<u32>,
) -> Result<Listing<Customer, impl AsyncFn(TeamId, Page) -> Result<Vec<Customer>, QueryError>>, AdminError> {
    app.catch_up(&[view::CUSTOMERS]).await?;
    let fetch = async |team, page| app.views.team(team).listed_customers_page(page).await;
    Ok(Listing::new(vec![team], limit, |customer: &Customer| customer.created_position, fetch))
}

/// A page of customers, those with a mail address or all of them, and how many there are.
///
/// # Errors
/// When the views do not answer.
pub async fn page(
    app: &App,
    team: TeamId,
    email: Option<&str>,
    page: NumberedPage,
) -> Result<(Vec<Customer>, u64), AdminError> {
    app.catch_up(&[view::CUSTOMERS]).await?;
    // Personal data is sealed: what can be looked for is a whole mail address, by its fingerprint.
    let lookup = email.and_then(|email| email_lookup(app, team, email));
    let views = app.views.team(team);
    Ok((views.customers_page(lookup.as_deref(), page).await?, views.count_customers(lookup.as_deref()).await?))
}

/// The ids of the customers whose mail address, or whose id at a provider, this is.
///
/// # Errors
/// When the views do not answer.
pub async fn named(app: &App, team: TeamId, email_or_id: &str) -> Result<Vec<Uuid>, AdminError> {
    app.catch_up(&[view::CUSTOMERS]).await?;
    let lookup = email_lookup(app, team, email_or_id);
    let views = app.views.team(team);
    let found = views.customers_named(lookup.as_deref(), Some(email_or_id), NAMED_MAX).await?;
    Ok(found.into_iter().filter(|customer| !customer.removed).map(|customer| customer.id).collect())
}

/// The customer as the ledger has them now.
///
/// # Errors
/// When there is none of this id.
pub async fn find(app: &App, team: TeamId, customer_id: Uuid) -> Result<Customer, AdminError> {
    app.catch_up(&[view::CUSTOMERS]).await?;
    let found = app.views.team(team).customer(customer_id).await?;
    found.ok_or_else(|| AdminError::NotFound { what: "customer", id: customer_id.to_string(), list: "customer list" })
}

/// Makes a customer and tells their id.
///
/// # Errors
/// When what is told of them cannot be used, or the maker's key was used for something else.
pub async fn create(app: &App, maker: Maker<'_>, team: TeamId, profile: &Profile) -> Result<Uuid, AdminError> {
    check(profile)?;
    teams::find(app, team).await?;
    let stream = StreamId::new(StreamKind::Customer, new_id(app, maker, team, profile).await?);
    let (key, wrapped) = app.keys.generate(id::fresh());
    let now = app.clock.now();
    let registered = CustomerRegistered {
        provider: Origin::Manual,
        provider_customer: None,
        email_lookup: None,
        email: None,
        name: None,
    };
    let mut request = maker.request(app, team).event(NewEvent::new(stream, now, registered));
    request.events.push(updated(app, team, stream, &key, profile, now)?);
    request.keys.push(wrapped);
    request.links.push(KeyLink { key_id: key.id(), customer_id: stream.id });
    maker.append(app, request, stream).await?;
    Ok(stream.id)
}

/// The id that the mail address gives, so that a later purchase finds the same customer; a fresh one where that is
/// taken or there is no address.
async fn new_id(app: &App, maker: Maker<'_>, team: TeamId, profile: &Profile) -> Result<Uuid, AdminError> {
    let fallback = maker.id(team, "customer");
    if maker.idempotency.is_some() {
        return Ok(fallback);
    }
    let Some(derived) = person(profile).id(&app.keys, team) else { return Ok(fallback) };
    let version = app.ledger.stream_version(team, StreamId::new(StreamKind::Customer, derived)).await?;
    Ok(if version == 0 { derived } else { fallback })
}

/// The provider is of no consequence here: only what a mail address leads to is asked of this person.
fn person(profile: &Profile) -> Person {
    let (email, name) = (profile.email.clone(), profile.full_name.clone());
    Person { provider: Provider::Stripe, provider_customer: None, email, name }
}

fn check(profile: &Profile) -> Result<(), AdminError> {
    let invalid = |message: String| Err(AdminError::Invalid(message));
    let texts = [("email", &profile.email), ("fullName", &profile.full_name), ("username", &profile.username)];
    for (name, text) in texts {
        let Some(text) = text else { continue };
        if !(1..=TEXT_CHARS_MAX).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return invalid(format!("{name}: must have 1 to {TEXT_CHARS_MAX} characters and no control characters"));
        }
    }
    if let Some(email) = profile.email.as_ref().filter(|email| email.parse::<lettre::Address>().is_err()) {
        return invalid(format!("email: `{email}` is not a mail address"));
    }
    if profile.email.is_none() && profile.username.is_none() {
        return invalid("email: a customer needs an email or a username".to_owned());
    }
    metadata::check(&profile.metadata)
}

/// The event that says who a customer is, whole.
fn updated(
    app: &App,
    team: TeamId,
    stream: StreamId,
    key: &DataKey,
    profile: &Profile,
    now: Timestamp,
) -> Result<NewEvent, AdminError> {
    let event_id = id::fresh();
    let seal = |field, text: &str| key.seal(SealContext { team, event_id, field }, text.as_bytes());
    let text = |field, text: &Option<String>| text.as_deref().map(|text| seal(field, text));
    let address = profile.address.as_ref().map(serde_json::to_string).transpose();
    let address = address.map_err(|error| AdminError::Invalid(error.to_string()))?;
    let notes = (!profile.metadata.is_empty())
        .then(|| metadata::seal(key, team, event_id, Customer::METADATA_FIELD, &profile.metadata))
        .transpose()?;
    let update = CustomerUpdated {
        email_lookup: person(profile).email_lookup(&app.keys, team),
        email: text(Customer::EMAIL_FIELD, &profile.email),
        name: text(Customer::NAME_FIELD, &profile.full_name),
        username: text(Customer::USERNAME_FIELD, &profile.username),
        address: address.as_deref().map(|address| seal(Customer::ADDRESS_FIELD, address)),
        metadata: notes,
    };
    Ok(NewEvent { stream, event_id, occurred_at: now, event: update.into() })
}

/// Says anew who a customer is. What is so already is not recorded again.
///
/// # Errors
/// When there is no such customer, or what is told of them cannot be used.
pub async fn update(
    app: &App,
    actor: &str,
    team: TeamId,
    customer_id: Uuid,
    profile: &Profile,
) -> Result<(), AdminError> {
    check(profile)?;
    let stream = StreamId::new(StreamKind::Customer, customer_id);
    for _ in 0..CONFLICTS_MAX {
        let customer = find(app, team, customer_id).await?;
        if self::profile(app, team, &customer).await? == *profile {
            return Ok(());
        }
        let mut request = AppendRequest::new(team, by(actor)).expect(stream, customer.version);
        let key = match customer.key_id() {
            Some(key_id) => app.keys.key_unless_gone(key_id).await?,
            None => None,
        };
        let key = match key {
            Some(key) => key,
            // Nothing was known of them, or it was forgotten: what is told now has a key of its own.
            None => {
                let (key, wrapped) = app.keys.generate(id::fresh());
                request.keys.push(wrapped);
                request.links.push(KeyLink { key_id: key.id(), customer_id });
                key
            }
        };
        request.events.push(updated(app, team, stream, &key, profile, app.clock.now())?);
        if let AppendOutcome::Appended { .. } = app.writer.append(request).await? {
            return Ok(());
        }
    }
    Err(AdminError::Contended)
}

/// Takes a customer off the list. Their licences stay what they are.
///
/// # Errors
/// When there is no such customer.
pub async fn remove(app: &App, actor: &str, team: TeamId, customer_id: Uuid) -> Result<(), AdminError> {
    let stream = StreamId::new(StreamKind::Customer, customer_id);
    for _ in 0..CONFLICTS_MAX {
        let customer = find(app, team, customer_id).await?;
        let event: Event = CustomerRemoved {}.into();
        let event = NewEvent::new(stream, app.clock.now(), event);
        if append(app, actor, team, customer.version, event).await? {
            return Ok(());
        }
    }
    Err(AdminError::Contended)
}

/// The fingerprint that customers with this mail address are found by.
pub(super) fn email_lookup(app: &App, team: TeamId, email: &str) -> Option<String> {
    let profile = Profile { email: Some(email.to_owned()), ..Profile::default() };
    person(&profile).email_lookup(&app.keys, team)
}
