//! What pages share: how often somebody may try to sign in, what was counted or verified a moment ago.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;

use super::audit::Verifications;
use super::counts::CountsCache;
use super::problem::Problem;
use crate::http::limits::{PerMinute, network};
use crate::stop::Stopping;

/// Attempts of one address a minute.
const BY_ADDRESS_PER_MINUTE: u32 = 20;
/// Attempts at one account a minute, whoever makes them.
const BY_ACCOUNT_PER_MINUTE: u32 = 10;

/// Limits of the dashboard. Clones share them.
#[derive(Clone)]
pub struct DashboardLimits {
    addresses: Arc<PerMinute<IpAddr>>,
    accounts: Arc<PerMinute<String>>,
    verifications: Verifications,
    counts: CountsCache,
    stopping: Stopping,
}

impl DashboardLimits {
    /// Nobody has tried anything yet.
    pub fn new(stopping: Stopping) -> Self {
        Self {
            addresses: Arc::new(PerMinute::new(BY_ADDRESS_PER_MINUTE)),
            accounts: Arc::new(PerMinute::new(BY_ACCOUNT_PER_MINUTE)),
            verifications: Verifications::default(),
            counts: CountsCache::default(),
            stopping,
        }
    }

    /// Counts an attempt at a password, a code or a token. `account` names what is tried, however it is spelt.
    ///
    /// # Errors
    /// When there were too many, from there or at that account.
    pub(super) fn attempt(&self, address: IpAddr, account: &str) -> Result<(), Problem> {
        let by_address = self.addresses.count(&network(address));
        let by_account = self.accounts.count(&account.trim().to_lowercase());
        by_address.and(by_account).map_err(|wait: Duration| {
            let message = format!("Too many attempts. Wait {} seconds, then try again.", wait.as_secs().max(1));
            let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, message).into_response();
            response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
            Problem::instead(response)
        })
    }

    /// The verification of the ledger that was asked for last.
    pub(super) fn verifications(&self) -> &Verifications {
        &self.verifications
    }

    /// How many licences stand how.
    pub(super) fn counts(&self) -> &CountsCache {
        &self.counts
    }

    /// Learns that it is time to stop.
    pub(super) fn stopping(&self) -> Stopping {
        self.stopping.clone()
    }

    /// Forgets who has been quiet.
    pub fn forget_quiet(&self) {
        self.addresses.forget_quiet();
        self.accounts.forget_quiet();
    }
}
