//! Time passes: who is told that a licence ran out, when, and how often.

mod reminders;

use std::time::Duration;

use keyledger_events::event::license::{ExpirationStart, LicenseRevoked, SubscriptionRenewed, Terms};
use keyledger_events::{Event, StreamId, Timestamp};
use keyledger_projections::License;

use super::expire::Expirer;
use super::run;
use crate::app::App;
use crate::licensing::commands::{Command, decide};
use crate::stop::stop;
use crate::test_support::{DAY, Home, TestResult, noon_and, stories};

const HOUR: i64 = 3_600;
/// How long a story waits for what happens by itself.
const PATIENCE: Duration = Duration::from_secs(30);

stories!(
    a_licence_runs_out_to_the_second_and_says_so_once,
    an_outage_is_made_up_for_with_the_due_times_and_two_schedulers_say_it_once,
    a_renewal_moves_the_end_and_a_late_one_gives_a_second,
    a_renewal_that_the_view_has_not_seen_yet_counts,
    an_activation_licence_waits_for_its_activation,
    the_heartbeat_expires_and_stops_without_leaving_anything_behind,
);

/// One round of the scheduler of `app`, over views that are up to date.
async fn round(app: &App) -> TestResult<u64> {
    app.catch_up_patiently().await?;
    let (_stop, stopping) = stop();
    Ok(Expirer::new(app.clone()).work_off(&stopping).await?)
}

/// The due times of a licence's LicenseExpired.
async fn told(home: &Home, license: StreamId) -> TestResult<Vec<Timestamp>> {
    let mut told = Vec::new();
    for (recorded, event) in home.history(license).await? {
        if let Event::LicenseExpired(expired) = event {
            assert_eq!(recorded.occurred_at, expired.due_at);
            assert_eq!(recorded.provenance.actor, "scheduler");
            told.push(expired.due_at);
        }
    }
    Ok(told)
}

async fn renew(home: &Home, license: StreamId, terms: Terms) -> TestResult {
    home.happen(license, SubscriptionRenewed { invoice: "in_2".to_owned(), terms }).await
}

async fn a_licence_runs_out_to_the_second_and_says_so_once(home: Home) -> TestResult {
    let days = |days| home.one_off(days, ExpirationStart::Creation);
    let licenses = home.issue(&[days(Some(30)), days(None), days(Some(30))]).await?;
    home.happen(licenses[2], LicenseRevoked { reason: None, terms: None }).await?;
    home.clock.advance_seconds(30 * DAY - 1);
    assert_eq!(round(&home.app).await?, 0);
    home.clock.advance_seconds(1);
    assert_eq!(round(&home.app).await?, 1);
    home.clock.advance_seconds(DAY);
    assert_eq!(round(&home.app).await?, 0);
    assert_eq!(told(&home, licenses[0]).await?, [noon_and(30 * DAY)]);
    assert!(told(&home, licenses[1]).await?.is_empty() && told(&home, licenses[2]).await?.is_empty());
    Ok(())
}

/// Guards: both list the same licences as due, one appends, then the other does.
async fn an_outage_is_made_up_for_with_the_due_times_and_two_schedulers_say_it_once(home: Home) -> TestResult {
    // More than a page of them.
    let terms: Vec<_> = (0..1_500).map(|n| home.one_off(Some(1 + n % 7), ExpirationStart::Creation)).collect();
    let licenses = home.issue(&terms).await?;
    home.clock.advance_seconds(40 * DAY);
    let (another, _) = home.another().await?;
    let (ours, theirs) = tokio::join!(round(&home.app), round(&another));
    assert_eq!(ours? + theirs?, 1_500);
    for (license, terms) in licenses.iter().zip(terms) {
        let due = terms.offer.expiration_days.map(|days| noon_and(i64::from(days) * DAY));
        assert_eq!(told(&home, *license).await?, Vec::from_iter(due));
    }
    let (recorded, _) = home.history(licenses[0]).await?.pop().ok_or("no history")?;
    assert_eq!(recorded.recorded_at, noon_and(40 * DAY));
    assert_eq!(round(&another).await?, 0);
    Ok(())
}

async fn a_renewal_moves_the_end_and_a_late_one_gives_a_second(home: Home) -> TestResult {
    let grace = 3 * 3_600;
    let license = home.issue(&[home.paid_until(30 * DAY, grace)]).await?[0];
    renew(&home, license, home.paid_until(60 * DAY, grace)).await?;
    home.clock.advance_seconds(60 * DAY + 3 * HOUR - 1);
    assert_eq!(round(&home.app).await?, 0);
    home.clock.advance_seconds(1);
    assert_eq!(round(&home.app).await?, 1);

    renew(&home, license, home.paid_until(90 * DAY, grace)).await?;
    assert_eq!(round(&home.app).await?, 0);
    home.clock.advance_seconds(31 * DAY);
    assert_eq!(round(&home.app).await?, 1);
    assert_eq!(told(&home, license).await?, [noon_and(60 * DAY + 3 * HOUR), noon_and(90 * DAY + 3 * HOUR)]);
    Ok(())
}

/// Guards: the view lists the licence as due, the renewal is appended, the scheduler decides.
async fn a_renewal_that_the_view_has_not_seen_yet_counts(home: Home) -> TestResult {
    let license = home.issue(&[home.paid_until(30 * DAY, 0)]).await?[0];
    home.clock.advance_seconds(30 * DAY);
    home.app.catch_up_patiently().await?;
    renew(&home, license, home.paid_until(60 * DAY, 0)).await?;
    assert_eq!(home.app.views.due_expirations(noon_and(30 * DAY), 10).await?.len(), 1);
    let (_stop, stopping) = stop();
    assert_eq!(Expirer::new(home.app.clone()).work_off(&stopping).await?, 0);
    assert!(home.app.views.due_expirations(noon_and(30 * DAY), 10).await?.is_empty());
    assert!(told(&home, license).await?.is_empty());
    Ok(())
}

async fn an_activation_licence_waits_for_its_activation(home: Home) -> TestResult {
    let license = home.issue(&[home.one_off(Some(7), ExpirationStart::Activation)]).await?[0];
    home.clock.advance_seconds(100 * DAY);
    assert_eq!(round(&home.app).await?, 0);
    let known = home.history(license).await?;
    let known = known.iter().fold(None, |license, (recorded, event)| License::evolve(license, recorded, event));
    let (_, activated) =
        decide(&known.ok_or("no licence")?, Command::Activate, noon_and(100 * DAY))?.ok_or("not activated")?;
    home.happen(license, activated).await?;
    assert_eq!(round(&home.app).await?, 0);
    home.clock.advance_seconds(7 * DAY);
    assert_eq!(round(&home.app).await?, 1);
    assert_eq!(told(&home, license).await?, [noon_and(107 * DAY)]);
    Ok(())
}

async fn the_heartbeat_expires_and_stops_without_leaving_anything_behind(home: Home) -> TestResult {
    let license = home.issue(&[home.one_off(Some(1), ExpirationStart::Creation)]).await?[0];
    home.clock.advance_seconds(DAY);
    let (app, writer) = home.another().await?;
    app.catch_up_patiently().await?;
    let (stop, stopping) = stop();
    let mut commits = app.writer.commits();
    let scheduler = tokio::spawn(run(app, stopping));
    tokio::time::timeout(PATIENCE, commits.changed()).await??;
    assert_eq!(told(&home, license).await?, [noon_and(DAY)]);
    stop.request();
    tokio::time::timeout(PATIENCE, scheduler).await???;
    // The Writer ends with the last handle on it: the schedule's own tasks have none.
    tokio::time::timeout(PATIENCE, writer).await??;
    Ok(())
}
