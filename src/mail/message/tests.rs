//! The mail as the buyer's program reads it, with names as strange as sellers may choose.

use mail_parser::MessageParser;

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn item(number: usize, product: &str) -> KeyItem {
    let key = format!("AAAAA-BBBBB-CCCCC-DDDDD-{number:05}");
    KeyItem { key, products: vec![product.to_owned()], note: "Valid until 1 December 2026.".to_owned() }
}

fn mail(team_name: &str, items: Vec<KeyItem>) -> Result<LicenseMail, Box<dyn std::error::Error>> {
    Ok(LicenseMail {
        to: "buyer@example.com".to_owned(),
        message_id: "1b4e28ba-2fa1-51d2-883f-0016d3cca427@keyledger".to_owned(),
        team_name: team_name.to_owned(),
        message: None,
        image_url: None,
        items,
        sent_at: "2026-11-22T08:09:10.5Z".parse()?,
    })
}

fn rendered(mail: &LicenseMail) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    Ok(mail.render(&"licenses@shop.example".parse()?)?.formatted())
}

/// Subject, plain text and HTML, as a mail program shows them.
fn read(bytes: &[u8]) -> Result<(String, String, String), Box<dyn std::error::Error>> {
    let message = MessageParser::default().parse(bytes).ok_or("unreadable")?;
    let text = message.body_text(0).ok_or("no text")?.into_owned();
    let html = message.body_html(0).ok_or("no HTML")?.into_owned();
    Ok((message.subject().ok_or("no subject")?.to_owned(), text, html))
}

/// The names of the header fields, each once.
fn header_names(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let fields = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    let mut names: Vec<_> = fields.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

const EXPECTED_HEADERS: [&str; 8] =
    ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];

#[test]
fn one_key_makes_one_readable_mail() -> Outcome {
    let mut mail = mail("Acme", vec![item(1, "Editor Pro")])?;
    mail.message = Some("Download: https://acme.example/get\n\nHave fun!\n".to_owned());
    let bytes = rendered(&mail)?;
    let raw = String::from_utf8(bytes.clone())?;
    assert!(raw.contains("From: Acme <licenses@shop.example>\r\n"), "{raw}");
    assert!(raw.contains("To: buyer@example.com\r\n"), "{raw}");
    assert!(raw.contains("Date: Sun, 22 Nov 2026 08:09:10 +0000\r\n"), "{raw}");
    assert!(raw.contains("Message-ID: <1b4e28ba-2fa1-51d2-883f-0016d3cca427@keyledger>\r\n"), "{raw}");
    assert!(raw.contains("Auto-Submitted: auto-generated\r\n"), "{raw}");
    assert!(raw.contains("Content-Type: multipart/alternative;"), "{raw}");

    let (subject, text, html) = read(&bytes)?;
    assert_eq!(subject, "Your licence key for Editor Pro");
    let expected = "Hello,\n\nthank you for your purchase from Acme. This is your licence key:\n\n    \
        AAAAA-BBBBB-CCCCC-DDDDD-00001\n    for Editor Pro\n    Valid until 1 December 2026.\n\n\
        Download: https://acme.example/get\n\nHave fun!\n\n\
        Please keep this mail: whoever has the key can use the licence.";
    assert_eq!(text.replace("\r\n", "\n").trim_end(), expected);
    assert!(html.contains(">AAAAA-BBBBB-CCCCC-DDDDD-00001</div>") && html.contains("Have fun!</p>"), "{html}");
    Ok(())
}

#[test]
fn the_seller_s_picture_stands_at_the_head_of_the_html_alone() -> Outcome {
    let mut mail = mail("Acme", vec![item(1, "Editor Pro")])?;
    mail.image_url = Some("https://acme.example/head.png?a=1&b=\"2\"".to_owned());
    let (_, text, html) = read(&rendered(&mail)?)?;
    assert!(html.contains("<img src=\"https://acme.example/head.png?a=1&#38;b=&#34;2&#34;\" alt=\"Acme\""), "{html}");
    assert!(!text.contains("head.png"), "{text}");
    Ok(())
}

#[test]
fn a_purchase_of_many_is_still_one_mail() -> Outcome {
    let bytes = rendered(&mail("Acme", (0..1000).map(|number| item(number, "Editor")).collect())?)?;
    let (subject, text, html) = read(&bytes)?;
    assert_eq!(subject, "Your 1000 licence keys from Acme");
    for number in [0, 500, 999] {
        let key = format!("AAAAA-BBBBB-CCCCC-DDDDD-{number:05}");
        assert!(text.contains(&key) && html.contains(&key), "{key}");
    }
    Ok(())
}

#[test]
fn a_repeat_is_the_same_bytes() -> Outcome {
    let mail = mail("Ünïcode ✨", vec![item(1, "Editor"), item(2, "Viewer")])?;
    assert_eq!(rendered(&mail)?, rendered(&mail)?);
    Ok(())
}

#[test]
fn no_name_adds_a_header_or_markup() -> Outcome {
    let hostile = [
        "Acme\r\nBcc: thief@example.net\r\n\r\n<h1>gone</h1>",
        "Acme\nSubject: other",
        "Acme\rX-Evil: 1",
        "Acme\u{2028}Bcc: x@example.net",
        "\"Acme\" <ceo@bank.example>, thief@example.net",
        "<script>alert('x')</script> & \"co\"",
        "{{ page.team_name }}",
        "Łódź 🦀 株式会社",
        "=?utf-8?q?Bcc=3A?=",
        &"very long name ".repeat(200),
        &"🦀".repeat(3000),
        "\0\u{7f}",
        "",
    ];
    for name in hostile {
        for items in [vec![item(1, name)], vec![item(1, name), item(2, "Viewer")]] {
            let mut mail = mail(name, items)?;
            mail.message = Some(name.to_owned());
            let bytes = rendered(&mail)?;
            assert_eq!(header_names(&bytes), EXPECTED_HEADERS, "{name:?}");
            assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 998), "{name:?}: a line is too long");

            let parsed = MessageParser::default().parse(&bytes).ok_or("unreadable")?;
            let senders: Vec<_> = parsed.from().into_iter().flat_map(|from| from.iter()).collect();
            assert_eq!(senders.len(), 1, "{name:?}");
            assert_eq!(senders[0].address(), Some("licenses@shop.example"), "{name:?}");
            let (subject, text, html) = read(&bytes)?;
            assert!(!subject.contains(['\r', '\n']) && subject.chars().count() < 140, "{subject:?}");
            assert!(text.contains("AAAAA-BBBBB-CCCCC-DDDDD-00001"), "{text}");
            assert!(!html.contains("<script>") && !html.contains("<h1>"), "{html}");
        }
    }
    Ok(())
}

#[test]
fn strange_names_are_shown_as_they_are() -> Outcome {
    let (subject, text, html) = read(&rendered(&mail("Łódź 🦀", vec![item(1, "A<b>&\"c\" 株式会社")])?)?)?;
    assert_eq!(subject, "Your licence key for A<b>&\"c\" 株式会社");
    assert!(text.contains("from Łódź 🦀.") && text.contains("for A<b>&\"c\" 株式会社"), "{text}");
    assert!(html.contains("A&#60;b&#62;&#38;&#34;c&#34; 株式会社"), "{html}");
    Ok(())
}

#[test]
fn a_sender_with_a_name_keeps_it() -> Outcome {
    let message = mail("Acme", vec![item(1, "Editor")])?.render(&"Key desk <keys@shop.example>".parse()?)?;
    assert_eq!(message.headers().get_raw("From"), Some("Key desk <keys@shop.example>"));
    Ok(())
}

#[test]
fn what_can_never_be_sent_is_refused_without_repeating_the_address() -> Outcome {
    let addresses =
        ["", "nobody", "a@b@c", "a b@example.com", "x@", "@x", "a@example.com\r\nDATA", "\"a\r\n\"@x.example"];
    for address in addresses {
        let mut mail = mail("Acme", vec![item(1, "Editor")])?;
        mail.to = address.to_owned();
        let Err(error) = mail.render(&"licenses@shop.example".parse()?) else {
            return Err(format!("{address:?} was accepted").into());
        };
        assert!(matches!(error, MessageError::Address), "{address:?}: {error}");
        assert!(address.is_empty() || !error.to_string().contains(address), "{error}");
    }
    for id in ["", "no-at", "<a@b", "a b@c", "a@b>\r\nBcc: x@y", "a@b@c", &format!("{}@b", "a".repeat(300))] {
        let mut mail = mail("Acme", vec![item(1, "Editor")])?;
        mail.message_id = id.to_owned();
        let refused = mail.render(&"licenses@shop.example".parse()?);
        assert!(matches!(refused, Err(MessageError::MessageId(_))), "{id:?}");
    }
    assert!(matches!(mail("Acme", vec![])?.render(&"a@b.example".parse()?), Err(MessageError::NoKeys)));
    Ok(())
}

#[test]
fn no_debug_output_holds_a_key_or_the_address() -> Outcome {
    let shown = format!("{:?}", mail("Acme", vec![item(1, "Editor")])?);
    assert!(!shown.contains("AAAAA") && !shown.contains("buyer"), "{shown}");
    Ok(())
}
