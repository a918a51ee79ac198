//! What must happen to licences because of a new fact: the difference between what the facts call for and what
//! there is, named after the fact.

use std::collections::HashMap;

use keyledger_events::event::license::{
    DisputeClosed, DisputeOpened, LicenseRevoked, LicenseUpdated, PaymentRefunded, SubscriptionChanged,
    SubscriptionEnded, SubscriptionRenewed, Terms,
};
use keyledger_events::event::purchase::{DisputeRecorded, DisputeStatus, RefundRecorded};
use keyledger_events::{Event, Timestamp};
use keyledger_projections::licenses::License;
use uuid::Uuid;

use super::desired::Desired;
use super::purchase::Purchase;

/// What must happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Consequence {
    /// A licence must be issued, and its key made.
    Issue(Desired),
    /// An event must be appended to a licence there is.
    Change {
        /// The licence.
        license_id: Uuid,
        /// Its version when this was decided.
        version: i64,
        /// What happens to it, in order.
        events: Vec<Event>,
    },
}

/// Compares what the purchase calls for after `fact` with the licences there are, by id.
pub fn consequences(
    purchase: &Purchase,
    desired: Vec<Desired>,
    licenses: &HashMap<Uuid, License>,
    fact: &Event,
) -> Vec<Consequence> {
    desired
        .into_iter()
        .filter_map(|desired| match licenses.get(&desired.license_id) {
            None => Some(Consequence::Issue(desired)),
            Some(license) => {
                let events = changes(purchase, license, desired.terms, fact);
                let (license_id, version) = (license.id, license.version);
                (!events.is_empty()).then_some(Consequence::Change { license_id, version, events })
            }
        })
        .collect()
}

fn changes(purchase: &Purchase, license: &License, terms: Terms, fact: &Event) -> Vec<Event> {
    let newly_revoked = terms.revoked && !license.terms.revoked;
    let named = match fact {
        Event::RefundRecorded(refund) => refunded(purchase, license, &terms, refund),
        Event::DisputeRecorded(dispute) => disputed(license, &terms, dispute),
        Event::RemovalRecorded(_) if newly_revoked => None,
        _ if terms == license.terms => None,
        Event::PeriodPaid(paid) if paid_until(&terms) > paid_until(&license.terms) => {
            Some(SubscriptionRenewed { invoice: paid.invoice.clone(), terms: terms.clone() }.into())
        }
        Event::SubscriptionCeased(_) => Some(SubscriptionEnded { terms: terms.clone() }.into()),
        Event::PeriodPaid(_) | Event::SubscriptionObserved(_) if terms.offer != license.terms.offer => {
            Some(SubscriptionChanged { terms: terms.clone() }.into())
        }
        _ => Some(LicenseUpdated { terms: terms.clone() }.into()),
    };
    let revoked = newly_revoked.then(|| {
        let reason = Some(revocation_reason(fact).to_owned());
        LicenseRevoked { reason, terms: Some(terms.clone()) }.into()
    });
    named.into_iter().chain(revoked).collect()
}

fn paid_until(terms: &Terms) -> Option<Timestamp> {
    terms.subscription.as_ref().and_then(|subscription| subscription.paid_until)
}

/// Even a partial refund, which changes nothing, belongs into the licence's history, once it has succeeded.
fn refunded(purchase: &Purchase, license: &License, terms: &Terms, refund: &RefundRecorded) -> Option<Event> {
    let balance = match &license.terms.subscription {
        None => purchase.refunds.of_sale(purchase.checkout.as_ref().and_then(|checkout| checkout.amount)),
        Some(_) => {
            let concerned = purchase.invoices.values().find(|invoice| {
                refund.invoice.as_ref() == Some(&invoice.invoice) || invoice.payment.as_ref() == Some(&refund.payment)
            })?;
            purchase.refunds.of_invoice(&concerned.invoice, concerned.payment.as_deref(), concerned.amount)
        }
    };
    (terms != &license.terms || balance.refunded > 0).then(|| {
        PaymentRefunded {
            payment: refund.payment.clone(),
            refunded: balance.refunded,
            full: balance.full(),
            terms: terms.clone(),
        }
        .into()
    })
}

fn disputed(license: &License, terms: &Terms, dispute: &DisputeRecorded) -> Option<Event> {
    let id = dispute.dispute.clone();
    match dispute.status {
        DisputeStatus::Open if terms != &license.terms => {
            Some(DisputeOpened { dispute: id, terms: terms.clone() }.into())
        }
        DisputeStatus::Won | DisputeStatus::Lost => {
            let won = dispute.status == DisputeStatus::Won;
            Some(DisputeClosed { dispute: id, won, terms: terms.clone() }.into())
        }
        DisputeStatus::Open | DisputeStatus::Inquiry => {
            (terms != &license.terms).then(|| LicenseUpdated { terms: terms.clone() }.into())
        }
    }
}

fn revocation_reason(fact: &Event) -> &'static str {
    match fact {
        Event::RefundRecorded(_) => "all that was paid went back to the buyer",
        Event::DisputeRecorded(_) => "a dispute was lost",
        Event::RemovalRecorded(_) => "the marketplace took the purchase back",
        _ => "facts that arrived late: the purchase had been taken back, or its licence merged with another",
    }
}
