//! A shop as the dashboard shows it: licences that end at different times or never, every tenth of them bought by a
//! customer of its own, with the delivery that told of it and the mail that went out; and a few of everything that a page
//! looks for among very many others.

use keyledger_events::event::customer::CustomerRegistered;
use keyledger_events::event::delivery::{MailAbandoned, MailContent, MailRequested, MailSent};
use keyledger_events::event::inbox::{Origin, ProviderEventApplied, ProviderEventRejected};
use keyledger_events::event::license::{LicenseIssued, LicenseRevoked, SubscriptionTerms};
use keyledger_events::id::{derived, fresh};
use keyledger_events::{Event, NewEvent, StreamId, StreamKind, clock};
use uuid::Uuid;

use crate::licenses::Issuer;
use crate::story::Author;

/// Events of one licence at most.
pub(crate) const EVENTS_MAX: u64 = 8;
/// Licences for each that has a customer.
const CUSTOMER_EACH: u64 = 10;
/// Licences for each of the product that sells badly, whose delivery is rejected, or that is revoked.
const RARE_EACH: u64 = 100_000;
const DAY_US: i64 = 86_400 * 1_000_000;

/// The number of the customer that the bench looks at, and of a rare licence.
const FIRST: u64 = 0;

/// Writes the history of a shop.
pub(crate) struct Shop {
    issuer: Issuer,
    author: Author,
    rare_product: Uuid,
}

/// The id of the customer that the first licence belongs to.
pub(crate) fn first_customer(team: keyledger_events::TeamId) -> Uuid {
    customer(team, FIRST).id
}

fn customer(team: keyledger_events::TeamId, number: u64) -> StreamId {
    StreamId::new(StreamKind::Customer, derived(team, &["bench shop customer", &number.to_string()]))
}

impl Shop {
    /// A shop with two products, one of which sells badly.
    pub(crate) fn new(issuer: Issuer, author: Author, rare_product: Uuid) -> Self {
        Self { issuer, author, rare_product }
    }

    /// What happened around the licence with this number.
    pub(crate) fn sale(&self, number: u64) -> Vec<NewEvent> {
        let mut license = self.issuer.issued(number);
        let (stream, rare) = (license.stream, number % RARE_EACH == FIRST);
        let buyer = (number % CUSTOMER_EACH == 0).then(|| customer(self.issuer.team, number));
        let mut purchase = None;
        if let Event::LicenseIssued(issued) = &mut license.event {
            self.vary(number, rare, issued);
            issued.customer_id = buyer.map(|buyer| buyer.id);
            purchase = Some(issued.purchase);
        }
        let mut events = vec![license];
        if number % RARE_EACH == 1 {
            events.push(self.event(stream, LicenseRevoked { reason: None, terms: None }));
        }
        if let Some((buyer, purchase)) = buyer.zip(purchase) {
            self.around(number, rare, (buyer, purchase, stream), &mut events);
        }
        events
    }

    /// Ends in twenty days, in three hundred, or never.
    fn vary(&self, number: u64, rare: bool, issued: &mut LicenseIssued) {
        if rare {
            issued.terms.offer.product_ids = vec![self.rare_product];
        }
        let days = match number % 4 {
            0 => 20,
            1 | 2 => 300,
            _ => return,
        };
        let paid_until = clock::from_microseconds(self.issuer.now.as_microsecond() + days * DAY_US);
        issued.terms.subscription = Some(SubscriptionTerms { paid_until, grace_seconds: 0, ended_at: None });
    }

    /// The customer, the delivery that told of the sale, and the mail.
    fn around(
        &self,
        number: u64,
        rare: bool,
        (buyer, purchase, license): (StreamId, StreamId, StreamId),
        events: &mut Vec<NewEvent>,
    ) {
        let name = number.to_string();
        let own = |kind, what| StreamId::new(kind, derived(self.issuer.team, &[what, &name]));
        let (inbox, mail) = (own(StreamKind::Inbox, "bench shop inbox"), own(StreamKind::Delivery, "bench shop mail"));
        events.push(self.author.received(inbox, &format!("in_shop{number:012x}")));
        events.push(match rare {
            true => self.event(inbox, ProviderEventRejected { reason: "product_id: unknown".to_owned() }),
            false => self.event(inbox, ProviderEventApplied { summary: "1 licence".to_owned(), warnings: Vec::new() }),
        });
        let event_id = fresh();
        let email = Some(self.issuer.seal(event_id, "email", format!("buyer{number}@example.test").as_bytes()));
        let registered = CustomerRegistered {
            provider: Origin::Stripe,
            provider_customer: Some(format!("cus_shop{number:012x}")),
            email_lookup: None,
            email,
            name: None,
        };
        events.push(NewEvent { event_id, ..self.event(buyer, registered) });
        let event_id = fresh();
        let requested = MailRequested {
            purchase,
            customer_id: buyer.id,
            to: self.issuer.seal(event_id, "to", format!("buyer{number}@example.test").as_bytes()),
            content: MailContent::LicenseKeys,
            license_ids: vec![license.id],
            message_id: format!("<{}@bench>", mail.id),
        };
        events.push(NewEvent { event_id, ..self.event(mail, requested) });
        events.push(match rare {
            true => self.event(mail, MailAbandoned { reason: "550 no such mailbox".to_owned() }),
            false => self.event(mail, MailSent { attempts: 1 }),
        });
    }

    fn event(&self, stream: StreamId, event: impl Into<Event>) -> NewEvent {
        NewEvent::new(stream, self.issuer.now, event)
    }
}
