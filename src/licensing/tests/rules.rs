//! The rules one by one, each as a short story.

use keyledger_events::event::license::{ExpirationStart, Offer};
use keyledger_events::event::purchase::{DisputeStatus, RefundStatus};
use keyledger_projections::licenses::{License, LicenseStatus};

use super::world::*;
use crate::licensing::commands::{Command, Extension, Refusal, decide};

#[test]
fn a_renewal_extends_to_the_end_of_the_paid_period_and_grace() -> Result<(), String> {
    let world = World::after([&invoice(1, "si_1", 1, 0, 30), &invoice(2, "si_1", 1, 30, 60)]);
    let license = world.license()?;
    assert_eq!(license.expires_at().map(|end| end.as_second()), Some(day(60).as_second() + GRACE_SECONDS));
    assert_eq!(world.history, ["LicenseIssued", "SubscriptionRenewed"]);
    Ok(())
}

#[test]
fn a_late_invoice_does_not_revive_an_ended_subscription() -> Result<(), String> {
    let world = World::after([&invoice(1, "si_1", 1, 0, 30), &ceased(day(20)), &invoice(2, "si_1", 1, 30, 60)]);
    assert_eq!(world.license()?.expires_at(), Some(day(20)));
    Ok(())
}

#[test]
fn an_end_after_the_licence_had_lapsed_does_not_prolong_it() -> Result<(), String> {
    let world = World::after([&invoice(1, "si_1", 1, 0, 30), &ceased(day(50))]);
    assert_eq!(world.license()?.expires_at().map(|end| end.as_second()), Some(day(30).as_second() + GRACE_SECONDS));
    Ok(())
}

#[test]
fn refunding_a_renewal_takes_back_that_period_only() -> Result<(), String> {
    let refund = refund(2, Some("re_1"), 1_000, RefundStatus::Succeeded);
    let world = World::after([&invoice(1, "si_1", 1, 0, 30), &invoice(2, "si_1", 1, 30, 60), &refund]);
    let license = world.license()?;
    assert!(!license.revoked());
    assert_eq!(license.expires_at().map(|end| end.as_second()), Some(day(30).as_second() + GRACE_SECONDS));
    assert_eq!(world.history.last(), Some(&"PaymentRefunded"));
    Ok(())
}

#[test]
fn refunding_the_only_period_leaves_nothing() -> Result<(), String> {
    let refund = refund(1, Some("re_1"), 1_000, RefundStatus::Succeeded);
    let world = World::after([&invoice(1, "si_1", 1, 0, 30), &refund]);
    assert_eq!(world.license()?.status(day(1), None), LicenseStatus::Expired);
    Ok(())
}

#[test]
fn a_partial_refund_is_recorded_and_changes_nothing() -> Result<(), String> {
    let refund = refund(1, Some("re_1"), 400, RefundStatus::Succeeded);
    let world = World::after([&checkout(day(0), 1, offer(1)), &refund]);
    assert!(!world.license()?.revoked());
    assert_eq!(world.history, ["LicenseIssued", "PaymentRefunded"]);
    Ok(())
}

#[test]
fn a_full_refund_revokes_every_unit_even_when_it_came_before_the_sale() {
    let refund = refund(1, Some("re_1"), 1_000, RefundStatus::Succeeded);
    let sale = checkout(day(0), 3, offer(1));
    for facts in [[&sale, &refund], [&refund, &sale]] {
        let world = World::after(facts);
        assert_eq!(world.licenses.len(), 3);
        assert!(world.licenses.values().all(|license| license.revoked()));
    }
}

#[test]
fn a_failed_refund_gives_the_licence_back() -> Result<(), String> {
    let sale = checkout(day(0), 1, offer(1));
    let went = refund(1, Some("re_1"), 1_000, RefundStatus::Succeeded);
    let failed = refund(1, Some("re_1"), 1_000, RefundStatus::Failed);
    let world = World::after([&sale, &went, &failed]);
    assert!(!world.license()?.revoked());
    Ok(())
}

#[test]
fn a_dispute_suspends_and_its_end_reinstates_or_revokes() -> Result<(), String> {
    let sale = checkout(day(0), 1, offer(1));
    let (inquiry, open) = (dispute("dp_1", DisputeStatus::Inquiry), dispute("dp_1", DisputeStatus::Open));
    let (won, lost) = (dispute("dp_1", DisputeStatus::Won), dispute("dp_1", DisputeStatus::Lost));
    let status = |facts: &[&keyledger_events::Event]| -> Result<_, String> {
        Ok(World::after(facts.iter().copied()).license()?.status(day(1), None))
    };
    assert_eq!(status(&[&sale, &inquiry])?, LicenseStatus::Active);
    assert_eq!(status(&[&sale, &open])?, LicenseStatus::Suspended);
    assert_eq!(status(&[&sale, &open, &won])?, LicenseStatus::Active);
    assert_eq!(status(&[&sale, &open, &lost])?, LicenseStatus::Revoked);
    assert_eq!(status(&[&sale, &lost, &open])?, LicenseStatus::Revoked);
    Ok(())
}

#[test]
fn the_clock_of_an_activation_licence_starts_with_the_first_activation() -> Result<(), Box<dyn std::error::Error>> {
    let offer = Offer { expiration_days: Some(10), expiration_start: ExpirationStart::Activation, ..offer(1) };
    let mut world = World::after([&checkout(day(0), 1, offer)]);
    let license = world.license()?.clone();
    assert_eq!((license.expires_at(), license.status(day(5), None)), (None, LicenseStatus::Upcoming));
    let Some((_, event)) = decide(&license, Command::Activate, day(5))? else { return Err("not activated".into()) };
    world.append(license.id, event);
    let license = world.license()?;
    assert_eq!(license.expires_at(), Some(day(15)));
    assert_eq!(decide(license, Command::Activate, day(7))?, None);
    Ok(())
}

#[test]
fn an_expiration_is_told_once_for_the_moment_it_was_due() -> Result<(), Box<dyn std::error::Error>> {
    let mut world = World::after([&invoice(1, "si_1", 1, 0, 30)]);
    let license = world.license()?.clone();
    assert_eq!(decide(&license, Command::Expire, day(30))?, None);
    let Some((due_at, event)) = decide(&license, Command::Expire, day(99))? else { return Err("not due".into()) };
    assert_eq!(Some(due_at), license.expires_at());
    world.append(license.id, event);
    assert_eq!(decide(world.license()?, Command::Expire, day(99))?, None);
    // A payment that came late moves the end; that end is told as well.
    world.tell(invoice(2, "si_1", 1, 30, 60));
    assert!(decide(world.license()?, Command::Expire, day(99))?.is_some());
    Ok(())
}

#[test]
fn what_an_admin_revoked_stays_revoked() -> Result<(), Box<dyn std::error::Error>> {
    let mut world = World::after([&checkout(day(0), 1, offer(1))]);
    let license = world.license()?.clone();
    let Some((_, event)) = decide(&license, Command::Revoke { reason: None }, day(1))? else {
        return Err("not revoked".into());
    };
    world.append(license.id, event);
    let license = world.license()?;
    assert_eq!(decide(license, Command::Reinstate { reason: None }, day(2)), Err(Refusal::Revoked));
    assert_eq!(decide(license, Command::Activate, day(2)), Err(Refusal::Revoked));
    Ok(())
}

#[test]
fn an_extension_never_shortens_and_renewals_count_beyond_it() -> Result<(), Box<dyn std::error::Error>> {
    let mut world = World::after([&invoice(1, "si_1", 1, 0, 30)]);
    let license = world.license()?.clone();
    let end = license.expires_at().ok_or("no end")?;
    let extend = |license: &License, extension| decide(license, Command::Extend(extension), day(1));
    let Some((_, event)) = extend(&license, Extension::Days(5))? else { return Err("not extended".into()) };
    world.append(license.id, event);
    let extended = world.license()?.clone();
    let until = extended.expires_at().ok_or("no end")?;
    assert_eq!(until.as_second() - end.as_second(), 5 * 86_400);
    let sooner = Err(Refusal::NotLater { end: until, until: day(10) });
    assert_eq!(extend(&extended, Extension::Until(day(10))), sooner);
    // What is paid goes on counting, with and without the extension.
    world.tell(invoice(2, "si_1", 1, 30, 60));
    let renewed = world.license()?.expires_at().ok_or("no end")?;
    assert_eq!(renewed.as_second() - end.as_second(), 30 * 86_400);

    let endless = World::after([&checkout(day(0), 1, Offer { expiration_days: None, ..offer(1) })]);
    assert_eq!(extend(endless.license()?, Extension::Days(5)), Err(Refusal::Endless));
    Ok(())
}

#[test]
fn a_purchase_after_a_removal_is_a_new_licence() {
    let world = World::after([&bought(day(0)), &bought(day(1)), &removed(day(2)), &bought(day(3))]);
    assert_eq!(world.licenses.len(), 2);
    assert_eq!(world.licenses.values().filter(|license| license.revoked()).count(), 1);
}

#[test]
fn an_older_purchase_that_comes_late_leaves_the_key_that_is_in_use() {
    for facts in [
        [bought(day(20)), removed(day(10)), bought(day(0))],
        [removed(day(10)), bought(day(20)), bought(day(0))],
        [bought(day(20)), bought(day(0)), removed(day(10))],
    ] {
        let (mut world, mut in_use) = (World::default(), None);
        for fact in facts {
            world.tell(fact);
            // The first key is that of the later purchase in each of these.
            in_use = in_use.or_else(|| world.licenses.keys().next().copied());
        }
        let live: Vec<_> = world.licenses.values().filter(|license| !license.revoked()).collect();
        assert_eq!(live.iter().map(|license| license.terms.purchased_at).collect::<Vec<_>>(), [day(20)]);
        assert_eq!((live.first().map(|license| license.id), world.licenses.len()), (in_use, 2));
    }
}
