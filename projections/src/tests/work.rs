//! Work to do is a view: begun and not concluded.

use keyledger_events::event::delivery::{MailAbandoned, MailAttemptStarted, MailFailed, MailSent};
use keyledger_events::event::inbox::*;
use keyledger_events::event::license::{LicenseExpired, LicenseRevoked, SubscriptionRenewed};
use keyledger_events::id::StreamKind;
use keyledger_events::{Position, Timestamp, id};
use uuid::Uuid;

use super::facts::*;
use super::home::Home;
use super::{TestResult, stories};
use crate::deliveries::DeliveryState;
use crate::inbox::{InboxFilter, Outcome};
use crate::page::Page;

stories!(
    a_licence_is_due_once_and_again_after_a_renewal,
    a_revoked_licence_owes_no_expiration,
    a_provider_event_waits_for_its_lease_and_its_retry,
    a_rejected_provider_event_is_work_again_when_reopened,
    provider_events_are_worked_on_in_the_order_they_came,
    provider_events_are_searched,
    a_mail_is_work_until_it_is_sent_or_abandoned,
);

async fn due(home: &Home, seconds: i64) -> TestResult<Vec<(Uuid, Timestamp)>> {
    let due = home.views.due_expirations(noon_and(seconds), 10).await?;
    Ok(due.into_iter().map(|expiration| (expiration.license_id, expiration.due_at)).collect())
}

async fn a_licence_is_due_once_and_again_after_a_renewal(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let [late, early, never] = [(); 3].map(|()| stream(StreamKind::License));
    home.append(
        team,
        vec![
            issued(team, late, paid_until(200)),
            issued(team, early, paid_until(100)),
            issued(team, never, for_ever()),
        ],
    )
    .await?;
    home.catch_up(&runner).await?;
    assert!(due(home, 99).await?.is_empty());
    assert_eq!(due(home, 100).await?, [(early.id, noon_and(100))]);
    assert_eq!(due(home, 1_000).await?, [(early.id, noon_and(100)), (late.id, noon_and(200))], "longest due first");
    assert_eq!(home.views.due_expirations(noon_and(1_000), 1).await?.len(), 1);

    home.append(team, vec![event(early, LicenseExpired { due_at: noon_and(100) })]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(due(home, 150).await?, [], "it was told");
    let renewed = SubscriptionRenewed { invoice: "in_2".to_owned(), terms: paid_until(300) };
    home.append(team, vec![event(early, renewed)]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(due(home, 299).await?, [(late.id, noon_and(200))]);
    let all = home.views.due_expirations(noon_and(300), 10).await?;
    assert_eq!(all.last().map(|e| (e.license_id, e.due_at, e.version)), Some((early.id, noon_and(300), 3)));
    assert!(all.iter().all(|expiration| expiration.team == team));
    Ok(())
}

async fn a_revoked_licence_owes_no_expiration(home: &Home) -> TestResult {
    let (team, license, runner) = (team(), stream(StreamKind::License), home.runner());
    home.append(team, vec![issued(team, license, paid_until(100))]).await?;
    home.append(team, vec![event(license, LicenseRevoked { reason: None, terms: None })]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(due(home, 1_000).await?, []);
    Ok(())
}

async fn pending(home: &Home, seconds: i64) -> TestResult<Vec<String>> {
    let pending = home.views.pending_inbox(noon_and(seconds), Position::START, 10).await?;
    Ok(pending.into_iter().map(|entry| entry.provider_event_id).collect())
}

async fn a_provider_event_waits_for_its_lease_and_its_retry(home: &Home) -> TestResult {
    let (team, entry, runner) = (team(), stream(StreamKind::Inbox), home.runner());
    home.append(team, vec![received(team, entry, "evt_1")]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(pending(home, 0).await?, ["evt_1"]);
    let attempted = ProviderEventAttempted { attempt: 1, lease_until: noon_and(60) };
    home.append(team, vec![event(entry, attempted)]).await?;
    home.catch_up(&runner).await?;
    assert!(pending(home, 59).await?.is_empty(), "a node has it");
    assert_eq!(pending(home, 60).await?, ["evt_1"], "that node died");

    let deferred = ProviderEventDeferred { reason: "503".to_owned(), attempts: 1, retry_at: noon_and(90) };
    home.append(team, vec![event(entry, deferred)]).await?;
    home.catch_up(&runner).await?;
    assert!(pending(home, 89).await?.is_empty());
    assert_eq!(pending(home, 90).await?, ["evt_1"]);
    assert!(pending(home, -600).await?.is_empty(), "it may be a long pause");
    assert_eq!(pending(home, -3_600).await?, ["evt_1"], "no pause is that long: a clock was ahead, and was set back");
    let views = home.views.team(team);
    let known = views.inbox_entry(entry.id).await?.ok_or("no entry")?;
    assert_eq!((known.outcome, known.reason.as_deref(), known.attempts), (Outcome::Pending, Some("503"), 1));
    assert_eq!((known.retry_at, known.lease_until, known.version), (Some(noon_and(90)), None, 3));

    home.clock.advance_seconds(100);
    let applied = ProviderEventApplied { summary: "renewed".to_owned(), warnings: vec!["odd".to_owned()] };
    home.append(team, vec![event(entry, applied)]).await?;
    home.catch_up(&runner).await?;
    assert!(pending(home, 1_000_000).await?.is_empty());
    let known = views.inbox_by_provider_event(Provider::Stripe, "evt_1").await?.ok_or("no entry")?;
    assert_eq!((known.outcome, known.reason.as_deref()), (Outcome::Applied, Some("renewed")));
    assert_eq!((known.concluded_at, known.warnings), (Some(noon_and(100)), vec!["odd".to_owned()]));
    assert!(views.inbox_by_provider_event(Provider::Polymart, "evt_1").await?.is_none());
    Ok(())
}

async fn a_rejected_provider_event_is_work_again_when_reopened(home: &Home) -> TestResult {
    let (team, entry, runner) = (team(), stream(StreamKind::Inbox), home.runner());
    let rejected = ProviderEventRejected { reason: "product_id: unknown".to_owned() };
    home.append(team, vec![received(team, entry, "evt_1"), event(entry, rejected)]).await?;
    home.catch_up(&runner).await?;
    assert!(pending(home, 0).await?.is_empty());
    let views = home.views.team(team);
    assert_eq!(views.inbox(&[Outcome::Rejected, Outcome::Ignored], Page::default()).await?.len(), 1);
    assert!(views.inbox(&[Outcome::Pending], Page::default()).await?.is_empty());

    let query: std::collections::BTreeMap<_, _> = [("productId".to_owned(), "x".to_owned())].into();
    let reopened = ProviderEventReopened { reason: "retried by an admin".to_owned(), query: Some(query.clone()) };
    home.append(team, vec![event(entry, reopened)]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(pending(home, 0).await?, ["evt_1"]);
    let known = views.inbox_entry(entry.id).await?.ok_or("no entry")?;
    assert_eq!((known.query, known.concluded_at), (query, None));
    Ok(())
}

async fn provider_events_are_worked_on_in_the_order_they_came(home: &Home) -> TestResult {
    let (team, other, runner) = (team(), team(), home.runner());
    let entries: Vec<_> = (0..5).map(|_| stream(StreamKind::Inbox)).collect();
    for (n, entry) in entries.iter().enumerate() {
        let team = if n % 2 == 0 { team } else { other };
        home.append(team, vec![received(team, *entry, &format!("evt_{n}"))]).await?;
    }
    let ignored = ProviderEventIgnored { reason: "ping".to_owned() };
    home.append(team, vec![event(entries[2], ignored)]).await?;
    home.catch_up(&runner).await?;
    assert_eq!(pending(home, 0).await?, ["evt_0", "evt_1", "evt_3", "evt_4"], "of all teams");
    assert_eq!(home.views.pending_inbox(noon_and(0), Position::START, 2).await?.len(), 2);
    let listed = home.views.team(team).inbox(&[], Page { before: None, limit: Some(2) }).await?;
    let listed: Vec<_> = listed.into_iter().map(|entry| entry.provider_event_id).collect();
    assert_eq!(listed, ["evt_4", "evt_2"], "newest first, of one team");
    assert!(home.views.team(team).inbox_entry(entries[1].id).await?.is_none());
    Ok(())
}

async fn provider_events_are_searched(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    for (name, reason) in [("evt_1", r"product_id `50%_off\x` is no UUID"), ("evt_2", "Product_id is 500 off")] {
        let entry = stream(StreamKind::Inbox);
        let rejected = ProviderEventRejected { reason: reason.to_owned() };
        home.append(team, vec![received(team, entry, name), event(entry, rejected)]).await?;
        home.clock.advance_seconds(60);
    }
    home.append(team, vec![received(team, stream(StreamKind::Inbox), "evt_3")]).await?;
    home.catch_up(&runner).await?;
    let views = home.views.team(team);
    let found = async |filter: InboxFilter| {
        let found = views.search_inbox(&filter, Page::default()).await?;
        TestResult::Ok(found.into_iter().map(|entry| entry.provider_event_id).collect::<Vec<_>>())
    };
    let any = InboxFilter::default;
    assert_eq!(found(any()).await?, ["evt_3", "evt_2", "evt_1"]);
    let reason = |text: &str| InboxFilter { reason: Some(text.to_owned()), ..any() };
    assert_eq!(found(reason("PRODUCT_ID")).await?, ["evt_2", "evt_1"], "in either case");
    assert_eq!(found(reason("50%_off")).await?, ["evt_1"], "what stands for anything in SQL stands for itself");
    assert_eq!(found(reason(r"\x")).await?, ["evt_1"]);
    assert!(found(reason("' OR 1=1 --")).await?.is_empty());
    assert_eq!(found(InboxFilter { provider_event_id: Some("evt_2".to_owned()), ..any() }).await?, ["evt_2"]);
    assert_eq!(found(InboxFilter { outcomes: vec![Outcome::Pending], ..any() }).await?, ["evt_3"]);
    assert_eq!(found(InboxFilter { received_from: Some(noon_and(60)), ..any() }).await?, ["evt_3", "evt_2"]);
    assert_eq!(found(InboxFilter { received_until: Some(noon_and(60)), ..any() }).await?, ["evt_1"]);
    assert_eq!(found(InboxFilter { provider: Some(Provider::Stripe), ..any() }).await?.len(), 3);
    assert!(found(InboxFilter { provider: Some(Provider::Polymart), ..any() }).await?.is_empty());
    assert_eq!(found(InboxFilter { event_type: Some("invoice.paid".to_owned()), ..any() }).await?.len(), 3);
    assert!(found(InboxFilter { event_type: Some("invoice".to_owned()), ..any() }).await?.is_empty());
    Ok(())
}

async fn a_mail_is_work_until_it_is_sent_or_abandoned(home: &Home) -> TestResult {
    let (team, runner) = (team(), home.runner());
    let (purchase, sent, given_up) =
        (stream(StreamKind::Purchase), stream(StreamKind::Delivery), stream(StreamKind::Delivery));
    let requested = mail_requested(team, sent, purchase);
    let event_id = requested.event_id;
    home.append(team, vec![requested, mail_requested(team, given_up, purchase)]).await?;
    home.catch_up(&runner).await?;
    let work = async |seconds| {
        let work = home.views.pending_deliveries(noon_and(seconds), 10).await?;
        TestResult::Ok(work.into_iter().map(|delivery| delivery.id).collect::<Vec<_>>())
    };
    assert_eq!(work(0).await?, [sent.id, given_up.id]);
    let started = MailAttemptStarted { attempt: 1, lease_until: noon_and(60) };
    let failed = MailFailed { reason: "451".to_owned(), attempts: 1, retry_at: noon_and(30) };
    home.append(team, vec![event(sent, started.clone()), event(given_up, started), event(given_up, failed)]).await?;
    home.catch_up(&runner).await?;
    assert!(work(29).await?.is_empty());
    assert_eq!(work(30).await?, [given_up.id]);
    assert!(work(-3_600).await?.is_empty(), "it may be a long pause");
    assert_eq!(work(-86_400).await?, [sent.id, given_up.id], "no pause is that long: a clock was set back");
    let views = home.views.team(team);
    let waiting = views.delivery(given_up.id).await?.ok_or("no mail")?;
    assert_eq!((waiting.state, waiting.reason.as_deref()), (DeliveryState::Failed, Some("451")));
    assert_eq!([-86_400, 0, 30].map(|at| waiting.is_ready(noon_and(at))), [true, false, true]);

    home.clock.advance_seconds(40);
    let abandoned = MailAbandoned { reason: "the buyer was forgotten".to_owned() };
    home.append(team, vec![event(sent, MailSent { attempts: 1 }), event(given_up, abandoned)]).await?;
    home.catch_up(&runner).await?;
    assert!(work(1_000_000).await?.is_empty());
    let done = views.deliveries(&[DeliveryState::Sent], Page::default()).await?;
    assert_eq!(done.iter().map(|mail| (mail.id, mail.sent_at)).collect::<Vec<_>>(), [(sent.id, Some(noon_and(40)))]);
    assert_eq!(done.first().map(|mail| mail.to.event_id), Some(event_id));
    assert_eq!(views.deliveries_of_purchase(purchase).await?.len(), 2);
    assert!(home.views.team(crate::tests::facts::team()).delivery(sent.id).await?.is_none());
    assert!(views.delivery(id::fresh()).await?.is_none());
    Ok(())
}
