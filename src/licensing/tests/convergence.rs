//! Any order, with any repetition, of a purchase's facts ends in the same licences.

use keyledger_events::Event;
use keyledger_events::event::license::{ExpirationStart, Offer};
use keyledger_events::event::purchase::{DisputeStatus, ItemSwap, ObservedItem, RefundStatus, SubscriptionObserved};
use proptest::prelude::*;

use super::world::*;

fn refund_status() -> impl Strategy<Value = RefundStatus> {
    prop_oneof![Just(RefundStatus::Pending), Just(RefundStatus::Succeeded), Just(RefundStatus::Failed)]
}

fn dispute_status() -> impl Strategy<Value = DisputeStatus> {
    prop_oneof![
        Just(DisputeStatus::Inquiry),
        Just(DisputeStatus::Open),
        Just(DisputeStatus::Won),
        Just(DisputeStatus::Lost)
    ]
}

fn observed(at: i64, item: &str, product: u128) -> Event {
    SubscriptionObserved {
        subscription: "sub_1".to_owned(),
        observed_at: day(at),
        status: Some("past_due".to_owned()),
        items: vec![ObservedItem {
            item: item.to_owned(),
            quantity: 1,
            stripe_product: Some(format!("prod_{product}")),
            offer: Some(offer(product)),
            metered: false,
        }],
        swapped: Vec::new(),
        not_ours: Vec::new(),
        untold: false,
        checkout_session: None,
        customer_id: None,
        licensed: Vec::new(),
    }
    .into()
}

/// A fact of a subscription, other than its first invoice.
fn subscription_fact() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (2..6_u32).prop_map(|number| {
            let from = i64::from(number) * 30;
            invoice(number, "si_1", number % 3 + 1, from, from + 30)
        }),
        2 => (0..120_i64, 1..4_u128).prop_map(|(at, product)| observed(at, "si_1", product)),
        2 => (1..6_u32, 0..3_u8, 1..3_i64, refund_status()).prop_map(|(number, id, halves, status)| {
            refund(number, Some(&format!("re_{number}_{id}")), halves * 500, status)
        }),
        1 => (1..6_u32).prop_map(|number| refund(number, None, 1_000, RefundStatus::Succeeded)),
        1 => (0..2_u8, dispute_status()).prop_map(|(id, status)| dispute(&format!("dp_{id}"), status)),
        1 => (20..90_i64).prop_map(|at| ceased(day(at))),
    ]
}

fn one_off_fact() -> impl Strategy<Value = Event> {
    let offer = Offer { expiration_days: Some(30), expiration_start: ExpirationStart::Creation, ..offer(1) };
    prop_oneof![
        2 => (0..9_i64).prop_map(move |at| checkout(day(at), 3, offer.clone())),
        2 => (0..3_u8, 1..3_i64, refund_status()).prop_map(|(id, halves, status)| {
            refund(1, Some(&format!("re_{id}")), halves * 500, status)
        }),
        1 => (1..3_i64).prop_map(|halves| refund(1, None, halves * 500, RefundStatus::Succeeded)),
        1 => (0..2_u8, dispute_status()).prop_map(|(id, status)| dispute(&format!("dp_{id}"), status)),
    ]
}

fn marketplace_fact() -> impl Strategy<Value = Event> {
    prop_oneof![(0..20_i64).prop_map(|at| bought(day(at))), (0..20_i64).prop_map(|at| removed(day(at)))]
}

/// Facts, and the same ones in another order with some of them told again.
fn reordered(facts: impl Strategy<Value = Vec<Event>>) -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    facts.prop_flat_map(|facts| {
        let again = proptest::sample::subsequence(facts.clone(), 0..=facts.len());
        (Just(facts), again).prop_flat_map(|(facts, again)| {
            let all: Vec<_> = facts.iter().cloned().chain(again).collect();
            (Just(facts), Just(all).prop_shuffle())
        })
    })
}

fn with_first_invoice() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(subscription_fact(), 0..12).prop_map(|mut facts| {
        facts.insert(0, invoice(1, "si_1", 1, 0, 30));
        facts
    })
}

proptest! {
    #[test]
    fn of_a_subscription((facts, shuffled) in reordered(with_first_invoice())) {
        prop_assert_eq!(World::after(&facts).outcome(), World::after(&shuffled).outcome());
    }

    #[test]
    fn of_a_checkout((facts, shuffled) in reordered(proptest::collection::vec(one_off_fact(), 1..10))) {
        prop_assert_eq!(World::after(&facts).outcome(), World::after(&shuffled).outcome());
    }

    #[test]
    fn of_a_marketplace_buyer((facts, shuffled) in reordered(proptest::collection::vec(marketplace_fact(), 1..10))) {
        // Which of the keys is for which of the purchases is a matter of what was known when it was given out.
        prop_assert_eq!(World::after(&facts).terms(), World::after(&shuffled).terms());
    }

    #[test]
    fn no_purchase_takes_a_key_away(facts in proptest::collection::vec(marketplace_fact(), 1..12)) {
        let mut world = World::default();
        for fact in facts {
            let (before, is_removal) = (world.clone(), matches!(fact, Event::RemovalRecorded(_)));
            world.tell(fact);
            for (id, license) in before.licenses.iter().filter(|(_, license)| !license.revoked() && !is_removal) {
                let now = world.licenses.get(id).map(|license| (license.revoked(), license.terms.purchased_at));
                prop_assert!(now.is_some_and(|(revoked, at)| !revoked && at <= license.terms.purchased_at));
            }
        }
    }

    #[test]
    fn no_sequence_issues_more_than_was_bought(facts in with_first_invoice()) {
        let bought = facts.iter().filter_map(|fact| match fact {
            Event::PeriodPaid(paid) => paid.lines.iter().map(|line| line.quantity).max(),
            _ => None,
        });
        let bought = bought.max().unwrap_or(0);
        let world = World::after(&facts);
        prop_assert!(world.licenses.len() <= usize::try_from(bought)?);
        let issues = world.history.iter().filter(|name| **name == "LicenseIssued").count();
        prop_assert_eq!(issues, world.licenses.len());
    }

    #[test]
    fn only_an_end_a_refund_or_a_dispute_shortens_a_paid_period(facts in with_first_invoice()) {
        let mut world = World::default();
        for fact in facts {
            let before = world.clone();
            let shortens = matches!(
                fact,
                Event::SubscriptionCeased(_) | Event::RefundRecorded(_) | Event::DisputeRecorded(_)
            );
            // A refund that was told before its invoice counts from the moment the invoice is known.
            let refunded_before = before.purchase.refunds != crate::licensing::money::Refunds::default();
            world.tell(fact);
            for (id, license) in &before.licenses {
                let now = world.licenses.get(id).and_then(|license| license.expires_at());
                prop_assert!(shortens || refunded_before || now >= license.expires_at());
            }
        }
    }

    #[test]
    fn an_admins_word_outranks_what_a_provider_sends(
        facts in with_first_invoice(), at in 1..8_usize, suspend in any::<bool>(),
    ) {
        let mut world = World::default();
        for (index, fact) in facts.into_iter().enumerate() {
            world.tell(fact);
            if index + 1 == at {
                let ids: Vec<_> = world.licenses.keys().copied().collect();
                for id in ids {
                    let event: Event = if suspend {
                        keyledger_events::event::license::LicenseSuspended { reason: None }.into()
                    } else {
                        keyledger_events::event::license::LicenseRevoked { reason: None, terms: None }.into()
                    };
                    world.append(id, event);
                }
            }
        }
        for license in world.licenses.values().filter(|license| license.admin_suspended || license.admin_revoked) {
            prop_assert!(license.suspended() || license.revoked());
        }
    }
}

#[test]
fn a_swap_keeps_the_licence_whichever_order_it_is_told_in_after_the_first_invoice() -> Result<(), String> {
    let mut swap = observed(30, "si_2", 2);
    if let Event::SubscriptionObserved(seen) = &mut swap {
        seen.swapped = vec![ItemSwap { from: "si_1".to_owned(), to: "si_2".to_owned() }];
    }
    let first = invoice(1, "si_1", 1, 0, 30);
    let second = invoice(2, "si_2", 1, 30, 60);
    let in_order = World::after([&first, &swap, &second]);
    let license = in_order.license()?;
    assert_eq!(license.terms.offer, offer(2));
    assert_eq!(license.terms.references.get("stripeSubscriptionItem").map(String::as_str), Some("si_2"));
    assert_eq!(in_order.outcome(), World::after([&swap, &first, &second]).outcome());
    assert_eq!(in_order.outcome(), World::after([&swap, &second, &first]).outcome());
    // Should the invoice have been licensed before the swap was told, only one of the two licences stays.
    let late = World::after([&first, &second, &swap]);
    assert_eq!(late.licenses.values().filter(|license| !license.revoked()).count(), 1);
    Ok(())
}

/// `of`, with what else is so.
fn seen(mut of: Event, change: impl FnOnce(&mut SubscriptionObserved)) -> Event {
    if let Event::SubscriptionObserved(seen) = &mut of {
        change(seen);
    }
    of
}

#[test]
fn an_update_that_does_not_tell_what_was_before_shows_what_was_swapped() -> Result<(), String> {
    let first = invoice(1, "si_1", 1, 0, 30);
    let swap = seen(observed(30, "si_2", 2), |seen| seen.untold = true);
    let second = invoice(2, "si_2", 1, 30, 60);
    for facts in [[&first, &swap, &second], [&swap, &first, &second]] {
        let world = World::after(facts);
        let license = world.license()?;
        assert_eq!(license.terms.references.get("stripeSubscriptionItem").map(String::as_str), Some("si_2"));
    }
    let told = seen(swap, |seen| seen.untold = false);
    let world = World::after([&first, &told, &second]);
    assert_eq!(world.licenses.len(), 2, "its update told that it replaced nothing");
    Ok(())
}

#[test]
fn what_reads_like_a_swap_is_none_where_both_are_seen() {
    let first = invoice(1, "si_1", 1, 0, 30);
    let mut second = invoice(2, "si_2", 1, 15, 45);
    if let Event::PeriodPaid(paid) = &mut second {
        paid.swapped = Some(ItemSwap { from: "si_1".to_owned(), to: "si_2".to_owned() });
    }
    let both = seen(observed(15, "si_2", 2), |seen| {
        let other = ObservedItem { item: "si_1".to_owned(), ..seen.items[0].clone() };
        seen.items.push(other);
    });
    let (in_order, late) = (World::after([&first, &both, &second]), World::after([&first, &second, &both]));
    assert_eq!(World::after([&first, &second]).licenses.len(), 1);
    assert_eq!((in_order.licenses.len(), in_order.outcome()), (2, late.outcome()));
    assert_eq!(late.purchase.licensed, in_order.purchase.licensed);
}
