//! An end comes near: who is told, when, and how often.

use keyledger_events::event::delivery::MailContent;
use keyledger_events::event::license::{
    Expiration, ExpirationStart, LicenseAmended, LicenseReinstated, LicenseRevoked, LicenseSuspended,
    SubscriptionEnded, Terms,
};
use keyledger_events::event::team::RemindersUpdated;
use keyledger_events::{Event, StreamId, Timestamp};
use keyledger_projections::{Delivery, Page};

use super::super::remind::Reminder;
use crate::admin::customers::{self, Profile};
use crate::admin::idempotency::Maker;
use crate::admin::team_settings::{self, SettingsChange};
use crate::app::App;
use crate::stop::stop;
use crate::test_support::{DAY, Home, TestResult, noon_and, stories};

stories!(
    a_buyer_is_reminded_once_of_each_end,
    who_need_not_be_reminded_is_not,
    an_outage_is_made_up_for_but_not_after_the_end_and_two_schedulers_say_it_once,
    the_team_decides_how_early_and_whether_by_mail,
    a_reminder_that_the_view_has_not_seen_yet_counts,
);

/// One round of the scheduler of `app`, over views that are up to date.
async fn round(app: &App) -> TestResult<u64> {
    app.catch_up_patiently().await?;
    let (_stop, stopping) = stop();
    Ok(Reminder::new(app.clone()).work_off(&stopping).await?)
}

/// The ends that a licence's buyer was told to come near.
async fn told(home: &Home, license: StreamId) -> TestResult<Vec<Timestamp>> {
    let mut told = Vec::new();
    for (recorded, event) in home.history(license).await? {
        if let Event::LicenseExpiringSoon(soon) = event {
            assert_eq!(recorded.provenance.actor, "scheduler");
            told.push(soon.expires_at);
        }
    }
    Ok(told)
}

async fn mails(home: &Home) -> TestResult<Vec<Delivery>> {
    home.app.catch_up_patiently().await?;
    Ok(home.app.views.team(home.team).deliveries(&[], Page::default()).await?)
}

/// A licence of a customer with a mail address.
async fn sold(home: &Home, terms: Terms) -> TestResult<StreamId> {
    let profile = Profile { email: Some("buyer@example.com".to_owned()), ..Profile::default() };
    let customer = customers::create(&home.app, Maker::once("test"), home.team, &profile).await?;
    let license = home.issue(&[terms]).await?[0];
    let amended = LicenseAmended { customer_ids: Some(vec![customer]), ..LicenseAmended::default() };
    home.happen(license, amended).await?;
    Ok(license)
}

fn until(seconds: i64) -> LicenseAmended {
    LicenseAmended { expiration: Some(Expiration::Date(noon_and(seconds))), ..LicenseAmended::default() }
}

async fn a_buyer_is_reminded_once_of_each_end(home: Home) -> TestResult {
    let license = sold(&home, home.one_off(Some(30), ExpirationStart::Creation)).await?;
    home.clock.advance_seconds(23 * DAY - 1);
    assert_eq!(round(&home.app).await?, 0);
    home.clock.advance_seconds(1);
    assert_eq!(round(&home.app).await?, 1);
    assert_eq!(round(&home.app).await?, 0);
    assert_eq!(told(&home, license).await?, [noon_and(30 * DAY)]);
    let (recorded, _) = home.history(license).await?.pop().ok_or("no history")?;
    assert_eq!((recorded.occurred_at, recorded.event_type.as_str()), (noon_and(23 * DAY), "LicenseExpiringSoon"));
    let mail = mails(&home).await?.pop().ok_or("no mail was asked for")?;
    assert_eq!(mail.content, MailContent::ExpiryReminder { expires_at: noon_and(30 * DAY) });
    assert_eq!(mail.license_ids, [license.id]);

    // It gets another end, and with it another reminder.
    home.happen(license, until(60 * DAY)).await?;
    home.clock.advance_seconds(29 * DAY);
    assert_eq!(round(&home.app).await?, 0);
    home.clock.advance_seconds(DAY);
    assert_eq!(round(&home.app).await?, 1);
    assert_eq!(told(&home, license).await?, [noon_and(30 * DAY), noon_and(60 * DAY)]);
    assert_eq!(mails(&home).await?.len(), 2);
    Ok(())
}

async fn who_need_not_be_reminded_is_not(home: Home) -> TestResult {
    let days = |days| home.one_off(days, ExpirationStart::Creation);
    let renews = home.paid_until(30 * DAY, 3_600);
    let for_ever = sold(&home, days(None)).await?;
    let short = sold(&home, days(Some(7))).await?;
    let waiting = sold(&home, home.one_off(Some(1), ExpirationStart::Activation)).await?;
    let subscribed = sold(&home, renews.clone()).await?;
    let revoked = sold(&home, days(Some(30))).await?;
    home.happen(revoked, LicenseRevoked { reason: None, terms: None }).await?;
    let suspended = sold(&home, days(Some(30))).await?;
    home.happen(suspended, LicenseSuspended { reason: None }).await?;
    for _ in 0..30 {
        assert_eq!(round(&home.app).await?, 0);
        home.clock.advance_seconds(DAY - 60);
    }
    for license in [for_ever, short, waiting, subscribed, revoked, suspended] {
        assert!(told(&home, license).await?.is_empty());
    }
    // Reinstated in time, its buyer is told late; a subscription that will end is an end like any other.
    home.happen(suspended, LicenseReinstated { reason: None }).await?;
    let mut ends = home.paid_until(33 * DAY, 0);
    ends.subscription.as_mut().ok_or("no subscription")?.ended_at = Some(noon_and(33 * DAY));
    home.happen(subscribed, SubscriptionEnded { terms: ends }).await?;
    assert_eq!(round(&home.app).await?, 2);
    assert_eq!(told(&home, suspended).await?, [noon_and(30 * DAY)]);
    assert_eq!(told(&home, subscribed).await?, [noon_and(33 * DAY)]);
    assert_eq!(mails(&home).await?.len(), 2);
    Ok(())
}

/// Guards: both list the same licences as due, one appends, then the other does.
async fn an_outage_is_made_up_for_but_not_after_the_end_and_two_schedulers_say_it_once(home: Home) -> TestResult {
    // More than a page of them; those that ran out during the outage are the scheduler's, not ours.
    let terms: Vec<_> = (0..1_500).map(|n| home.one_off(Some(28 + n % 5), ExpirationStart::Creation)).collect();
    let licenses = home.issue(&terms).await?;
    home.clock.advance_seconds(30 * DAY);
    let (another, _) = home.another().await?;
    let (ours, theirs) = tokio::join!(round(&home.app), round(&another));
    assert_eq!(ours? + theirs?, 600);
    for (license, terms) in licenses.iter().zip(terms) {
        let end = terms.offer.expiration_days.map(i64::from).filter(|days| *days > 30);
        assert_eq!(told(&home, *license).await?, Vec::from_iter(end.map(|days| noon_and(days * DAY))));
    }
    assert_eq!(round(&another).await?, 0);
    assert!(mails(&home).await?.is_empty(), "nobody's address is known");
    Ok(())
}

async fn the_team_decides_how_early_and_whether_by_mail(home: Home) -> TestResult {
    let license = sold(&home, home.one_off(Some(30), ExpirationStart::Creation)).await?;
    let set = async |days, mail| {
        let change = SettingsChange { reminders: RemindersUpdated { days, mail }, ..SettingsChange::default() };
        team_settings::update(&home.app, "test", home.team, change).await
    };
    set(Some(0), None).await?;
    home.clock.advance_seconds(25 * DAY);
    assert_eq!(round(&home.app).await?, 0);
    set(Some(3), Some(false)).await?;
    assert_eq!(round(&home.app).await?, 0);
    set(Some(14), None).await?;
    assert_eq!(round(&home.app).await?, 1);
    assert_eq!(told(&home, license).await?, [noon_and(30 * DAY)]);
    assert!(mails(&home).await?.is_empty());
    set(Some(7), Some(true)).await?;
    assert_eq!(round(&home.app).await?, 0, "once said is said");
    assert!(set(Some(366), None).await.is_err());
    Ok(())
}

/// Guards: the view lists the licence as due, its end is moved, the scheduler decides.
async fn a_reminder_that_the_view_has_not_seen_yet_counts(home: Home) -> TestResult {
    let license = sold(&home, home.one_off(Some(30), ExpirationStart::Creation)).await?;
    home.clock.advance_seconds(25 * DAY);
    home.app.catch_up_patiently().await?;
    home.happen(license, until(90 * DAY)).await?;
    let (_stop, stopping) = stop();
    assert_eq!(home.app.views.team(home.team).due_reminders(noon_and(25 * DAY), 7 * DAY, 10).await?.len(), 1);
    assert_eq!(Reminder::new(home.app.clone()).work_off(&stopping).await?, 0);
    assert!(home.app.views.team(home.team).due_reminders(noon_and(25 * DAY), 7 * DAY, 10).await?.is_empty());
    assert!(told(&home, license).await?.is_empty());
    Ok(())
}
