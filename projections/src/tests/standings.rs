//! How licences stand at a moment, and what happened on a day: counted, and compared with a plain recount.

use std::collections::BTreeSet;

use keyledger_events::event::license::{
    ExpirationStart, LicenseExpired, LicenseReinstated, LicenseRevoked, LicenseSuspended, Offer, SubscriptionRenewed,
    Terms,
};
use keyledger_events::id::StreamKind;
use keyledger_events::{NewEvent, Position, TeamId};
use uuid::Uuid;

use super::facts::*;
use super::home::Home;
use super::{TestResult, stories};
use crate::licenses::{LicenseCounts, LicenseFilter, LicenseStatus, Standing};
use crate::page::Page;
use crate::timeline::Day;

const DAY: i64 = 86_400;

stories!(
    standings_are_what_a_recount_says_at_any_moment,
    a_list_of_a_standing_comes_in_pages_without_a_gap,
    a_list_goes_on_behind_a_licence_that_left_it,
    a_day_counts_what_happened_on_it_however_late_it_became_known,
);

/// Terms of a licence whose clock waits for a first verification.
fn waiting() -> Terms {
    let offer = Offer {
        expiration_days: Some(30),
        expiration_start: ExpirationStart::Activation,
        product_ids: vec![Uuid::nil()],
        ..Offer::default()
    };
    Terms { offer, ..for_ever() }
}

/// Licences with ends from the past to far away, some suspended, some revoked, some for ever.
fn many(team: TeamId) -> Vec<NewEvent> {
    let mut events = Vec::new();
    for number in 0..60_i64 {
        let license = stream(StreamKind::License);
        let terms = match number % 6 {
            0 => for_ever(),
            1 => waiting(),
            _ => paid_until((number - 20) * 5 * DAY),
        };
        events.push(issued(team, license, terms));
        match number % 10 {
            3 => events.push(event(license, LicenseSuspended { reason: None })),
            4 => {
                events.push(event(license, LicenseSuspended { reason: None }));
                events.push(event(license, LicenseReinstated { reason: None }));
            }
            5 => events.push(event(license, LicenseRevoked { reason: None, terms: None })),
            _ => {}
        }
    }
    events
}

/// The standing that a licence's status says. Nobody has used any of them, so the clock alone tells INACTIVE.
fn standing(status: LicenseStatus) -> Standing {
    match status {
        LicenseStatus::Revoked => Standing::Revoked,
        LicenseStatus::Suspended => Standing::Suspended,
        LicenseStatus::Expired => Standing::Expired,
        LicenseStatus::Expiring => Standing::Expiring,
        LicenseStatus::Upcoming => Standing::Upcoming,
        LicenseStatus::Inactive | LicenseStatus::Active => Standing::InForce,
    }
}

async fn standings_are_what_a_recount_says_at_any_moment(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    home.append(team, many(team)).await?;
    home.append(super::facts::team(), many(team)).await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let all_of_them = LicenseFilter::default();
    let all = views.licenses(&all_of_them, Page::default()).await?;
    assert_eq!(all.len(), 60);
    for days in [-200, -30, -5, 0, 1, 29, 30, 31, 100, 400] {
        // A second before and after what ends at noon, too.
        for now in [-1, 0, 1].map(|second| noon_and(days * DAY + second)) {
            let mut expected = LicenseCounts::default();
            for listed in Standing::ALL {
                let found = views.licenses_standing(&all_of_them, listed, now, Page::default()).await?;
                let found: BTreeSet<_> = found.iter().map(|license| license.id).collect();
                let right = all.iter().filter(|license| standing(license.status(now, None)) == listed);
                let right: BTreeSet<_> = right.map(|license| license.id).collect();
                assert_eq!(found, right, "{listed:?} at {now}");
                let told = all.iter().filter(|license| Standing::of(license, now) == listed);
                assert_eq!(told.map(|license| license.id).collect::<BTreeSet<_>>(), right, "{listed:?} at {now}");
                let count = u64::try_from(right.len())?;
                match listed {
                    Standing::InForce => expected.in_force = count,
                    Standing::Expiring => expected.expiring = count,
                    Standing::Upcoming => expected.upcoming = count,
                    Standing::Expired => expected.expired = count,
                    Standing::Suspended => expected.suspended = count,
                    Standing::Revoked => expected.revoked = count,
                }
            }
            let counts = views.license_counts(now).await?;
            assert_eq!((counts, counts.total()), (expected, 60), "at {now}");
        }
    }
    Ok(())
}

async fn a_list_of_a_standing_comes_in_pages_without_a_gap(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    // Several of one end, which only their places tell apart.
    let same = (0..7).map(|_| issued(team, stream(StreamKind::License), paid_until(DAY)));
    home.append(team, many(team).into_iter().chain(same).collect()).await?;
    home.catch_up(&runner).await?;
    let (views, all_of_them) = (home.views.team(team), LicenseFilter::default());
    for listed in Standing::ALL {
        let now = noon_and(0);
        let whole = views.licenses_standing(&all_of_them, listed, now, Page::default()).await?;
        let (mut paged, mut before) = (Vec::new(), None);
        loop {
            let page = views
                .licenses_standing(&LicenseFilter::default(), listed, now, Page { before, limit: Some(3) })
                .await?;
            let Some(last) = page.last() else { break };
            before = Some(last.created_position);
            paged.extend(page);
        }
        let ids = |all: &[crate::License]| all.iter().map(|license| license.id).collect::<Vec<_>>();
        assert_eq!(ids(&paged), ids(&whole), "{listed:?}");
        assert!(!whole.is_empty(), "{listed:?}");
        // Of one product, and of one purchase.
        for some in [
            LicenseFilter { product_ids: vec![Uuid::nil()], ..LicenseFilter::default() },
            LicenseFilter { purchase: whole.last().map(|license| license.purchase), ..LicenseFilter::default() },
            LicenseFilter { product_ids: vec![Uuid::from_u128(404)], ..LicenseFilter::default() },
            LicenseFilter { customer_ids: vec![Uuid::from_u128(404)], ..LicenseFilter::default() },
        ] {
            let found = views.licenses_standing(&some, listed, now, Page::default()).await?;
            let wanted: Vec<_> = whole.iter().filter(|license| some.wants(license)).cloned().collect();
            assert_eq!(ids(&found), ids(&wanted), "{listed:?} {some:?}");
        }
    }
    let expiring = views.licenses_standing(&all_of_them, Standing::Expiring, noon_and(0), Page::default()).await?;
    assert!(expiring.is_sorted_by_key(|license| license.expires_at()), "the nearest end first");
    Ok(())
}

async fn a_list_goes_on_behind_a_licence_that_left_it(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let licenses: Vec<_> = (0..4).map(|_| stream(StreamKind::License)).collect();
    let ends = |place: i64| paid_until((place + 1) * DAY);
    home.append(team, (0..).zip(&licenses).map(|(place, license)| issued(team, *license, ends(place))).collect())
        .await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let listed = async |listed: Standing, now, before| {
        let page =
            views.licenses_standing(&LicenseFilter::default(), listed, now, Page { before, limit: Some(2) }).await?;
        TestResult::Ok(page.iter().map(|license| (license.id, license.created_position)).collect::<Vec<_>>())
    };
    let ids = |found: &[(Uuid, Position)]| found.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    let (soon, late) = (noon_and(0), noon_and(9 * DAY));
    let (first, past) = (listed(Standing::Expiring, soon, None).await?, listed(Standing::Expired, late, None).await?);
    assert_eq!(ids(&first), [licenses[0].id, licenses[1].id]);
    assert_eq!(ids(&past), [licenses[3].id, licenses[2].id]);
    // The last one of each page, while somebody reads it.
    let gone = [
        event(licenses[1], LicenseSuspended { reason: None }),
        event(licenses[2], LicenseRevoked { reason: None, terms: None }),
    ];
    home.append(team, gone.into()).await?;
    home.catch_up(&runner).await?;
    let next = listed(Standing::Expiring, soon, first.last().map(|(_, position)| *position)).await?;
    assert_eq!(ids(&next), [licenses[3].id]);
    let next = listed(Standing::Expired, late, past.last().map(|(_, position)| *position)).await?;
    assert_eq!(ids(&next), [licenses[0].id]);
    Ok(())
}

async fn a_day_counts_what_happened_on_it_however_late_it_became_known(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let [one, two] = [(); 2].map(|()| stream(StreamKind::License));
    let entry = stream(StreamKind::Inbox);
    home.append(team, vec![issued(team, one, paid_until(100)), received(team, entry, "evt_1")]).await?;
    let renewed = SubscriptionRenewed { invoice: "in_2".to_owned(), terms: paid_until(300) };
    home.append(team, vec![event(one, renewed), issued(team, two, for_ever())]).await?;
    home.append(super::facts::team(), vec![issued(team, stream(StreamKind::License), for_ever())]).await?;
    home.catch_up(&runner).await?;
    let today = Day::of(noon_and(0));
    let days = home.views.team(team).daily(today.before(3), today).await?;
    let [(day, counts)] = days.as_slice() else { return Err(format!("not one day: {days:?}").into()) };
    assert_eq!(*day, today);
    assert_eq!((counts.issued, counts.renewed, counts.received, counts.expired), (2, 1, 1, 0));

    home.clock.advance_seconds(2 * DAY);
    let expired = LicenseExpired { due_at: noon_and(DAY) };
    let late = NewEvent { occurred_at: noon_and(0), ..received(team, stream(StreamKind::Inbox), "evt_2") };
    home.append(team, vec![NewEvent::new(one, noon_and(DAY), expired), late]).await?;
    home.catch_up(&runner).await?;
    let due = Day::of(noon_and(DAY));
    let days = home.views.team(team).daily(today, Day::of(noon_and(2 * DAY))).await?;
    let counted: Vec<_> =
        days.iter().map(|(day, counts)| (*day, counts.issued, counts.received, counts.expired)).collect();
    // The delivery counts where it came.
    assert_eq!(counted, [(today, 2, 1, 0), (due, 0, 0, 1), (Day::of(noon_and(2 * DAY)), 0, 1, 0)]);
    assert_eq!(home.views.team(team).daily(today.before(9), today.before(1)).await?, []);
    Ok(())
}
