//! What concerns what.

use keyledger_events::event::customer::CustomerRegistered;
use keyledger_events::event::delivery::MailSent;
use keyledger_events::event::inbox::{Origin, ProviderEventApplied};
use keyledger_events::event::license::{LicenseAmended, LicenseIssued, SubscriptionRenewed};
use keyledger_events::event::payment::PaymentLinked;
use keyledger_events::id::StreamKind;
use keyledger_events::{AppendOutcome, AppendRequest, Event, NewEvent, Position, Provenance, StreamId, TeamId, id};
use uuid::Uuid;

use super::facts::*;
use super::faults::product;
use super::home::Home;
use super::{TestResult, stories};
use crate::timeline::{Day, Subject};

stories!(
    what_concerns_a_licence_a_customer_and_a_provider_event_is_known,
    what_a_seller_makes_by_hand_has_no_purchase,
    a_day_knows_what_was_told_on_another,
);

async fn because_of(home: &Home, team: TeamId, cause: Uuid, events: Vec<NewEvent>) -> TestResult<Position> {
    let request = AppendRequest { events, ..AppendRequest::new(team, Provenance::caused_by("stripe", cause)) };
    match home.writer.append(request).await? {
        AppendOutcome::Appended { last } => Ok(last),
        other => Err(format!("not appended: {other:?}").into()),
    }
}

async fn related(home: &Home, team: TeamId, subject: Subject) -> TestResult<Vec<StreamId>> {
    let mut streams = home.views.team(team).related_streams(subject).await?;
    streams.sort_unstable();
    Ok(streams)
}

fn sorted<const N: usize>(mut streams: [StreamId; N]) -> Vec<StreamId> {
    streams.sort_unstable();
    streams.to_vec()
}

async fn what_concerns_a_licence_a_customer_and_a_provider_event_is_known(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let [first, second] = [(); 2].map(|()| stream(StreamKind::Inbox));
    let (license, purchase, payment) =
        (stream(StreamKind::License), stream(StreamKind::Purchase), stream(StreamKind::Payment));
    let (customer, mail, other) = (stream(StreamKind::Customer), stream(StreamKind::Delivery), id::fresh());
    let registered = CustomerRegistered {
        provider: Origin::Stripe,
        provider_customer: None,
        email_lookup: None,
        email: None,
        name: None,
    };
    let mut requested = mail_requested(team, mail, purchase);
    if let Event::MailRequested(event) = &mut requested.event {
        (event.license_ids, event.customer_id) = (vec![license.id], customer.id);
    }
    let linked = PaymentLinked { reference: "pi_1".to_owned(), to: purchase, to_reference: "cs_1".to_owned() };
    home.append(team, vec![team_registered(team, "Acme"), received(team, first, "evt_1")]).await?;
    let applied = |entry| event(entry, ProviderEventApplied { summary: "done".to_owned(), warnings: Vec::new() });
    let issued = issued_with(team, license, paid_until(60), purchase, Some(customer.id));
    let events = vec![event(customer, registered), issued, event(payment, linked), requested.clone(), applied(first)];
    because_of(home, team, first.id, events).await?;
    because_of(home, team, requested.event_id, vec![event(mail, MailSent { attempts: 1 })]).await?;
    home.append(team, vec![received(team, second, "evt_2")]).await?;
    let renewed = SubscriptionRenewed { invoice: "in_2".to_owned(), terms: paid_until(120) };
    because_of(home, team, second.id, vec![event(license, renewed), applied(second)]).await?;
    let amended = LicenseAmended { customer_ids: Some(vec![customer.id, other]), ..LicenseAmended::default() };
    home.append(team, vec![event(license, amended)]).await?;
    home.catch_up(&runner).await?;

    assert_eq!(related(home, team, Subject::License(license.id)).await?, sorted([purchase, mail]));
    assert_eq!(related(home, team, Subject::Customer(customer.id)).await?, sorted([license, mail]));
    assert_eq!(related(home, team, Subject::Customer(other)).await?, [license], "who got it later");
    let effects = sorted([customer, license, payment, mail]);
    assert_eq!(related(home, team, Subject::Cause(first.id)).await?, effects);
    assert_eq!(related(home, team, Subject::Cause(second.id)).await?, [license]);
    assert_eq!(related(home, team, Subject::Cause(requested.event_id)).await?, [], "its own stream tells");
    let both = home.views.team(team).effects_of(&[second.id, first.id, Uuid::nil()]).await?;
    assert_eq!(both.len(), 5);
    assert!(both.contains(&(first.id, payment)) && both.contains(&(second.id, license)));
    let stranger = TeamId(id::fresh());
    assert_eq!(related(home, stranger, Subject::License(license.id)).await?, [], "another team sees nothing");
    assert!(home.views.team(stranger).effects_of(&[first.id]).await?.is_empty());
    Ok(())
}

async fn what_a_seller_makes_by_hand_has_no_purchase(home: &Home) -> TestResult {
    let (team, license, runner) = (team(), stream(StreamKind::License), home.runner());
    let mut made = issued(team, license, for_ever());
    if let Event::LicenseIssued(LicenseIssued { provider, .. }) = &mut made.event {
        *provider = Origin::Manual;
    }
    let thing = product("thing");
    home.append(team, vec![team_registered(team, "Acme"), thing.clone(), made]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(related(home, team, Subject::License(license.id)).await?, []);
    assert_eq!(related(home, team, Subject::Settings(team)).await?, [thing.stream]);
    Ok(())
}

async fn a_day_knows_what_was_told_on_another(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let at = |day: i64| NewEvent {
        occurred_at: noon_and(day * 86_400),
        ..issued(team, stream(StreamKind::License), for_ever())
    };
    // Recorded at noon of day 0: of today, of the day before, of two days before, of a clock that is ahead.
    home.append(team, vec![at(0), at(-1), at(-2), at(-2), at(1)]).await?;
    home.catch_up(&runner).await?;
    let day = Day::of(noon_and(0));
    let views = home.views.team(team);
    let told = async |from: i64, until: i64, after, limit| -> TestResult<Vec<i64>> {
        let day = |days: i64| Day::of(noon_and(days * 86_400));
        let found = views.told_another_day(day(from), day(until), Position(after), limit).await?;
        Ok(found.iter().map(|position| position.0).collect())
    };
    assert_eq!(told(0, 1, 0, 10).await?, [0_i64; 0], "what was told the same day needs no row");
    assert_eq!(told(-2, -1, 0, 10).await?, [3, 4]);
    assert_eq!(told(-2, 2, 0, 10).await?, [2, 3, 4, 5]);
    assert_eq!(told(-2, 2, 3, 1).await?, [4]);
    let elsewhere = home.views.team(TeamId(id::fresh()));
    assert!(elsewhere.told_another_day(Day::of(noon_and(-172_800)), day.next(), Position::START, 9).await?.is_empty());
    Ok(())
}
