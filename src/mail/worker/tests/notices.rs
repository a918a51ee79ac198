//! Mails without keys: what they say, and when they are not sent after all.

use keyledger_events::event::delivery::{MailContent, MailRequested};
use keyledger_events::event::license::{Expiration, LicenseAmended};
use keyledger_events::sealed::SealContext;
use keyledger_events::{NewEvent, StreamKind, id};

use super::*;
use crate::test_support::TestResult;

stories!(
    a_reminder_names_the_product_the_end_and_not_the_key,
    a_reminder_of_an_end_that_moved_or_passed_is_not_sent,
    the_seller_hears_of_a_disabled_webhook,
);

async fn request_notice(home: &Home, content: MailContent, licenses: &[StreamId]) -> TestResult<StreamId> {
    let (stream, event_id) = (StreamId::new(StreamKind::Delivery, id::fresh()), id::fresh());
    let (key, wrapped) = home.app.keys.generate(id::fresh());
    let requested = MailRequested {
        purchase: StreamId::new(StreamKind::Purchase, home.product),
        customer_id: key.id(),
        to: key.seal(SealContext { team: home.team, event_id, field: Delivery::TO_FIELD }, b"someone@example.com"),
        content,
        license_ids: licenses.iter().map(|license| license.id).collect(),
        message_id: format!("<{}@keyledger>", stream.id),
    };
    let event = NewEvent { stream, event_id, occurred_at: noon_and(0), event: requested.into() };
    home.append(vec![event], vec![wrapped]).await?;
    Ok(stream)
}

fn in_thirty_days() -> MailContent {
    MailContent::ExpiryReminder { expires_at: noon_and(30 * DAY) }
}

async fn a_reminder_names_the_product_the_end_and_not_the_key(home: Home) -> TestResult {
    let terms = home.one_off(Some(30), ExpirationStart::Creation);
    let license = home.issue_with_key(terms, "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE").await?;
    home.clock.advance_seconds(25 * DAY);
    let mail = request_notice(&home, in_thirty_days(), &[license]).await?;
    round(&mailer(&home, &home.app)?).await?;
    assert!(matches!(home.last(mail).await?, Event::MailSent(_)));
    let sent = sent(&home)?.pop().ok_or("nothing was sent")?;
    for text in
        ["Subject: Your licence for Plugin ends on 31 March 2026", "31 March 2026, 12:00 UTC", "EEEEE", "Plugin"]
    {
        assert!(sent.replace("=\r\n", "").contains(text), "{text} is not in {sent}");
    }
    assert!(!sent.contains("AAAAA") && !sent.contains("DDDDD-"), "{sent}");
    Ok(())
}

async fn a_reminder_of_an_end_that_moved_or_passed_is_not_sent(home: Home) -> TestResult {
    let thirty = || home.one_off(Some(30), ExpirationStart::Creation);
    let licenses = home.issue(&[thirty(), thirty(), thirty()]).await?;
    let date = Some(Expiration::Date(noon_and(60 * DAY)));
    home.happen(licenses[0], LicenseAmended { expiration: date, ..LicenseAmended::default() }).await?;
    home.happen(licenses[1], LicenseRevoked { reason: None, terms: None }).await?;
    let moved = request_notice(&home, in_thirty_days(), &licenses[..1]).await?;
    let revoked = request_notice(&home, in_thirty_days(), &licenses[1..2]).await?;
    round(&mailer(&home, &home.app)?).await?;
    assert_eq!(abandoned_because(&home, moved).await?, "the licence does not run out then any more");
    assert_eq!(abandoned_because(&home, revoked).await?, "the licence does not run out then any more");
    home.clock.advance_seconds(30 * DAY);
    let passed = request_notice(&home, in_thirty_days(), &licenses[2..]).await?;
    round(&mailer(&home, &home.app)?).await?;
    assert_eq!(abandoned_because(&home, passed).await?, "the licence ran out before the reminder could be sent");
    assert!(sent(&home)?.is_empty());
    Ok(())
}

async fn the_seller_hears_of_a_disabled_webhook(home: Home) -> TestResult {
    let webhook_id = id::fresh();
    let reason = "nothing has got through to it for 5 days".to_owned();
    request_notice(&home, MailContent::WebhookDisabled { webhook_id, reason }, &[]).await?;
    round(&mailer(&home, &home.app)?).await?;
    let sent = sent(&home)?.pop().ok_or("nothing was sent")?.replace("=\r\n", "");
    for text in ["To: someone@example.com", "Example Software", &webhook_id.to_string(), "for 5 days"] {
        assert!(sent.contains(text), "{text} is not in {sent}");
    }
    Ok(())
}
