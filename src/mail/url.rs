//! Where mail goes, as the operator writes it in `KEYLEDGER_MAIL_URL`.
//!
//! `file:<folder>`, `smtp://[user:password@]host[:port]` or `smtps://…`, with the parameters `tls`, `from` and `ca`.
//! Hand the text to [`MailUrl::from_str`] in your own code rather than to an argument parser: the latter's
//! messages repeat the value, and the value may hold a password.

mod error;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use lettre::message::Mailbox;
use secrecy::SecretString;

pub use error::MailUrlError;

/// Submission with STARTTLS, RFC 6409.
const PORT_SMTP: u16 = 587;
/// Submission over TLS from the first byte, RFC 8314.
const PORT_SMTPS: u16 = 465;

/// Where mail goes and who sends it.
#[derive(Debug, Clone)]
pub struct MailUrl {
    /// The sender. A mailbox without a name gets the team's.
    pub from: Mailbox,
    /// What takes the mail.
    pub target: MailTarget,
}

/// What takes the mail.
#[derive(Debug, Clone)]
pub enum MailTarget {
    /// One `.eml` file a mail in this folder.
    File(PathBuf),
    /// A mail server.
    Smtp(SmtpServer),
}

/// A mail server and how to talk to it.
#[derive(Debug, Clone)]
pub struct SmtpServer {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// What to log in with; `None` logs in nowhere.
    pub login: Option<Login>,
    /// A PEM file with certificates to trust beside the public ones.
    pub ca: Option<PathBuf>,
}

/// A name and a password. Some services put their token in the name, so both are secret.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name.
    pub user: SecretString,
    /// The password.
    pub password: SecretString,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// TLS from the first byte (`smtps:`).
    Implicit,
    /// STARTTLS, or nothing is sent.
    Required,
    /// STARTTLS where the server offers it.
    Opportunistic,
    /// Never.
    None,
}

impl FromStr for MailUrl {
    type Err = MailUrlError;

    fn from_str(text: &str) -> Result<Self, MailUrlError> {
        let (scheme, rest) = text.split_once(':').ok_or(MailUrlError::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "file" => parse_file(rest),
            "smtp" => parse_smtp(rest.strip_prefix("//").ok_or(MailUrlError::Scheme)?, false),
            "smtps" => parse_smtp(rest.strip_prefix("//").ok_or(MailUrlError::Scheme)?, true),
            _ => Err(MailUrlError::Scheme),
        }
    }
}

fn parse_file(rest: &str) -> Result<MailUrl, MailUrlError> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let folder = match path.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => return Err(MailUrlError::FileHost),
        None => path,
    };
    if folder.is_empty() {
        return Err(MailUrlError::NoFolder);
    }
    let mut from = None;
    for (name, value) in parameters(query) {
        match name {
            "from" => from = Some(parse_from(value)?),
            other => return Err(MailUrlError::Parameter { name: other.to_owned(), known: "from" }),
        }
    }
    Ok(MailUrl { from: from.map_or_else(|| default_from("localhost"), Ok)?, target: MailTarget::File(folder.into()) })
}

fn parse_smtp(rest: &str, implicit_tls: bool) -> Result<MailUrl, MailUrlError> {
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let query = parse_tail(tail)?;
    let (userinfo, host_port) = match authority.rsplit_once('@') {
        Some((userinfo, host_port)) => (Some(userinfo), host_port),
        None => (None, authority),
    };
    let (host, port) = parse_host(host_port)?;
    let login = userinfo.map(parse_login).transpose()?;

    let (mut tls, mut from, mut ca) = (if implicit_tls { TlsMode::Implicit } else { TlsMode::Required }, None, None);
    for (name, value) in parameters(query) {
        match name {
            "tls" => tls = parse_tls(value, implicit_tls)?,
            "from" => from = Some(parse_from(value)?),
            "ca" => ca = Some(PathBuf::from(percent_decode(value, "file name after `ca=`")?)),
            other => return Err(MailUrlError::Parameter { name: other.to_owned(), known: "tls, from, ca" }),
        }
    }
    let protected = matches!(tls, TlsMode::Implicit | TlsMode::Required);
    if login.is_some() && !protected && !is_loopback(&host) {
        return Err(MailUrlError::PasswordInClear { host });
    }
    let from = from.map_or_else(|| default_from(&host), Ok)?;
    let port = port.unwrap_or(if implicit_tls { PORT_SMTPS } else { PORT_SMTP });
    Ok(MailUrl { from, target: MailTarget::Smtp(SmtpServer { host, port, tls, login, ca }) })
}

/// What follows the host may only be parameters. A stray `@` in there means that a reserved character has cut a
/// password in two, and then nothing of the URL may be repeated.
fn parse_tail(tail: &str) -> Result<&str, MailUrlError> {
    let query = match tail.strip_prefix('/').unwrap_or(tail) {
        "" => "",
        other => other.strip_prefix('?').ok_or(MailUrlError::AfterHost)?,
    };
    let is_stray = |part: &str| part.contains('@') && !part.starts_with("from=") && !part.starts_with("ca=");
    if query.contains('#') || query.split('&').any(is_stray) {
        return Err(MailUrlError::AfterHost);
    }
    Ok(query)
}

fn parse_host(host_port: &str) -> Result<(String, Option<u16>), MailUrlError> {
    let (host, port) = match host_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, after)) => (host, Some(after.strip_prefix(':').ok_or(MailUrlError::Port)?)),
        None => host_port.split_once(':').map_or((host_port, None), |(host, port)| (host, Some(port))),
    };
    let port = match port.map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err(MailUrlError::Port),
    };
    if host.is_empty() {
        return Err(MailUrlError::NoHost);
    }
    let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if !is_name && host.parse::<IpAddr>().is_err() {
        return Err(MailUrlError::Host(host.to_owned()));
    }
    Ok((host.to_ascii_lowercase(), port))
}

fn parse_login(userinfo: &str) -> Result<Login, MailUrlError> {
    let (user, password) = userinfo.split_once(':').ok_or(MailUrlError::NoPassword)?;
    if user.is_empty() || password.is_empty() {
        return Err(MailUrlError::NoPassword);
    }
    Ok(Login { user: percent_decode(user, "user")?.into(), password: percent_decode(password, "password")?.into() })
}

fn parse_tls(value: &str, implicit: bool) -> Result<TlsMode, MailUrlError> {
    let wrong = |expected| Err(MailUrlError::Tls { value: value.to_owned(), expected });
    match (value, implicit) {
        ("required", true) => Ok(TlsMode::Implicit),
        ("required", false) => Ok(TlsMode::Required),
        ("opportunistic", false) => Ok(TlsMode::Opportunistic),
        ("none", false) => Ok(TlsMode::None),
        (_, true) => wrong("`required`, because `smtps:` always uses TLS"),
        (_, false) => wrong("`required`, `opportunistic` or `none`"),
    }
}

fn parse_from(value: &str) -> Result<Mailbox, MailUrlError> {
    let text = percent_decode(value, "address after `from=`")?;
    if text.chars().any(char::is_control) {
        return Err(MailUrlError::From(value.to_owned()));
    }
    text.parse().map_err(|_| MailUrlError::From(value.to_owned()))
}

fn default_from(host: &str) -> Result<Mailbox, MailUrlError> {
    let domain = match host.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => "localhost".to_owned(),
        Ok(IpAddr::V4(address)) => format!("[{address}]"),
        Ok(IpAddr::V6(_)) => return Err(MailUrlError::DefaultFrom(host.to_owned())),
        Err(_) => host.to_owned(),
    };
    let address = lettre::Address::new("licenses", domain).map_err(|_| MailUrlError::DefaultFrom(host.to_owned()))?;
    Ok(Mailbox::new(None, address))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// RFC 3986 section 2.1. A `+` stays a `+`: it is common in mail addresses and passwords.
fn percent_decode(text: &str, what: &'static str) -> Result<String, MailUrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(MailUrlError::Encoding(what))?;
        let mut decoded = [0];
        hex::decode_to_slice(digits, &mut decoded).map_err(|_| MailUrlError::Encoding(what))?;
        bytes.extend(decoded);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| MailUrlError::Encoding(what))
}

impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            MailTarget::File(folder) => write!(f, "file:{}", folder.display()),
            MailTarget::Smtp(server) => server.fmt(f),
        }
    }
}

impl fmt::Display for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, tls) = match self.tls {
            TlsMode::Implicit => ("smtps", ""),
            TlsMode::Required => ("smtp", "?tls=required"),
            TlsMode::Opportunistic => ("smtp", "?tls=opportunistic"),
            TlsMode::None => ("smtp", "?tls=none"),
        };
        let login = if self.login.is_some() { "***:***@" } else { "" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{login}{open}{}{close}:{}{tls}", self.host, self.port)
    }
}
