//! A licence runs out in a few days: its buyer gets a mail, the seller's program a hook, the ledger an event.

use serde_json::json;

use crate::support::compose::{Checkout, Layout};
use crate::support::hooks::{Receiver, reaching_us};
use crate::support::stripe_api::session_line;
use crate::support::{Backend, TestApp, TestResult, after_retries, now, on_both_stores, unix};

on_both_stores!(a_buyer_is_reminded_and_the_program_is_told, a_team_may_switch_reminders_off);

const DAY: i64 = 86_400;

/// A seller of licences for 30 days, one of which was bought 25 days ago.
async fn app(backend: Backend) -> Result<(TestApp, Checkout), crate::support::Error> {
    let app = TestApp::builder(backend).stripe().options(reaching_us()).build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product), ("expiration_days", "30")]);
    let checkout = Checkout { created: now() - 25 * DAY, ..Checkout::paid(Layout::Basil) };
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", 1)]);
    Ok((app, checkout))
}

async fn a_buyer_is_reminded_and_the_program_is_told(backend: Backend) -> TestResult {
    let (app, checkout) = app(backend).await?;
    let receiver = Receiver::start().await?;
    let endpoint = app.register(&receiver.url(), &[]).await?;
    let _beside = app.server.start_beside().await?;
    app.deliver(&[checkout.completed()]).await?;
    let told =
        after_retries("the reminder is due", async || Ok(app.events_of("LicenseExpiringSoon").await?.pop())).await?;
    assert_eq!(told["actor"], "scheduler");
    assert_eq!(unix(&told["data"]["expires_at"])?, checkout.created + 30 * DAY);
    app.settle().await?;
    let mails = app.mails()?;
    assert_eq!(mails.len(), 2, "{mails:?}");
    let reminder = mails.iter().find(|mail| mail.subject.contains("ends on")).ok_or("no reminder")?;
    assert_eq!(reminder.to, checkout.email);
    let key = app.license().await?["key"].as_str().ok_or("no key")?.to_owned();
    assert!(reminder.text.contains("Plugin") && reminder.text.contains(&key[24..]), "{}", reminder.text);
    assert!(!reminder.text.contains(&key), "a reminder opens nothing");
    let got = receiver.hears("license.expiring_soon").await?;
    assert!(got.is_signed_with(&endpoint.secret)?);
    assert_eq!(got.body["data"]["expiresAt"], told["data"]["expires_at"]);
    assert_eq!(got.body["data"]["license"]["status"], "EXPIRING");
    // A licence's mail that is resent is the one with the key.
    let id = app.license().await?["id"].as_str().ok_or("no id")?.to_owned();
    let resent = app.server.cli(&["mail", "resend", &id, "--json"]).await?;
    assert_eq!(resent["content"], json!({ "kind": "license_keys" }));
    // One that would not be sent is not asked for.
    app.server.cli(&["license", "revoke", &id, "--json"]).await?;
    let refused = app.server.cli_output(&["mail", "resend", &id], None).await?;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("would not be sent: every licence of the mail is revoked"), "{said}");
    assert!(!refused.status.success());

    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert_eq!(app.events_of("LicenseExpiringSoon").await?.len(), 1, "once, with two servers");
    Ok(())
}

async fn a_team_may_switch_reminders_off(backend: Backend) -> TestResult {
    let (app, checkout) = app(backend).await?;
    app.server.cli(&["team", "update", "--team", &app.team, "--reminder-days", "0", "--json"]).await?;
    app.deliver(&[checkout.completed()]).await?;
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    assert!(app.events_of("LicenseExpiringSoon").await?.is_empty());
    // Switched on again, without mail: it is made up for.
    let on = ["team", "update", "--team", &app.team, "--reminder-days", "10", "--reminder-mail", "false", "--json"];
    app.server.cli(&on).await?;
    after_retries("the reminder is due", async || Ok(app.events_of("LicenseExpiringSoon").await?.pop())).await?;
    app.settle().await?;
    assert_eq!(app.mails()?.len(), 1);
    Ok(())
}
