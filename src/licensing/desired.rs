//! Which licences a purchase's facts call for, and on what terms. A pure function of the folded facts, so that
//! every order of deliveries leads to the same answer.

use std::collections::{BTreeMap, HashMap};

use keyledger_events::event::license::{SubscriptionTerms, Terms};
use keyledger_events::event::purchase::{DisputeStatus, PurchaseLine};
use keyledger_events::{TeamId, Timestamp, id};
use keyledger_projections::licenses::License;
use uuid::Uuid;

use super::purchase::{Checkout, Ownership, Purchase, Unit};
use super::subscription::{Slot, shared_references, slots};

/// A licence that the facts call for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Its id, derived from what was bought.
    pub license_id: Uuid,
    /// What it was bought as.
    pub unit: Unit,
    /// What it must be.
    pub terms: Terms,
}

/// What a decision rests on besides the facts.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The team.
    pub team: TeamId,
    /// How long past the paid period a subscription licence stays valid, in seconds.
    pub grace_seconds: u32,
}

/// All licences that a purchase calls for, the first bought first.
pub fn desired(purchase: &Purchase, rules: Rules) -> Vec<Desired> {
    let mut all = Vec::new();
    if let Some(checkout) = &purchase.checkout {
        all.extend(of_checkout(purchase, checkout, rules));
    }
    all.extend(of_marketplace(purchase, rules));
    all.extend(slots(purchase).iter().flat_map(|slot| of_slot(purchase, slot, rules)));
    adopt(purchase, &mut all);
    all
}

/// Licences that another system had issued stand for the units that were bought first, beside those that we issued.
fn adopt(purchase: &Purchase, all: &mut [Desired]) {
    let mut first: Vec<_> = all.iter_mut().filter(|it| !purchase.licensed.contains_key(&it.unit)).collect();
    first.sort_by_key(|desired| desired.terms.purchased_at);
    for (desired, license_id) in first.into_iter().zip(&purchase.adopted) {
        desired.license_id = *license_id;
    }
}

/// What another system's licences are to be as long as no fact calls for them, as before the first invoice that is paid here:
/// as they are, but for the end of the subscription and what a dispute does.
pub fn adopted_as_they_are(
    purchase: &Purchase,
    called_for: &[Desired],
    licenses: &HashMap<Uuid, License>,
) -> Vec<Desired> {
    let others = purchase.adopted.iter().filter(|id| !called_for.iter().any(|desired| desired.license_id == **id));
    let as_it_is = |license: &License| {
        let mut terms = license.terms.clone();
        if let Some(subscription) = &mut terms.subscription {
            subscription.ended_at = purchase.ceased_at.or(subscription.ended_at);
        }
        terms.revoked |= lost(purchase);
        terms.disputed = disputed(purchase);
        Desired { license_id: license.id, unit: Unit { item: license.item.clone(), unit: license.unit }, terms }
    };
    others.filter_map(|id| licenses.get(id)).map(as_it_is).collect()
}

fn lost(purchase: &Purchase) -> bool {
    purchase.disputes.values().any(|status| *status == DisputeStatus::Lost)
}

fn disputed(purchase: &Purchase) -> bool {
    purchase.disputes.values().any(|status| *status == DisputeStatus::Open)
}

fn named(pairs: &[(&str, Option<&str>)]) -> BTreeMap<String, String> {
    pairs.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned()))).collect()
}

/// One licence per line item and unit; a full refund revokes all of them.
fn of_checkout(purchase: &Purchase, checkout: &Checkout, rules: Rules) -> Vec<Desired> {
    let refunded = purchase.refunds.of_sale(checkout.amount).full();
    let references = named(&[
        ("stripeCheckoutSession", Some(&checkout.session)),
        ("stripePaymentIntent", checkout.payment.as_deref()),
    ]);
    let units = checkout.lines.values().flat_map(|line| (0..line.quantity).map(move |unit| (line, unit)));
    units
        .map(|(line, unit)| Desired {
            license_id: id::derived(rules.team, &["stripe", &checkout.session, &line.item, &unit.to_string()]),
            unit: Unit { item: line.item.clone(), unit },
            terms: Terms {
                offer: line.offer.clone(),
                purchased_at: checkout.paid_at,
                subscription: None,
                revoked: refunded || lost(purchase),
                disputed: disputed(purchase),
                references: references.clone(),
            },
        })
        .collect()
}

/// One licence for each time that a buyer owned a product on a marketplace; a removal ends it.
fn of_marketplace(purchase: &Purchase, rules: Rules) -> Vec<Desired> {
    let of = |ownership: Ownership| {
        let (first, number) = (*ownership.bought_at.first()?, purchase.number_of(&ownership)?);
        let mut desired = occurrence_of(&purchase.marketplace.get(&first)?.line, number, first, rules);
        desired.terms.revoked = ownership.removed;
        Some(desired)
    };
    purchase.ownerships().into_iter().filter_map(of).collect()
}

fn occurrence_of(line: &PurchaseLine, occurrence: u32, purchased_at: Timestamp, rules: Rules) -> Desired {
    let (product, user) = line.item.split_once('/').unwrap_or((&line.item, ""));
    Desired {
        license_id: id::derived(rules.team, &["polymart", product, user, &occurrence.to_string()]),
        unit: Unit { item: line.item.clone(), unit: occurrence },
        terms: Terms {
            offer: line.offer.clone(),
            purchased_at,
            subscription: None,
            revoked: false,
            disputed: false,
            references: named(&[("polymartProduct", Some(product)), ("polymartUser", Some(user))]),
        },
    }
}

/// One licence per unit of a subscription's slot. It follows the slot through swaps: a licence that was issued
/// for any of its items is the slot's, and should there be two because a swap became known too late, the one
/// that was issued first stays: it is in use.
fn of_slot(purchase: &Purchase, slot: &Slot, rules: Rules) -> Vec<Desired> {
    let mut found = Vec::new();
    for unit in 0..slot.quantity(purchase) {
        let Some(terms) = slot_terms(purchase, slot, unit, rules) else { continue };
        let issued = issued_for(purchase, slot, unit);
        let (license_id, item) = issued.first().cloned().unwrap_or_else(|| {
            let subscription = terms.references.get("stripeSubscription").map_or("", String::as_str);
            let parts = ["stripe", subscription, &slot.root, &unit.to_string()];
            (id::derived(rules.team, &parts), slot.root.clone())
        });
        for (superseded, item) in issued.into_iter().skip(1) {
            let terms = Terms { revoked: true, ..terms.clone() };
            found.push(Desired { license_id: superseded, unit: Unit { item, unit }, terms });
        }
        found.push(Desired { license_id, unit: Unit { item, unit }, terms });
    }
    found
}

/// Licences issued for this unit of the slot, the first one first.
fn issued_for(purchase: &Purchase, slot: &Slot, unit: u32) -> Vec<(Uuid, String)> {
    let mut issued: Vec<_> = slot
        .items
        .iter()
        .filter_map(|item| Some((*purchase.licensed.get(&Unit { item: item.clone(), unit })?, item.clone())))
        .collect();
    issued.sort_by_key(|(license_id, _)| purchase.issued.iter().position(|issued| issued == license_id));
    issued
}

fn slot_terms(purchase: &Purchase, slot: &Slot, unit: u32, rules: Rules) -> Option<Terms> {
    let (offer, item) = slot.offer(purchase)?;
    let last = slot.last_period(purchase, unit);
    let invoice = last.map(|period| period.invoice);
    let named = invoice.and_then(|invoice| purchase.invoices.get(invoice)).and_then(|paid| paid.payment.as_deref());
    let payment = named.or_else(|| purchase.payments.get(invoice?).map(String::as_str));
    let mut references = shared_references(purchase);
    references.extend(self::named(&[
        ("stripeSubscriptionItem", Some(item)),
        ("stripeInvoice", invoice),
        ("stripePaymentIntent", payment),
    ]));
    Some(Terms {
        offer: offer.clone(),
        purchased_at: slot.first_paid_at(purchase, unit)?,
        subscription: Some(SubscriptionTerms {
            paid_until: last.map(|period| period.line.period_end),
            grace_seconds: rules.grace_seconds,
            ended_at: purchase.ceased_at,
        }),
        revoked: lost(purchase),
        disputed: disputed(purchase),
        references,
    })
}
