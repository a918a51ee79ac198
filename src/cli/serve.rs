//! `keyledger serve`

use std::path::PathBuf;
use std::str::FromStr;

use axum::http::HeaderName;
use clap::Args;
use ipnet::IpNet;

use super::global::Global;
use crate::activity::RETENTION_DAYS;
use crate::config::DatabaseUrl;
use crate::hooks::{AllowPrivate, Poster, PosterError};
use crate::networks;
use crate::serve_options::ServeOptions;

/// A header's name, or nothing.
fn header_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if !name.is_empty() && name.parse::<HeaderName>().is_err() {
        return Err("it is no name of a header; expected one like CF-IPCountry".to_owned());
    }
    Ok(name.to_owned())
}

/// An address with its port. Whether it is there, and free, is seen when it is listened on.
pub(super) fn address(text: &str) -> Result<String, &'static str> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err("expected an address and a port, as in 127.0.0.1:8080"),
    }
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "KEYLEDGER_LISTEN",
        default_value = "127.0.0.1:8080",
        value_parser = address
    )]
    pub(super) listen: String,
    #[command(flatten)]
    pub(super) edges: EdgeArgs,
}

/// What a server does at its edges.
#[derive(Debug, Args)]
pub(super) struct EdgeArgs {
    /// Where mail goes: file:FOLDER or smtps://USER:PASSWORD@HOST?from=ADDRESS [default: file: the folder `mail`
    /// beside the database, or in ./data].
    // Kept as text: the argument parser would repeat a bad value, and with it the password.
    #[arg(long, value_name = "URL", env = "KEYLEDGER_MAIL_URL", hide_env_values = true)]
    mail_url: Option<String>,
    /// Proxies whose X-Forwarded-For is believed, as networks with commas between them: 127.0.0.1/32,::1/128.
    #[arg(
        long,
        value_name = "NETWORKS",
        env = "KEYLEDGER_TRUSTED_PROXIES",
        default_value = "",
        hide_default_value = true
    )]
    trusted_proxies: Proxies,
    /// Wrongly signed deliveries allowed per address and minute; 0 switches the limit off.
    #[arg(long, value_name = "NUMBER", env = "KEYLEDGER_UNSIGNED_LIMIT_PER_MINUTE", default_value_t = 60)]
    unsigned_limit_per_minute: u32,
    /// Verifications allowed per address and minute; 0 switches the limit off.
    #[arg(long, value_name = "NUMBER", env = "KEYLEDGER_VERIFY_LIMIT_PER_MINUTE", default_value_t = 60)]
    verify_limit_per_minute: u32,
    /// Verifications allowed per licence and minute, whoever asks; 0 switches the limit off.
    #[arg(long, value_name = "NUMBER", env = "KEYLEDGER_LICENSE_LIMIT_PER_MINUTE", default_value_t = 0)]
    license_limit_per_minute: u32,
    /// The header in which a trusted proxy tells the client's country in two letters, such as CF-IPCountry.
    #[arg(long, value_name = "NAME", env = "KEYLEDGER_COUNTRY_HEADER", value_parser = header_name)]
    country_header: Option<String>,
    #[command(flatten)]
    hooks: HookArgs,
    /// Days that the log of verification requests is kept.
    #[arg(
        long,
        value_name = "DAYS",
        env = "KEYLEDGER_REQUESTS_RETENTION_DAYS",
        default_value_t = RETENTION_DAYS,
        value_parser = clap::value_parser!(u32).range(1..=3_650)
    )]
    requests_retention_days: u32,
}

/// Whom webhooks may be posted to.
#[derive(Debug, Args)]
pub(super) struct HookArgs {
    /// Private networks that webhooks may be posted into, with commas between them, or `all` of them: 10.0.0.0/8,127.0.0.1.
    /// Into these, plain http is allowed too.
    #[arg(
        long,
        value_name = "NETWORKS",
        env = "KEYLEDGER_HOOKS_ALLOW_PRIVATE",
        default_value = "",
        hide_default_value = true
    )]
    hooks_allow_private: AllowPrivate,
    /// A PEM file with authorities of your own that webhooks' certificates may be signed by.
    #[arg(long, value_name = "FILE", env = "KEYLEDGER_HOOKS_CA")]
    hooks_ca: Option<PathBuf>,
}

impl HookArgs {
    /// What posts within these bounds.
    pub(super) fn poster(self) -> Result<Poster, PosterError> {
        Poster::new(self.hooks_allow_private, self.hooks_ca.as_ref())
    }
}

impl ServeArgs {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        crate::serve::serve(self.edges.options(global, self.listen)?).await
    }
}

impl EdgeArgs {
    /// Everything that a server needs to know.
    pub(super) fn options(self, global: &Global, listen: String) -> anyhow::Result<ServeOptions> {
        let database = global.database();
        let master = global.master(&database)?;
        let mail_url = self.mail_url.filter(|url| !url.trim().is_empty()).unwrap_or_else(|| mail_folder(&database));
        let Proxies(trusted_proxies) = self.trusted_proxies;
        Ok(ServeOptions {
            database,
            master,
            listen,
            mail_url,
            trusted_proxies,
            unsigned_limit_per_minute: self.unsigned_limit_per_minute,
            verify_limit_per_minute: self.verify_limit_per_minute,
            license_limit_per_minute: self.license_limit_per_minute,
            country_header: self.country_header.filter(|name| !name.is_empty()),
            hooks_allow_private: self.hooks.hooks_allow_private,
            hooks_ca: self.hooks.hooks_ca,
            requests_retention_days: self.requests_retention_days,
        })
    }
}

/// The folder of mails that nobody sends.
pub(super) fn mail_folder(database: &DatabaseUrl) -> String {
    format!("file:{}", database.folder().join("mail").display())
}

/// Networks of trusted proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Proxies(Vec<IpNet>);

/// A text that is no list of networks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a network like 10.0.0.0/8")]
pub(super) struct ProxiesError(String);

impl FromStr for Proxies {
    type Err = ProxiesError;
    fn from_str(text: &str) -> Result<Self, ProxiesError> {
        let network = |part: &str| networks::network(part).ok_or_else(|| ProxiesError(part.to_owned()));
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(network).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_networks_or_addresses() -> Result<(), Box<dyn std::error::Error>> {
        let networks = [IpNet::from_str("127.0.0.1/32")?, IpNet::from_str("::1/128")?, IpNet::from_str("10.0.0.0/8")?];
        assert_eq!("127.0.0.1, ::1/128,10.0.0.0/8".parse(), Ok(Proxies(networks.to_vec())));
        assert_eq!("::ffff:10.0.0.0/104".parse(), Ok(Proxies(networks[2..].to_vec())));
        assert_eq!("".parse(), Ok(Proxies::default()));
        assert_eq!("localhost".parse::<Proxies>(), Err(ProxiesError("localhost".to_owned())));
        Ok(())
    }

    #[test]
    fn mails_lie_beside_the_database() -> Result<(), Box<dyn std::error::Error>> {
        assert_eq!(mail_folder(&"sqlite:/srv/keys".parse()?), "file:/srv/keys/mail");
        assert_eq!(mail_folder(&"postgres://me@db/keys".parse()?), "file:data/mail");
        Ok(())
    }
}
