//! Which licences a filter finds, in pages and counted: always those that a look at every licence finds.

use keyledger_events::event::delivery::{MailAbandoned, MailSent};
use keyledger_events::event::inbox::{
    Origin, Provider, ProviderEventApplied, ProviderEventIgnored, ProviderEventRejected,
};
use keyledger_events::event::license::{LicenseAmended, Offer, Terms};
use keyledger_events::id::StreamKind;
use keyledger_events::{Event, NewEvent, Position, StreamId, TeamId, id};
use uuid::Uuid;

use super::facts::*;
use super::home::Home;
use super::{TestResult, stories};
use crate::deliveries::{Delivery, DeliveryState};
use crate::inbox::{InboxEntry, InboxFilter, Outcome};
use crate::licenses::{License, LicenseFilter};
use crate::page::{NumberedPage, Order, Page};

stories!(
    a_filter_finds_what_a_look_at_every_licence_finds,
    who_holds_very_many_licences_is_found_on_a_walk,
    a_filter_finds_what_a_look_at_every_provider_event_finds,
    a_filter_finds_what_a_look_at_every_mail_finds,
);

const PRODUCTS: [Uuid; 3] = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];
const CUSTOMERS: [Uuid; 3] = [Uuid::from_u128(11), Uuid::from_u128(12), Uuid::from_u128(13)];

/// A licence of the first product for every second one, of two products for some, amended for others.
fn licenses(team: TeamId, purchase: StreamId) -> Vec<NewEvent> {
    let mut events = Vec::new();
    for number in 0..24_usize {
        let license = stream(StreamKind::License);
        let product_ids = match number % 4 {
            0 | 2 => vec![PRODUCTS[0]],
            1 => vec![PRODUCTS[1]],
            _ => vec![PRODUCTS[1], PRODUCTS[0]],
        };
        let terms = Terms { offer: Offer { product_ids, ..Offer::default() }, ..for_ever() };
        let purchase = if number < 3 { purchase } else { stream(StreamKind::Purchase) };
        events.push(issued_with(team, license, terms, purchase, CUSTOMERS.get(number % 5).copied()));
        let amended = match number % 6 {
            4 => LicenseAmended { product_ids: Some(vec![PRODUCTS[2]]), ..LicenseAmended::default() },
            5 => LicenseAmended { customer_ids: Some(CUSTOMERS[1..].to_vec()), ..LicenseAmended::default() },
            _ => continue,
        };
        events.push(event(license, amended));
    }
    events
}

async fn a_filter_finds_what_a_look_at_every_licence_finds(home: &Home) -> TestResult {
    let (team, runner, purchase) = (team(), home.runner(), stream(StreamKind::Purchase));
    home.append(team, licenses(team, purchase)).await?;
    home.append(super::facts::team(), licenses(super::facts::team(), purchase)).await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let all = views.licenses(&LicenseFilter::default(), Page::default()).await?;
    assert_eq!(all.len(), 24);
    let named = |ids: &[Uuid], wanted: &[Uuid]| wanted.is_empty() || wanted.iter().any(|id| ids.contains(id));
    let (none, unknown) = (&[][..], &[id::fresh()][..]);
    let mut found_any = 0;
    for product_ids in [none, &PRODUCTS[..1], &PRODUCTS[1..2], &PRODUCTS[..2], &PRODUCTS, unknown] {
        for customer_ids in [none, &CUSTOMERS[..1], &CUSTOMERS[1..], unknown] {
            for (purchase, provider) in [(None, None), (Some(purchase), None), (None, Some(Origin::Polymart))] {
                let filter = LicenseFilter {
                    purchase,
                    customer_ids: customer_ids.to_vec(),
                    product_ids: product_ids.to_vec(),
                    provider,
                };
                let right = |license: &&License| {
                    named(license.product_ids(), product_ids)
                        && named(license.customer_ids(), customer_ids)
                        && purchase.is_none_or(|purchase| license.purchase == purchase)
                        && provider.is_none()
                };
                let right: Vec<License> = all.iter().filter(right).cloned().collect();
                found_any += right.len();
                check(home, team, &filter, right).await?;
            }
        }
    }
    assert!(found_any > 100, "{found_any}");
    Ok(())
}

/// Whole, page by page, numbered in each order, and counted.
async fn check(home: &Home, team: TeamId, filter: &LicenseFilter, mut right: Vec<License>) -> TestResult {
    let views = home.views.team(team);
    assert_eq!(views.licenses(filter, Page::default()).await?, right, "{filter:?}");
    assert_eq!(views.count_licenses(filter).await?, u64::try_from(right.len())?, "{filter:?}");
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = views.licenses(filter, Page { before, limit: Some(3) }).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.created_position);
        paged.extend(page);
    }
    assert_eq!(paged, right, "{filter:?}");
    for (order, ascending) in
        [(Order::Created, false), (Order::Created, true), (Order::Updated, false), (Order::Updated, true)]
    {
        let place = |license: &License| -> Position {
            match order {
                Order::Created => license.created_position,
                Order::Updated => license.updated_position,
            }
        };
        right.sort_by_key(place);
        if !ascending {
            right.reverse();
        }
        let page = NumberedPage { offset: 2, limit: 4, order, ascending };
        let wanted: Vec<License> = right.iter().skip(2).take(4).cloned().collect();
        assert_eq!(views.licenses_page(filter, page).await?, wanted, "{filter:?} {order:?} {ascending}");
    }
    Ok(())
}

async fn who_holds_very_many_licences_is_found_on_a_walk(home: &Home) -> TestResult {
    let (team, runner, purchase) = (team(), home.runner(), stream(StreamKind::Purchase));
    let many = (0..1_002_usize).map(|number| {
        let customer = if number == 7 { CUSTOMERS[1] } else { CUSTOMERS[0] };
        issued_with(team, stream(StreamKind::License), for_ever(), purchase, Some(customer))
    });
    home.append(team, many.collect()).await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    for (customer, right) in [(CUSTOMERS[0], 1_001), (CUSTOMERS[1], 1), (CUSTOMERS[2], 0)] {
        let filter = LicenseFilter { customer_ids: vec![customer], ..LicenseFilter::default() };
        let found = views.licenses(&filter, Page::default()).await?;
        assert!(found.iter().all(|license| license.customer_ids() == [customer]));
        assert_eq!((found.len(), views.count_licenses(&filter).await?), (right, u64::try_from(right)?));
    }
    Ok(())
}

/// A list in pages of two.
async fn paged<T>(
    mut page_of: impl AsyncFnMut(Page) -> TestResult<Vec<T>>,
    place: impl Fn(&T) -> Position,
) -> TestResult<Vec<T>> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = page_of(Page { before, limit: Some(2) }).await?;
        let Some(last) = page.last() else { return Ok(all) };
        before = Some(place(last));
        all.extend(page);
    }
}

async fn a_filter_finds_what_a_look_at_every_provider_event_finds(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    for number in 0..24 {
        let entry = stream(StreamKind::Inbox);
        let mut told = received(team, entry, &format!("evt_{number}"));
        if let Event::ProviderEventReceived(received) = &mut told.event
            && number % 3 == 0
        {
            received.provider = Provider::Polymart;
        }
        let concluded: Event = match number % 4 {
            0 => ProviderEventApplied { summary: "one licence".to_owned(), warnings: Vec::new() }.into(),
            1 => ProviderEventIgnored { reason: "of no use".to_owned() }.into(),
            2 => ProviderEventRejected { reason: "unknown".to_owned() }.into(),
            _ => {
                home.append(team, vec![told]).await?;
                continue;
            }
        };
        home.append(team, vec![told, event(entry, concluded)]).await?;
    }
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let all = views.inbox(&[], Page::default()).await?;
    assert!(all.len() == 24 && all.is_sorted_by_key(|entry| -entry.received_position.0), "newest first");
    let [pending, applied, rejected] = [Outcome::Pending, Outcome::Applied, Outcome::Rejected];
    for provider in [None, Some(Provider::Stripe), Some(Provider::Polymart)] {
        for outcomes in
            [vec![], vec![pending], vec![applied], vec![rejected, applied], vec![rejected, pending, rejected]]
        {
            let filter = InboxFilter { provider, outcomes: outcomes.clone(), ..InboxFilter::default() };
            let right = |entry: &&InboxEntry| {
                provider.is_none_or(|provider| entry.provider == provider)
                    && (outcomes.is_empty() || outcomes.contains(&entry.outcome))
            };
            let right: Vec<_> = all.iter().filter(right).map(|entry| entry.id).collect();
            let page_of = async |page| Ok(views.search_inbox(&filter, page).await?);
            let found = paged(page_of, |entry| entry.received_position).await?;
            assert_eq!(found.iter().map(|entry| entry.id).collect::<Vec<_>>(), right, "{filter:?}");
            assert!(!right.is_empty(), "{filter:?}");
        }
    }
    Ok(())
}

async fn a_filter_finds_what_a_look_at_every_mail_finds(home: &Home) -> TestResult {
    let (team, runner, purchase) = (team(), home.runner(), stream(StreamKind::Purchase));
    for number in 0..12 {
        let mail = stream(StreamKind::Delivery);
        let mut events = vec![mail_requested(team, mail, purchase)];
        match number % 3 {
            0 => events.push(event(mail, MailSent { attempts: 1 })),
            1 => events.push(event(mail, MailAbandoned { reason: "550".to_owned() })),
            _ => {}
        }
        home.append(team, events).await?;
    }
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let all = views.deliveries(&[], Page::default()).await?;
    assert_eq!(all.len(), 12);
    let [pending, sent, abandoned] = [DeliveryState::Pending, DeliveryState::Sent, DeliveryState::Abandoned];
    for states in [vec![], vec![sent], vec![pending], vec![abandoned, sent], vec![abandoned, pending, abandoned]] {
        let right = |mail: &&Delivery| states.is_empty() || states.contains(&mail.state);
        let right: Vec<_> = all.iter().filter(right).map(|mail| mail.id).collect();
        let found =
            paged(async |page| Ok(views.deliveries(&states, page).await?), |mail| mail.requested_position).await?;
        assert_eq!(found.iter().map(|mail| mail.id).collect::<Vec<_>>(), right, "{states:?}");
        assert!(!right.is_empty(), "{states:?}");
    }
    Ok(())
}
