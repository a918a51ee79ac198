//! A ledger in miniature: facts go in, licences come out, with the production's own functions in between.

use std::collections::HashMap;

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::license::{LicenseIssued, Offer, Terms};
use keyledger_events::event::purchase::{
    DisputeRecorded, DisputeStatus, PaidLine, PeriodPaid, PurchaseLine, PurchaseRecorded, RefundRecorded, RefundStatus,
    RemovalRecorded, SubscriptionCeased,
};
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{Event, Position, Provenance, RecordedEvent, StreamId, StreamKind, TeamId, Timestamp};
use keyledger_projections::licenses::License;
use uuid::Uuid;

use crate::licensing::consequences::Consequence;
use crate::licensing::desired::Rules;
use crate::licensing::learn::learn;
use crate::licensing::purchase::Purchase;

pub(super) const GRACE_SECONDS: i64 = 10_800;

/// A moment, in days after an arbitrary start.
pub(super) fn day(days: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + days * 86_400).unwrap_or_default()
}

#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) purchase: Purchase,
    pub(super) licenses: HashMap<Uuid, License>,
    /// Names of all licence events, in order.
    pub(super) history: Vec<&'static str>,
}

impl World {
    pub(super) fn after<'f>(facts: impl IntoIterator<Item = &'f Event>) -> Self {
        let mut world = Self::default();
        for fact in facts {
            world.tell(fact.clone());
        }
        world
    }

    pub(super) fn tell(&mut self, fact: Event) {
        let rules = Rules { team: TeamId(Uuid::nil()), grace_seconds: 10_800 };
        let Some(lesson) = learn(&self.purchase, &self.licenses, rules, fact) else { return };
        self.purchase.evolve(&lesson.fact);
        for consequence in lesson.consequences {
            match consequence {
                Consequence::Issue(desired) => self.append(desired.license_id, issued(desired.terms)),
                Consequence::Change { license_id, events, .. } => {
                    events.into_iter().for_each(|event| self.append(license_id, event));
                }
            }
        }
    }

    pub(super) fn append(&mut self, id: Uuid, event: Event) {
        self.history.push(event.name());
        let state = self.licenses.remove(&id);
        let recorded = recorded(id, state.as_ref().map_or(1, |license| license.version + 1), &event);
        if let Some(license) = License::evolve(state, &recorded, &event) {
            self.licenses.insert(id, license);
        }
    }

    /// The only licence.
    pub(super) fn license(&self) -> Result<&License, String> {
        match self.licenses.values().collect::<Vec<_>>().as_slice() {
            [license] => Ok(license),
            others => Err(format!("{} licences instead of one", others.len())),
        }
    }

    /// What every order of the same facts must agree on: each licence's id and terms.
    pub(super) fn outcome(&self) -> Vec<(Uuid, Terms)> {
        let mut all: Vec<_> = self.licenses.values().map(|license| (license.id, license.terms.clone())).collect();
        all.sort_by_key(|(id, _)| *id);
        all
    }

    /// The same without the ids, in order of purchase.
    pub(super) fn terms(&self) -> Vec<Terms> {
        let mut all: Vec<_> = self.outcome().into_iter().map(|(_, terms)| terms).collect();
        all.sort_by_key(|terms| terms.purchased_at);
        all
    }
}

pub(super) fn issued(terms: Terms) -> Event {
    let context = SealContext { team: TeamId(Uuid::nil()), event_id: Uuid::nil(), field: "key" };
    LicenseIssued {
        key: DataKey::generate(Uuid::nil()).seal(context, b"XXXXX"),
        key_lookup: String::new(),
        provider: Provider::Stripe.into(),
        livemode: None,
        customer_id: None,
        purchase: StreamId::new(StreamKind::Purchase, Uuid::nil()),
        item: String::new(),
        unit: 0,
        terms,
    }
    .into()
}

fn recorded(id: Uuid, version: i64, event: &Event) -> RecordedEvent {
    RecordedEvent {
        position: Position(version),
        team: TeamId(Uuid::nil()),
        stream: StreamId::new(StreamKind::License, id),
        stream_version: version,
        event_id: Uuid::nil(),
        event_type: event.name().to_owned(),
        schema_version: 1,
        occurred_at: day(0),
        recorded_at: day(0),
        provenance: Provenance::of("test"),
        payload: Vec::new(),
        leaf_hash: [0; 32],
    }
}

/// What product `number` entitles to.
pub(super) fn offer(number: u128) -> Offer {
    Offer { product_ids: vec![Uuid::from_u128(number)], ..Offer::default() }
}

/// Invoice `number` of item `item`, paying 1,000 for the days `from..to`.
pub(super) fn invoice(number: u32, item: &str, quantity: u32, from: i64, to: i64) -> Event {
    let line = PaidLine {
        item: item.to_owned(),
        quantity,
        period_start: day(from),
        period_end: day(to),
        stripe_product: "prod_1".to_owned(),
        offer: offer(1),
    };
    PeriodPaid {
        invoice: format!("in_{number}"),
        subscription: "sub_1".to_owned(),
        billing_reason: None,
        paid_at: day(from),
        livemode: None,
        customer_id: None,
        payment: Some(format!("pi_{number}")),
        amount: 1_000,
        lines: vec![line],
        not_ours: Vec::new(),
        swapped: None,
        licensed: Vec::new(),
    }
    .into()
}

/// A refund of invoice `number`'s payment.
pub(super) fn refund(number: u32, id: Option<&str>, amount: i64, status: RefundStatus) -> Event {
    RefundRecorded {
        refund: id.map(str::to_owned),
        payment: format!("pi_{number}"),
        invoice: Some(format!("in_{number}")),
        amount,
        status,
        paid: Some(1_000),
    }
    .into()
}

pub(super) fn dispute(id: &str, status: DisputeStatus) -> Event {
    DisputeRecorded { dispute: id.to_owned(), payment: "pi_1".to_owned(), status }.into()
}

pub(super) fn ceased(at: Timestamp) -> Event {
    SubscriptionCeased { subscription: "sub_1".to_owned(), ended_at: at }.into()
}

/// A paid checkout session with one line.
pub(super) fn checkout(paid_at: Timestamp, quantity: u32, offer: Offer) -> Event {
    PurchaseRecorded {
        provider: Provider::Stripe,
        reference: "cs_1".to_owned(),
        purchased_at: paid_at,
        livemode: None,
        customer_id: None,
        payment: Some("pi_1".to_owned()),
        amount: Some(1_000),
        lines: vec![PurchaseLine { item: "li_1".to_owned(), quantity, offer }],
        licensed: Vec::new(),
    }
    .into()
}

/// A purchase on a marketplace.
pub(super) fn bought(at: Timestamp) -> Event {
    PurchaseRecorded {
        provider: Provider::Polymart,
        reference: "7/42".to_owned(),
        purchased_at: at,
        livemode: None,
        customer_id: None,
        payment: None,
        amount: None,
        lines: vec![PurchaseLine { item: "7/42".to_owned(), quantity: 1, offer: offer(1) }],
        licensed: Vec::new(),
    }
    .into()
}

pub(super) fn removed(at: Timestamp) -> Event {
    RemovalRecorded { removed_at: at, reason: "taken back".to_owned() }.into()
}
