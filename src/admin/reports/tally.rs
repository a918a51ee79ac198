//! Counting what happened to licences, purely: an event of a licence's stream and the licence before it tell what counts.

use std::collections::{BTreeMap, HashMap};

use keyledger_events::Event;
use keyledger_projections::License;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Month;

/// The types that can count.
pub(super) const COUNTED: [&str; 6] = [
    "LicenseIssued",
    "SubscriptionRenewed",
    "SubscriptionEnded",
    "LicenseExpired",
    "PaymentRefunded",
    "LicenseRevoked",
];

/// How often what happened to licences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LicenseReportCounts)]
pub struct Counts {
    /// Licences that were issued.
    pub issued: u64,
    /// Times that a further period was paid.
    pub renewed: u64,
    /// Subscriptions that ended.
    pub ended: u64,
    /// Times that a licence ran out; it may have been renewed later.
    pub expired: u64,
    /// Times that money, or more of it, went back for a licence.
    pub refunded: u64,
    /// How many of them made it all that was paid.
    pub refunded_in_full: u64,
    /// Licences that became void.
    pub revoked: u64,
}

impl Counts {
    /// All figures, in the order of the fields.
    pub fn figures(&self) -> [u64; 7] {
        let Self { issued, renewed, ended, expired, refunded, refunded_in_full, revoked } = *self;
        [issued, renewed, ended, expired, refunded, refunded_in_full, revoked]
    }

    fn add(&mut self, what: What) {
        let Self { issued, renewed, ended, expired, refunded, refunded_in_full, revoked } = self;
        *match what {
            What::Issued => issued,
            What::Renewed => renewed,
            What::Ended => ended,
            What::Expired => expired,
            What::Refunded { full } => {
                *refunded_in_full += u64::from(full);
                refunded
            }
            What::Revoked => revoked,
        } += 1;
    }
}

/// What happened, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Issued,
    Renewed,
    Ended,
    Expired,
    Refunded { full: bool },
    Revoked,
}

/// What has gone back of each payment so far, as a licence's stream tells it.
#[derive(Debug, Default)]
pub(super) struct Refunds(HashMap<String, (i64, bool)>);

impl Refunds {
    /// What an event means after `license`; to be asked for every event of the stream, in order. The same money told
    /// again counts once, and so does a licence that is made void twice.
    pub(super) fn judge(&mut self, license: Option<&License>, event: &Event) -> Option<What> {
        Some(match event {
            Event::LicenseIssued(_) => What::Issued,
            Event::SubscriptionRenewed(_) => What::Renewed,
            Event::SubscriptionEnded(_) => What::Ended,
            Event::LicenseExpired(_) => What::Expired,
            Event::PaymentRefunded(refund) => {
                let before = self.0.insert(refund.payment.clone(), (refund.refunded, refund.full));
                let (refunded, full) = before.unwrap_or_default();
                if refund.refunded <= refunded {
                    return None;
                }
                What::Refunded { full: refund.full && !full }
            }
            Event::LicenseRevoked(revoked) => {
                // A provider's revocation carries the terms that make it void, and they may be told a moment earlier.
                let void = license.is_some_and(|it| it.admin_revoked || (it.revoked() && revoked.terms.is_none()));
                if void {
                    return None;
                }
                What::Revoked
            }
            _ => return None,
        })
    }
}

/// Counts by month and product, and by month alone.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// A licence without a product counts under `None`, one with several under each.
    pub(super) by_product: BTreeMap<(Month, Option<Uuid>), Counts>,
    /// Every licence once.
    pub(super) totals: BTreeMap<Month, Counts>,
}

impl Tally {
    /// Counts something that happened in a month to a licence for these products.
    pub(super) fn add(&mut self, month: Month, products: &[Uuid], what: What) {
        self.totals.entry(month).or_default().add(what);
        if products.is_empty() {
            self.by_product.entry((month, None)).or_default().add(what);
        }
        for product in products {
            self.by_product.entry((month, Some(*product))).or_default().add(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use keyledger_events::Timestamp;
    use keyledger_events::event::license::{LicenseRevoked, Offer, PaymentRefunded, Terms};

    use super::*;

    fn terms(revoked: bool) -> Terms {
        Terms {
            offer: Offer::default(),
            purchased_at: Timestamp::UNIX_EPOCH,
            subscription: None,
            revoked,
            disputed: false,
            references: BTreeMap::new(),
        }
    }

    fn refund(payment: &str, refunded: i64, full: bool) -> Event {
        PaymentRefunded { payment: payment.to_owned(), refunded, full, terms: terms(full) }.into()
    }

    #[test]
    fn the_same_money_counts_once() {
        let mut refunds = Refunds::default();
        let mut told = |payment, amount, full| refunds.judge(None, &refund(payment, amount, full));
        assert_eq!(told("pi_1", 400, false), Some(What::Refunded { full: false }));
        assert_eq!(told("pi_1", 400, false), None, "another event about the same refund");
        assert_eq!(told("pi_1", 1_000, true), Some(What::Refunded { full: true }));
        assert_eq!(told("pi_1", 1_000, true), None);
        assert_eq!(told("pi_1", 400, false), None, "the second refund failed after all");
        assert_eq!(told("pi_1", 1_000, true), Some(What::Refunded { full: true }), "and was made again");
        assert_eq!(told("pi_2", 5, false), Some(What::Refunded { full: false }), "another payment");
    }

    #[test]
    fn revoking_counts_under_each_product_and_once_in_all() {
        let revoked: Event = LicenseRevoked { reason: None, terms: Some(terms(true)) }.into();
        assert_eq!(Refunds::default().judge(None, &revoked), Some(What::Revoked));
        let (mut tally, month) = (Tally::default(), Month::of(Timestamp::UNIX_EPOCH));
        let [one, two] = [1, 2].map(Uuid::from_u128);
        tally.add(month, &[one, two], What::Revoked);
        tally.add(month, &[two], What::Refunded { full: true });
        tally.add(month, &[], What::Issued);
        let once = Counts { revoked: 1, ..Counts::default() };
        assert_eq!(tally.by_product.get(&(month, Some(one))), Some(&once));
        let both = Counts { refunded: 1, refunded_in_full: 1, ..once };
        assert_eq!(tally.by_product.get(&(month, Some(two))), Some(&both));
        assert_eq!(tally.totals.get(&month), Some(&Counts { issued: 1, ..both }));
        assert_eq!(tally.by_product.get(&(month, None)), Some(&Counts { issued: 1, ..Counts::default() }));
    }
}
