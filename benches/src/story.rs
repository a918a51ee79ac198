//! Made-up history with the shapes and sizes of real history: a subscription begun and renewed once.
//!
//! Eight events over four streams: each payment arrives as a delivery, is a fact of the purchase, changes the licence
//! and concludes the delivery.

use std::collections::BTreeMap;

use keyledger_events::event::inbox::{Provider, ProviderEventApplied, ProviderEventReceived};
use keyledger_events::event::license::{LicenseIssued, Offer, SubscriptionRenewed, SubscriptionTerms, Terms};
use keyledger_events::event::purchase::{PaidLine, PeriodPaid, UnitLicensed};
use keyledger_events::id::{derived, fresh};
use keyledger_events::sealed::{DataKey, SealContext};
use keyledger_events::{Clock as _, NewEvent, Sealed, StreamId, StreamKind, SystemClock, TeamId, Timestamp};
use uuid::Uuid;

/// Events of one story.
pub(crate) const STORY_EVENTS: u64 = 8;
/// Bytes of a delivery's body.
const BODY_BYTES: usize = 1_238;
const MONTH_US: i64 = 30 * 24 * 3_600 * 1_000_000;

/// Writes the stories of one team.
pub(crate) struct Author {
    team: TeamId,
    product: Uuid,
    key: DataKey,
    body: Vec<u8>,
    now: Timestamp,
}

/// The ids that the events of one story share.
struct Ids {
    subscription: String,
    item: String,
    purchase: StreamId,
    license: StreamId,
}

impl Author {
    /// An author for this team's stories about this product.
    pub(crate) fn new(team: TeamId, product: Uuid) -> Self {
        let key = DataKey::generate(fresh());
        Self { team, product, key, body: vec![b'x'; BODY_BYTES], now: SystemClock.now() }
    }

    /// The story with this number. Every number has streams and ids of its own.
    pub(crate) fn story(&self, number: u64) -> Vec<NewEvent> {
        let subscription = format!("sub_bench{number:012x}");
        let ids = Ids {
            item: format!("si_bench{number:012x}"),
            purchase: StreamId::new(StreamKind::Purchase, derived(self.team, &["bench purchase", &subscription])),
            license: StreamId::new(StreamKind::License, derived(self.team, &["bench license", &subscription])),
            subscription,
        };
        let mut events = Vec::new();
        self.payment(&ids, number, 1, &mut events);
        self.payment(&ids, number, 2, &mut events);
        events
    }

    /// One payment: the first issues the licence, the second renews it.
    fn payment(&self, ids: &Ids, number: u64, period: i64, events: &mut Vec<NewEvent>) {
        let invoice = format!("in_bench{number:012x}{period}");
        let inbox = StreamId::new(StreamKind::Inbox, derived(self.team, &["bench delivery", &invoice]));
        let terms = self.terms(ids, &invoice, period);
        events.push(self.received(inbox, &invoice));
        events.push(NewEvent::new(ids.purchase, self.now, self.period_paid(ids, &invoice, period)));
        events.push(match period {
            1 => self.issued(ids, terms),
            _ => NewEvent::new(ids.license, self.now, SubscriptionRenewed { invoice: invoice.clone(), terms }),
        });
        let summary = format!("invoice {invoice}: 1 licence");
        events.push(NewEvent::new(inbox, self.now, ProviderEventApplied { summary, warnings: Vec::new() }));
    }

    /// A delivery that tells of an invoice.
    pub(crate) fn received(&self, inbox: StreamId, invoice: &str) -> NewEvent {
        let event_id = fresh();
        let event = ProviderEventReceived {
            provider: Provider::Stripe,
            provider_event_id: format!("evt_{invoice}"),
            event_type: "invoice.paid".to_owned(),
            livemode: Some(false),
            query: BTreeMap::new(),
            body_sha256: "0".repeat(64),
            body: self.seal(event_id, "body", &self.body),
        };
        NewEvent { stream: inbox, event_id, occurred_at: self.now, event: event.into() }
    }

    fn period_paid(&self, ids: &Ids, invoice: &str, period: i64) -> PeriodPaid {
        let line = PaidLine {
            item: ids.item.clone(),
            quantity: 1,
            period_start: self.month(period - 1),
            period_end: self.month(period),
            stripe_product: "prod_bench".to_owned(),
            offer: self.offer(),
        };
        let unit = UnitLicensed { item: ids.item.clone(), unit: 0, license_id: ids.license.id };
        PeriodPaid {
            invoice: invoice.to_owned(),
            subscription: ids.subscription.clone(),
            billing_reason: Some(if period == 1 { "subscription_create" } else { "subscription_cycle" }.to_owned()),
            paid_at: self.now,
            livemode: Some(false),
            customer_id: None,
            payment: Some(format!("pi_{invoice}")),
            amount: 1_000,
            lines: vec![line],
            licensed: if period == 1 { vec![unit] } else { Vec::new() },
        }
    }

    fn issued(&self, ids: &Ids, terms: Terms) -> NewEvent {
        let event_id = fresh();
        let event = LicenseIssued {
            key: self.seal(event_id, "key", b"BENCH-BENCH-BENCH-BENCH-BENCH"),
            key_lookup: format!("{0}{0}", ids.license.id.simple()),
            provider: Provider::Stripe.into(),
            livemode: Some(false),
            customer_id: None,
            purchase: ids.purchase,
            item: ids.item.clone(),
            unit: 0,
            terms,
        };
        NewEvent { stream: ids.license, event_id, occurred_at: self.now, event: event.into() }
    }

    fn terms(&self, ids: &Ids, invoice: &str, period: i64) -> Terms {
        let references = [
            ("stripeSubscription", ids.subscription.as_str()),
            ("stripeSubscriptionItem", ids.item.as_str()),
            ("stripeInvoice", invoice),
        ];
        Terms {
            offer: self.offer(),
            purchased_at: self.now,
            subscription: Some(SubscriptionTerms {
                paid_until: Some(self.month(period)),
                grace_seconds: 10_800,
                ended_at: None,
            }),
            revoked: false,
            disputed: false,
            references: references.map(|(name, id)| (name.to_owned(), id.to_owned())).into(),
        }
    }

    fn offer(&self) -> Offer {
        Offer { product_ids: vec![self.product], hwid_limit: Some(2), ..Offer::default() }
    }

    fn month(&self, months: i64) -> Timestamp {
        let microseconds = self.now.as_microsecond() + months * MONTH_US;
        keyledger_events::clock::from_microseconds(microseconds).unwrap_or(self.now)
    }

    fn seal(&self, event_id: Uuid, field: &str, plaintext: &[u8]) -> Sealed {
        self.key.seal(SealContext { team: self.team, event_id, field }, plaintext)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn stories_have_nothing_in_common() {
        let author = Author::new(TeamId(Uuid::max()), Uuid::max());
        let (one, other) = (author.story(1), author.story(2));
        assert_eq!(u64::try_from(one.len()), Ok(STORY_EVENTS));
        let streams: HashSet<_> = one.iter().map(|event| event.stream).collect();
        assert_eq!(streams.len(), 4);
        assert!(other.iter().all(|event| !streams.contains(&event.stream)));
    }
}
