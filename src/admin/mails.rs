//! Mails: listed, and sent once more.

use keyledger_events::event::delivery::{MailContent, MailRequested};
use keyledger_events::keys::KeyRingError;
use keyledger_events::sealed::SealContext;
use keyledger_events::{AppendOutcome, AppendRequest, NewEvent, StreamId, StreamKind, TeamId, Timestamp, id};
use keyledger_projections::{Customer, Delivery, DeliveryState, License, Page, QueryError, SealedField, view};
use serde::Serialize;
use uuid::Uuid;

use super::{AdminError, Listing, by, teams};
use crate::app::App;
use crate::mail::worker::{Preview, preview};
use crate::mail::{MESSAGE_ID_DOMAIN, is_address};
use crate::opened;

/// A mail as scripts and programs see it. The address is sealed and not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MailJson {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub team_id: TeamId,
    /// How far it is.
    pub state: DeliveryState,
    /// What the last attempt failed of, or why it was abandoned.
    pub reason: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// What it says.
    pub content: MailContent,
    /// Who it goes to; the team's id for a mail to the seller.
    pub customer_id: Uuid,
    /// What was bought, or what else it is about.
    pub purchase: StreamId,
    /// The licences that it is about.
    pub license_ids: Vec<Uuid>,
    /// Its Message-ID.
    pub message_id: String,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When the mail server accepted it.
    pub sent_at: Option<Timestamp>,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
}

impl From<Delivery> for MailJson {
    fn from(mail: Delivery) -> Self {
        Self {
            id: mail.id,
            team_id: mail.team,
            state: mail.state,
            reason: mail.reason,
            attempts: mail.attempts,
            content: mail.content,
            customer_id: mail.customer_id,
            purchase: mail.purchase,
            license_ids: mail.license_ids,
            message_id: mail.message_id,
            requested_at: mail.requested_at,
            sent_at: mail.sent_at,
            retry_at: mail.retry_at,
        }
    }
}

/// A mail to a customer, about one licence of theirs.
#[derive(Debug, Clone, Copy)]
pub struct ToCustomer<'a> {
    /// The id of the mail.
    pub delivery: Uuid,
    /// What was bought.
    pub purchase: StreamId,
    /// Who gets it.
    pub customer: &'a Customer,
}

/// A mail to an address that is sealed.
#[derive(Debug, Clone)]
pub struct ToSealed<'a> {
    /// The id of the mail.
    pub delivery: Uuid,
    /// What was bought, or what else it is about.
    pub purchase: StreamId,
    /// Who gets it; the team's id for a mail to the seller.
    pub customer_id: Uuid,
    /// Their address.
    pub address: &'a SealedField,
    /// The field that holds it.
    pub field: &'static str,
    /// The licences that it is about.
    pub license_ids: Vec<Uuid>,
}

/// The request for a mail to a customer; `None` when they have no address, or were forgotten.
///
/// # Errors
/// When the keys store does not answer.
pub async fn to_customer(
    app: &App,
    team: TeamId,
    to: ToCustomer<'_>,
    content: MailContent,
    license_id: Uuid,
) -> Result<Option<NewEvent>, KeyRingError> {
    let ToCustomer { delivery, purchase, customer } = to;
    let Some(address) = &customer.email else { return Ok(None) };
    let (customer_id, field, license_ids) = (customer.id, Customer::EMAIL_FIELD, vec![license_id]);
    to_sealed(app, team, ToSealed { delivery, purchase, customer_id, address, field, license_ids }, content).await
}

/// The request for a mail to a sealed address, which is sealed again under the same key; `None` when its owner was
/// forgotten.
///
/// # Errors
/// When the keys store does not answer.
pub async fn to_sealed(
    app: &App,
    team: TeamId,
    to: ToSealed<'_>,
    content: MailContent,
) -> Result<Option<NewEvent>, KeyRingError> {
    let ToSealed { delivery, purchase, customer_id, address: sealed, field, license_ids } = to;
    let Some(address) = opened::text(app, team, Some(sealed), field).await? else { return Ok(None) };
    // Forgotten just now, perhaps.
    let Some(key) = app.keys.key_unless_gone(sealed.value.key_id()).await? else { return Ok(None) };
    let event_id = id::fresh();
    let requested = MailRequested {
        purchase,
        customer_id,
        to: key.seal(SealContext { team, event_id, field: Delivery::TO_FIELD }, address.as_bytes()),
        content,
        license_ids,
        message_id: format!("<{delivery}@{MESSAGE_ID_DOMAIN}>"),
    };
    let stream = StreamId::new(StreamKind::Delivery, delivery);
    Ok(Some(NewEvent { stream, event_id, occurred_at: app.clock.now(), event: requested.into() }))
}

/// What must be known of a mail before it is sent once more.
const NEEDED: [&str; 3] = [view::DELIVERIES, view::LICENSES, view::CUSTOMERS];

/// Mails of one team or of all, newest first. No state means all of them.
///
/// # Errors
/// When there is no such team.
pub async fn list(
    app: &App,
    team: Option<TeamId>,
    states: Vec<DeliveryState>,
    limit: Option<u32>,
) -> Result<Listing<Delivery, impl AsyncFn(TeamId, Page) -> Result<Vec<Delivery>, QueryError>>, AdminError> {
    let teams = teams::ids(app, team).await?;
    app.catch_up(&[view::DELIVERIES]).await?;
    let views = app.views.clone();
    let fetch = async move |team, page| views.team(team).deliveries(&states, page).await;
    Ok(Listing::new(teams, limit, |mail: &Delivery| mail.requested_position, fetch))
}

/// Asks for a further mail that says the same to the same person, at the address that they have by now; `id` is a mail's or a
/// licence's.
///
/// # Errors
/// When there is no such mail, or when it would not be sent: its address cannot be read any more or is none, its licences
/// are revoked.
pub async fn resend(app: &App, actor: &str, team: Option<TeamId>, id: Uuid) -> Result<Delivery, AdminError> {
    let teams = teams::ids(app, team).await?;
    app.catch_up(&NEEDED).await?;
    for team in teams {
        if let Some(mail) = find(app, team, id).await? {
            return again(app, actor, &mail).await;
        }
        if let Some(license) = app.views.team(team).license(id).await? {
            return first(app, actor, team, &license).await;
        }
    }
    Err(AdminError::NotFound { what: "mail or licence", id: id.to_string(), list: "mail list" })
}

/// Asks for the mail with the key of a licence that none was ever asked for, as when the sale named no address.
async fn first(app: &App, actor: &str, team: TeamId, license: &License) -> Result<Delivery, AdminError> {
    let unsendable = |reason: String| AdminError::Refused(format!("licence {} has no mail, and {reason}", license.id));
    if license.revoked() {
        return Err(unsendable("the key of a revoked licence is sent to nobody".to_owned()));
    }
    let Some(customer_id) = license.customer_ids().first().copied() else {
        return Err(unsendable("it has no customer whom one could go to".to_owned()));
    };
    let customer = app.views.team(team).customer(customer_id).await?;
    let address = customer.as_ref().and_then(|customer| customer.email.as_ref());
    let to = opened::text(app, team, address, Customer::EMAIL_FIELD).await?.filter(|to| is_address(to));
    let (Some(to), Some(key_id)) = (to, address.map(|address| address.value.key_id())) else {
        let reason = format!(
            "no address is known of customer {customer_id} that mail can be sent to; tell it by `PUT \
             /api/v1/dev/teams/TEAM_ID/customers/CUSTOMER_ID`"
        );
        return Err(unsendable(reason));
    };
    let mail = Wanted {
        team,
        key_id,
        purchase: license.purchase,
        customer_id,
        content: MailContent::LicenseKeys,
        license_ids: vec![license.id],
        domain: MESSAGE_ID_DOMAIN,
    };
    request(app, actor, mail, &to).await
}

/// Asks again for the mails that were asked for at `since` or later and were given up, unless a later one says the same: each
/// of them with what came of it, the newest first.
///
/// # Errors
/// When there is no such team, or something inside does not answer.
pub async fn resend_abandoned(
    app: &App,
    actor: &str,
    team: Option<TeamId>,
    since: Timestamp,
) -> Result<Vec<Result<Delivery, AdminError>>, AdminError> {
    app.catch_up(&NEEDED).await?;
    let mut abandoned = Vec::new();
    let mut listing = list(app, team, vec![DeliveryState::Abandoned], None).await?;
    while let Some((_, mail)) = listing.next().await? {
        if mail.requested_at < since {
            break;
        }
        abandoned.push(mail);
    }
    let mut done = Vec::new();
    for mail in abandoned {
        if !is_repeated(app, &mail).await? {
            done.push(again(app, actor, &mail).await);
        }
    }
    Ok(done)
}

/// Whether a later mail says what this one does.
async fn is_repeated(app: &App, mail: &Delivery) -> Result<bool, QueryError> {
    let mails = app.views.team(mail.team).deliveries_of_purchase(mail.purchase).await?;
    Ok(mails.iter().any(|later| {
        let newer = later.requested_position > mail.requested_position && later.customer_id == mail.customer_id;
        newer && later.content == mail.content && mail.license_ids.iter().all(|id| later.license_ids.contains(id))
    }))
}

async fn again(app: &App, actor: &str, mail: &Delivery) -> Result<Delivery, AdminError> {
    let unsendable = |reason: String| AdminError::Refused(format!("mail {} would not be sent: {reason}", mail.id));
    let Preview { to, .. } = preview(app, mail, app.clock.now()).await.map_err(unsendable)?;
    let to = present_address(app, mail).await?.unwrap_or(to);
    if !is_address(&to) {
        let reason = format!(
            "its address is not one that mail can be sent to; correct that of customer {} first, by `PUT \
             /api/v1/dev/teams/TEAM_ID/customers/CUSTOMER_ID`",
            mail.customer_id
        );
        return Err(unsendable(reason));
    }
    let mail = Wanted {
        team: mail.team,
        key_id: mail.to.value.key_id(),
        purchase: mail.purchase,
        customer_id: mail.customer_id,
        content: mail.content.clone(),
        license_ids: mail.license_ids.clone(),
        domain: domain(&mail.message_id),
    };
    request(app, actor, mail, &to).await
}

/// The address that the customer has now; `None` for a mail to somebody else.
async fn present_address(app: &App, mail: &Delivery) -> Result<Option<String>, AdminError> {
    let Some(customer) = app.views.team(mail.team).customer(mail.customer_id).await? else { return Ok(None) };
    Ok(opened::text(app, mail.team, customer.email.as_ref(), Customer::EMAIL_FIELD).await?)
}

/// The mail itself, or the latest one that carried the licence's key.
async fn find(app: &App, team: TeamId, id: Uuid) -> Result<Option<Delivery>, AdminError> {
    let views = app.views.team(team);
    if let Some(mail) = views.delivery(id).await? {
        return Ok(Some(mail));
    }
    let Some(license) = views.license(id).await? else { return Ok(None) };
    Ok(latest_with_key(app, team, &license).await?)
}

/// The latest mail that carries a licence's key; `None` where none ever did.
///
/// # Errors
/// When the view cannot be read.
pub async fn latest_with_key(app: &App, team: TeamId, license: &License) -> Result<Option<Delivery>, QueryError> {
    let mails = app.views.team(team).deliveries_of_purchase(license.purchase).await?;
    let carries = |mail: &Delivery| mail.content == MailContent::LicenseKeys && mail.license_ids.contains(&license.id);
    Ok(mails.into_iter().find(carries))
}

/// A mail that somebody asks for.
struct Wanted<'a> {
    team: TeamId,
    /// The data key that its address is sealed with.
    key_id: Uuid,
    purchase: StreamId,
    customer_id: Uuid,
    content: MailContent,
    license_ids: Vec<Uuid>,
    /// Of its Message-ID.
    domain: &'a str,
}

async fn request(app: &App, actor: &str, mail: Wanted<'_>, to: &str) -> Result<Delivery, AdminError> {
    let (team, event_id) = (mail.team, id::fresh());
    let key = app.keys.key(mail.key_id).await?;
    let stream = StreamId::new(StreamKind::Delivery, id::derived(team, &["mail", "resend", &event_id.to_string()]));
    let requested = MailRequested {
        purchase: mail.purchase,
        customer_id: mail.customer_id,
        to: key.seal(SealContext { team, event_id, field: Delivery::TO_FIELD }, to.as_bytes()),
        content: mail.content,
        license_ids: mail.license_ids,
        message_id: format!("<{}@{}>", stream.id, mail.domain),
    };
    let event = NewEvent { stream, event_id, occurred_at: app.clock.now(), event: requested.into() };
    let request = AppendRequest::new(team, by(actor)).expect(stream, 0).event(event);
    let AppendOutcome::Appended { .. } = app.writer.append(request).await? else { return Err(AdminError::Contended) };
    app.catch_up(&[view::DELIVERIES]).await?;
    app.views.team(team).delivery(stream.id).await?.ok_or(AdminError::Contended)
}

/// The domain of a Message-ID.
fn domain(message_id: &str) -> &str {
    let bare = message_id.trim_matches(['<', '>']);
    bare.rsplit_once('@').map_or(MESSAGE_ID_DOMAIN, |(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_mail_keeps_the_domain() {
        assert_eq!(domain("<1@keys.example.com>"), "keys.example.com");
        assert_eq!(domain("odd"), "keyledger");
    }
}
