//! From a purchase's keys, or from a notice, to a MIME message.
//!
//! Rendering is pure: the same [`LicenseMail`] gives the same bytes, so a repeated attempt sends the same mail.

mod notice;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use askama::Template;
use keyledger_events::Timestamp;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use sha2::{Digest, Sha256};

pub use notice::NoticeMail;

/// Characters of a name in a subject or a sender; mail programs cut longer ones anyway.
const HEADER_NAME_CHARS_MAX: usize = 100;
/// Characters of a Message-ID: with its field name it must fit a line of 998 (RFC 5322 section 2.1.1).
const MESSAGE_ID_CHARS_MAX: usize = 255;

/// The mail of one purchase.
#[derive(Clone)]
pub struct LicenseMail {
    /// The buyer's address.
    pub to: String,
    /// The Message-ID, the same on every attempt; with or without angle brackets.
    pub message_id: String,
    /// The seller's name.
    pub team_name: String,
    /// A few words of the seller's own.
    pub message: Option<String>,
    /// The address of the picture at its head.
    pub image_url: Option<String>,
    /// The keys, in order.
    pub items: Vec<KeyItem>,
    /// When it goes out.
    pub sent_at: Timestamp,
}

/// One key of a [`LicenseMail`].
#[derive(Clone)]
pub struct KeyItem {
    /// The licence key.
    pub key: String,
    /// The names of the products that it opens.
    pub products: Vec<String>,
    /// What else there is to say about it, such as "Valid until 1 December 2026."; may be empty.
    pub note: String,
}

impl std::fmt::Debug for LicenseMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { message_id, items, sent_at, .. } = self;
        let mut shown = f.debug_struct("LicenseMail");
        shown.field("message_id", message_id).field("items", items).field("sent_at", sent_at).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for KeyItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyItem").field("products", &self.products).field("note", &self.note).finish_non_exhaustive()
    }
}

/// A mail that can never be sent as it is. No message repeats the address.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The address is none.
    #[error("the mail address is not one that mail can be sent to; correct it and resend the mail")]
    Address,
    /// Nothing to send.
    #[error("the mail carries no licence key")]
    NoKeys,
    /// The Message-ID would break the header.
    #[error("the Message-ID `{0}` is not of the form `name@domain`")]
    MessageId(String),
    /// The clock stands before 1970.
    #[error("the mail's date {0} is before 1970; set this machine's clock")]
    Date(Timestamp),
    /// A template failed.
    #[error("the mail's text could not be rendered: {0}")]
    Render(#[from] askama::Error),
    /// lettre refused the parts.
    #[error("the mail could not be put together: {0}")]
    Build(#[from] lettre::error::Error),
}

#[derive(Template)]
#[template(path = "mail/license_keys.txt")]
struct PlainText<'a> {
    page: &'a Page,
}

#[derive(Template)]
#[template(path = "mail/license_keys.html")]
struct Html<'a> {
    page: &'a Page,
}

/// What both templates show; every text but the seller's message is one line.
struct Page {
    subject: String,
    team_name: String,
    image_url: Option<String>,
    message_lines: Vec<String>,
    items: Vec<PageItem>,
}

struct PageItem {
    key: String,
    products: String,
    note: String,
}

impl LicenseMail {
    /// Its subject and text, as the buyer reads them.
    ///
    /// # Errors
    /// When it says nothing.
    pub fn plain(&self) -> Result<(String, String), MessageError> {
        let page = self.page();
        let text = PlainText { page: &page }.render()?;
        Ok((page.subject, text))
    }

    /// The message, sent by `from` or, where `from` has no name, by the team's name at that address.
    ///
    /// # Errors
    /// When it can never be sent as it is.
    pub fn render(&self, from: &Mailbox) -> Result<Message, MessageError> {
        if self.items.is_empty() {
            return Err(MessageError::NoKeys);
        }
        let page = self.page();
        let (text, html) = (PlainText { page: &page }.render()?, Html { page: &page }.render()?);
        let Self { to, message_id, team_name, sent_at, .. } = self;
        Envelope { to, message_id, team_name, sent_at: *sent_at }.message(from, page.subject, text, html)
    }

    fn page(&self) -> Page {
        let team_name = one_line(&self.team_name);
        let items: Vec<_> = self.items.iter().map(PageItem::from).collect();
        let subject = match items.as_slice() {
            [item] if item.products.is_empty() => format!("Your licence key from {}", shortened(&team_name)),
            [item] => format!("Your licence key for {}", shortened(&item.products)),
            several => format!("Your {} licence keys from {}", several.len(), shortened(&team_name)),
        };
        let message = self.message.as_deref().unwrap_or_default().trim();
        let (image_url, message_lines) = (self.image_url.clone(), message.lines().map(one_line).collect());
        Page { subject, team_name, image_url, message_lines, items }
    }
}

/// What every mail has around its text.
struct Envelope<'a> {
    to: &'a str,
    message_id: &'a str,
    team_name: &'a str,
    sent_at: Timestamp,
}

impl Envelope<'_> {
    fn message(&self, from: &Mailbox, subject: String, text: String, html: String) -> Result<Message, MessageError> {
        let to = parse_address(self.to)?;
        let message_id = bare_message_id(self.message_id)?;
        let body = MultiPart::alternative()
            .boundary(boundary(message_id))
            .singlepart(SinglePart::plain(text))
            .singlepart(SinglePart::html(html));
        Ok(Message::builder()
            .from(self.sender(from))
            .to(Mailbox::new(None, to))
            .subject(subject)
            .date(self.date()?)
            .message_id(Some(format!("<{message_id}>")))
            .header(AutoSubmitted)
            .multipart(body)?)
    }

    fn sender(&self, from: &Mailbox) -> Mailbox {
        let team_name = one_line(self.team_name);
        let name = from.name.clone().or_else(|| (!team_name.is_empty()).then(|| shortened(&team_name)));
        Mailbox::new(name, from.email.clone())
    }

    fn date(&self) -> Result<SystemTime, MessageError> {
        let seconds = u64::try_from(self.sent_at.as_second()).map_err(|_| MessageError::Date(self.sent_at))?;
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

impl From<&KeyItem> for PageItem {
    fn from(item: &KeyItem) -> Self {
        let products: Vec<_> = item.products.iter().map(|name| one_line(name)).collect();
        Self { key: one_line(&item.key), products: products.join(", "), note: one_line(&item.note) }
    }
}

/// Says that no person wrote this, so that out-of-office replies stay away (RFC 3834 section 5).
#[derive(Debug, Clone, Copy)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn parse_address(text: &str) -> Result<Address, MessageError> {
    let text = text.trim();
    // lettre admits line breaks inside a quoted local part; SMTP does not.
    if text.chars().any(char::is_control) {
        return Err(MessageError::Address);
    }
    let address: Address = text.parse().map_err(|_| MessageError::Address)?;
    if address.domain().is_ascii() {
        return Ok(address);
    }
    // Any server can send to the domain's other form (RFC 5891).
    match url::Host::parse(address.domain()) {
        Ok(url::Host::Domain(domain)) => Address::new(address.user(), domain).map_err(|_| MessageError::Address),
        _ => Err(MessageError::Address),
    }
}

/// Whether mail can be sent to an address.
pub fn is_address(text: &str) -> bool {
    parse_address(text).is_ok()
}

/// The Message-ID without its angle brackets.
fn bare_message_id(text: &str) -> Result<&str, MessageError> {
    let bare = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
    let is_plain = bare.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>'));
    if is_plain && bare.len() <= MESSAGE_ID_CHARS_MAX && bare.matches('@').count() == 1 {
        return Ok(bare);
    }
    Err(MessageError::MessageId(text.to_owned()))
}

/// Derived from the Message-ID rather than drawn by lot, so that a repeat is the same bytes.
fn boundary(message_id: &str) -> String {
    hex::encode(&Sha256::digest(message_id)[..16])
}

/// The text with every run of line breaks, tabs and other control characters as one blank.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    words.map(str::trim).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= HEADER_NAME_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(HEADER_NAME_CHARS_MAX).chain(['…']).collect()
}
