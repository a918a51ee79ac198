//! What becomes of hooks and endpoints when nothing gets through.

use keyledger_events::event::delivery::MailContent;
use keyledger_events::{Event, StreamId, StreamKind};
use keyledger_projections::{DeliveryState, HookState, Page};

use super::receiver::Receiver;
use super::{endpoint, hook, hooker, hooks, issue, round};
use crate::admin::team_settings::{self, SettingsChange};
use crate::admin::webhooks;
use crate::hooks::retry::ATTEMPTS_MAX;
use crate::test_support::{DAY, Home, TestResult, stories};

const HOUR: i64 = 3_600;

stories!(
    a_hook_is_given_up_after_three_days,
    a_refusal_without_an_end_is_a_refusal,
    an_endpoint_that_fails_for_days_is_disabled_and_its_owner_told,
    one_success_in_between_keeps_an_endpoint,
    who_answers_gone_is_not_posted_to_any_more,
);

async fn a_hook_is_given_up_after_three_days(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (id, _) = endpoint(&home, &receiver.url(), &[]).await?;
    receiver.answer(500, "")?;
    issue(&home).await?;
    let hooker = hooker(&home.app)?;
    let mut hours = 0;
    while hook(&home, id).await?.state != HookState::Abandoned {
        round(&hooker).await?;
        home.clock.advance_seconds(HOUR);
        hours += 1;
        assert!(hours < 200, "it is never given up");
    }
    assert!((72..=81).contains(&hours), "given up after {hours} hours");
    let given_up = hook(&home, id).await?;
    assert!((10..ATTEMPTS_MAX).contains(&given_up.attempts), "{} attempts", given_up.attempts);
    let reason = given_up.reason.unwrap_or_default();
    assert_eq!(reason, format!("given up after {} attempts: answered 500 Internal Server Error", given_up.attempts));
    let sent = receiver.got().len();
    home.clock.advance_seconds(DAY);
    round(&hooker).await?;
    assert_eq!(receiver.got().len(), sent);
    Ok(())
}

/// Guards: a proxy refuses and keeps the connection open, and the log says that nothing was answered.
async fn a_refusal_without_an_end_is_a_refusal(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (id, _) = endpoint(&home, &receiver.url(), &[]).await?;
    receiver.answer(503, "overloaded")?;
    receiver.stall();
    issue(&home).await?;
    round(&hooker(&home.app)?).await?;
    let refused = hook(&home, id).await?;
    assert_eq!((refused.state, refused.status), (HookState::Failed, Some(503)), "{:?}", refused.reason);
    assert!(refused.response.is_some(), "what came of the body is kept");
    Ok(())
}

async fn an_endpoint_that_fails_for_days_is_disabled_and_its_owner_told(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (id, _) = endpoint(&home, &receiver.url(), &[]).await?;
    let change = SettingsChange { owner_email: Some("owner@example.com".to_owned()), ..SettingsChange::default() };
    team_settings::update(&home.app, "test", home.team, change).await?;
    let hooker = hooker(&home.app)?;
    issue(&home).await?;
    round(&hooker).await?;
    receiver.answer(500, "")?;
    for _ in 0..5 {
        issue(&home).await?;
        round(&hooker).await?;
        assert!(webhooks::find(&home.app, home.team, id).await?.enabled);
        home.clock.advance_seconds(DAY);
    }
    issue(&home).await?;
    round(&hooker).await?;
    // Several hooks failed in that round; the endpoint is disabled once, and its owner told once.
    let endpoint = webhooks::find(&home.app, home.team, id).await?;
    assert!(!endpoint.enabled);
    let reason = endpoint.disabled_reason.unwrap_or_default();
    assert!(reason.contains("for 5 days") && reason.contains("1 March 2026"), "{reason}");
    let history = home.history(StreamId::new(StreamKind::Webhook, id)).await?;
    let disabled = history.iter().filter(|(_, event)| matches!(event, Event::WebhookEndpointDisabled(_))).count();
    assert_eq!(disabled, 1);
    assert_eq!(history.last().map(|(recorded, _)| recorded.provenance.actor.as_str()), Some("hooks"));
    let mails = home.app.views.team(home.team).deliveries(&[DeliveryState::Pending], Page::default()).await?;
    assert_eq!(mails.len(), 1);
    assert!(matches!(&mails[0].content, MailContent::WebhookDisabled { webhook_id, .. } if *webhook_id == id));
    let head = home.app.ledger.read(keyledger_events::Position::START, 1_000).await?;
    let plain = head.iter().any(|event| String::from_utf8_lossy(&event.payload).contains("owner@example.com"));
    assert!(!plain, "the owner's address is in the ledger in the clear");
    // What waits for it is given up with the next look.
    home.clock.advance_seconds(DAY);
    round(&hooker).await?;
    assert!(hooks(&home, id).await?.iter().all(|hook| !matches!(hook.state, HookState::Pending | HookState::Failed)));
    Ok(())
}

async fn one_success_in_between_keeps_an_endpoint(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (id, _) = endpoint(&home, &receiver.url(), &[]).await?;
    let hooker = hooker(&home.app)?;
    for day in 0..10 {
        receiver.answer(if day == 4 { 200 } else { 500 }, "")?;
        issue(&home).await?;
        round(&hooker).await?;
        let endpoint = webhooks::find(&home.app, home.team, id).await?;
        // Failing since day 5, it is over on day 10.
        assert!(endpoint.enabled, "disabled on day {day}");
        assert_eq!(endpoint.failing_since.is_none(), day == 4);
        home.clock.advance_seconds(DAY);
    }
    issue(&home).await?;
    round(&hooker).await?;
    assert!(!webhooks::find(&home.app, home.team, id).await?.enabled);
    Ok(())
}

async fn who_answers_gone_is_not_posted_to_any_more(home: Home) -> TestResult {
    let receiver = Receiver::start().await?;
    let (id, _) = endpoint(&home, &receiver.url(), &[]).await?;
    receiver.answer(410, "moved out")?;
    issue(&home).await?;
    round(&hooker(&home.app)?).await?;
    let gone = hook(&home, id).await?;
    assert_eq!((gone.state, gone.status, gone.attempts), (HookState::Abandoned, Some(410), 1));
    let endpoint = webhooks::find(&home.app, home.team, id).await?;
    assert!(!endpoint.enabled && endpoint.disabled_reason.is_some_and(|reason| reason.contains("410 Gone")));
    assert!(home.app.views.team(home.team).deliveries(&[], Page::default()).await?.is_empty(), "nobody is to be told");
    Ok(())
}
