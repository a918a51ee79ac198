//! More customers than are gathered or listed at once.

use std::collections::BTreeSet;

use keyledger_events::event::customer::CustomerRegistered;
use keyledger_events::event::inbox::Origin;
use keyledger_events::{NewEvent, StreamId, StreamKind, id};
use keyledger_projections::{NumberedPage, Order, view};

use super::super::customers::{self, Profile};
use super::super::forget::{Who, forget};
use super::super::{ACTOR_CLI, idempotency::Maker};
use crate::test_support::{Home, TestResult, noon_and, stories};

stories!(somebody_with_hundreds_of_entries_is_forgotten_at_once, whoever_is_added_moves_nobody_in_a_list);

/// More than are gathered at once.
const ENTRIES: usize = 300;
/// More than one page.
const PAGE_AND_MORE: usize = 1_100;

async fn somebody_with_hundreds_of_entries_is_forgotten_at_once(home: Home) -> TestResult {
    let profile = Profile { email: Some("ada@example.com".to_owned()), ..Profile::default() };
    let make = || customers::create(&home.app, Maker::once(ACTOR_CLI), home.team, &profile);
    // The first one has the id that the address gives.
    make().await?;
    futures::future::try_join_all((1..ENTRIES).map(|_| make())).await?;
    let who = Who::Email("ada@example.com".to_owned());
    let forgotten = forget(&home.app, ACTOR_CLI, home.team, &who, None).await?;
    assert_eq!((forgotten.customer_ids.len(), forgotten.already), (ENTRIES, false));
    let page = NumberedPage { offset: 0, limit: 1, order: Order::Created, ascending: false };
    let left = customers::page(&home.app, home.team, Some("ada@example.com"), page).await?;
    assert_eq!(left, (Vec::new(), 0));
    assert!(forget(&home.app, ACTOR_CLI, home.team, &who, None).await?.already);
    Ok(())
}

/// Interleaving: a page is read, somebody becomes known, the next page is read.
async fn whoever_is_added_moves_nobody_in_a_list(home: Home) -> TestResult {
    let somebody = || {
        let (provider_customer, email_lookup, email, name) = (None, None, None, None);
        let event = CustomerRegistered { provider: Origin::Manual, provider_customer, email_lookup, email, name };
        NewEvent::new(StreamId::new(StreamKind::Customer, id::fresh()), noon_and(0), event)
    };
    home.append((0..PAGE_AND_MORE).map(|_| somebody()).collect(), Vec::new()).await?;
    let mut listing = customers::list(&home.app, home.team, None).await?;
    let (mut told, mut ids) = (0, BTreeSet::new());
    while let Some((_, customer)) = listing.next().await? {
        if told == 0 {
            home.append(vec![somebody()], Vec::new()).await?;
            home.app.catch_up(&[view::CUSTOMERS]).await?;
        }
        told += 1;
        ids.insert(customer.id);
    }
    assert_eq!((told, ids.len()), (PAGE_AND_MORE, PAGE_AND_MORE));
    Ok(())
}
