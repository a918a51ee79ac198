//! What a buyer reads about how long a key lasts.

use keyledger_events::Timestamp;
use keyledger_events::event::license::{ExpirationStart, SubscriptionTerms, Terms};

use crate::mail::worker::note::note;
use crate::test_support::{DAY, Engine, Home, TestResult, noon_and};

async fn check(home: &Home, terms: Terms, now: Timestamp, expected: &str) -> TestResult {
    let license = home.issue(&[terms]).await?[0];
    home.app.catch_up_patiently().await?;
    let license = home.app.views.team(home.team).license(license.id).await?.ok_or("no licence")?;
    assert_eq!(note(&license, now), expected);
    Ok(())
}

#[tokio::test]
async fn a_note_says_how_long_the_key_lasts_in_plain_words() -> TestResult {
    let home = Home::open(Engine::Sqlite).await?;
    let one_off = |days, start| home.one_off(days, start);
    let (creation, activation) = (ExpirationStart::Creation, ExpirationStart::Activation);
    let now = noon_and(0);
    check(&home, one_off(None, creation), now, "").await?;
    check(&home, one_off(Some(30), creation), now, "Valid until 31 March 2026, 12:00 UTC.").await?;
    check(&home, one_off(Some(1), creation), noon_and(DAY), "Was valid until 2 March 2026, 12:00 UTC.").await?;
    let text = "Valid for 7 days, which begin with the first activation.";
    check(&home, one_off(Some(7), activation), now, text).await?;
    let text = "Renews with your subscription, which is paid until 31 March 2026.";
    check(&home, home.paid_until(30 * DAY, 10_800), now, text).await?;
    let ended =
        SubscriptionTerms { paid_until: Some(noon_and(30 * DAY)), grace_seconds: 0, ended_at: Some(noon_and(DAY)) };
    let ended = Terms { subscription: Some(ended), ..one_off(None, creation) };
    check(&home, ended, now, "Valid until 2 March 2026, 12:00 UTC.").await
}
