//! The two ways a mail goes out, and the one question a failure must answer: is it worth another attempt?

mod file;
mod reason;
mod smtp;

use lettre::Message;

pub use file::FileTransport;
pub use smtp::SmtpTransport;

use super::message::MessageError;
use super::url::{MailTarget, MailUrl};

/// What takes mails.
#[derive(Debug)]
pub enum Transport {
    /// A folder.
    File(FileTransport),
    /// A mail server.
    Smtp(SmtpTransport),
}

/// Why a mail did not go out. No reason holds the buyer's address, so it may be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Another attempt may succeed. The server may even have taken the mail: what was cut off after the last
    /// byte looks the same, and the Message-ID is what tells the buyer's mail program that both are one.
    #[error("{reason}")]
    Transient {
        /// What happened and what to do.
        reason: String,
    },
    /// No further attempt will succeed.
    #[error("{reason}")]
    Permanent {
        /// What happened and what to do.
        reason: String,
    },
}

/// A mail URL that makes sense but leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file after `ca=` cannot be read.
    #[error("the certificate file `{path}` in the mail URL cannot be read: {source}")]
    ReadCa {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file after `ca=` holds no certificates.
    #[error("the certificate file `{path}` in the mail URL holds no PEM certificate")]
    EmptyCa {
        /// The file.
        path: String,
    },
    /// The certificates or the host's name are of no use for TLS.
    #[error("TLS with the mail server `{host}` cannot be set up: {source}")]
    Tls {
        /// The host.
        host: String,
        /// What lettre said.
        source: lettre::transport::smtp::Error,
    },
}

impl Transport {
    /// The transport that `url` names. Nothing is connected or created yet.
    ///
    /// # Errors
    /// When the certificates that `url` names cannot be used.
    pub fn open(url: &MailUrl) -> Result<Self, OpenError> {
        match &url.target {
            MailTarget::File(folder) => Ok(Self::File(FileTransport::new(folder.clone()))),
            MailTarget::Smtp(server) => SmtpTransport::new(server).map(Self::Smtp),
        }
    }

    /// The folder, where mail goes into one.
    pub fn folder(&self) -> Option<&FileTransport> {
        match self {
            Self::File(folder) => Some(folder),
            Self::Smtp(_) => None,
        }
    }

    /// Hands the mail over; when this returns, it is durable in the folder or accepted by the server.
    ///
    /// # Errors
    /// Says whether another attempt is worth it.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        match self {
            Self::File(folder) => folder.send(message).await,
            Self::Smtp(server) => server.send(message).await,
        }
    }
}

impl SendError {
    /// Whether another attempt may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    /// What happened, without the address.
    pub fn reason(&self) -> &str {
        match self {
            Self::Transient { reason } | Self::Permanent { reason } => reason,
        }
    }
}

impl From<MessageError> for SendError {
    fn from(error: MessageError) -> Self {
        let reason = error.to_string();
        match error {
            // A clock gets set; everything else about the mail stays as it is.
            MessageError::Date(_) => Self::Transient { reason },
            _ => Self::Permanent { reason },
        }
    }
}
