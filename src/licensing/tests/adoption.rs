//! Purchases that another system had licensed: further facts concern its licences.

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::license::{Offer, SubscriptionTerms, Terms};
use keyledger_events::event::purchase::PurchaseAdopted;
use uuid::Uuid;

use super::world::*;

const LICENSE: Uuid = Uuid::from_u128(7);

/// A purchase with a licence that was taken over.
fn adopted(subscription: Option<SubscriptionTerms>) -> World {
    let mut world = World::default();
    let terms = Terms {
        offer: offer(1),
        purchased_at: day(-90),
        subscription,
        revoked: false,
        disputed: false,
        references: std::collections::BTreeMap::new(),
    };
    world.append(LICENSE, issued(terms));
    let adopted =
        PurchaseAdopted { provider: Provider::Stripe, reference: "sub_1".to_owned(), license_ids: vec![LICENSE] };
    world.purchase.evolve(&adopted.into());
    world
}

fn paid_until(days: i64) -> Option<SubscriptionTerms> {
    Some(SubscriptionTerms { paid_until: Some(day(days)), grace_seconds: 10_800, ended_at: None })
}

#[test]
fn a_renewal_prolongs_the_licence_that_is_there() -> Result<(), String> {
    let mut world = adopted(paid_until(0));
    world.tell(invoice(1, "si_1", 1, 0, 30));
    world.tell(invoice(2, "si_1", 1, 30, 60));
    let license = world.license()?;
    assert_eq!(license.expires_at().map(|end| end.as_second()), Some(day(60).as_second() + GRACE_SECONDS));
    assert_eq!(world.history, ["LicenseIssued", "SubscriptionRenewed", "SubscriptionRenewed"]);
    Ok(())
}

#[test]
fn further_units_and_items_are_licences_of_their_own() {
    let mut world = adopted(paid_until(0));
    world.tell(invoice(1, "si_5", 2, 0, 30));
    assert_eq!(world.licenses.len(), 2, "the first unit is there already");
    // An item that comes later takes nothing away, whatever it is called.
    world.tell(invoice(2, "si_1", 1, 10, 40));
    assert_eq!(world.licenses.len(), 3);
    world.tell(invoice(3, "si_5", 2, 30, 60));
    let until = world.licenses[&LICENSE].terms.subscription.as_ref().and_then(|terms| terms.paid_until);
    assert_eq!((world.licenses.len(), until), (3, Some(day(60))));
}

#[test]
fn a_checkout_that_is_told_again_issues_nothing() {
    let mut world = adopted(None);
    world.tell(checkout(day(-90), 1, Offer::default()));
    assert_eq!(world.licenses.len(), 1);
}

#[test]
fn what_a_marketplace_takes_back_is_void() -> Result<(), String> {
    let mut world = adopted(None);
    world.tell(bought(day(-90)));
    world.tell(removed(day(1)));
    assert!(world.license()?.revoked());
    world.tell(bought(day(2)));
    assert_eq!(world.licenses.len(), 2, "bought again, it is another licence");
    Ok(())
}
