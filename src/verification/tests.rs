//! Verifications with a clock that is turned by hand: timeouts, expiry, who loses a seat.

use keyledger_events::event::license::{ExpirationStart, LicenseSuspended};
use keyledger_events::event::team::VerificationSettingsUpdated;
use keyledger_events::{Observer as _, StreamId};

use super::follow::Follower;
use super::{Asked, Caller, Code, LicenseCache, Verifier};
use crate::activity::{RequestKind, Seen};
use crate::admin::{seats, verifications};
use crate::keys;
use crate::licensing::commands::Command;
use crate::stop::{Stop, stop};
use crate::test_support::{DAY, Home, TestResult, all, noon_and, stories};

stories!(
    a_device_unseen_for_longer_than_the_timeout_loses_its_seat_to_one_that_wants_it,
    a_device_that_is_remembered_gets_the_seat_of_one_unseen_for_longer_than_the_timeout,
    without_a_timeout_seats_are_kept_for_ever,
    a_licence_is_refused_from_the_second_it_ends,
    a_revocation_by_this_process_counts_at_once,
    events_that_a_fail_over_has_lost_decide_nothing,
    an_event_of_our_own_that_is_lost_is_not_believed,
);

const MINUTE: i64 = 60;

/// A node that answers, and a licence with one seat for a device and its key.
struct Node {
    verifier: Verifier,
    key: String,
    license: StreamId,
    _stop: Stop,
}

async fn node(home: &Home, expiration_days: Option<u32>) -> TestResult<Node> {
    let mut terms = home.one_off(expiration_days, ExpirationStart::Creation);
    terms.offer.hwid_limit = Some(1);
    let key = keys::generate();
    let license = home.issue_with_key(terms, &key).await?;
    home.app.catch_up_patiently().await?;
    let verifier = Verifier::new(home.app.clone());
    let (stop, stopping) = stop();
    tokio::spawn(verifier.clone().run(stopping));
    Ok(Node { verifier, key, license, _stop: stop })
}

impl Node {
    async fn verify(&self, home: &Home, device: &str) -> TestResult<Code> {
        let asked = Asked {
            kind: RequestKind::Verify,
            license_key: self.key.clone(),
            customer_id: None,
            product_id: None,
            challenge: None,
            version: None,
            branch: None,
            hardware_identifier: Some(device.to_owned()),
        };
        let caller = Caller { address: "203.0.113.9".parse()?, country: None };
        let verified = self.verifier.verify(home.team, &asked, &caller).await?;
        if verified.verdict.is_ok()
            && let Some(holder) = &verified.device
        {
            // As the front door notes it.
            let at = home.app.clock.now();
            let (kind, identifier) = (keyledger_projections::SeatKind::Device, &holder.identifier);
            let (license_id, seat_id) = (self.license.id, holder.id);
            home.app.activity.seen(Seen {
                team: home.team,
                license_id,
                kind,
                seat_id,
                identifier,
                country: None,
                at,
                exact: true,
            });
        }
        Ok(verified.verdict.err().map_or(Code::Valid, |refusal| refusal.code))
    }
}

async fn set_timeout(home: &Home, minutes: u32) -> TestResult {
    let change = VerificationSettingsUpdated { hwid_timeout_minutes: Some(minutes), ..Default::default() };
    verifications::update(&home.app, "test", home.team, change).await?;
    Ok(())
}

async fn a_device_unseen_for_longer_than_the_timeout_loses_its_seat_to_one_that_wants_it(home: Home) -> TestResult {
    let node = node(&home, None).await?;
    set_timeout(&home, 60).await?;
    assert_eq!(node.verify(&home, "the-first-device").await?, Code::Valid);
    home.clock.advance_seconds(59 * MINUTE);
    assert_eq!(node.verify(&home, "another-device").await?, Code::HwidLimitReached);
    // Seen again, the seat is kept for another hour.
    assert_eq!(node.verify(&home, "the-first-device").await?, Code::Valid);
    home.clock.advance_seconds(59 * MINUTE);
    assert_eq!(node.verify(&home, "another-device").await?, Code::HwidLimitReached);
    home.clock.advance_seconds(MINUTE);
    assert_eq!(node.verify(&home, "another-device").await?, Code::Valid);
    assert_eq!(node.verify(&home, "the-first-device").await?, Code::HwidLimitReached);
    let history = home.history(node.license).await?;
    let names: Vec<_> = history.iter().map(|(recorded, _)| recorded.event_type.as_str()).collect();
    assert_eq!(names, ["LicenseIssued", "DeviceBound", "DeviceReleased", "DeviceBound"]);
    // Freeing and taking the seat is one append: nobody gets in between.
    assert_eq!(history[2].0.position.next(), history[3].0.position);
    Ok(())
}

async fn a_device_that_is_remembered_gets_the_seat_of_one_unseen_for_longer_than_the_timeout(home: Home) -> TestResult {
    let node = node(&home, None).await?;
    set_timeout(&home, 60).await?;
    assert_eq!(node.verify(&home, "the-first-device").await?, Code::Valid);
    let license = node.license.id;
    let first = seats::list(&home.app, Some(home.team), license).await?.pop().ok_or("no seat")?.id;
    assert!(seats::forget(&home.app, "test", Some(home.team), license, first).await?);
    assert_eq!(node.verify(&home, "another-device").await?, Code::Valid);
    home.clock.advance_seconds(59 * MINUTE);
    let remember = || seats::remember(&home.app, "test", home.team, license, first);
    assert!(remember().await.is_err_and(|error| error.to_string().contains("all 1 seats are taken")));
    home.clock.advance_seconds(MINUTE);
    assert!(remember().await?);
    assert!(!remember().await?, "it has its seat");
    assert_eq!(node.verify(&home, "the-first-device").await?, Code::Valid);
    assert_eq!(node.verify(&home, "another-device").await?, Code::HwidLimitReached);
    let history = home.history(node.license).await?;
    let names: Vec<_> = history.iter().skip(3).map(|(recorded, _)| recorded.event_type.as_str()).collect();
    assert_eq!(names, ["DeviceBound", "DeviceReleased", "DeviceBound"]);
    Ok(())
}

async fn without_a_timeout_seats_are_kept_for_ever(home: Home) -> TestResult {
    let node = node(&home, None).await?;
    assert_eq!(node.verify(&home, "the-first-device").await?, Code::Valid);
    home.clock.advance_seconds(400 * DAY);
    assert_eq!(node.verify(&home, "another-device").await?, Code::HwidLimitReached);
    set_timeout(&home, 60).await?;
    assert_eq!(node.verify(&home, "another-device").await?, Code::Valid);
    set_timeout(&home, 0).await?;
    home.clock.advance_seconds(400 * DAY);
    assert_eq!(node.verify(&home, "the-first-device").await?, Code::HwidLimitReached);
    Ok(())
}

async fn a_licence_is_refused_from_the_second_it_ends(home: Home) -> TestResult {
    let node = node(&home, Some(7)).await?;
    home.clock.advance_seconds(7 * DAY - 1);
    assert_eq!(node.verify(&home, "the-first-device").await?, Code::Valid);
    home.clock.advance_seconds(1);
    assert_eq!(home.app.clock.now(), noon_and(7 * DAY));
    assert_eq!(node.verify(&home, "the-first-device").await?, Code::LicenseExpired);
    Ok(())
}

/// Guards: a server that goes on answering by events which the standby that took over never had.
async fn events_that_a_fail_over_has_lost_decide_nothing(home: Home) -> TestResult {
    let node = node(&home, None).await?;
    let (other, _) = home.another().await?;
    assert_eq!(node.verify(&home, "the-first-device").await?, Code::Valid);
    let until = async |code: Code| {
        for _ in 0..100 {
            if node.verify(&home, "the-first-device").await? == code {
                return TestResult::Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Err(format!("never {code:?}").into())
    };
    let suspend = async |reason: &str| {
        let command = Command::Suspend { reason: Some(reason.to_owned()) };
        crate::admin::licenses::change(&other, "test", Some(home.team), node.license.id, &command).await
    };
    suspend("lost").await?;
    until(Code::LicenseSuspended).await?;
    let mut left = all(&home.app).await?;
    left.pop();
    home.attacker().await?.rewrite(left).await?;
    until(Code::Valid).await?;
    // As many events as there were, and another one at the place of the lost one.
    suspend("not lost").await?;
    until(Code::LicenseSuspended).await
}

/// Guards: what this process has committed and told of, and lost before it was read back.
async fn an_event_of_our_own_that_is_lost_is_not_believed(home: Home) -> TestResult {
    let cache = LicenseCache::new(home.app.ledger.clone());
    let follower = Follower::new(home.app.ledger.clone(), cache.clone());
    let node = node(&home, None).await?;
    follower.begin().await?;
    let lookup = keys::lookup(&home.app.keys, home.team, &node.key);
    let found = cache.of_key(&home.app.views, home.team, &lookup).await?;
    let (slot, _) = found.ok_or("no licence")?;
    home.happen(node.license, LicenseSuspended { reason: None }).await?;
    let mut left = all(&home.app).await?;
    cache.committed(&left[left.len() - 1..]);
    assert!(cache.known(&slot).await?.ok_or("no licence")?.license.suspended());
    left.pop();
    home.attacker().await?.rewrite(left).await?;
    follower.pass().await?;
    assert!(!cache.known(&slot).await?.ok_or("no licence")?.license.suspended());
    Ok(())
}

/// Guards: the licence is in memory when the append that revokes it returns.
async fn a_revocation_by_this_process_counts_at_once(home: Home) -> TestResult {
    let node = node(&home, None).await?;
    for _ in 0..20 {
        assert_eq!(node.verify(&home, "the-first-device").await?, Code::Valid);
        let change =
            |command| crate::admin::licenses::change(&home.app, "test", Some(home.team), node.license.id, command);
        change(&Command::Suspend { reason: None }).await?;
        assert_eq!(node.verify(&home, "the-first-device").await?, Code::LicenseSuspended);
        change(&Command::Reinstate { reason: None }).await?;
    }
    Ok(())
}
