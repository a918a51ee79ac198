//! Events as they happen, with sealed values that are really sealed.

use std::collections::BTreeMap;

use keyledger_events::event::delivery::{MailContent, MailRequested};
use keyledger_events::event::inbox::{Provider, ProviderEventReceived};
use keyledger_events::event::license::{LicenseIssued, Offer, SubscriptionTerms, Terms};
use keyledger_events::event::team::TeamRegistered;
use keyledger_events::id::StreamKind;
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{Event, NewEvent, Sealed, StreamId, TeamId, Timestamp, id};
use uuid::Uuid;

pub(crate) fn team() -> TeamId {
    TeamId(id::fresh())
}

pub(crate) fn stream(kind: StreamKind) -> StreamId {
    StreamId::new(kind, id::fresh())
}

/// The moment that many seconds after noon of 1 March 2026, when the stories begin.
pub(crate) fn noon_and(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_772_366_400 + seconds).unwrap_or_default()
}

pub(crate) fn event(stream: StreamId, event: impl Into<Event>) -> NewEvent {
    NewEvent::new(stream, noon_and(0), event)
}

pub(crate) fn sealed(team: TeamId, field: &str) -> Sealed {
    DataKey::generate(team.0).seal(SealContext { team, event_id: Uuid::nil(), field }, b"a secret")
}

pub(crate) fn team_registered(team: TeamId, name: &str) -> NewEvent {
    let private_key = sealed(team, "private_key");
    let registered = TeamRegistered { name: name.to_owned(), public_key: "LS0t".to_owned(), private_key };
    event(StreamId::new(StreamKind::Team, team.0), registered)
}

/// Terms of a one-off purchase that lasts for ever.
pub(crate) fn for_ever() -> Terms {
    Terms {
        offer: Offer { product_ids: vec![Uuid::nil()], ..Offer::default() },
        purchased_at: noon_and(0),
        subscription: None,
        revoked: false,
        disputed: false,
        references: BTreeMap::new(),
    }
}

/// Terms of a subscription paid until that many seconds after noon, without grace.
pub(crate) fn paid_until(seconds: i64) -> Terms {
    let paid_until = Some(noon_and(seconds));
    Terms { subscription: Some(SubscriptionTerms { paid_until, grace_seconds: 0, ended_at: None }), ..for_ever() }
}

/// Terms of a purchase on Polymart.
pub(crate) fn of_polymart(product: &str, user: &str) -> Terms {
    let references = [("polymartProduct", product), ("polymartUser", user)];
    let references = references.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Terms { references, ..for_ever() }
}

pub(crate) fn issued(team: TeamId, license: StreamId, terms: Terms) -> NewEvent {
    issued_with(team, license, terms, stream(StreamKind::Purchase), None)
}

pub(crate) fn issued_with(
    team: TeamId,
    license: StreamId,
    terms: Terms,
    purchase: StreamId,
    customer_id: Option<Uuid>,
) -> NewEvent {
    let issued = LicenseIssued {
        key: sealed(team, "key"),
        key_lookup: key_lookup(license),
        provider: Provider::Stripe.into(),
        livemode: Some(true),
        customer_id,
        purchase,
        item: "li_1".to_owned(),
        unit: 0,
        terms,
    };
    event(license, issued)
}

pub(crate) fn key_lookup(license: StreamId) -> String {
    format!("lookup of {}", license.id)
}

pub(crate) fn received(team: TeamId, entry: StreamId, provider_event_id: &str) -> NewEvent {
    let received = ProviderEventReceived {
        provider: Provider::Stripe,
        provider_event_id: provider_event_id.to_owned(),
        event_type: "invoice.paid".to_owned(),
        livemode: Some(false),
        query: BTreeMap::new(),
        body_sha256: "00".repeat(32),
        body: sealed(team, "body"),
    };
    event(entry, received)
}

pub(crate) fn mail_requested(team: TeamId, mail: StreamId, purchase: StreamId) -> NewEvent {
    let requested = MailRequested {
        purchase,
        customer_id: Uuid::nil(),
        to: sealed(team, "to"),
        content: MailContent::LicenseKeys,
        license_ids: vec![Uuid::nil()],
        message_id: "<one@keyledger>".to_owned(),
    };
    event(mail, requested)
}
