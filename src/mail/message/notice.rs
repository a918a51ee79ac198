//! Mails that carry no key: a reminder, or word to the seller.

use askama::Template;
use keyledger_events::Timestamp;
use lettre::Message;
use lettre::message::Mailbox;

use super::{Envelope, MessageError, one_line};

/// A mail of a few paragraphs.
#[derive(Clone)]
pub struct NoticeMail {
    /// Who gets it.
    pub to: String,
    /// The Message-ID, the same on every attempt; with or without angle brackets.
    pub message_id: String,
    /// The seller's name.
    pub team_name: String,
    /// The subject.
    pub subject: String,
    /// What it says, a line each.
    pub paragraphs: Vec<String>,
    /// A few words of the seller's own.
    pub message: Option<String>,
    /// The address of the picture at its head.
    pub image_url: Option<String>,
    /// When it goes out.
    pub sent_at: Timestamp,
}

impl std::fmt::Debug for NoticeMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoticeMail").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

#[derive(Template)]
#[template(path = "mail/notice.txt")]
struct PlainText<'a> {
    page: &'a Page,
}

#[derive(Template)]
#[template(path = "mail/notice.html")]
struct Html<'a> {
    page: &'a Page,
}

/// What both templates show.
struct Page {
    subject: String,
    team_name: String,
    image_url: Option<String>,
    paragraphs: Vec<String>,
    message_lines: Vec<String>,
}

impl NoticeMail {
    /// The message, sent by `from` or, where `from` has no name, by the team's name at that address.
    ///
    /// # Errors
    /// When it can never be sent as it is.
    pub fn render(&self, from: &Mailbox) -> Result<Message, MessageError> {
        let page = self.page();
        let (text, html) = (PlainText { page: &page }.render()?, Html { page: &page }.render()?);
        let Self { to, message_id, team_name, sent_at, .. } = self;
        Envelope { to, message_id, team_name, sent_at: *sent_at }.message(from, page.subject, text, html)
    }

    /// Its subject and text, as whoever gets it reads them.
    ///
    /// # Errors
    /// When the template fails.
    pub fn plain(&self) -> Result<(String, String), MessageError> {
        let page = self.page();
        let text = PlainText { page: &page }.render()?;
        Ok((page.subject, text))
    }

    fn page(&self) -> Page {
        let message = self.message.as_deref().unwrap_or_default().trim();
        Page {
            subject: one_line(&self.subject),
            team_name: one_line(&self.team_name),
            image_url: self.image_url.clone(),
            paragraphs: self.paragraphs.iter().map(|paragraph| one_line(paragraph)).collect(),
            message_lines: message.lines().map(one_line).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;

    #[test]
    fn a_notice_is_text_and_html_and_smuggles_nothing_in() -> Result<(), Box<dyn std::error::Error>> {
        let mail = NoticeMail {
            to: "buyer@example.com".to_owned(),
            message_id: "1b4e28ba-2fa1-51d2-883f-0016d3cca427@keyledger".to_owned(),
            team_name: "Acme".to_owned(),
            subject: "Ends soon\r\nBcc: mallory@example.com".to_owned(),
            paragraphs: vec!["Your licence for <Editor> ends.".to_owned(), "Bye.".to_owned()],
            message: Some("Questions?\nWrite to us.".to_owned()),
            image_url: None,
            sent_at: "2026-11-22T08:09:10.5Z".parse()?,
        };
        let bytes = mail.render(&"licenses@shop.example".parse()?)?.formatted();
        let parsed = MessageParser::default().parse(&bytes).ok_or("unreadable")?;
        assert_eq!(parsed.subject(), Some("Ends soon Bcc: mallory@example.com"));
        let text = parsed.body_text(0).ok_or("no text")?;
        assert!(text.contains("Your licence for <Editor> ends.\r\n\r\nBye.\r\n"), "{text:?}");
        assert!(text.contains("Questions?\r\nWrite to us.\r\n"), "{text:?}");
        let html = parsed.body_html(0).ok_or("no HTML")?;
        assert!(html.contains("&#60;Editor&#62;") && !html.contains("<Editor>"), "{html}");
        assert_eq!(mail.render(&"licenses@shop.example".parse()?)?.formatted(), bytes);
        Ok(())
    }
}
