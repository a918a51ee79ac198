//! What `serve` needs to know.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::config::{DatabaseUrl, MasterKeySource};
use crate::hooks::AllowPrivate;

/// What `serve` needs to know.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where the ledger lives.
    pub database: DatabaseUrl,
    /// Where the master key comes from.
    pub master: MasterKeySource,
    /// Address and port to listen on; port 0 takes a free one.
    pub listen: String,
    /// Where mail goes. Kept as text so that an error about it can leave out the password.
    pub mail_url: String,
    /// Proxies whose word on the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Badly signed deliveries that an address may send per minute; 0 for no limit.
    pub unsigned_limit_per_minute: u32,
    /// Verifications that an address may ask for per minute; 0 for no limit.
    pub verify_limit_per_minute: u32,
    /// Verifications that may be asked for of one licence per minute; 0 for no limit.
    pub license_limit_per_minute: u32,
    /// The header in which a trusted proxy tells the client's country in two letters.
    pub country_header: Option<String>,
    /// The private networks that hooks may be posted into.
    pub hooks_allow_private: AllowPrivate,
    /// A PEM file with authorities of one's own that webhooks' certificates may be signed by.
    pub hooks_ca: Option<PathBuf>,
    /// Days that the requests log is kept.
    pub requests_retention_days: u32,
}
