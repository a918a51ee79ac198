//! A requested mail goes out once, or it is known why it did not.

mod notes;
mod notices;
mod smtp;

use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use keyledger_events::event::license::{ExpirationStart, LicenseRevoked};
use keyledger_events::{Event, StreamId, Timestamp};
use keyledger_projections::Delivery;

use super::attempt::Mailer;
use super::compose::compose;
use super::retry::{ATTEMPTS_MAX, conclusion};
use super::run;
use crate::app::App;
use crate::mail::{MailUrl, SendError, Transport};
use crate::stop::stop;
use crate::test_support::{DAY, Home, TestResult, noon_and, stories};

/// How long a story waits for what happens by itself.
const PATIENCE: Duration = Duration::from_secs(30);

stories!(
    two_workers_send_each_mail_once,
    a_transient_failure_backs_off_and_is_made_up_for,
    what_can_never_be_sent_is_given_up_at_once,
    revoked_licences_are_left_out,
    a_crash_after_the_claim_sends_the_same_mail_when_the_lease_ends,
    a_mail_that_keeps_failing_is_given_up_in_the_end,
    a_stop_waits_for_the_mail_under_way,
);

fn folder(home: &Home) -> PathBuf {
    home.folder.path().join("mail")
}

/// A worker that writes into the story's mail folder.
fn mailer(home: &Home, app: &App) -> TestResult<Mailer> {
    worker(app, &format!("file:{}", folder(home).display()))
}

fn worker(app: &App, url: &str) -> TestResult<Mailer> {
    let url: MailUrl = url.parse()?;
    Ok(Mailer::new(app.clone(), Transport::open(&url)?, url.from))
}

/// What is in the mail folder.
fn sent(home: &Home) -> TestResult<Vec<String>> {
    let files = std::fs::read_dir(folder(home)).into_iter().flatten();
    files.map(|file| Ok(std::fs::read_to_string(file?.path())?)).collect()
}

/// A licence for ever, requested to be mailed.
async fn request(home: &Home, to: &str) -> TestResult<StreamId> {
    let licenses = home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?;
    home.request_mail(to, &licenses, false).await
}

/// One round of a worker over what is pending.
async fn round(mailer: &Mailer) -> TestResult {
    mailer.app.catch_up_patiently().await?;
    let pending = mailer.app.views.pending_deliveries(mailer.app.clock.now(), 100).await?;
    for done in join_all(pending.iter().map(|mail| mailer.deliver(mail.team, mail.id))).await {
        done?;
    }
    Ok(())
}

async fn names(home: &Home, mail: StreamId) -> TestResult<Vec<&'static str>> {
    Ok(home.history(mail).await?.iter().map(|(_, event)| event.name()).collect())
}

async fn abandoned_because(home: &Home, mail: StreamId) -> TestResult<String> {
    match home.last(mail).await? {
        Event::MailAbandoned(abandoned) => Ok(abandoned.reason),
        other => Err(format!("not abandoned: {other:?}").into()),
    }
}

/// Guards: both list a mail as pending, one claims it, then the other tries to.
async fn two_workers_send_each_mail_once(home: Home) -> TestResult {
    let mut mails = Vec::new();
    for n in 0..10 {
        let licenses =
            home.issue(&[home.one_off(Some(30), ExpirationStart::Creation), home.paid_until(DAY, 0)]).await?;
        mails.push(home.request_mail(&format!("buyer{n}@example.com"), &licenses, false).await?);
    }
    let (another, _) = home.another().await?;
    let (ours, theirs) = (mailer(&home, &home.app)?, mailer(&home, &another)?);
    let (ours, theirs) = tokio::join!(round(&ours), round(&theirs));
    ours.and(theirs)?;
    for mail in mails {
        assert_eq!(names(&home, mail).await?, ["MailRequested", "MailAttemptStarted", "MailSent"]);
        let history = home.history(mail).await?;
        let provenance = &history[2].0.provenance;
        assert_eq!((provenance.actor.as_str(), provenance.causation), ("mailer", Some(history[0].0.event_id)));
    }
    let sent = sent(&home)?;
    assert_eq!(sent.len(), 10);
    for text in ["buyer3@example.com", "KEY-0", "KEY-1", "Plugin", "Example Software", "31 March 2026", "paid until"] {
        assert!(sent.iter().any(|mail| mail.contains(text)), "{text} is nowhere in {sent:?}");
    }
    Ok(())
}

async fn a_transient_failure_backs_off_and_is_made_up_for(home: Home) -> TestResult {
    let mail = request(&home, "buyer@example.com").await?;
    // A file in the folder's place: no mail can be written there.
    std::fs::write(folder(&home), "in the way")?;
    let mailer = mailer(&home, &home.app)?;
    for (attempt, pause) in [(1, 10), (2, 20), (3, 40)] {
        round(&mailer).await?;
        let Event::MailFailed(failed) = home.last(mail).await? else { return Err("it did not fail".into()) };
        let waits = failed.retry_at.as_millisecond() - mailer.app.clock.now().as_millisecond();
        assert!((pause * 500..=pause * 1_000).contains(&waits), "attempt {attempt} waits {waits} ms");
        assert_eq!(failed.attempts, attempt);
        assert!(!failed.reason.contains("buyer"), "{}", failed.reason);
        round(&mailer).await?;
        assert_eq!(home.last(mail).await?, Event::MailFailed(failed));
        home.clock.advance_seconds(pause);
    }
    std::fs::remove_file(folder(&home))?;
    round(&mailer).await?;
    assert!(matches!(home.last(mail).await?, Event::MailSent(sent) if sent.attempts == 4));
    assert_eq!(sent(&home)?.len(), 1);
    Ok(())
}

async fn what_can_never_be_sent_is_given_up_at_once(home: Home) -> TestResult {
    let licenses = home.issue(&[home.one_off(None, ExpirationStart::Creation)]).await?;
    let forgotten = home.request_mail("buyer@example.com", &licenses, true).await?;
    let no_address = home.request_mail("buyer at example.com", &licenses, false).await?;
    round(&mailer(&home, &home.app)?).await?;
    assert_eq!(abandoned_because(&home, forgotten).await?, "the buyer was forgotten");
    let reason = abandoned_because(&home, no_address).await?;
    assert!(reason.contains("mail address") && !reason.contains("example"), "{reason}");

    let refused = home.request_mail("buyer@example.com", &licenses, false).await?;
    round(&worker(&home.app, &smtp::Server::start(true).await?.url)?).await?;
    let reason = abandoned_because(&home, refused).await?;
    assert!(reason.contains("5.1.1") && !reason.contains("example"), "{reason}");
    assert_eq!(names(&home, refused).await?, ["MailRequested", "MailAttemptStarted", "MailAbandoned"]);
    Ok(())
}

async fn revoked_licences_are_left_out(home: Home) -> TestResult {
    let for_ever = home.one_off(None, ExpirationStart::Creation);
    let licenses = home.issue(&[for_ever.clone(), for_ever]).await?;
    home.happen(licenses[0], LicenseRevoked { reason: None, terms: None }).await?;
    home.request_mail("buyer@example.com", &licenses, false).await?;
    let void = home.request_mail("other@example.com", &licenses[..1], false).await?;
    round(&mailer(&home, &home.app)?).await?;
    let sent = sent(&home)?;
    assert_eq!(sent.len(), 1);
    assert!(!sent[0].contains("KEY-0") && sent[0].contains("KEY-1"), "{}", sent[0]);
    assert!(abandoned_because(&home, void).await?.contains("revoked"));
    Ok(())
}

/// Guards: a node claims a mail and is killed before or after sending it, before it can say so.
async fn a_crash_after_the_claim_sends_the_same_mail_when_the_lease_ends(home: Home) -> TestResult {
    let mailer = mailer(&home, &home.app)?;
    for crashes_after_sending in [false, true] {
        let mail = request(&home, "buyer@example.com").await?;
        let now = home.app.clock.now();
        let claimed = mailer.claim(pending(&home).await?, now).await?.ok_or("not claimed")?;
        if crashes_after_sending {
            mailer.transport.send(&compose(&home.app, &claimed, &mailer.from, now).await?).await?;
        }
        let before = sent(&home)?.len();
        home.clock.advance_seconds(44);
        round(&mailer).await?;
        mailer.deliver(home.team, mail.id).await?;
        assert_eq!(names(&home, mail).await?, ["MailRequested", "MailAttemptStarted"]);
        home.clock.advance_seconds(1);
        round(&mailer).await?;
        assert!(matches!(home.last(mail).await?, Event::MailSent(sent) if sent.attempts == 2));
        let sent = sent(&home)?;
        assert_eq!(sent.len(), if crashes_after_sending { before } else { before + 1 });
        assert!(sent.iter().any(|sent| sent.contains(&format!("<{}@keyledger>", mail.id))));
    }
    Ok(())
}

/// The one mail that is pending.
async fn pending(home: &Home) -> TestResult<Delivery> {
    home.app.catch_up_patiently().await?;
    let mut pending = home.app.views.pending_deliveries(home.app.clock.now(), 10).await?;
    Ok(pending.pop().ok_or("no mail is pending")?)
}

async fn a_mail_that_keeps_failing_is_given_up_in_the_end(home: Home) -> TestResult {
    request(&home, "buyer@example.com").await?;
    let mut mail = pending(&home).await?;
    let mut fails = |attempts: u32, now: Timestamp| {
        mail.attempts = attempts;
        conclusion(&mail, Err(SendError::Transient { reason: "no answer".to_owned() }), now)
    };
    assert!(matches!(fails(ATTEMPTS_MAX - 1, noon_and(DAY)), Event::MailFailed(failed)
        if (noon_and(DAY + 3 * 3_600)..=noon_and(DAY + 6 * 3_600)).contains(&failed.retry_at)));
    for (attempts, now) in [(ATTEMPTS_MAX, noon_and(DAY)), (3, noon_and(3 * DAY))] {
        assert!(matches!(fails(attempts, now), Event::MailAbandoned(abandoned)
            if abandoned.reason == format!("given up after {attempts} attempts: no answer")));
    }
    // Our own outage of three days is no reason to give up at the first failure after it.
    assert!(matches!(fails(1, noon_and(4 * DAY)), Event::MailFailed(_)));
    Ok(())
}

async fn a_stop_waits_for_the_mail_under_way(home: Home) -> TestResult {
    let mail = request(&home, "buyer@example.com").await?;
    let server = smtp::Server::start(false).await?;
    let url: MailUrl = server.url.parse()?;
    let (app, transport) = (home.app.clone(), Transport::open(&url)?);
    let (stop, stopping) = stop();
    let mut ends = stopping.clone();
    let (runner, commits) = (app.runner.clone(), app.writer.commits());
    let views = tokio::spawn(async move { runner.run(commits, ends.requested()).await });
    let worker = tokio::spawn(run(app, transport, url.from, stopping));
    tokio::time::timeout(PATIENCE, server.arrived.notified()).await?;
    stop.request();
    tokio::time::timeout(PATIENCE, views).await??;
    assert!(!worker.is_finished());
    server.accept.notify_one();
    tokio::time::timeout(PATIENCE, worker).await??;
    assert_eq!(names(&home, mail).await?, ["MailRequested", "MailAttemptStarted", "MailSent"]);
    Ok(())
}
