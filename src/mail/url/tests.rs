//! What an operator may write in `KEYLEDGER_MAIL_URL`, and what the refusals say.

use secrecy::ExposeSecret;

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The URL as understood, in one line.
fn read(text: &str) -> Result<String, MailUrlError> {
    let url: MailUrl = text.parse()?;
    let login = match &url.target {
        MailTarget::Smtp(SmtpServer { login: Some(login), .. }) => {
            format!(" {}|{}", login.user.expose_secret(), login.password.expose_secret())
        }
        _ => String::new(),
    };
    let ca = match &url.target {
        MailTarget::Smtp(SmtpServer { ca: Some(ca), .. }) => format!(" ca {}", ca.display()),
        _ => String::new(),
    };
    Ok(format!("{url} from {}{login}{ca}", url.from))
}

fn check(text: &str, expected: &str) {
    let shown = read(text).unwrap_or_else(|error| format!("refused: {error}"));
    assert_eq!(shown, expected, "{text}");
}

fn check_refused(text: &str, expected: &str) {
    match read(text) {
        Ok(url) => assert_eq!(url, "refused", "{text} was accepted"),
        Err(error) => assert!(error.to_string().contains(expected), "{text}: {error}"),
    }
}

#[test]
fn every_form_in_the_handbook_is_understood() {
    check("file:./data/mail", "file:./data/mail from licenses@localhost");
    check("file:///srv/mail?from=shop+keys@example.com", "file:/srv/mail from shop+keys@example.com");
    check("smtp://mail.example.com", "smtp://mail.example.com:587?tls=required from licenses@mail.example.com");
    check("SMTPS://Mail.Example.com", "smtps://mail.example.com:465 from licenses@mail.example.com");
    check("smtp://relay:25/?tls=none", "smtp://relay:25?tls=none from licenses@relay");
    check(
        "smtps://user:pass@host:2465?tls=required&from=Acme%20%3Ckeys@acme.example%3E",
        "smtps://***:***@host:2465 from Acme <keys@acme.example> user|pass",
    );
    check("smtp://[::1]:2525?tls=opportunistic", "smtp://[::1]:2525?tls=opportunistic from licenses@localhost");
    check("smtp://10.1.2.3", "smtp://10.1.2.3:587?tls=required from licenses@[10.1.2.3]");
    check("smtp://host?ca=certs/my%20ca.pem", "smtp://host:587?tls=required from licenses@host ca certs/my ca.pem");
}

#[test]
fn user_and_password_are_percent_decoded_and_keep_their_plus() {
    check(
        "smtp://me%40shop.example:p%2Fa%3As%25+s@host",
        "smtp://***:***@host:587?tls=required from licenses@host me@shop.example|p/a:s%+s",
    );
}

#[test]
fn a_password_never_crosses_a_network_unprotected() {
    check_refused("smtp://u:p@mail.example.com?tls=none", "`mail.example.com`");
    check_refused("smtp://u:p@mail.example.com?tls=opportunistic", "tls=required");
    check("smtp://u:p@localhost?tls=none", "smtp://***:***@localhost:587?tls=none from licenses@localhost u|p");
    check("smtp://u:p@127.0.0.1?tls=none", "smtp://***:***@127.0.0.1:587?tls=none from licenses@localhost u|p");
}

#[test]
fn a_refusal_names_the_thing_and_the_way_out() {
    check_refused("mailto:me@example.com", "must begin with `file:`, `smtp://` or `smtps://`");
    check_refused("smtp:host", "must begin with");
    check_refused("file:", "names no folder");
    check_refused("file://host/mail", "three slashes");
    check_refused("smtp://", "names no host");
    check_refused("smtp://ho st", "`ho st`");
    check_refused("smtp://host:0", "1 to 65535");
    check_refused("smtp://host:65536", "1 to 65535");
    check_refused("smtp://user@host", "no password");
    check_refused("smtp://user:%zz@host", "the password in the mail URL");
    check_refused("smtp://host?tls=yes", "`tls=yes`");
    check_refused("smtps://host?tls=none", "always uses TLS");
    check_refused("smtp://host?tsl=required", "unknown parameter `tsl`; known here: tls, from, ca");
    check_refused("file:mail?tls=none", "unknown parameter `tls`; known here: from");
    check_refused("smtp://host?from=nobody", "`from=nobody`");
    check_refused("smtp://host?from=a@b.example%0D%0ABcc:%20x@y.example", "not a mail address");
    check_refused("smtp://[2001:db8::1]", "add `from=");
}

#[test]
fn no_output_shows_the_password_even_when_the_url_is_wrong() -> Outcome {
    let url: MailUrl = "smtp://token:hunter2@host".parse()?;
    for shown in [format!("{url}"), format!("{url:?}"), format!("{:?}", url.target)] {
        assert!(!shown.contains("hunter2") && !shown.contains("token"), "{shown}");
    }
    // A raw `/`, `?` or `#` in the password makes the parser see the host elsewhere.
    for wrong in ["/", "?", "#", "?x&", "?tls=", "%"] {
        let text = format!("smtp://token:hun{wrong}ter2@host");
        let shown = read(&text).map_or_else(|error| format!("{error} {error:?}"), |url| format!("accepted: {url}"));
        assert!(!shown.contains("hun") && !shown.contains("ter2"), "{text}: {shown}");
    }
    Ok(())
}
