//! Mail to a mail server.
//!
//! The connections are lettre's, the pool is ours: lettre's pool parks the connection of a send that was given
//! up in the middle, and the next mail would then read the answers to the former one. Here a connection that
//! met an error or a time-out is closed, and only one that has finished its mail is kept.

use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::reason::cleaned;
use super::{OpenError, SendError};
use crate::mail::url::{Login, SmtpServer, TlsMode};

/// From the first byte of the connection to the server's last word.
const SEND_SECONDS_MAX: u64 = 30;
/// For one of the host's addresses; a dead IPv6 route must leave time for IPv4.
const CONNECT_SECONDS_MAX: u64 = 8;
/// Connections kept for the next mail.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// Servers hang up on idle clients, most after a minute or more.
const IDLE_SECONDS_MAX: u64 = 30;
/// "You must log in first" in its forms (RFC 4954 section 6), whatever the command it answers.
const LOGIN_CODES: [&str; 4] = ["530", "534", "535", "538"];
/// What servers without enhanced codes say of an address that does not exist.
const ADDRESS_CODES: [&str; 3] = ["550", "551", "553"];
/// The same as enhanced codes (RFC 3463, RFC 7505): no such mailbox, host or address, moved away, takes no mail, disabled.
const ADDRESS_STATUSES: [&str; 7] = ["5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.1"];

/// A mail server that takes mails.
pub struct SmtpTransport {
    server: SmtpServer,
    tls: Option<TlsParameters>,
    send_max: Duration,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl std::fmt::Debug for SmtpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpTransport").field("server", &self.server).finish_non_exhaustive()
    }
}

/// How far a mail came, which decides who has to mend what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Connecting, TLS, logging in, naming the sender: the same for every mail, so the seller's to mend.
    Setup,
    /// The recipient.
    Recipient,
    /// The mail itself.
    Content,
}

impl SmtpTransport {
    /// Mail to `server`.
    ///
    /// # Errors
    /// When the certificates to trust cannot be used.
    pub fn new(server: &SmtpServer) -> Result<Self, OpenError> {
        let tls = if server.tls == TlsMode::None { None } else { Some(tls_parameters(server)?) };
        let send_max = Duration::from_secs(SEND_SECONDS_MAX);
        Ok(Self { server: server.clone(), tls, send_max, idle: Mutex::default() })
    }

    /// The same with another limit for one mail, where 30 seconds do not fit.
    #[must_use]
    pub fn with_send_limit(self, send_max: Duration) -> Self {
        Self { send_max, ..self }
    }

    /// Sends the mail and waits until the server has accepted it.
    ///
    /// # Errors
    /// Says whether another attempt is worth it.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        // Dropping the future at the limit drops its connection with it.
        match timeout(self.send_max, self.deliver(message)).await {
            Ok(result) => result,
            Err(_) => Err(SendError::Transient {
                reason: format!(
                    "the mail server {} did not finish within {} s; it may have accepted the mail all the same",
                    self.server,
                    self.send_max.as_secs()
                ),
            }),
        }
    }

    async fn deliver(&self, message: &Message) -> Result<(), SendError> {
        let recipients = message.envelope().to();
        let failed = |(stage, error)| self.judge(stage, &error, recipients);
        let mut connection = self.connection().await.map_err(|error| failed((Stage::Setup, error)))?;
        if !recipients.iter().all(is_ascii) && !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            self.park(connection).await;
            let reason = "the mail server cannot send to international addresses (it offers no SMTPUTF8)".to_owned();
            return Err(SendError::Permanent { reason });
        }
        let taken = converse(&mut connection, message).await.map_err(failed)?;
        if !taken {
            let reason = format!("the mail server {} answered the mail with something else than 250", self.server);
            return Err(SendError::Transient { reason });
        }
        self.park(connection).await;
        Ok(())
    }

    /// A kept connection that still answers, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Error> {
        loop {
            let Some(Idle { mut connection, since }) = self.idle.lock().await.pop() else {
                return self.connect().await;
            };
            if since.elapsed() < Duration::from_secs(IDLE_SECONDS_MAX) && connection.test_connected().await {
                return Ok(connection);
            }
        }
    }

    async fn park(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().await;
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let SmtpServer { host, port, tls: mode, login, .. } = &self.server;
        let (address, hello) = ((host.as_str(), *port), ClientId::default());
        let limit = Some(Duration::from_secs(CONNECT_SECONDS_MAX));
        let implicit = self.tls.clone().filter(|_| *mode == TlsMode::Implicit);
        let mut connection = AsyncSmtpConnection::connect_tokio1(address, limit, &hello, implicit, None).await?;
        if let Some(tls) = &self.tls
            && (*mode == TlsMode::Required || (*mode == TlsMode::Opportunistic && connection.can_starttls()))
        {
            connection.starttls(tls.clone(), &hello).await?;
        }
        if let Some(Login { user, password }) = login {
            let credentials = Credentials::new(user.expose_secret().to_owned(), password.expose_secret().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }

    fn judge(&self, stage: Stage, error: &Error, recipients: &[Address]) -> SendError {
        let said = cleaned(&error.to_string(), recipients);
        let wants_login = error.status().is_some_and(|code| LOGIN_CODES.contains(&code.to_string().as_str()));
        let server = &self.server;
        if error.is_permanent() && !wants_login && is_about_address(stage, error, &said) {
            return SendError::Permanent { reason: format!("the mail server {server} refused the mail: {said}") };
        }
        let hint = if wants_login { "; check user and password in the mail URL" } else { "" };
        SendError::Transient { reason: format!("the mail server {server} did not take the mail: {said}{hint}") }
    }
}

/// Speaks the mail; whether the server said 250 to it.
async fn converse(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<bool, (Stage, Error)> {
    let (envelope, content) = (message.envelope(), message.formatted());
    let mut parameters = Vec::new();
    if !envelope.to().iter().chain(envelope.from()).all(is_ascii) {
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !content.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let mail = Mail::new(envelope.from().cloned(), parameters);
    connection.command(mail).await.map_err(|error| (Stage::Setup, error))?;
    for recipient in envelope.to() {
        let rcpt = Rcpt::new(recipient.clone(), Vec::new());
        connection.command(rcpt).await.map_err(|error| (Stage::Recipient, error))?;
    }
    let in_content = |error| (Stage::Content, error);
    connection.command(Data).await.map_err(in_content)?;
    Ok(connection.message(&content).await.map_err(in_content)?.has_code(250))
}

/// Whether a refusal for good is about the address. Any other (no relaying for this host, a day's limit, a sender that is
/// not allowed, what looks like spam) is the seller's or the server's to mend, and then the mail goes out.
fn is_about_address(stage: Stage, error: &Error, said: &str) -> bool {
    let mut words = said.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    let enhanced = words.find(|word| word.starts_with("5.") && word.matches('.').count() == 2);
    match enhanced {
        Some(status) => stage != Stage::Setup && ADDRESS_STATUSES.contains(&status),
        None => {
            let code = error.status().map(|code| code.to_string());
            let says_so = code.is_some_and(|code| ADDRESS_CODES.contains(&code.as_str()));
            stage == Stage::Recipient && says_so && !said.to_ascii_lowercase().contains("relay")
        }
    }
}

fn is_ascii(address: &Address) -> bool {
    address.user().is_ascii() && address.domain().is_ascii()
}

fn tls_parameters(server: &SmtpServer) -> Result<TlsParameters, OpenError> {
    let mut builder = TlsParameters::builder(server.host.clone());
    let unusable = |source| OpenError::Tls { host: server.host.clone(), source };
    if let Some(ca) = &server.ca {
        let path = ca.display().to_string();
        let pem = std::fs::read(ca).map_err(|source| OpenError::ReadCa { path: path.clone(), source })?;
        if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(OpenError::EmptyCa { path });
        }
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(unusable)?);
    }
    builder.build_rustls().map_err(unusable)
}
