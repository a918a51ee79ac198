//! Which links an event makes. Nothing but the event itself is needed to know them.

use keyledger_events::event::inbox::Origin;
use keyledger_events::{Event, RecordedEvent, StreamKind};
use uuid::Uuid;

use super::Day;
use super::subject::{Related, Subject};

/// The links that an event makes, in no order; some of them may be there already.
pub(super) fn links(recorded: &RecordedEvent, event: &Event) -> Vec<(Subject, Related)> {
    let own = Related::Stream(recorded.stream);
    let mut links = Vec::new();
    let happened = Day::of(recorded.occurred_at);
    if happened != Day::of(recorded.recorded_at) {
        links.push((Subject::Day(happened), Related::Event(recorded.position)));
    }
    if let Some(cause) = recorded.provenance.causation
        && shows_its_cause(recorded)
    {
        links.push((Subject::Cause(cause), own));
    }
    if recorded.stream_version == 1 && is_of_settings(recorded.stream.kind) {
        links.push((Subject::Settings(recorded.team), own));
    }
    let customers: &[Uuid] = match event {
        Event::LicenseIssued(issued) => {
            // What a seller made by hand was not bought: its purchase has no stream.
            if issued.provider != Origin::Manual {
                links.push((Subject::License(recorded.stream.id), Related::Stream(issued.purchase)));
            }
            issued.customer_id.as_slice()
        }
        Event::LicenseAmended(amended) => amended.customer_ids.as_deref().unwrap_or_default(),
        Event::PurchaseRecorded(purchase) => purchase.customer_id.as_slice(),
        Event::PeriodPaid(paid) => paid.customer_id.as_slice(),
        Event::SubscriptionObserved(observed) => observed.customer_id.as_slice(),
        Event::MailRequested(mail) => {
            links.extend(mail.license_ids.iter().map(|id| (Subject::License(*id), own)));
            std::slice::from_ref(&mail.customer_id)
        }
        _ => &[],
    };
    links.extend(customers.iter().map(|id| (Subject::Customer(*id), own)));
    links
}

/// What belongs to a team's settings, and has a stream of its own.
fn is_of_settings(kind: StreamKind) -> bool {
    matches!(kind, StreamKind::Product | StreamKind::Integration | StreamKind::Webhook | StreamKind::Member)
}

/// A provider event's own conclusion is in its own stream, and what becomes of a mail is in the stream that its request
/// began.
fn shows_its_cause(recorded: &RecordedEvent) -> bool {
    match recorded.stream.kind {
        StreamKind::Inbox => false,
        StreamKind::Delivery => recorded.stream_version == 1,
        _ => true,
    }
}
