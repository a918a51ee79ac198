//! The mail that a purchase sends, and a few notices: their text, and the two ways they can go out.
//!
//! [`MailUrl`] says where mail goes, [`LicenseMail`] or [`NoticeMail`] becomes a MIME message, [`Transport`] hands that
//! message to a mail server or a folder. Nothing but [`worker`] knows the ledger. No error of this module holds the
//! buyer's address, a licence key or a password, so each may be logged and recorded as it is.

mod date;
mod message;
mod transport;
mod url;
pub mod worker;

pub(crate) use date::{day, moment};
pub use message::{KeyItem, LicenseMail, MessageError, NoticeMail, is_address};
pub use transport::{FileTransport, OpenError, SendError, SmtpTransport, Transport};
pub use url::{Login, MailTarget, MailUrl, MailUrlError, SmtpServer, TlsMode};

/// The domain of Message-IDs.
pub(crate) const MESSAGE_ID_DOMAIN: &str = "keyledger";
