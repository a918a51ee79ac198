//! A buyer gets the keys by mail, once, and nobody else gets to read them.

use serde_json::{Value, json};

use crate::stripe_subscription::{invoice, one};
use crate::support::app::{SIGNING_SECRET, STRIPE_SECRET};
use crate::support::compose::{Checkout, DAY, Layout, Subscription};
use crate::support::stripe_api::{TEST_KEY, session_line};
use crate::support::{Backend, Options, TestApp, TestResult, after_retries, eventually, now, on_both_stores};

on_both_stores!(
    a_mail_brings_every_key_to_the_buyer,
    a_purchase_told_again_is_not_mailed_again,
    a_name_cannot_smuggle_in_a_header,
    a_mail_waits_for_its_folder,
    a_corrected_address_gets_what_was_given_up,
    the_address_of_the_session_does_where_the_invoice_has_none,
    what_was_never_mailed_is_mailed_when_asked_for,
    the_log_keeps_secrets,
);

/// A paid checkout of these units.
fn checkout(app: &TestApp, units: u64) -> Checkout {
    let checkout = Checkout::paid(Layout::Basil);
    app.stripe.add_session(&checkout.id, vec![session_line("li_1", "prod_plugin", units)]);
    checkout
}

async fn a_mail_brings_every_key_to_the_buyer(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let (first, second) = (checkout(&app, 3), checkout(&app, 1));
    app.deliver(&[first.completed(), second.completed()]).await?;
    let (mails, licenses) = (app.mails()?, app.licenses().await?);
    assert_eq!(mails.len(), 2);
    assert_ne!(mails[0].message_id, mails[1].message_id);
    for (checkout, units) in [(&first, 3), (&second, 1)] {
        let mail = mails.iter().find(|mail| mail.to == checkout.email).ok_or("the buyer got no mail")?;
        assert!(!mail.subject.is_empty() && mail.message_id.contains('@'), "{mail:?}");
        assert!(mail.text.contains("Plugin") && mail.text.contains("Example Software"), "{}", mail.text);
        let keys = licenses.iter().filter(|license| license["references"]["stripeCheckoutSession"] == checkout.id);
        let keys: Vec<&str> = keys.filter_map(|license| license["key"].as_str()).collect();
        assert_eq!(keys.len(), units);
        assert!(keys.iter().all(|key| mail.text.contains(key)), "{}", mail.text);
    }
    Ok(())
}

async fn a_purchase_told_again_is_not_mailed_again(backend: Backend) -> TestResult {
    let mut app = TestApp::with_stripe(backend).await?;
    let checkout = checkout(&app, 1);
    app.deliver(&[checkout.completed()]).await?;
    app.server.restart().await?;
    app.deliver(&[checkout.completed(), checkout.async_payment_succeeded(now())]).await?;
    assert_eq!(app.mails()?.len(), 1);
    Ok(())
}

async fn a_name_cannot_smuggle_in_a_header(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let hostile = Checkout { name: "Ada\r\nBcc: mallory@example.test\r\n\r\nHello", ..checkout(&app, 1) };
    app.deliver(&[hostile.completed()]).await?;
    let mails = app.mails()?;
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, hostile.email.as_str()));
    for file in std::fs::read_dir(app.server.mail_folder())? {
        let raw = String::from_utf8_lossy(&std::fs::read(file?.path())?).to_lowercase();
        let headers = raw.split("\r\n\r\n").next().unwrap_or_default();
        assert!(!headers.lines().any(|line| line.starts_with("bcc:")), "{headers}");
    }
    Ok(())
}

/// Guards: the place for mails is away while a purchase is applied, and the server dies before it is back.
async fn a_mail_waits_for_its_folder(backend: Backend) -> TestResult {
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("mail");
    let options = Options::default().env("KEYLEDGER_MAIL_URL", format!("file:{}", place.display()));
    let mut app = TestApp::builder(backend).stripe().options(options).build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    // A file in the folder's place: no mail can be written there, not even by root.
    if place.exists() {
        std::fs::remove_dir_all(&place)?;
    }
    std::fs::write(&place, "in the way")?;
    assert_eq!(app.post_stripe(&checkout(&app, 1).completed()).await?.status, 200);
    eventually("the failure is recorded", async || Ok(app.events_of("MailFailed").await?.pop())).await?;

    app.server.kill9()?;
    std::fs::remove_file(&place)?;
    app.server.restart().await?;
    after_retries("the mail is sent", async || Ok(app.events_of("MailSent").await?.pop())).await?;
    assert_eq!(std::fs::read_dir(&place)?.count(), 1);
    Ok(())
}

async fn a_corrected_address_gets_what_was_given_up(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let mistyped = Checkout { email: "taro..yamada@example.test".to_owned(), ..checkout(&app, 1) };
    app.deliver(&[mistyped.completed()]).await?;
    let license = app.license().await?;
    let list = async |more: &[&str]| app.server.cli(&[&["mail", "--json"], more].concat()).await;
    let given_up = list(&["list"]).await?;
    assert_eq!(given_up[0]["state"], "abandoned", "{given_up}");
    let id = given_up[0]["id"].as_str().ok_or("no id")?;
    let refused = app.server.cli(&["mail", "resend", id]).await.err().ok_or("sent to an address that is none")?;
    assert!(refused.to_string().contains("correct"), "{refused}");

    let program = app.program("developer").await?;
    let customer = license["customerId"].as_str().ok_or("no customer")?;
    program.put(&format!("/customers/{customer}"), &json!({ "email": "taro@example.test" })).await?.data()?;
    let again = list(&["resend", "--abandoned-since", "2026-01-01T00:00:00Z"]).await?;
    assert_eq!(again.as_array().map(Vec::len), Some(1), "{again}");
    app.settle().await?;
    let mails = app.mails()?;
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "taro@example.test"));
    assert!(license["key"].as_str().is_some_and(|key| mails[0].text.contains(key)), "{}", mails[0].text);
    let nothing = list(&["resend", "--abandoned-since", "2026-01-01T00:00:00Z"]).await?;
    assert_eq!(nothing, json!([]), "a later mail says the same");
    Ok(())
}

async fn the_address_of_the_session_does_where_the_invoice_has_none(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    for session_first in [true, false] {
        let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - DAY);
        let session = Checkout::of_subscription(Layout::Basil, &subscription.id, &subscription.customer);
        let mut invoice = invoice(&subscription, subscription.begun).event();
        invoice["data"]["object"]["customer_email"] = Value::Null;
        let mut events = [session.completed(), invoice];
        if !session_first {
            events.reverse();
        }
        app.deliver(&events[..1]).await?;
        app.deliver(&events[1..]).await?;
        let license = one(&app, &subscription).await?;
        let mails = app.mails()?;
        let ours: Vec<_> = mails.iter().filter(|mail| mail.to == session.email).collect();
        assert_eq!(ours.len(), 1, "{session_first}: {mails:?}");
        assert!(license["key"].as_str().is_some_and(|key| ours[0].text.contains(key)), "{}", ours[0].text);
    }
    Ok(())
}

/// Nobody told an address at the time of the sale; the seller finds it out and enters it.
async fn what_was_never_mailed_is_mailed_when_asked_for(backend: Backend) -> TestResult {
    let app = TestApp::with_stripe(backend).await?;
    let subscription = Subscription::of(Layout::Basil, "prod_plugin", now() - DAY);
    let mut invoice = invoice(&subscription, subscription.begun).event();
    invoice["data"]["object"]["customer_email"] = Value::Null;
    app.deliver(&[invoice]).await?;
    let license = one(&app, &subscription).await?;
    let id = license["id"].as_str().ok_or("no id")?;
    let refused = app.server.cli(&["mail", "resend", id]).await.err().ok_or("sent to nobody")?;
    assert!(refused.to_string().contains("no address is known of customer"), "{refused}");

    let program = app.program("developer").await?;
    let customer = license["customerId"].as_str().ok_or("no customer")?;
    program.put(&format!("/customers/{customer}"), &json!({ "email": "taro@example.test" })).await?.data()?;
    app.server.cli(&["mail", "resend", id, "--json"]).await?;
    app.settle().await?;
    let mails = app.mails()?;
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "taro@example.test"));
    assert!(license["key"].as_str().is_some_and(|key| mails[0].text.contains(key)), "{}", mails[0].text);

    app.server.cli(&["license", "revoke", id]).await?;
    let refused = app.server.cli(&["mail", "resend", id]).await.err().ok_or("a void key was sent")?;
    assert!(refused.to_string().contains("revoked"), "{refused}");
    Ok(())
}

async fn the_log_keeps_secrets(backend: Backend) -> TestResult {
    let options = Options::default().env("RUST_LOG", "debug");
    let app = TestApp::builder(backend).stripe().polymart().options(options).build().await?;
    app.stripe.add_product("prod_plugin", &[("product_id", &app.product)]);
    let checkout = checkout(&app, 1);
    app.deliver(&[checkout.completed()]).await?;
    let license = app.license().await?;
    let log = app.server.log();
    let key = license["key"].as_str().ok_or("no key")?;
    for (what, secret) in [
        ("a licence key", key),
        ("a mail address", checkout.email.as_str()),
        ("a buyer's name", checkout.name),
        ("a webhook secret", STRIPE_SECRET),
        ("a signing secret", SIGNING_SECRET),
        ("an API key", TEST_KEY),
    ] {
        assert!(!log.contains(secret), "{what} is in the log");
    }
    Ok(())
}
