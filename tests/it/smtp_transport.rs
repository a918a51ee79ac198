//! A licence mail meets a real mail server, with everything that mail servers do.

use std::time::Duration;

use keyledger::mail::{KeyItem, LicenseMail, MailTarget, MailUrl, SendError, SmtpTransport, Transport};
use lettre::Message;

use crate::support::smtp::{LOGIN, SinkOptions, SinkTls, SmtpSink};
use crate::support::{Error, TestResult};

fn mail_to(url: &MailUrl, to: &str) -> Result<Message, Error> {
    let mail = LicenseMail {
        to: to.to_owned(),
        message_id: format!("{}@keyledger", to.len()),
        team_name: "Łódź Tools".to_owned(),
        message: None,
        image_url: None,
        items: vec![KeyItem {
            key: "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE".to_owned(),
            products: vec!["Editor".to_owned()],
            note: String::new(),
        }],
        sent_at: "2026-11-22T08:00:00Z".parse()?,
    };
    Ok(mail.render(&url.from)?)
}

async fn send(url: &str, to: &str) -> Result<Result<(), SendError>, Error> {
    let url: MailUrl = url.parse()?;
    Ok(Transport::open(&url)?.send(&mail_to(&url, to)?).await)
}

/// Asserts that another attempt is worth it and that the reason says `expected`, and nobody's address.
async fn check_transient(url: &str, to: &str, expected: &str) -> TestResult {
    let outcome = send(url, to).await?;
    let Err(SendError::Transient { reason }) = outcome else { return Err(format!("{to}: {outcome:?}").into()) };
    assert!(reason.contains(expected), "{to}: {reason}");
    assert!(!reason.contains(to) && !reason.contains("p@ss") && !reason.contains("p%40ss"), "{to}: {reason}");
    Ok(())
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_rendered_protected_and_logged_in() -> TestResult {
    for tls in [SinkTls::StartTls, SinkTls::Implicit] {
        let sink = SmtpSink::start(SinkOptions { tls, ..SinkOptions::default() })?;
        let url: MailUrl = format!("{}&from=keys@shop.example", sink.url()).parse()?;
        let message = mail_to(&url, "buyer@example.com")?;
        Transport::open(&url)?.send(&message).await?;

        let accepted = sink.accepted()?;
        let [mail] = accepted.as_slice() else { return Err(format!("{accepted:?}").into()) };
        assert_eq!(
            (mail.from.as_str(), mail.to.as_slice()),
            ("keys@shop.example", &["buyer@example.com".to_owned()][..])
        );
        assert!(mail.tls && mail.login, "{tls:?}: {mail:?}");
        // SMTP adds the line break before its final dot.
        assert_eq!(String::from_utf8(sink.mail(1)?)?.trim_end(), String::from_utf8(message.formatted())?.trim_end());
    }
    Ok(())
}

#[tokio::test]
async fn an_unprotected_or_unknown_server_gets_neither_mail_nor_password() -> TestResult {
    let plain = SmtpSink::start(SinkOptions { tls: SinkTls::None, login: false, smtputf8: true })?;
    let url = format!("smtp://{LOGIN}@localhost:{}", plain.port);
    check_transient(&url, "buyer@example.com", "STARTTLS is not supported").await?;
    assert!(plain.accepted()?.is_empty());
    // Asked for by name, it works.
    send(&plain.url(), "buyer@example.com").await??;
    send(&format!("smtp://localhost:{}?tls=opportunistic", plain.port), "buyer@example.com").await??;
    assert!(plain.accepted()?.iter().all(|mail| !mail.tls));

    let stranger = SmtpSink::start(SinkOptions::default())?;
    let url = format!("smtp://{LOGIN}@localhost:{}", stranger.port);
    check_transient(&url, "buyer@example.com", "certificate").await?;
    let url = format!("{}&ca={}", url.replace("smtp:", "smtps:") + "?tls=required", stranger.ca_pem.display());
    check_transient(&url, "buyer@example.com", "did not take the mail").await?;
    assert!(stranger.accepted()?.is_empty());
    Ok(())
}

#[tokio::test]
async fn opportunistic_uses_tls_where_it_is_offered() -> TestResult {
    let sink = SmtpSink::start(SinkOptions::default())?;
    send(&sink.url().replace("tls=required", "tls=opportunistic"), "buyer@example.com").await??;
    assert!(sink.accepted()?.iter().all(|mail| mail.tls));
    Ok(())
}

#[tokio::test]
async fn what_the_seller_can_mend_is_worth_another_attempt() -> TestResult {
    let sink = SmtpSink::start(SinkOptions::default())?;
    check_transient(&sink.url().replace(LOGIN, "user:wrong"), "buyer@example.com", "check user and password").await?;
    check_transient(&sink.url().replace(&format!("{LOGIN}@"), ""), "buyer@example.com", "530").await?;
    check_transient(&format!("{}&from=denied@shop.example", sink.url()), "buyer@example.com", "553").await?;
    assert!(sink.accepted()?.is_empty());

    let gone = format!("smtp://localhost:{}", sink.port);
    drop(sink);
    check_transient(&gone, "buyer@example.com", "refused").await
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_dead_mailbox_is_not() -> TestResult {
    let sink = SmtpSink::start(SinkOptions::default())?;
    check_transient(&sink.url(), "fail-450-1@example.com", "451").await?;
    send(&sink.url(), "fail-450-1@example.com").await??;
    assert_eq!(sink.accepted()?.len(), 1);

    let outcome = send(&sink.url(), "fail-550@buyer.example").await?;
    let Err(SendError::Permanent { reason }) = outcome else { return Err(format!("{outcome:?}").into()) };
    assert!(reason.contains("550") && reason.contains("[address]") && !reason.contains("buyer"), "{reason}");
    for about_address in ["say-no-such-user@example.com", "say-5.1.10-takes-no-mail@example.com"] {
        let outcome = send(&sink.url(), about_address).await?;
        assert!(matches!(outcome, Err(SendError::Permanent { .. })), "{about_address}: {outcome:?}");
    }
    // A refusal that is for good and yet not for ever: the seller logs in, raises a limit, proves the sender's domain.
    let of_another_kind =
        ["say-5.7.1-relay-access-denied", "say-5.4.5-daily-limit-exceeded", "say-relay-not-permitted", "fail-554"];
    for to in of_another_kind {
        check_transient(&sink.url(), &format!("{to}@example.com"), "did not take the mail: permanent error").await?;
    }
    assert_eq!(sink.accepted()?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_cut_connection_may_mean_a_second_mail_but_never_a_lost_one() -> TestResult {
    let sink = SmtpSink::start(SinkOptions::default())?;
    check_transient(&sink.url(), "drop@example.com", "did not take the mail").await?;
    assert!(sink.accepted()?.is_empty());
    // The server has the mail and nobody can know: the repeat is the same mail with the same Message-ID.
    check_transient(&sink.url(), "drop-after@example.com", "did not take the mail").await?;
    check_transient(&sink.url(), "drop-after@example.com", "did not take the mail").await?;
    assert_eq!(sink.accepted()?.len(), 2);
    assert_eq!(sink.mail(1)?, sink.mail(2)?);
    Ok(())
}

/// The interleaving: the server is slow, the send is given up while the server still owes its answer, and the
/// next mails go out before and after that answer has come. Were the connection used again, a mail would take the
/// former one's answers for its own, and its refusal for a success.
#[tokio::test]
async fn a_mail_given_up_halfway_does_not_answer_for_the_next() -> TestResult {
    let sink = SmtpSink::start(SinkOptions::default())?;
    let url: MailUrl = sink.url().parse()?;
    let MailTarget::Smtp(server) = &url.target else { return Err("not SMTP".into()) };
    let transport = SmtpTransport::new(server)?.with_send_limit(Duration::from_secs(2));

    let given_up = transport.send(&mail_to(&url, "slow-3@example.com")?).await;
    let Err(SendError::Transient { reason }) = given_up else { return Err(format!("{given_up:?}").into()) };
    assert!(reason.contains("did not finish within 2 s") && !reason.contains("slow-3"), "{reason}");

    for attempt in 1..=4 {
        let refused = transport.send(&mail_to(&url, "fail-554@example.com")?).await;
        let Err(SendError::Transient { reason }) = refused else {
            return Err(format!("{attempt}: {refused:?}").into());
        };
        assert!(reason.contains("554"), "{attempt}: {reason}");
    }
    transport.send(&mail_to(&url, "buyer@example.com")?).await?;
    assert!(sink.accepted()?.iter().any(|mail| mail.to == ["buyer@example.com"]));
    Ok(())
}

#[tokio::test]
async fn a_connection_is_used_again_until_the_server_closes_it() -> TestResult {
    let sink = SmtpSink::start(SinkOptions::default())?;
    let url: MailUrl = sink.url().parse()?;
    let transport = Transport::open(&url)?;
    for to in ["one@example.com", "two@example.com", "hangup@example.com"] {
        transport.send(&mail_to(&url, to)?).await?;
    }
    // The server closes 50 ms after its answer; whichever comes first, the next mail must go out.
    tokio::time::sleep(Duration::from_millis(150)).await;
    transport.send(&mail_to(&url, "three@example.com")?).await?;
    let connections: Vec<_> = sink.accepted()?.iter().map(|mail| mail.connection).collect();
    let [one, two, hangup, three] = connections.as_slice() else { return Err(format!("{connections:?}").into()) };
    assert!(one == two && two == hangup && hangup != three, "{connections:?}");
    Ok(())
}

#[tokio::test]
async fn many_mails_at_once_all_arrive() -> TestResult {
    let sink = SmtpSink::start(SinkOptions::default())?;
    let url: MailUrl = sink.url().parse()?;
    let transport = Transport::open(&url)?;
    let messages = (0..20).map(|n| mail_to(&url, &format!("buyer-{n}@example.com"))).collect::<Result<Vec<_>, _>>()?;
    let sent = futures::future::join_all(messages.iter().map(|message| transport.send(message))).await;
    sent.into_iter().collect::<Result<(), _>>()?;
    let mut to: Vec<_> = sink.accepted()?.into_iter().flat_map(|mail| mail.to).collect();
    to.sort();
    to.dedup();
    assert_eq!(to.len(), 20);
    Ok(())
}

#[tokio::test]
async fn an_international_address_goes_where_the_server_knows_them() -> TestResult {
    let sink = SmtpSink::start(SinkOptions::default())?;
    send(&sink.url(), "käufer@example.com").await??;
    assert_eq!(sink.accepted()?.len(), 1);

    let old = SmtpSink::start(SinkOptions { smtputf8: false, ..SinkOptions::default() })?;
    let refused = send(&old.url(), "käufer@example.com").await?;
    let Err(SendError::Permanent { reason }) = refused else { return Err(format!("{refused:?}").into()) };
    assert!(reason.contains("international") && !reason.contains("käufer"), "{reason}");
    Ok(())
}
