//! What an admin does, on both engines and beside others who do it too.

mod customers;
mod history;

use std::collections::BTreeMap;

use keyledger_events::TeamId;
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use keyledger_events::event::license::ExpirationStart;
use keyledger_events::event::team::{ApiKeyScope, TeamUpdated};
use keyledger_projections::Outcome;
use secrecy::SecretString;
use serde_json::json;

use super::api_keys::{Expires, WantedApiKey};
use super::integrations::{IntegrationChange, NewSecret};
use super::team_settings::SettingsChange;
use super::{ACTOR_CLI, AdminError, api_keys, inbox, integrations, licenses, mails, products, team_settings, teams};
use crate::admin::idempotency::Maker;
use crate::keys;
use crate::licensing::commands::Command;
use crate::providers::intake::{self, Intake};
use crate::test_support::{Home, TestResult, noon_and, stories};

stories!(
    a_team_is_made_with_a_key_that_opens,
    a_team_is_changed_by_two_admins_at_once,
    secrets_of_two_admins_at_once_are_both_kept,
    an_admin_decides_once_and_a_revocation_stands,
    a_mail_is_sent_again_unless_its_buyer_is_forgotten,
    a_rejected_delivery_is_mended_and_an_applied_one_is_left_alone,
);

async fn a_team_is_made_with_a_key_that_opens(home: Home) -> TestResult {
    let team = teams::create(&home.app, ACTOR_CLI, " Acme ").await?;
    let found = teams::find(&home.app, team.id).await?;
    assert_eq!((found.name.as_str(), found.public_key), ("Acme", team.public_key));
    let context = found.private_key.context(team.id, keyledger_projections::TeamConfig::PRIVATE_KEY_FIELD);
    let pkcs8 = home.app.keys.open(context, &found.private_key.value).await?;
    assert!(aws_lc_rs::rsa::KeyPair::from_pkcs8(&pkcs8).is_ok());
    let wanted = WantedApiKey { scope: ApiKeyScope::Auditor, name: None, expires: Expires::InDays(1) };
    let key = api_keys::create(&home.app, ACTOR_CLI, team.id, wanted).await?;
    assert_eq!(teams::find(&home.app, team.id).await?.api_keys[0].key_id, key.id);
    let unknown = TeamId(key.id);
    let product = products::Description::named("X");
    let made = products::create(&home.app, Maker::once(ACTOR_CLI), unknown, &product).await;
    assert!(matches!(made, Err(AdminError::NoTeam(_))));
    Ok(())
}

/// Guards: both admins read version 1, both append as version 2.
async fn a_team_is_changed_by_two_admins_at_once(home: Home) -> TestResult {
    let (other, _) = home.another().await?;
    let change = |team| SettingsChange { team, ..SettingsChange::default() };
    let name = change(TeamUpdated { name: Some("New Name".to_owned()), ..TeamUpdated::default() });
    let grace = change(TeamUpdated { renewal_grace_seconds: Some(60), ..TeamUpdated::default() });
    let (one, two) = tokio::join!(
        team_settings::update(&home.app, ACTOR_CLI, home.team, name.clone()),
        team_settings::update(&other, ACTOR_CLI, home.team, grace),
    );
    one?;
    two?;
    let team = teams::find(&home.app, home.team).await?;
    assert_eq!((team.name.as_str(), team.renewal_grace_seconds), ("New Name", 60));
    team_settings::update(&home.app, ACTOR_CLI, home.team, name).await?;
    assert_eq!(teams::find(&home.app, home.team).await?.version, team.version, "nothing new is not recorded");
    Ok(())
}

fn adds(kind: SecretKind, value: &str) -> IntegrationChange {
    let secrets = vec![NewSecret { kind, value: SecretString::from(value) }];
    IntegrationChange { secrets, ..IntegrationChange::default() }
}

/// Guards: two admins add a secret to a connection that neither has seen before.
async fn secrets_of_two_admins_at_once_are_both_kept(home: Home) -> TestResult {
    let (other, _) = home.another().await?;
    let (first, second) = (adds(SecretKind::Webhook, "whsec_1"), adds(SecretKind::Webhook, "whsec_2"));
    let (one, two) = tokio::join!(
        integrations::set(&home.app, ACTOR_CLI, home.team, Provider::Stripe, &first),
        integrations::set(&other, ACTOR_CLI, home.team, Provider::Stripe, &second),
    );
    assert_eq!(one?.events.len() + two?.events.len(), 3, "two secrets, switched on once");
    let team = home.app.fresh_team(home.team).await?.ok_or("no team")?;
    assert_eq!(team.secrets(Provider::Stripe, SecretKind::Webhook).count(), 2);

    let id = team.config.integrations[&Provider::Stripe].secrets[0].secret_id;
    assert_eq!(integrations::retire(&home.app, ACTOR_CLI, home.team, id).await?.events.len(), 1);
    assert_eq!(integrations::retire(&other, ACTOR_CLI, home.team, id).await?.events.len(), 0);
    let team = other.fresh_team(home.team).await?.ok_or("no team")?;
    assert_eq!(team.secrets(Provider::Stripe, SecretKind::Webhook).count(), 1);
    Ok(())
}

/// Guards: two admins suspend at once; and something else is appended between reading and deciding.
async fn an_admin_decides_once_and_a_revocation_stands(home: Home) -> TestResult {
    let (other, _) = home.another().await?;
    let id = home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?[0].id;
    let suspend = Command::Suspend { reason: Some("asked to".to_owned()) };
    let (one, two) = tokio::join!(
        licenses::change(&home.app, ACTOR_CLI, None, id, &suspend),
        licenses::change(&other, ACTOR_CLI, Some(home.team), id, &suspend),
    );
    assert!(one?.changed != two?.changed, "one of them did it");
    let reinstated = licenses::change(&home.app, ACTOR_CLI, None, id, &Command::Reinstate { reason: None }).await?;
    assert!(reinstated.changed && !reinstated.license.suspended());
    let revoke = Command::Revoke { reason: None };
    assert!(licenses::change(&home.app, ACTOR_CLI, None, id, &revoke).await?.changed);
    assert!(!licenses::change(&home.app, ACTOR_CLI, None, id, &revoke).await?.changed);
    let refused = licenses::change(&home.app, ACTOR_CLI, None, id, &suspend).await;
    assert!(matches!(refused, Err(AdminError::License(_))));
    Ok(())
}

async fn a_mail_is_sent_again_unless_its_buyer_is_forgotten(home: Home) -> TestResult {
    let licenses = home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?;
    let first = home.request_mail("ada@example.com", &licenses, false).await?;
    for id in [first.id, licenses[0].id] {
        let again = mails::resend(&home.app, ACTOR_CLI, None, id).await?;
        assert_ne!(again.id, first.id);
        assert_eq!(again.message_id, format!("<{}@keyledger>", again.id));
        assert_eq!(again.license_ids, [licenses[0].id]);
        let context = again.to.context(home.team, keyledger_projections::Delivery::TO_FIELD);
        assert_eq!(home.app.keys.open(context, &again.to.value).await?, b"ada@example.com");
    }
    let forgotten = home.request_mail("grace@example.com", &licenses, true).await?;
    let refused = mails::resend(&home.app, ACTOR_CLI, None, forgotten.id).await;
    assert!(matches!(refused, Err(AdminError::Refused(_))));
    let nothing = mails::resend(&home.app, ACTOR_CLI, None, home.product).await;
    assert!(matches!(nothing, Err(AdminError::NotFound { .. })));
    Ok(())
}

fn query(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn a_rejected_delivery_is_mended_and_an_applied_one_is_left_alone(home: Home) -> TestResult {
    let app = &home.app;
    integrations::set(app, ACTOR_CLI, home.team, Provider::Polymart, &adds(SecretKind::Webhook, "secret")).await?;
    let team = app.fresh_team(home.team).await?.ok_or("no team")?;
    let body = json!({
        "event": "product.user.purchase", "time": noon_and(0).as_second(), "nonce": "n-1",
        "payload": { "product": { "id": "323" }, "user": { "id": 7 } },
    });
    let bad = query(&[("productId", "nonsense"), ("ipLimit", "many")]);
    let answer = intake::polymart(app, &team, bad, &serde_json::to_vec(&body)?).await?;
    assert!(matches!(answer, Intake::Bad(_)), "{answer:?}");

    let entry = inbox::find(app, None, "n-1").await?;
    let again = inbox::retry(app, ACTOR_CLI, &entry, None).await?;
    assert_eq!((again.outcome, &again.reason), (Outcome::Rejected, &entry.reason), "nothing was mended");
    let mended = query(&[("productId", &home.product.to_string()), ("hwidLimit", "2")]);
    let (other, _) = home.another().await?;
    let applied = inbox::retry(&other, ACTOR_CLI, &again, Some(&mended)).await?;
    assert_eq!((applied.outcome, applied.query), (Outcome::Applied, mended));
    let mut listing = licenses::list(app, None, None).await?;
    let (_, license) = listing.next().await?.ok_or("no licence")?;
    assert_eq!((license.terms.offer.hwid_limit, license.terms.offer.ip_limit), (Some(2), None));
    assert!(listing.next().await?.is_none(), "one purchase, one licence");
    let refused = inbox::retry(app, ACTOR_CLI, &entry, None).await;
    assert!(matches!(refused, Err(AdminError::Refused(_))));

    let shown = licenses::describe(app, home.team, &license, app.clock.now()).await?;
    let key = shown.key.ok_or("the key does not open")?;
    assert_eq!(keys::lookup(&app.keys, home.team, &key), license.key_lookup);
    assert_eq!(licenses::find(app, None, &key.to_lowercase()).await?.1.id, license.id, "found by its key");
    Ok(())
}
