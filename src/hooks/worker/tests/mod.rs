//! A hook that is owed goes out once, or it is known why it did not.

mod dead;
mod reach;
mod receiver;

use std::time::Duration;

use futures::future::join_all;
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::license::{
    DeviceBound, ExpirationStart, LicenseRevoked, LicenseSuspended, PlaceholderAnswered,
};
use keyledger_events::{Event, StreamId, StreamKind, id};
use keyledger_projections::{Hook, HookState, Page, view};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use standardwebhooks::Webhook;
use uuid::Uuid;

use super::{Hooker, run};
use crate::admin::webhooks::{self, NewWebhook};
use crate::app::App;
use crate::hooks::{AllowPrivate, Poster};
use crate::stop::stop;
use crate::test_support::{DAY, Home, TestResult, noon_and, stories};
use receiver::{Got, Receiver};

/// How long a story waits for what happens by itself.
const PATIENCE: Duration = Duration::from_secs(30);

stories!(
    an_endpoint_hears_what_it_asked_for_and_nothing_else,
    what_a_hook_says_is_the_licence_as_it_was_then,
    a_team_without_endpoints_leaves_nothing_anywhere,
    two_nodes_send_each_hook_once,
    a_failure_backs_off_and_is_made_up_for_under_the_same_id,
    a_crash_after_the_claim_sends_the_same_hook_when_the_lease_ends,
    an_old_secret_signs_beside_the_new_one_until_it_ends,
    one_that_hangs_holds_up_nobody_else,
    one_that_cannot_be_put_together_counts_as_an_attempt,
    what_waits_for_an_endpoint_that_is_switched_off_is_given_up_and_can_be_had_again,
);

/// A worker of `app` that reaches this machine.
fn hooker(app: &App) -> TestResult<Hooker> {
    hooker_within(app, "127.0.0.0/8,::1")
}

fn hooker_within(app: &App, networks: &str) -> TestResult<Hooker> {
    Ok(Hooker::new(app.clone(), Poster::new(networks.parse::<AllowPrivate>()?, None)?))
}

/// Registers an endpoint that wants these types.
async fn endpoint(home: &Home, url: &str, types: &[&str]) -> TestResult<(Uuid, SecretString)> {
    let types = types.iter().map(|&kind| kind.to_owned()).collect();
    let new = NewWebhook { url: url.to_owned(), types, ..NewWebhook::default() };
    let made = webhooks::create(&home.app, "test", home.team, new).await?;
    Ok((made.webhook.id, made.secret))
}

/// One round of a worker over what is pending.
async fn round(hooker: &Hooker) -> TestResult {
    hooker.app.catch_up_patiently().await?;
    let now = hooker.app.clock.now();
    let mut pending = Vec::new();
    for endpoint in hooker.app.views.endpoints_waiting(now, Uuid::nil(), 100).await? {
        pending.extend(hooker.app.views.pending_hooks(endpoint, now, 100).await?);
    }
    for done in join_all(pending.into_iter().map(|hook| hooker.deliver(hook))).await {
        done?;
    }
    Ok(())
}

/// An endpoint's hooks, oldest event first.
async fn hooks(home: &Home, endpoint: Uuid) -> TestResult<Vec<Hook>> {
    let mut hooks = webhooks::deliveries(&home.app, home.team, endpoint, &[], Page::default()).await?;
    hooks.reverse();
    Ok(hooks)
}

/// The endpoint's only hook.
async fn hook(home: &Home, endpoint: Uuid) -> TestResult<Hook> {
    let mut hooks = hooks(home, endpoint).await?;
    assert_eq!(hooks.len(), 1, "{hooks:?}");
    Ok(hooks.pop().ok_or("no hook")?)
}

async fn names(home: &Home, hook: &Hook) -> TestResult<Vec<&'static str>> {
    let history = home.history(StreamId::new(StreamKind::Hook, hook.id)).await?;
    Ok(history.iter().map(|(_, event)| event.name()).collect())
}

/// A licence for ever.
async fn issue(home: &Home) -> TestResult<StreamId> {
    Ok(home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?[0])
}

/// Checks a signature as the published implementation makes it. Its check of the time looks at the machine's clock,
/// which is not this story's.
fn signed(secret: &SecretString, got: &Got) -> TestResult<bool> {
    let expected = Webhook::new(secret.expose_secret())?.sign(&got.id, got.timestamp, got.text.as_bytes())?;
    Ok(got.signature.split(' ').any(|signature| signature == expected))
}

async fn an_endpoint_hears_what_it_asked_for_and_nothing_else(home: Home) -> TestResult {
    let (all, some) = (Receiver::start().await?, Receiver::start().await?);
    issue(&home).await?;
    let (_, secret) = endpoint(&home, &all.url(), &[]).await?;
    let (_, other_secret) = endpoint(&home, &some.url(), &["license.revoked", "device.*"]).await?;
    let license = issue(&home).await?;
    home.happen(license, LicenseSuspended { reason: Some("shared".to_owned()) }).await?;
    let identifier = keyledger_events::sealed::DataKey::generate(home.team.0);
    let context = keyledger_events::sealed::SealContext { team: home.team, event_id: Uuid::nil(), field: "identifier" };
    let identifier = identifier.seal(context, b"device 1");
    let device_id = id::fresh();
    home.happen(license, DeviceBound { device_id, lookup: "00".to_owned(), identifier }).await?;
    let (provider, user, product) = (Provider::Polymart, "1".to_owned(), "2".to_owned());
    home.happen(license, PlaceholderAnswered { provider, user, product, nonce: None }).await?;
    home.happen(license, LicenseRevoked { reason: None, terms: None }).await?;
    round(&hooker(&home.app)?).await?;
    let mut kinds = all.kinds();
    kinds.sort();
    assert_eq!(kinds, ["device.bound", "license.issued", "license.revoked", "license.suspended"]);
    let mut kinds = some.kinds();
    kinds.sort();
    assert_eq!(kinds, ["device.bound", "license.revoked"], "nothing from before it was registered, nothing unasked");
    for got in all.got() {
        assert!(signed(&secret, &got)? && !signed(&other_secret, &got)?, "{got:?}");
        assert_eq!(got.timestamp, noon_and(0).as_second());
    }
    let device = all.got().into_iter().find(|got| got.kind() == "device.bound").ok_or("no device")?;
    assert_eq!(device.body["data"]["device"], json!({ "id": device_id }));
    // Both hear of the same event under ids of their own.
    let ids: Vec<_> = [&all, &some].map(|it| it.got().into_iter().find(|got| got.kind() == "device.bound")).into();
    let ids: Vec<_> = ids.into_iter().flatten().collect();
    assert_eq!(ids[0].body["data"]["eventId"], ids[1].body["data"]["eventId"]);
    assert_ne!(ids[0].id, ids[1].id);
    Ok(())
}

async fn what_a_hook_says_is_the_licence_as_it_was_then(home: Home) -> TestResult {
    let (plain, with_keys) = (Receiver::start().await?, Receiver::start().await?);
    let (id, _) = endpoint(&home, &plain.url(), &["license.issued"]).await?;
    let url = with_keys.url();
    let new = NewWebhook { url, include_keys: true, types: vec!["license.issued".to_owned()], ..NewWebhook::default() };
    webhooks::create(&home.app, "test", home.team, new).await?;
    let license = home.issue(&[home.one_off(Some(30), ExpirationStart::Creation)]).await?[0];
    // What happens before the hook goes out is not in it.
    home.happen(license, LicenseRevoked { reason: None, terms: None }).await?;
    home.clock.advance_seconds(7);
    round(&hooker(&home.app)?).await?;
    let (issued, _) = home.history(license).await?.remove(0);
    let got = plain.got().pop().ok_or("nothing arrived")?;
    assert_eq!(got.id, hook(&home, id).await?.id.to_string());
    assert_eq!(got.body["type"], "license.issued");
    assert_eq!(got.body["timestamp"], json!(noon_and(0)));
    let data = &got.body["data"];
    assert_eq!((&data["eventId"], &data["position"]), (&json!(issued.event_id), &json!(issued.position)));
    assert_eq!((&data["event"], &data["teamId"]), (&json!("LicenseIssued"), &json!(home.team)));
    assert_eq!(data["webhookId"], json!(id));
    let shown = &data["license"];
    assert_eq!(
        (&shown["id"], &shown["revoked"], &shown["status"]),
        (&json!(license.id), &json!(false), &json!("ACTIVE"))
    );
    assert_eq!((&shown["expiresAt"], &shown["productIds"]), (&json!(noon_and(30 * DAY)), &json!([home.product])));
    assert_eq!(shown["licenseKey"], json!(null), "the key is shown to whom asks for it");
    assert_eq!(with_keys.got()[0].body["data"]["license"]["licenseKey"], "KEY-0");
    Ok(())
}

/// What a team pays that has no endpoints: nothing, not even a row.
async fn a_team_without_endpoints_leaves_nothing_anywhere(home: Home) -> TestResult {
    let license = issue(&home).await?;
    home.happen(license, LicenseSuspended { reason: None }).await?;
    round(&hooker(&home.app)?).await?;
    let head = home.app.ledger.head().await?.position;
    let events = home.app.ledger.read(keyledger_events::Position::START, 1_000).await?;
    assert_eq!(i64::try_from(events.len())?, head.0);
    assert!(events.iter().all(|event| event.stream.kind != StreamKind::Hook));
    let built = home.app.runner.status().borrow().clone();
    assert!(built.head >= head, "{built:?}");
    assert!(home.app.views.endpoints_waiting(noon_and(10 * DAY), Uuid::nil(), 10).await?.is_empty());
    home.app.catch_up(&[view::WEBHOOKS]).await?;
    Ok(())
}

/// Guards: both list a hook as pending, one claims it, then the other tries to.
async fn two_nodes_send_each_hook_once(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (id, _) = endpoint(&home, &receiver.url(), &[]).await?;
    for _ in 0..10 {
        issue(&home).await?;
    }
    let (another, _) = home.another().await?;
    let (ours, theirs) = (hooker(&home.app)?, hooker(&another)?);
    let (ours, theirs) = tokio::join!(round(&ours), round(&theirs));
    ours.and(theirs)?;
    let got = receiver.got();
    let mut ids: Vec<_> = got.iter().map(|got| got.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((got.len(), ids.len()), (10, 10));
    for hook in hooks(&home, id).await? {
        assert_eq!((hook.state, hook.status, hook.attempts), (HookState::Delivered, Some(200), 1));
        assert_eq!(names(&home, &hook).await?, ["HookAttemptStarted", "HookDelivered"]);
        let history = home.history(StreamId::new(StreamKind::Hook, hook.id)).await?;
        let provenance = &history[0].0.provenance;
        assert_eq!((provenance.actor.as_str(), provenance.causation), ("hooks", Some(hook.source.event_id)));
    }
    Ok(())
}

async fn a_failure_backs_off_and_is_made_up_for_under_the_same_id(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (id, secret) = endpoint(&home, &receiver.url(), &[]).await?;
    receiver.answer(503, "we are tidying up")?;
    issue(&home).await?;
    let hooker = hooker(&home.app)?;
    for (attempt, pause) in [(1, 5), (2, 10), (3, 20)] {
        round(&hooker).await?;
        let failed = hook(&home, id).await?;
        assert_eq!((failed.state, failed.status, failed.attempts), (HookState::Failed, Some(503), attempt));
        assert_eq!(failed.reason.as_deref(), Some("answered 503 Service Unavailable"));
        let waits = failed.retry_at.ok_or("no retry")?.as_millisecond() - home.app.clock.now().as_millisecond();
        assert!((pause * 500..=pause * 1_000).contains(&waits), "attempt {attempt} waits {waits} ms");
        round(&hooker).await?;
        assert_eq!(receiver.got().len(), usize::try_from(attempt)?, "not before its time");
        home.clock.advance_seconds(pause);
    }
    let shown = webhooks::describe_hook(&home.app, &hook(&home, id).await?).await?;
    assert_eq!(shown.response.as_deref(), Some("we are tidying up"));
    receiver.answer(204, "")?;
    round(&hooker).await?;
    let hook = hook(&home, id).await?;
    assert_eq!((hook.state, hook.attempts, hook.status), (HookState::Delivered, 4, Some(204)));
    let got = receiver.got();
    assert!(got.iter().all(|it| it.id == hook.id.to_string() && it.text == got[0].text), "{got:?}");
    let times: Vec<_> = got.iter().map(|got| got.timestamp - noon_and(0).as_second()).collect();
    assert_eq!(times, [0, 5, 15, 35], "each attempt is signed with its own time");
    for got in &got {
        assert!(signed(&secret, got)?);
    }
    Ok(())
}

/// Guards: a node claims a hook and is killed before or after posting it, before it can say so.
async fn a_crash_after_the_claim_sends_the_same_hook_when_the_lease_ends(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (id, _) = endpoint(&home, &receiver.url(), &[]).await?;
    let hooker = hooker(&home.app)?;
    for crashes_after_posting in [false, true] {
        issue(&home).await?;
        let pending = hooks(&home, id).await?.pop().ok_or("nothing is pending")?;
        let now = home.app.clock.now();
        let endpoint = webhooks::find(&home.app, home.team, id).await?;
        let letter = hooker.letter(&endpoint, &pending, now).await?;
        let before = receiver.got().len();
        assert!(hooker.claim(pending.clone(), now).await?.is_some());
        if crashes_after_posting {
            hooker.send(&letter).await;
        }
        home.clock.advance_seconds(44);
        round(&hooker).await?;
        hooker.deliver(pending.clone()).await?;
        assert_eq!(names(&home, &pending).await?, ["HookAttemptStarted"], "it is another node's");
        home.clock.advance_seconds(1);
        round(&hooker).await?;
        let sent = hooks(&home, id).await?.pop().ok_or("it is gone")?;
        assert_eq!((sent.state, sent.attempts), (HookState::Delivered, 2));
        let got: Vec<_> = receiver.got().split_off(before);
        assert_eq!(got.len(), if crashes_after_posting { 2 } else { 1 });
        assert!(got.iter().all(|got| got.id == pending.id.to_string()));
    }
    Ok(())
}

async fn an_old_secret_signs_beside_the_new_one_until_it_ends(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (id, old) = endpoint(&home, &receiver.url(), &[]).await?;
    let (_, new) = webhooks::rotate(&home.app, "test", home.team, id, None, 24).await?;
    let hooker = hooker(&home.app)?;
    issue(&home).await?;
    round(&hooker).await?;
    let both = receiver.got().pop().ok_or("nothing arrived")?;
    assert!(signed(&old, &both)? && signed(&new, &both)?);
    assert_eq!(both.signature.split(' ').count(), 2);
    home.clock.advance_seconds(DAY);
    issue(&home).await?;
    round(&hooker).await?;
    let one = receiver.got().pop().ok_or("nothing arrived")?;
    assert!(!signed(&old, &one)? && signed(&new, &one)?);
    // Without an overlap the old one ends at once; a secret of one's own is taken if it is one.
    let given = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let (_, given) = webhooks::rotate(&home.app, "test", home.team, id, Some(given), 0).await?;
    issue(&home).await?;
    round(&hooker).await?;
    let last = receiver.got().pop().ok_or("nothing arrived")?;
    assert!(signed(&given, &last)? && !signed(&new, &last)?);
    let short = Some(SecretString::from("whsec_c2hvcnQ="));
    assert!(webhooks::rotate(&home.app, "test", home.team, id, short, 0).await.is_err());
    Ok(())
}

async fn one_that_hangs_holds_up_nobody_else(home: Home) -> TestResult {
    let (hanging, quick) = (Receiver::start().await?, Receiver::start().await?);
    hanging.hang();
    endpoint(&home, &hanging.url(), &[]).await?;
    endpoint(&home, &quick.url(), &[]).await?;
    for _ in 0..50 {
        issue(&home).await?;
    }
    let (stop, stopping) = stop();
    let mut ends = stopping.clone();
    let (runner, commits) = (home.app.runner.clone(), home.app.writer.commits());
    let views = tokio::spawn(async move { runner.run(commits, ends.requested()).await });
    let poster = Poster::new("127.0.0.1".parse()?, None)?;
    let worker = tokio::spawn(run(home.app.clone(), poster, stopping));
    let begun = std::time::Instant::now();
    while quick.got().len() < 50 {
        assert!(begun.elapsed() < PATIENCE, "{} of 50 arrived", quick.got().len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let held = hanging.got().len();
    assert!((1..=super::PER_ENDPOINT_MAX).contains(&held), "{held} are under way to the one that hangs");
    stop.request();
    tokio::time::timeout(PATIENCE, views).await??;
    tokio::time::timeout(PATIENCE, worker).await??;
    Ok(())
}

async fn what_waits_for_an_endpoint_that_is_switched_off_is_given_up_and_can_be_had_again(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (id, _) = endpoint(&home, &receiver.url(), &["license.*"]).await?;
    let hooker = hooker(&home.app)?;
    let license = issue(&home).await?;
    webhooks::set_enabled(&home.app, "test", home.team, id, false).await?;
    home.happen(license, LicenseSuspended { reason: None }).await?;
    round(&hooker).await?;
    let waiting = hook(&home, id).await?;
    assert_eq!((waiting.state, waiting.attempts), (HookState::Abandoned, 0), "what happened meanwhile is not owed");
    assert!(receiver.got().is_empty());
    let refused = webhooks::redeliver(&home.app, "test", home.team, waiting.id).await.err().ok_or("taken")?;
    assert!(refused.to_string().contains("switched off"), "{refused}");

    webhooks::set_enabled(&home.app, "test", home.team, id, true).await?;
    assert_eq!(webhooks::redeliver_failed(&home.app, "test", home.team, id, noon_and(1)).await?, 0, "too late");
    assert_eq!(webhooks::redeliver_failed(&home.app, "test", home.team, id, noon_and(0)).await?, 1);
    round(&hooker).await?;
    let delivered = hook(&home, id).await?;
    assert_eq!((delivered.state, delivered.attempts, delivered.id), (HookState::Delivered, 1, waiting.id));
    // One that got through can be had again too, as the same hook.
    webhooks::redeliver(&home.app, "test", home.team, delivered.id).await?;
    round(&hooker).await?;
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert!(got.iter().all(|got| got.id == waiting.id.to_string() && got.kind() == "license.issued"));

    webhooks::remove(&home.app, "test", home.team, id).await?;
    assert!(webhooks::find(&home.app, home.team, id).await.is_err());
    issue(&home).await?;
    round(&hooker).await?;
    assert_eq!(receiver.got().len(), 2);
    assert!(matches!(home.last(StreamId::new(StreamKind::Webhook, id)).await?, Event::WebhookEndpointRemoved(_)));
    Ok(())
}

/// The keys store lost what the endpoint's address is sealed with: that is known of the hook, and no error of the round.
async fn one_that_cannot_be_put_together_counts_as_an_attempt(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (endpoint, _) = endpoint(&home, &receiver.url(), &["license.issued"]).await?;
    issue(&home).await?;
    home.app.keys.vault().destroy(&[home.team.0], &[]).await?;
    let (app, _) = home.another().await?;
    round(&hooker(&app)?).await?;
    let hook = hook(&home, endpoint).await?;
    assert_eq!((hook.state, hook.attempts), (HookState::Failed, 1));
    let reason = hook.reason.unwrap_or_default();
    assert!(reason.starts_with("it cannot be put together: data key"), "{reason}");
    assert_eq!(receiver.kinds(), Vec::<String>::new());
    Ok(())
}
