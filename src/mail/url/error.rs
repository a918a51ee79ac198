//! Why a mail URL was refused, and what to write instead.

/// A mail URL that makes no sense. No message repeats a part that may be a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailUrlError {
    /// Neither `file:`, `smtp:` nor `smtps:`.
    #[error(
        "the mail URL must begin with `file:`, `smtp://` or `smtps://`, as in `smtps://user:password@mail.example.com`"
    )]
    Scheme,
    /// `file:` alone.
    #[error("the mail URL `file:` names no folder; write `file:./mail` or `file:///var/lib/keyledger/mail`")]
    NoFolder,
    /// `file://host/…`.
    #[error("the mail URL's folder is on another host; write `file:folder`, or `file:///folder` with three slashes")]
    FileHost,
    /// `smtp://` without a host.
    #[error("the mail URL names no host; write `smtp://mail.example.com`")]
    NoHost,
    /// Something that is no host name.
    #[error("`{0}` in the mail URL is not a host name or an address")]
    Host(String),
    /// The text after the host's colon.
    #[error("the mail URL's port must be a number from 1 to 65535")]
    Port,
    /// A name without a password.
    #[error("the mail URL has a user but no password; write `user:password@host`, or leave both out")]
    NoPassword,
    /// A path, or a reserved character that cut user and password in two.
    #[error(
        "the mail URL has something after the host that is no parameter; in user and password write `/` as `%2F`, \
         `?` as `%3F`, `#` as `%23`, `@` as `%40` and `%` as `%25`"
    )]
    AfterHost,
    /// A `%` without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the {0} in the mail URL is not percent-encoded correctly; write `%` itself as `%25`")]
    Encoding(&'static str),
    /// A parameter that we do not know here.
    #[error("the mail URL has an unknown parameter `{name}`; known here: {known}")]
    Parameter {
        /// Its name.
        name: String,
        /// Those that exist.
        known: &'static str,
    },
    /// `tls` with another value.
    #[error("`tls={value}` in the mail URL must be {expected}")]
    Tls {
        /// What it says.
        value: String,
        /// What it may say.
        expected: &'static str,
    },
    /// A password that could cross the network unprotected.
    #[error(
        "the mail URL would let the password for `{host}` cross the network unprotected; write `tls=required` or \
         `smtps://`, or leave user and password out"
    )]
    PasswordInClear {
        /// The host.
        host: String,
    },
    /// `from` is no mail address.
    #[error("`from={0}` in the mail URL is not a mail address; write `from=licenses@example.com`")]
    From(String),
    /// The host makes no address, and no `from` was given.
    #[error("`{0}` makes no sender's address; add `from=licenses@example.com` to the mail URL")]
    DefaultFrom(String),
}
